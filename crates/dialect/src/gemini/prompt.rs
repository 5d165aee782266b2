//! Reads the fields of a request into the canonical prompt that policies see.

use super::generation::{object, sampled};
use super::message;
use super::names::{each, get, name_of, refuse_two_spellings};
use crate::canonical::{Field, Message, Needs, Operation, Prompt, Sampling};
use crate::exchange;
use crate::fields::{canonical, field, string};
use crate::json::{Kind, Shape, Span, Value};
use crate::request::{Read, RequestError};
use crate::wire::Target;

pub(crate) fn read(target: &Target, root: Value<'_>) -> Result<Read, RequestError> {
    object(root, || "body".to_owned())?;
    refuse_two_spellings(root, String::new)?;
    let mut reader = Reader {
        model: target.model.clone(),
        ..Reader::default()
    };
    for (key, value) in root.members() {
        reader.member(&name_of(key), value)?;
    }
    reader.finish(target.stream.unwrap_or(false))
}

#[derive(Default)]
struct Reader {
    model: Option<String>,
    system: Option<(Message, Vec<Option<Span>>)>,
    messages: Vec<Message>,
    places: Vec<Vec<Option<Span>>>,
    tools: Vec<String>,
    sampling: Sampling,
    extra: Vec<Field>,
    needs: Needs,
}

impl Reader {
    fn member(&mut self, name: &str, value: Value<'_>) -> Result<(), RequestError> {
        if value.is_null() {
            self.extra.push(field(name, value));
            return Ok(());
        }
        match name {
            "model" if self.model.is_none() => {
                self.model = Some(string(value, || name.to_owned())?.into_owned());
            }
            "systemInstruction" => {
                self.system = Some(message::instruction(&mut self.needs, value)?);
                self.form(name, "{}");
            }
            "contents" => self.contents(value)?,
            "tools" => self.tools(value)?,
            "generationConfig" => {
                self.generation(value)?;
                self.extra.push(field(name, value));
            }
            "toolConfig" => {
                object(value, || name.to_owned())?;
                refuse_two_spellings(value, || name.to_owned())?;
                if let Some(calling) = get(value, "functionCallingConfig") {
                    let path = || "toolConfig.functionCallingConfig".to_owned();
                    refuse_two_spellings(calling, path)?;
                }
                self.extra.push(field(name, value));
            }
            _ => self.extra.push(field(name, value)),
        }
        Ok(())
    }

    /// Notes in which form a field came that is kept elsewhere.
    fn form(&mut self, name: &str, form: &str) {
        self.extra.push(Field {
            name: name.to_owned(),
            value: form.to_owned(),
        });
    }

    fn contents(&mut self, value: Value<'_>) -> Result<(), RequestError> {
        if !matches!(value.kind(), Kind::Array | Kind::Object) {
            return Err(RequestError::wrong_type("contents", "an array", value));
        }
        for (position, content) in each(value).enumerate() {
            let (message, places) = message::content(&mut self.needs, position, content)?;
            self.messages.push(message);
            self.places.push(places);
        }
        match value.kind() {
            Kind::Object => self.form("contents", "{}"),
            _ if self.messages.is_empty() => self.form("contents", "[]"),
            _ => {}
        }
        Ok(())
    }

    fn tools(&mut self, value: Value<'_>) -> Result<(), RequestError> {
        for (position, tool) in each(value).enumerate() {
            let path = || format!("tools[{position}]");
            object(tool, path)?;
            refuse_two_spellings(tool, path)?;
            let functions = get(tool, "functionDeclarations");
            for (number, function) in functions.into_iter().flat_map(each).enumerate() {
                refuse_two_spellings(function, || {
                    format!("tools[{position}].functionDeclarations[{number}]")
                })?;
            }
            self.tools.push(canonical(tool, Shape::WHOLE));
        }
        self.needs.tools |= !self.tools.is_empty();
        match value.kind() {
            Kind::Object => self.form("tools", "{}"),
            _ if self.tools.is_empty() => self.form("tools", "[]"),
            _ => {}
        }
        Ok(())
    }

    fn generation(&mut self, config: Value<'_>) -> Result<(), RequestError> {
        object(config, || "generationConfig".to_owned())?;
        refuse_two_spellings(config, || "generationConfig".to_owned())?;
        let mut drawn = exchange::Sampling::default();
        for (key, value) in config.members().filter(|(_, value)| !value.is_null()) {
            let name = name_of(key);
            if sampled(&mut drawn, &name, value)? {
                continue;
            }
            match name.as_ref() {
                "responseSchema" | "responseJsonSchema" => self.needs.json_schema = true,
                "thinkingConfig" => {
                    let path = || "generationConfig.thinkingConfig".to_owned();
                    refuse_two_spellings(value, path)?;
                }
                "responseModalities" => {
                    self.needs.audio |= each(value).any(|modality| modality.is_str("AUDIO"));
                }
                _ => {}
            }
        }
        self.needs.logprobs |= drawn.logprobs;
        self.sampling = Sampling {
            temperature: drawn.temperature,
            top_p: drawn.top_p,
            n: drawn.n.unwrap_or(1),
            max_tokens: drawn.max_tokens,
            seed: drawn.seed,
        };
        Ok(())
    }

    fn finish(mut self, stream: bool) -> Result<Read, RequestError> {
        let missing = |name: &str| RequestError::Missing {
            param: name.to_owned(),
        };
        let model = self.model.ok_or_else(|| missing("model"))?;
        if self.messages.is_empty() {
            return Err(missing("contents"));
        }
        if let Some((message, places)) = self.system {
            self.messages.insert(0, message);
            self.places.insert(0, places);
        }
        self.extra.sort_by(|left, right| left.name.cmp(&right.name));
        self.needs.streaming = stream;
        self.needs.multiple_choices |= self.sampling.n > 1;
        let prompt = Prompt {
            operation: Operation::Chat,
            model,
            messages: self.messages,
            tools: self.tools,
            sampling: self.sampling,
            extra: self.extra,
        };
        Ok(Read {
            prompt,
            stream,
            // Google tells it always.
            include_usage: true,
            needs: self.needs,
            places: self.places,
        })
    }
}
