//! An answer under ids of the gateway's own: nobody else's can be guessed from them, two clients
//! who share a computation do not share them, and an item's id tells the response that it is of.

use bytes::Bytes;

use super::ids::{item_id, prefix_in, prefix_of, prefix_of_event, response_id};
use crate::json::{Document, Kind, Span, Splice, Value, json_string, splice, write};

/// What is put into an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    /// The token of its ids, where it is kept. None: its ids stay.
    pub token: Option<String>,
    /// The response that it goes on from.
    pub previous: Option<String>,
}

/// An event with its ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamped {
    /// The event.
    pub data: Bytes,
    /// The whole response, where the event brings it at its end.
    pub response: Option<Bytes>,
}

impl Stamp {
    /// A whole response. None where it is none.
    pub fn whole(&self, body: &Bytes) -> Option<Bytes> {
        let document = Document::parse(body).ok()?;
        let root = document.root();
        root.get("output")?;
        let mut splices = Vec::new();
        self.response(root, &mut splices);
        Some(splice(body, splices))
    }

    /// An event of a stream.
    pub fn event(&self, data: &Bytes) -> Stamped {
        let unchanged = || Stamped {
            data: data.clone(),
            response: None,
        };
        let Ok(document) = Document::parse(data) else {
            return unchanged();
        };
        let root = document.root();
        let mut splices = Vec::new();
        let object = |name: &str| root.get(name).filter(|value| value.kind() == Kind::Object);
        if let Some(response) = object("response") {
            self.response(response, &mut splices);
            let ended = root.get("type").is_some_and(|kind| {
                kind.is_str("response.completed") || kind.is_str("response.incomplete")
            });
            let data = splice(data, splices);
            let response = ended.then(|| whole_in(&data)).flatten();
            return Stamped { data, response };
        }
        let place = root.get("output_index").and_then(Value::as_integer);
        if let (Some(token), Some(place)) = (&self.token, place)
            && let Ok(place) = usize::try_from(place)
        {
            if let Some(item) = object("item") {
                item_in(item, token, place, &mut splices);
            }
            if let Some(id) = root.get("item_id").filter(|id| id.kind() == Kind::String) {
                let said = id.as_str().unwrap_or_default();
                let kind = root.text("type").unwrap_or_default();
                let prefix = prefix_in(&said).unwrap_or(prefix_of_event(&kind));
                let new = item_id(prefix, token, place);
                splices.push(Splice::new(id.span(), json_string(&new)));
            }
        }
        Stamped {
            data: splice(data, splices),
            response: None,
        }
    }

    fn response(&self, response: Value<'_>, splices: &mut Vec<Splice<'_>>) {
        let mut missing = String::new();
        let mut set =
            |name: &str, json: String, splices: &mut Vec<Splice<'_>>| match response.get(name) {
                Some(value) => splices.push(Splice::new(value.span(), json)),
                None => missing.push_str(&format!("{}:{json},", json_string(name))),
            };
        let previous = self.previous.as_deref();
        let previous = previous.map_or_else(|| "null".to_owned(), json_string);
        set("previous_response_id", previous, splices);
        set("store", self.token.is_some().to_string(), splices);
        if let Some(token) = &self.token {
            set("id", json_string(&response_id(token)), splices);
        }
        if !missing.is_empty() {
            put_first(response, missing, splices);
        }
        let output = response.get("output");
        if let Some(token) = &self.token {
            for (place, item) in output.into_iter().flat_map(Value::items).enumerate() {
                item_in(item, token, place, splices);
            }
        }
    }
}

/// Gives an item of the output its id.
fn item_in(item: Value<'_>, token: &str, place: usize, splices: &mut Vec<Splice<'_>>) {
    if item.kind() != Kind::Object {
        return;
    }
    let kind = item.text("type").unwrap_or_default();
    let id = item.get("id");
    let said = id.and_then(Value::as_str).unwrap_or_default();
    let prefix = prefix_in(&said).unwrap_or(prefix_of(&kind));
    let new = json_string(&item_id(prefix, token, place));
    match id {
        Some(id) => splices.push(Splice::new(id.span(), new)),
        None => {
            let mut member = String::new();
            write::raw(&mut member, "id", &new);
            write::behind(&mut member);
            put_first(item, member, splices);
        }
    }
}

/// Puts members, each with a comma behind it, before an object's own, of which it has some.
fn put_first(object: Value<'_>, members: String, splices: &mut Vec<Splice<'_>>) {
    let at = object.span().inside().start;
    let none = Span { start: at, end: at };
    splices.push(Splice::new(none, members));
}

fn whole_in(data: &Bytes) -> Option<Bytes> {
    let document = Document::parse(data).ok()?;
    let response = document.root().get("response")?;
    Some(data.slice(response.span().range()))
}
