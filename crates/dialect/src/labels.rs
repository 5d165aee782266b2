//! The labels of a payload: every string of it that a client reads and that is no text, such as an
//! id, a tool's name, a title, a URL, the name of a member. Output rules judge them as well.
//!
//! They are found by what is left: a string that is neither a text, nor dropped as unreadable, nor
//! a word of the formats themselves is a label, wherever it stands. So no list of places can miss one.
//! Which of them name a called tool, and which repeat the request, the formats' tables tell.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};

use bytes::Bytes;

use crate::canonical::Channel;
use crate::json::{Document, Kind, Span, Splice, Value, json_string, splice};
use crate::payload::{Payload, PayloadError};
use crate::vocabulary::{is_grammar_name, is_grammar_word, is_id, is_sealed};

/// What a label is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LabelKind {
    /// It names something, and what has the same name elsewhere is the same: an id, a tool's name,
    /// a member's name.
    Identifier,
    /// A title, a URL, a reason.
    Words,
    /// It stands where upstreams repeat what the client has sent.
    Echo,
}

/// A label: see the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// What it is for.
    pub kind: LabelKind,
    /// Whether it is the name of a tool that is called.
    pub is_tool_name: bool,
    /// The choice and the call of a stream whose name it is, or a piece of it.
    pub call: Option<(u32, u32)>,
    /// The label, decoded.
    pub text: String,
    /// Its bytes, quotes included.
    span: Span,
}

impl Label {
    /// The channel that it is judged on, as the payload's label number `at`.
    pub fn channel(&self, at: u32) -> Channel {
        match self.is_tool_name {
            true => Channel::ToolName(at),
            false => Channel::Annotation(at),
        }
    }
}

impl Payload {
    /// Every label, in the payload's order. Only an output guard asks for them: they cost a second
    /// reading.
    ///
    /// # Errors
    ///
    /// When the payload's bytes are no JSON any more, which can't be.
    pub fn labels(&self) -> Result<Vec<Label>, PayloadError> {
        let document = Document::parse(&self.raw)?;
        let texts = self.texts.iter();
        let mut skipped: Vec<u32> = texts
            .flat_map(|text| [Some(text.span), text.twin])
            .flatten()
            .chain(self.unreadable.iter().copied())
            .map(|span| span.start)
            .collect();
        skipped.sort_unstable();
        let mut walk = Walk {
            payload: self,
            skipped,
            labels: Vec::new(),
        };
        let context = Context {
            member: "",
            echo: false,
            choice: 0,
            call: None,
        };
        walk.value(document.root(), context);
        Ok(walk.labels)
    }

    /// The payload with other labels. No other byte changes.
    ///
    /// # Errors
    ///
    /// When it is no payload of its format any more.
    pub fn relabelled(&self, with: &[(&Label, String)]) -> Result<Self, PayloadError> {
        if with.is_empty() {
            return Ok(self.clone());
        }
        let splices = with
            .iter()
            .map(|(label, text)| Splice::new(label.span, json_string(text)))
            .collect();
        Self::parse(self.wire, splice(&self.raw, splices))
    }
}

/// Where a value stands.
#[derive(Clone, Copy)]
struct Context<'d> {
    member: &'d str,
    echo: bool,
    choice: u32,
    call: Option<u32>,
}

struct Walk<'p> {
    payload: &'p Payload,
    /// Where the values begin that are judged as texts, or dropped; sorted.
    skipped: Vec<u32>,
    labels: Vec<Label>,
}

impl Walk<'_> {
    // The depth of a document is bounded where it is parsed.
    fn value(&mut self, value: Value<'_>, context: Context<'_>) {
        match value.kind() {
            Kind::Object => {
                let index = || value.get("index")?.as_integer()?.try_into().ok();
                let (choice, call) = match context.member {
                    "choices" => (index().unwrap_or(0), None),
                    // Calls of whole answers have no number, and whole names.
                    "tool_calls" => (context.choice, index()),
                    _ => (context.choice, context.call),
                };
                for (key, member) in value.members() {
                    let name = key.as_str().unwrap_or_default();
                    if context.echo || !is_grammar_name(&name) {
                        let kind = match context.echo {
                            true => LabelKind::Echo,
                            false => LabelKind::Identifier,
                        };
                        self.push(kind, None, false, key);
                    }
                    let within = Context {
                        member: &name,
                        echo: context.echo || is_among(&self.payload.echoes, member),
                        choice,
                        call,
                    };
                    self.unless_skipped(member, within);
                }
            }
            Kind::Array => value
                .items()
                .for_each(|item| self.unless_skipped(item, context)),
            Kind::String => self.string(value, context),
            Kind::Null | Kind::Bool | Kind::Number => {}
        }
    }

    fn unless_skipped(&mut self, value: Value<'_>, context: Context<'_>) {
        if self.skipped.binary_search(&value.span().start).is_err() {
            self.value(value, context);
        }
    }

    fn string(&mut self, value: Value<'_>, context: Context<'_>) {
        let Some(text) = value.as_str() else { return };
        if is_grammar_word(context.member, &text) || is_sealed(context.member, &text) {
            return;
        }
        let is_name = context.member == "name";
        let kind = match context.member {
            _ if context.echo => LabelKind::Echo,
            "model" | "modelVersion" => LabelKind::Echo,
            member if is_name || is_id(member) => LabelKind::Identifier,
            _ => LabelKind::Words,
        };
        let is_tool_name = is_among(&self.payload.tool_names, value);
        let call = context.call.filter(|_| is_tool_name);
        self.push(
            kind,
            call.map(|call| (context.choice, call)),
            is_tool_name,
            value,
        );
    }

    fn push(
        &mut self,
        kind: LabelKind,
        call: Option<(u32, u32)>,
        is_tool_name: bool,
        value: Value<'_>,
    ) {
        let text = value.as_str().unwrap_or_default();
        if text.is_empty() {
            return;
        }
        self.labels.push(Label {
            kind,
            is_tool_name,
            call,
            text: text.into_owned(),
            span: value.span(),
        });
    }
}

/// Whether a value is one of those that begin there.
fn is_among(starts: &[u32], value: Value<'_>) -> bool {
    starts.binary_search(&value.span().start).is_ok()
}

/// The strings and names of a JSON text, for the question whether one is among them. It keeps
/// hashes under a secret of its own, 8 bytes a string, not the strings.
#[derive(Debug, Default)]
pub struct Strings {
    hashes: HashSet<u64>,
    state: RandomState,
}

impl Strings {
    /// Those of this text; none where it is no JSON.
    pub fn of(json: &Bytes) -> Self {
        let state = RandomState::new();
        let hashes = match Document::parse(json) {
            Ok(document) => document
                .values()
                .filter_map(|value| value.as_str().map(|text| state.hash_one(text.as_ref())))
                .collect(),
            Err(_) => HashSet::new(),
        };
        Self { hashes, state }
    }

    /// Whether this string is among them.
    pub fn contains(&self, text: &str) -> bool {
        self.hashes.contains(&self.state.hash_one(text))
    }
}

#[cfg(test)]
mod tests;
