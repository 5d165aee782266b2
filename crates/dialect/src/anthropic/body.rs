//! A body in the making.

use crate::exchange::{ChatRequest, Lost, WriteOptions};
use crate::json::write_json_string;

/// A body in the making.
pub(super) struct Body<'o> {
    pub(super) out: String,
    pub(super) options: &'o WriteOptions,
    pub(super) lost: Vec<Lost>,
}

impl Body<'_> {
    /// Begins a member, unless the target's settings have it.
    pub(super) fn begin(&mut self, name: &str) -> bool {
        if self.options.set.iter().any(|(set, _)| set == name) {
            return false;
        }
        self.comma();
        self.out.push('"');
        self.out.push_str(name);
        self.out.push_str("\":");
        true
    }

    /// A member of which the value is JSON.
    pub(super) fn json(&mut self, name: &str, value: &str) {
        if self.begin(name) {
            self.out.push_str(value);
        }
    }

    /// A member of which the value is a string.
    pub(super) fn text(&mut self, name: &str, value: &str) {
        if self.begin(name) {
            write_json_string(value, &mut self.out);
        }
    }

    /// Something that can't be said here.
    pub(super) fn lose(&mut self, param: impl Into<String>, why: &'static str) {
        self.lost.push(Lost::new(param, why));
    }

    pub(super) fn comma(&mut self) {
        if self.out.len() > 1 {
            self.out.push(',');
        }
    }
}

/// The model that answers, by the name that tells most.
pub(super) fn model<'m>(request: &'m ChatRequest<'_>, options: &'m WriteOptions) -> &'m str {
    match options.model.as_str() {
        "" => &request.model,
        model => model,
    }
}
