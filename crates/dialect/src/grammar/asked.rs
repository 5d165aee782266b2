//! Reads what requests of several formats ask for in the same words.

use std::borrow::Cow;

use crate::exchange::{Effort, Message, OutputFormat, Part, Role};
use crate::fields::{
    array, boolean, invalid, missing, named, need, need_text, object, rest, said, string,
};
use crate::json::{Kind, Value};
use crate::request::RequestError;

/// How hard the model thinks, in OpenAI's words.
pub(crate) fn effort(value: Value<'_>, path: &str) -> Result<Effort, RequestError> {
    const WORDS: &str = "must be 'none', 'minimal', 'low', 'medium', 'high', 'xhigh' or 'max'";
    Effort::parse(&string(value, path)?).ok_or_else(|| invalid(path, WORDS))
}

/// JSON of a schema that has no name.
pub(crate) fn unnamed(schema: Cow<'_, str>) -> OutputFormat<'_> {
    OutputFormat::JsonSchema {
        name: Cow::Borrowed("response"),
        description: None,
        schema,
        strict: None,
    }
}

/// JSON of a schema, as OpenAI asks for it.
pub(crate) fn json_schema<'d>(
    asked: Value<'d>,
    path: impl Fn() -> String,
) -> Result<OutputFormat<'d>, RequestError> {
    let at = |name: &str| format!("{}.{name}", path());
    let schema = need(asked, "schema", &path)?;
    if !matches!(schema.kind(), Kind::Object | Kind::Bool) {
        let param = at("schema");
        return Err(RequestError::wrong_type(param, "a JSON schema", schema));
    }
    let strict = asked.some("strict");
    Ok(OutputFormat::JsonSchema {
        name: need_text(asked, "name", &path)?,
        description: said(asked, "description"),
        schema: schema.raw().into(),
        strict: strict
            .map(|strict| boolean(strict, &at("strict")))
            .transpose()?,
    })
}

/// A label and what it says.
type Label<'d> = (Cow<'d, str>, Cow<'d, str>);

/// The client's own labels.
pub(crate) fn labels<'d>(value: Value<'d>, path: &str) -> Result<Vec<Label<'d>>, RequestError> {
    let label = |(name, value): (Cow<'d, str>, Value<'d>)| {
        let text = string(value, || format!("{path}.{name}"))?;
        Ok((name, text))
    };
    named(object(value, path)?).map(label).collect()
}

/// What reads the content of a message.
type ReadContent<'d> = fn(Value<'d>, &dyn Fn() -> String) -> Result<Vec<Part<'d>>, RequestError>;

/// Messages of formats in which a user's message holds results of tools: in what crosses those have
/// one of their own, ahead of what else the user says. `misplaced` refuses them in others' messages.
pub(crate) fn turns<'d>(
    value: Value<'d>,
    content: ReadContent<'d>,
    misplaced: Option<&'static str>,
    messages: &mut Vec<Message<'d>>,
) -> Result<(), RequestError> {
    for (position, said) in array(value, "messages")?.items().enumerate() {
        let path = |rest: &str| format!("messages[{position}]{rest}");
        object(said, || path(""))?;
        let need = |name: &str| {
            let found = said.get(name);
            found.ok_or_else(|| missing(|| path(&format!(".{name}"))))
        };
        let role = match string(need("role")?, || path(".role"))?.as_ref() {
            "user" => Role::User,
            "assistant" => Role::Assistant,
            "system" => Role::System,
            _ => {
                let reason = "must be 'user', 'assistant' or 'system'";
                return Err(invalid(&path(".role"), reason));
            }
        };
        let mut parts = content(need("content")?, &|| path(".content"))?;
        if parts.iter().any(|part| part.result().is_some()) {
            if role == Role::User {
                let (results, others) = parts.into_iter().partition(|p| p.result().is_some());
                messages.push(Message::new(Role::Tool, results));
                parts = others;
            } else if let Some(reason) = misplaced {
                return Err(invalid(&path(".content"), reason));
            }
            if parts.is_empty()
                && let Some(results) = messages.last_mut()
            {
                results.extra = rest(said, &["role", "content"]);
                continue;
            }
        }
        messages.push(Message {
            extra: rest(said, &["role", "content"]),
            ..Message::new(role, parts)
        });
    }
    Ok(())
}
