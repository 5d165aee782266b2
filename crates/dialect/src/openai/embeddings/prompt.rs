//! Reads an embeddings request into the canonical prompt that policies see: each text, or each
//! list of token ids, is a message of the user.

use super::super::message;
use crate::canonical::{Field, Message, Needs, Operation, Prompt, Sampling, TOKEN_IDS};
use crate::fields::{field, integer, invalid, name_of, string};
use crate::grammar::prompt::Parts;
use crate::json::{Kind, Span, Value};
use crate::request::{Read, RequestError};

const EXPECTED: &str = "a string, an array of strings or an array of token ids";

pub(super) fn read(root: Value<'_>) -> Result<Read, RequestError> {
    if root.kind() != Kind::Object {
        return Err(RequestError::wrong_type("body", "an object", root));
    }
    let missing = |name: &str| RequestError::Missing {
        param: name.to_owned(),
    };
    let mut model = None;
    let mut input = Input::default();
    let mut extra = Vec::new();
    for (key, value) in root.members() {
        let name = name_of(key);
        match name.as_ref() {
            "model" => model = Some(string(value, || name.to_string())?.into_owned()),
            "input" => input.read(value, &mut extra)?,
            // vLLM embeds conversations, too.
            "messages" if value.kind() == Kind::Array => input.messages(value, &mut extra)?,
            _ => extra.push(field(&name, value)),
        }
    }
    if input.messages.is_empty() {
        return Err(missing("input"));
    }
    extra.sort_by(|left, right| left.name.cmp(&right.name));
    Ok(Read {
        prompt: Prompt {
            operation: Operation::Embedding,
            model: model.ok_or_else(|| missing("model"))?,
            messages: input.messages,
            tools: Vec::new(),
            sampling: Sampling::default(),
            extra,
        },
        stream: false,
        include_usage: false,
        needs: input.needs,
        places: input.places,
    })
}

#[derive(Default)]
struct Input {
    messages: Vec<Message>,
    places: Vec<Vec<Option<Span>>>,
    needs: Needs,
}

impl Input {
    fn push(&mut self, parts: Parts) {
        let (message, places) = parts.into_message("user");
        self.messages.push(message);
        self.places.push(places);
    }

    fn messages(&mut self, value: Value<'_>, extra: &mut Vec<Field>) -> Result<(), RequestError> {
        for (position, one) in value.items().enumerate() {
            let (message, places) = message::message(&mut self.needs, position, one)?;
            self.messages.push(message);
            self.places.push(places);
        }
        extra.push(Field {
            name: "messages".to_owned(),
            value: "[]".to_owned(),
        });
        Ok(())
    }

    fn read(&mut self, value: Value<'_>, extra: &mut Vec<Field>) -> Result<(), RequestError> {
        let text = |value: Value<'_>| {
            let mut parts = Parts::default();
            parts.text(value);
            parts
        };
        match value.kind() {
            Kind::String => {
                self.push(text(value));
                return Ok(());
            }
            Kind::Array => {}
            _ => return Err(RequestError::wrong_type("input", EXPECTED, value)),
        }
        let first = value.items().next().map(Value::kind);
        if first == Some(Kind::Number) {
            let ids = self.token_ids(value, &|| "input".to_owned())?;
            self.push(ids);
            return Ok(());
        }
        if first.is_none() {
            return Err(invalid("input", "must have at least one text"));
        }
        // Several texts, even if there is only one of them.
        extra.push(Field {
            name: "input".to_owned(),
            value: "[]".to_owned(),
        });
        for (position, one) in value.items().enumerate() {
            let path = || format!("input[{position}]");
            let parts = match one.kind() {
                Kind::String => text(one),
                Kind::Array => self.token_ids(one, &path)?,
                _ => return Err(RequestError::wrong_type(path(), EXPECTED, one)),
            };
            self.push(parts);
        }
        Ok(())
    }

    fn token_ids(
        &mut self,
        value: Value<'_>,
        path: &dyn Fn() -> String,
    ) -> Result<Parts, RequestError> {
        if value.items().next().is_none() {
            return Err(invalid(&path(), "must have at least one token id"));
        }
        for (position, id) in value.items().enumerate() {
            let known = id.as_integer().is_some_and(|id| u32::try_from(id).is_ok());
            if !known {
                let param = format!("{}[{position}]", path());
                integer::<u32>(id, &param, "must be a token id")?;
            }
        }
        self.needs.token_ids = true;
        let mut parts = Parts::default();
        parts.opaque(TOKEN_IDS, value);
        Ok(parts)
    }
}
