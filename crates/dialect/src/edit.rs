//! Edits of a prompt's text, made in the raw body so that no other byte changes.

use std::ops::Range;

use crate::canonical::Part;
use crate::json::{
    Document, Offsets, Span, Splice, StringPlace, json_string, splice, write_canonical_with_places,
};
use crate::request::{Request, RequestError};

/// Replaces a stretch of a part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextEdit {
    /// Index of the message.
    pub message: u32,
    /// Index of the part within the message.
    pub part: u32,
    /// Bytes of the part's text, of a call's arguments, or of an opaque part's canonical JSON.
    pub range: Range<u32>,
    /// What to put there, unescaped.
    pub text: String,
}

/// Why edits can't be made. None of them has been made then.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EditError {
    /// There is no such part, or nothing in it that can be edited.
    #[error("message {message} has no part {part} that can be edited")]
    NoSuchPart {
        /// The message asked for.
        message: u32,
        /// The part asked for.
        part: u32,
    },
    /// The range ends before it begins, beyond the part, or inside a character or an escape.
    #[error("{start}..{end} is not a range of characters in part {part} of message {message}")]
    BadRange {
        /// The message.
        message: u32,
        /// The part.
        part: u32,
        /// First byte asked for.
        start: u32,
        /// One past the last.
        end: u32,
    },
    /// An edit begins before the one ahead of it has ended.
    #[error("edit {index} overlaps the one before it, or is out of order")]
    OutOfOrder {
        /// The edit's position in the list.
        index: usize,
    },
    /// A range in an opaque part is not within one string value.
    #[error("{start}..{end} of part {part} of message {message} is not within one JSON string")]
    NotInString {
        /// The message.
        message: u32,
        /// The part.
        part: u32,
        /// First byte asked for.
        start: u32,
        /// One past the last.
        end: u32,
    },
    /// The edited body is no request any more.
    #[error("the edited request is not valid: {0}")]
    Unreadable(#[from] RequestError),
}

impl Request {
    /// Makes edits in the body and in the prompt. Afterwards the request is as if the client
    /// had sent it so: offsets of further edits count in the edited prompt.
    ///
    /// # Errors
    ///
    /// When edits are out of order, overlap or name no editable range; the request is
    /// unchanged then.
    pub fn edit(&mut self, edits: &[TextEdit]) -> Result<(), EditError> {
        if edits.is_empty() {
            return Ok(());
        }
        refuse_disorder(edits)?;
        let text = std::str::from_utf8(&self.body).unwrap_or_default();
        let mut splices = Vec::with_capacity(edits.len());
        let same_part = |a: &TextEdit, b: &TextEdit| (a.message, a.part) == (b.message, b.part);
        for group in edits.chunk_by(same_part) {
            self.edit_part(group, text, &mut splices)?;
        }
        let body = splice(&self.body, splices);
        *self = Request::parse(self.target.clone(), body)?;
        Ok(())
    }

    /// Edits of one part, in order.
    fn edit_part<'e>(
        &self,
        edits: &'e [TextEdit],
        text: &str,
        splices: &mut Vec<Splice<'e>>,
    ) -> Result<(), EditError> {
        let Some(first) = edits.first() else {
            return Ok(());
        };
        let (message, part) = (first.message as usize, first.part as usize);
        let missing = EditError::NoSuchPart {
            message: first.message,
            part: first.part,
        };
        let place = self
            .places
            .get(message)
            .and_then(|places| places.get(part))
            .copied();
        let parts = self
            .prompt
            .messages
            .get(message)
            .and_then(|m| m.parts.get(part));
        let (Some(Some(place)), Some(part)) = (place, parts) else {
            return Err(missing);
        };
        match part {
            Part::Text(_) | Part::ToolCall(_) if is_string(text, place) => {
                let content = place.inside();
                let raw = text.get(content.range()).unwrap_or_default();
                let mut offsets = Offsets::new(raw);
                for edit in edits {
                    let start = offsets.raw_of(edit.range.start as usize);
                    let end = offsets.raw_of(edit.range.end as usize);
                    splices.push(replacement(edit, content, start, end)?);
                }
            }
            // Also a call's arguments where they are an object: the prompt has them canonical.
            _ => {
                let raw = text.get(place.range()).unwrap_or_default();
                let document = Document::parse(raw.as_bytes()).map_err(RequestError::Json)?;
                let mut canonical = String::with_capacity(raw.len());
                let strings = write_canonical_with_places(document.root(), &mut canonical);
                let mut opaque = Opaque {
                    part: place,
                    raw,
                    canonical: &canonical,
                    strings: &strings,
                    at: None,
                };
                for edit in edits {
                    splices.push(opaque.replacement(edit)?);
                }
            }
        }
        Ok(())
    }
}

fn is_string(text: &str, place: Span) -> bool {
    text.as_bytes().get(place.start as usize) == Some(&b'"')
}

fn refuse_disorder(edits: &[TextEdit]) -> Result<(), EditError> {
    if let Some(edit) = edits.iter().find(|edit| edit.range.start > edit.range.end) {
        return Err(bad_range(edit));
    }
    let overlap = edits.windows(2).position(|pair| match pair {
        [before, after] => {
            (before.message, before.part, before.range.end)
                > (after.message, after.part, after.range.start)
        }
        _ => false,
    });
    overlap.map_or(Ok(()), |index| {
        Err(EditError::OutOfOrder { index: index + 1 })
    })
}

/// Replaces the raw bytes from `start` to `end` of a string's content.
fn replacement<'e>(
    edit: &TextEdit,
    content: Span,
    start: Option<usize>,
    end: Option<usize>,
) -> Result<Splice<'e>, EditError> {
    let (Some(start), Some(end)) = (start, end) else {
        return Err(bad_range(edit));
    };
    let span = Span {
        start: content.start + start as u32,
        end: content.start + end as u32,
    };
    let quoted = json_string(&edit.text);
    Ok(Splice::new(span, quoted[1..quoted.len() - 1].to_owned()))
}

/// A part that the prompt has as canonical JSON, and the string that was edited last: edits come in order,
/// so each string is found by halving and walked once.
struct Opaque<'t> {
    part: Span,
    raw: &'t str,
    canonical: &'t str,
    /// In the order of their places.
    strings: &'t [StringPlace],
    at: Option<At<'t>>,
}

/// How far the edits of one string have come. Canonical and raw text escape differently; what they have in
/// common is decoded text.
struct At<'t> {
    index: usize,
    decoded: Offsets<'t>,
    raw: Offsets<'t>,
}

impl<'t> Opaque<'t> {
    fn replacement<'e>(&mut self, edit: &TextEdit) -> Result<Splice<'e>, EditError> {
        let Range { start, end } = edit.range;
        let after = self
            .strings
            .partition_point(|place| place.canonical.start <= start);
        let found = after
            .checked_sub(1)
            .and_then(|index| Some((index, self.strings.get(index)?)))
            .filter(|(_, place)| end <= place.canonical.end);
        let Some((index, place)) = found else {
            return Err(EditError::NotInString {
                message: edit.message,
                part: edit.part,
                start,
                end,
            });
        };
        let (raw, canonical) = (self.raw, self.canonical);
        let at = self
            .at
            .take_if(|at| at.index == index)
            .unwrap_or_else(|| At {
                index,
                decoded: Offsets::new(canonical.get(place.canonical.range()).unwrap_or_default()),
                raw: Offsets::new(raw.get(place.raw.range()).unwrap_or_default()),
            });
        let at = self.at.insert(at);
        let mut raw_of = |offset: u32| {
            let offset = at
                .decoded
                .decoded_of((offset - place.canonical.start) as usize)?;
            at.raw.raw_of(offset)
        };
        let (start, end) = (raw_of(start), raw_of(end));
        let content = Span {
            start: self.part.start + place.raw.start,
            end: self.part.start + place.raw.end,
        };
        replacement(edit, content, start, end)
    }
}

fn bad_range(edit: &TextEdit) -> EditError {
    let TextEdit {
        message,
        part,
        ref range,
        ..
    } = *edit;
    EditError::BadRange {
        message,
        part,
        start: range.start,
        end: range.end,
    }
}
