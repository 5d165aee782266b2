//! Builds the body of a request: one text, each field once, what is lost noted beside.

use std::fmt::{Display, Write};

use super::traits::Traits;
use crate::exchange::{Lost, WriteOptions};
use crate::json::{write, write_json_string};

/// Why something is lost that only the client's own dialect knows.
pub(super) const UNKNOWN: &str = "it is not a known field of chat completions";

/// A body being written.
pub(super) struct Body<'o> {
    pub(super) out: String,
    pub(super) lost: Vec<Lost>,
    pub(super) options: &'o WriteOptions,
    pub(super) traits: &'static Traits,
}

impl<'o> Body<'o> {
    pub(super) fn new(options: &'o WriteOptions, traits: &'static Traits, room: usize) -> Self {
        let mut out = String::with_capacity(room);
        out.push('{');
        Self {
            out,
            lost: Vec::new(),
            options,
            traits,
        }
    }

    /// Begins a field of the body. False where the options set it: then it is not written.
    pub(super) fn field(&mut self, name: &str) -> bool {
        if self.options.set.iter().any(|(set, _)| set == name) {
            return false;
        }
        write::name(&mut self.out, name);
        true
    }

    /// A number or a boolean.
    pub(super) fn plain(&mut self, name: &str, value: Option<impl Display>) {
        if let Some(value) = value
            && self.field(name)
        {
            let _ = write!(self.out, "{value}");
        }
    }

    pub(super) fn string(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value
            && self.field(name)
        {
            write_json_string(value, &mut self.out);
        }
    }

    /// JSON as it stands.
    pub(super) fn raw(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value
            && self.field(name)
        {
            self.out.push_str(value);
        }
    }

    /// Notes something that the target has no place for.
    pub(super) fn lose(&mut self, param: impl Into<String>, why: &'static str) {
        self.lost.push(Lost::new(param, why));
    }
}
