//! hyper's errors in the pipeline's words: where in an exchange the transport failed.

use std::error::Error;

use forebay_gateway::platform::{TransportError, TransportFailure};

use super::connect::ConnectTimeout;

/// A request failed before its response's head.
pub(super) fn of_request(error: &hyper_util::client::legacy::Error) -> TransportError {
    if error.is_connect() {
        return TransportError {
            failure: TransportFailure::Connect,
            detail: connect_detail(error),
        };
    }
    let failure = if speaks_no_http(error) {
        TransportFailure::Protocol
    } else {
        TransportFailure::Reset
    };
    TransportError {
        failure,
        detail: format!("before the response's head: {}", innermost(error)),
    }
}

/// A request failed before its response's head over a connection that may be at fault, and not the
/// upstream: a kept one, which the upstream had closed, or one that did not take the request.
pub(super) fn stale(mut error: TransportError) -> TransportError {
    if error.failure == TransportFailure::Reset {
        error.failure = TransportFailure::Stale;
    }
    error
}

/// Whether an upstream says that it has not looked at a request: it refuses the stream, or goes away.
pub(super) fn is_unprocessed(error: &(dyn Error + 'static)) -> bool {
    chain(error).any(|cause| {
        cause.downcast_ref::<h2::Error>().is_some_and(|e| {
            let refused = e.is_reset() && e.reason() == Some(h2::Reason::REFUSED_STREAM);
            e.is_remote() && (refused || e.is_go_away())
        })
    })
}

/// A response's body broke.
pub(super) fn of_body(error: &hyper::Error) -> TransportError {
    TransportError {
        failure: TransportFailure::Body,
        detail: format!("within the response's body: {}", innermost(error)),
    }
}

/// No connection: why, without addresses. A name that is not found or a refused port says so itself.
fn connect_detail(error: &(dyn Error + 'static)) -> String {
    if let Some(timeout) = chain(error).find_map(|cause| cause.downcast_ref::<ConnectTimeout>()) {
        return timeout.to_string();
    }
    if let Some(tls) = chain(error).find_map(|cause| find_tls(cause)) {
        return format!("TLS: {tls}");
    }
    // hyper-util names the address in the layers above; the innermost cause is the system's own word.
    innermost(error)
}

fn find_tls<'a>(cause: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    cause.downcast_ref::<rustls::Error>().or_else(|| {
        // rustls hides within an io::Error, which does not show its inner error as a source.
        cause
            .downcast_ref::<std::io::Error>()
            .and_then(|e| e.get_ref())
            .and_then(|inner| inner.downcast_ref::<rustls::Error>())
    })
}

/// Whether what came was no HTTP, rather than nothing.
fn speaks_no_http(error: &(dyn Error + 'static)) -> bool {
    chain(error).any(|cause| {
        cause.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_parse)
            // The peer's own resets and going away are its right; what our side finds wrong is not HTTP/2.
            || cause.downcast_ref::<h2::Error>().is_some_and(|e| e.is_library() && (e.is_go_away() || e.is_reset()))
    })
}

fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    // 16: chains are two to five long; a loop in one would be a defect elsewhere.
    std::iter::successors(Some(error), |e: &&'a (dyn Error + 'static)| (*e).source()).take(16)
}

fn innermost(error: &(dyn Error + 'static)) -> String {
    chain(error)
        .last()
        .map_or_else(|| "unknown".to_owned(), ToString::to_string)
}
