//! Makes a stream's chunks of one completion.

use bytes::Bytes;

use super::convert::ConvertError;
use crate::canonical::Operation;

/// Not built yet: always an error.
pub fn unfold(operation: Operation, body: &Bytes) -> Result<Vec<Bytes>, ConvertError> {
    let _ = (operation, body);
    Err(ConvertError::Empty)
}
