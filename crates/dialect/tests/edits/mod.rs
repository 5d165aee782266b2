//! Edits for tests, by what they replace.

use forebay_dialect::{PlaceEdit, Request};

/// Edits that replace each of these texts wherever a place of the request has it.
pub(crate) fn replacing(request: &Request, pairs: &[(&str, &str)]) -> Vec<PlaceEdit> {
    let mut edits = Vec::new();
    for (place, text) in (0..).zip(request.places().into_iter().map(|place| place.text)) {
        for (from, to) in pairs {
            edits.extend(text.match_indices(from).map(|(at, found)| PlaceEdit {
                place,
                range: at as u32..(at + found.len()) as u32,
                text: (*to).to_owned(),
            }));
        }
    }
    edits.sort_by_key(|edit| (edit.place, edit.range.start));
    edits
}
