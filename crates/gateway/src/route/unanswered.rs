//! Exchanges that ended without an answer, as a client reads them.

use std::time::Duration;

use super::Replica;
use crate::error::{ErrorKind, GatewayError};
use crate::platform::{TransportError, TransportFailure};

/// A replica that was given up.
pub(super) fn gone(endpoint: &Replica) -> TransportError {
    TransportError {
        failure: TransportFailure::Reset,
        detail: format!(
            "{} went down while it was generating the answer",
            endpoint.base
        ),
    }
}

/// A failed exchange as a client reads it.
pub(crate) fn transport_error(upstream: &str, error: &TransportError) -> GatewayError {
    let (kind, what) = match error.failure {
        TransportFailure::Connect => (ErrorKind::UpstreamUnreachable, "could not be reached"),
        TransportFailure::Reset | TransportFailure::Stale => (
            ErrorKind::UpstreamReset,
            "closed the connection before answering",
        ),
        TransportFailure::Body => (
            ErrorKind::UpstreamReset,
            "closed the connection in the middle of its answer",
        ),
        TransportFailure::Protocol => {
            (ErrorKind::UpstreamInvalid, "did not answer with valid HTTP")
        }
        TransportFailure::Setup => {
            return not_in_order(ErrorKind::UpstreamUnreachable, upstream, &error.detail);
        }
    };
    GatewayError::new(
        kind,
        format!("upstream \"{upstream}\" {what}: {}", error.detail),
    )
}

/// An upstream that can't be asked because of the gateway's own configuration. Which file or
/// variable is at fault is no client's business.
pub(super) fn not_in_order(kind: ErrorKind, upstream: &str, detail: &str) -> GatewayError {
    let message = format!(
        "the gateway can't use upstream \"{upstream}\" as it is configured; the reason is in the gateway's log"
    );
    GatewayError::new(kind, message).with_detail(format!("upstream \"{upstream}\": {detail}"))
}

/// An upstream that took too long: for `timeouts`, or (`own`) for the client's own deadline.
pub(crate) fn timed_out(upstream: &str, limit: Duration, own: bool) -> GatewayError {
    if own {
        return GatewayError::new(
            ErrorKind::DeadlineExceeded,
            format!(
                "upstream \"{upstream}\" had not answered when the request's own deadline passed (x-forebay-deadline-ms)"
            ),
        );
    }
    GatewayError::new(
        ErrorKind::UpstreamTimeout,
        format!(
            "upstream \"{upstream}\" sent nothing for {:.1} s (timeouts)",
            limit.as_secs_f64()
        ),
    )
}
