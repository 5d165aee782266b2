//! `/v1/models`: what the configuration names, and what upstreams without a list of their own tell.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use forebay_dialect::openai::models::{ModelEntry, list, one};
use futures_util::StreamExt as _;

use crate::error::{ErrorKind, GatewayError};
use crate::gateway::Gateway;
use crate::identity::Identity;
use crate::platform::Platform;
use crate::time::timeout;
use crate::upstream::Upstream;

/// How long an upstream may take to list its models, and how much it may say.
const PATIENCE: Duration = Duration::from_secs(5);
const MAX_LIST: usize = 1 << 20;

/// The list, or one model of it, as far as the key may use them.
pub(crate) async fn answer<P: Platform>(
    gateway: &Arc<Gateway<P>>,
    identity: &Identity,
    wanted: Option<&str>,
) -> Result<Bytes, GatewayError> {
    let mut found: BTreeMap<String, ModelEntry> = BTreeMap::new();
    for upstream in gateway.all_upstreams() {
        let entries = if upstream.config.models.is_empty() {
            ask(gateway, upstream).await.unwrap_or_default()
        } else {
            let entry = |id: &String| ModelEntry {
                id: id.clone(),
                created: 0,
                owned_by: upstream.config.name.clone(),
            };
            upstream.config.models.keys().map(entry).collect()
        };
        for entry in entries
            .into_iter()
            .filter(|entry| identity.may_use(&entry.id))
        {
            found.entry(entry.id.clone()).or_insert(entry);
        }
    }
    match wanted {
        None => Ok(list(&found.into_values().collect::<Vec<_>>())),
        Some(id) => found.get(id).map(one).ok_or_else(|| unknown_model(id)),
    }
}

/// The error of a model that nobody serves.
pub(crate) fn unknown_model(model: &str) -> GatewayError {
    // 128: a name is no place for a payload.
    let shown: String = model.chars().take(128).collect();
    GatewayError::new(
        ErrorKind::ModelNotFound,
        format!("no upstream serves the model \"{shown}\""),
    )
    .with_param(Some("model"))
}

async fn ask<P: Platform>(
    gateway: &Arc<Gateway<P>>,
    upstream: &Upstream,
) -> Option<Vec<ModelEntry>> {
    let platform = gateway.platform();
    let random = u64::from(platform.random()[0]);
    let endpoint = upstream.pick(&[], random)?;
    let request = upstream.get(&endpoint, "/v1/models")?;
    let body = timeout(&**platform, PATIENCE, async {
        let response = platform.send(request, &upstream.transport).await.ok()?;
        if !response.status().is_success() {
            return None;
        }
        let mut body = response.into_body();
        let mut out = BytesMut::new();
        while let Some(chunk) = body.next().await {
            out.extend_from_slice(&chunk.ok()?);
            if out.len() > MAX_LIST {
                return None;
            }
        }
        Some(out.freeze())
    })
    .await??;
    let told: serde_json::Value = serde_json::from_slice(&body).ok()?;
    let entry = |model: &serde_json::Value| {
        Some(ModelEntry {
            id: model.get("id")?.as_str()?.to_owned(),
            created: model
                .get("created")
                .and_then(serde_json::Value::as_u64)
                .unwrap_or(0),
            owned_by: model
                .get("owned_by")
                .and_then(|o| o.as_str())
                .unwrap_or(&upstream.config.name)
                .to_owned(),
        })
    };
    Some(
        told.get("data")?
            .as_array()?
            .iter()
            .filter_map(entry)
            .collect(),
    )
}
