//! What went wrong with a request, in the words that WASI has for it.

use std::error::Error as StdError;
use std::io;

use hyper_util::client::legacy;
use wasmtime_wasi_http::Error;

/// Before there was a response.
pub(super) fn of_request(error: &legacy::Error) -> Error {
    tracing::debug!(
        error = format!("{:?}", error),
        "a component's request failed"
    );
    if error.is_connect() {
        return of_connect(error);
    }
    find::<hyper::Error>(error).map_or(Error::HttpProtocolError, |error| {
        if error.is_incomplete_message() || error.is_closed() || error.is_canceled() {
            Error::ConnectionTerminated
        } else {
            of_body(error)
        }
    })
}

/// In the middle of a response.
pub(super) fn of_body(error: &hyper::Error) -> Error {
    if error.is_timeout() {
        Error::HttpResponseTimeout
    } else if error.is_incomplete_message() {
        Error::HttpResponseIncomplete
    } else if find::<io::Error>(error).is_some() {
        Error::ConnectionTerminated
    } else {
        Error::HttpProtocolError
    }
}

fn of_connect(error: &legacy::Error) -> Error {
    if let Some(tls) = tls_error(error) {
        return match tls {
            rustls::Error::InvalidCertificate(_) => Error::TlsCertificateError,
            _ => Error::TlsProtocolError,
        };
    }
    if chain(error).any(|cause| cause.to_string().starts_with("dns error")) {
        return Error::DnsError {
            rcode: None,
            info_code: None,
        };
    }
    match find::<io::Error>(error).map(io::Error::kind) {
        Some(io::ErrorKind::ConnectionRefused) => Error::ConnectionRefused,
        Some(io::ErrorKind::TimedOut) => Error::ConnectionTimeout,
        Some(io::ErrorKind::ConnectionReset | io::ErrorKind::UnexpectedEof) => {
            Error::ConnectionTerminated
        }
        _ => Error::DestinationUnavailable,
    }
}

/// rustls's error, which comes inside one of the system's.
fn tls_error<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a rustls::Error> {
    chain(error).find_map(|cause| {
        cause.downcast_ref().or_else(|| {
            cause
                .downcast_ref::<io::Error>()
                .and_then(io::Error::get_ref)
                .and_then(|inner| inner.downcast_ref())
        })
    })
}

fn find<'a, E: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a E> {
    chain(error).find_map(|cause| cause.downcast_ref())
}

/// An error and its causes, at most sixteen.
fn chain<'a>(
    error: &'a (dyn StdError + 'static),
) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    let mut next = Some(error);
    std::iter::from_fn(move || {
        let error = next?;
        next = error.source();
        Some(error)
    })
    .take(16)
}
