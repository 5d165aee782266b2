//! Faults on demand: how a request may be made to fail, and the three ways to ask for it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The request header that asks for a fault.
pub const FAULT_HEADER: &str = "x-forebay-sim-fault";

/// One fault. It is written as an object (`{"status": 503, "retry_after": 2}`) or as a line of
/// words and pairs (`status=503; retry_after=2`, `reset`, `cut_after=3`). Events are SSE events,
/// counted from 1; in an answer that is not streamed they are bytes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Fault {
    /// Answer with this status and an error body, instead of computing.
    pub status: Option<u16>,
    /// The `Retry-After` that goes with `status`, in seconds.
    pub retry_after: Option<u64>,
    /// Make the error body an HTML page, as a proxy in between would; status 502 unless given.
    pub html: bool,
    /// Milliseconds to wait before anything else.
    pub delay_ms: u64,
    /// Milliseconds between the headers and the first byte of the body.
    pub first_byte_delay_ms: u64,
    /// Close the connection after this many events, without the terminal chunk.
    pub cut_after: Option<u64>,
    /// Reset the connection (RST) where `cut_after` says, or before the response without it.
    pub reset: bool,
    /// Send an event that is not JSON after this many events, then go on.
    pub malformed_after: Option<u64>,
    /// Send bytes that are neither SSE nor UTF-8 after this many events, then go on.
    pub garbage_after: Option<u64>,
    /// End the stream cleanly without `[DONE]`.
    pub no_done: bool,
    /// Never send the response headers.
    pub hang: bool,
    /// Send nothing more after this many events, and keep the connection open.
    pub hang_after: Option<u64>,
}

/// Why a fault cannot be understood.
#[derive(Debug, thiserror::Error)]
#[error("{FAULT_HEADER}: {0}")]
pub struct FaultError(String);

impl Fault {
    /// Reads the line form.
    ///
    /// # Errors
    /// [`FaultError`] for an unknown word or a value of the wrong type.
    pub fn parse(line: &str) -> Result<Self, FaultError> {
        let mut fields = serde_json::Map::new();
        for part in line.split([';', ',']).map(str::trim) {
            if part.is_empty() {
                continue;
            }
            let (key, value) = part.split_once('=').unwrap_or((part, "true"));
            let value = serde_json::from_str(value.trim())
                .map_err(|_| FaultError(format!("`{part}` is not a number or true")))?;
            fields.insert(key.trim().replace('-', "_"), value);
        }
        Self::from_value(Value::Object(fields))
    }

    /// Reads either form from a JSON value.
    ///
    /// # Errors
    /// [`FaultError`] for an unknown field or a value of the wrong type.
    pub fn from_value(value: Value) -> Result<Self, FaultError> {
        match value {
            Value::String(line) => Self::parse(&line),
            object => {
                let fault: Self = serde_json::from_value(object)
                    .map_err(|error| FaultError(error.to_string()))?;
                match fault.status {
                    Some(status) if !(200..=599).contains(&status) => Err(FaultError(format!(
                        "status is {status}, but it must be 200 to 599"
                    ))),
                    _ => Ok(fault),
                }
            }
        }
    }

    /// The status to answer with instead of computing, if any.
    pub(crate) fn instead(&self) -> Option<u16> {
        self.status.or(self.html.then_some(502))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_and_an_object_say_the_same() {
        let line = Fault::parse("status=503; retry-after=2, html").unwrap();
        let object = serde_json::json!({"status": 503, "retry_after": 2, "html": true});
        assert_eq!(line, Fault::from_value(object).unwrap());
        assert_eq!(line.instead(), Some(503));
    }

    #[test]
    fn an_unknown_fault_is_refused_by_name() {
        let message = Fault::parse("explode").unwrap_err().to_string();
        assert!(message.contains("explode"), "{message}");
        assert!(Fault::parse("status=7").is_err());
        assert!(Fault::parse("delay_ms=soon").is_err());
    }
}
