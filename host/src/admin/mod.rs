//! The second port: probes and metrics for machines, cache and configuration for operators.

mod cache;
mod guard;
mod labelled;
mod prefix;
mod probes;
mod state;
mod token;
mod views;
mod why;

use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::{get, post};
use tokio::net::TcpListener;

use crate::listener;
use crate::operate::PolicyLoader;

pub use state::Surface;
pub use token::{AdminError, token, token_file};

/// Serves the whole surface until aborted.
pub async fn serve<L: PolicyLoader>(listener: TcpListener, surface: Arc<Surface<L>>) {
    let front = surface.front.clone();
    let guarded = Router::new()
        .route("/cache", get(cache::list))
        .route("/cache/purge", post(cache::purge))
        .route("/config", get(views::config))
        .route("/prefix/explain", post(prefix::explain))
        .route("/upstreams", get(views::upstreams))
        .route("/why", get(why::list))
        .route("/why/{id}", get(why::one))
        .route("/reload", post(views::reload))
        .route_layer(axum::middleware::from_fn_with_state(
            surface.clone(),
            guard::token::<L>,
        ));
    let router = Router::new()
        .merge(guarded)
        .merge(probes::router())
        .fallback(not_found)
        .layer(axum::middleware::from_fn_with_state(
            surface.clone(),
            guard::origin::<L>,
        ))
        .with_state(surface);
    listener::serve_router(listener, router, move || front.current().config.clone()).await;
}

/// Serves probes and metrics alone, to whoever asks, until aborted.
pub async fn serve_probes<L: PolicyLoader>(listener: TcpListener, surface: Arc<Surface<L>>) {
    let front = surface.front.clone();
    let router = Router::new()
        .merge(probes::router())
        .fallback(not_found)
        .with_state(surface);
    listener::serve_router(listener, router, move || front.current().config.clone()).await;
}

async fn not_found() -> (StatusCode, &'static str) {
    (
        StatusCode::NOT_FOUND,
        "there are /healthz, /readyz, /metrics, /cache, /cache/purge (POST), /config, /prefix/explain (POST), /upstreams, /why, /why/ID and /reload (POST)\n",
    )
}
