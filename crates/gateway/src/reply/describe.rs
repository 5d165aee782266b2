//! What the head of an answer says about how it came to be.

use std::time::Duration;

use http::header::AGE;
use http::{HeaderMap, HeaderValue};

use crate::decide::Decision;
use crate::enter::headers;
use crate::enter::ticket::Ticket;
use crate::observe::CacheResult;
use crate::platform::Platform;

/// The headers of an answer. `decided`: how long the decision took.
pub(crate) fn describe<P: Platform>(
    decision: &Decision<P>,
    ticket: &Ticket<P>,
    decided: Duration,
) -> HeaderMap {
    let mut out = HeaderMap::with_capacity(16);
    let cache_name = &ticket.gateway.config().cache_name;
    headers::describe(&mut out, &ticket.summary, cache_name, Some(decision.key));
    let policy = ticket.summary.policy_time;
    let overhead = ticket.summary.overhead;
    let (rank, waited) = ticket
        .head
        .as_ref()
        .map_or_else(Default::default, |head| (head.rank, head.waited));
    let stages = [
        ("read", decided.saturating_sub(policy)),
        ("policy", policy),
        ("store", overhead.saturating_sub(decided)),
        ("rank", rank),
        ("upstream", waited),
    ];
    headers::timing(&mut out, &stages);
    if let Some(levels) = ticket.charge.levels() {
        headers::rate_limits(&mut out, levels);
    }
    if ticket.summary.cache == CacheResult::Hit {
        out.insert(AGE, HeaderValue::from_static("0"));
    }
    let Some(head) = &ticket.head else {
        return out;
    };
    if ticket.explain {
        headers::put_text(&mut out, headers::ROUTE, &ticket.trail.told());
    }
    if !head.lost.is_empty() {
        headers::put(&mut out, headers::LOST, &head.lost);
    }
    if let Some(id) = &head.request_id {
        headers::put(&mut out, headers::UPSTREAM_REQUEST_ID, id);
    }
    headers::upstream_rate_limits(&mut out, &head.rate_limits);
    out
}
