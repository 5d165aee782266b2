//! The arguments of a tool call as they stream: JSON that is judged by what it means and goes out
//! as it came.

use crate::json::escape;

/// What one byte of the meaning comes from.
#[derive(Clone, Copy)]
struct Origin {
    /// Where its character ends in the JSON text.
    end: usize,
    /// It is within a string.
    inside: bool,
}

/// The JSON text that is held, beside its meaning.
#[derive(Default)]
pub(crate) struct Escapes {
    /// The JSON text that the meaning so far comes from.
    raw: String,
    /// For each byte of the meaning.
    origins: Vec<Origin>,
    /// An escape that has only begun: at most 11 bytes.
    begun: String,
    /// Whether this is JSON at all; not known before the first character.
    json: Option<bool>,
    /// The next character is within a string.
    inside: bool,
}

impl Escapes {
    /// Takes more of the JSON text and appends its meaning. `whole` says that nothing follows.
    pub(crate) fn push(&mut self, chunk: &str, whole: bool, meaning: &mut String) {
        let mut text = std::mem::take(&mut self.begun);
        text.push_str(chunk);
        let mut rest = text.as_str();
        while let Some(c) = rest.chars().next() {
            if self.json.is_none() && !c.is_whitespace() {
                self.json = Some(matches!(c, '{' | '[' | '"'));
            }
            let json = self.json == Some(true);
            let escaped = json && self.inside && c == '\\';
            if escaped && !whole && has_only_begun(rest) {
                break;
            }
            let (meant, len) = escaped
                .then(|| escape(rest))
                .flatten()
                .unwrap_or((c, c.len_utf8()));
            let quote = json && c == '"';
            let origin = Origin {
                end: self.raw.len() + len,
                inside: self.inside && !quote,
            };
            self.inside ^= quote;
            self.raw.push_str(&rest[..len]);
            meaning.push(meant);
            self.origins
                .resize(self.origins.len() + meant.len_utf8(), origin);
            rest = &rest[len..];
        }
        self.begun = rest.to_owned();
    }

    fn end(&self, meaning: usize) -> usize {
        meaning
            .checked_sub(1)
            .and_then(|last| self.origins.get(last))
            .map_or(0, |origin| origin.end)
    }

    /// The JSON text of a stretch of the meaning.
    pub(crate) fn raw(&self, start: usize, end: usize) -> &str {
        self.raw
            .get(self.end(start)..self.end(end))
            .unwrap_or_default()
    }

    /// Whether a mask can stand in place of a stretch of the meaning.
    pub(crate) fn is_maskable(&self, start: usize, end: usize) -> bool {
        self.json != Some(true)
            || self
                .origins
                .get(start..end)
                .is_some_and(|origins| origins.iter().all(|origin| origin.inside))
    }

    /// Drops the first bytes of the meaning and where they come from.
    pub(crate) fn forget(&mut self, meaning: usize) {
        let raw = self.end(meaning);
        self.raw.drain(..raw);
        self.origins.drain(..meaning.min(self.origins.len()));
        for origin in &mut self.origins {
            origin.end -= raw;
        }
    }
}

/// Whether an escape at the start of a text may go on behind the text's end.
pub(crate) fn has_only_begun(text: &str) -> bool {
    let bytes = text.as_bytes();
    if bytes.get(1) != Some(&b'u') {
        return bytes.len() < 2;
    }
    let is_high = matches!(
        bytes.get(2..4),
        Some([b'd' | b'D', b'8' | b'9' | b'a'..=b'b' | b'A'..=b'B'])
    );
    let low_may_follow =
        bytes.get(6).is_none_or(|b| *b == b'\\') && bytes.get(7).is_none_or(|b| *b == b'u');
    bytes.len() < 6 || (is_high && bytes.len() < 12 && low_may_follow)
}
