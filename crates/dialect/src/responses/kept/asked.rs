//! What a request says of what is kept, and the request that says all of it by itself.

use std::borrow::Cow;
use std::collections::HashMap;

use bytes::Bytes;

use super::state::{Item, is_empty_reasoning};
use crate::fields::{boolean, string};
use crate::json::{Document, Kind, Value, write};
use crate::members::set_members;
use crate::request::RequestError;

/// What a request says of what is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asked {
    /// The response that it goes on from.
    pub previous: Option<String>,
    /// Whether its answer is to be kept. Absent `store` means so, as at OpenAI.
    pub store: bool,
    /// The items that its input refers to, in its order.
    pub references: Vec<String>,
    /// It wants its answer computed in the background.
    pub background: bool,
    /// The conversation object that it belongs to.
    pub conversation: Option<String>,
}

/// A request that refers to nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Composed {
    /// The body for upstreams: the whole conversation, and nothing to be kept there.
    pub body: Bytes,
    /// The conversation up to the answer.
    pub items: Vec<Item>,
}

/// What a request's body says of what is kept. None where it is no JSON object: its reader says
/// what is wrong.
///
/// # Errors
///
/// When a member that refers to what is kept has the wrong type.
pub fn read(body: &Bytes) -> Result<Option<Asked>, RequestError> {
    let Ok(document) = Document::parse(body) else {
        return Ok(None);
    };
    let root = document.root();
    if root.kind() != Kind::Object {
        return Ok(None);
    }
    let member = |name: &str| root.some(name);
    let flag = |name: &str, absent| member(name).map_or(Ok(absent), |value| boolean(value, name));
    let previous = member("previous_response_id")
        .map(|id| string(id, || "previous_response_id".to_owned()).map(Cow::into_owned));
    let conversation = member("conversation").map(|named| {
        let id = named.get("id").unwrap_or(named);
        string(id, || "conversation".to_owned()).map(Cow::into_owned)
    });
    let mut references = Vec::new();
    for (at, item) in items_of(root).enumerate() {
        if is_reference(item) {
            let path = || format!("input[{at}].id");
            let id = item
                .get("id")
                .ok_or_else(|| RequestError::Missing { param: path() })?;
            references.push(string(id, path)?.into_owned());
        }
    }
    Ok(Some(Asked {
        previous: previous.transpose()?,
        store: flag("store", true)?,
        references,
        background: flag("background", false)?,
        conversation: conversation.transpose()?,
    }))
}

/// The request with the conversation `before` it and the items it refers to in its input. `None`
/// where the body has no input that could be read, or `found` lacks an item: see [`read`].
pub fn compose(body: &Bytes, before: Vec<Item>, found: &[Item]) -> Option<Composed> {
    let document = Document::parse(body).ok()?;
    let root = document.root();
    let input = root.some("input");
    let refers = items_of(root).any(is_reference);
    let found: HashMap<&str, &Item> = found.iter().map(|item| (&*item.id, item)).collect();
    let mut items = before;
    let history = items.len();
    match input {
        Some(text) if text.kind() == Kind::String => items.push(Item {
            id: String::new(),
            json: users(text.raw()),
        }),
        Some(list) if list.kind() == Kind::Array => {
            for item in list.items() {
                let id = item.text("id").unwrap_or_default();
                items.push(match is_reference(item) {
                    true => (*found.get(&*id)?).clone(),
                    false => Item {
                        id: id.into_owned(),
                        json: item.raw().to_owned(),
                    },
                });
            }
        }
        None => {}
        Some(_) => return None,
    }
    let mut set: Vec<(&str, &str)> = vec![("store", "false")];
    let joined;
    if history > 0 || refers {
        joined = join(&items);
        set.push(("input", &joined));
    }
    let include = with_sealed_reasoning(root);
    set.extend(include.iter().map(|list| ("include", &**list)));
    let body = set_members(body, &set, &["previous_response_id"])?;
    Some(Composed { body, items })
}

/// A message of the user's, with its content as JSON.
fn users(content: &str) -> String {
    let mut out = String::with_capacity(64 + content.len());
    write::typed(&mut out, "message", |out| {
        write::text(out, "role", "user");
        write::raw(out, "content", content);
    });
    out
}

/// The items as an array, without reasoning that nobody can read: its upstream was asked to keep
/// nothing.
fn join(items: &[Item]) -> String {
    let size: usize = items.iter().map(|item| item.json.len() + 1).sum();
    let mut out = String::with_capacity(size + 2);
    write::brackets(&mut out, |out| {
        for item in items {
            let document = Document::parse(item.json.as_bytes());
            if !document.is_ok_and(|document| is_empty_reasoning(document.root())) {
                write::value(out, &item.json);
            }
        }
    });
    out
}

/// `include` with the sealed form of reasoning, where the request asks a model to reason: without
/// it the next turn could not go on from it. None where nothing has to be added.
fn with_sealed_reasoning(root: Value<'_>) -> Option<String> {
    const SEALED: &str = "reasoning.encrypted_content";
    let reasons = root.get("reasoning").is_some_and(|reasoning| {
        reasoning.kind() == Kind::Object && !reasoning.says("effort", "none")
    });
    if !reasons {
        return None;
    }
    let list = root.some("include");
    let mut wanted = list.into_iter().flat_map(Value::items);
    if list.is_some_and(|list| list.kind() != Kind::Array)
        || wanted.clone().any(|name| name.is_str(SEALED))
    {
        return None;
    }
    let mut out = String::new();
    write::brackets(&mut out, |out| {
        wanted
            .by_ref()
            .for_each(|name| write::value(out, name.raw()));
        write::string(out, SEALED);
    });
    Some(out)
}

fn items_of(root: Value<'_>) -> impl Iterator<Item = Value<'_>> {
    let input = root
        .get("input")
        .filter(|input| input.kind() == Kind::Array);
    input
        .into_iter()
        .flat_map(Value::items)
        .filter(|item| item.kind() == Kind::Object)
}

/// Whether an item only names another one. OpenAI allows its `type` to be left out.
fn is_reference(item: Value<'_>) -> bool {
    match item.some("type") {
        Some(kind) => kind.is_str("item_reference"),
        None => item.get("role").is_none() && item.get("id").is_some(),
    }
}
