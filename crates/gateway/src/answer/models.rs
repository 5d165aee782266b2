//! `/v1/models`: what the configuration names, and what upstreams without a list of their own say.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use forebay_dialect::ollama::{self, ModelDetails};
use forebay_dialect::openai::models::{ModelEntry, list, one};
use forebay_dialect::shelf::{self, Window};
use futures_util::StreamExt as _;
use futures_util::future::join_all;
use http::request;

use crate::enter::headers;
use crate::enter::identity::Identity;
use crate::enter::ingress::Shelf;
use crate::error::{ErrorKind, GatewayError};
use crate::gateway::Gateway;
use crate::platform::Platform;
use crate::route::{Listed, Need, Prefix, Upstream, first_eight};
use crate::time::timeout;

/// How long an upstream may take to list its models, and how much it may say.
const PATIENCE: Duration = Duration::from_secs(5);
const MAX_LIST: usize = 1 << 20;
/// How long a list serves without asking again, and how long one that did not answer is left alone.
const FRESH: Duration = Duration::from_secs(60);

/// The list, or one model of it, as far as the key may use them. All upstreams are asked at once.
pub(crate) async fn answer<P: Platform>(
    gateway: &Arc<Gateway<P>>,
    identity: &Identity,
    head: &request::Parts,
    shelf: &Shelf,
    body: &Bytes,
) -> Result<Bytes, GatewayError> {
    if *shelf == Shelf::OllamaVersion {
        return Ok(ollama::version());
    }
    let found = all(gateway, identity).await;
    let get = |id: &str| found.get(id).ok_or_else(|| unknown_model(id));
    let models = || found.values().cloned().collect::<Vec<_>>();
    let window = Window::read(head.uri.query().unwrap_or_default());
    // Google's client asks for version 1 of its API, whose path is OpenAI's.
    let googles = ["x-goog-api-client", "x-goog-api-key"];
    let googles = googles.iter().any(|name| head.headers.contains_key(*name));
    let anthropics = head.headers.contains_key(headers::ANTHROPIC_VERSION)
        || head.uri.path().starts_with("/anthropic/");
    Ok(match shelf {
        Shelf::OpenAi(None) if googles => shelf::gemini_list(&models(), &window),
        Shelf::OpenAi(Some(id)) if googles => shelf::gemini_one(get(id)?),
        Shelf::OpenAi(None) if anthropics => shelf::anthropic_list(&models(), &window),
        Shelf::OpenAi(Some(id)) if anthropics => shelf::anthropic_one(get(id)?),
        Shelf::OpenAi(None) => list(&models()),
        Shelf::OpenAi(Some(id)) => one(get(id)?),
        Shelf::Gemini(None) => shelf::gemini_list(&models(), &window),
        Shelf::Gemini(Some(id)) => shelf::gemini_one(get(id)?),
        Shelf::OllamaTags => ollama::tags(&models()),
        Shelf::OllamaVersion => ollama::version(),
        Shelf::OllamaShow => {
            let id = shown_model(body)?;
            ollama::show(get(&id)?, details(gateway, &id))
        }
    })
}

/// The model that a body names: `model`, or as older clients have it `name`.
fn shown_model(body: &Bytes) -> Result<String, GatewayError> {
    let named: Option<serde_json::Value> = serde_json::from_slice(body).ok();
    let text = |name: &str| Some(named.as_ref()?.get(name)?.as_str()?.to_owned());
    text("model").or_else(|| text("name")).ok_or_else(|| {
        GatewayError::new(ErrorKind::InvalidRequest, "the body must name a 'model'")
            .with_param(Some("model"))
    })
}

/// What is known of a model: of the first upstream that has it.
fn details<P: Platform>(gateway: &Gateway<P>, model: &str) -> ModelDetails {
    let mut upstreams = gateway.all_upstreams().iter();
    let first = upstreams.find(|u| u.model_name(model).is_some());
    first.map_or_else(ModelDetails::default, |upstream| {
        let config = &upstream.config;
        ModelDetails {
            tools: config.capabilities.tools,
            vision: config.capabilities.vision,
            context: config.context_tokens,
        }
    })
}

/// Every model that the key may use, by name.
async fn all<P: Platform>(
    gateway: &Arc<Gateway<P>>,
    identity: &Identity,
) -> BTreeMap<String, ModelEntry> {
    let upstreams = gateway.all_upstreams();
    let lists = join_all(upstreams.iter().map(|u| models_of(gateway, u))).await;
    let mut found: BTreeMap<String, ModelEntry> = BTreeMap::new();
    for entry in lists.iter().flat_map(|list| list.iter()) {
        if identity.may_use(&entry.id) {
            found
                .entry(entry.id.clone())
                .or_insert_with(|| entry.clone());
        }
    }
    found
}

/// Whether the upstream of this name has this model by the configuration's word, or by its own
/// when it was last asked for its list.
pub(crate) fn is_listed<P: Platform>(gateway: &Gateway<P>, name: &str, model: &str) -> bool {
    let Some(upstream) = gateway.upstream(name) else {
        return false;
    };
    upstream.names(model) || upstream.listed().models.iter().any(|m| m.id == model)
}

/// The models of one upstream: those configured, or those that it lists. What it listed last
/// serves while it does not answer.
async fn models_of<P: Platform>(
    gateway: &Arc<Gateway<P>>,
    upstream: &Upstream,
) -> Arc<[ModelEntry]> {
    if !upstream.config.models.is_empty() {
        let entry = |id: &String| ModelEntry {
            id: id.clone(),
            created: 0,
            owned_by: upstream.config.name.clone(),
        };
        return upstream.config.models.keys().map(entry).collect();
    }
    let now = gateway.platform().now();
    let Listed { models, asked } = upstream.listed().clone();
    if asked.is_some_and(|at| now.saturating_duration_since(at) < FRESH) {
        return models;
    }
    let listed = ask(gateway, upstream).await;
    let models = listed.map_or(models, Into::into);
    *upstream.listed() = Listed {
        models: models.clone(),
        asked: Some(gateway.platform().now()),
    };
    models
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
    let need = Need {
        model: "",
        tried: &[],
        prefix: &Prefix::default(),
        advised: None,
        random: first_eight(&platform.random()),
        now: platform.now(),
    };
    let endpoint = upstream.pick(&need, true)?.endpoint;
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
