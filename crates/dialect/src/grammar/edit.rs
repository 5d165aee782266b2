//! Edits of a request's places, made in the raw body so that no other byte changes.

use std::ops::Range;

use bytes::Bytes;

use super::place::{Place, PlaceKind, Slot};
use crate::json::{Document, Kind, Offsets, Span, Splice, json_string, splice};
use crate::request::{Request, RequestError};

/// Replaces a stretch of a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlaceEdit {
    /// Index of the place in [`Request::places`].
    pub place: u32,
    /// Bytes of the place's text. In JSON they lie within one string.
    pub range: Range<u32>,
    /// What to put there, unescaped.
    pub text: String,
}

/// Why edits can't be made. None of them has been made then.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EditError {
    /// There is no such place, or it can't be edited.
    #[error("there is no place {place} that can be edited")]
    NoSuchPlace {
        /// The place asked for.
        place: u32,
    },
    /// The range ends before it begins, beyond the place, or inside a character.
    #[error("{start}..{end} is not a range of characters of place {place}")]
    BadRange {
        /// The place.
        place: u32,
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
    /// A range in JSON is not within one string.
    #[error("{start}..{end} of place {place} is not within one JSON string")]
    NotInString {
        /// The place.
        place: u32,
        /// First byte asked for.
        start: u32,
        /// One past the last.
        end: u32,
    },
    /// The edited body is not a request any more.
    #[error("the edited request is not valid: {0}")]
    Unreadable(#[from] RequestError),
}

impl Request {
    /// Makes edits in the body, sorted by place and range. Afterwards the request is as if the
    /// client had sent it so: places of further edits are those of the edited request.
    ///
    /// # Errors
    ///
    /// When edits are out of order, overlap or name no editable range; the request is
    /// unchanged then.
    pub fn edit(&mut self, edits: &[PlaceEdit]) -> Result<(), EditError> {
        if edits.is_empty() {
            return Ok(());
        }
        let body = edited(&self.body, &self.places(), edits)?;
        *self = Request::parse(self.target.clone(), body)?;
        Ok(())
    }
}

/// A body with edits of its places made.
pub(super) fn edited(
    body: &Bytes,
    places: &[Place<'_>],
    edits: &[PlaceEdit],
) -> Result<Bytes, EditError> {
    refuse_disorder(edits)?;
    let text = std::str::from_utf8(body).unwrap_or_default();
    let mut splices = Vec::with_capacity(edits.len());
    for group in edits.chunk_by(|a, b| a.place == b.place) {
        let Some(first) = group.first() else { continue };
        let place = places.get(first.place as usize);
        let missing = EditError::NoSuchPlace { place: first.place };
        edit_place(place.ok_or(missing)?, group, text, &mut splices)?;
    }
    Ok(splice(body, splices))
}

fn refuse_disorder(edits: &[PlaceEdit]) -> Result<(), EditError> {
    if let Some(edit) = edits.iter().find(|edit| edit.range.start > edit.range.end) {
        return Err(bad_range(edit));
    }
    let disorder = edits.windows(2).position(|pair| match pair {
        [before, after] => (before.place, before.range.end) > (after.place, after.range.start),
        _ => false,
    });
    disorder.map_or(Ok(()), |index| {
        Err(EditError::OutOfOrder { index: index + 1 })
    })
}

/// Edits of one place, in order.
fn edit_place(
    place: &Place<'_>,
    edits: &[PlaceEdit],
    body: &str,
    splices: &mut Vec<Splice<'_>>,
) -> Result<(), EditError> {
    if matches!(place.kind, PlaceKind::Vocabulary | PlaceKind::Unreadable) {
        let first = edits.first().map_or(0, |edit| edit.place);
        return Err(EditError::NoSuchPlace { place: first });
    }
    for edit in edits {
        let range = edit.range.start as usize..edit.range.end as usize;
        if place.text.get(range).is_none() {
            return Err(bad_range(edit));
        }
    }
    if place.kind == PlaceKind::Json {
        refuse_outside_strings(&place.text, edits)?;
    }
    // What goes into JSON is escaped for it.
    let written = |edit: &PlaceEdit| match place.kind {
        PlaceKind::Json => escaped(&edit.text),
        _ => edit.text.clone(),
    };
    match &place.slot {
        Slot::Fixed => {
            let first = edits.first().map_or(0, |edit| edit.place);
            return Err(EditError::NoSuchPlace { place: first });
        }
        Slot::Value(span) => {
            for edit in edits {
                let span = Span {
                    start: span.start + edit.range.start,
                    end: span.start + edit.range.end,
                };
                splices.push(Splice::new(span, written(edit)));
            }
        }
        Slot::String(span) => {
            let content = span.inside();
            let mut offsets = Offsets::new(body.get(content.range()).unwrap_or_default());
            for edit in edits {
                let mut raw_of = |offset: u32| offsets.raw_of(offset as usize);
                let (Some(start), Some(end)) = (raw_of(edit.range.start), raw_of(edit.range.end))
                else {
                    return Err(bad_range(edit));
                };
                let span = Span {
                    start: content.start + start as u32,
                    end: content.start + end as u32,
                };
                splices.push(Splice::new(span, escaped(&written(edit))));
            }
        }
        Slot::Data(span, coding) => {
            let mut text = String::with_capacity(place.text.len());
            let mut kept = 0;
            for edit in edits {
                let (start, end) = (edit.range.start as usize, edit.range.end as usize);
                text.push_str(place.text.get(kept..start).unwrap_or_default());
                text.push_str(&edit.text);
                kept = end;
            }
            text.push_str(place.text.get(kept..).unwrap_or_default());
            splices.push(Splice::new(span.inside(), escaped(&coding.encode(&text))));
        }
    }
    Ok(())
}

/// A JSON string's content.
fn escaped(text: &str) -> String {
    let quoted = json_string(text);
    quoted[1..quoted.len() - 1].to_owned()
}

/// Ranges in JSON must begin and end between characters of one string.
fn refuse_outside_strings(json: &str, edits: &[PlaceEdit]) -> Result<(), EditError> {
    let document = Document::parse(json.as_bytes()).map_err(RequestError::Json)?;
    let mut strings = document
        .values()
        .filter(|value| value.kind() == Kind::String)
        .map(|value| value.span().inside());
    let mut string = strings.next();
    for edit in edits {
        while string.is_some_and(|span| span.end < edit.range.end) {
            string = strings.next();
        }
        let inside = string.filter(|span| span.start <= edit.range.start);
        let Some(span) = inside else {
            return Err(EditError::NotInString {
                place: edit.place,
                start: edit.range.start,
                end: edit.range.end,
            });
        };
        let mut offsets = Offsets::new(json.get(span.range()).unwrap_or_default());
        let mut is_boundary = |at: u32| offsets.decoded_of((at - span.start) as usize).is_some();
        if !is_boundary(edit.range.start) || !is_boundary(edit.range.end) {
            return Err(bad_range(edit));
        }
    }
    Ok(())
}

fn bad_range(edit: &PlaceEdit) -> EditError {
    EditError::BadRange {
        place: edit.place,
        start: edit.range.start,
        end: edit.range.end,
    }
}
