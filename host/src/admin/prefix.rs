//! `POST /prefix/explain`: what a request's prompt is to the engines that may get it.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;

use super::state::Surface;
use crate::operate::PolicyLoader;

/// As whom, and to which endpoint.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    tenant: Option<String>,
    #[serde(default = "chat")]
    path: String,
}

fn chat() -> String {
    "/v1/chat/completions".to_owned()
}

/// Explains the request in the body. Nothing of it is kept or logged.
pub(super) async fn explain<L: PolicyLoader>(
    State(surface): State<Arc<Surface<L>>>,
    Query(asked): Query<Asked>,
    body: Bytes,
) -> Response {
    let gateway = surface.front.current().gateway.clone();
    let tenant = asked.tenant.as_deref();
    match gateway.explain_prefix(&asked.path, body, tenant).await {
        Ok(explanation) => Json(explanation).into_response(),
        Err(error) => (
            StatusCode::UNPROCESSABLE_ENTITY,
            format!("{}\n", error.message),
        )
            .into_response(),
    }
}
