//! Reads the fields of a chat or completion request into the canonical prompt.

use super::message;
use crate::canonical::{Field, Message, Needs, Operation, Prompt, Sampling, TOKEN_IDS};
use crate::fields::{
    boolean, field, has, has_value, integer, invalid, name_of, number, string, tools,
};
use crate::grammar::prompt::Parts;
use crate::json::{Kind, Span, Value};
use crate::request::{Read, RequestError};

pub(crate) fn read(operation: Operation, root: Value<'_>) -> Result<Read, RequestError> {
    if root.kind() != Kind::Object {
        return Err(RequestError::wrong_type("body", "an object", root));
    }
    let mut reader = Reader {
        operation,
        model: None,
        messages: None,
        places: Vec::new(),
        tools: Vec::new(),
        sampling: Sampling::default(),
        extra: Vec::new(),
        stream: false,
        include_usage: false,
        needs: Needs::default(),
    };
    for (key, value) in root.members() {
        reader.member(&name_of(key), value)?;
    }
    reader.finish()
}

struct Reader {
    operation: Operation,
    model: Option<String>,
    messages: Option<Vec<Message>>,
    places: Vec<Vec<Option<Span>>>,
    tools: Vec<String>,
    sampling: Sampling,
    extra: Vec<Field>,
    stream: bool,
    include_usage: bool,
    needs: Needs,
}

impl Reader {
    fn finish(mut self) -> Result<Read, RequestError> {
        let missing = |name: &str| RequestError::Missing {
            param: name.to_owned(),
        };
        let model = self.model.ok_or_else(|| missing("model"))?;
        let messages = match (self.messages, self.operation) {
            (Some(messages), _) => messages,
            (None, Operation::Chat) => return Err(missing("messages")),
            // vLLM takes embeddings in the prompt's place.
            (None, Operation::Completion) if has(&self.extra, "prompt_embeds") => Vec::new(),
            (None, _) => return Err(missing("prompt")),
        };
        self.extra.sort_by(|left, right| left.name.cmp(&right.name));
        self.needs.streaming = self.stream;
        self.needs.multiple_choices |= self.sampling.n > 1;
        let prompt = Prompt {
            operation: self.operation,
            model,
            messages,
            tools: self.tools,
            sampling: self.sampling,
            extra: self.extra,
        };
        Ok(Read {
            prompt,
            stream: self.stream,
            include_usage: self.include_usage,
            needs: self.needs,
            places: self.places,
        })
    }

    fn member(&mut self, name: &str, value: Value<'_>) -> Result<(), RequestError> {
        match (name, self.operation) {
            ("model", _) => {
                self.model = Some(string(value, || name.to_owned())?.into_owned());
                return Ok(());
            }
            ("messages", Operation::Chat) => return self.messages(value),
            ("prompt", Operation::Completion) => return self.prompts(value),
            ("tools", Operation::Chat) => return self.tools(value),
            _ => self.note(name, value)?,
        }
        self.extra.push(field(name, value));
        Ok(())
    }

    /// Takes from a field what is typed; the field itself goes to `extra`.
    fn note(&mut self, name: &str, value: Value<'_>) -> Result<(), RequestError> {
        if value.is_null() {
            return Ok(());
        }
        let sampling = &mut self.sampling;
        match name {
            "stream" => self.stream = boolean(value, name)?,
            "stream_options" => {
                if value.kind() != Kind::Object {
                    return Err(RequestError::wrong_type(name, "an object", value));
                }
                let asked = value.get("include_usage").filter(|asked| !asked.is_null());
                if let Some(asked) = asked {
                    self.include_usage = boolean(asked, "stream_options.include_usage")?;
                }
            }
            "temperature" => sampling.temperature = Some(number(value, name)?),
            "top_p" => sampling.top_p = Some(number(value, name)?),
            "n" => {
                sampling.n = integer(value, name, "must be a whole number from 1 to 4294967295")?;
                if sampling.n == 0 {
                    return Err(invalid(name, "must be at least 1"));
                }
            }
            "max_completion_tokens" => {
                sampling.max_tokens = Some(integer(value, name, AT_LEAST_0)?);
            }
            "max_tokens" => {
                let cap = integer(value, name, AT_LEAST_0)?;
                // OpenAI's newer name wins, whichever comes first.
                if !has_value(&self.extra, "max_completion_tokens") {
                    sampling.max_tokens = Some(cap);
                }
            }
            "seed" => {
                sampling.seed = Some(integer(value, name, "must be a 64-bit signed integer")?);
            }
            "best_of" => {
                let wanted: u32 = integer(value, name, AT_LEAST_0)?;
                self.needs.multiple_choices |= wanted > 1;
            }
            "logprobs" | "top_logprobs" | "prompt_logprobs" => {
                self.needs.logprobs |= value.as_bool() != Some(false);
            }
            "functions" => self.needs.tools |= value.items().next().is_some(),
            "response_format" => {
                let kind = value.get("type");
                self.needs.json_schema |= kind.is_some_and(|kind| kind.is_str("json_schema"));
            }
            // vLLM's names for the same, old and new.
            "guided_json" | "structured_outputs" => self.needs.json_schema = true,
            "modalities" => {
                self.needs.audio |= value.items().any(|modality| modality.is_str("audio"));
            }
            "return_token_ids" => self.needs.token_ids |= value.as_bool() == Some(true),
            "prompt_embeds" => self.needs.token_ids = true,
            _ => {}
        }
        Ok(())
    }

    fn tools(&mut self, value: Value<'_>) -> Result<(), RequestError> {
        self.tools = tools(value)?;
        self.needs.tools |= !self.tools.is_empty();
        if self.tools.is_empty() {
            self.extra.push(field("tools", value));
        }
        Ok(())
    }

    fn messages(&mut self, value: Value<'_>) -> Result<(), RequestError> {
        if value.kind() != Kind::Array {
            return Err(RequestError::wrong_type("messages", "an array", value));
        }
        let mut messages = Vec::with_capacity(value.items().count());
        for (position, message) in value.items().enumerate() {
            let (message, places) = message::message(&mut self.needs, position, message)?;
            messages.push(message);
            self.places.push(places);
        }
        if messages.is_empty() {
            return Err(invalid("messages", "must have at least one message"));
        }
        self.messages = Some(messages);
        Ok(())
    }

    /// A completion's prompt: a text, texts, token ids, or several prompts of token ids.
    fn prompts(&mut self, value: Value<'_>) -> Result<(), RequestError> {
        const EXPECTED: &str = "a string, an array of strings or an array of token ids";
        let mut prompts = Vec::new();
        match value.kind() {
            Kind::Null => {
                self.extra.push(field("prompt", value));
                return Ok(());
            }
            Kind::String => prompts.push(text_prompt(value)),
            Kind::Array => {
                let first = value.items().next().map(Value::kind);
                if first == Some(Kind::Number) {
                    prompts.push(self.token_ids(value, || "prompt".to_owned())?);
                } else {
                    // Several prompts, even if there is only one of them.
                    self.extra.push(Field {
                        name: "prompt".to_owned(),
                        value: "[]".to_owned(),
                    });
                    for (position, prompt) in value.items().enumerate() {
                        let path = || format!("prompt[{position}]");
                        prompts.push(match prompt.kind() {
                            Kind::String => text_prompt(prompt),
                            Kind::Array => self.token_ids(prompt, path)?,
                            _ => return Err(RequestError::wrong_type(path(), EXPECTED, prompt)),
                        });
                    }
                }
            }
            _ => return Err(RequestError::wrong_type("prompt", EXPECTED, value)),
        }
        if prompts.is_empty() {
            return Err(invalid("prompt", "must have at least one prompt"));
        }
        self.needs.multiple_choices |= prompts.len() > 1;
        let (messages, places) = prompts
            .into_iter()
            .map(|parts| parts.into_message("user"))
            .unzip();
        self.messages = Some(messages);
        self.places = places;
        Ok(())
    }

    fn token_ids(
        &mut self,
        value: Value<'_>,
        path: impl Fn() -> String,
    ) -> Result<Parts, RequestError> {
        for (position, id) in value.items().enumerate() {
            let param = || format!("{}[{position}]", path());
            if id.kind() != Kind::Number {
                return Err(RequestError::wrong_type(param(), "a token id", id));
            }
            integer::<u32>(id, &param(), "must be a token id")?;
        }
        if value.items().next().is_none() {
            return Err(invalid(&path(), "must have at least one token id"));
        }
        self.needs.token_ids = true;
        let mut parts = Parts::default();
        parts.opaque(TOKEN_IDS, value);
        Ok(parts)
    }
}

fn text_prompt(value: Value<'_>) -> Parts {
    let mut parts = Parts::default();
    parts.text(value);
    parts
}

const AT_LEAST_0: &str = "must be a whole number of at least 0";
