//! The walk that all readers of a table share: which rule a member has, which kind of object it
//! is, which numbers a list has, and where a value stands.

use std::borrow::Cow;

use super::{List, Names, Object, Rule};
use crate::json::{Kind, Value};

impl Object {
    /// What this object is by its tag.
    pub(super) fn kind_of(&'static self, value: Value<'_>) -> &'static Object {
        if self.kinds.is_empty() {
            return self;
        }
        let tag = value.get(self.tag);
        let tag = match tag.map(Value::kind) {
            Some(Kind::String) => tag.and_then(Value::as_str).unwrap_or_default(),
            Some(Kind::Bool) => Cow::Borrowed(tag.map_or("", |tag| tag.raw())),
            _ => Cow::Borrowed(""),
        };
        let known = self.kinds.iter().find(|(kind, _)| *kind == tag);
        known.map_or(self, |(_, object)| object)
    }

    /// What a member is, and its name in the table.
    pub(super) fn rule(&'static self, name: &str) -> (Option<&'static str>, &'static Rule) {
        let mut object = Some(self);
        while let Some(of) = object {
            if let Some((known, rule)) = of.members.iter().find(|(known, _)| *known == name) {
                return (Some(known), rule);
            }
            if of.others.contains(&name) {
                return (None, &Rule::Any);
            }
            object = of.base;
        }
        (None, &self.otherwise)
    }
}

impl List {
    /// Whether this is such a list.
    pub(super) fn fits(&self, value: Value<'_>) -> bool {
        value.kind() == Kind::Array || self.alone
    }

    /// Its objects.
    pub(super) fn items<'d>(&self, value: Value<'d>) -> impl Iterator<Item = Value<'d>> {
        let alone = (self.alone && value.kind() != Kind::Array).then_some(value);
        alone.into_iter().chain(value.items())
    }

    /// An object's number: what it says, or else its position. None where it says something else.
    pub(super) fn number(&self, item: Value<'_>, position: usize, names: Names) -> Option<u32> {
        match self.index.and_then(|name| member(item, name, names)) {
            None => u32::try_from(position).ok(),
            Some(index) => number(index),
        }
    }
}

/// A member that is not null.
pub(super) fn member<'d>(of: Value<'d>, name: &str, names: Names) -> Option<Value<'d>> {
    let found = of.members().find(|(key, _)| names(*key) == name);
    found
        .map(|(_, value)| value)
        .filter(|value| !value.is_null())
}

/// A number of an object or event. The upper half of numbers belongs to stretches that come whole.
pub(super) fn number(value: Value<'_>) -> Option<u32> {
    let number = value.as_integer()?;
    let number = u32::try_from(number).ok()?;
    (number < super::WHOLE).then_some(number)
}

/// Where a value stands. It costs nothing until an error wants to tell it.
#[derive(Clone, Copy)]
pub(super) struct Path<'p> {
    pub(super) before: Option<&'p Path<'p>>,
    pub(super) step: Step<'p>,
}

#[derive(Clone, Copy)]
pub(super) enum Step<'p> {
    Root,
    Member(&'p str),
    Item(usize),
}

impl<'p> Path<'p> {
    pub(super) const ROOT: Path<'static> = Path {
        before: None,
        step: Step::Root,
    };

    pub(super) fn then<'s>(&'s self, step: Step<'s>) -> Path<'s>
    where
        'p: 's,
    {
        Path {
            before: Some(self),
            step,
        }
    }

    /// As errors write it: `choices[0].delta.content`.
    pub(super) fn text(&self) -> String {
        let mut out = self.before.map(Path::text).unwrap_or_default();
        match self.step {
            Step::Root => {}
            Step::Member(name) => {
                if !out.is_empty() {
                    out.push('.');
                }
                out.push_str(name);
            }
            Step::Item(position) => out.push_str(&format!("[{position}]")),
        }
        out
    }
}
