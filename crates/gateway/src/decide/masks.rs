//! Reversible masks: keyed placeholders go upstream and into the store, values come back only to their client.
//!
//! A placeholder depends on the tenant's secret, the label and, as configured, the value's place in
//! the prompt or the value itself. By place, two clients of a tenant who differ only in private values
//! send the same masked prompt and share an answer. By value, a conversation keeps its placeholders
//! however its client cuts it. A placeholder that a client writes itself is escaped; one that is not
//! in this request's table is never restored.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;

use forebay_dialect::canonical::{Channel, Part, Prompt};
use forebay_dialect::{Payload, Swap, TextEdit};

use crate::config::Placeholders;
use crate::decide::places::PartEdit as Edit;
use crate::decide::putback::{LOOKED_AT, written};
use crate::identity::keyed;
use crate::policy::PolicyError;

/// The masks of one request. It does not print: its values are what must not rest anywhere.
///
/// Every lookup is by hash or in a sorted list: a prompt may hold very many private values, and
/// very many texts that only look like placeholders.
#[derive(Clone, Default)]
pub(crate) struct MaskTable {
    entries: Vec<Mask>,
    /// Where the mask of a label and a value is.
    of_value: HashMap<(String, String), usize>,
    /// How many values a label has.
    counts: HashMap<String, u64>,
    /// Where the mask with a placeholder is, in the placeholders' order.
    by_placeholder: BTreeMap<String, usize>,
    /// The lengths that placeholders have, each once: a handful.
    lengths: BTreeSet<usize>,
    /// Some stand within names and ids, in a form of their own.
    has_names: bool,
}

#[derive(Clone)]
struct Mask {
    placeholder: String,
    value: String,
}

/// What placeholders are made with.
#[derive(Clone, Copy)]
pub(crate) struct Maker<'s> {
    /// The tenant's.
    pub(crate) secret: &'s [u8; 32],
    /// What else decides.
    pub(crate) by: Placeholders,
}

/// A value of fewer bytes says too little to be looked for where no rule found it.
const TELLING: usize = 6;

/// What the placeholders within names and ids begin with. Brackets are not allowed there.
const NAME: &str = "XMASK_";

impl std::fmt::Debug for MaskTable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "MaskTable({} masks)", self.entries.len())
    }
}

/// The most distinct values one prompt may have masked: an address on every line of a 500 KB list.
/// Each takes about 200 bytes here for as long as its answer lasts.
pub(crate) const MAX_MASKS: usize = 16_384;

/// Why masks can't be put in.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum MaskError {
    /// The client's prompt has too many.
    #[error(
        "the prompt contains more than {MAX_MASKS} different values that have to be masked; split it"
    )]
    TooMany,
    /// The policy's edits make no sense.
    #[error(transparent)]
    Policy(#[from] PolicyError),
}

impl MaskTable {
    /// Makes the table of a verdict's edits, and the edits of the prompt's text that put the masks in.
    /// `values` are those that were found outside of parts, and their labels. All masked values are
    /// swapped wherever else the request holds them.
    pub(crate) fn build(
        maker: Maker<'_>,
        prompt: &Prompt,
        edits: &[Edit],
        values: &[(String, String)],
    ) -> Result<(Self, Vec<TextEdit>, Vec<Swap>), MaskError> {
        let mut table = Self::default();
        let mut out = Vec::with_capacity(edits.len());
        for edit in edits {
            let text = part_text(prompt, edit.message, edit.part)
                .and_then(|text| text.get(edit.start as usize..edit.end as usize))
                .ok_or_else(|| {
                    nonsense(format!(
                        "an edit lies outside message {} part {}",
                        edit.message, edit.part
                    ))
                })?;
            let placeholder = table.placeholder(maker, &edit.label, text)?;
            out.push(TextEdit {
                message: edit.message,
                part: edit.part,
                range: edit.start..edit.end,
                text: placeholder,
            });
        }
        let swaps = table.swaps(maker, values)?;
        table.lengths = table.by_placeholder.keys().map(String::len).collect();
        out.sort_by_key(|edit| (edit.message, edit.part, edit.range.start));
        let impostors = table.impostors(prompt, &out);
        out.extend(impostors);
        out.sort_by_key(|edit| (edit.message, edit.part, edit.range.start));
        Ok((table, out, swaps))
    }

    /// Every value that is masked, to be swapped wherever else it stands: those of places that are no
    /// parts anywhere, those of parts where they are words of their own.
    fn swaps(
        &mut self,
        maker: Maker<'_>,
        values: &[(String, String)],
    ) -> Result<Vec<Swap>, MaskError> {
        let mut found: BTreeMap<&str, &str> = BTreeMap::new();
        for (value, label) in values {
            found.entry(value).or_insert(label);
        }
        for (value, label) in &found {
            self.placeholder(maker, label, value)?;
        }
        let mut swaps = BTreeMap::new();
        for (at, mask) in self.entries.iter().enumerate() {
            let anywhere = found.contains_key(mask.value.as_str());
            if swaps.contains_key(&mask.value) || !anywhere && mask.value.len() < TELLING {
                continue;
            }
            let name = format!("{NAME}{}", mask.placeholder.trim_matches(['[', ']']));
            self.by_placeholder.insert(name.clone(), at);
            let swap = Swap {
                value: mask.value.clone(),
                words: mask.placeholder.clone(),
                name,
                whole: !anywhere,
            };
            swaps.insert(mask.value.clone(), swap);
        }
        self.has_names = !swaps.is_empty();
        Ok(swaps.into_values().collect())
    }

    /// Where the next placeholder may begin.
    fn next(&self, text: &str) -> Option<usize> {
        match self.has_names {
            true => text.find(['[', 'X']),
            false => text.find('['),
        }
    }

    /// Whether a text holds a placeholder.
    fn is_in(&self, text: &str) -> bool {
        let mut rest = text;
        while let Some(at) = self.next(rest) {
            rest = &rest[at..];
            if self.at(rest).is_some() {
                return true;
            }
            rest = &rest[1..];
        }
        false
    }

    /// A payload with values in the place of the placeholders among its ids, names and other labels;
    /// none where there are none.
    pub(crate) fn relabelled(&self, payload: &Payload) -> Option<Payload> {
        let raw = std::str::from_utf8(&payload.raw).ok()?;
        if !self.is_in(raw) {
            return None;
        }
        let labels = payload.labels().ok()?;
        let changed: Vec<_> = labels
            .iter()
            .filter(|label| self.is_in(&label.text))
            .map(|label| (label, self.restore(Channel::Content, &label.text)))
            .collect();
        if changed.is_empty() {
            return None;
        }
        payload.relabelled(&changed).ok()
    }

    /// Whether nothing was masked.
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn placeholder(
        &mut self,
        maker: Maker<'_>,
        label: &str,
        value: &str,
    ) -> Result<String, MaskError> {
        let known = (label.to_owned(), value.to_owned());
        #[cfg(test)]
        super::growth::work(1);
        if let Some(&at) = self.of_value.get(&known) {
            return Ok(self.entries[at].placeholder.clone());
        }
        if self.entries.len() >= MAX_MASKS {
            return Err(MaskError::TooMany);
        }
        let placeholder = match maker.by {
            Placeholders::Position => {
                let ordinal = self.counts.entry(label.to_owned()).or_default();
                *ordinal += 1;
                let parts: [&[u8]; 3] =
                    [b"forebay mask v1", label.as_bytes(), &ordinal.to_be_bytes()];
                let tag = keyed(maker.secret, &parts);
                format!("[{label}_{ordinal}_{}]", hex::encode(&tag[..4]))
            }
            Placeholders::Value => self.of(maker, label, value).ok_or(MaskError::TooMany)?,
        };
        let at = self.entries.len();
        self.of_value.insert(known, at);
        self.by_placeholder.insert(placeholder.clone(), at);
        self.entries.push(Mask {
            placeholder: placeholder.clone(),
            value: value.to_owned(),
        });
        Ok(placeholder)
    }

    /// The placeholder of a value: 48 bits of its HMAC. Of two values that have the same one in a prompt,
    /// the second takes the next.
    fn of(&self, maker: Maker<'_>, label: &str, value: &str) -> Option<String> {
        let (label_bytes, value) = (label.as_bytes(), value.as_bytes());
        (0..=MAX_MASKS as u64)
            .map(|attempt| {
                let parts: [&[u8]; 4] = [
                    b"forebay mask of a value v1",
                    label_bytes,
                    value,
                    &attempt.to_be_bytes(),
                ];
                let tag = keyed(maker.secret, &parts);
                let number = u16::from_be_bytes([tag[0], tag[1]]);
                format!("[{label}_{number}_{}]", hex::encode(&tag[2..6]))
            })
            .find(|placeholder| !self.by_placeholder.contains_key(placeholder))
    }

    /// Where the client wrote one of these placeholders itself, it is escaped with a tilde. `edits` are
    /// the masks', in order.
    fn impostors(&self, prompt: &Prompt, edits: &[TextEdit]) -> Vec<TextEdit> {
        let mut out = Vec::new();
        for (message, m) in prompt.messages.iter().enumerate() {
            for part in 0..m.parts.len() {
                let (message, part) = (message as u32, part as u32);
                let Some(text) = part_text(prompt, message, part) else {
                    continue;
                };
                let heads = |c| c == '[' || self.has_names && c == 'X';
                for (start, head) in text.match_indices(heads) {
                    if self.at(&text[start..]).is_none() {
                        continue;
                    }
                    let place = (message, part, start as u32);
                    // The last edit that begins at or before it: edits do not overlap.
                    let before =
                        edits.partition_point(|e| (e.message, e.part, e.range.start) <= place);
                    let taken = before.checked_sub(1).is_some_and(|i| {
                        let e = &edits[i];
                        (e.message, e.part) == (message, part) && place.2 < e.range.end
                    });
                    if !taken {
                        out.push(TextEdit {
                            message,
                            part,
                            range: place.2..place.2 + 1,
                            text: format!("{head}~"),
                        });
                    }
                }
            }
        }
        out
    }

    /// The mask whose placeholder `text` begins with.
    fn at(&self, text: &str) -> Option<&Mask> {
        self.found(text).map(|(_, mask)| mask)
    }

    /// The same with the placeholder's length. Of two the longer counts: names have no end of their own.
    fn found(&self, text: &str) -> Option<(usize, &Mask)> {
        #[cfg(test)]
        super::growth::work(self.lengths.len());
        self.lengths.iter().rev().find_map(|&length| {
            let at = self.by_placeholder.get(text.get(..length)?)?;
            Some((length, self.entries.get(*at)?))
        })
    }

    /// Puts the values back into a whole text, each as its place there demands.
    pub(crate) fn restore(&self, channel: Channel, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        self.restore_into(channel, text, &mut out);
        out
    }

    fn restore_into(&self, channel: Channel, text: &str, out: &mut String) {
        let mut rest = text;
        while let Some(at) = self.next(rest) {
            out.push_str(&rest[..at]);
            rest = &rest[at..];
            match self.found(rest) {
                Some((length, mask)) => {
                    let value = written(channel, out, &mask.value);
                    out.push_str(&value);
                    rest = &rest[length..];
                }
                None => {
                    out.push_str(&rest[..1]);
                    rest = &rest[1..];
                }
            }
        }
        out.push_str(rest);
    }

    /// Where an unfinished placeholder may begin at the end of `text`.
    fn unfinished(&self, text: &str) -> usize {
        let longest = self.lengths.last().copied().unwrap_or(0);
        let from = text.len().saturating_sub(longest);
        let from = (from..=text.len())
            .find(|&i| text.is_char_boundary(i))
            .unwrap_or(text.len());
        #[cfg(test)]
        super::growth::work(text.len() - from);
        text[from..]
            .match_indices(|c| c == '[' || self.has_names && c == 'X')
            .map(|(at, _)| from + at)
            .find(|&at| {
                let begun = &text[at..];
                // The placeholders that begin so stand together.
                self.by_placeholder
                    .range::<str, _>((Bound::Excluded(begun), Bound::Unbounded))
                    .next()
                    .is_some_and(|(placeholder, _)| placeholder.starts_with(begun))
            })
            .unwrap_or(text.len())
    }
}

/// Restores masks in a stream: a placeholder may be split over any number of events.
#[derive(Debug)]
pub(crate) struct Restorer {
    table: Box<MaskTable>,
    /// What is held of each channel: never longer than the longest placeholder.
    held: BTreeMap<(u32, Channel), String>,
    /// The end of what has gone out of each channel.
    said: BTreeMap<(u32, Channel), String>,
}

impl Restorer {
    /// A restorer of these masks.
    pub(crate) fn new(table: MaskTable) -> Self {
        Self {
            table: Box::new(table),
            held: BTreeMap::new(),
            said: BTreeMap::new(),
        }
    }

    /// A payload with values among its labels; none where it has no masks there.
    pub(crate) fn relabelled(&self, payload: &Payload) -> Option<Payload> {
        self.table.relabelled(payload)
    }

    /// Takes a piece of one channel and gives what can go out.
    pub(crate) fn push(&mut self, choice: u32, channel: Channel, text: &str) -> String {
        let held = self.held.entry((choice, channel)).or_default();
        let mut whole = std::mem::take(held);
        whole.push_str(text);
        let cut = self.table.unfinished(&whole);
        *held = whole.split_off(cut);
        let said = self.said.entry((choice, channel)).or_default();
        let before = said.len();
        self.table.restore_into(channel, &whole, said);
        let out = said[before..].to_owned();
        let old = said.floor_char_boundary(said.len().saturating_sub(LOOKED_AT));
        // Not with every piece: moving what is kept costs as much as it is long.
        if old > LOOKED_AT {
            said.drain(..old);
        }
        out
    }

    /// Gives what is still held of a choice, or of all.
    pub(crate) fn finish(&mut self, choice: Option<u32>) -> Vec<(u32, Channel, String)> {
        let (first, last) = match choice {
            Some(choice) => (choice, choice),
            None => (0, u32::MAX),
        };
        // Stretches that have ended leave nothing behind: answers of many items have many.
        let of = (first, Channel::Content)..=(last, Channel::Annotation(u32::MAX));
        let ended: Vec<_> = self.said.range(of).map(|(at, _)| *at).collect();
        let mut out = Vec::new();
        for at in ended {
            self.said.remove(&at);
            if let Some(text) = self.held.remove(&at).filter(|text| !text.is_empty()) {
                out.push((at.0, at.1, text));
            }
        }
        out
    }
}

fn part_text(prompt: &Prompt, message: u32, part: u32) -> Option<&str> {
    match prompt
        .messages
        .get(message as usize)?
        .parts
        .get(part as usize)?
    {
        Part::Text(text) => Some(text),
        Part::ToolCall(call) => Some(&call.arguments),
        Part::Opaque(opaque) => Some(&opaque.json),
    }
}

fn nonsense(detail: String) -> MaskError {
    MaskError::Policy(PolicyError::Nonsense {
        policy: "guardrails",
        detail,
    })
}

#[cfg(test)]
mod tests;
