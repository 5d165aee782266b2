//! What makes a text no acceptable JSON, and the checks that the grammar alone does not make.

use bytes::Bytes;

use super::document::{Document, Kind, Value};
use super::text;

/// The deepest nesting of arrays and objects that is taken. OpenAI allows 10 levels in a
/// JSON schema and real tool schemas stay under 30; beyond that a body is an attack.
pub const MAX_DEPTH: usize = 64;

/// Why a text is not taken as JSON. Messages name a place, never the text itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JsonError {
    /// The bytes are no UTF-8 (RFC 8259, section 8.1).
    #[error("invalid UTF-8 at byte {offset}")]
    NotUtf8 {
        /// The first bad byte, counted from 0.
        offset: usize,
    },
    /// The grammar is broken, or something follows the value.
    #[error("malformed JSON: {reason}")]
    Syntax {
        /// What was expected, with line and column.
        reason: String,
    },
    /// Arrays and objects are nested too deep.
    #[error("JSON is nested deeper than {MAX_DEPTH} levels at line {line} column {column}")]
    TooDeep {
        /// Line of the bracket that is too much, counted from 1.
        line: usize,
        /// Its column in bytes, counted from 1.
        column: usize,
    },
    /// An object has the same name twice. Readers differ in which one they take.
    #[error("the same field occurs twice in one object, again at line {line} column {column}")]
    DuplicateField {
        /// Line of a later occurrence, counted from 1.
        line: usize,
        /// Its column in bytes, counted from 1.
        column: usize,
    },
    /// A string has half of a surrogate pair, which is no character (RFC 8259, section 8.2).
    #[error("a string has an unpaired surrogate escape at line {line} column {column}")]
    LoneSurrogate {
        /// Line of the escape, counted from 1.
        line: usize,
        /// Its column in bytes, counted from 1.
        column: usize,
    },
    /// The text is longer than byte ranges can say.
    #[error("JSON of {bytes} bytes is over the limit of 4 GiB")]
    TooLong {
        /// The length.
        bytes: usize,
    },
}

impl JsonError {
    pub(super) fn too_deep(text: &str, offset: usize) -> Self {
        let (line, column) = line_and_column(text, offset);
        Self::TooDeep { line, column }
    }

    pub(super) fn lone_surrogate(text: &str, offset: usize) -> Self {
        let (line, column) = line_and_column(text, offset);
        Self::LoneSurrogate { line, column }
    }

    fn duplicate(text: &str, offset: usize) -> Self {
        let (line, column) = line_and_column(text, offset);
        Self::DuplicateField { line, column }
    }
}

fn line_and_column(text: &str, offset: usize) -> (usize, usize) {
    let before = text.as_bytes().get(..offset).unwrap_or_default();
    let line = 1 + memchr::memchr_iter(b'\n', before).count();
    let column = match memchr::memrchr(b'\n', before) {
        Some(newline) => offset - newline,
        None => offset + 1,
    };
    (line, column)
}

/// Up to this many members, comparing each pair is cheaper than sorting.
const PAIRWISE: usize = 16;

/// Refuses an object that has one name twice, at any depth.
pub(super) fn refuse_duplicates(document: &Document<'_>) -> Result<(), JsonError> {
    for object in document
        .values()
        .filter(|value| value.kind() == Kind::Object)
    {
        if let Some(again) = duplicate(object) {
            return Err(JsonError::duplicate(
                document.text(),
                again.span().start as usize,
            ));
        }
    }
    Ok(())
}

fn duplicate<'d>(object: Value<'d>) -> Option<Value<'d>> {
    let count = object.members().take(PAIRWISE + 1).count();
    if count <= PAIRWISE {
        let mut rest = object.members();
        while let Some((key, _)) = rest.next() {
            let same = rest.clone().find(|(other, _)| same_string(key, *other));
            if let Some((other, _)) = same {
                return Some(other);
            }
        }
        return None;
    }
    let mut keys: Vec<_> = object
        .members()
        .filter_map(|(key, _)| key.as_str().map(|name| (name, key)))
        .collect();
    keys.sort_by(|(left, _), (right, _)| left.cmp(right));
    keys.windows(2).find_map(|pair| match pair {
        [(left, _), (right, key)] if left == right => Some(*key),
        _ => None,
    })
}

fn same_string(left: Value<'_>, right: Value<'_>) -> bool {
    if left.is_escaped() || right.is_escaped() {
        left.as_str() == right.as_str()
    } else {
        left.raw() == right.raw()
    }
}

/// JSON text with the replacement character in the place of each unpaired surrogate escape: what
/// other readers make of them. Engines that cut an answer between two tokens write such halves.
pub fn mend_surrogates(json: Bytes) -> Bytes {
    let mut mended: Option<Vec<u8>> = None;
    let mut at = 0;
    while let Some(found) = json.get(at..).and_then(lone_surrogate_in) {
        let lone = at + found;
        let text = mended.get_or_insert_with(|| json.to_vec());
        // An escape is as long as what takes its place.
        if let Some(escape) = text.get_mut(lone..lone + 6) {
            escape.copy_from_slice(b"\\ufffd");
        }
        at = lone + 6;
    }
    mended.map_or(json, Bytes::from)
}

/// Where in a string's content an unpaired surrogate escape stands, if one does.
pub(super) fn lone_surrogate(content: &str) -> Option<usize> {
    lone_surrogate_in(content.as_bytes())
}

fn lone_surrogate_in(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    while let Some(backslash) = bytes
        .get(at..)
        .and_then(|rest| memchr::memchr(b'\\', rest))
        .map(|found| at + found)
    {
        let unit = text::escaped_unit(bytes, backslash);
        if unit.lone {
            return Some(backslash);
        }
        at = backslash + unit.raw;
    }
    None
}
