//! The walker: reads a body by its grammar and shows each value to a visitor, once.

use std::borrow::Cow;
use std::fmt::Write as _;

use super::spelling::{self, Misspelled, Spelling};
use super::{Grammar, Is, Object, Speaker, Tagged};
use crate::json::{Kind, Span, Value};
use crate::request::RequestError;

/// What is known of a value beyond itself.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct At<'d> {
    /// Who speaks.
    pub(super) role: Role,
    /// The turn of the conversation, from 1; 0 outside of it.
    pub(super) turn: u32,
    /// The type of data, as the body names it.
    pub(super) data_type: Option<&'d str>,
    /// The object has a signature.
    pub(super) is_signed: bool,
}

/// Who speaks in a part of a body.
#[derive(Debug, Clone, Copy)]
pub(super) enum Role {
    /// A role that every format has; empty outside of a conversation.
    Known(&'static str),
    /// The role as the body writes it there.
    Written(Span),
}

impl Default for Role {
    fn default() -> Self {
        Self::Known("")
    }
}

/// One step of a path.
#[derive(Debug, Clone)]
pub(super) enum Step<'d> {
    Member(Cow<'d, str>),
    Item(usize),
}

/// Where a value stands: `messages[2].content[0].text`.
pub(super) fn path_of(steps: &[Step<'_>]) -> String {
    let mut out = String::new();
    for step in steps {
        match step {
            Step::Member(name) => {
                if !out.is_empty() {
                    out.push('.');
                }
                out.push_str(name);
            }
            Step::Item(index) => {
                // Writing to a string can't fail.
                let _ = write!(out, "[{index}]");
            }
        }
    }
    out
}

/// What is done with the values of a body.
pub(super) trait Visit<'d> {
    /// A value that the grammar goes no deeper into.
    fn leaf(&mut self, is: Is, value: Value<'d>, at: At<'d>, path: &[Step<'d>]);
    /// A member that the grammar does not know.
    fn unknown(&mut self, key: Value<'d>, value: Value<'d>, at: At<'d>, path: &[Step<'d>]);
}

/// Walks a body. The error is that of a member that is spelled wrong.
pub(super) fn walk<'d>(
    grammar: &'static Grammar,
    root: Value<'d>,
    visit: &mut impl Visit<'d>,
) -> Result<(), RequestError> {
    let mut walker = Walker {
        grammar,
        path: Vec::new(),
        visit,
    };
    walker.value(Is::Object(grammar.root), root, At::default())
}

struct Walker<'v, 'd, V> {
    grammar: &'static Grammar,
    path: Vec<Step<'d>>,
    visit: &'v mut V,
}

impl<'d, V: Visit<'d>> Walker<'_, 'd, V> {
    /// Recursion is bounded by the document's depth: each step that stays at a value goes
    /// down in the grammar's tables.
    fn value(&mut self, is: Is, value: Value<'d>, at: At<'d>) -> Result<(), RequestError> {
        match (is, value.kind()) {
            (_, Kind::Null) => Ok(()),
            (Is::Object(object), Kind::Object) => self.object(object, value, at),
            (Is::Tagged(tagged), Kind::Object) => match form(tagged, value) {
                Some(object) => self.object(object, value, at),
                None => {
                    self.visit.leaf(Is::Free, value, at, &self.path);
                    Ok(())
                }
            },
            (Is::Each(item), Kind::Array) => {
                for (index, one) in value.items().enumerate() {
                    self.path.push(Step::Item(index));
                    let turn = match is_turn(item, one) {
                        true => index as u32 + 1,
                        false => at.turn,
                    };
                    self.value(*item, one, At { turn, ..at })?;
                    self.path.pop();
                }
                Ok(())
            }
            (Is::Each(item), _) => self.value(*item, value, at),
            (Is::Either { string, .. }, Kind::String) => self.value(*string, value, at),
            (Is::Either { other, .. }, _) => self.value(*other, value, at),
            (Is::Like(is), _) => self.value(*is, value, at),
            (Is::As(role, is), _) => {
                let role = Role::Known(role);
                self.value(*is, value, At { role, ..at })
            }
            _ => {
                self.visit.leaf(is, value, at, &self.path);
                Ok(())
            }
        }
    }

    fn object(
        &mut self,
        object: &'static Object,
        value: Value<'d>,
        at: At<'d>,
    ) -> Result<(), RequestError> {
        let at = At {
            role: match object.speaker {
                Speaker::Same => at.role,
                Speaker::Role(role) => Role::Known(role),
                Speaker::Named => value.get("role").map_or(Role::Known("user"), role_of),
            },
            turn: at.turn,
            data_type: match object.data_type {
                Some(name) => self.plain_member(value, name).or(at.data_type),
                None => at.data_type,
            },
            is_signed: self.plain_member(value, "signature").is_some(),
        };
        let mut spelling = Spelling::default();
        for (key, member) in value.members() {
            let name = key.as_str().unwrap_or_default();
            match spelling.member(self.grammar, object, &name) {
                Ok(Some((known, is))) => {
                    self.path.push(Step::Member(Cow::Borrowed(known)));
                    self.value(is, member, at)?;
                }
                Ok(None) => {
                    self.path.push(Step::Member(name));
                    self.visit.unknown(key, member, at, &self.path);
                }
                Err(wrong) => {
                    self.path.push(Step::Member(match wrong {
                        Misspelled::Twice(known) => Cow::Borrowed(known),
                        Misspelled::Case(_) => name,
                    }));
                    return Err(wrong.at(path_of(&self.path)));
                }
            }
            self.path.pop();
        }
        Ok(())
    }

    /// A string member in either spelling, where it is written without escapes and not empty.
    fn plain_member(&self, of: Value<'d>, name: &str) -> Option<&'d str> {
        let mut members = of.members();
        let (_, value) = members.find(|(key, _)| {
            key.is_str(name)
                || (self.grammar.two_spellings
                    && key.as_str().is_some_and(|key| spelling::camel(key) == name))
        })?;
        match value.as_str() {
            Some(Cow::Borrowed(text)) if !text.is_empty() => Some(text),
            _ => None,
        }
    }
}

fn form(tagged: &'static Tagged, value: Value<'_>) -> Option<&'static Object> {
    let tag = value.get(tagged.tag).filter(|tag| !tag.is_null());
    let known = |name: &str| match tag {
        Some(tag) => tag.is_str(name),
        None => name == tagged.default,
    };
    let mut forms = tagged.forms.iter();
    forms
        .find(|(name, _)| known(name))
        .map(|(_, object)| *object)
}

fn is_turn(item: &Is, one: Value<'_>) -> bool {
    match item {
        Is::Object(object) => object.is_turn,
        // A form that nobody knows is a turn where its siblings are.
        Is::Tagged(tagged) => match form(tagged, one) {
            Some(object) => object.is_turn,
            None => tagged.forms.iter().any(|(_, object)| object.is_turn),
        },
        Is::As(_, is) | Is::Like(is) | Is::Either { other: is, .. } => is_turn(is, one),
        _ => false,
    }
}

/// The role as policies know it in every format.
fn role_of(role: Value<'_>) -> Role {
    const KNOWN: [(&str, &str); 7] = [
        ("user", "user"),
        ("assistant", "assistant"),
        ("system", "system"),
        ("developer", "developer"),
        ("tool", "tool"),
        ("model", "assistant"),
        ("function", "tool"),
    ];
    match KNOWN.into_iter().find(|(name, _)| role.is_str(name)) {
        Some((_, known)) => Role::Known(known),
        None if role.kind() == Kind::String => Role::Written(role.span().inside()),
        None => Role::Known(""),
    }
}
