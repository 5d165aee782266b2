//! Labels on their way through the output guard: ids, names, titles, URLs and the like. Each is judged
//! as a stretch of its own, once an answer; what a mask rule matches is written anew.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use forebay_dialect::canonical::Channel;
use forebay_dialect::{Label, LabelKind, Payload, PayloadError, Strings};

use crate::enter::identity::keyed;
use crate::policy::{Delta, Reason};

/// The most labels that are remembered as judged, and how long each may be: an answer has a few ids and
/// names, again and again. One that is not remembered is judged again.
const KNOWN: usize = 1_024;
const KNOWN_BYTES: usize = 256;

/// How much of an identifier is kept beside what makes it unlike others: with that, tools' names stay
/// under 64 bytes, the least that a provider allows.
const KEPT: usize = 40;

/// The most that is kept of a name that comes in pieces, in bytes: providers allow 64 to 128.
const LONGEST_NAME: usize = 4 << 10;

/// What a client has sent: what comes back to it is no news, so it is not judged.
#[derive(Clone)]
pub(crate) struct Sent {
    pub(crate) model: Arc<str>,
    pub(crate) body: Bytes,
}

/// The labels of one answer.
pub(crate) struct Labels {
    /// Unlike for every answer: no upstream can choose the number of a label's stretch, and nobody can
    /// try out which identifier was masked.
    secret: [u8; 16],
    sent: Sent,
    /// The strings of the client's body, once they are asked for.
    strings: Option<Strings>,
    /// Judged and found to be without a match.
    clean: HashSet<String>,
    /// The names of a stream's calls as far as they have come: some servers send them in pieces.
    names: HashMap<(u32, u32), Name>,
}

/// The name of a call.
#[derive(Default)]
struct Name {
    /// What the upstream has said.
    said: String,
    /// What the guard has let go of that.
    released: String,
}

/// Short strings that are with the guard, each as a stretch of its own.
#[derive(Default)]
pub(crate) struct Asked {
    strings: Vec<(Channel, String)>,
    /// What was released of each.
    released: Vec<Option<String>>,
    /// The number of the first one's stretch.
    first: u32,
}

impl Labels {
    pub(crate) fn new(secret: [u8; 16], sent: Sent) -> Self {
        Self {
            secret,
            sent,
            strings: None,
            clean: HashSet::new(),
            names: HashMap::new(),
        }
    }

    /// The labels of a payload that have to be judged.
    pub(crate) fn of(&mut self, payload: &Payload) -> Result<Vec<Label>, PayloadError> {
        let mut labels = payload.labels()?;
        labels.retain(|label| self.begun(label).is_some() || !self.is_known(label));
        Ok(labels)
    }

    /// What has come before of a name that comes in pieces.
    fn begun(&self, label: &Label) -> Option<&Name> {
        let name = self.names.get(&label.call?)?;
        (!name.said.is_empty()).then_some(name)
    }

    /// What is judged of a label: of a name in pieces all that has come of it.
    pub(crate) fn judged(&self, label: &Label) -> String {
        match self.begun(label) {
            Some(name) => name.said.clone() + &label.text,
            None => label.text.clone(),
        }
    }

    /// Why an answer ends: a match in a name whose first pieces have gone out.
    pub(crate) fn torn(&self, labels: &[Label], asked: &Asked) -> Option<Reason> {
        let torn = labels.iter().enumerate().any(|(at, label)| {
            self.begun(label).is_some_and(|name| {
                let goes_on = |words: &str| {
                    words.strip_prefix(name.released.as_str()) == Some(label.text.as_str())
                };
                asked.outcome(at).is_some_and(|words| !goes_on(words))
            })
        });
        torn.then(|| Reason {
            code: "unmaskable".to_owned(),
            detail: "a rule found a match in a tool's name that came in pieces, the first of which have gone out".to_owned(),
        })
    }

    fn note(&mut self, label: &Label, released: Option<&str>) {
        let Some(call) = label.call else { return };
        if !self.names.contains_key(&call) && self.names.len() >= KNOWN {
            return;
        }
        let name = self.names.entry(call).or_default();
        let begun = !name.said.is_empty();
        name.said.push_str(&label.text);
        match released.filter(|_| !begun) {
            Some(words) => name.released = words.to_owned(),
            None => name.released.push_str(&label.text),
        }
        // Longer than any name: what came first can't belong to a match any more.
        if name.said.len() > LONGEST_NAME {
            *name = Name::default();
        }
    }

    /// Strings as they are given to the guard.
    pub(crate) fn asked(&self, strings: Vec<(Channel, String)>) -> Asked {
        let [a, b, c, ..] = self.secret;
        Asked {
            released: vec![None; strings.len()],
            strings,
            // Above the numbers of choices and blocks, where no upstream expects it.
            first: u32::from_be_bytes([0x40 | a & 0x3f, b, c & 0xf0, 0]),
        }
    }

    fn is_known(&mut self, label: &Label) -> bool {
        if self.clean.contains(&label.text) {
            return true;
        }
        if label.kind != LabelKind::Echo {
            return false;
        }
        let strings = self
            .strings
            .get_or_insert_with(|| Strings::of(&self.sent.body));
        *label.text == *self.sent.model || strings.contains(&label.text)
    }

    /// The payload as the guard has released its labels.
    pub(crate) fn settle(
        &mut self,
        payload: Payload,
        labels: &[Label],
        asked: &Asked,
    ) -> Result<Payload, PayloadError> {
        let mut changed = Vec::new();
        for (at, label) in labels.iter().enumerate() {
            let outcome = asked.outcome(at);
            let goes_on = self.begun(label).is_some();
            match outcome {
                None if !goes_on => self.remember(&label.text),
                Some(words) if !goes_on => changed.push((label, self.rewritten(label, words))),
                // Judged with what came before it: it goes out as it is, or the answer has ended.
                _ => {}
            }
            self.note(label, outcome);
        }
        match changed.is_empty() {
            true => Ok(payload),
            false => payload.relabelled(&changed),
        }
    }

    fn remember(&mut self, text: &str) {
        if self.clean.len() < KNOWN && text.len() <= KNOWN_BYTES {
            self.clean.insert(text.to_owned());
        }
    }

    /// What stands in the place of a label that a rule has masked. Identifiers are mapped one to one, so
    /// that a call and its result still find each other.
    fn rewritten(&self, label: &Label, words: &str) -> String {
        match label.kind {
            LabelKind::Words => words.to_owned(),
            LabelKind::Identifier | LabelKind::Echo => self.identifier(&label.text, words),
        }
    }

    fn identifier(&self, old: &str, words: &str) -> String {
        let tag = keyed(&self.secret, &[b"forebay label v1", old.as_bytes()]);
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        let mut out: String = words
            .chars()
            .take(KEPT)
            .map(|c| if plain(c) { c } else { '_' })
            .collect();
        for byte in &tag[..8] {
            out.push_str(&format!("{byte:02x}"));
        }
        out
    }
}

impl Asked {
    /// What the guard is given.
    pub(crate) fn deltas(&self) -> impl Iterator<Item = Delta> {
        (0_u32..)
            .zip(&self.strings)
            .map(|(at, (channel, text))| Delta {
                choice: self.first.wrapping_add(at),
                channel: *channel,
                text: text.clone(),
            })
    }

    /// Takes what was released of these strings out of all that was released.
    pub(crate) fn take(&mut self, released: &mut Vec<Delta>) {
        let (first, mine) = (self.first, &mut self.released);
        released.retain_mut(|delta| {
            if !delta.channel.is_label() {
                return true;
            }
            let at = delta.choice.wrapping_sub(first) as usize;
            if let Some(known) = mine.get_mut(at) {
                known
                    .get_or_insert_default()
                    .push_str(&std::mem::take(&mut delta.text));
            }
            false
        });
    }

    /// The stretches of which something has not been released yet: a guard that waits for their ends
    /// has to be told.
    pub(crate) fn held(&self) -> Vec<u32> {
        let stretches = (0_u32..).zip(self.strings.iter().zip(&self.released));
        stretches
            .filter(|(_, ((_, text), released))| {
                let released = released.as_deref().unwrap_or_default();
                released.len() < text.len() && text.starts_with(released)
            })
            .map(|(at, _)| self.first.wrapping_add(at))
            .collect()
    }

    /// What became of a string; none where it may go out as it is. Of what a guard never let go, all is
    /// withheld.
    pub(crate) fn outcome(&self, at: usize) -> Option<&str> {
        let (_, text) = self.strings.get(at)?;
        match self.released.get(at)? {
            Some(released) if released == text => None,
            Some(released) => Some(released),
            None => Some(WITHHELD),
        }
    }
}

/// Stands for what a guard never let go.
const WITHHELD: &str = "[WITHHELD]";

#[cfg(test)]
mod tests;
