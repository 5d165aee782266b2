//! Asking a token endpoint through the host, and reading its answer within bounds.

use std::future::Future;
use std::pin::Pin;
use std::time::SystemTime;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, Uri};
use serde::de::DeserializeOwned;

use crate::clock::Skew;
use crate::error::{CredentialError, Origin, Problem};
use crate::refusal;
use crate::secret::Secret;

/// The most of a token endpoint's answer that is read, in bytes. The largest known, Entra's with
/// many groups, is a tenth of it. A host should stop reading one byte beyond.
pub const MAX_TOKEN_ANSWER: usize = 64 * 1024;

/// The most of a host's error text that is repeated, in characters.
const MAX_WHY: usize = 200;

/// What [`Fetch::fetch`] returns.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Sends a request to a token or metadata endpoint. The host implements it.
///
/// It must bound the time, read no more than a little over [`MAX_TOKEN_ANSWER`], follow no
/// redirect, and go past any proxy for link-local addresses. Its error is shown to operators: the
/// reason, without request headers or bodies, which hold secrets.
pub trait Fetch: Send + Sync {
    /// Sends `request` and gives the whole answer, whatever its status.
    fn fetch<'a>(
        &'a self,
        request: Request<Bytes>,
    ) -> BoxFuture<'a, Result<Response<Bytes>, String>>;
}

/// The host's way out and the time, for one refresh.
#[derive(Clone, Copy)]
pub(crate) struct Ask<'a> {
    pub(crate) fetch: &'a dyn Fetch,
    pub(crate) now: SystemTime,
}

impl Ask<'_> {
    /// Sends a request and gives a 2xx answer; all else is an error with the provider's code.
    pub(crate) async fn send(
        &self,
        request: Request<Bytes>,
        origin: &Origin,
    ) -> Result<Answer, CredentialError> {
        let by = authority(request.uri());
        let response = self.fetch.fetch(request).await.map_err(|why| {
            origin.error(Problem::Unreachable {
                by: by.clone(),
                why: why.chars().take(MAX_WHY).collect(),
            })
        })?;
        let (head, body) = response.into_parts();
        let skew = Skew::of(&head.headers, self.now);
        if body.len() > MAX_TOKEN_ANSWER {
            return Err(origin.error(Problem::Answer {
                by,
                why: format!("it is over the limit of {} KiB", MAX_TOKEN_ANSWER / 1024),
                skew: None,
            }));
        }
        if !head.status.is_success() {
            return Err(origin.error(Problem::Refused {
                by,
                code: refusal::code(&body),
                status: head.status.as_u16(),
                skew,
            }));
        }
        Ok(Answer { by, skew, body })
    }
}

/// A token endpoint's answer of status 2xx.
pub(crate) struct Answer {
    by: String,
    skew: Option<Skew>,
    pub(crate) body: Bytes,
}

impl Answer {
    /// The answer's JSON. Errors name the place, nothing of the text.
    pub(crate) fn json<T: DeserializeOwned>(&self, origin: &Origin) -> Result<T, CredentialError> {
        serde_json::from_slice(&self.body).map_err(|e| {
            let why = format!("unexpected JSON at byte {}", e.column());
            self.unusable(origin, why)
        })
    }

    /// The answer's text, trimmed.
    pub(crate) fn text(&self, origin: &Origin) -> Result<Secret, CredentialError> {
        let text = std::str::from_utf8(&self.body)
            .map_err(|_| self.unusable(origin, "it is not UTF-8"))?
            .trim();
        if text.is_empty() {
            return Err(self.unusable(origin, "it is empty"));
        }
        Ok(Secret::new(text.to_owned()))
    }

    pub(crate) fn unusable(&self, origin: &Origin, why: impl Into<String>) -> CredentialError {
        origin.error(Problem::Answer {
            by: self.by.clone(),
            why: why.into(),
            skew: self.skew,
        })
    }
}

/// A GET with these headers.
pub(crate) fn get(uri: &Uri, headers: &[(&'static str, HeaderValue)]) -> Request<Bytes> {
    build(Method::GET, uri, headers, Bytes::new())
}

/// A POST of a form.
pub(crate) fn post_form(uri: &Uri, fields: &[(&str, &str)]) -> Request<Bytes> {
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    form.extend_pairs(fields);
    let headers = [
        (
            "content-type",
            HeaderValue::from_static("application/x-www-form-urlencoded"),
        ),
        ("accept", HeaderValue::from_static("application/json")),
    ];
    build(Method::POST, uri, &headers, Bytes::from(form.finish()))
}

/// A POST of JSON.
pub(crate) fn post_json(
    uri: &Uri,
    headers: &[(&'static str, HeaderValue)],
    body: &serde_json::Value,
) -> Request<Bytes> {
    let mut request = build(Method::POST, uri, headers, Bytes::from(body.to_string()));
    request
        .headers_mut()
        .insert("content-type", HeaderValue::from_static("application/json"));
    request
}

fn build(
    method: Method,
    uri: &Uri,
    headers: &[(&'static str, HeaderValue)],
    body: Bytes,
) -> Request<Bytes> {
    let mut request = Request::new(body);
    *request.method_mut() = method;
    *request.uri_mut() = uri.clone();
    let map: &mut HeaderMap = request.headers_mut();
    for (name, value) in headers {
        map.insert(*name, value.clone());
    }
    request
}

/// Scheme and authority. Never the path, which may be a capability, nor user information.
pub(crate) fn authority(uri: &Uri) -> String {
    let scheme = uri.scheme_str().unwrap_or("http");
    let host = uri.host().unwrap_or("?");
    match uri.port_u16() {
        Some(port) => format!("{scheme}://{host}:{port}"),
        None => format!("{scheme}://{host}"),
    }
}
