//! `/healthz`, `/readyz` and `/metrics`: for machines, without a token.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;

use super::labelled::prefix_gauges;
use super::state::Surface;
use crate::operate::{Lifecycle, PolicyLoader};

pub(super) fn router<L: PolicyLoader>() -> Router<Arc<Surface<L>>> {
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
}

#[derive(Serialize)]
struct Readiness {
    ready: bool,
    /// Policies are loaded before the listener starts, so serving means both.
    serving: bool,
    draining: bool,
    upstreams_healthy: usize,
    upstreams: usize,
}

async fn ready<L: PolicyLoader>(State(surface): State<Arc<Surface<L>>>) -> Response {
    let stage = surface.front.lifecycle();
    let upstreams = surface.front.current().gateway.upstreams();
    let healthy = upstreams
        .iter()
        .filter(|upstream| upstream.endpoints.iter().any(|endpoint| endpoint.healthy))
        .count();
    let readiness = Readiness {
        ready: stage == Lifecycle::Serving && healthy > 0,
        serving: stage != Lifecycle::Starting,
        draining: stage == Lifecycle::Draining,
        upstreams_healthy: healthy,
        upstreams: upstreams.len(),
    };
    let status = if readiness.ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, Json(readiness)).into_response()
}

async fn metrics<L: PolicyLoader>(State(surface): State<Arc<Surface<L>>>) -> Response {
    let front = &surface.front;
    let generation = front.current();
    front.store().settle();
    let upstreams = generation.gateway.upstreams();
    let endpoints = upstreams.iter().flat_map(|upstream| &upstream.endpoints);
    let gauges = [
        (
            "forebay_requests_in_flight",
            "Requests in flight",
            generation.gateway.in_flight().into(),
        ),
        (
            "forebay_flights_active",
            "Flights that can be joined",
            generation.gateway.flights() as u64,
        ),
        (
            "forebay_store_entries",
            "Entries in the memory tier",
            front.store().len(),
        ),
        (
            "forebay_store_bytes",
            "Bytes in the memory tier",
            front.store().bytes(),
        ),
        (
            "forebay_memo_entries",
            "Remembered decisions",
            front.platform().remembered(),
        ),
        (
            "forebay_request_bodies_bytes",
            "Bodies of requests and of whole answers in memory",
            front.held().bytes() as u64,
        ),
        (
            "forebay_endpoints_healthy",
            "Endpoints in use",
            endpoints.clone().filter(|e| e.healthy).count() as u64,
        ),
        (
            "forebay_endpoints",
            "Endpoints configured",
            endpoints.count() as u64,
        ),
    ];
    match front.metrics().encode(&gauges) {
        // Before the registry's text, which ends with the end-of-file mark.
        Ok(text) => (
            [(
                header::CONTENT_TYPE,
                "text/plain; version=0.0.4; charset=utf-8",
            )],
            prefix_gauges(&upstreams) + &text,
        )
            .into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
