//! An index of a JSON text: each value's kind and byte range, in the order of the text.
//!
//! serde_json judges the grammar; the index is built afterwards over text that is known to be
//! good, so that it need not judge anything itself.

use std::borrow::Cow;
use std::ops::Range;

use serde::de::IgnoredAny;

use super::check::{JsonError, MAX_DEPTH, lone_surrogate, refuse_duplicates};
use super::text;

/// A range of bytes in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Span {
    pub(crate) start: u32,
    pub(crate) end: u32,
}

impl Span {
    pub(crate) fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }

    /// The range without its first and last byte: a string's content, an array's inside.
    pub(crate) fn inside(self) -> Span {
        Span {
            start: self.start + 1,
            end: self.end - 1,
        }
    }
}

/// What a JSON value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Null,
    Bool,
    Number,
    String,
    Array,
    Object,
}

impl Kind {
    /// The kind in an error message.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Null => "null",
            Kind::Bool => "a boolean",
            Kind::Number => "a number",
            Kind::String => "a string",
            Kind::Array => "an array",
            Kind::Object => "an object",
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Node {
    kind: Kind,
    /// A string that has escapes, so that its content is not its text.
    escaped: bool,
    span: Span,
    /// Index of the first node after this value and all that is in it.
    next: u32,
}

/// A parsed JSON text. Values stand in the order of the text; a name comes before its value.
#[derive(Debug)]
pub(crate) struct Document<'a> {
    text: &'a str,
    nodes: Vec<Node>,
}

impl<'a> Document<'a> {
    /// Parses exactly one value with nothing but white space around it.
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<Self, JsonError> {
        if u32::try_from(bytes.len()).is_err() {
            return Err(JsonError::TooLong { bytes: bytes.len() });
        }
        let text = std::str::from_utf8(bytes).map_err(|error| JsonError::NotUtf8 {
            offset: error.valid_up_to(),
        })?;
        // Ignored values are skipped in a loop, not by recursion: no depth overflows the stack.
        serde_json::from_str::<IgnoredAny>(text).map_err(|error| JsonError::Syntax {
            reason: error.to_string(),
        })?;
        let document = Document {
            text,
            nodes: index(text)?,
        };
        refuse_duplicates(&document)?;
        Ok(document)
    }

    pub(crate) fn text(&self) -> &'a str {
        self.text
    }

    pub(crate) fn root(&self) -> Value<'_> {
        Value {
            text: self.text,
            nodes: &self.nodes,
            index: 0,
        }
    }

    /// Every value and every name, in the order of the text.
    pub(crate) fn values(&self) -> impl Iterator<Item = Value<'_>> {
        (0..self.nodes.len()).map(|index| Value {
            text: self.text,
            nodes: &self.nodes,
            index,
        })
    }
}

/// One value of a [`Document`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Value<'d> {
    text: &'d str,
    nodes: &'d [Node],
    index: usize,
}

/// What a value beyond the index is: a document always has a root, so nobody sees it.
const NOTHING: Node = Node {
    kind: Kind::Null,
    escaped: false,
    span: Span { start: 0, end: 0 },
    next: u32::MAX,
};

impl<'d> Value<'d> {
    fn node(self) -> Node {
        self.nodes.get(self.index).copied().unwrap_or(NOTHING)
    }

    fn at(self, index: usize) -> Value<'d> {
        Value { index, ..self }
    }

    pub(crate) fn kind(self) -> Kind {
        self.node().kind
    }

    pub(crate) fn span(self) -> Span {
        self.node().span
    }

    pub(crate) fn is_escaped(self) -> bool {
        self.node().escaped
    }

    pub(crate) fn is_null(self) -> bool {
        self.kind() == Kind::Null
    }

    /// The value as it stands in the text.
    pub(crate) fn raw(self) -> &'d str {
        self.text.get(self.span().range()).unwrap_or_default()
    }

    /// A string's content, decoded.
    pub(crate) fn as_str(self) -> Option<Cow<'d, str>> {
        if self.kind() != Kind::String {
            return None;
        }
        let content = self.text.get(self.span().inside().range())?;
        if self.is_escaped() {
            text::unescape(content).map(Cow::Owned)
        } else {
            Some(Cow::Borrowed(content))
        }
    }

    /// Whether this is that string.
    pub(crate) fn is_str(self, wanted: &str) -> bool {
        if self.is_escaped() {
            self.as_str().is_some_and(|text| text == wanted)
        } else {
            self.kind() == Kind::String
                && self.text.get(self.span().inside().range()) == Some(wanted)
        }
    }

    /// Whether an object's member is that string.
    pub(crate) fn says(self, name: &str, wanted: &str) -> bool {
        self.get(name).is_some_and(|value| value.is_str(wanted))
    }

    pub(crate) fn as_bool(self) -> Option<bool> {
        match (self.kind(), self.raw()) {
            (Kind::Bool, raw) => Some(raw == "true"),
            _ => None,
        }
    }

    pub(crate) fn as_f64(self) -> Option<f64> {
        match self.kind() {
            Kind::Number => self.raw().parse().ok(),
            _ => None,
        }
    }

    /// A whole number, also one that is written with a fraction of zero (`24.0`), as long as
    /// nothing of it is lost.
    pub(crate) fn as_integer(self) -> Option<i128> {
        if self.kind() != Kind::Number {
            return None;
        }
        if let Ok(integer) = self.raw().parse::<i128>() {
            return Some(integer);
        }
        // Doubles are exact to 2^53.
        let float = self.as_f64().filter(|float| float.fract() == 0.0)?;
        (float.abs() <= 9_007_199_254_740_992.0).then_some(float as i128)
    }

    /// A whole number as one of another type; none where it does not fit.
    pub(crate) fn whole<T: TryFrom<i128>>(self) -> Option<T> {
        T::try_from(self.as_integer()?).ok()
    }

    /// An object's names and values; nothing for any other kind.
    pub(crate) fn members(self) -> Members<'d> {
        let end = if self.kind() == Kind::Object {
            self.node().next as usize
        } else {
            self.index
        };
        Members {
            value: self,
            at: self.index + 1,
            end,
        }
    }

    /// An array's elements; nothing for any other kind.
    pub(crate) fn items(self) -> Items<'d> {
        let end = if self.kind() == Kind::Array {
            self.node().next as usize
        } else {
            self.index
        };
        Items {
            value: self,
            at: self.index + 1,
            end,
        }
    }

    /// An object's member of that name.
    pub(crate) fn get(self, name: &str) -> Option<Value<'d>> {
        self.members()
            .find(|(key, _)| key.is_str(name))
            .map(|(_, value)| value)
    }

    /// An object's member of that name that is not null.
    pub(crate) fn some(self, name: &str) -> Option<Value<'d>> {
        self.get(name).filter(|value| !value.is_null())
    }

    /// An object's member of that name that is a string.
    pub(crate) fn text(self, name: &str) -> Option<Cow<'d, str>> {
        self.get(name)?.as_str()
    }

    /// The elements of an object's member of that name; nothing where it is no array.
    pub(crate) fn each(self, name: &str) -> impl Iterator<Item = Value<'d>> + Clone {
        self.get(name).into_iter().flat_map(Value::items)
    }
}

/// See [`Value::members`].
#[derive(Debug, Clone)]
pub(crate) struct Members<'d> {
    value: Value<'d>,
    at: usize,
    end: usize,
}

impl<'d> Iterator for Members<'d> {
    type Item = (Value<'d>, Value<'d>);

    fn next(&mut self) -> Option<Self::Item> {
        if self.at >= self.end {
            return None;
        }
        let key = self.value.at(self.at);
        let value = self.value.at(self.at + 1);
        self.at = value.node().next as usize;
        Some((key, value))
    }
}

/// See [`Value::items`].
#[derive(Debug, Clone)]
pub(crate) struct Items<'d> {
    value: Value<'d>,
    at: usize,
    end: usize,
}

impl<'d> Iterator for Items<'d> {
    type Item = Value<'d>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.at >= self.end {
            return None;
        }
        let item = self.value.at(self.at);
        self.at = item.node().next as usize;
        Some(item)
    }
}

/// The most bytes that the index of a text takes: a short text may be many values.
pub fn index_bytes(json: &[u8]) -> usize {
    most_nodes(json).saturating_mul(size_of::<Node>())
}

/// The most values and names that a text has: but for the first each stands behind one of these
/// bytes, which strings have too.
fn most_nodes(json: &[u8]) -> usize {
    let before = |byte: &&u8| matches!(byte, b',' | b':' | b'[' | b'{');
    1 + json.iter().filter(before).count()
}

/// Indexes a text whose grammar is known to be good.
fn index(text: &str) -> Result<Vec<Node>, JsonError> {
    let bytes = text.as_bytes();
    let mut nodes: Vec<Node> = Vec::with_capacity(most_nodes(bytes));
    let mut open = [0_usize; MAX_DEPTH];
    let mut depth = 0;
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let (kind, end) = match byte {
            b'{' | b'[' => {
                let Some(slot) = open.get_mut(depth) else {
                    return Err(JsonError::too_deep(text, at));
                };
                *slot = nodes.len();
                depth += 1;
                (
                    if byte == b'{' {
                        Kind::Object
                    } else {
                        Kind::Array
                    },
                    at + 1,
                )
            }
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                let next = nodes.len() as u32;
                if let Some(node) = open.get(depth).and_then(|index| nodes.get_mut(*index)) {
                    node.span.end = at as u32 + 1;
                    node.next = next;
                }
                at += 1;
                continue;
            }
            b'"' => (Kind::String, text::string_end(bytes, at)),
            b't' => (Kind::Bool, at + 4),
            b'f' => (Kind::Bool, at + 5),
            b'n' => (Kind::Null, at + 4),
            b'-' | b'0'..=b'9' => (Kind::Number, number_end(bytes, at)),
            _ => {
                at += 1;
                continue;
            }
        };
        let escaped = kind == Kind::String && memchr::memchr(b'\\', &bytes[at..end]).is_some();
        if escaped && let Some(lone) = lone_surrogate(&text[at..end]) {
            return Err(JsonError::lone_surrogate(text, at + lone));
        }
        let span = Span {
            start: at as u32,
            end: end as u32,
        };
        nodes.push(Node {
            kind,
            escaped,
            span,
            next: nodes.len() as u32 + 1,
        });
        at = end;
    }
    Ok(nodes)
}

fn number_end(bytes: &[u8], start: usize) -> usize {
    let rest = bytes.get(start..).unwrap_or_default();
    let length = rest
        .iter()
        .position(|byte| !matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E'))
        .unwrap_or(rest.len());
    start + length
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_takes_no_more_than_was_foretold() {
        for text in [
            "1",
            "[]",
            "{}",
            "[0,0,0,0]",
            "[[[[]]]]",
            r#"{"a":1,"b":{"c":[null,true,"x"]},"d":{}}"#,
            r#"[",:[{", "a,b"]"#,
        ] {
            let nodes = index(text).unwrap();
            assert!(nodes.len() <= most_nodes(text.as_bytes()), "{text}");
            assert_eq!(nodes.capacity(), most_nodes(text.as_bytes()), "{text}");
        }
        let numbers = format!("[{}0]", "0,".repeat(1000));
        let told = index_bytes(numbers.as_bytes());
        assert_eq!(told, 1002 * size_of::<Node>());
    }
}
