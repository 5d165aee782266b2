//! What is kept of a response: the response as its client got it, and the items before it.

use bytes::Bytes;

use super::ids::{TOKEN, item_id, prefix_of};
use crate::json::write;
use crate::json::{Document, Kind, Value};

/// An item of a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// The id by which it can be referred to. Empty: it gets one when it is kept.
    pub id: String,
    /// The item as it is sent, JSON.
    pub json: String,
}

/// What is kept of a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// The response object as its client got it.
    pub response: Bytes,
    /// All that came before it: the conversation so far, then the input.
    pub items: Vec<Item>,
}

/// The token within an id that [`super::Stamp`] gave a response or an item.
pub fn token_of(id: &str) -> Option<&str> {
    let (prefix, rest) = id.split_once('_')?;
    let token = rest.get(..TOKEN)?;
    let place = &rest[TOKEN..];
    let hex = |text: &str| {
        text.bytes()
            .all(|b| b.is_ascii_digit() || matches!(b, b'a'..=b'f'))
    };
    let placed = match prefix {
        "resp" => place.is_empty(),
        _ => place.len() >= 4,
    };
    (placed && hex(token) && hex(place)).then_some(token)
}

impl State {
    /// The state as it is stored. Items without an id get one, counted from 0x8000: the places
    /// below are the output's.
    pub fn write(&self, token: &str) -> Vec<u8> {
        let size: usize = self.items.iter().map(|item| item.json.len() + 80).sum();
        let mut out = String::with_capacity(size + self.response.len() + 32);
        write::braces(&mut out, |out| {
            write::list(out, "items", |out| {
                for (place, item) in self.items.iter().enumerate() {
                    write::braces(out, |out| {
                        match item.id.is_empty() {
                            true => {
                                let prefix = kind_prefix(&item.json);
                                write::text(out, "id", &item_id(prefix, token, 0x8000 + place));
                            }
                            false => write::text(out, "id", &item.id),
                        }
                        write::raw(out, "item", &item.json);
                    });
                }
            });
            write::raw(out, "response", &String::from_utf8_lossy(&self.response));
        });
        out.into_bytes()
    }

    /// Reads what [`Self::write`] wrote. None where it is anything else.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let document = Document::parse(bytes).ok()?;
        let root = document.root();
        let response = root.get("response")?;
        let items = root.get("items")?.items().map(|item| {
            Some(Item {
                id: item.text("id")?.into_owned(),
                json: item.get("item")?.raw().to_owned(),
            })
        });
        Some(Self {
            response: Bytes::copy_from_slice(response.raw().as_bytes()),
            items: items.collect::<Option<_>>()?,
        })
    }

    /// The whole conversation, the response's output at its end.
    pub fn conversation(&self) -> Vec<Item> {
        let mut items = self.items.clone();
        if let Ok(document) = Document::parse(&self.response) {
            let output = document.root().get("output");
            items.extend(output.into_iter().flat_map(Value::items).map(|item| Item {
                id: text(item, "id"),
                json: item.raw().to_owned(),
            }));
        }
        items
    }
}

fn text(item: Value<'_>, name: &str) -> String {
    let text = item.text(name).unwrap_or_default();
    text.into_owned()
}

fn kind_prefix(json: &str) -> &'static str {
    let document = Document::parse(json.as_bytes()).ok();
    let kind = document.map(|document| text(document.root(), "type"));
    prefix_of(&kind.unwrap_or_default())
}

/// Whether an item of reasoning says nothing to a model that has not kept it: neither its sealed
/// form nor a text.
pub(super) fn is_empty_reasoning(item: Value<'_>) -> bool {
    let is_reasoning = item.says("type", "reasoning");
    let sealed = item
        .get("encrypted_content")
        .is_some_and(|sealed| sealed.kind() == Kind::String && !sealed.is_str(""));
    is_reasoning && !sealed && super::super::items::reasoning_text(item).is_empty()
}
