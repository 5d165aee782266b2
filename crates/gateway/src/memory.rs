//! Memory that bodies take: the gateway's own copies count as those that came do.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use forebay_dialect::Request;
use forebay_dialect::json::index_bytes;

use crate::decide::LARGE;
use crate::error::{ErrorKind, GatewayError};
use crate::platform::{BoxFuture, MaybeSend, Platform};

/// Smaller copies are not worth a booking each: there are no more of them than requests in flight.
const SMALL: usize = 16 << 10;

/// No room for a body or an answer.
pub(crate) fn no_memory() -> GatewayError {
    let message = "the memory for request bodies is used up (limits.memory); try again shortly";
    GatewayError::new(ErrorKind::Overloaded, message).with_retry_after(Duration::from_secs(1))
}

/// Reads a body of JSON: a large one where it keeps nobody waiting, with the memory booked that the
/// reading takes. A body of many small values takes many times its own size.
pub(crate) fn read_json<P: Platform, T: MaybeSend + 'static>(
    platform: &Arc<P>,
    tenant: &Arc<str>,
    body: &Bytes,
    read: impl FnOnce(Bytes) -> Result<T, GatewayError> + MaybeSend + 'static,
) -> BoxFuture<'static, Result<T, GatewayError>> {
    let body = body.clone();
    if body.len() < LARGE {
        return Box::pin(std::future::ready(read(body)));
    }
    let mut share = platform.share();
    let work = async move {
        match share.grow(index_bytes(&body)) {
            true => read(body),
            false => Err(no_memory()),
        }
    };
    let (platform, tenant) = (platform.clone(), tenant.clone());
    Box::pin(async move { platform.aside(&tenant, work).await })
}

/// Books what a request takes beside its body, until that is dropped.
pub(crate) fn hold<P: Platform>(platform: &P, request: &mut Request) -> Result<(), GatewayError> {
    let (bytes, body) = (request.bytes_beside_body(), request.body.clone());
    request.body = also_booked(platform, bytes, body)?;
    Ok(())
}

/// Books so many bytes more, until nobody has a copy of this body that is left.
pub(crate) fn also_booked<P: Platform>(
    platform: &P,
    bytes: usize,
    body: Bytes,
) -> Result<Bytes, GatewayError> {
    if bytes < SMALL {
        return Ok(body);
    }
    let mut share = platform.share();
    if share.grow(bytes) {
        Ok(share.seal(body))
    } else {
        Err(no_memory())
    }
}

/// A body that was made here, booked until its last copy is dropped. What shares the memory of
/// `original` is booked with that already.
pub(crate) fn booked<P: Platform>(
    platform: &P,
    original: &Bytes,
    body: Bytes,
) -> Result<Bytes, GatewayError> {
    if body.len() < SMALL || original.as_ptr_range().contains(&body.as_ptr()) {
        return Ok(body);
    }
    also_booked(platform, body.len(), body)
}
