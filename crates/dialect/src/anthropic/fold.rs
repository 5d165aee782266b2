//! A stream's events as the whole answer they amount to. Members that nobody here knows, and
//! blocks that only Anthropic has, come out as they came.

use bytes::Bytes;

use super::error::read_error;
use super::stream_read::index;
use crate::contract::failure::ConvertError;
use crate::fields::name_of;
use crate::json::{Document, Kind, Value, json_string, write_json_string};
use crate::payload::{PayloadError, wrong_type};

/// Members in their order: names, and values as JSON.
type Members = Vec<(String, String)>;

/// Texts that come in pieces: the delta's type, its member, and the block's.
const PIECES: [(&str, &str, &str); 4] = [
    ("text_delta", "text", "text"),
    ("thinking_delta", "thinking", "thinking"),
    ("signature_delta", "signature", "signature"),
    ("input_json_delta", "partial_json", "input"),
];

/// A block, and what came for it after its start.
struct Block {
    index: u32,
    members: Members,
    texts: Vec<(&'static str, String)>,
    citations: Vec<String>,
}

/// Folds events into a message.
///
/// # Errors
///
/// When an event is none of its format or an error, or the message never began.
pub(crate) fn fold(events: &[Bytes]) -> Result<Bytes, ConvertError> {
    let mut message: Option<Members> = None;
    let mut blocks: Vec<Block> = Vec::new();
    for event in events {
        let document = Document::parse(event).map_err(PayloadError::from)?;
        let root = document.root();
        let kind = root.get("type").and_then(Value::as_str);
        match (kind.as_deref().unwrap_or_default(), &mut message) {
            ("message_start", None) => message = Some(members(root.get("message"))),
            ("content_block_start", Some(_)) => blocks.push(Block {
                index: index(root)?,
                members: members(root.get("content_block")),
                texts: Vec::new(),
                citations: Vec::new(),
            }),
            ("content_block_delta", Some(_)) => {
                let index = index(root)?;
                // The last one is nearly always meant.
                let block = blocks.iter_mut().rev().find(|block| block.index == index);
                if let (Some(block), Some(delta)) = (block, root.get("delta")) {
                    block.add(delta)?;
                }
            }
            ("message_delta", Some(message)) => end(message, root),
            ("error" | "", _) if read_error(root).is_some() => {
                return Err(ConvertError::Upstream);
            }
            _ => {}
        }
    }
    let mut message = message.ok_or(ConvertError::Empty)?;
    let mut content = String::from("[");
    for (position, block) in blocks.into_iter().enumerate() {
        if position > 0 {
            content.push(',');
        }
        block.write(&mut content);
    }
    content.push(']');
    set(&mut message, "content", content);
    let mut out = String::new();
    write(&message, &mut out);
    Ok(out.into())
}

/// What the end tells of the message. Counts that it leaves out were told at the start.
fn end(message: &mut Members, root: Value<'_>) {
    for (name, value) in members(root.get("delta")) {
        if value != "null" {
            set(message, &name, value);
        }
    }
    let told = message.iter().find(|(name, _)| name == "usage");
    let told = told.map(|(_, told)| told.clone()).unwrap_or_default();
    let document = Document::parse(told.as_bytes());
    let mut usage = document.map_or(Vec::new(), |usage| members(Some(usage.root())));
    for (name, value) in members(root.get("usage")) {
        if value != "null" {
            set(&mut usage, &name, value);
        }
    }
    let mut written = String::new();
    write(&usage, &mut written);
    set(message, "usage", written);
}

impl Block {
    fn add(&mut self, delta: Value<'_>) -> Result<(), PayloadError> {
        let kind = delta
            .get("type")
            .and_then(Value::as_str)
            .unwrap_or_default();
        if kind == "citations_delta" {
            let citation = delta.get("citation").filter(|citation| !citation.is_null());
            self.citations
                .extend(citation.map(|citation| citation.raw().to_owned()));
            return Ok(());
        }
        let Some((_, from, to)) = PIECES.iter().find(|(of, ..)| *of == kind) else {
            return Ok(());
        };
        let Some(value) = delta.get(from) else {
            return Ok(());
        };
        let piece = value.as_str();
        let piece = piece.ok_or_else(|| wrong_type(format!("delta.{from}"), "a string", value))?;
        match self.texts.iter_mut().find(|(name, _)| name == to) {
            Some((_, text)) => text.push_str(&piece),
            None => self.texts.push((to, piece.into_owned())),
        }
        Ok(())
    }

    fn write(mut self, out: &mut String) {
        for (name, text) in std::mem::take(&mut self.texts) {
            let value = if name == "input" {
                let document = Document::parse(text.as_bytes());
                // Arguments that were cut short are none.
                if !document.is_ok_and(|input| input.root().kind() == Kind::Object) {
                    continue;
                }
                text
            } else {
                let begun = self.members.iter().find(|(of, _)| of == name);
                let begun = begun.and_then(|(_, json)| serde_json::from_str::<String>(json).ok());
                json_string(&(begun.unwrap_or_default() + &text))
            };
            set(&mut self.members, name, value);
        }
        if !self.citations.is_empty() {
            let begun = self.members.iter().find(|(name, _)| name == "citations");
            let begun = begun.map_or("", |(_, json)| json.as_str()).trim();
            let begun = begun
                .strip_prefix('[')
                .and_then(|json| json.strip_suffix(']'));
            let mut all: Vec<_> = begun
                .into_iter()
                .filter(|items| !items.trim().is_empty())
                .collect();
            all.extend(self.citations.iter().map(String::as_str));
            let all = format!("[{}]", all.join(","));
            set(&mut self.members, "citations", all);
        }
        write(&self.members, out);
    }
}

fn members(value: Option<Value<'_>>) -> Members {
    let members = value.into_iter().flat_map(Value::members);
    members
        .map(|(key, value)| (name_of(key).into_owned(), value.raw().to_owned()))
        .collect()
}

fn set(members: &mut Members, name: &str, value: String) {
    match members.iter_mut().find(|(of, _)| of == name) {
        Some((_, old)) => *old = value,
        None => members.push((name.to_owned(), value)),
    }
}

fn write(members: &Members, out: &mut String) {
    out.push('{');
    for (position, (name, value)) in members.iter().enumerate() {
        if position > 0 {
            out.push(',');
        }
        write_json_string(name, out);
        out.push(':');
        out.push_str(value);
    }
    out.push('}');
}
