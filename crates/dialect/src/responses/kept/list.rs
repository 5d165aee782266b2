//! The list of a response's input, a page at a time (`GET /v1/responses/{id}/input_items`).

use bytes::Bytes;

use super::state::{Item, State};
use crate::json::{Document, Kind, Value, write};

/// Which page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The most items: 1 to 100, 20 by default.
    pub limit: usize,
    /// Oldest first. By default the newest is.
    pub ascending: bool,
    /// The id of the item before the page.
    pub after: Option<String>,
}

impl Default for Page {
    fn default() -> Self {
        Self {
            limit: 20,
            ascending: false,
            after: None,
        }
    }
}

/// The page of a response's input, in OpenAI's form of a list.
pub fn input_items(state: &State, page: &Page) -> Bytes {
    let mut items: Vec<&Item> = state.items.iter().collect();
    if !page.ascending {
        items.reverse();
    }
    let after = page.after.as_ref();
    let from = after.and_then(|id| items.iter().position(|item| item.id == *id));
    let rest = items.split_off(from.map_or(0, |at| at + 1).min(items.len()));
    let shown = &rest[..rest.len().min(page.limit)];
    let id = |item: Option<&&Item>| item.map(|item| item.id.clone());
    let body = write::document(|out| {
        write::text(out, "object", "list");
        write::list(out, "data", |out| {
            shown.iter().for_each(|item| told(item, out))
        });
        write::text_or_null(out, "first_id", id(shown.first()));
        write::text_or_null(out, "last_id", id(shown.last()));
        write::plain(out, "has_more", shown.len() < rest.len());
    });
    body.into()
}

/// An item as the list tells it: with its id, its type and, for a message, its content as parts.
fn told(item: &Item, out: &mut String) {
    let Ok(document) = Document::parse(item.json.as_bytes()) else {
        return write::value(out, &item.json);
    };
    let root = document.root();
    let kind = root.text("type");
    let spoken = root.says("role", "assistant");
    write::braces(out, |out| {
        write::text(out, "id", &item.id);
        write::text(out, "type", kind.as_deref().unwrap_or("message"));
        if root.get("status").is_none_or(Value::is_null) {
            write::text(out, "status", "completed");
        }
        for (key, value) in root.members() {
            let is = |name: &str| key.is_str(name);
            if is("id") || is("type") || (is("status") && value.is_null()) {
                continue;
            }
            if is("content") && value.kind() == Kind::String {
                write::list(out, "content", |out| {
                    let kind = if spoken { "output_text" } else { "input_text" };
                    write::typed(out, kind, |out| {
                        if spoken {
                            write::list(out, "annotations", |_| {});
                        }
                        write::raw(out, "text", value.raw());
                    });
                });
            } else {
                write::kept(out, key, value.raw());
            }
        }
    });
}
