//! Names and values as Google's JSON has them: protobuf's, in camelCase or snake_case, lists of
//! one without brackets, numbers in quotes (protobuf.dev/programming-guides/json).

use std::borrow::Cow;

use crate::fields::invalid;
use crate::json::{Kind, Value};
use crate::request::RequestError;

/// A name in camelCase: `inline_data` and `inlineData` are one field.
pub(super) fn camel(name: Cow<'_, str>) -> Cow<'_, str> {
    if !name.contains('_') {
        return name;
    }
    let mut out = String::with_capacity(name.len());
    let mut after = false;
    for character in name.chars() {
        match character {
            '_' => after = true,
            _ if after => {
                out.push(character.to_ascii_uppercase());
                after = false;
            }
            _ => out.push(character),
        }
    }
    Cow::Owned(out)
}

/// A member's name in camelCase.
pub(super) fn name_of(key: Value<'_>) -> Cow<'_, str> {
    camel(key.as_str().unwrap_or_default())
}

/// Members that are not null, by their names in camelCase.
pub(super) fn named(object: Value<'_>) -> impl Iterator<Item = (Cow<'_, str>, Value<'_>)> {
    let members = object.members().filter(|(_, value)| !value.is_null());
    members.map(|(key, value)| (name_of(key), value))
}

/// A member that is not null, asked for in camelCase.
pub(super) fn get<'d>(of: Value<'d>, name: &str) -> Option<Value<'d>> {
    of.members()
        .find(|(key, _)| key.is_str(name) || (key.raw().contains('_') && name_of(*key) == name))
        .map(|(_, value)| value)
        .filter(|value| !value.is_null())
}

/// A string member, asked for in camelCase; empty where there is none.
pub(super) fn text<'d>(of: Value<'d>, name: &str) -> Cow<'d, str> {
    get(of, name).and_then(Value::as_str).unwrap_or_default()
}

/// A list's items, or the one item that stands without brackets: Google takes
/// `"parts": {"text": "Hi"}` too, and its own examples have it.
pub(super) fn each(list: Value<'_>) -> impl Iterator<Item = Value<'_>> {
    let alone = (list.kind() != Kind::Array && !list.is_null()).then_some(list);
    alone.into_iter().chain(list.items())
}

/// Refuses an object that has one field in both spellings: readers differ in which they take.
pub(super) fn refuse_two_spellings(
    object: Value<'_>,
    path: impl Fn() -> String,
) -> Result<(), RequestError> {
    // Names without an underscore are in camelCase already, and the reader has refused doubles, so
    // only an object with underscores is looked at. Sorted: an object may have very many members.
    if !object.members().any(|(key, _)| key.raw().contains('_')) {
        return Ok(());
    }
    let mut names: Vec<Cow<'_, str>> = object.members().map(|(key, _)| name_of(key)).collect();
    names.sort_unstable();
    match names.windows(2).find(|pair| pair[0] == pair[1]) {
        None => Ok(()),
        Some(pair) => {
            let path = path();
            let dot = if path.is_empty() { "" } else { "." };
            Err(invalid(
                &format!("{path}{dot}{}", pair[0]),
                "occurs twice, in both spellings",
            ))
        }
    }
}

/// A number, also one in quotes.
pub(super) fn number(value: Value<'_>, path: &str) -> Result<f64, RequestError> {
    let number = match value.kind() {
        Kind::String => value.as_str().and_then(|text| text.parse().ok()),
        _ => value.as_f64(),
    };
    let number: f64 = number.ok_or_else(|| RequestError::wrong_type(path, "a number", value))?;
    if number.is_finite() {
        Ok(number)
    } else {
        Err(invalid(path, "is too large for a number"))
    }
}

/// A whole number, also one in quotes.
pub(super) fn integer<T: TryFrom<i128>>(
    value: Value<'_>,
    path: &str,
    reason: &'static str,
) -> Result<T, RequestError> {
    let integer = match value.kind() {
        Kind::Number => value.as_integer(),
        Kind::String => value.as_str().and_then(|text| text.parse().ok()),
        _ => return Err(RequestError::wrong_type(path, "an integer", value)),
    };
    integer
        .and_then(|integer| T::try_from(integer).ok())
        .ok_or_else(|| invalid(path, reason))
}

/// A count in an answer, also one in quotes; 0 where it is none.
pub(super) fn count(of: Value<'_>, name: &str) -> u64 {
    let value = get(of, name);
    value
        .and_then(|value| integer(value, name, "").ok())
        .unwrap_or_default()
}
