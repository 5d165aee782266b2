//! Reads single fields of a request, and says which one is wrong.

use std::borrow::Cow;

use crate::canonical::Field;
use crate::json::{Kind, Shape, Value, write_canonical};
use crate::request::RequestError;

pub(crate) fn has(fields: &[Field], name: &str) -> bool {
    fields.iter().any(|field| field.name == name)
}

pub(crate) fn has_value(fields: &[Field], name: &str) -> bool {
    fields
        .iter()
        .any(|field| field.name == name && field.value != "null")
}

pub(crate) fn name_of(key: Value<'_>) -> Cow<'_, str> {
    key.as_str().unwrap_or_default()
}

pub(crate) fn field(name: &str, value: Value<'_>) -> Field {
    Field {
        name: name.to_owned(),
        value: canonical(value, Shape::WHOLE),
    }
}

pub(crate) fn canonical(value: Value<'_>, shape: &'static Shape) -> String {
    let mut out = String::with_capacity(value.raw().len());
    write_canonical(value, shape, &mut out);
    out
}

/// The definitions of tools, each as canonical JSON. Null is an empty list.
pub(crate) fn tools(value: Value<'_>) -> Result<Vec<String>, RequestError> {
    if value.kind() != Kind::Array && !value.is_null() {
        return Err(RequestError::wrong_type("tools", "an array", value));
    }
    let tool = |(position, tool): (usize, Value<'_>)| match tool.kind() {
        Kind::Object => Ok(canonical(tool, Shape::WHOLE)),
        _ => {
            let param = format!("tools[{position}]");
            Err(RequestError::wrong_type(param, "an object", tool))
        }
    };
    value.items().enumerate().map(tool).collect()
}

pub(crate) fn invalid(param: &str, reason: &'static str) -> RequestError {
    RequestError::InvalidValue {
        param: param.to_owned(),
        reason,
    }
}

pub(crate) fn string<'d>(
    value: Value<'d>,
    path: impl Fn() -> String,
) -> Result<Cow<'d, str>, RequestError> {
    value
        .as_str()
        .ok_or_else(|| RequestError::wrong_type(path(), "a string", value))
}

pub(crate) fn boolean(value: Value<'_>, path: &str) -> Result<bool, RequestError> {
    value
        .as_bool()
        .ok_or_else(|| RequestError::wrong_type(path, "a boolean", value))
}

pub(crate) fn number(value: Value<'_>, path: &str) -> Result<f64, RequestError> {
    let number = value.as_f64();
    let number = number.ok_or_else(|| RequestError::wrong_type(path, "a number", value))?;
    if number.is_finite() {
        Ok(number)
    } else {
        Err(invalid(path, "is too large for a number"))
    }
}

pub(crate) fn integer<T: TryFrom<i128>>(
    value: Value<'_>,
    path: &str,
    reason: &'static str,
) -> Result<T, RequestError> {
    if value.kind() != Kind::Number {
        return Err(RequestError::wrong_type(path, "an integer", value));
    }
    let integer = value
        .as_integer()
        .and_then(|integer| T::try_from(integer).ok());
    integer.ok_or_else(|| invalid(path, reason))
}
