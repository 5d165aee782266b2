//! Makes one completion of a stream's chunks: what each member's pieces amount to is a table.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::convert::{ConvertError, is_error};
use crate::canonical::Operation;
use crate::json::{Document, Kind, Value, write_json_string};
use crate::payload::{PayloadError, is_done_marker, wrong_type};

/// Folds the data of a stream's events, `[DONE]` among them or not, into the body that the
/// same answer has without a stream: texts joined, tool calls put together by their index, log
/// probabilities in order, usage, and of every other field the last that says something.
///
/// # Errors
///
/// When an event is no payload or an error, or there is no choice in any, see
/// [`ConvertError`].
pub fn fold(operation: Operation, events: &[Bytes]) -> Result<Bytes, ConvertError> {
    let mut whole = Members::default();
    for event in events.iter().filter(|event| !is_done_marker(event)) {
        let document = Document::parse(event).map_err(PayloadError::from)?;
        let root = document.root();
        if root.kind() != Kind::Object {
            return Err(wrong_type("payload", "an object", root).into());
        }
        if is_error(root) {
            return Err(ConvertError::Upstream);
        }
        whole.add(root, &TOP);
    }
    let Some(Gathered::List(choices, _)) = whole.get("choices").filter(|list| !list.is_empty())
    else {
        return Err(ConvertError::Empty);
    };
    for choice in choices.values_mut() {
        complete(choice, operation);
    }
    let object = match operation {
        Operation::Chat => "\"chat.completion\"",
        _ => "\"text_completion\"",
    };
    whole.set("object", Gathered::Json(object.to_owned()));
    let mut out = String::new();
    whole.write(None, &mut out);
    Ok(out.into())
}

/// Adds to a choice what every completion has.
fn complete(choice: &mut Members, operation: Operation) {
    if operation == Operation::Chat {
        if choice.get("message").is_none() {
            choice.set("message", Gathered::Object(Members::default()));
        }
        if let Some(Gathered::Object(message)) = choice.get("message") {
            message.or_insert("role", Gathered::Json("\"assistant\"".to_owned()));
            message.or_insert("content", Gathered::Null);
            let calls = ["tool_calls", "function_call"].map(|name| message.get(name).is_some());
            let silent =
                matches!(message.get("content"), Some(Gathered::Text(text)) if text.is_empty());
            // A role chunk says `"content": ""` where the whole completion says null.
            if silent && calls.contains(&true) {
                message.set("content", Gathered::Null);
            }
        }
    } else {
        choice.or_insert("text", Gathered::Text(String::new()));
    }
    choice.or_insert("logprobs", Gathered::Null);
    choice.or_insert("finish_reason", Gathered::Null);
}

/// What the pieces of a member amount to. Null adds nothing, whatever the rule.
enum Rule {
    /// Nothing.
    Skip,
    /// The last, as it is; an empty string doesn't count where there was another.
    Last,
    /// Strings joined; what is no string as under `Items`.
    Text,
    /// Arrays joined; what is no array as under `Last`.
    Items,
    /// One object, member by member.
    Object(&'static Table),
    /// Objects by their `index`.
    List(&'static Table, Index),
}

/// Whether the completion's list still tells each object's `index`.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Index {
    Kept,
    Dropped,
}

struct Table {
    rules: &'static [(&'static str, Rule)],
    /// For members that are not in the list.
    otherwise: Rule,
}

static TOP: Table = Table {
    rules: &[
        ("choices", Rule::List(&CHOICE, Index::Kept)),
        // It makes the sizes of a stream's events tell less.
        ("obfuscation", Rule::Skip),
    ],
    otherwise: Rule::Last,
};
static CHOICE: Table = Table {
    rules: &[
        ("index", Rule::Skip),
        ("delta", Rule::Object(&MESSAGE)),
        ("message", Rule::Object(&MESSAGE)),
        ("text", Rule::Text),
        ("logprobs", Rule::Object(&LOGPROBS)),
        ("token_ids", Rule::Items),
    ],
    otherwise: Rule::Last,
};
static MESSAGE: Table = Table {
    rules: &[
        ("content", Rule::Text),
        ("reasoning", Rule::Text),
        ("reasoning_content", Rule::Text),
        ("refusal", Rule::Text),
        ("tool_calls", Rule::List(&CALL, Index::Dropped)),
        ("function_call", Rule::Object(&FUNCTION)),
    ],
    otherwise: Rule::Items,
};
static CALL: Table = Table {
    rules: &[
        ("index", Rule::Skip),
        ("function", Rule::Object(&FUNCTION)),
        ("custom", Rule::Object(&FUNCTION)),
    ],
    otherwise: Rule::Last,
};
static FUNCTION: Table = Table {
    rules: &[
        ("name", Rule::Text),
        ("arguments", Rule::Text),
        ("input", Rule::Text),
    ],
    otherwise: Rule::Last,
};
static LOGPROBS: Table = Table {
    rules: &[],
    otherwise: Rule::Items,
};

/// What has come together of one member.
enum Gathered {
    Null,
    /// JSON as it was written.
    Json(String),
    /// Text, decoded.
    Text(String),
    /// An array's elements as they were written, with commas between.
    Items(String),
    Object(Members),
    List(BTreeMap<u32, Members>, Index),
}

impl Gathered {
    fn is_empty(&self) -> bool {
        matches!(self, Gathered::List(list, _) if list.is_empty())
    }

    fn add(&mut self, value: Value<'_>, rule: &Rule) {
        if value.is_null() {
            return;
        }
        match rule {
            Rule::Skip => {}
            Rule::Last => self.last(value),
            Rule::Text => match (&mut *self, value.as_str()) {
                (Gathered::Text(text), Some(more)) => text.push_str(&more),
                (_, Some(text)) => *self = Gathered::Text(text.into_owned()),
                (_, None) => self.items(value),
            },
            Rule::Items => self.items(value),
            Rule::Object(table) if value.kind() == Kind::Object => {
                if !matches!(self, Gathered::Object(_)) {
                    *self = Gathered::Object(Members::default());
                }
                if let Gathered::Object(members) = self {
                    members.add(value, table);
                }
            }
            Rule::List(table, index) if is_list(value) => {
                if !matches!(self, Gathered::List(..)) {
                    *self = Gathered::List(BTreeMap::new(), *index);
                }
                if let Gathered::List(list, _) = self {
                    for (position, item) in value.items().enumerate() {
                        let at = index_of(item, position).unwrap_or_default();
                        list.entry(at).or_default().add(item, table);
                    }
                }
            }
            // What has not the form that its name promises is kept as it came.
            Rule::Object(_) | Rule::List(..) => self.last(value),
        }
    }

    fn last(&mut self, value: Value<'_>) {
        if matches!(self, Gathered::Null) || !value.is_str("") {
            *self = Gathered::Json(value.raw().to_owned());
        }
    }

    fn items(&mut self, value: Value<'_>) {
        if value.kind() != Kind::Array {
            return self.last(value);
        }
        let inside = value.raw()[1..value.raw().len() - 1].trim();
        match self {
            Gathered::Items(items) => {
                if !items.is_empty() && !inside.is_empty() {
                    items.push(',');
                }
                items.push_str(inside);
            }
            _ => *self = Gathered::Items(inside.to_owned()),
        }
    }

    fn write(&self, out: &mut String) {
        match self {
            Gathered::Null => out.push_str("null"),
            Gathered::Json(json) => out.push_str(json),
            Gathered::Text(text) => write_json_string(text, out),
            Gathered::Items(items) => {
                out.push('[');
                out.push_str(items);
                out.push(']');
            }
            Gathered::Object(members) => members.write(None, out),
            Gathered::List(list, index) => {
                out.push('[');
                for (position, (at, members)) in list.iter().enumerate() {
                    if position > 0 {
                        out.push(',');
                    }
                    members.write((*index == Index::Kept).then_some(*at), out);
                }
                out.push(']');
            }
        }
    }
}

/// Whether this is an array of objects whose `index` is one.
fn is_list(value: Value<'_>) -> bool {
    let mut items = value.items().enumerate();
    value.kind() == Kind::Array && items.all(|(position, item)| index_of(item, position).is_some())
}

/// The `index` of a choice or call, or else its position.
fn index_of(item: Value<'_>, position: usize) -> Option<u32> {
    match item.get("index").filter(|index| !index.is_null()) {
        None => (item.kind() == Kind::Object).then_some(position as u32),
        Some(index) => u32::try_from(index.as_integer()?).ok(),
    }
}

/// An object's members in the order of their first appearance.
#[derive(Default)]
struct Members(Vec<(String, Gathered)>);

impl Members {
    fn add(&mut self, object: Value<'_>, table: &Table) {
        for (key, value) in object.members() {
            let name = key.as_str().unwrap_or_default();
            let known = table.rules.iter().find(|(known, _)| *known == name);
            let rule = known.map_or(&table.otherwise, |(_, rule)| rule);
            if matches!(rule, Rule::Skip) {
                continue;
            }
            // A stream's `delta` is a completion's `message`.
            let name = if name == "delta" {
                "message"
            } else {
                name.as_ref()
            };
            self.or_insert(name, Gathered::Null);
            if let Some(gathered) = self.get(name) {
                gathered.add(value, rule);
            }
        }
    }

    fn get(&mut self, name: &str) -> Option<&mut Gathered> {
        self.0
            .iter_mut()
            .find(|(known, _)| known == name)
            .map(|(_, gathered)| gathered)
    }

    fn or_insert(&mut self, name: &str, gathered: Gathered) {
        if self.get(name).is_none() {
            self.0.push((name.to_owned(), gathered));
        }
    }

    fn set(&mut self, name: &str, gathered: Gathered) {
        match self.get(name) {
            Some(known) => *known = gathered,
            None => self.0.push((name.to_owned(), gathered)),
        }
    }

    fn write(&self, index: Option<u32>, out: &mut String) {
        out.push('{');
        if let Some(index) = index {
            out.push_str(&format!("\"index\":{index}"));
        }
        for (position, (name, gathered)) in self.0.iter().enumerate() {
            if position > 0 || index.is_some() {
                out.push(',');
            }
            write_json_string(name, out);
            out.push(':');
            gathered.write(out);
        }
        out.push('}');
    }
}
