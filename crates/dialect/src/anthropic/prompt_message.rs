//! Reads one message for the policies' view: its texts and calls typed, also those within
//! results of tools, and beside them the form in which they stood.

use super::grammar::CONTENT_OF;
use crate::canonical::{Field, Message, Needs};
use crate::fields::{field, name_of, string};
use crate::grammar::prompt::{self, Parts};
use crate::json::{Kind, Span, Value};
use crate::request::RequestError;

pub(super) fn message(
    needs: &mut Needs,
    position: usize,
    message: Value<'_>,
) -> Result<(Message, Vec<Option<Span>>), RequestError> {
    let path = |rest: &str| format!("messages[{position}]{rest}");
    if message.kind() != Kind::Object {
        return Err(RequestError::wrong_type(path(""), "an object", message));
    }
    let mut role = None;
    let mut said = None;
    let mut extra = Vec::new();
    let mut parts = Parts::default();
    for (key, value) in message.members() {
        let name = name_of(key);
        match name.as_ref() {
            "role" => role = Some(string(value, || path(".role"))?.into_owned()),
            "content" => {
                let at = || path(".content");
                said = Some(prompt::content(&CONTENT_OF, needs, value, &at, &mut parts)?);
            }
            _ => extra.push(field(&name, value)),
        }
    }
    let missing = |rest: &str| RequestError::Missing { param: path(rest) };
    let role = role.ok_or_else(|| missing(".role"))?;
    let form = said.ok_or_else(|| missing(".content"))?;
    extra.extend(form.map(|value| Field {
        name: "content".to_owned(),
        value,
    }));
    extra.sort_by(|left, right| left.name.cmp(&right.name));
    let message = Message {
        role,
        parts: parts.parts,
        extra,
    };
    Ok((message, parts.places))
}
