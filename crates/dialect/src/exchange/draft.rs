//! The body of a request in the making: one text, each member once, what is lost noted beside.

use std::fmt::Display;

use super::written::{Losses, WriteOptions, Written};
use crate::json::write::{self, Sink};

/// A body in the making. `about` is what its format knows of the target.
pub(crate) struct Draft<'o, T = ()> {
    pub(crate) out: String,
    pub(crate) lost: Losses,
    pub(crate) options: &'o WriteOptions,
    /// Members that the target's settings have: names, and values as JSON.
    set: &'o [(String, String)],
    pub(crate) about: T,
}

impl<T> Sink for Draft<'_, T> {
    fn out(&mut self) -> &mut String {
        &mut self.out
    }
}

impl<'o, T> Draft<'o, T> {
    /// An empty body that has room for so many bytes.
    pub(crate) fn new(options: &'o WriteOptions, about: T, room: usize) -> Self {
        let mut out = String::with_capacity(room);
        write::open(&mut out);
        Self {
            out,
            lost: Losses::default(),
            options,
            set: &options.set,
            about,
        }
    }

    /// A member that is an object, written with what its format knows. The target's settings are
    /// those of the whole, not of what is in it.
    pub(crate) fn object<A, E>(
        &mut self,
        name: &str,
        about: A,
        members: impl FnOnce(&mut Draft<'o, A>) -> Result<(), E>,
    ) -> Result<(), E> {
        if !self.begin(name) {
            return Ok(());
        }
        write::open(&mut self.out);
        let mut inner = Draft {
            out: std::mem::take(&mut self.out),
            lost: std::mem::take(&mut self.lost),
            options: self.options,
            set: &[],
            about,
        };
        members(&mut inner)?;
        (self.out, self.lost) = (inner.out, inner.lost);
        write::close(&mut self.out);
        Ok(())
    }

    /// Whether a member is the writer's: the target's settings have none of that name.
    pub(crate) fn is_free(&self, name: &str) -> bool {
        !self.set.iter().any(|(set, _)| set == name)
    }

    /// Begins a member. False where the target's settings have it: then it is not written.
    pub(crate) fn begin(&mut self, name: &str) -> bool {
        let free = self.is_free(name);
        if free {
            write::name(&mut self.out, name);
        }
        free
    }

    /// A number or a boolean, where there is one.
    pub(crate) fn plain(&mut self, name: &str, value: Option<impl Display>) {
        if let Some(value) = value.filter(|_| self.is_free(name)) {
            write::plain(&mut self.out, name, value);
        }
    }

    /// A string, where there is one.
    pub(crate) fn text(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value.filter(|_| self.is_free(name)) {
            write::text(&mut self.out, name, value);
        }
    }

    /// JSON as it stands, where there is some.
    pub(crate) fn raw(&mut self, name: &str, json: Option<&str>) {
        if let Some(json) = json.filter(|_| self.is_free(name)) {
            write::raw(&mut self.out, name, json);
        }
    }

    /// A list of strings, where it is not empty.
    pub(crate) fn texts(&mut self, name: &str, texts: &[impl AsRef<str>]) {
        if !texts.is_empty() && self.is_free(name) {
            write::texts(&mut self.out, name, texts);
        }
    }

    /// Notes something that the target has no place for.
    pub(crate) fn lose(&mut self, param: impl Into<String>, why: &'static str) {
        self.lost.push(param, why);
    }

    /// The body with what the target's settings add.
    pub(crate) fn finish(mut self) -> Written {
        for (name, json) in self.set {
            write::raw(&mut self.out, name, json);
        }
        write::close(&mut self.out);
        Written {
            body: self.out.into(),
            lost: self.lost.0,
            back: Default::default(),
        }
    }
}
