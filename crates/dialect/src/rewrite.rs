//! Payloads with other texts: the upstream's own with texts replaced, and new ones that carry
//! text that was held back.

use bytes::Bytes;

use crate::canonical::Channel;
use crate::formats::format;
use crate::json::{Document, Splice, json_string, splice};
use crate::payload::Payload;
use crate::spelled::beside;

impl Payload {
    /// The payload with its texts replaced: one entry for each of [`Payload::texts`], in their
    /// order; none leaves the text as it is, and so does a list that is too short.
    /// `drop_unreadable` also makes null of all that may hold output but can't be judged as
    /// text: log probabilities of other texts than those that stay, token ids, unknown fields. No other
    /// byte changes.
    pub fn rewrite(&self, texts: &[Option<String>], drop_unreadable: bool) -> Bytes {
        let mut splices = Vec::new();
        for (delta, text) in self.texts.iter().zip(texts) {
            let Some(text) = text.as_ref().filter(|text| **text != delta.text) else {
                continue;
            };
            let written = if delta.raw {
                json_or_nothing(text)
            } else {
                json_string(text)
            };
            if let Some(twin) = delta.twin {
                splices.push(Splice::new(twin, written.clone()));
            }
            splices.push(Splice::new(delta.span, written));
        }
        if drop_unreadable {
            // Texts that go out as they came may be spelled once more.
            let kept = self.texts.iter().zip(texts);
            let kept: Vec<&str> = kept
                .filter(|(delta, text)| text.as_ref().is_none_or(|text| *text == delta.text))
                .map(|(delta, _)| delta.text.as_str())
                .collect();
            let spells = format(self.wire).ways.spells;
            splices.extend(self.unreadable.iter().map(|span| {
                let spelled = spells.then(|| beside(self.text(*span), &kept)).flatten();
                Splice::new(*span, spelled.unwrap_or_else(|| "null".to_owned()))
            }));
        }
        splice(&self.raw, splices)
    }

    /// A payload of the same stream that carries these texts and nothing else. Texts of one
    /// choice go into one delta where the format has such, those of one channel joined. None
    /// where the format has no payload that could carry one of them.
    pub fn synthesise(&self, texts: &[(u32, Channel, String)]) -> Vec<Bytes> {
        (format(self.wire).synthesise)(self, texts)
    }
}

/// Text that stands for a JSON value. What is none any more after a guard has cut it says nothing.
fn json_or_nothing(text: &str) -> String {
    match Document::parse(text.as_bytes()) {
        Ok(_) => text.to_owned(),
        Err(_) => "{}".to_owned(),
    }
}
