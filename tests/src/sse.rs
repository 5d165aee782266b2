//! Reads an event stream event by event, as a browser's `EventSource` would.

use bytes::BytesMut;
use http::{HeaderMap, Response};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use serde_json::Value;

use crate::wait::within;

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its id, empty if it has none.
    pub id: String,
    /// Its data.
    pub data: String,
}

/// A stream of events. Dropping it closes the connection.
#[derive(Debug)]
pub struct Events {
    /// The response's headers.
    pub headers: HeaderMap,
    /// Comments met so far, such as keep-alives.
    pub comments: usize,
    body: Incoming,
    buffer: BytesMut,
}

/// How a stream ended, and all that came before.
#[derive(Debug, Clone, Default)]
pub struct Told {
    /// Every event but the terminal one.
    pub events: Vec<Event>,
    /// Whether `[DONE]` came.
    pub done: bool,
    /// The error event, if one came.
    pub error: Option<Value>,
}

impl Event {
    /// The data as JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.data).unwrap_or_else(|error| panic!("{error}: {}", self.data))
    }

    /// The text of the first choice's delta.
    #[must_use]
    pub fn text(&self) -> String {
        let text = self.json()["choices"][0]["delta"]["content"].clone();
        text.as_str().unwrap_or_default().to_owned()
    }
}

impl Events {
    pub(crate) fn new(response: Response<Incoming>) -> Self {
        let (head, body) = response.into_parts();
        Self {
            headers: head.headers,
            comments: 0,
            body,
            buffer: BytesMut::new(),
        }
    }

    /// The next event; none at the end, also where the connection broke.
    pub async fn next(&mut self) -> Option<Event> {
        within("the next event", self.read()).await
    }

    async fn read(&mut self) -> Option<Event> {
        loop {
            while let Some(at) = self.buffer.windows(2).position(|two| two == b"\n\n") {
                let block = self.buffer.split_to(at + 2);
                let text = String::from_utf8_lossy(&block).into_owned();
                let field = |name: &str| {
                    let lines = text.lines().filter_map(|line| line.strip_prefix(name));
                    let values: Vec<&str> =
                        lines.map(|v| v.strip_prefix(' ').unwrap_or(v)).collect();
                    (!values.is_empty()).then(|| values.join("\n"))
                };
                match field("data:") {
                    Some(data) => {
                        let id = field("id:").unwrap_or_default();
                        return Some(Event { id, data });
                    }
                    None => self.comments += 1,
                }
            }
            let frame = self.body.frame().await?.ok()?;
            if let Ok(data) = frame.into_data() {
                self.buffer.extend_from_slice(&data);
            }
        }
    }

    /// Everything to the end.
    pub async fn rest(&mut self) -> Told {
        let mut told = Told::default();
        while let Some(event) = self.next().await {
            if event.data == "[DONE]" {
                told.done = true;
                continue;
            }
            let error = event.json().get("error").cloned();
            if error.is_some() {
                told.error = error;
                continue;
            }
            assert!(
                !told.done && told.error.is_none(),
                "an event after the end: {}",
                event.data
            );
            told.events.push(event);
        }
        told
    }

    /// What the cache said.
    #[must_use]
    pub fn cache(&self) -> &'static str {
        cache_of(&self.headers)
    }
}

impl Told {
    /// The text of all deltas.
    #[must_use]
    pub fn text(&self) -> String {
        self.events.iter().map(Event::text).collect()
    }

    /// The code of the error event.
    #[must_use]
    pub fn error_code(&self) -> String {
        let error = self
            .error
            .as_ref()
            .unwrap_or_else(|| panic!("no error event: {self:?}"));
        error["code"].as_str().unwrap_or_default().to_owned()
    }
}

/// `hit`, `joined`, `stale`, `miss`, `bypass`, or nothing, out of `Cache-Status`.
pub(crate) fn cache_of(headers: &HeaderMap) -> &'static str {
    let status = headers
        .get("cache-status")
        .map_or("", |v| v.to_str().unwrap_or("?"));
    let kinds = [
        ("; hit", "hit"),
        ("; collapsed", "joined"),
        ("fwd=stale", "stale"),
        ("fwd=bypass", "bypass"),
        ("fwd=uri-miss", "miss"),
    ];
    kinds
        .iter()
        .find(|(mark, _)| status.contains(mark))
        .map_or("", |(_, kind)| kind)
}
