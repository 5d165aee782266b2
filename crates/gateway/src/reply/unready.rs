//! The answer of a gateway that could not be made: there is no pipeline yet, only a request and a reason.

use bytes::Bytes;
use forebay_dialect::error::error_header;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Response, StatusCode, request};

use super::error::body_of;
use crate::enter::ingress::{door_of, wire_of};
use crate::error::{ErrorKind, GatewayError};

/// 500 with the code `misconfigured`, in the format of the request's path. `message` names what is
/// to be set up; it goes to the client, so it holds no values.
pub fn unready(head: &request::Parts, message: &str) -> Response<Bytes> {
    let error = GatewayError::new(ErrorKind::Internal, message).with_code("misconfigured");
    let wire = wire_of(head);
    let mut response = Response::new(body_of(wire, door_of(head), &error));
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    if let Some((name, value)) = error_header(wire, error.status()) {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(path: &str) -> (u16, serde_json::Value) {
        let request = http::Request::post(path).body(()).unwrap();
        let response = unready(&request.into_parts().0, "the variable `x` is not set");
        assert_eq!(response.headers()["cache-control"], "private, no-store");
        let body = serde_json::from_slice(response.body()).unwrap();
        (response.status().as_u16(), body)
    }

    #[test]
    fn each_client_is_told_in_its_own_format() {
        let (status, openai) = told("/v1/chat/completions");
        assert_eq!(status, 500);
        assert_eq!(openai["error"]["code"], "misconfigured");
        assert_eq!(openai["error"]["message"], "the variable `x` is not set");
        let (status, anthropic) = told("/v1/messages");
        assert_eq!(status, 500);
        assert_eq!(anthropic["type"], "error");
        assert_eq!(anthropic["error"]["type"], "api_error");
        let (status, gemini) = told("/v1beta/models/m:generateContent");
        assert_eq!(status, 500);
        assert_eq!(gemini["error"]["status"], "INTERNAL");
        let (status, ollama) = told("/api/chat");
        assert_eq!(status, 500);
        assert_eq!(ollama["error"], "the variable `x` is not set");
    }
}
