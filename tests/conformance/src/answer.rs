//! What a client got, read to its end or until it left.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use bytes::{Bytes, BytesMut};
use forebay_tests::{Client, Gate};
use http::{HeaderMap, Method};
use http_body_util::BodyExt as _;
use serde_json::Value;

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// A whole answer.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body, as far as the client stayed.
    pub body: Bytes,
    /// The data of its events, where it is a stream.
    pub events: Option<Vec<String>>,
    /// The client left before the end.
    pub left: bool,
}

/// What is sent.
pub struct Sent {
    /// The method.
    pub method: Method,
    /// The path.
    pub path: String,
    /// The body.
    pub body: Bytes,
}

/// Sends a request and reads its answer. Each event that has come opens the gates by one step.
///
/// # Errors
/// No answer in time, or one that broke off within its framing.
pub async fn ask(
    client: &Client,
    sent: Sent,
    gates: &[Gate],
    leave_after: Option<usize>,
) -> Result<Answer> {
    let asking = read(client, sent, gates, leave_after);
    match tokio::time::timeout(PATIENCE, asking).await {
        Ok(answer) => answer,
        Err(_) => bail!("no whole answer within {} s", PATIENCE.as_secs()),
    }
}

async fn read(
    client: &Client,
    sent: Sent,
    gates: &[Gate],
    leave_after: Option<usize>,
) -> Result<Answer> {
    let response = client
        .send(sent.method, &sent.path, sent.body)
        .await
        .context("no answer")?;
    let (head, mut body) = response.into_parts();
    let is_stream = head.headers.get("content-type").is_some_and(|media| {
        media.as_bytes().starts_with(b"text/event-stream") && head.status == 200
    });
    let mut answer = Answer {
        status: head.status.as_u16(),
        headers: head.headers,
        events: is_stream.then(Vec::new),
        ..Answer::default()
    };
    let (mut whole, mut at) = (BytesMut::new(), 0);
    if leave_after == Some(0) {
        answer.left = true;
        return Ok(answer);
    }
    while let Some(frame) = body.frame().await {
        let frame = frame.context("the body broke off")?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        whole.extend_from_slice(&data);
        let Some(events) = &mut answer.events else {
            continue;
        };
        while let Some(length) = whole[at..].windows(2).position(|two| two == b"\n\n") {
            if let Some(data) = data_of(&whole[at..at + length]) {
                events.push(data);
                gates.iter().for_each(|gate| gate.open(1));
            }
            at += length + 2;
        }
        if leave_after.is_some_and(|after| events.len() >= after) {
            answer.left = true;
            break;
        }
    }
    if answer.events.is_some() && !answer.left && at != whole.len() {
        bail!("the stream ends within an event");
    }
    answer.body = whole.freeze();
    Ok(answer)
}

/// The data of an event; none for a comment.
fn data_of(event: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(event);
    let lines: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("data:"))
        .map(|data| data.strip_prefix(' ').unwrap_or(data))
        .collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}

impl Answer {
    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// What the cache said: `hit`, `joined`, `stale`, `bypass`, `miss`, or nothing.
    pub fn cache(&self) -> &'static str {
        let status = self
            .headers
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

    /// The events as JSON, the terminal `[DONE]` left out.
    pub fn json_events(&self) -> Vec<Value> {
        self.events
            .iter()
            .flatten()
            .filter(|data| *data != "[DONE]")
            .map(|data| serde_json::from_str(data).unwrap_or(Value::String(data.clone())))
            .collect()
    }

    /// A field of the first choice: of its message, or of all its deltas joined.
    pub fn said(&self, field: &str) -> String {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        if self.events.is_some() {
            let events = self.json_events();
            return events
                .iter()
                .map(|event| text(&event["choices"][0]["delta"][field]))
                .collect();
        }
        let body: Value = serde_json::from_slice(&self.body).unwrap_or_default();
        text(&body["choices"][0]["message"][field])
    }

    /// The arguments of the first choice's tool calls, joined, by index.
    pub fn tool_arguments(&self) -> Vec<String> {
        let mut calls: Vec<String> = Vec::new();
        let mut add = |call: &Value, at: usize| {
            while calls.len() <= at {
                calls.push(String::new());
            }
            calls[at] += call["function"]["arguments"].as_str().unwrap_or_default();
        };
        if self.events.is_some() {
            for event in self.json_events() {
                let deltas = event["choices"][0]["delta"]["tool_calls"].clone();
                for call in deltas.as_array().into_iter().flatten() {
                    let index = call["index"].as_u64().unwrap_or(u64::MAX);
                    // A wild index would allocate wildly; 64 calls are more than any case has.
                    add(call, usize::try_from(index).unwrap_or(64).min(64));
                }
            }
        } else {
            let body: Value = serde_json::from_slice(&self.body).unwrap_or_default();
            let called = body["choices"][0]["message"]["tool_calls"].clone();
            for (at, call) in called.as_array().into_iter().flatten().enumerate() {
                add(call, at);
            }
        }
        calls
    }
}
