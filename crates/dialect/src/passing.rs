//! Bodies that pass through as they are, read by a table: which members are text, which are words
//! of the format. What the table does not list can't be read.

use bytes::Bytes;

use crate::fields::object;
use crate::json::{Document, Kind, Span, Splice, Value, json_string, splice};
use crate::request::RequestError;
use crate::vocabulary::{is_grammar_name, is_grammar_word};

/// What a member of a body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Member {
    /// Text that people write. A stretch of it may be replaced.
    Text,
    /// A word of the format's vocabulary, or a name that a client chooses.
    Word,
    /// Any JSON: its strings are text, the names of its members are words.
    Tree,
    /// What is no text: pictures, sounds, files, token ids, or addresses of them.
    Media,
}

/// Every member that a format has, by path: `query`, `documents[]`, `documents[].text`. A member
/// that holds members of its own is listed by theirs.
pub type Table = &'static [(&'static str, Member)];

/// A stretch of a body that says something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// Where, for people: `documents[3].text`. Never a client's text.
    pub path: String,
    /// What it is. [`Member::Text`], [`Member::Word`] or [`Member::Media`].
    pub member: Member,
    /// What it says, unescaped; empty for media.
    pub text: String,
    /// The string in the body; none for media, and for the name of a request's member.
    span: Option<Span>,
    /// Whether it is the name of a member.
    pub is_name: bool,
}

impl Said {
    /// What a member says that stands in no JSON.
    pub fn new(path: String, member: Member, text: String) -> Self {
        Self {
            path,
            member,
            text,
            span: None,
            is_name: false,
        }
    }
}

/// A body and what it says.
#[derive(Debug, Clone)]
pub struct Passing {
    body: Bytes,
    said: Vec<Said>,
    model: Option<Scalar>,
    stream: bool,
    members: usize,
}

#[derive(Debug, Clone)]
struct Scalar {
    text: String,
    span: Span,
}

impl Passing {
    /// Reads a body.
    ///
    /// # Errors
    ///
    /// When it is no JSON object, or `model` is no string.
    pub fn read(body: Bytes, table: Table) -> Result<Self, RequestError> {
        let document = Document::parse(&body)?;
        let root = document.root();
        object(root, "body")?;
        let mut reader = Reader::default();
        reader.value(root, &Rows::all(table));
        let model = match root.get("model") {
            Some(value) if !value.is_null() => Some(scalar(value)?),
            _ => None,
        };
        let stream = root.get("stream").and_then(Value::as_bool);
        let objects = document.values().filter(|v| v.kind() == Kind::Object);
        let members = objects.map(|object| object.members().count()).sum();
        Ok(Self {
            said: reader.said,
            model,
            stream: stream.unwrap_or(false),
            members,
            body,
        })
    }

    /// Reads an answer: each of its strings is text, but for those that the table lists otherwise.
    /// Words and names out of the formats' own lists are left out: no upstream chooses them.
    ///
    /// # Errors
    ///
    /// When it is no JSON.
    pub fn read_answer(body: Bytes, table: Table) -> Result<Self, RequestError> {
        let document = Document::parse(&body)?;
        let mut reader = Reader {
            open: true,
            ..Reader::default()
        };
        reader.value(document.root(), &Rows::all(table));
        Ok(Self {
            said: reader.said,
            model: None,
            stream: false,
            members: 0,
            body,
        })
    }

    /// The body as it came.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// All that it says, in its order.
    pub fn said(&self) -> &[Said] {
        &self.said
    }

    /// The model that it names.
    pub fn model(&self) -> Option<&str> {
        self.model.as_ref().map(|model| model.text.as_str())
    }

    /// Whether it asks for a stream.
    pub fn stream(&self) -> bool {
        self.stream
    }

    /// How many members all its objects have together.
    pub fn members(&self) -> usize {
        self.members
    }

    /// The body with other texts in the places of some, given by their position in
    /// [`Self::said`], and with another model. Every other byte stays.
    pub fn with(&self, texts: &[(usize, String)], model: Option<&str>) -> Bytes {
        let mut splices: Vec<Splice<'_>> = texts
            .iter()
            .filter_map(|(at, text)| {
                let said = self.said.get(*at).filter(|said| said.text != *text)?;
                Some(Splice::new(said.span?, json_string(text)))
            })
            .collect();
        if let Some((old, new)) = self.model.as_ref().zip(model)
            && old.text != new
        {
            splices.push(Splice::new(old.span, json_string(new)));
        }
        splice(&self.body, splices)
    }
}

fn scalar(value: Value<'_>) -> Result<Scalar, RequestError> {
    let text = value
        .as_str()
        .ok_or_else(|| RequestError::wrong_type("model", "a string", value))?;
    Ok(Scalar {
        text: text.into_owned(),
        span: value.span(),
    })
}

/// The rows of a table that may still fit below a value: what is left of their paths.
struct Rows(Vec<(&'static str, Member)>);

impl Rows {
    fn all(table: Table) -> Self {
        Self(table.to_vec())
    }

    /// What the value itself is, where the table says.
    fn here(&self) -> Option<Member> {
        let here = self.0.iter().find(|(rest, _)| rest.is_empty());
        here.map(|(_, member)| *member)
    }

    /// The rows for an array's elements.
    fn items(&self) -> Self {
        let below = |(rest, member): &(&'static str, Member)| {
            rest.strip_prefix("[]").map(|rest| (rest, *member))
        };
        Self(self.0.iter().filter_map(below).collect())
    }

    /// The rows for an object's member of that name.
    fn member(&self, name: &str) -> Self {
        let below = |(rest, member): &(&'static str, Member)| {
            let rest = rest.strip_prefix('.').unwrap_or(rest);
            let rest = rest.strip_prefix(name)?;
            (rest.is_empty() || rest.starts_with(['.', '['])).then_some((rest, *member))
        };
        Self(self.0.iter().filter_map(below).collect())
    }
}

#[derive(Default)]
struct Reader {
    path: String,
    said: Vec<Said>,
    /// What is not listed is text.
    open: bool,
    /// The name of the member that is read, in an answer.
    member: String,
}

impl Reader {
    /// The depth is bounded by the document's.
    fn value(&mut self, value: Value<'_>, rows: &Rows) {
        let here = rows.here();
        if here == Some(Member::Tree) || (self.open && rows.0.is_empty()) {
            return self.tree(value);
        }
        match value.kind() {
            _ if here == Some(Member::Media) => {
                if !value.is_null() {
                    self.push(Member::Media, String::new(), None);
                }
            }
            // Where a text belongs, a number is the id of a token.
            Kind::Number if here == Some(Member::Text) && !self.open => {
                self.push(Member::Media, String::new(), None);
            }
            Kind::Null | Kind::Bool | Kind::Number => {}
            Kind::String if here.is_none() && !self.open => self.unlisted(value),
            Kind::String => self.string(value, here.unwrap_or(Member::Text)),
            Kind::Array => {
                let below = rows.items();
                if below.0.is_empty() && !self.open {
                    return self.unlisted(value);
                }
                // Where texts belong, numbers are the ids of their tokens.
                let numbers = || value.items().any(|item| item.kind() == Kind::Number);
                if below.here() == Some(Member::Text) && !self.open && numbers() {
                    self.push(Member::Media, String::new(), None);
                }
                self.items(value, |reader, item| reader.value(item, &below));
            }
            Kind::Object => self.members(value, |reader, name, member| {
                let below = rows.member(&name.as_str().unwrap_or_default());
                let unknown = below.0.is_empty();
                if unknown {
                    reader.name(name);
                }
                if unknown && !reader.open {
                    reader.unlisted(member);
                } else {
                    reader.value(member, &below);
                }
            }),
        }
    }

    fn tree(&mut self, value: Value<'_>) {
        match value.kind() {
            Kind::Null | Kind::Bool | Kind::Number => {}
            Kind::String => self.string(value, Member::Text),
            Kind::Array => self.items(value, Self::tree),
            Kind::Object => self.members(value, |reader, name, member| {
                reader.name(name);
                reader.tree(member);
            }),
        }
    }

    /// A value that no row describes: numbers say nothing. Nobody knows what anything else is there, so
    /// that it can't be read; what text it holds is read all the same, for whoever lets it pass.
    fn unlisted(&mut self, value: Value<'_>) {
        match value.kind() {
            Kind::Null | Kind::Bool | Kind::Number => {}
            _ => {
                self.push(Member::Media, String::new(), None);
                self.tree(value);
            }
        }
    }

    fn string(&mut self, value: Value<'_>, member: Member) {
        if self.open
            && value
                .as_str()
                .is_some_and(|text| is_grammar_word(&self.member, &text))
        {
            return;
        }
        match value.as_str().filter(|_| member != Member::Media) {
            Some(text) => self.push(member, text.into_owned(), Some(value.span())),
            None => self.push(Member::Media, String::new(), None),
        }
    }

    fn name(&mut self, key: Value<'_>) {
        let name = key.as_str().unwrap_or_default();
        if self.open && is_grammar_name(&name) {
            return;
        }
        let span = self.open.then(|| key.span());
        self.push(Member::Word, name.into_owned(), span);
        if let Some(said) = self.said.last_mut() {
            said.is_name = true;
        }
    }

    fn push(&mut self, member: Member, text: String, span: Option<Span>) {
        self.said.push(Said {
            path: shortened(&self.path),
            member,
            text,
            span,
            is_name: false,
        });
    }

    fn items(&mut self, value: Value<'_>, mut each: impl FnMut(&mut Self, Value<'_>)) {
        let length = self.path.len();
        for (at, item) in value.items().enumerate() {
            // Numbers say nothing, and vectors have very many.
            if matches!(item.kind(), Kind::Null | Kind::Bool | Kind::Number) {
                continue;
            }
            self.path.push_str(&format!("[{at}]"));
            each(self, item);
            self.path.truncate(length);
        }
    }

    fn members(&mut self, value: Value<'_>, mut each: impl FnMut(&mut Self, Value<'_>, Value<'_>)) {
        let length = self.path.len();
        for (key, member) in value.members() {
            let name = key.as_str().unwrap_or_default();
            if length > 0 {
                self.path.push('.');
            }
            self.path.push_str(shown(&name));
            if self.open {
                self.member.clear();
                self.member.push_str(&name);
            }
            each(self, key, member);
            self.path.truncate(length);
        }
    }
}

/// The longest path that is told whole. There is one for each string of a body, and a body may nest deep.
const LONGEST_PATH: usize = 96;

/// A path as it is told: of a long one the beginning and the last member.
fn shortened(path: &str) -> String {
    if path.len() <= LONGEST_PATH {
        return path.to_owned();
    }
    // Paths are ASCII.
    let begin = path.get(..LONGEST_PATH / 2).unwrap_or_default();
    let last = path.rsplit('.').next().unwrap_or_default();
    let last = last.get(..LONGEST_PATH / 2).unwrap_or(last);
    format!("{begin}(more).{last}")
}

/// A member's name in a path, where it can be no more than a name.
fn shown(name: &str) -> &str {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    // 40: the longest name of a member in any of the formats is shorter.
    if name.len() <= 40 && !name.is_empty() && name.bytes().all(plain) {
        name
    } else {
        "(unnamed)"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: Table = &[
        ("model", Member::Word),
        ("query", Member::Text),
        ("documents[]", Member::Text),
        ("documents[].text", Member::Text),
        ("documents[].id", Member::Word),
        ("meta", Member::Tree),
        ("image", Member::Media),
    ];

    fn read(body: &str) -> Passing {
        Passing::read(Bytes::copy_from_slice(body.as_bytes()), TABLE).unwrap()
    }

    fn said(body: &str) -> Vec<(String, Member, String)> {
        let passing = read(body);
        let said = passing.said.into_iter();
        said.map(|s| (s.path, s.member, s.text)).collect()
    }

    fn row(path: &str, member: Member, text: &str) -> (String, Member, String) {
        (path.to_owned(), member, text.to_owned())
    }

    #[test]
    fn what_is_listed_is_read_where_it_stands() {
        let body = r#"{"model":"m","query":"a\nb","documents":["x",{"text":"y","id":"7"}],"top_n":3,"meta":{"k":["v"]}}"#;
        assert_eq!(
            said(body),
            [
                row("model", Member::Word, "m"),
                row("query", Member::Text, "a\nb"),
                row("documents[0]", Member::Text, "x"),
                row("documents[1].text", Member::Text, "y"),
                row("documents[1].id", Member::Word, "7"),
                row("top_n", Member::Word, "top_n"),
                row("meta.k", Member::Word, "k"),
                row("meta.k[0]", Member::Text, "v"),
            ]
        );
    }

    #[test]
    fn what_is_not_listed_cannot_be_read() {
        for body in [
            r#"{"other":"text"}"#,
            r#"{"other":["text"]}"#,
            r#"{"documents":[{"title":"text"}]}"#,
            r#"{"documents":[["text"]]}"#,
            r#"{"query":["text"]}"#,
            r#"{"image":"aGk="}"#,
            r#"{"documents":[1,2,3]}"#,
            r#"{"documents":[[1,2,3]]}"#,
            r#"{"query":7}"#,
        ] {
            let said = said(body);
            let media = said.iter().filter(|s| s.1 == Member::Media);
            assert_eq!(media.count(), 1, "{body}");
            // Whoever lets it pass still sees its text.
            let text = said.iter().filter(|s| s.2 == "text");
            assert_eq!(
                text.count(),
                usize::from(body.contains("\"text\"")),
                "{body}"
            );
        }
        // What a client calls a member is no place for a secret either.
        let named = said(r#"{"ann@example.org":1}"#);
        assert_eq!(named, [row("(unnamed)", Member::Word, "ann@example.org")]);
    }

    #[test]
    fn a_path_is_short_however_deep_its_member_stands() {
        let name = format!("{{\"{}\":", "a".repeat(40));
        let body = format!("{}[\"x\"]{}", name.repeat(60), "}".repeat(60));
        let said = said(&body);
        assert!(said.iter().all(|(path, ..)| path.len() <= LONGEST_PATH + 8));
        assert!(said.last().unwrap().0.ends_with("aaa[0]"), "{said:?}");
    }

    #[test]
    fn other_texts_leave_every_other_byte() {
        let passing = read(r#"{ "model":"m" , "query": "a\u0062c","top_n":1.50}"#);
        assert_eq!(
            passing.with(&[(1, "n\"w".into())], Some("up")),
            r#"{ "model":"up" , "query": "n\"w","top_n":1.50}"#
        );
        assert_eq!(passing.with(&[(1, "abc".into())], Some("m")), passing.body);
    }

    #[test]
    fn an_answers_strings_are_text() {
        let body = Bytes::from_static(br#"{"id":"x","results":[{"document":{"text":"t"},"s":1}]}"#);
        let table: Table = &[("id", Member::Word)];
        let passing = Passing::read_answer(body, table).unwrap();
        let said: Vec<_> = passing
            .said()
            .iter()
            .map(|s| (s.member, &*s.text))
            .collect();
        assert_eq!(said[0], (Member::Word, "x"));
        assert!(said.contains(&(Member::Text, "t")));
    }
}
