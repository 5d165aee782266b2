//! Writes JSON straight into one text. Brackets, commas and quotes stand here and nowhere else:
//! objects and lists are closures that write their members and items.
//!
//! A comma stands where something was written before in the object or list that is open. What was
//! written last tells that, so whatever is cut off again leaves no trace; nothing is allocated.

use std::fmt::{Display, Write};

use super::document::Value;
use super::text::write_json_string;

/// What is written to: a text, or what holds one.
pub(crate) trait Sink {
    /// The text.
    fn out(&mut self) -> &mut String;
}

impl Sink for String {
    fn out(&mut self) -> &mut String {
        self
    }
}

/// A value follows: the text's only one, an item of the list that is open, or a member's.
pub(crate) fn item(out: &mut String) {
    if !out.is_empty() && !out.ends_with(['{', '[', ':', ',']) {
        out.push(',');
    }
}

/// What is written to this text will stand behind other members or items.
pub(crate) fn behind(out: &mut String) {
    out.push(',');
}

/// The next value is JSON already.
pub(crate) fn value(out: &mut String, json: &str) {
    item(out);
    out.push_str(json);
}

/// The next value is a string.
pub(crate) fn string(out: &mut String, text: &str) {
    item(out);
    write_json_string(text, out);
}

/// The next value is a string whose inside needs no escapes, or has them already.
pub(crate) fn quoted(out: &mut String, inside: impl FnOnce(&mut String)) {
    item(out);
    out.push('"');
    inside(out);
    out.push('"');
}

/// The next value is an object.
pub(crate) fn braces<S: Sink, R>(to: &mut S, members: impl FnOnce(&mut S) -> R) -> R {
    open(to.out());
    let result = members(to);
    close(to.out());
    result
}

/// The next value is a list.
pub(crate) fn brackets<S: Sink, R>(to: &mut S, items: impl FnOnce(&mut S) -> R) -> R {
    item(to.out());
    to.out().push('[');
    let result = items(to);
    to.out().push(']');
    result
}

/// The next value is an object whose `type` is this, with further members.
pub(crate) fn typed<S: Sink, R>(to: &mut S, kind: &str, members: impl FnOnce(&mut S) -> R) -> R {
    braces(to, |to| {
        text(to.out(), "type", kind);
        members(to)
    })
}

/// The next value is an object that says its type, and in the member of that name the rest.
pub(crate) fn wrapped<S: Sink, R>(to: &mut S, kind: &str, members: impl FnOnce(&mut S) -> R) -> R {
    typed(to, kind, |to| object(to, kind, members))
}

/// The next value is a union: an object with one member, an object too.
pub(crate) fn union<S: Sink, R>(to: &mut S, key: &str, members: impl FnOnce(&mut S) -> R) -> R {
    braces(to, |to| object(to, key, members))
}

/// Opens an object that [`close`] closes: one that does not begin and end in the same function.
pub(crate) fn open(out: &mut String) {
    item(out);
    out.push('{');
}

/// Closes the object that is open.
pub(crate) fn close(out: &mut String) {
    out.push('}');
}

/// A member's name; its value follows.
pub(crate) fn name(out: &mut String, key: &str) {
    item(out);
    write_json_string(key, out);
    out.push(':');
}

/// A member whose value is a string.
pub(crate) fn text(out: &mut String, key: &str, value: &str) {
    name(out, key);
    write_json_string(value, out);
}

/// A member whose value is a string that has its escapes already.
pub(crate) fn escaped(out: &mut String, key: &str, inside: &str) {
    name(out, key);
    quoted(out, |out| out.push_str(inside));
}

/// A member whose value is a string, where there is one.
pub(crate) fn text_if(out: &mut String, key: &str, value: Option<impl AsRef<str>>) {
    if let Some(value) = value {
        text(out, key, value.as_ref());
    }
}

/// A member whose value is a string, or null.
pub(crate) fn text_or_null(out: &mut String, key: &str, value: Option<impl AsRef<str>>) {
    match value {
        Some(value) => text(out, key, value.as_ref()),
        None => raw(out, key, "null"),
    }
}

/// A member whose value is JSON already.
pub(crate) fn raw(out: &mut String, key: &str, json: &str) {
    name(out, key);
    out.push_str(json);
}

/// A member's name as it stood in another text; its value follows.
pub(crate) fn key(out: &mut String, key: Value<'_>) {
    value(out, key.raw());
    out.push(':');
}

/// A member whose name stands as it stood in another text, and whose value is JSON already.
pub(crate) fn kept(out: &mut String, name: Value<'_>, json: &str) {
    key(out, name);
    out.push_str(json);
}

/// A member whose value is a whole number.
pub(crate) fn number(out: &mut String, key: &str, value: u64) {
    name(out, key);
    write_number(out, value);
}

/// A member whose value is a number or a boolean: its Rust form is its JSON.
pub(crate) fn plain(out: &mut String, key: &str, value: impl Display) {
    name(out, key);
    // Writing to a string does not fail.
    let _ = write!(out, "{value}");
}

/// A member whose value is a number or a boolean, where there is one.
pub(crate) fn plain_if(out: &mut String, key: &str, value: Option<impl Display>) {
    if let Some(value) = value {
        plain(out, key, value);
    }
}

/// A member whose value is an object.
pub(crate) fn object<S: Sink, R>(to: &mut S, key: &str, members: impl FnOnce(&mut S) -> R) -> R {
    name(to.out(), key);
    braces(to, members)
}

/// A member whose value is a list.
pub(crate) fn list<S: Sink, R>(to: &mut S, key: &str, items: impl FnOnce(&mut S) -> R) -> R {
    name(to.out(), key);
    brackets(to, items)
}

/// A member whose value is a list; no member where it stays empty.
pub(crate) fn some_list<S: Sink, R>(to: &mut S, key: &str, items: impl FnOnce(&mut S) -> R) -> R {
    let before = to.out().len();
    name(to.out(), key);
    to.out().push('[');
    let begin = to.out().len();
    let result = items(to);
    if to.out().len() == begin {
        to.out().truncate(before);
    } else {
        to.out().push(']');
    }
    result
}

/// A member whose value is an object; no member where it stays empty.
pub(crate) fn some_object<S: Sink, R>(
    to: &mut S,
    key: &str,
    members: impl FnOnce(&mut S) -> R,
) -> R {
    let before = to.out().len();
    name(to.out(), key);
    to.out().push('{');
    let begin = to.out().len();
    let result = members(to);
    if to.out().len() == begin {
        to.out().truncate(before);
    } else {
        close(to.out());
    }
    result
}

/// A member whose value is a list of strings.
pub(crate) fn texts(out: &mut String, key: &str, texts: impl IntoIterator<Item = impl AsRef<str>>) {
    list(out, key, |out| {
        for text in texts {
            string(out, text.as_ref());
        }
    });
}

/// A member whose value is a list of strings; no member where there are none.
pub(crate) fn some_texts(out: &mut String, key: &str, texts: &[impl AsRef<str>]) {
    if !texts.is_empty() {
        self::texts(out, key, texts);
    }
}

/// A text that is one object.
pub(crate) fn document(members: impl FnOnce(&mut String)) -> String {
    let mut out = String::with_capacity(128);
    braces(&mut out, members);
    out
}

/// An object with a member ahead of its own.
pub(crate) fn with_member(object: Value<'_>, member: impl FnOnce(&mut String)) -> String {
    let mut out = String::with_capacity(object.raw().len() + 32);
    braces(&mut out, |out| {
        member(out);
        if object.members().next().is_some() {
            let raw = object.raw();
            value(out, raw.get(1..raw.len() - 1).unwrap_or_default());
        }
    });
    out
}

/// A whole number, without an allocation of its own.
pub(crate) fn write_number(out: &mut String, mut value: u64) {
    let mut digits = [0_u8; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    out.push_str(std::str::from_utf8(&digits[at..]).unwrap_or_default());
}
