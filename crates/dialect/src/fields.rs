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

/// The definitions of tools, each as canonical JSON.
pub(crate) fn tools(value: Value<'_>, path: &str) -> Result<Vec<String>, RequestError> {
    list(
        value,
        || path.to_owned(),
        |tool, path| Ok(canonical(object(tool, path)?, Shape::WHOLE)),
    )
}

pub(crate) fn invalid(param: &str, reason: &'static str) -> RequestError {
    RequestError::InvalidValue {
        param: param.to_owned(),
        reason,
    }
}

/// Where a field stands, for errors: its name, or what makes its path once an error tells it.
pub(crate) trait Place {
    fn told(self) -> String;
}

impl Place for &str {
    fn told(self) -> String {
        self.to_owned()
    }
}

impl Place for &String {
    fn told(self) -> String {
        self.clone()
    }
}

impl<F: Fn() -> String> Place for F {
    fn told(self) -> String {
        self()
    }
}

pub(crate) fn missing(place: impl Place) -> RequestError {
    RequestError::Missing {
        param: place.told(),
    }
}

/// Refuses what is no object.
pub(crate) fn object(value: Value<'_>, place: impl Place) -> Result<Value<'_>, RequestError> {
    match value.kind() {
        Kind::Object => Ok(value),
        _ => Err(RequestError::wrong_type(place.told(), "an object", value)),
    }
}

/// Refuses what is no array.
pub(crate) fn array(value: Value<'_>, place: impl Place) -> Result<Value<'_>, RequestError> {
    match value.kind() {
        Kind::Array => Ok(value),
        _ => Err(RequestError::wrong_type(place.told(), "an array", value)),
    }
}

pub(crate) fn string(value: Value<'_>, place: impl Place) -> Result<Cow<'_, str>, RequestError> {
    let wrong = || RequestError::wrong_type(place.told(), "a string", value);
    value.as_str().ok_or_else(wrong)
}

/// A member that has to be there.
pub(crate) fn need<'d>(
    of: Value<'d>,
    name: &str,
    path: impl Fn() -> String,
) -> Result<Value<'d>, RequestError> {
    let found = object(of, &path)?.some(name);
    found.ok_or_else(|| missing(|| format!("{}.{name}", path())))
}

/// A string member that has to be there.
pub(crate) fn need_text<'d>(
    of: Value<'d>,
    name: &str,
    path: impl Fn() -> String,
) -> Result<Cow<'d, str>, RequestError> {
    string(need(of, name, &path)?, || format!("{}.{name}", path()))
}

/// A string member, where it is there.
pub(crate) fn text_of<'d>(
    of: Value<'d>,
    name: &str,
    path: impl Fn() -> String,
) -> Result<Option<Cow<'d, str>>, RequestError> {
    let text = of.some(name);
    text.map(|text| string(text, || format!("{}.{name}", path())))
        .transpose()
}

/// A schema of arguments. None for `true`, which allows anything.
pub(crate) fn schema<'d>(
    value: Value<'d>,
    place: impl Place,
) -> Result<Option<Cow<'d, str>>, RequestError> {
    match value.kind() {
        Kind::Object => Ok(Some(Cow::Borrowed(value.raw()))),
        _ if value.as_bool() == Some(true) => Ok(None),
        _ => Err(RequestError::wrong_type(
            place.told(),
            "a JSON schema",
            value,
        )),
    }
}

/// A list, of which `read` reads each element, with its path.
pub(crate) fn list<'d, T>(
    value: Value<'d>,
    path: impl Fn() -> String,
    read: impl FnMut(Value<'d>, &dyn Fn() -> String) -> Result<T, RequestError>,
) -> Result<Vec<T>, RequestError> {
    let mut out = Vec::new();
    list_into(&mut out, value, path, read)?;
    Ok(out)
}

/// The same at the end of another.
pub(crate) fn list_into<'d, T>(
    out: &mut Vec<T>,
    value: Value<'d>,
    path: impl Fn() -> String,
    mut read: impl FnMut(Value<'d>, &dyn Fn() -> String) -> Result<T, RequestError>,
) -> Result<(), RequestError> {
    let items = array(value, &path)?.items();
    out.reserve(items.clone().count());
    for (position, item) in items.enumerate() {
        out.push(read(item, &|| format!("{}[{position}]", path()))?);
    }
    Ok(())
}

/// A list of strings.
pub(crate) fn strings<'d>(value: Value<'d>, path: &str) -> Result<Vec<Cow<'d, str>>, RequestError> {
    list(value, || path.to_owned(), |item, path| string(item, path))
}

/// A string member that says something.
pub(crate) fn said<'d>(of: Value<'d>, name: &str) -> Option<Cow<'d, str>> {
    of.text(name).filter(|text| !text.is_empty())
}

/// Members that are not null, by name.
pub(crate) fn named(object: Value<'_>) -> impl Iterator<Item = (Cow<'_, str>, Value<'_>)> {
    let members = object.members().filter(|(_, value)| !value.is_null());
    members.map(|(key, value)| (name_of(key), value))
}

/// What a call of a tool is given: JSON as it stands, of a string what it holds, as some servers
/// write it, and an empty object where it is nothing.
pub(crate) fn given(input: Option<Value<'_>>) -> Cow<'_, str> {
    let input = input.filter(|input| !input.is_null());
    let raw = Cow::Borrowed(input.map_or("{}", Value::raw));
    input.and_then(Value::as_str).unwrap_or(raw)
}

/// All members that are neither null nor known, in the order of their names.
pub(crate) fn rest(object: Value<'_>, known: &[&str]) -> Vec<Field> {
    let rest = named(object).filter(|(name, _)| !known.contains(&name.as_ref()));
    let mut rest: Vec<Field> = rest.map(|(name, value)| field(&name, value)).collect();
    by_name(&mut rest);
    rest
}

/// Fields in the order of their names.
pub(crate) fn by_name(fields: &mut [Field]) {
    fields.sort_by(|left, right| left.name.cmp(&right.name));
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
