//! Placeholders of one request, and the values behind them.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// The most distinct values that one request may have masked.
pub const MAX_MASKS: usize = 16_384;

/// A stretch of a text to be masked. Edits come sorted by text and place, and do not overlap.
#[derive(Debug, Clone)]
pub struct Edit {
    /// Which text.
    pub text: usize,
    /// Its bytes, on character boundaries.
    pub range: Range<usize>,
    /// What kind of value it is, such as `EMAIL`.
    pub label: String,
}

/// Why texts can't be masked. Never a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MaskError {
    /// Too many values.
    TooMany,
    /// An edit that fits no text.
    Outside,
}

impl std::fmt::Display for MaskError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::TooMany => write!(
                f,
                "the prompt holds more than {MAX_MASKS} different values that have to be masked"
            ),
            Self::Outside => f.write_str("the guardrails policy masks what is not in the prompt"),
        }
    }
}

/// The masks of one request.
#[derive(Default)]
pub struct Table {
    /// Values by their placeholders.
    values: HashMap<String, String>,
    /// Placeholders by label and value.
    placeholders: HashMap<(String, String), String>,
    /// How many placeholders a label has had.
    counts: HashMap<String, u64>,
    /// The length of the longest placeholder.
    longest: usize,
}

impl Table {
    /// The texts with the stretches replaced. The same value has the same placeholder everywhere.
    ///
    /// # Errors
    /// [`MaskError`].
    pub fn mask(
        &mut self,
        secret: &[u8],
        texts: &[String],
        edits: &[Edit],
    ) -> Result<Vec<String>, MaskError> {
        let written = written(texts);
        let mut out = Vec::with_capacity(texts.len());
        let mut edits = edits.iter().peekable();
        for (n, text) in texts.iter().enumerate() {
            let (mut masked, mut at) = (String::with_capacity(text.len()), 0);
            while let Some(edit) = edits.next_if(|edit| edit.text == n) {
                let before = text.get(at..edit.range.start).ok_or(MaskError::Outside)?;
                let value = text.get(edit.range.clone()).ok_or(MaskError::Outside)?;
                masked += before;
                masked += &self.placeholder(secret, &written, &edit.label, value)?;
                at = edit.range.end;
            }
            masked += text.get(at..).unwrap_or_default();
            out.push(masked);
        }
        match edits.next() {
            Some(_) => Err(MaskError::Outside),
            None => Ok(out),
        }
    }

    fn placeholder(
        &mut self,
        secret: &[u8],
        written: &HashSet<&str>,
        label: &str,
        value: &str,
    ) -> Result<String, MaskError> {
        let known = (label.to_owned(), value.to_owned());
        if let Some(placeholder) = self.placeholders.get(&known) {
            return Ok(placeholder.clone());
        }
        if self.values.len() >= MAX_MASKS {
            return Err(MaskError::TooMany);
        }
        let count = self.counts.entry(label.to_owned()).or_default();
        // What the client wrote itself must not be taken for a mask: such a name is passed over.
        // There are fewer of them than the texts have brackets, so this ends.
        let placeholder = loop {
            *count += 1;
            let placeholder = named(secret, label, *count);
            if !written.contains(placeholder.as_str()) {
                break placeholder;
            }
        };
        self.longest = self.longest.max(placeholder.len());
        self.values.insert(placeholder.clone(), known.1.clone());
        self.placeholders.insert(known, placeholder.clone());
        Ok(placeholder)
    }

    /// A text with the values of its placeholders. Other brackets stay as they are.
    pub fn restore(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(start) = rest.find('[') {
            let (before, from) = rest.split_at(start);
            out.push_str(before);
            let end = from.find(']').map_or(from.len(), |end| end + 1);
            match self.values.get(from.get(..end).unwrap_or_default()) {
                Some(value) => {
                    out.push_str(value);
                    rest = &from[end..];
                }
                None => {
                    out.push('[');
                    rest = &from[1..];
                }
            }
        }
        out + rest
    }

    /// Where the end of a text begins that may still become a placeholder.
    pub fn open_end(&self, text: &str) -> usize {
        let least = text.len().saturating_sub(self.longest);
        text.match_indices('[')
            .map(|(start, _)| start)
            .filter(|start| *start >= least)
            .find(|start| !text[*start..].contains(']'))
            .unwrap_or(text.len())
    }
}

/// What stands in brackets in the texts, from each `[` to the next `]`, if it may be a placeholder.
fn written(texts: &[String]) -> HashSet<&str> {
    let of_text = |text: &'_ String| -> Vec<Range<usize>> {
        let mut found = Vec::new();
        let mut open = None;
        for (at, byte) in text.bytes().enumerate() {
            match (byte, open) {
                (b'[', _) => open = Some(at),
                (b']', Some(start)) => {
                    found.push(start..at + 1);
                    open = None;
                }
                _ => {}
            }
        }
        found
    };
    let texts = texts.iter().map(|text| (text, of_text(text)));
    texts
        .flat_map(|(text, found)| found.into_iter().filter_map(|range| text.get(range)))
        .collect()
}

/// A placeholder: nobody without the secret can guess its last part.
fn named(secret: &[u8], label: &str, count: u64) -> String {
    let mut tag = [0; 4];
    // HMAC takes a key of any length.
    if let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret) {
        mac.update(b"forebay mask component v1");
        mac.update(label.as_bytes());
        mac.update(&count.to_be_bytes());
        tag.copy_from_slice(&mac.finalize().into_bytes()[..4]);
    }
    format!("[{label}_{count}_{:08x}]", u32::from_be_bytes(tag))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &[u8] = b"sixteen bytes or more";

    fn masked(texts: &[&str], values: &[&str]) -> (Table, Vec<String>) {
        let mut table = Table::default();
        let mut edits: Vec<Edit> = Vec::new();
        for (n, text) in texts.iter().enumerate() {
            let mut of_text: Vec<Edit> = values
                .iter()
                .flat_map(|value| text.match_indices(value))
                .map(|(start, value)| Edit {
                    text: n,
                    range: start..start + value.len(),
                    label: "EMAIL".to_owned(),
                })
                .collect();
            of_text.sort_by_key(|edit| edit.range.start);
            edits.extend(of_text);
        }
        let texts: Vec<String> = texts.iter().map(ToString::to_string).collect();
        let texts = table.mask(SECRET, &texts, &edits).unwrap();
        (table, texts)
    }

    #[test]
    fn values_go_out_and_come_back() {
        let (table, texts) = masked(
            &[
                "write to ann@example.org or bob@example.org",
                "ann@example.org!",
            ],
            &["ann@example.org", "bob@example.org"],
        );
        assert!(!texts.concat().contains('@'), "{texts:?}");
        let placeholder = texts[1].strip_suffix('!').unwrap();
        assert!(texts[0].contains(placeholder), "one value, one placeholder");
        assert_eq!(
            table.restore(&texts[0]),
            "write to ann@example.org or bob@example.org"
        );
        assert_eq!(
            table.restore("[EMAIL_9_00000000] [[x"),
            "[EMAIL_9_00000000] [[x"
        );
        assert_eq!(
            table.restore(&format!("[{placeholder}]")),
            "[ann@example.org]"
        );
    }

    #[test]
    fn a_placeholder_that_a_client_wrote_itself_is_not_restored() {
        let forged = named(SECRET, "EMAIL", 1);
        let prompt = format!("{forged} ann@example.org");
        let (table, texts) = masked(&[&prompt], &["ann@example.org"]);
        assert!(texts[0].starts_with(&forged));
        assert_eq!(table.restore(&texts[0]), prompt);
    }

    #[test]
    fn an_edit_outside_is_an_error_and_so_are_too_many_values() {
        let mut table = Table::default();
        let edit = |text, range| Edit {
            text,
            range,
            label: "X".to_owned(),
        };
        for bad in [edit(1, 0..1), edit(0, 0..9), edit(0, 1..2)] {
            let texts = ["é".to_owned()];
            assert_eq!(table.mask(SECRET, &texts, &[bad]), Err(MaskError::Outside));
        }
        let text: String = (0..=MAX_MASKS).map(|n| format!("{n:05}")).collect();
        let edits: Vec<_> = (0..=MAX_MASKS).map(|n| edit(0, n * 5..n * 5 + 5)).collect();
        assert_eq!(table.mask(SECRET, &[text], &edits), Err(MaskError::TooMany));
    }
}
