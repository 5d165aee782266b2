//! Values replaced wherever a request holds them: in names, ids, tools, fields of any kind, and in text
//! documents that come in base64. Edits of parts go by place (`edit.rs`); these go by value, so that no
//! place can be forgotten.

use std::borrow::Cow;

use aho_corasick::{AhoCorasick, MatchKind};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};

use crate::json::{Document, Kind, Splice, Value, json_string, splice};
use crate::request::{Request, RequestError};
use crate::vocabulary::{is_id, is_sealed};

/// A value and what stands in its place.
#[derive(Clone, PartialEq, Eq)]
pub struct Swap {
    /// What is replaced.
    pub value: String,
    /// What stands for it in text.
    pub words: String,
    /// What stands for it within names and ids, which have an alphabet of their own.
    pub name: String,
    /// Replace it only where it stands as words of its own, not within longer ones.
    pub whole: bool,
}

/// Why values can't be replaced. None of them has been then.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SwapError {
    /// One stands in a word of the format itself.
    #[error("'{member}' holds a value that must be masked but can't be")]
    InWord {
        /// The member.
        member: String,
    },
    /// The values make no list of patterns.
    #[error("there are too many values to replace")]
    TooMany,
    /// The request with other values is none any more.
    #[error("the edited request is not valid: {0}")]
    Unreadable(#[from] RequestError),
}

impl Request {
    /// Replaces values in every string of the body. Signed and encrypted strings stay as they are.
    ///
    /// # Errors
    ///
    /// When one stands where the format has words of its own, or the request would be none any more;
    /// it is unchanged then.
    pub fn swap(&mut self, swaps: &[Swap]) -> Result<(), SwapError> {
        if swaps.is_empty() {
            return Ok(());
        }
        let values = swaps.iter().map(|swap| swap.value.as_str());
        let patterns = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostLongest)
            .build(values)
            .map_err(|_| SwapError::TooMany)?;
        let document = Document::parse(&self.body).map_err(RequestError::Json)?;
        let mut swapping = Swapping {
            patterns,
            swaps,
            splices: Vec::new(),
        };
        swapping.value(document.root(), "", None)?;
        let splices = swapping.splices;
        if splices.is_empty() {
            return Ok(());
        }
        let body = splice(&self.body, splices);
        *self = Request::parse(self.target.clone(), body)?;
        Ok(())
    }
}

/// Members whose values are words of the formats.
const WORDS: [&str; 4] = ["model", "role", "type", "object"];

struct Swapping<'s> {
    patterns: AhoCorasick,
    swaps: &'s [Swap],
    splices: Vec<Splice<'static>>,
}

impl Swapping<'_> {
    fn value(
        &mut self,
        value: Value<'_>,
        member: &str,
        within: Option<Value<'_>>,
    ) -> Result<(), SwapError> {
        match value.kind() {
            Kind::Object => {
                for (key, of) in value.members() {
                    let name = key.as_str().unwrap_or_default();
                    self.replace(key, &name, true);
                    self.value(of, &name, Some(value))?;
                }
            }
            Kind::Array => {
                for item in value.items() {
                    self.value(item, member, within)?;
                }
            }
            Kind::String => self.string(value, member, within)?,
            Kind::Null | Kind::Bool | Kind::Number => {}
        }
        Ok(())
    }

    fn string(
        &mut self,
        value: Value<'_>,
        member: &str,
        within: Option<Value<'_>>,
    ) -> Result<(), SwapError> {
        let text = value.as_str().unwrap_or_default();
        if let Some(encoded) = Encoded::of(&text, member, within) {
            if let Some(changed) = self.replaced(&encoded.text, false) {
                let written = format!("{}{}", encoded.head, STANDARD.encode(changed));
                self.splices
                    .push(Splice::new(value.span(), json_string(&written)));
            }
            return Ok(());
        }
        if is_sealed(member, &text) {
            return Ok(());
        }
        if WORDS.contains(&member) && self.replaced(&text, false).is_some() {
            return Err(SwapError::InWord {
                member: member.to_owned(),
            });
        }
        self.replace(value, &text, member == "name" || is_id(member));
        Ok(())
    }

    fn replace(&mut self, at: Value<'_>, text: &str, is_name: bool) {
        if let Some(changed) = self.replaced(text, is_name) {
            self.splices
                .push(Splice::new(at.span(), json_string(&changed)));
        }
    }

    /// The text with its values replaced; none where it has none.
    fn replaced(&self, text: &str, is_name: bool) -> Option<String> {
        let mut out = String::new();
        let mut kept = 0;
        for found in self.patterns.find_iter(text) {
            let Some(swap) = self.swaps.get(found.pattern().as_usize()) else {
                continue;
            };
            let (before, after) = (&text[..found.start()], &text[found.end()..]);
            if swap.whole && !is_whole(before, &swap.value, after) {
                continue;
            }
            out.push_str(&text[kept..found.start()]);
            out.push_str(if is_name { &swap.name } else { &swap.words });
            kept = found.end();
        }
        (kept > 0).then(|| out + &text[kept..])
    }
}

/// Whether a value goes on beyond neither of its ends.
fn is_whole(before: &str, value: &str, after: &str) -> bool {
    let is_word = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    let begins = is_word(value.chars().next()) && is_word(before.chars().next_back());
    let goes_on = is_word(value.chars().next_back()) && is_word(after.chars().next());
    !begins && !goes_on
}

/// A text document in base64: a data URL, or a member beside one that says it is text.
pub(crate) struct Encoded<'t> {
    /// What stands before the base64.
    pub(crate) head: &'t str,
    /// The document.
    pub(crate) text: String,
}

impl<'t> Encoded<'t> {
    pub(crate) fn of(text: &'t str, member: &str, within: Option<Value<'_>>) -> Option<Self> {
        if let Some(rest) = text.strip_prefix("data:") {
            let (media, encoded) = rest.split_once(',')?;
            let (media, _) = media.split_once(";base64")?;
            let head = text.get(..text.len() - encoded.len())?;
            return is_text(media).then(|| decoded(head, encoded)).flatten();
        }
        if !matches!(member, "data" | "file_data" | "bytes") {
            return None;
        }
        let within = within?;
        let says = |name: &str| within.get(name).and_then(Value::as_str);
        let media = ["media_type", "mime_type", "mimeType", "format"];
        let media: Option<Cow<'_, str>> = media.into_iter().find_map(says);
        // Converse names the format one level above; what is no text there does not decode to one.
        let is_text = media.map_or(member == "bytes", |media| is_text(&media));
        is_text.then(|| decoded("", text)).flatten()
    }
}

fn decoded<'t>(head: &'t str, encoded: &str) -> Option<Encoded<'t>> {
    // Both alphabets, with and without padding: providers take all of them.
    let plain: String = encoded
        .chars()
        .filter(|c| !c.is_ascii_whitespace() && *c != '=')
        .map(|c| match c {
            '-' => '+',
            '_' => '/',
            other => other,
        })
        .collect();
    let bytes = STANDARD_NO_PAD.decode(plain).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    Some(Encoded { head, text })
}

/// Whether a media type or a document's format is one of text.
fn is_text(media: &str) -> bool {
    const FORMATS: [&str; 4] = ["txt", "csv", "html", "md"];
    const TYPES: [&str; 4] = [
        "application/json",
        "application/xml",
        "application/yaml",
        "application/x-ndjson",
    ];
    let media = media.split(';').next().unwrap_or_default().trim();
    media.starts_with("text/") || FORMATS.contains(&media) || TYPES.contains(&media)
}

/// The text documents in base64 of a JSON text, such as an opaque part.
pub fn encoded_texts(json: &str) -> Vec<String> {
    // Cheaper than reading it: most parts have none.
    if !["data", "bytes"].iter().any(|member| json.contains(member)) {
        return Vec::new();
    }
    let mut out = Vec::new();
    if let Ok(document) = Document::parse(json.as_bytes()) {
        gather(document.root(), "", None, &mut out);
    }
    out
}

fn gather(value: Value<'_>, member: &str, within: Option<Value<'_>>, out: &mut Vec<String>) {
    for (key, of) in value.members() {
        let name = key.as_str().unwrap_or_default();
        gather(of, &name, Some(value), out);
    }
    for item in value.items() {
        gather(item, member, within, out);
    }
    if let Some(text) = value.as_str()
        && let Some(encoded) = Encoded::of(&text, member, within)
    {
        out.push(encoded.text);
    }
}

#[cfg(test)]
mod tests;
