//! Writes JSON straight into one text: members, items, and objects and lists that know what is settled.
//!
//! A comma stands where something was written before in the object or list that is open. What was
//! written last tells that, so whatever is cut off again leaves no trace; nothing is allocated.

use std::fmt::{Display, Write};

use super::text::write_json_string;

/// An item of the list that is open follows.
pub(crate) fn item(out: &mut String) {
    if !out.ends_with(['{', '[']) {
        out.push(',');
    }
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

/// A member whose value is JSON already.
pub(crate) fn raw(out: &mut String, key: &str, json: &str) {
    name(out, key);
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

/// A member whose value is an object.
pub(crate) fn object(out: &mut String, key: &str, members: impl FnOnce(&mut String)) {
    name(out, key);
    out.push('{');
    members(out);
    out.push('}');
}

/// The next item of the list that is open, a union: an object with one member, an object too.
pub(crate) fn union(out: &mut String, key: &str, members: impl FnOnce(&mut String)) {
    item(out);
    out.push('{');
    object(out, key, members);
    out.push('}');
}

/// Opens an object whose `type` is this, one of the format's own words.
pub(crate) fn tagged(out: &mut String, kind: &str) {
    out.push_str("{\"type\":\"");
    out.push_str(kind);
    out.push('"');
}

/// A member whose value is a list.
pub(crate) fn list(out: &mut String, key: &str, items: impl FnOnce(&mut String)) {
    name(out, key);
    out.push('[');
    items(out);
    out.push(']');
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

/// An object that is being written.
pub(crate) struct Object<'o> {
    out: &'o mut String,
    /// Members that somebody else decides: written by [`Object::close`], left out until then.
    set: &'o [(String, String)],
}

impl<'o> Object<'o> {
    /// Opens an object.
    pub(crate) fn open(out: &'o mut String) -> Self {
        Self::open_with(out, &[])
    }

    /// Opens an object some of whose members are settled: names, and values as JSON.
    pub(crate) fn open_with(out: &'o mut String, set: &'o [(String, String)]) -> Self {
        out.push('{');
        Self { out, set }
    }

    /// Begins a member, whose value is then to be written to what comes back. None where the
    /// member is settled already.
    pub(crate) fn begin(&mut self, name: &str) -> Option<&mut String> {
        if self.set.iter().any(|(settled, _)| settled == name) {
            return None;
        }
        self::name(self.out, name);
        Some(self.out)
    }

    /// A string.
    pub(crate) fn text(&mut self, name: &str, text: &str) {
        if let Some(out) = self.begin(name) {
            write_json_string(text, out);
        }
    }

    /// A string that nobody settles.
    pub(crate) fn label(&mut self, name: &str, text: &str) {
        self::name(self.out, name);
        write_json_string(text, self.out);
    }

    /// A value that is JSON already.
    pub(crate) fn raw(&mut self, name: &str, json: &str) {
        if let Some(out) = self.begin(name) {
            out.push_str(json);
        }
    }

    /// A number or a boolean, where there is one.
    pub(crate) fn plain(&mut self, name: &str, value: Option<impl Display>) {
        if let Some(value) = value
            && let Some(out) = self.begin(name)
        {
            // Writing to a string does not fail.
            let _ = write!(out, "{value}");
        }
    }

    /// An object.
    pub(crate) fn object(&mut self, name: &str, members: impl FnOnce(&mut Object<'_>)) {
        if let Some(out) = self.begin(name) {
            let mut object = Object::open(out);
            members(&mut object);
            object.close();
        }
    }

    /// A list of strings; no member where it is empty.
    pub(crate) fn texts(&mut self, name: &str, texts: &[impl AsRef<str>]) {
        if !texts.is_empty()
            && let Some(out) = self.begin(name)
        {
            let mut list = List::open(out);
            for text in texts {
                write_json_string(text.as_ref(), list.next());
            }
            list.close();
        }
    }

    /// Writes what is settled, and the closing brace.
    pub(crate) fn close(self) {
        for (name, value) in self.set {
            raw(self.out, name, value);
        }
        self.out.push('}');
    }
}

/// A list that is being written.
pub(crate) struct List<'o> {
    out: &'o mut String,
}

impl<'o> List<'o> {
    /// Opens a list.
    pub(crate) fn open(out: &'o mut String) -> Self {
        out.push('[');
        Self { out }
    }

    /// Where the next item is to be written.
    pub(crate) fn next(&mut self) -> &mut String {
        item(self.out);
        self.out
    }

    /// The next item, an object.
    pub(crate) fn object(&mut self, members: impl FnOnce(&mut Object<'_>)) {
        let mut object = Object::open(self.next());
        members(&mut object);
        object.close();
    }

    /// Whether nothing has been written.
    pub(crate) fn is_empty(&self) -> bool {
        self.out.ends_with('[')
    }

    /// Writes the closing bracket.
    pub(crate) fn close(self) {
        self.out.push(']');
    }
}
