//! Makes one answer of a stream's pieces by its format's table: texts joined, lists put together
//! by the numbers of their objects, and of every other member the last that says something. What
//! is not in the table comes out as it came.

use std::borrow::Cow;
use std::collections::BTreeMap;

use bytes::Bytes;

use super::{Gather, List, Names, Object, Rule};
use crate::contract::failure::ConvertError;
use crate::json::{Document, Kind, Value, write};
use crate::payload::{PayloadError, is_done_marker};

/// What has come together of one member.
pub(crate) enum Gathered {
    Null,
    /// JSON as it was written.
    Json(String),
    /// Text, decoded.
    Text(String),
    /// JSON in pieces, and what it was before the first of them.
    Pieces {
        begun: String,
        text: String,
    },
    /// An array's elements as they were written, with commas between.
    Items(String),
    /// Elements of an array, texts that follow each other joined.
    Parts(Vec<Part>),
    Object(Members),
    List {
        items: BTreeMap<u32, Members>,
        keeps_index: bool,
    },
}

/// An element of a list in which texts are joined.
pub(crate) enum Part {
    /// A text, and the names and values that stand beside it.
    Text { beside: String, text: String },
    /// All else, as it came.
    Whole(String),
}

static LISTS: Object = Object::of(&[]).otherwise(Rule::Unreadable(Gather::Items));
/// What is known of it is that its last members count.
pub(crate) static PLAIN: Object = Object::of(&[]);

impl Gathered {
    /// A list of objects whose numbers other events tell.
    pub(crate) fn numbered() -> Self {
        Gathered::List {
            items: BTreeMap::new(),
            keeps_index: false,
        }
    }

    fn add(&mut self, value: Value<'_>, rule: &'static Rule, names: Names) {
        if value.is_null() {
            return;
        }
        match rule {
            Rule::Text(..) | Rule::Name | Rule::ToolName => self.text(value),
            Rule::JsonText => self.piece(value),
            Rule::Unreadable(Gather::Items) => self.items(value),
            Rule::Unreadable(Gather::Nothing) => {}
            Rule::Unreadable(Gather::Lists) => self.object(value, &LISTS, names),
            Rule::Usage(_) => self.object(value, &PLAIN, names),
            Rule::Object(object) => self.object(value, object, names),
            Rule::Item(_) => self.item(value.raw()),
            Rule::List(list) if list.joins_texts => self.parts(value, list, names),
            Rule::List(list) if list.axis.is_some() => self.list(value, list, names),
            Rule::List(_) => self.items(value),
            _ => self.last(value),
        }
    }

    fn text(&mut self, value: Value<'_>) {
        match (&mut *self, value.as_str()) {
            (Gathered::Text(text), Some(more)) => text.push_str(&more),
            (_, Some(text)) => *self = Gathered::Text(text.into_owned()),
            (_, None) => self.items(value),
        }
    }

    fn piece(&mut self, value: Value<'_>) {
        let Some(more) = value.as_str() else {
            return self.last(value);
        };
        if let Gathered::Pieces { text, .. } = self {
            text.push_str(&more);
            return;
        }
        let mut begun = String::new();
        match &*self {
            Gathered::Null => begun.push_str("{}"),
            before => before.write(&mut begun),
        }
        let text = more.into_owned();
        *self = Gathered::Pieces { begun, text };
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
        self.item(inside);
    }

    fn item(&mut self, item: &str) {
        match self {
            Gathered::Items(items) => {
                if !items.is_empty() && !item.is_empty() {
                    items.push(',');
                }
                items.push_str(item);
            }
            _ => *self = Gathered::Items(item.to_owned()),
        }
    }

    fn object(&mut self, value: Value<'_>, table: &'static Object, names: Names) {
        // What has not the form that its name promises is kept as it came.
        if value.kind() != Kind::Object {
            return self.last(value);
        }
        if !matches!(self, Gathered::Object(_)) {
            *self = Gathered::Object(Members::default());
        }
        if let Gathered::Object(members) = self {
            members.add(value, table, names);
        }
    }

    fn list(&mut self, value: Value<'_>, list: &'static List, names: Names) {
        let numbered = |(position, item): (usize, Value<'_>)| {
            item.kind() == Kind::Object && list.number(item, position, names).is_some()
        };
        if !list.fits(value) || !list.items(value).enumerate().all(numbered) {
            return self.last(value);
        }
        if !matches!(self, Gathered::List { .. }) {
            *self = Gathered::List {
                items: BTreeMap::new(),
                keeps_index: list.keeps_index,
            };
        }
        if let Gathered::List { items, .. } = self {
            for (position, item) in list.items(value).enumerate() {
                let at = list.number(item, position, names).unwrap_or_default();
                let known = items.entry(at).or_default();
                known.add_but(item, list.of, names, list.index);
            }
        }
    }

    fn parts(&mut self, value: Value<'_>, list: &'static List, names: Names) {
        if !matches!(self, Gathered::Parts(_)) {
            *self = Gathered::Parts(Vec::new());
        }
        let Gathered::Parts(parts) = self else { return };
        for part in list.items(value) {
            let table = list.of.kind_of(part);
            let mut text = None;
            let mut beside = String::new();
            let mut plain = part.kind() == Kind::Object;
            for (key, value) in part.members() {
                let name = names(key);
                match table.rule(&name).1 {
                    Rule::Text(..) if value.kind() == Kind::String => text = value.as_str(),
                    // What tells one kind of text from another.
                    _ if name == list.of.tag => {
                        if value.as_bool() == Some(true) {
                            write::raw(&mut beside, &name, value.raw());
                        }
                    }
                    _ => plain = false,
                }
            }
            match (text.filter(|_| plain), parts.last_mut()) {
                (None, _) => parts.push(Part::Whole(part.raw().to_owned())),
                (Some(more), Some(Part::Text { beside: of, text })) if *of == beside => {
                    text.push_str(&more);
                }
                (Some(text), _) if text.is_empty() => {}
                (Some(text), _) => parts.push(Part::Text {
                    beside,
                    text: text.into_owned(),
                }),
            }
        }
    }

    /// Writes it as the next value.
    fn write(&self, out: &mut String) {
        match self {
            Gathered::Null => write::value(out, "null"),
            Gathered::Json(json) => write::value(out, json),
            Gathered::Text(text) => write::string(out, text),
            Gathered::Pieces { begun, text } => {
                let document = Document::parse(text.as_bytes());
                // JSON that was cut short is none.
                let whole = document.is_ok_and(|json| json.root().kind() == Kind::Object);
                write::value(out, if whole { text } else { begun });
            }
            Gathered::Items(items) => write::brackets(out, |out| out.push_str(items)),
            Gathered::Parts(parts) => write::brackets(out, |out| {
                for part in parts {
                    match part {
                        Part::Text { beside, text } => write::braces(out, |out| {
                            out.push_str(beside);
                            write::text(out, "text", text);
                        }),
                        Part::Whole(json) => write::value(out, json),
                    }
                }
            }),
            Gathered::Object(members) => members.write(None, out),
            Gathered::List { items, keeps_index } => write::brackets(out, |out| {
                for (at, members) in items {
                    members.write(keeps_index.then_some(*at), out);
                }
            }),
        }
    }
}

/// An object's members in the order of their first appearance.
#[derive(Default)]
pub(crate) struct Members(Vec<(String, Gathered)>);

impl Members {
    /// Adds what another piece of the object tells.
    pub(crate) fn add(&mut self, object: Value<'_>, table: &'static Object, names: Names) {
        self.add_but(object, table, names, None);
    }

    fn add_but(
        &mut self,
        object: Value<'_>,
        table: &'static Object,
        names: Names,
        but: Option<&str>,
    ) {
        let table = table.kind_of(object);
        // No name occurs twice in an object: where none is spelt otherwise in the whole, each
        // member of the first piece is new.
        let is_same = |key: Value<'_>| matches!(names(key), Cow::Borrowed(_));
        let fresh = self.0.is_empty()
            && table.whole_names.is_empty()
            && object.members().all(|(key, _)| is_same(key));
        for (key, value) in object.members() {
            let name = names(key);
            let rule = table.rule(&name).1;
            let name = table.whole_name(&name);
            let nothing = matches!(rule, Rule::Unreadable(Gather::Nothing));
            if nothing || name.is_empty() || but == Some(name) {
                continue;
            }
            if fresh {
                let mut gathered = Gathered::Null;
                gathered.add(value, rule, names);
                self.0.push((name.to_owned(), gathered));
                continue;
            }
            self.or_insert(name, Gathered::Null);
            if let Some(gathered) = self.get(name) {
                gathered.add(value, rule, names);
            }
        }
    }

    /// Adds what later pieces tell of an object, where null says nothing.
    pub(crate) fn follow(&mut self, later: Value<'_>, table: &'static Object, names: Names) {
        for (key, value) in later.members().filter(|(_, value)| !value.is_null()) {
            let name = names(key);
            let rule = table.rule(&name).1;
            self.or_insert(&name, Gathered::Null);
            if let Some(gathered) = self.get(&name) {
                gathered.add(value, rule, names);
            }
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn get(&mut self, name: &str) -> Option<&mut Gathered> {
        self.0
            .iter_mut()
            .find(|(known, _)| known == name)
            .map(|(_, gathered)| gathered)
    }

    pub(crate) fn or_insert(&mut self, name: &str, gathered: Gathered) {
        if self.get(name).is_none() {
            self.0.push((name.to_owned(), gathered));
        }
    }

    pub(crate) fn set(&mut self, name: &str, gathered: Gathered) {
        match self.get(name) {
            Some(known) => *known = gathered,
            None => self.0.push((name.to_owned(), gathered)),
        }
    }

    /// The objects of a list that were told by numbers; none yet where there is something else.
    pub(crate) fn list(&mut self, name: &str) -> Option<&mut BTreeMap<u32, Members>> {
        match self.get(name) {
            Some(Gathered::List { items, .. }) => Some(items),
            _ => None,
        }
    }

    /// The object as JSON.
    pub(crate) fn json(&self) -> String {
        let mut out = String::new();
        self.write(None, &mut out);
        out
    }

    fn write(&self, index: Option<u32>, out: &mut String) {
        write::braces(out, |out| {
            write::plain_if(out, "index", index);
            for (name, gathered) in &self.0 {
                write::name(out, name);
                gathered.write(out);
            }
        });
    }
}

/// Puts together what a stream's events tell, one after another.
///
/// # Errors
///
/// When an event is no JSON or reports an error, or `add` says so.
pub(crate) fn fold(
    events: &[Bytes],
    fails: impl Fn(Value<'_>) -> bool,
    mut add: impl FnMut(&mut Members, Value<'_>) -> Result<(), PayloadError>,
) -> Result<Members, ConvertError> {
    let mut whole = Members::default();
    for event in events.iter().filter(|event| !is_done_marker(event)) {
        let document = Document::parse(event).map_err(PayloadError::from)?;
        if fails(document.root()) {
            return Err(ConvertError::Upstream);
        }
        add(&mut whole, document.root())?;
    }
    Ok(whole)
}

impl Object {
    /// The name under which the whole has a member; empty where it has none.
    pub(super) fn whole_name<'n>(&'static self, name: &'n str) -> &'n str {
        let mut object = Some(self);
        while let Some(of) = object {
            if let Some((_, whole)) = of.whole_names.iter().find(|(piece, _)| *piece == name) {
                return whole;
            }
            object = of.base;
        }
        name
    }
}
