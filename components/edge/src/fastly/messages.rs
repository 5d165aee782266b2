//! Fastly's requests, responses and errors as the pipeline's, and back.

use forebay_gateway::platform::{TransportError, TransportFailure};
use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::LONGEST;
use super::generated::fastly::compute::http_req::{ErrorWithDetail, Request, SendErrorDetail};
use super::generated::fastly::compute::http_resp::Response;
use super::generated::fastly::compute::types::Error;

pub(super) fn respond(head: &http::response::Parts) -> Result<Response, Error> {
    let response = Response::new()?;
    response.set_status(head.status.as_u16())?;
    for (name, value) in &head.headers {
        // The platform frames the answer itself.
        if *name != header::CONTENT_LENGTH {
            response.append_header(name.as_str(), value.as_bytes())?;
        }
    }
    Ok(response)
}

pub(super) fn raise_request(request: &Request) -> Result<http::Request<()>, Error> {
    let uri = request.get_uri(LONGEST)?;
    let mut raised = http::Request::builder()
        .method(&*request.get_method(LONGEST)?)
        .uri(uri)
        .body(())
        .map_err(|_| Error::HttpInvalid)?;
    *raised.headers_mut() = fields(
        |cursor| request.get_header_names(LONGEST, cursor),
        |name, cursor| request.get_header_values(name, LONGEST, cursor),
    )?;
    Ok(raised)
}

pub(super) fn raise_response(response: &Response) -> Result<http::Response<()>, Error> {
    let mut raised = http::Response::builder()
        .status(response.get_status()?)
        .body(())
        .map_err(|_| Error::HttpInvalidStatus)?;
    *raised.headers_mut() = fields(
        |cursor| response.get_header_names(LONGEST, cursor),
        |name, cursor| response.get_header_values(name, LONGEST, cursor),
    )?;
    Ok(raised)
}

/// Header fields, which come in pages of texts that each end with a NUL.
fn fields(
    names: impl Fn(u32) -> Result<(String, Option<u32>), Error>,
    values: impl Fn(&str, u32) -> Result<(Vec<u8>, Option<u32>), Error>,
) -> Result<HeaderMap, Error> {
    let mut headers = HeaderMap::new();
    let mut next = Some(0);
    while let Some(cursor) = next {
        let (page, more) = names(cursor)?;
        next = more;
        for name in page.split_terminator('\0') {
            let Ok(parsed) = HeaderName::from_bytes(name.as_bytes()) else {
                continue;
            };
            let mut next = Some(0);
            while let Some(cursor) = next {
                let (page, more) = values(name, cursor)?;
                next = more;
                let page = page.strip_suffix(&[0]).unwrap_or(&page);
                for value in page.split(|byte| *byte == 0) {
                    if let Ok(value) = HeaderValue::from_bytes(value) {
                        headers.append(&parsed, value);
                    }
                }
            }
        }
    }
    Ok(headers)
}

pub(super) fn broken(error: Error, what: &str) -> TransportError {
    TransportError {
        failure: TransportFailure::Protocol,
        detail: format!("{what}: {error:?}"),
    }
}

pub(super) fn failed(error: &ErrorWithDetail) -> TransportError {
    use SendErrorDetail as D;
    let failure = match &error.detail {
        Some(
            D::DnsTimeout
            | D::DnsError(_)
            | D::DestinationNotFound
            | D::DestinationUnavailable
            | D::DestinationIpUnroutable
            | D::ConnectionRefused
            | D::ConnectionTimeout
            | D::ConnectionLimitReached
            | D::TlsCertificateError
            | D::TlsConfigurationError
            | D::TlsAlertReceived(_)
            | D::TlsProtocolError,
        ) => TransportFailure::Connect,
        Some(D::HttpProtocolError | D::HttpResponseStatusInvalid) => TransportFailure::Protocol,
        _ => TransportFailure::Reset,
    };
    TransportError {
        failure,
        detail: match &error.detail {
            Some(detail) => format!("{detail:?}"),
            None => format!("{:?}", error.error),
        },
    }
}
