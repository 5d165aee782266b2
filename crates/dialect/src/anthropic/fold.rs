//! A stream's events as the whole answer they amount to, by the format's table. Members that
//! nobody here knows, and blocks that only Anthropic has, come out as they came.

use bytes::Bytes;

use super::error::read_error;
use super::grammar::{ABOUT, BEGUN_BLOCK, DELTA, MESSAGE};
use super::stream_read::index;
use crate::contract::failure::ConvertError;
use crate::fields::name_of;
use crate::grammar::gather::{self, Gathered, Members, PLAIN};
use crate::json::Value;
use crate::payload::PayloadError;

/// Folds events into a message.
///
/// # Errors
///
/// When an event is none of its format or an error, or the message never began.
pub(crate) fn fold(events: &[Bytes]) -> Result<Bytes, ConvertError> {
    let kind_of = |root: Value<'_>| root.text("type").unwrap_or_default().into_owned();
    let fails = |root: Value<'_>| {
        matches!(kind_of(root).as_str(), "error" | "") && read_error(root).is_some()
    };
    let message = gather::fold(events, fails, |message, root| {
        let kind = kind_of(root);
        match root.get("message") {
            _ if !message.is_empty() => add(message, &kind, root)?,
            Some(begun) if kind == "message_start" => {
                message.add(begun, &MESSAGE, name_of);
                message.set("content", Gathered::numbered());
            }
            _ => {}
        }
        Ok(())
    })?;
    match message.is_empty() {
        true => Err(ConvertError::Empty),
        false => Ok(message.json().into()),
    }
}

fn add(message: &mut Members, kind: &str, root: Value<'_>) -> Result<(), PayloadError> {
    if kind == "message_delta" {
        if let Some(delta) = root.get("delta") {
            message.follow(delta, &ABOUT, name_of);
        }
        // Counts that the end leaves out were told at the start.
        if let (Some(Gathered::Object(told)), Some(usage)) =
            (message.get("usage"), root.get("usage"))
        {
            told.follow(usage, &PLAIN, name_of);
        } else if let Some(usage) = root.get("usage") {
            message.set("usage", Gathered::Json(usage.raw().to_owned()));
        }
        return Ok(());
    }
    let Some(blocks) = message.list("content") else {
        return Ok(());
    };
    match kind {
        "content_block_start" => {
            let block = blocks.entry(index(root)?).or_default();
            if let Some(begun) = root.get("content_block") {
                block.add(begun, &BEGUN_BLOCK, name_of);
            }
        }
        "content_block_delta" => {
            let block = blocks.get_mut(&index(root)?);
            if let (Some(block), Some(delta)) = (block, root.get("delta")) {
                block.add(delta, &DELTA, name_of);
            }
        }
        _ => {}
    }
    Ok(())
}
