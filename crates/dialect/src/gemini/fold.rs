//! Folds a stream into the body of the same answer, and leaves nothing of it out: images, code
//! that was run, sources and ratings stay as Google sent them.

use std::borrow::Cow;

use bytes::Bytes;

use super::candidate::index;
use super::emit::text_part;
use super::error::read_error;
use super::names::{each, get, name_of};
use crate::contract::failure::ConvertError;
use crate::json::write::{item, name};
use crate::json::{Document, Kind, Value};
use crate::payload::PayloadError;

/// Lists that each event continues: the member of a candidate, and its lists.
const CONTINUED: [(&str, &[&str]); 2] = [
    ("citationMetadata", &["citations", "citationSources"]),
    ("logprobsResult", &["chosenCandidates", "topCandidates"]),
];

/// The answer that a stream's events amount to.
///
/// # Errors
///
/// When an event is no JSON or an error, or none has a candidate or says that there is none.
pub(crate) fn fold(events: &[Bytes]) -> Result<Bytes, ConvertError> {
    let mut folded = Folded::default();
    for event in events {
        let document = Document::parse(event).map_err(PayloadError::from)?;
        if read_error(document.root()).is_some() {
            return Err(ConvertError::Upstream);
        }
        folded.take(document.root());
    }
    if folded.candidates.is_empty() && !folded.head.has("promptFeedback") {
        return Err(ConvertError::Empty);
    }
    Ok(folded.write())
}

/// Members by name; of one that comes again the last counts.
#[derive(Default)]
struct Members(Vec<(String, String)>);

impl Members {
    fn set(&mut self, name: &str, value: String) {
        match self.0.iter_mut().find(|(known, _)| known == name) {
            Some((_, known)) => *known = value,
            None => self.0.push((name.to_owned(), value)),
        }
    }

    fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    fn write(&self, out: &mut String) {
        for (member, value) in &self.0 {
            name(out, member);
            out.push_str(value);
        }
    }
}

#[derive(Default)]
struct Folded {
    head: Members,
    candidates: Vec<(u32, Candidate)>,
}

#[derive(Default)]
struct Candidate {
    parts: Vec<Piece>,
    about: Members,
}

enum Piece {
    /// Text that goes on in the next event.
    Text { thought: bool, text: String },
    /// All else, as it came.
    Whole(String),
}

impl Folded {
    fn take(&mut self, root: Value<'_>) {
        for (key, value) in root.members().filter(|(_, value)| !value.is_null()) {
            let name = name_of(key);
            if name != "candidates" {
                self.head.set(&name, value.raw().to_owned());
                continue;
            }
            for candidate in each(value) {
                self.candidate(index(candidate)).take(candidate);
            }
        }
    }

    fn candidate(&mut self, index: u32) -> &mut Candidate {
        let known = self.candidates.iter().position(|(at, _)| *at == index);
        let at = known.unwrap_or_else(|| {
            self.candidates.push((index, Candidate::default()));
            self.candidates.len() - 1
        });
        &mut self.candidates[at].1
    }

    fn write(mut self) -> Bytes {
        self.candidates.sort_by_key(|(index, _)| *index);
        let mut out = String::from("{");
        if !self.candidates.is_empty() {
            out.push_str("\"candidates\":[");
            for (index, candidate) in &self.candidates {
                item(&mut out);
                candidate.write(*index, &mut out);
            }
            out.push(']');
        }
        self.head.write(&mut out);
        out.push('}');
        out.into()
    }
}

impl Candidate {
    fn take(&mut self, candidate: Value<'_>) {
        for (key, value) in candidate.members().filter(|(_, value)| !value.is_null()) {
            let name = name_of(key);
            match name.as_ref() {
                "index" => {}
                "content" => {
                    for part in get(value, "parts").into_iter().flat_map(each) {
                        self.part(part);
                    }
                }
                name => {
                    let value = self.continued(name, value);
                    self.about.set(name, value.into_owned());
                }
            }
        }
    }

    fn part(&mut self, part: Value<'_>) {
        let plain = part
            .members()
            .all(|(key, _)| key.is_str("text") || key.is_str("thought"));
        let said = get(part, "text").and_then(Value::as_str);
        let Some(said) = said.filter(|_| plain) else {
            self.parts.push(Piece::Whole(part.raw().to_owned()));
            return;
        };
        let thinks = get(part, "thought").and_then(Value::as_bool) == Some(true);
        match self.parts.last_mut() {
            Some(Piece::Text { thought, text }) if *thought == thinks => text.push_str(&said),
            _ if said.is_empty() => {}
            _ => self.parts.push(Piece::Text {
                thought: thinks,
                text: said.into_owned(),
            }),
        }
    }

    /// A member's value, with the lists of earlier events before its own.
    fn continued<'d>(&self, member: &str, value: Value<'d>) -> Cow<'d, str> {
        let lists = CONTINUED.iter().find(|(known, _)| *known == member);
        let (Some((_, lists)), Some(earlier)) = (lists, self.about.get(member)) else {
            return Cow::Borrowed(value.raw());
        };
        let Ok(earlier) = Document::parse(earlier.as_bytes()) else {
            return Cow::Borrowed(value.raw());
        };
        let mut out = String::from("{");
        for list in *lists {
            let parts = [earlier.root(), value].map(|of| get(of, list));
            if parts.iter().flatten().next().is_none() {
                continue;
            }
            name(&mut out, list);
            out.push('[');
            for entry in parts.into_iter().flatten().flat_map(each) {
                item(&mut out);
                out.push_str(entry.raw());
            }
            out.push(']');
        }
        for (key, value) in value.members() {
            let of = name_of(key);
            if !lists.contains(&of.as_ref()) && value.kind() != Kind::Null {
                name(&mut out, &of);
                out.push_str(value.raw());
            }
        }
        out.push('}');
        Cow::Owned(out)
    }

    fn write(&self, index: u32, out: &mut String) {
        out.push_str("{\"content\":{\"role\":\"model\",\"parts\":[");
        for piece in &self.parts {
            match piece {
                Piece::Text { thought, text } => text_part(out, text, *thought, None),
                Piece::Whole(json) => {
                    item(out);
                    out.push_str(json);
                }
            }
        }
        out.push_str("]}");
        self.about.write(out);
        out.push_str(&format!(",\"index\":{index}}}"));
    }
}
