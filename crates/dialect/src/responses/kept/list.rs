//! The list of a response's input, a page at a time (`GET /v1/responses/{id}/input_items`).

use bytes::Bytes;

use super::state::{Item, State};
use crate::json::{Document, Kind, Value, json_string};

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
    let data: Vec<String> = shown.iter().map(|item| told(item)).collect();
    let id = |item: Option<&&Item>| item.map_or("null".to_owned(), |item| json_string(&item.id));
    let body = format!(
        "{{\"object\":\"list\",\"data\":[{}],\"first_id\":{},\"last_id\":{},\"has_more\":{}}}",
        data.join(","),
        id(shown.first()),
        id(shown.last()),
        shown.len() < rest.len()
    );
    body.into()
}

/// An item as the list tells it: with its id, its type and, for a message, its content as parts.
fn told(item: &Item) -> String {
    let Ok(document) = Document::parse(item.json.as_bytes()) else {
        return item.json.clone();
    };
    let root = document.root();
    let mut out = format!("{{\"id\":{}", json_string(&item.id));
    let kind = root.get("type").and_then(Value::as_str);
    let kind = kind.unwrap_or("message".into());
    out.push_str(&format!(",\"type\":{}", json_string(&kind)));
    if root.get("status").is_none_or(Value::is_null) {
        out.push_str(",\"status\":\"completed\"");
    }
    for (key, value) in root.members() {
        let is = |name: &str| key.is_str(name);
        if is("id") || is("type") || (is("status") && value.is_null()) {
            continue;
        }
        out.push(',');
        out.push_str(key.raw());
        out.push(':');
        match is("content") && value.kind() == Kind::String {
            true => {
                let spoken = root
                    .get("role")
                    .is_some_and(|role| role.is_str("assistant"));
                let part = match spoken {
                    true => "{\"type\":\"output_text\",\"annotations\":[],\"text\":",
                    false => "{\"type\":\"input_text\",\"text\":",
                };
                out.push_str(&format!("[{part}{}}}]", value.raw()));
            }
            false => out.push_str(value.raw()),
        }
    }
    out.push('}');
    out
}
