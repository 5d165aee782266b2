//! A plain HTTP client: JSON in, a reply or a stream of events out.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Client as Pool, Error};
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

use crate::sse::Events;
use crate::wait::within;

/// A client of one address, with headers that it sends each time.
#[derive(Debug, Clone)]
pub struct Client {
    base: String,
    headers: HeaderMap,
    pool: Pool<HttpConnector, Full<Bytes>>,
}

/// A whole reply.
#[derive(Debug, Clone)]
pub struct Reply {
    /// Its status.
    pub status: u16,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

impl Client {
    /// A client of this base URL, over HTTP/1.1.
    #[must_use]
    pub fn new(base: &str) -> Self {
        Self::of(base, false)
    }

    /// A client that speaks HTTP/2 from the first byte.
    #[must_use]
    pub fn http2(base: &str) -> Self {
        Self::of(base, true)
    }

    fn of(base: &str, http2: bool) -> Self {
        Self {
            base: base.to_owned(),
            headers: HeaderMap::new(),
            pool: Pool::builder(TokioExecutor::new())
                .http2_only(http2)
                .build_http(),
        }
    }

    /// The same client with one more header.
    #[must_use]
    pub fn with_header(&self, name: &str, value: &str) -> Self {
        let mut more = self.clone();
        let name = HeaderName::try_from(name).expect("a header's name");
        more.headers.insert(
            name,
            HeaderValue::from_str(value).expect("a header's value"),
        );
        more
    }

    /// Sends a request and gives the response as it begins.
    ///
    /// # Errors
    /// As the pool's: no connection, or one that broke.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        body: impl Into<Bytes>,
    ) -> Result<Response<Incoming>, Error> {
        let mut request = Request::new(Full::new(body.into()));
        *request.method_mut() = method;
        *request.uri_mut() = format!("{}{path}", self.base).parse().expect("a URL");
        request
            .headers_mut()
            .insert("content-type", HeaderValue::from_static("application/json"));
        request.headers_mut().extend(self.headers.clone());
        self.pool.request(request).await
    }

    /// Posts JSON and reads the whole reply.
    pub async fn post(&self, path: &str, body: &Value) -> Reply {
        self.post_bytes(path, body.to_string()).await
    }

    /// Posts bytes and reads the whole reply.
    pub async fn post_bytes(&self, path: &str, body: impl Into<Bytes>) -> Reply {
        let exchange = async {
            let response = self.send(Method::POST, path, body).await;
            Reply::read(response.unwrap_or_else(|error| panic!("POST {path}: {error:?}"))).await
        };
        within(&format!("the answer to POST {path}"), exchange).await
    }

    /// A chat completion.
    pub async fn chat(&self, body: &Value) -> Reply {
        self.post("/v1/chat/completions", body).await
    }

    /// A chat completion as a stream. The status is checked.
    pub async fn stream(&self, body: &Value) -> Events {
        let sent = self.send(Method::POST, "/v1/chat/completions", body.to_string());
        let response = within("the beginning of a stream", sent).await;
        let response = response.unwrap_or_else(|error| panic!("a stream: {error:?}"));
        if response.status() != 200 {
            let reply = Reply::read(response).await;
            panic!("a stream was refused: {} {}", reply.status, reply.text());
        }
        Events::new(response)
    }

    /// A GET.
    pub async fn get(&self, path: &str) -> Reply {
        let reply = within(&format!("the answer to GET {path}"), self.try_get(path)).await;
        reply.unwrap_or_else(|error| panic!("GET {path}: {error:?}"))
    }

    /// A GET that may fail.
    ///
    /// # Errors
    /// As the pool's.
    pub async fn try_get(&self, path: &str) -> Result<Reply, Error> {
        Ok(Reply::read(self.send(Method::GET, path, Bytes::new()).await?).await)
    }
}

impl Reply {
    /// Reads a response to its end.
    pub async fn read(response: Response<Incoming>) -> Self {
        let (head, body) = response.into_parts();
        let body = body
            .collect()
            .await
            .expect("the body comes whole")
            .to_bytes();
        Self {
            status: head.status.as_u16(),
            headers: head.headers,
            body,
        }
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("no JSON ({error}): {} {}", self.status, self.text()))
    }

    /// A header, empty if absent.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap_or("?"))
    }

    /// The text of the first choice.
    #[must_use]
    pub fn content(&self) -> String {
        let body = self.json();
        let content = body["choices"][0]["message"]["content"].as_str();
        content
            .unwrap_or_else(|| panic!("no content: {} {body}", self.status))
            .to_owned()
    }

    /// How long the answer's age is, where it came from the cache.
    #[must_use]
    pub fn cache(&self) -> &'static str {
        crate::sse::cache_of(&self.headers)
    }

    /// Asserts an error in OpenAI's shape with this status and code, and gives its message.
    pub fn is_error(&self, status: u16, code: &str) -> String {
        let text = self.text();
        assert_eq!(self.status, status, "{text}");
        let body = self.json();
        let error = &body["error"];
        assert_eq!(error["code"], code, "{text}");
        assert!(error["type"].is_string(), "an error has a type: {text}");
        assert!(
            error.get("param").is_some(),
            "an error has a param, null or not: {text}"
        );
        assert!(
            !self.header("x-request-id").is_empty(),
            "every response has a request id"
        );
        error["message"]
            .as_str()
            .unwrap_or_else(|| panic!("an error has a message: {text}"))
            .to_owned()
    }

    /// The field that an error names.
    #[must_use]
    pub fn param(&self) -> String {
        self.json()["error"]["param"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }
}
