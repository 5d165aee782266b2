//! Members of objects.

use std::borrow::Cow;

use crate::fields::name_of;
use crate::json::Value;

/// An object's members that are not null, by name.
pub(super) fn named<'d>(object: Value<'d>) -> impl Iterator<Item = (Cow<'d, str>, Value<'d>)> {
    object
        .members()
        .filter(|(_, value)| !value.is_null())
        .map(|(key, value)| (name_of(key), value))
}

/// An object's member that is not null.
pub(super) fn some<'d>(object: Value<'d>, name: &str) -> Option<Value<'d>> {
    object.get(name).filter(|value| !value.is_null())
}

/// A string member that says something.
pub(super) fn text<'d>(object: Value<'d>, name: &str) -> Option<Cow<'d, str>> {
    let text = object.get(name)?.as_str()?;
    (!text.is_empty()).then_some(text)
}
