//! `/config`, `/upstreams` and `/reload`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;

use super::state::Surface;
use crate::config::Config;
use crate::operate::PolicyLoader;

#[derive(Serialize)]
struct Loaded {
    loaded: String,
    policies: String,
    config: Config,
}

/// The configuration as loaded: secrets are references, and header values, which may be secrets, are hidden.
pub(super) async fn config<L: PolicyLoader>(State(surface): State<Arc<Surface<L>>>) -> Response {
    use forebay_gateway::policy::Policies as _;
    let generation = surface.front.current();
    let mut config = (*generation.config).clone();
    for upstream in &mut config.upstreams {
        for value in upstream.headers.values_mut() {
            "(hidden)".clone_into(value);
        }
    }
    Json(Loaded {
        loaded: humantime::format_rfc3339_seconds(generation.loaded).to_string(),
        policies: hex::encode(generation.policies.digest()),
        config,
    })
    .into_response()
}

pub(super) async fn upstreams<L: PolicyLoader>(State(surface): State<Arc<Surface<L>>>) -> Response {
    Json(surface.front.current().gateway.upstreams()).into_response()
}

pub(super) async fn reload<L: PolicyLoader>(State(surface): State<Arc<Surface<L>>>) -> Response {
    match surface.reload().await {
        Ok(()) => "reloaded\n".into_response(),
        Err(error) => {
            tracing::error!(
                why = "admin request",
                "reload rejected, the old configuration stays in use: {error}"
            );
            (StatusCode::UNPROCESSABLE_ENTITY, format!("{error}\n")).into_response()
        }
    }
}
