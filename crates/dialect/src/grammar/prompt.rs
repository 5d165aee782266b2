//! Reads the content of a request's messages by its format's table, for policies: texts and calls
//! are typed and remember where they stand, all else is shown as it came.
//!
//! What a list of blocks says beyond its typed strings is its *form*: for each block what is left
//! of it, or `null` where a part holds all of it. Contents that differ in anything differ in
//! their parts or in their form.

use std::borrow::Cow;

use crate::canonical::{Field, Message, Needs, OpaquePart, Part, ToolCall};
use crate::fields::{by_name, canonical, missing, name_of, object, string};
use crate::json::{Kind, Shape, Span, Value, write_canonical, write_json_string};
use crate::request::RequestError;

pub(crate) type At<'p> = &'p dyn Fn() -> String;

/// What the content of a format's messages is.
pub(crate) struct Content {
    pub(crate) by: By,
    /// Blocks that policies can read, by their kinds.
    pub(crate) blocks: &'static [(&'static str, Block)],
    /// What it is beside an array of blocks.
    pub(crate) alone: &'static [Kind],
    /// All that it may be, for errors.
    pub(crate) expected: &'static str,
}

/// How a block tells its kind.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum By {
    /// By its `type`.
    Type,
    /// By the one member that it has.
    Member,
}

/// What a block holds.
#[derive(Clone, Copy)]
pub(crate) enum Block {
    /// Text, in its member `text`.
    Text,
    /// A call whose arguments are an object: its members for id, name and arguments.
    Call([&'static str; 3]),
    /// The result of a call, in its member `content`.
    Result,
}

/// Parts and where each of them stands.
#[derive(Default)]
pub(crate) struct Parts {
    pub(crate) parts: Vec<Part>,
    pub(crate) places: Vec<Option<Span>>,
}

impl Parts {
    pub(crate) fn push(&mut self, part: Part, value: Option<Value<'_>>) {
        self.parts.push(part);
        self.places.push(value.map(Value::span));
    }

    /// A string.
    pub(crate) fn text(&mut self, value: Value<'_>) {
        let text = value.as_str().unwrap_or_default().into_owned();
        self.push(Part::Text(text), Some(value));
    }

    /// What is shown as it stands.
    pub(crate) fn opaque(&mut self, kind: &str, value: Value<'_>) {
        let opaque = OpaquePart {
            kind: kind.to_owned(),
            json: canonical(value, Shape::WHOLE),
        };
        self.push(Part::Opaque(opaque), Some(value));
    }

    /// A message of that role and of nothing else.
    pub(crate) fn into_message(self, role: &str) -> (Message, Vec<Option<Span>>) {
        self.into_placed(role.to_owned(), Vec::new())
    }

    /// A message of that role with these fields.
    pub(crate) fn into_placed(
        self,
        role: String,
        mut extra: Vec<Field>,
    ) -> (Message, Vec<Option<Span>>) {
        by_name(&mut extra);
        let message = Message {
            role,
            parts: self.parts,
            extra,
        };
        (message, self.places)
    }
}

/// Reads content, and gives its form where it is more than one text.
///
/// # Errors
///
/// When it is neither an array of blocks nor what else the table allows, or a block lacks what
/// its kind promises.
pub(crate) fn content(
    table: &'static Content,
    needs: &mut Needs,
    value: Value<'_>,
    path: At<'_>,
    parts: &mut Parts,
) -> Result<Option<String>, RequestError> {
    match value.kind() {
        Kind::Array => {}
        Kind::String if table.alone.contains(&Kind::String) => {
            parts.text(value);
            return Ok(None);
        }
        kind if table.alone.contains(&kind) => return Ok(Some(canonical(value, Shape::WHOLE))),
        _ => return Err(RequestError::wrong_type(path(), table.expected, value)),
    }
    let mut form = String::from("[");
    for (position, item) in value.items().enumerate() {
        if position > 0 {
            form.push(',');
        }
        let path = || format!("{}[{position}]", path());
        block(table, needs, item, &path, parts, &mut form)?;
    }
    form.push(']');
    Ok(Some(form))
}

/// Whether a form is that of texts alone, of which nothing is left.
pub(crate) fn is_plain(form: &str) -> bool {
    let blocks = form.trim_start_matches('[').trim_end_matches(']');
    blocks.is_empty() || blocks.split(',').all(|block| block == "{}")
}

fn block(
    table: &'static Content,
    needs: &mut Needs,
    block: Value<'_>,
    path: At<'_>,
    parts: &mut Parts,
    form: &mut String,
) -> Result<(), RequestError> {
    object(block, path)?;
    let (kind, known) = kind_of(table, block, path)?;
    // A kind that is a member has its own members in that.
    let within = match (table.by, known) {
        (By::Member, Some(Block::Call(_) | Block::Result)) => block.get(&kind),
        _ => None,
    };
    let typed = Typed {
        table,
        block,
        within: within.map(|value| (kind.as_ref(), value)),
        path,
    };
    let is_typed = match known {
        Some(Block::Text) => typed.text(parts, form)?,
        Some(Block::Call(members)) => typed.call(members, parts, form)?,
        Some(Block::Result) => typed.result(needs, parts, form)?,
        None => false,
    };
    if !is_typed {
        needs.vision |= kind.contains("image") || kind.contains("video");
        needs.audio |= kind.contains("audio");
        parts.opaque(&kind, block);
        form.push_str("null");
    }
    Ok(())
}

/// A block that policies can read. Where its kind is a member, one that has not the form of its
/// kind is shown as it stands; elsewhere that is an error.
struct Typed<'d, 'p> {
    table: &'static Content,
    block: Value<'d>,
    /// The member that holds the block's own members.
    within: Option<(&'p str, Value<'d>)>,
    path: At<'p>,
}

impl<'d> Typed<'d, '_> {
    fn of(&self) -> Value<'d> {
        self.within.map_or(self.block, |(_, value)| value)
    }

    fn at(&self, name: &str) -> String {
        let path = (self.path)();
        match self.within {
            Some((kind, _)) => format!("{path}.{kind}.{name}"),
            None => format!("{path}.{name}"),
        }
    }

    fn need(&self, name: &str) -> Result<Value<'d>, RequestError> {
        let missing = || missing(|| self.at(name));
        self.of().get(name).ok_or_else(missing)
    }

    fn text(&self, parts: &mut Parts, form: &mut String) -> Result<bool, RequestError> {
        let said = self.need("text")?;
        string(said, || self.at("text"))?;
        parts.text(said);
        write_form(self.block, None, &["text"], None, form);
        Ok(true)
    }

    fn call(
        &self,
        members: [&str; 3],
        parts: &mut Parts,
        form: &mut String,
    ) -> Result<bool, RequestError> {
        let [id, name, arguments] = members;
        let [id, name] = [id, name].map(|of| string(self.need(of)?, || self.at(of)));
        let (id, name) = (id?, name?);
        let given = self.of().get(arguments);
        let Some(given) = given.filter(|given| given.kind() == Kind::Object) else {
            return match self.table.by {
                By::Member => Ok(false),
                By::Type => {
                    let given = self.need(arguments)?;
                    let param = self.at(arguments);
                    Err(RequestError::wrong_type(param, "an object", given))
                }
            };
        };
        let arguments = canonical(given, Shape::WHOLE);
        let call = ToolCall::function(id.into_owned(), name.into_owned(), arguments);
        parts.push(Part::ToolCall(call), Some(given));
        write_form(self.block, self.within, &members, None, form);
        Ok(true)
    }

    fn result(
        &self,
        needs: &mut Needs,
        parts: &mut Parts,
        form: &mut String,
    ) -> Result<bool, RequestError> {
        let given = self.of().some("content");
        let is_list = given.is_some_and(|given| given.kind() == Kind::Array);
        if self.table.by == By::Member && !is_list {
            return Ok(false);
        }
        let inner = match given {
            None => None,
            Some(given) => {
                let at = || self.at("content");
                let inner = content(self.table, needs, given, &at, parts)?;
                Some(inner.unwrap_or_else(|| "\"\"".to_owned()))
            }
        };
        write_form(self.block, self.within, &[], inner.as_deref(), form);
        Ok(true)
    }
}

/// A block's kind, and what it holds where policies can read it.
fn kind_of<'d>(
    table: &'static Content,
    block: Value<'d>,
    path: At<'_>,
) -> Result<(Cow<'d, str>, Option<Block>), RequestError> {
    match table.by {
        By::Type => {
            let at = || format!("{}.type", path());
            let missing = || missing(at);
            let kind = string(block.get("type").ok_or_else(missing)?, at)?;
            let known = table.blocks.iter().find(|(of, _)| *of == kind);
            Ok((kind, known.map(|(_, block)| *block)))
        }
        By::Member => {
            let is_set = |name: &str| block.get(name).is_some_and(|value| !value.is_null());
            if let Some((kind, known)) = table.blocks.iter().find(|(of, _)| is_set(of)) {
                return Ok((Cow::Borrowed(kind), Some(*known)));
            }
            let first = block.members().find(|(_, value)| !value.is_null());
            Ok((first.map(|(key, _)| name_of(key)).unwrap_or_default(), None))
        }
    }
}

/// Appends a block's form: its members without those that are typed, and with the form of its
/// content. Where its members are within one of the block, the block's own stay whole.
fn write_form(
    block: Value<'_>,
    within: Option<(&str, Value<'_>)>,
    typed: &[&str],
    content: Option<&str>,
    form: &mut String,
) {
    let mut members: Vec<_> = block
        .members()
        .map(|(key, value)| (name_of(key), value))
        .filter(|(name, _)| within.is_some() || !typed.contains(&name.as_ref()))
        .collect();
    members.sort_by(|(left, _), (right, _)| left.cmp(right));
    form.push('{');
    for (position, (name, value)) in members.into_iter().enumerate() {
        if position > 0 {
            form.push(',');
        }
        write_json_string(&name, form);
        form.push(':');
        match (within, content) {
            (Some((kind, inner)), _) if kind == name => {
                write_form(inner, None, typed, content, form);
            }
            (None, Some(content)) if name == "content" => form.push_str(content),
            _ => write_canonical(value, Shape::WHOLE, form),
        }
    }
    form.push('}');
}

/// An object in canonical form without these members. What is no object is whole.
pub(crate) fn without(object: Value<'_>, names: &[&str]) -> String {
    let mut out = String::new();
    match object.kind() {
        Kind::Object => write_form(object, None, names, None, &mut out),
        _ => write_canonical(object, Shape::WHOLE, &mut out),
    }
    out
}
