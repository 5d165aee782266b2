//! Folds a stream into the body of the same answer by the format's table, and leaves nothing of
//! it out: images, code that was run, sources and ratings stay as Google sent them.

use bytes::Bytes;

use super::error::read_error;
use super::grammar::ANSWER;
use super::names::name_of;
use crate::contract::failure::ConvertError;
use crate::grammar::gather::{self, Gathered, Members};
use crate::json::Value;

/// The answer that a stream's events amount to.
///
/// # Errors
///
/// When an event is no JSON or an error, or none has a candidate or says that there is none.
pub(crate) fn fold(events: &[Bytes]) -> Result<Bytes, ConvertError> {
    let fails = |root: Value<'_>| read_error(root).is_some();
    let mut whole = gather::fold(events, fails, |whole, root| {
        whole.add(root, &ANSWER, name_of);
        Ok(())
    })?;
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
