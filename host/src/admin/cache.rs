//! `/cache`: what is stored, and what should no longer be.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use forebay_gateway::store::{CacheKey, Selector, Store as _};
use serde::{Deserialize, Serialize};

use super::state::Surface;
use crate::operate::PolicyLoader;
use crate::store::EntrySummary;

/// Entries in one answer. 1000 are about 300 KB of JSON.
const MAX_LISTED: usize = 1000;

/// Which entries: all given fields must match.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Which {
    key: Option<String>,
    tenant: Option<String>,
    model: Option<String>,
    tag: Option<String>,
    /// Only for purging: everything, when nothing else is named.
    all: bool,
}

impl Which {
    fn selector(self) -> Result<Selector, &'static str> {
        let key = match self.key {
            None => None,
            Some(digits) => {
                let bytes = hex::decode(digits)
                    .ok()
                    .and_then(|bytes| bytes.try_into().ok());
                Some(CacheKey(bytes.ok_or("a key is 64 hexadecimal digits")?))
            }
        };
        Ok(Selector {
            key,
            tenant: self.tenant,
            model: self.model,
            tag: self.tag,
        })
    }
}

#[derive(Serialize)]
struct Listing {
    entries: Vec<EntrySummary>,
    total_entries: u64,
    total_bytes: u64,
}

pub(super) async fn list<L: PolicyLoader>(
    State(surface): State<Arc<Surface<L>>>,
    which: Result<Query<Which>, QueryRejection>,
) -> Response {
    let selector = match which
        .map_err(|e| e.body_text())
        .and_then(|Query(which)| which.selector().map_err(str::to_owned))
    {
        Ok(selector) => selector,
        Err(why) => return bad(why),
    };
    let store = surface.front.store();
    store.settle();
    let entries = store.list(&selector, MAX_LISTED);
    Json(Listing {
        entries,
        total_entries: store.len(),
        total_bytes: store.bytes(),
    })
    .into_response()
}

pub(super) async fn purge<L: PolicyLoader>(
    State(surface): State<Arc<Surface<L>>>,
    which: Result<Json<Which>, JsonRejection>,
) -> Response {
    let which = match which {
        Ok(Json(which)) => which,
        Err(rejection) => return bad(rejection.body_text()),
    };
    let all = which.all;
    let selector = match which.selector() {
        Ok(selector) => selector,
        Err(why) => return bad(why.to_owned()),
    };
    // An empty selector matches everything; that must be said, not left out.
    if !all && selector == Selector::default() {
        return bad("name a key, tenant, model or tag, or say {\"all\": true}".to_owned());
    }
    match surface.front.store().purge(&selector).await {
        Ok(purged) => Json(serde_json::json!({ "purged": purged })).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}

fn bad(why: String) -> Response {
    (StatusCode::BAD_REQUEST, format!("{why}\n")).into_response()
}
