//! Reads the fields of a request into the canonical prompt that policies see.

use super::grammar::CONTENT_OF;
use super::prompt_message;
use crate::canonical::{Field, Message, Needs, Operation, Prompt, Sampling};
use crate::fields::{boolean, field, integer, invalid, name_of, number, string, tools};
use crate::grammar::prompt::{self, Parts};
use crate::json::{Kind, Span, Value};
use crate::request::{Read, RequestError};
use crate::wire::Target;

/// Reads a body. One whose path says that no stream is asked for is a question for the count of
/// its tokens (`/v1/messages/count_tokens`), which names no `max_tokens`.
pub(crate) fn read(target: &Target, root: Value<'_>) -> Result<Read, RequestError> {
    if root.kind() != Kind::Object {
        return Err(RequestError::wrong_type("body", "an object", root));
    }
    let mut reader = Reader::default();
    for (key, value) in root.members() {
        reader.member(&name_of(key), value)?;
    }
    let counts_only = target.stream == Some(false);
    if !counts_only && reader.sampling.max_tokens.is_none() {
        return Err(missing("max_tokens"));
    }
    reader.finish()
}

fn missing(name: &str) -> RequestError {
    RequestError::Missing {
        param: name.to_owned(),
    }
}

#[derive(Default)]
struct Reader {
    model: Option<String>,
    system: Option<(Message, Vec<Option<Span>>)>,
    messages: Option<Vec<Message>>,
    places: Vec<Vec<Option<Span>>>,
    tools: Vec<String>,
    sampling: Sampling,
    extra: Vec<Field>,
    stream: bool,
    needs: Needs,
}

impl Reader {
    fn finish(mut self) -> Result<Read, RequestError> {
        let model = self.model.ok_or_else(|| missing("model"))?;
        let mut messages = self.messages.ok_or_else(|| missing("messages"))?;
        if let Some((system, places)) = self.system {
            messages.insert(0, system);
            self.places.insert(0, places);
        }
        self.extra.sort_by(|left, right| left.name.cmp(&right.name));
        self.needs.streaming = self.stream;
        let prompt = Prompt {
            operation: Operation::Chat,
            model,
            messages,
            tools: self.tools,
            sampling: self.sampling,
            extra: self.extra,
        };
        Ok(Read {
            prompt,
            stream: self.stream,
            // Anthropic's streams always end with their usage.
            include_usage: true,
            needs: self.needs,
            places: self.places,
        })
    }

    fn member(&mut self, name: &str, value: Value<'_>) -> Result<(), RequestError> {
        const AT_LEAST_0: &str = "must be a whole number of at least 0";
        match name {
            "model" => {
                self.model = Some(string(value, || name.to_owned())?.into_owned());
                return Ok(());
            }
            "messages" => return self.messages(value),
            "system" if !value.is_null() => return self.system(value),
            "tools" if !value.is_null() => return self.tools(value),
            _ if value.is_null() => {}
            "stream" => self.stream = boolean(value, name)?,
            "max_tokens" => self.sampling.max_tokens = Some(integer(value, name, AT_LEAST_0)?),
            "temperature" => self.sampling.temperature = Some(number(value, name)?),
            "top_p" => self.sampling.top_p = Some(number(value, name)?),
            "output_config" => {
                let format = value.get("format");
                self.needs.json_schema |= format.is_some_and(|format| !format.is_null());
            }
            // Its older name.
            "output_format" => self.needs.json_schema = true,
            _ => {}
        }
        self.extra.push(field(name, value));
        Ok(())
    }

    /// The system prompt is the first message; its form is kept under its name, so that it
    /// differs from a message of the system's at the head of the conversation.
    fn system(&mut self, value: Value<'_>) -> Result<(), RequestError> {
        let mut parts = Parts::default();
        let path = || "system".to_owned();
        let form = prompt::content(&CONTENT_OF, &mut self.needs, value, &path, &mut parts)?;
        self.extra.push(Field {
            name: "system".to_owned(),
            value: form.unwrap_or_else(|| "\"\"".to_owned()),
        });
        self.system = Some(parts.into_message("system"));
        Ok(())
    }

    fn tools(&mut self, value: Value<'_>) -> Result<(), RequestError> {
        if value.is_null() {
            return Err(RequestError::wrong_type("tools", "an array", value));
        }
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
        let mut messages = Vec::with_capacity(1 + value.items().count());
        for (position, message) in value.items().enumerate() {
            let (message, places) = prompt_message::message(&mut self.needs, position, message)?;
            messages.push(message);
            self.places.push(places);
        }
        if messages.is_empty() {
            return Err(invalid("messages", "must have at least one message"));
        }
        self.messages = Some(messages);
        Ok(())
    }
}
