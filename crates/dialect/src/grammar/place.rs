//! The places of a request: every text that reaches the model, as policies judge it.

use std::borrow::Cow;

use super::data::{self, Coding, Held};
use super::walk::{At, Role, Step, Visit, path_of, walk};
use super::{Grammar, Is, of};
use crate::json::{Document, Kind, Span, Value};
use crate::request::{Request, RequestError};

/// What may be done with a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PlaceKind {
    /// Text. What matches is masked.
    Text,
    /// JSON. What matches inside its strings is masked.
    Json,
    /// An identifier. It is replaced as a whole, and wherever else it stands.
    Identifier,
    /// A word with a fixed meaning. A match refuses the request.
    Vocabulary,
    /// What the upstream has signed. It goes up byte for byte, or the request is refused.
    Signed,
    /// Input that no rule can read. The text is empty.
    Unreadable,
}

/// A place where a request holds text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place<'r> {
    /// What may be done with it.
    pub kind: PlaceKind,
    /// Who speaks: `system`, `user`, `assistant`, `tool`, or what the client wrote. Empty
    /// outside of the conversation.
    pub role: &'r str,
    /// Where it stands, such as `messages[2].content[0].text`.
    pub path: String,
    /// The text, decoded. Of JSON values it is the JSON as it stands in the body.
    pub text: Cow<'r, str>,
    /// The next place goes on where this one ends: to the model both are one text.
    pub joins_next: bool,
    /// The turn of the conversation, from 1; 0 for all that stands outside of it. Turns keep
    /// their number while a conversation grows.
    pub turn: u32,
    pub(super) slot: Slot,
    pub(super) is_schema: bool,
}

/// How a place stands in the body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Slot {
    /// A string; the place's text is its content.
    String(Span),
    /// A value; the place's text is its JSON.
    Value(Span),
    /// A string of encoded text.
    Data(Span, Coding),
    /// Nothing that can be edited.
    Fixed,
}

impl Request {
    /// Every place where this request holds text, those of the conversation last.
    pub fn places(&self) -> Vec<Place<'_>> {
        let mut places = body_places(self).unwrap_or_default();
        // Where the path names the model, it is in no body.
        if let Some(model) = &self.target.model {
            places.push(Place::new(PlaceKind::Vocabulary, "", "model", model));
        }
        places
    }
}

/// The body was read before, so that it has no errors.
fn body_places(request: &Request) -> Result<Vec<Place<'_>>, RequestError> {
    let Some(grammar) = of(request.wire()) else {
        return Ok(Vec::new());
    };
    let document = Document::parse(&request.body)?;
    Ok(of_document(grammar, &document))
}

pub(super) fn of_document<'r>(
    grammar: &'static Grammar,
    document: &Document<'r>,
) -> Vec<Place<'r>> {
    let mut collect = Collect {
        text: document.text(),
        others: Vec::new(),
        said: Vec::new(),
        joins: false,
    };
    // A misspelled member ends the walk; such a body is no request.
    let _ = walk(grammar, document.root(), &mut collect);
    let mut places = collect.others;
    places.append(&mut collect.said);
    places
}

struct Collect<'r> {
    text: &'r str,
    /// Places that stand alone.
    others: Vec<Place<'r>>,
    /// The conversation's texts, adjacent as the model reads them.
    said: Vec<Place<'r>>,
    /// Nothing stands between the last text and what comes now.
    joins: bool,
}

impl<'d, 'r: 'd> Visit<'d> for Collect<'r> {
    fn leaf(&mut self, is: Is, value: Value<'d>, at: At<'d>, path: &[Step<'d>]) {
        let place = Found { value, at, path };
        match (is, value.kind()) {
            (Is::Said, Kind::String) => self.said(&place),
            (Is::Text, Kind::String) => self.string(PlaceKind::Text, &place),
            (Is::SignedText, Kind::String) if place.at.is_signed => {
                self.string(PlaceKind::Signed, &place);
            }
            (Is::SignedText, Kind::String) => self.said(&place),
            (Is::Signed, Kind::String) => self.string(PlaceKind::Signed, &place),
            (Is::Arguments, Kind::String) => {
                self.joins = false;
                let text = value.as_str().unwrap_or_default();
                let kind = match is_json(&text) {
                    true => PlaceKind::Json,
                    false => PlaceKind::Text,
                };
                self.string(kind, &place);
            }
            (Is::Arguments, _) => {
                self.joins = false;
                self.free(&place, false);
            }
            (Is::Schema, _) => self.free(&place, true),
            (Is::Id, Kind::String) => self.string(PlaceKind::Identifier, &place),
            (Is::Word(known), Kind::String) => {
                if !known.iter().any(|word| value.is_str(word)) {
                    self.string(PlaceKind::Vocabulary, &place);
                }
            }
            (Is::Setting, Kind::String) => self.string(PlaceKind::Vocabulary, &place),
            (Is::Setting, Kind::Number) => {}
            (Is::Texts, Kind::String) => self.string(PlaceKind::Text, &place),
            (Is::Texts, Kind::Array) => self.texts(&place),
            (Is::Unreadable, _) => self.unreadable(&place),
            (Is::Data, Kind::String) => {
                let text = value.as_str().unwrap_or_default();
                self.held(data::data(&text, place.at.data_type), &place);
            }
            (Is::Link, Kind::String) => {
                let text = value.as_str().unwrap_or_default();
                self.held(data::link(&text, place.at.data_type), &place);
            }
            _ => self.free(&place, false),
        }
    }

    fn unknown(&mut self, key: Value<'d>, value: Value<'d>, at: At<'d>, path: &[Step<'d>]) {
        let name = Found {
            value: key,
            at,
            path,
        };
        self.others.push(Place {
            slot: Slot::Fixed,
            ..self.place(PlaceKind::Vocabulary, &name)
        });
        if !value.is_null() {
            self.leaf(Is::Free, value, at, path);
        }
    }
}

/// A value and where it was found.
struct Found<'v, 'd> {
    value: Value<'d>,
    at: At<'d>,
    path: &'v [Step<'d>],
}

impl<'r> Collect<'r> {
    /// A place whose text is the content of a string.
    fn place<'d>(&self, kind: PlaceKind, found: &Found<'_, 'd>) -> Place<'r>
    where
        'r: 'd,
    {
        let span = found.value.span();
        let text = match found.value.is_escaped() {
            true => Cow::Owned(found.value.as_str().unwrap_or_default().into_owned()),
            false => Cow::Borrowed(self.text.get(span.inside().range()).unwrap_or_default()),
        };
        self.of_text(kind, text, Slot::String(span), found)
    }

    fn of_text<'d>(
        &self,
        kind: PlaceKind,
        text: Cow<'r, str>,
        slot: Slot,
        found: &Found<'_, 'd>,
    ) -> Place<'r> {
        Place {
            kind,
            role: self.role(found.at.role),
            path: path_of(found.path),
            text,
            joins_next: false,
            turn: found.at.turn,
            slot,
            is_schema: false,
        }
    }

    fn role(&self, role: Role) -> &'r str {
        match role {
            Role::Known(known) => known,
            Role::Written(span) => self.text.get(span.range()).unwrap_or_default(),
        }
    }

    fn said<'d>(&mut self, found: &Found<'_, 'd>)
    where
        'r: 'd,
    {
        let place = self.place(PlaceKind::Text, found);
        if place.text.is_empty() {
            return;
        }
        if let Some(before) = self.said.last_mut() {
            before.joins_next = self.joins;
        }
        self.said.push(place);
        self.joins = true;
    }

    fn string<'d>(&mut self, kind: PlaceKind, found: &Found<'_, 'd>)
    where
        'r: 'd,
    {
        let place = self.place(kind, found);
        if !place.text.is_empty() {
            self.others.push(place);
        }
    }

    /// JSON of any form: its strings, its names and its numbers are judged.
    fn free<'d>(&mut self, found: &Found<'_, 'd>, is_schema: bool)
    where
        'r: 'd,
    {
        let span = found.value.span();
        match found.value.kind() {
            Kind::String => self.string(PlaceKind::Text, found),
            Kind::Number | Kind::Array | Kind::Object => {
                let text = self.text.get(span.range()).unwrap_or_default();
                let slot = Slot::Value(span);
                let place = self.of_text(PlaceKind::Json, Cow::Borrowed(text), slot, found);
                self.others.push(Place { is_schema, ..place });
            }
            Kind::Null | Kind::Bool => {}
        }
    }

    fn unreadable(&mut self, found: &Found<'_, '_>) {
        let place = self.of_text(PlaceKind::Unreadable, Cow::Borrowed(""), Slot::Fixed, found);
        self.others.push(place);
    }

    /// A list of texts, each on its own, or of token ids.
    fn texts<'d>(&mut self, found: &Found<'_, 'd>)
    where
        'r: 'd,
    {
        let of_ids = |list: Value<'_>| list.items().next().map(Value::kind) == Some(Kind::Number);
        if of_ids(found.value) {
            return self.unreadable(found);
        }
        let mut path = found.path.to_vec();
        for (index, value) in found.value.items().enumerate() {
            path.push(Step::Item(index));
            let one = Found {
                value,
                at: found.at,
                path: &path,
            };
            match value.kind() {
                Kind::Array if of_ids(value) => self.unreadable(&one),
                _ => self.free(&one, false),
            }
            path.pop();
        }
    }

    fn held<'d>(&mut self, held: Held, found: &Found<'_, 'd>)
    where
        'r: 'd,
    {
        match held {
            Held::Text(text, coding) => {
                let slot = Slot::Data(found.value.span(), coding);
                let place = self.of_text(PlaceKind::Text, Cow::Owned(text), slot, found);
                self.others.push(place);
            }
            Held::Plain => self.string(PlaceKind::Text, found),
            Held::Binary => {}
            Held::Unreadable => self.unreadable(found),
        }
    }
}

/// Whether a text is JSON that has strings in it.
fn is_json(text: &str) -> bool {
    text.trim_start().starts_with(['{', '[', '"']) && Document::parse(text.as_bytes()).is_ok()
}

/// The members of a schema whose strings name something. They are identifiers, as the names of
/// all members are.
const NAMING: [&str; 3] = ["enum", "const", "required"];

/// A stretch of a place within which text may be replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
    /// It is an identifier: it is replaced as a whole, and the same everywhere.
    pub is_name: bool,
}

impl<'r> Place<'r> {
    /// A place that is in no request, for tests of policies.
    pub fn new(kind: PlaceKind, role: &'r str, path: &str, text: &'r str) -> Self {
        Self {
            kind,
            role,
            path: path.to_owned(),
            text: Cow::Borrowed(text),
            joins_next: false,
            turn: 0,
            slot: Slot::Fixed,
            is_schema: false,
        }
    }

    /// Where text may be replaced, in order: the content of each string in JSON, else all of
    /// the place's text. Nothing where no edit is possible.
    pub fn pieces(&self) -> Vec<Piece> {
        let whole = |is_name| {
            vec![Piece {
                start: 0,
                end: self.text.len() as u32,
                is_name,
            }]
        };
        match self.kind {
            PlaceKind::Vocabulary | PlaceKind::Unreadable => Vec::new(),
            PlaceKind::Identifier => whole(true),
            PlaceKind::Text | PlaceKind::Signed => whole(false),
            PlaceKind::Json => {
                let mut pieces = Vec::new();
                if let Ok(document) = Document::parse(self.text.as_bytes()) {
                    strings(document.root(), self.is_schema, false, &mut pieces);
                }
                pieces
            }
        }
    }
}

/// Recursion is bounded by the document's depth.
fn strings(value: Value<'_>, is_schema: bool, naming: bool, pieces: &mut Vec<Piece>) {
    let piece = |string: Value<'_>, is_name| {
        let Span { start, end } = string.span().inside();
        Piece {
            start,
            end,
            is_name,
        }
    };
    match value.kind() {
        Kind::String => pieces.push(piece(value, naming)),
        Kind::Array => {
            for item in value.items() {
                strings(item, is_schema, naming, pieces);
            }
        }
        Kind::Object => {
            for (key, value) in value.members() {
                pieces.push(piece(key, is_schema));
                let naming = is_schema && NAMING.iter().any(|name| key.is_str(name));
                strings(value, is_schema, naming, pieces);
            }
        }
        _ => {}
    }
}
