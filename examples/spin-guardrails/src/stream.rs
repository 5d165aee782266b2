//! A stream of events with the values put back: the last text goes out before the event that ends it.

use bytes::Bytes;
use futures::{SinkExt as _, Stream, StreamExt as _};
use serde_json::{Value, json};
use spin_sdk::http::{BoxBody, box_body};

use crate::forebay::mask::mask::Exchange;
use crate::forebay::types::types::Reason;

/// The longest line of a stream, in bytes.
const LINE: usize = 1 << 20;

/// The body that the client gets. Events without data are left out.
pub(crate) fn restored<S, E>(mut pieces: S, exchange: Exchange) -> BoxBody
where
    S: Stream<Item = Result<Bytes, E>> + Unpin + 'static,
{
    let (mut out, body) = spin_sdk::http::body::stream::<String>();
    spin_sdk::wasip3::spawn(async move {
        let mut held = Vec::new();
        while let Some(Ok(piece)) = pieces.next().await {
            held.extend_from_slice(&piece);
            while let Some(end) = held.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = held.drain(..=end).collect();
                let Some(data) = data(&line) else { continue };
                let (event, last) = match event(data, &exchange) {
                    Ok(event) => (event, false),
                    Err(reason) => (refused(&reason), true),
                };
                // A client that has left ends the work.
                if out.send(event).await.is_err() || last {
                    return;
                }
            }
            if held.len() > LINE {
                return;
            }
        }
    });
    box_body(body)
}

/// The data of a line, if it has any.
fn data(line: &[u8]) -> Option<&str> {
    let line = std::str::from_utf8(line).ok()?;
    Some(line.strip_prefix("data:")?.trim())
}

fn event(data: &str, exchange: &Exchange) -> Result<String, Reason> {
    let Ok(mut chunk) = serde_json::from_str::<Value>(data) else {
        // `[DONE]`, which has no text.
        return Ok(format!("data: {data}\n\n"));
    };
    if let Some(choice) = chunk["choices"].get_mut(0) {
        let content = choice["delta"]["content"].as_str().map(str::to_owned);
        let mut said = exchange.push(content.as_deref().unwrap_or_default())?;
        if !choice["finish_reason"].is_null() {
            said += &exchange.finish()?;
        }
        if content.is_some() || !said.is_empty() {
            choice["delta"]["content"] = said.into();
        }
    }
    Ok(format!("data: {chunk}\n\n"))
}

fn refused(reason: &Reason) -> String {
    let error = json!({"error": {"message": reason.detail, "code": reason.code}});
    format!("data: {error}\n\n")
}
