//! Makes one completion of a stream's chunks.

use bytes::Bytes;

use super::convert::ConvertError;
use crate::canonical::Operation;

/// Not built yet: always an error.
pub fn fold(operation: Operation, events: &[Bytes]) -> Result<Bytes, ConvertError> {
    let _ = (operation, events);
    Err(ConvertError::Empty)
}
