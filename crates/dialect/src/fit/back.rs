//! What has to be undone in an answer: tools under other names, custom tools bridged by functions,
//! JSON that was had by a forced tool; and finish reasons that don't fit what was said.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::OnceLock;

use super::renamed::{Names, with_names};
use crate::exchange::Lost;
use crate::exchange::answer::Finish;
use crate::json::Document;
use crate::signed::marked;

/// What a call at the target was at the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Origin {
    pub(super) name: String,
    pub(super) custom: bool,
}

/// The tool whose arguments are the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Output {
    pub(super) tool: String,
    /// The answer is the one member of its arguments.
    pub(super) wrapped: bool,
}

/// What has to be undone in the answer to a request that was fitted to its target.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Back {
    calls: BTreeMap<String, Origin>,
    /// For each tool at the target whose arguments have other names there: theirs at the client.
    arguments: BTreeMap<String, Names>,
    output: Option<Output>,
    /// Who made the model, where the client's format holds no other maker's signatures.
    maker: Option<Cow<'static, str>>,
    /// The client's format tells reasoning ahead of all else.
    ahead: bool,
}

/// The member that holds an answer whose schema is no object.
pub(super) const WRAPPED: &str = "value";

impl Back {
    /// A tool goes up as `to` instead of `from`.
    pub(super) fn rename(&mut self, to: String, from: &str) {
        let known = self.calls.get(from).cloned();
        let origin = known.unwrap_or_else(|| Origin {
            name: from.to_owned(),
            custom: false,
        });
        self.calls.insert(to, origin);
    }

    /// A custom tool goes up as a function of the same name.
    pub(super) fn custom(&mut self, name: &str) {
        let origin = self.calls.entry(name.to_owned());
        let origin = origin.or_insert_with(|| Origin {
            name: name.to_owned(),
            custom: false,
        });
        origin.custom = true;
    }

    /// Arguments of a tool at the target have other names there: (there, at the client).
    pub(super) fn rename_arguments(&mut self, tool: &str, names: Names) {
        self.arguments.insert(tool.to_owned(), names);
    }

    /// Whether a tool's arguments have other names at the target.
    pub(super) fn renames_arguments(&self, tool: &str) -> bool {
        self.arguments.contains_key(tool)
    }

    /// The arguments with the client's names, where any of them has another at the target.
    pub(super) fn arguments(&self, tool: &str, arguments: &str) -> Option<String> {
        with_names(arguments, self.arguments.get(tool)?)
    }

    /// The answer is had as the arguments of that tool.
    pub(super) fn output(&mut self, tool: String, wrapped: bool) {
        self.output = Some(Output { tool, wrapped });
    }

    /// Signatures in the answer are that maker's. `ahead`: the client's format tells reasoning ahead
    /// of all else.
    pub(super) fn made_by(&mut self, maker: Cow<'static, str>, ahead: bool) {
        self.maker = Some(maker);
        self.ahead = ahead;
    }

    /// A signature, or hidden reasoning, as the client gets it. `at` is its part's place where
    /// something else stands before it.
    pub(super) fn signed(&self, opaque: &str, at: Option<usize>) -> Option<String> {
        let maker = self.maker.as_ref().filter(|_| !opaque.is_empty())?;
        Some(marked(maker, at.filter(|_| self.ahead), opaque))
    }

    pub(super) fn marks(&self) -> bool {
        self.maker.is_some()
    }

    pub(super) fn origin(&self, name: &str) -> Option<&Origin> {
        self.calls.get(name)
    }

    pub(super) fn output_tool(&self, name: &str) -> Option<&Output> {
        self.output.as_ref().filter(|output| output.tool == name)
    }

    /// Whether anything has to be undone that the request was made to have.
    pub fn undoes(&self) -> bool {
        !(self.calls.is_empty() && self.arguments.is_empty()) || self.output.is_some()
    }

    pub(super) fn has_output(&self) -> bool {
        self.output.is_some()
    }
}

/// The answer within the arguments of its tool.
pub(super) fn unwrapped(arguments: &str) -> String {
    let document = Document::parse(arguments.as_bytes());
    let value = document.ok().and_then(|document| {
        let value = document.root().get(WRAPPED)?;
        Some(value.raw().to_owned())
    });
    value.unwrap_or_else(|| arguments.to_owned())
}

/// Words of servers for why an answer ended, beside those of the formats' own tables, and the
/// nearest that every client knows.
static WORDS: [(&str, Finish); 26] = [
    ("abort", Finish::Length),
    ("cancelled", Finish::Length),
    ("content_filtered", Finish::Refused),
    ("content-filter", Finish::Refused),
    ("end", Finish::Stop),
    ("end_turn", Finish::Stop),
    ("eos", Finish::Stop),
    ("eos_token", Finish::Stop),
    ("error_toxic", Finish::Refused),
    ("guardrail_intervened", Finish::Refused),
    ("max_length", Finish::Length),
    ("max_output_tokens", Finish::Length),
    ("max_tokens", Finish::Length),
    ("malformed_function_call", Finish::Refused),
    ("malformed_model_output", Finish::Refused),
    ("malformed_response", Finish::Refused),
    ("malformed_tool_use", Finish::Refused),
    ("missing_thought_signature", Finish::Refused),
    ("moderation", Finish::Refused),
    ("recitation", Finish::Refused),
    ("refusal", Finish::Refused),
    ("safety", Finish::Refused),
    ("sensitive", Finish::Refused),
    ("stop_sequence", Finish::Stop),
    ("tool_use", Finish::ToolCalls),
    ("unexpected_tool_call", Finish::Refused),
];

/// What is in a word that no table has, and the nearest that every client knows. The first that
/// fits decides.
static WITHIN: [(&str, Finish); 16] = [
    ("tool", Finish::ToolCalls),
    ("function", Finish::ToolCalls),
    ("length", Finish::Length),
    ("limit", Finish::Length),
    ("max", Finish::Length),
    ("truncat", Finish::Length),
    ("context", Finish::Length),
    ("timeout", Finish::Length),
    ("block", Finish::Refused),
    ("filter", Finish::Refused),
    ("guard", Finish::Refused),
    ("policy", Finish::Refused),
    ("prohibit", Finish::Refused),
    ("refus", Finish::Refused),
    ("safe", Finish::Refused),
    ("error", Finish::Length),
];

/// The nearest known word, and whether the one that was said is in a table.
fn nearest(word: &str) -> (Finish, bool) {
    let word = word.to_ascii_lowercase();
    if let Some((_, finish)) = WORDS.iter().find(|(known, _)| *known == word) {
        return (finish.clone(), true);
    }
    let within = WITHIN.iter().find(|(part, _)| word.contains(part));
    let finish = within.map_or(Finish::Stop, |(_, finish)| finish.clone());
    (finish, word.is_empty())
}

/// Finish reasons of answers that were interrupted: what came is not all of it.
const INTERRUPTED: [&str; 6] = [
    "abort",
    "cancelled",
    "error",
    "insufficient_system_resource",
    "network_error",
    "timeout",
];

/// Whether an answer with this finish reason is complete, or was cut at a limit of tokens or by a
/// filter. An unknown reason may mean anything.
#[must_use]
pub fn is_known_ending(said: &Finish) -> bool {
    match said {
        Finish::Other(word) => {
            let word = word.to_ascii_lowercase();
            !INTERRUPTED.contains(&word.as_str()) && nearest(&word).1
        }
        _ => true,
    }
}

/// Why a choice ended, as clients know it. Agents run tools only where the answer says that it
/// ended for them. A word that nobody knows is noted in `seen`.
pub(super) fn finish(said: Finish, calls: bool, seen: &Seen) -> Finish {
    let known = match said {
        Finish::Other(word) => {
            let (finish, known) = nearest(&word);
            if !known {
                seen.unknown_finish(&word);
            }
            finish
        }
        known => known,
    };
    match known {
        Finish::Stop | Finish::StopSequence(None) if calls => Finish::ToolCalls,
        Finish::ToolCalls if !calls => Finish::Stop,
        known => known,
    }
}

/// What a translation saw in an answer that an operator should know of. Shared by all that read
/// the answer.
#[derive(Debug, Default)]
pub struct Seen {
    finish: OnceLock<String>,
    /// The first medium that the client's format has no place for.
    unshown: OnceLock<&'static str>,
}

impl Seen {
    /// The first word for why an answer ended that no format's table has.
    pub fn unknown(&self) -> Option<&str> {
        self.finish.get().map(String::as_str)
    }

    /// The first kind of medium in the answer that the client's format has no place for.
    pub fn unshown(&self) -> Option<Lost> {
        let param = format!("answer.{}", self.unshown.get()?);
        let why = "answers of the client's format hold no such medium";
        Some(Lost::new(param, why))
    }

    /// Notes a medium of the answer, where those that are shown don't have it.
    pub(crate) fn medium(&self, kind: &'static str, shown: &[&str]) {
        if !shown.contains(&kind) {
            self.unshown.get_or_init(|| kind);
        }
    }

    fn unknown_finish(&self, word: &str) {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        // 48: longer ones are no words, and go into no log.
        let is_word = word.len() <= 48 && word.chars().all(plain);
        let word = if is_word { word } else { "(no word)" };
        self.finish.get_or_init(|| word.to_owned());
    }
}

impl PartialEq for Seen {
    fn eq(&self, other: &Self) -> bool {
        self.unknown() == other.unknown() && self.unshown == other.unshown
    }
}

impl Eq for Seen {}
