//! Folds a stream into the body of the same answer by the format's table, and leaves nothing of
//! it out: images, code that was run, sources and ratings stay as Google sent them.

use bytes::Bytes;

use super::error::read_error;
use super::grammar::ANSWER;
use super::names::name_of;
use crate::contract::failure::ConvertError;
use crate::grammar::gather::{Gathered, Members};
use crate::json::Document;
use crate::payload::PayloadError;

/// The answer that a stream's events amount to.
///
/// # Errors
///
/// When an event is no JSON or an error, or none has a candidate or says that there is none.
pub(crate) fn fold(events: &[Bytes]) -> Result<Bytes, ConvertError> {
    let mut whole = Members::default();
    for event in events {
        let document = Document::parse(event).map_err(PayloadError::from)?;
        if read_error(document.root()).is_some() {
            return Err(ConvertError::Upstream);
        }
        whole.add(document.root(), &ANSWER, name_of);
    }
    let blocked = whole.get("promptFeedback").is_some();
    match whole.list("candidates").filter(|list| !list.is_empty()) {
        Some(candidates) => candidates.values_mut().for_each(complete),
        None if blocked => {}
        None => return Err(ConvertError::Empty),
    }
    Ok(whole.json().into())
}

/// Adds to a candidate what every whole one has.
fn complete(candidate: &mut Members) {
    candidate.or_insert("content", Gathered::Object(Members::default()));
    if let Some(Gathered::Object(content)) = candidate.get("content") {
        content.or_insert("role", Gathered::Json("\"model\"".to_owned()));
        content.or_insert("parts", Gathered::Items(String::new()));
    }
}
