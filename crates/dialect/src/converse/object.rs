//! Writes JSON objects and arrays member by member into one string.

use std::fmt::Write as _;

use crate::json::write_json_string;

/// What is between a pair of brackets, with its commas.
pub(super) struct Open {
    close: char,
    empty: bool,
}

impl Open {
    /// `{`.
    pub(super) fn object(out: &mut String) -> Self {
        out.push('{');
        Self {
            close: '}',
            empty: true,
        }
    }

    /// `[`.
    pub(super) fn array(out: &mut String) -> Self {
        out.push('[');
        Self {
            close: ']',
            empty: true,
        }
    }

    /// An array's next item follows.
    pub(super) fn item(&mut self, out: &mut String) {
        if !std::mem::take(&mut self.empty) {
            out.push(',');
        }
    }

    /// An object's next member follows: its name is written.
    pub(super) fn key(&mut self, name: &str, out: &mut String) {
        self.item(out);
        write_json_string(name, out);
        out.push(':');
    }

    pub(super) fn text(&mut self, name: &str, text: &str, out: &mut String) {
        self.key(name, out);
        write_json_string(text, out);
    }

    /// A value that is JSON already.
    pub(super) fn json(&mut self, name: &str, json: &str, out: &mut String) {
        self.key(name, out);
        out.push_str(json);
    }

    /// A number or a boolean, whose Rust form is its JSON.
    pub(super) fn plain(&mut self, name: &str, value: impl std::fmt::Display, out: &mut String) {
        self.key(name, out);
        // Writing into a string can't fail.
        let _ = write!(out, "{value}");
    }

    pub(super) fn is_empty(&self) -> bool {
        self.empty
    }

    pub(super) fn close(self, out: &mut String) {
        out.push(self.close);
    }
}
