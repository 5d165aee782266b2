//! Frames that carry another stream: Bedrock's InvokeModelWithResponseStream wraps each event of
//! the model's own, SageMaker's InvokeEndpointWithResponseStream cuts the container's body.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use super::{EventStreamError, Frame};
use crate::json::Document;

/// The model's own event in a `chunk` frame of InvokeModelWithResponseStream, whose payload is
/// `{"bytes":"<base64>"}` (shape `PayloadPart` of `bedrock-runtime`). None for a frame of
/// another type: an exception, or an event that came later than this.
///
/// # Errors
///
/// When a `chunk` carries no base64.
pub fn chunk_bytes(frame: &Frame) -> Result<Option<Bytes>, EventStreamError> {
    if frame.event_type.as_deref() != Some("chunk") {
        return Ok(None);
    }
    let document = Document::parse(&frame.payload).map_err(|_| EventStreamError::NotAChunk)?;
    let carried = document.root().get("bytes");
    let carried = carried
        .and_then(crate::json::Value::as_str)
        .ok_or(EventStreamError::NotAChunk)?;
    let bytes = STANDARD
        .decode(carried.as_bytes())
        .map_err(|_| EventStreamError::NotAChunk)?;
    Ok(Some(bytes.into()))
}

/// The container's bytes in a `PayloadPart` frame of InvokeEndpointWithResponseStream: the
/// payload itself (member `Bytes` of `sagemaker-runtime` is the event's payload). Parts are cut
/// anywhere; joined they are the container's own stream. None for a frame of another type, such
/// as the exceptions `ModelStreamError` and `InternalStreamFailure`.
pub fn payload_part(frame: &Frame) -> Option<Bytes> {
    (frame.event_type.as_deref() == Some("PayloadPart")).then(|| frame.payload.clone())
}
