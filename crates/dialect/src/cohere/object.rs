//! Writes JSON objects and lists straight into one text, member by member.

use std::fmt::{Display, Write};

use crate::json::write_json_string;

/// An object that is being written. Names are this crate's own, so nothing in them needs escaping.
pub(crate) struct Object<'o> {
    out: &'o mut String,
    /// Members that somebody else decides: written by [`Object::close`], left out until then.
    set: &'o [(String, String)],
    first: bool,
}

impl<'o> Object<'o> {
    /// Opens an object.
    pub(crate) fn open(out: &'o mut String) -> Self {
        Self::open_with(out, &[])
    }

    /// Opens an object some of whose members are settled: names, and values as JSON.
    pub(crate) fn open_with(out: &'o mut String, set: &'o [(String, String)]) -> Self {
        out.push('{');
        Self {
            out,
            set,
            first: true,
        }
    }

    /// Begins a member, whose value is then to be written to what comes back. None where the
    /// member is settled already.
    pub(crate) fn begin(&mut self, name: &str) -> Option<&mut String> {
        if self.set.iter().any(|(settled, _)| settled == name) {
            return None;
        }
        self.comma();
        self.out.push('"');
        self.out.push_str(name);
        self.out.push_str("\":");
        Some(self.out)
    }

    /// A string.
    pub(crate) fn text(&mut self, name: &str, text: &str) {
        if let Some(out) = self.begin(name) {
            write_json_string(text, out);
        }
    }

    /// A string under a name of the client's.
    pub(crate) fn label(&mut self, name: &str, text: &str) {
        self.comma();
        write_json_string(name, self.out);
        self.out.push(':');
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
    pub(crate) fn close(mut self) {
        for (name, value) in self.set {
            self.comma();
            write_json_string(name, self.out);
            self.out.push(':');
            self.out.push_str(value);
        }
        self.out.push('}');
    }

    fn comma(&mut self) {
        if !std::mem::replace(&mut self.first, false) {
            self.out.push(',');
        }
    }
}

/// A list that is being written.
pub(crate) struct List<'o> {
    out: &'o mut String,
    first: bool,
}

impl<'o> List<'o> {
    /// Opens a list.
    pub(crate) fn open(out: &'o mut String) -> Self {
        out.push('[');
        Self { out, first: true }
    }

    /// Where the next item is to be written.
    pub(crate) fn next(&mut self) -> &mut String {
        if !std::mem::replace(&mut self.first, false) {
            self.out.push(',');
        }
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
        self.first
    }

    /// Writes the closing bracket.
    pub(crate) fn close(self) {
        self.out.push(']');
    }
}
