//! The answer to a request that passes through: read and judged where it is text, else handed on
//! piece by piece as it comes.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use forebay_dialect::canonical::Usage;
use forebay_dialect::passing::{Passing, Table};
use futures_core::Stream;
use futures_util::StreamExt as _;
use http::HeaderValue;
use http::header::CONTENT_TYPE;

use super::Passage;
use super::judge::{Judged, guarded, release};
use super::table::Answer as Kind;
use crate::decide::aside;
use crate::decide::masks::MaskTable;
use crate::enter::ticket::Ticket;
use crate::error::{ErrorKind, GatewayError};
use crate::gateway::Gateway;
use crate::memory::no_memory;
use crate::observe::Observation;
use crate::platform::{Platform, TransportError, TransportFailure, UpstreamBody};
use crate::policy::{Caller, Hit, OutputGuard, Policies};
use crate::receive::guard::{Guarded, policy_failed};
use crate::reply::Content;
use crate::route::{Answer, timed_out, transport_error};
use crate::time::{Deadline, Timer, timeout};

/// What an answer is read under.
pub(super) struct Ruled<'a, P: Platform> {
    pub(super) gateway: &'a Arc<Gateway<P>>,
    pub(super) caller: &'a Caller,
    pub(super) passage: &'static Passage,
    pub(super) judged: Judged,
    pub(super) deadline: Deadline,
}

impl<P: Platform> Ruled<'_, P> {
    /// Somebody here has to see the answer's text.
    fn sees(&self) -> bool {
        self.judged.guard_output || !self.judged.masks.is_empty()
    }

    /// An answer whose text can't be seen must not go out.
    fn must_see(&self) -> bool {
        self.judged.output_enforced || !self.judged.masks.is_empty()
    }
}

/// What the media type of an answer makes of it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Json,
    Events,
    Text,
    Other,
}

fn form(media: &HeaderValue) -> Form {
    let media = media.to_str().unwrap_or_default();
    let media = media.split(';').next().unwrap_or_default().trim();
    let media = media.to_ascii_lowercase();
    if media == "application/json" || media.ends_with("+json") {
        Form::Json
    } else if media == "text/event-stream" {
        Form::Events
    } else if media.starts_with("text/") || media.contains("subrip") {
        Form::Text
    } else {
        Form::Other
    }
}

/// Reads an answer that has begun.
pub(super) async fn read<P: Platform>(
    mut ruled: Ruled<'_, P>,
    answer: Answer,
    ticket: &mut Ticket<P>,
) -> Result<Content<P>, GatewayError> {
    let plain = HeaderValue::from_static("application/octet-stream");
    let media = answer.head.headers.get(CONTENT_TYPE).cloned();
    let media = media.unwrap_or(plain);
    let form = form(&media);
    let text = ruled.passage.answer != Kind::Media;
    match form {
        Form::Json => {
            let body = collect(&ruled, answer).await?;
            match usage(&body) {
                Some(usage) => ticket.counted(usage, false),
                None => ticket.estimated(0, false),
            }
            let guarded = ruled.judged.guard_output;
            let body = judged(&mut ruled, body).await?;
            // The parameters of a media type are an upstream's words as well.
            let media = match guarded {
                true => HeaderValue::from_static("application/json"),
                false => media,
            };
            Ok(Content::Typed(body, media))
        }
        Form::Text if text && ruled.sees() => {
            let body = collect(&ruled, answer).await?;
            let quoted = std::str::from_utf8(&body).map_err(|_| unreadable(&ruled))?;
            let quoted = Bytes::from(forebay_dialect::json_string(quoted));
            ticket.estimated(0, false);
            let body = judged(&mut ruled, quoted).await?;
            let text: String = serde_json::from_slice(&body).map_err(|_| unreadable(&ruled))?;
            Ok(Content::Typed(text.into(), media))
        }
        _ if text && ruled.must_see() => Err(unreadable(&ruled)),
        _ => {
            ticket.estimated(0, false);
            Ok(Content::Unread(flow(&ruled, answer), media))
        }
    }
}

fn unreadable<P: Platform>(ruled: &Ruled<'_, P>) -> GatewayError {
    GatewayError::new(
        ErrorKind::UpstreamInvalid,
        format!(
            "the answer of \"{}\" has a format that the output rules can't check",
            ruled.passage.name
        ),
    )
}

/// An answer in JSON with its text judged and its masks undone.
pub(super) async fn judged<P: Platform>(
    ruled: &mut Ruled<'_, P>,
    body: Bytes,
) -> Result<Bytes, GatewayError> {
    if !ruled.sees() {
        return Ok(body);
    }
    let table: Table = match ruled.passage.answer {
        Kind::Text(table) => table,
        Kind::Media => &[],
    };
    let guard = match ruled.judged.guard_output {
        true => {
            let guard = ruled.gateway.policies().guard(ruled.caller).await;
            let guard = guard.map_err(|error| policy_failed(&error))?;
            Some(guarded(guard, ruled.gateway.platform().random()))
        }
        false => None,
    };
    let (size, name) = (body.len(), ruled.passage.name);
    let masks = ruled.judged.masks.clone();
    let work = aside(ruled.gateway, &ruled.caller.tenant, size, async move {
        released(body, (table, name), guard, &masks).await
    });
    let (body, hits) = work.await;
    if !hits.is_empty() {
        let caller = ruled.caller.clone();
        let platform = ruled.gateway.platform();
        platform.observe(Observation::GuardHits { caller, hits });
    }
    body
}

/// What may go out of an answer, and the rules that matched.
async fn released<G: OutputGuard>(
    body: Bytes,
    (table, name): (Table, &'static str),
    guard: Option<Guarded<G>>,
    masks: &MaskTable,
) -> (Result<Bytes, GatewayError>, Vec<Hit>) {
    let answer = match Passing::read_answer(body, table) {
        Ok(answer) => answer,
        Err(error) => {
            let error = format!("the answer of \"{name}\" is not JSON: {error}");
            let error = GatewayError::new(ErrorKind::UpstreamInvalid, error);
            return (Err(error), Vec::new());
        }
    };
    let mut hits = Vec::new();
    let released = release(guard, masks, &answer, &mut hits).await;
    (released.map(|released| answer.with(&released, None)), hits)
}

/// The lines of an answer that are JSON each, judged; whatever else it is can't be.
pub(super) async fn passed<P: Platform>(
    mut ruled: Ruled<'_, P>,
    answer: Answer,
) -> Result<Content<P>, GatewayError> {
    let body = collect(&ruled, answer).await?;
    let lines: Vec<&[u8]> = body
        .split(|byte| *byte == b'\n')
        .map(<[u8]>::trim_ascii)
        .filter(|line| !line.is_empty())
        .collect();
    // As one list they are judged at once, and a line's end stands in no string of it.
    let list = [&b"["[..], &lines.join(&b",\n"[..]), b"]"].concat();
    let list = judged(&mut ruled, list.into()).await?;
    let list = list
        .strip_prefix(b"[")
        .and_then(|list| list.strip_suffix(b"]"));
    let list = list.ok_or_else(|| unreadable(&ruled))?;
    let mut out = Vec::with_capacity(list.len() + 1);
    for line in list.split(|byte| *byte == b'\n') {
        out.extend_from_slice(line.strip_suffix(b",").unwrap_or(line));
        out.push(b'\n');
    }
    let media = HeaderValue::from_static("application/jsonl");
    Ok(Content::Typed(out.into(), media))
}

/// An answer that nobody here reads.
pub(super) fn unseen<P: Platform>(ruled: &Ruled<'_, P>, answer: Answer) -> Content<P> {
    let media = answer.head.headers.get(CONTENT_TYPE).cloned();
    let media = media.unwrap_or(HeaderValue::from_static("application/octet-stream"));
    Content::Unread(flow(ruled, answer), media)
}

/// All of an answer, within its bounds.
pub(super) async fn collect<P: Platform>(
    ruled: &Ruled<'_, P>,
    mut answer: Answer,
) -> Result<Bytes, GatewayError> {
    let config = ruled.gateway.config();
    let platform = &**ruled.gateway.platform();
    let name = answer.upstream.name.clone();
    let limit = config.streams.max_response;
    let mut share = platform.share();
    let mut out = BytesMut::new();
    loop {
        let left = ruled.deadline.left(platform.now());
        let Some(piece) = timeout(platform, left, answer.body.next()).await else {
            return Err(timed_out(&name, left, ruled.deadline.own));
        };
        let Some(piece) = piece else { break };
        let piece = piece.map_err(|error| transport_error(&name, &error))?;
        if out.len() + piece.len() > limit {
            let error = format!(
                "upstream \"{name}\" sent an answer over the limit of {limit} bytes (streams.max_response)"
            );
            return Err(GatewayError::new(ErrorKind::UpstreamInvalid, error));
        }
        if !share.grow(piece.len()) {
            return Err(no_memory());
        }
        out.extend_from_slice(&piece);
    }
    Ok(share.seal(out.freeze()))
}

/// What an answer says that it took, in any of the makers' forms.
fn usage(body: &[u8]) -> Option<Usage> {
    #[derive(serde::Deserialize)]
    struct Told {
        #[serde(default)]
        usage: Option<Counts>,
        #[serde(default)]
        meta: Option<Meta>,
    }
    #[derive(serde::Deserialize)]
    struct Meta {
        #[serde(default)]
        tokens: Option<Counts>,
        #[serde(default)]
        billed_units: Option<Counts>,
    }
    #[derive(serde::Deserialize)]
    struct Counts {
        #[serde(default, alias = "prompt_tokens")]
        input_tokens: Option<f64>,
        #[serde(default, alias = "completion_tokens")]
        output_tokens: Option<f64>,
        #[serde(default)]
        total_tokens: Option<f64>,
    }
    let told: Told = serde_json::from_slice(body).ok()?;
    let meta = told.meta.and_then(|meta| meta.tokens.or(meta.billed_units));
    let counts = told.usage.or(meta)?;
    // Cohere counts in floats.
    let whole = |count: Option<f64>| count.filter(|c| *c >= 0.0).map(|c| c as u64);
    let output = whole(counts.output_tokens).unwrap_or(0);
    let total = whole(counts.total_tokens).map(|total| total.saturating_sub(output));
    let input = whole(counts.input_tokens).or(total)?;
    Some(Usage {
        input,
        output,
        ..Usage::default()
    })
}

/// The answer as it comes, within its bounds of time. It counts as the upstream's work until then.
fn flow<P: Platform>(ruled: &Ruled<'_, P>, answer: Answer) -> UpstreamBody {
    let platform = ruled.gateway.platform().clone();
    let model = "";
    let idle = answer
        .upstream
        .idle(model, &ruled.gateway.config().timeouts);
    UpstreamBody::new(Box::pin(Flow {
        last: platform.now(),
        platform,
        answer,
        idle,
        until: ruled.deadline.at,
        timer: Timer::default(),
    }))
}

struct Flow<P: Platform> {
    platform: Arc<P>,
    answer: Answer,
    idle: Duration,
    last: Instant,
    until: Instant,
    timer: Timer,
}

impl<P: Platform> Stream for Flow<P> {
    type Item = Result<Bytes, TransportError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        if let Poll::Ready(piece) = Pin::new(&mut this.answer.body).poll_next(cx) {
            this.last = this.platform.now();
            return Poll::Ready(piece);
        }
        let due = (this.last + this.idle).min(this.until);
        ready!(this.timer.poll(&*this.platform, due, cx));
        Poll::Ready(Some(Err(TransportError {
            failure: TransportFailure::Body,
            detail: format!(
                "upstream \"{}\" stopped sending in the middle of its answer (timeouts)",
                this.answer.upstream.name
            ),
        })))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_makers_count_is_read() {
        let of = |body: &str| usage(body.as_bytes()).map(|u| (u.input, u.output));
        for (body, counted) in [
            (r#"{"usage":{"total_tokens":7}}"#, Some((7, 0))),
            (
                r#"{"usage":{"prompt_tokens":5,"completion_tokens":2,"total_tokens":7}}"#,
                Some((5, 2)),
            ),
            (
                r#"{"usage":{"input_tokens":5,"output_tokens":9}}"#,
                Some((5, 9)),
            ),
            (r#"{"usage":{"type":"duration","seconds":3}}"#, None),
            (r#"{"meta":{"billed_units":{"search_units":1.0}}}"#, None),
            (
                r#"{"meta":{"tokens":{"input_tokens":11.0,"output_tokens":0.0}}}"#,
                Some((11, 0)),
            ),
            ("[]", None),
        ] {
            assert_eq!(of(body), counted, "{body}");
        }
    }
}
