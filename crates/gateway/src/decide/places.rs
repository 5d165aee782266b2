//! The prompt as the guardrails see it: a flat list of places, and where an edit of one goes.

use std::borrow::Cow;

use forebay_dialect::canonical::{Field, Message, Part, Prompt};
use forebay_dialect::passing::{Member, Said};
use forebay_dialect::vocabulary::is_request_name;
use forebay_dialect::{Attached, attached};

use crate::policy::{Edit, Outline, Place, PlaceKind, Reason};

/// The kind of an opaque part that holds a prompt as token ids.
const TOKEN_IDS: &str = "token_ids";
/// A field that holds a prompt as vectors (vLLM).
const EMBEDDED: &str = "prompt_embeds";

/// Roles that every dialect knows: they say nothing of a user's.
const ROLES: [&str; 7] = [
    "system",
    "developer",
    "user",
    "assistant",
    "tool",
    "function",
    "model",
];

/// Replace a stretch of a part of the prompt by a mask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PartEdit {
    /// Index of the message.
    pub(crate) message: u32,
    /// Index of the part within the message.
    pub(crate) part: u32,
    /// First byte.
    pub(crate) start: u32,
    /// One past the last byte.
    pub(crate) end: u32,
    /// What kind of value it is.
    pub(crate) label: String,
}

/// The places of a prompt, and what each is in it.
pub(crate) struct Places<'a> {
    /// In the order of the request.
    pub(crate) list: Vec<Place<'a>>,
    /// For each place: the message and part that an edit of it changes.
    parts: Vec<Option<(u32, u32)>>,
}

/// Whether a text is a piece of what a message says.
pub(crate) fn is_piece(said: &Said) -> bool {
    said.member == Member::Text && !said.is_name && is_content(&said.path)
}

/// Whether that is the path of one: `messages[0].content`, `item.content[1].text`.
fn is_content(path: &str) -> bool {
    let (before, last) = path.rsplit_once('.').unwrap_or(("", path));
    let list = before.rsplit_once('[').map_or(before, |(list, _)| list);
    let within = list == "content" || list.ends_with(".content");
    let whole = last == "content" && before.ends_with(']');
    whole || within && matches!(last, "text" | "transcript")
}

/// How many of the messages are read as one: those of one role, and instructions with adjacent messages,
/// which some targets join into one. What says nothing stands between none: some targets refuse it, so
/// it is left out.
fn turn(messages: &[Message]) -> usize {
    let is_empty = |part: &Part| matches!(part, Part::Text(text) if text.trim().is_empty());
    let instructs = |message: &Message| matches!(&*message.role, "system" | "developer");
    let mut speaking = (0..)
        .zip(messages)
        .filter(|(_, m)| !m.parts.iter().all(is_empty));
    let Some((_, mut last)) = speaking.next() else {
        return messages.len();
    };
    for (at, message) in speaking {
        if message.role != last.role && !instructs(message) && !instructs(last) {
            return at;
        }
        last = message;
    }
    messages.len()
}

impl<'a> Places<'a> {
    /// All places of a prompt.
    pub(crate) fn of(prompt: &'a Prompt) -> Self {
        let mut places = Self {
            list: Vec::new(),
            parts: Vec::new(),
        };
        let (mut first, mut rest) = (0, prompt.messages.as_slice());
        while !rest.is_empty() {
            let (turn, others) = rest.split_at(turn(rest));
            places.texts(first, turn);
            for (m, message) in (first..).zip(turn) {
                places.message(m, message);
            }
            first += turn.len();
            rest = others;
        }
        for (t, tool) in prompt.tools.iter().enumerate() {
            let path = format!("tools[{t}]");
            places.documents("", &path, tool);
            places.json("", path, tool, None);
        }
        for field in &prompt.extra {
            places.field("", "", field);
        }
        let model = prompt.model.as_str();
        places.push(PlaceKind::Vocabulary, "", "model".to_owned(), model, None);
        places
    }

    /// The places of a request that passes through. An edit's part is the place itself.
    pub(crate) fn passing(said: &'a [Said]) -> Self {
        let mut places = Self {
            list: Vec::with_capacity(said.len()),
            parts: Vec::with_capacity(said.len()),
        };
        // Pieces of content are read as one: they stand together, whatever words stand between them.
        let pieces = said.iter().enumerate().filter(|(_, said)| is_piece(said));
        let others = said.iter().enumerate().filter(|(_, said)| !is_piece(said));
        for (at, said) in pieces {
            let part = index(at).map(|at| (0, at));
            places.push(PlaceKind::Text, "user", said.path.clone(), &said.text, part);
        }
        if let Some((_, joined)) = places.list.split_last_mut() {
            joined.iter_mut().for_each(|place| place.joins_next = true);
        }
        for (at, said) in others {
            let (kind, role) = match said.member {
                Member::Text | Member::Tree => (PlaceKind::Text, "user"),
                Member::Word => (PlaceKind::Vocabulary, ""),
                Member::Media => (PlaceKind::Unreadable, "user"),
            };
            let part = index(at).map(|at| (0, at));
            places.push(kind, role, said.path.clone(), &said.text, part);
        }
        places
    }

    /// A text that was said before, on which the first piece of content goes on.
    pub(crate) fn goes_on_from(&mut self, before: &'a str) {
        let goes_on = self
            .list
            .first()
            .is_some_and(|place| is_content(&place.path));
        if before.is_empty() || !goes_on {
            return;
        }
        let place = Place {
            kind: PlaceKind::Text,
            role: "user",
            path: "(before)".to_owned(),
            text: before.into(),
            joins_next: true,
        };
        self.list.insert(0, place);
        self.parts.insert(0, None);
    }

    /// A word that goes upstream beside the body, such as the name of a model in a path.
    pub(crate) fn word(&mut self, path: &str, word: &'a str) {
        self.push(PlaceKind::Vocabulary, "", path.to_owned(), word, None);
    }

    /// Headers that go upstream, a line each.
    pub(crate) fn headers(&mut self, lines: &'a str) {
        for (name, value) in lines.lines().filter_map(|line| line.split_once(": ")) {
            self.word(&format!("the header {name}"), value);
        }
    }

    /// The texts of messages of one turn, one behind the other: the model reads them as one, whatever
    /// stands between them, such as a picture or a name.
    fn texts(&mut self, first: usize, turn: &'a [Message]) {
        let before = self.list.len();
        for (m, message) in (first..).zip(turn) {
            for (p, part) in message.parts.iter().enumerate() {
                if let Part::Text(text) = part {
                    let path = content_path(m, p);
                    let at = index(m).zip(index(p));
                    self.push(PlaceKind::Text, &message.role, path, text, at);
                }
            }
        }
        let joined = self.list.get_mut(before..).unwrap_or_default();
        if let Some((_, joined)) = joined.split_last_mut() {
            joined.iter_mut().for_each(|place| place.joins_next = true);
        }
    }

    /// All of a message but its texts.
    fn message(&mut self, m: usize, message: &'a Message) {
        let role = message.role.as_str();
        if !ROLES.contains(&role) {
            self.push(
                PlaceKind::Vocabulary,
                role,
                format!("messages[{m}].role"),
                role,
                None,
            );
        }
        for (p, part) in message.parts.iter().enumerate() {
            let at = index(m).zip(index(p));
            let path = content_path(m, p);
            match part {
                Part::Text(_) => {}
                Part::ToolCall(call) => {
                    for (what, word) in [("id", &*call.id), ("name", &*call.name)] {
                        let path = format!("{path}.{what}");
                        self.push(PlaceKind::Identifier, role, path, word, None);
                    }
                    let path = format!("{path}.arguments");
                    if is_json(&call.arguments) {
                        self.json(role, path, &call.arguments, at);
                    } else {
                        self.push(PlaceKind::Text, role, path, &*call.arguments, at);
                    }
                }
                Part::Opaque(opaque) if opaque.kind == TOKEN_IDS => {
                    self.push(PlaceKind::Unreadable, role, path, "", None);
                }
                Part::Opaque(opaque) => {
                    self.documents(role, &path, &opaque.json);
                    self.json(role, path, &opaque.json, at);
                }
            }
        }
        for field in &message.extra {
            self.field(role, &format!("messages[{m}]."), field);
        }
    }

    fn field(&mut self, role: &'a str, within: &str, field: &'a Field) {
        // A name of the client's own is as good a place as any, and no path tells it. Forms that readers
        // note under a name of theirs, such as `content`, are known.
        let known = is_request_name(&field.name);
        let path = match known {
            true => format!("{within}{}", field.name),
            false => format!("{within}(unnamed)"),
        };
        if !known {
            let path = format!("the name of {path}");
            self.push(PlaceKind::Identifier, role, path, &*field.name, None);
        }
        if field.name == EMBEDDED {
            return self.push(PlaceKind::Unreadable, role, path, "", None);
        }
        self.documents(role, &path, &field.value);
        self.json(role, path, &field.value, None);
    }

    /// The documents that a JSON text holds encoded.
    fn documents(&mut self, role: &'a str, path: &str, json: &str) {
        for document in attached(json) {
            let (kind, text) = match document {
                Attached::Text(text) => (PlaceKind::Text, text),
                Attached::Unreadable => (PlaceKind::Unreadable, String::new()),
            };
            self.push(kind, role, path.to_owned(), text, None);
        }
    }

    fn json(&mut self, role: &'a str, path: String, json: &'a str, at: Option<(u32, u32)>) {
        self.push(PlaceKind::Json, role, path, json, at);
    }

    fn push(
        &mut self,
        kind: PlaceKind,
        role: &'a str,
        path: String,
        text: impl Into<Cow<'a, str>>,
        at: Option<(u32, u32)>,
    ) {
        let text = text.into();
        // An empty identifier is one that the dialect does not have.
        if text.is_empty() && kind == PlaceKind::Identifier {
            return;
        }
        self.list.push(Place {
            kind,
            role,
            path,
            text,
            joins_next: false,
        });
        self.parts.push(at);
    }

    /// The verdict's edits, or why the prompt is refused for one of them.
    pub(crate) fn edits(&self, edits: &[Edit]) -> Result<Masking, Reason> {
        let mut out = Masking::default();
        for group in edits.chunk_by(|a, b| a.place == b.place) {
            let Some(first) = group.first() else { continue };
            let place = first.place as usize;
            let Some((place, part)) = self.list.get(place).zip(self.parts.get(place)) else {
                continue;
            };
            let fits = match place.kind {
                PlaceKind::Text | PlaceKind::Identifier => true,
                // A setting that is a number is no text, whatever it looks like.
                PlaceKind::Json if part.is_none() && is_number(&place.text) => continue,
                PlaceKind::Json => in_strings(&place.text, group),
                PlaceKind::Vocabulary | PlaceKind::Signed | PlaceKind::Unreadable => false,
            };
            if !fits {
                return Err(unmaskable(&first.label, place));
            }
            match *part {
                Some((message, part)) => {
                    let mut names = Names::new(place);
                    for edit in group {
                        // Names of members are replaced wherever they stand, like those of tools.
                        if names.hold(edit) {
                            let value = value_of(place, edit);
                            let value = value.ok_or_else(|| unmaskable(&edit.label, place))?;
                            out.values.push((value, edit.label.clone()));
                            continue;
                        }
                        out.parts.push(PartEdit {
                            message,
                            part,
                            start: edit.start,
                            end: edit.end,
                            label: edit.label.clone(),
                        });
                    }
                }
                None => {
                    for edit in group {
                        let value = value_of(place, edit);
                        let value = value.ok_or_else(|| unmaskable(&edit.label, place))?;
                        out.values.push((value, edit.label.clone()));
                    }
                }
            }
        }
        Ok(out)
    }
}

/// What of a prompt is masked.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Masking {
    /// Stretches of parts, in their order.
    pub(crate) parts: Vec<PartEdit>,
    /// Values that were found in places that are no parts (names, ids, tools, fields, documents), each
    /// with its label.
    pub(crate) values: Vec<(String, String)>,
}

/// Tells the names of members from values in a JSON text.
struct Names<'p> {
    json: Option<&'p [u8]>,
    /// Where the string of the last edit ends, and whether it is a name.
    last: (usize, bool),
}

impl<'p> Names<'p> {
    fn new(place: &'p Place<'_>) -> Self {
        let is_json = place.kind == PlaceKind::Json;
        Self {
            json: is_json.then_some(place.text.as_bytes()),
            last: (0, false),
        }
    }

    /// Whether an edit lies in a name. Edits come in their order, each within one string.
    fn hold(&mut self, edit: &Edit) -> bool {
        let Some(json) = self.json else { return false };
        let mut at = edit.end as usize;
        if at > self.last.0 {
            while let Some(byte) = json.get(at).filter(|byte| **byte != b'"') {
                at += if *byte == b'\\' { 2 } else { 1 };
            }
            let after = json.get(at + 1..).unwrap_or_default();
            let is_name = after.trim_ascii_start().first() == Some(&b':');
            self.last = (at, is_name);
        }
        self.last.1
    }
}

/// What an edit replaces, decoded.
fn value_of(place: &Place<'_>, edit: &Edit) -> Option<String> {
    let range = edit.start as usize..edit.end as usize;
    let text = place.text.get(range).filter(|text| !text.is_empty())?;
    match place.kind {
        PlaceKind::Json => serde_json::from_str(&format!("\"{text}\"")).ok(),
        _ => Some(text.to_owned()),
    }
}

/// The request as a whole.
pub(crate) fn outline(prompt: &Prompt) -> Outline<'_> {
    let fields =
        |fields: &[Field]| -> usize { fields.iter().map(|f| f.name.len() + f.value.len()).sum() };
    let parts = |message: &Message| -> usize {
        message
            .parts
            .iter()
            .map(|part| match part {
                Part::Text(text) => text.len(),
                Part::ToolCall(call) => call.name.len() + call.arguments.len(),
                Part::Opaque(opaque) => opaque.json.len(),
            })
            .sum()
    };
    let (mut largest, mut all) = (0, fields(&prompt.extra));
    for message in &prompt.messages {
        let bytes = parts(message);
        largest = largest.max(bytes);
        all += bytes + fields(&message.extra);
    }
    all += prompt.tools.iter().map(String::len).sum::<usize>();
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    Outline {
        operation: prompt.operation.as_str(),
        model: &prompt.model,
        messages: count(prompt.messages.len()),
        tools: count(prompt.tools.len()),
        largest_message: largest as u64,
        bytes: all as u64,
    }
}

fn content_path(message: usize, part: usize) -> String {
    format!("messages[{message}].content[{part}]")
}

fn index(at: usize) -> Option<u32> {
    u32::try_from(at).ok()
}

fn is_json(text: &str) -> bool {
    text.trim_start().starts_with(['{', '[', '"'])
        && serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
}

fn is_number(json: &str) -> bool {
    json.bytes()
        .all(|b| b.is_ascii_digit() || matches!(b, b'-' | b'+' | b'.' | b'e' | b'E'))
}

/// Whether each edit lies within one string of a JSON text. The edits are sorted.
fn in_strings(json: &str, edits: &[Edit]) -> bool {
    let bytes = json.as_bytes();
    let mut edits = edits.iter().peekable();
    let mut at = 0;
    while let Some(edit) = edits.peek() {
        let Some(open) = bytes
            .get(at..)
            .and_then(|rest| rest.iter().position(|b| *b == b'"'))
        else {
            return false;
        };
        let open = at + open + 1;
        let mut close = open;
        while let Some(byte) = bytes.get(close).filter(|b| **b != b'"') {
            close += if *byte == b'\\' { 2 } else { 1 };
        }
        if (edit.start as usize) < open {
            return false;
        }
        while edits
            .next_if(|e| e.start as usize >= open && e.end as usize <= close)
            .is_some()
        {}
        if edits.peek().is_some_and(|e| (e.start as usize) < close) {
            return false;
        }
        at = close + 1;
    }
    true
}

fn unmaskable(label: &str, place: &Place<'_>) -> Reason {
    let why = match place.kind {
        PlaceKind::Json => "is not within a string of the JSON there",
        PlaceKind::Signed => "is signed by the provider",
        _ => "is a word of the format itself",
    };
    Reason {
        code: "unmaskable".to_owned(),
        detail: format!("{label} in {} can't be masked: it {why}", place.path),
    }
}

#[cfg(test)]
mod tests;
