//! Reads what requests of several formats ask for in the same words.

use std::borrow::Cow;

use crate::exchange::{Effort, OutputFormat};
use crate::fields::{boolean, invalid, named, need, need_text, object, said, string};
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
