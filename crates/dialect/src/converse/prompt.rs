//! Reads the fields of a request into the canonical prompt that policies see.

use super::grammar::CONTENT_OF;
use super::read::model_missing;
use crate::canonical::{Field, Message, Needs, Operation, Prompt, Sampling};
use crate::fields::{canonical, field, integer, name_of, number, string};
use crate::grammar::prompt::{self, Parts, without};
use crate::json::{Kind, Shape, Span, Value};
use crate::request::{Read, RequestError};
use crate::wire::Target;

pub(crate) fn read(target: &Target, root: Value<'_>) -> Result<Read, RequestError> {
    if root.kind() != Kind::Object {
        return Err(RequestError::wrong_type("body", "an object", root));
    }
    let mut reader = Reader::default();
    // The system prompt is the first message, wherever it stands.
    if let Some(system) = root.get("system") {
        reader.system(system)?;
    }
    for (key, value) in root.members() {
        reader.member(&name_of(key), value)?;
    }
    let stream = target.stream.unwrap_or_default();
    reader.needs.streaming = stream;
    reader
        .extra
        .sort_by(|left, right| left.name.cmp(&right.name));
    Ok(Read {
        prompt: Prompt {
            operation: Operation::Chat,
            model: target.model.clone().ok_or_else(model_missing)?,
            messages: reader.messages,
            tools: reader.tools,
            sampling: reader.sampling,
            extra: reader.extra,
        },
        stream,
        // The stream's last event has it always.
        include_usage: stream,
        needs: reader.needs,
        places: reader.places,
    })
}

#[derive(Default)]
struct Reader {
    messages: Vec<Message>,
    places: Vec<Vec<Option<Span>>>,
    tools: Vec<String>,
    sampling: Sampling,
    extra: Vec<Field>,
    needs: Needs,
}

impl Reader {
    fn member(&mut self, name: &str, value: Value<'_>) -> Result<(), RequestError> {
        match name {
            "system" => return Ok(()),
            "messages" => return self.messages(value),
            "toolConfig" => return self.tool_config(value),
            "inferenceConfig" => self.inference(value)?,
            "outputConfig" => {
                let format = value.get("textFormat");
                self.needs.json_schema |= format.is_some_and(|format| !format.is_null());
            }
            _ => {}
        }
        self.extra.push(field(name, value));
        Ok(())
    }

    /// The form of the system prompt goes to the request's fields, so that it is not taken for
    /// a message of that role.
    fn system(&mut self, value: Value<'_>) -> Result<(), RequestError> {
        if value.is_null() {
            self.extra.push(field("system", value));
            return Ok(());
        }
        let mut parts = Parts::default();
        let form = self.blocks(value, &|| "system".to_owned(), &mut parts)?;
        self.extra.push(Field {
            name: "system".to_owned(),
            value: form,
        });
        if !parts.parts.is_empty() {
            self.push("system".to_owned(), parts, Vec::new());
        }
        Ok(())
    }

    fn blocks(
        &mut self,
        value: Value<'_>,
        path: prompt::At<'_>,
        parts: &mut Parts,
    ) -> Result<String, RequestError> {
        let form = prompt::content(&CONTENT_OF, &mut self.needs, value, path, parts)?;
        Ok(form.unwrap_or_default())
    }

    fn push(&mut self, role: String, parts: Parts, extra: Vec<Field>) {
        self.messages.push(Message {
            role,
            parts: parts.parts,
            extra,
        });
        self.places.push(parts.places);
    }

    fn messages(&mut self, value: Value<'_>) -> Result<(), RequestError> {
        if value.kind() != Kind::Array && !value.is_null() {
            return Err(RequestError::wrong_type("messages", "an array", value));
        }
        if value.items().next().is_none() {
            self.extra.push(field("messages", value));
        }
        for (position, said) in value.items().enumerate() {
            let path = |rest: &str| format!("messages[{position}]{rest}");
            if said.kind() != Kind::Object {
                return Err(RequestError::wrong_type(path(""), "an object", said));
            }
            let missing = |name: &str| RequestError::Missing { param: path(name) };
            let role = said.get("role").ok_or_else(|| missing(".role"))?;
            let role = string(role, || path(".role"))?.into_owned();
            let content = said.get("content").ok_or_else(|| missing(".content"))?;
            let mut parts = Parts::default();
            let form = self.blocks(content, &|| path(".content"), &mut parts)?;
            let mut extra: Vec<Field> = said
                .members()
                .filter(|(key, _)| !key.is_str("role") && !key.is_str("content"))
                .map(|(key, value)| field(&name_of(key), value))
                .collect();
            if !prompt::is_plain(&form) {
                extra.push(Field {
                    name: "content".to_owned(),
                    value: form,
                });
            }
            extra.sort_by(|left, right| left.name.cmp(&right.name));
            self.push(role, parts, extra);
        }
        Ok(())
    }

    fn tool_config(&mut self, value: Value<'_>) -> Result<(), RequestError> {
        let tools = value.get("tools");
        let wrong = |value| RequestError::wrong_type("toolConfig.tools", "an array", value);
        match tools {
            Some(tools) if tools.kind() != Kind::Array && !tools.is_null() => {
                return Err(wrong(tools));
            }
            _ => {}
        }
        let tools = tools.into_iter().flat_map(Value::items);
        for (position, tool) in tools.enumerate() {
            if tool.kind() != Kind::Object {
                let param = format!("toolConfig.tools[{position}]");
                return Err(RequestError::wrong_type(param, "an object", tool));
            }
            self.tools.push(canonical(tool, Shape::WHOLE));
        }
        self.needs.tools |= !self.tools.is_empty();
        let rest = match self.tools.is_empty() {
            true => canonical(value, Shape::WHOLE),
            false => without(value, &["tools"]),
        };
        self.extra.push(Field {
            name: "toolConfig".to_owned(),
            value: rest,
        });
        Ok(())
    }

    fn inference(&mut self, value: Value<'_>) -> Result<(), RequestError> {
        if value.is_null() {
            return Ok(());
        }
        if value.kind() != Kind::Object {
            let expected = "an object";
            return Err(RequestError::wrong_type("inferenceConfig", expected, value));
        }
        let sampling = &mut self.sampling;
        for (key, value) in value.members().filter(|(_, value)| !value.is_null()) {
            match name_of(key).as_ref() {
                "maxTokens" => {
                    let reason = "must be a whole number of at least 0";
                    let cap = integer(value, "inferenceConfig.maxTokens", reason)?;
                    sampling.max_tokens = Some(cap);
                }
                "temperature" => {
                    sampling.temperature = Some(number(value, "inferenceConfig.temperature")?);
                }
                "topP" => sampling.top_p = Some(number(value, "inferenceConfig.topP")?),
                _ => {}
            }
        }
        Ok(())
    }
}
