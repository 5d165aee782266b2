//! `/why`: how the last requests came to their answers.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use forebay_gateway::observe::Summary;
use forebay_gateway::policy::Hit;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::state::Surface;
use crate::operate::PolicyLoader;
use crate::telemetry::cache_word;

/// Requests in one answer: each has about 2 KB of JSON.
const MAX_LISTED: usize = 1000;
/// Requests of one id: clients may use an id again.
const MAX_SAME: usize = 16;

/// Which requests.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Which {
    /// At most so many.
    limit: usize,
    /// Only those that failed.
    failed: bool,
    /// Only those of this tenant.
    tenant: Option<String>,
}

impl Default for Which {
    fn default() -> Self {
        Self {
            limit: 20,
            failed: false,
            tenant: None,
        }
    }
}

#[derive(Serialize)]
struct Told {
    requests: Vec<Value>,
    /// How many the gateway keeps.
    kept: usize,
}

pub(super) async fn list<L: PolicyLoader>(
    State(surface): State<Arc<Surface<L>>>,
    which: Result<Query<Which>, QueryRejection>,
) -> Response {
    let which = match which {
        Ok(Query(which)) => which,
        Err(rejection) => {
            return (
                StatusCode::BAD_REQUEST,
                format!("{}\n", rejection.body_text()),
            )
                .into_response();
        }
    };
    let fits = |summary: &Summary| {
        let caller = summary.caller.as_ref();
        let tenant = caller.map(|caller| &*caller.tenant);
        (!which.failed || summary.error.is_some())
            && (which.tenant.is_none() || which.tenant.as_deref() == tenant)
    };
    let recent = &surface.front.platform().observers().recent;
    let found = recent.find(which.limit.min(MAX_LISTED), fits);
    Json(Told {
        requests: found.iter().map(|summary| told(summary)).collect(),
        kept: recent.limit(),
    })
    .into_response()
}

pub(super) async fn one<L: PolicyLoader>(
    State(surface): State<Arc<Surface<L>>>,
    Path(id): Path<String>,
) -> Response {
    let recent = &surface.front.platform().observers().recent;
    let found = recent.find(MAX_SAME, |summary| summary.request_id == id);
    if found.is_empty() {
        let why = format!(
            "no request of this id ended among the last {} (telemetry.recent): it may still be in flight, have come to another gateway, or be older\n",
            recent.limit()
        );
        return (StatusCode::NOT_FOUND, why).into_response();
    }
    Json(Told {
        requests: found.iter().map(|summary| told(summary)).collect(),
        kept: recent.limit(),
    })
    .into_response()
}

/// A request as JSON: times in milliseconds, money in US dollars.
fn told(summary: &Summary) -> Value {
    let way = &summary.way;
    let caller = summary.caller.as_ref();
    let why = summary.cache_why.as_ref();
    json!({
        "request_id": summary.request_id,
        "received": humantime::format_rfc3339_millis(summary.started).to_string(),
        "path": summary.path,
        "tenant": caller.map(|caller| &*caller.tenant),
        "key": caller.map(|caller| &*caller.key),
        "model": summary.model,
        "stream": summary.stream,
        "rules": rules(&summary.guard_hits),
        "output_rules": rules(&way.output_hits),
        "denied": summary.denied,
        "cache": {
            "result": cache_word(summary.cache),
            "tier": summary.cache_tier,
            "why": why.map(|why| json!({ "code": why.code, "detail": why.detail })),
            "joined": way.led_by.as_deref(),
        },
        "order": way.order.iter().map(|placed| json!({
            "upstream": &*placed.upstream,
            "score": placed.score,
            "cost_usd": placed.cost_micro_usd.map(dollars),
        })).collect::<Vec<_>>(),
        "excluded": way.excluded.iter().map(|out| json!({
            "upstream": &*out.upstream,
            "code": out.why.code,
            "detail": out.why.detail,
        })).collect::<Vec<_>>(),
        "attempts": way.attempts.iter().map(|tried| json!({
            "upstream": &*tried.upstream,
            "status": tried.status,
            "failure": tried.failure.map(|kind| kind.code()),
            "detail": tried.detail,
            "start_ms": millis(tried.start),
            "took_ms": millis(tried.head),
            "retried": tried.retried,
        })).collect::<Vec<_>>(),
        "lost": summary.lost.iter().map(|lost| json!({
            "field": lost.name,
            "grade": lost.grade.as_str(),
        })).collect::<Vec<_>>(),
        "stages": way.stages.iter().map(|stage| json!({
            "stage": stage.name,
            "start_ms": millis(stage.start),
            "took_ms": millis(stage.took),
        })).collect::<Vec<_>>(),
        "outcome": outcome(summary),
    })
}

fn outcome(summary: &Summary) -> Value {
    json!({
        "status": summary.status,
        "error": summary.error.map(|kind| kind.code()),
        "code": summary.code,
        "ended_by": summary.error.map(|kind| kind.stage()),
        "upstream": summary.upstream.as_deref(),
        "response_model": summary.response_model,
        "input_tokens": summary.usage.map(|usage| usage.input),
        "cached_input_tokens": summary.usage.map(|usage| usage.cached_input),
        "output_tokens": summary.usage.map(|usage| usage.output),
        "tokens_estimated": summary.usage_estimated,
        "cost_usd": dollars(summary.cost_micro_usd),
        "saved_usd": dollars(summary.saved_by_cache_micro_usd + summary.saved_by_prefix_micro_usd),
        "first_token_ms": summary.first_token.map(millis),
        "duration_ms": millis(summary.duration),
        "bytes_out": summary.bytes_out,
        "client_gone": summary.client_gone,
    })
}

fn rules(hits: &[Hit]) -> Vec<Value> {
    let hits = hits.iter().map(|hit| {
        json!({
            "rule": hit.rule,
            "action": hit.action,
            "matches": hit.count,
            "shadow": hit.shadow,
        })
    });
    hits.collect()
}

/// With three digits: a microsecond.
fn millis(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

#[allow(
    clippy::cast_precision_loss,
    reason = "2^53 millionths are nine billion dollars"
)]
fn dollars(micro: u64) -> f64 {
    micro as f64 / 1e6
}
