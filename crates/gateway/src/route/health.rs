//! Active health checks: one loop for each replica, for as long as the gateway lives.

use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::BytesMut;
use forebay_prefix::Lora;
use futures_util::StreamExt as _;
use serde::Deserialize;

use super::endpoint::Health;
use super::report::{EngineReport, MAX_PAGE};
use super::{Replica, Upstream};
use crate::gateway::Gateway;
use crate::observe::{HealthChange, Observation};
use crate::platform::Platform;
use crate::time::timeout;

/// Failed checks in a row that take a replica out: one may be a lost packet.
const FAILURES: u32 = 2;

/// The least time that a page gets, however often it is asked for.
const PATIENCE: Duration = Duration::from_secs(1);

/// Health checks from one look at the list of models to the next: adapters come and go rarely.
const BETWEEN_LISTS: u32 = 6;

/// Starts a loop for each replica that has a health path. The loops end with the gateway.
pub(crate) fn run_health_checks<P: Platform>(gateway: &Arc<Gateway<P>>) {
    for upstream in gateway.all_upstreams() {
        if upstream.config.health_path().is_none() {
            // A reload may have taken the page away: what it said last holds no longer.
            for endpoint in &upstream.endpoints {
                endpoint.found(Health::Well);
            }
            continue;
        }
        for index in 0..upstream.endpoints.len() {
            let watched = Arc::downgrade(gateway);
            gateway
                .platform()
                .spawn(watch(watched, upstream.clone(), index));
        }
    }
}

async fn watch<P: Platform>(gateway: Weak<Gateway<P>>, upstream: Arc<Upstream>, index: usize) {
    let endpoint = upstream.endpoints[index].clone();
    let interval = upstream
        .config
        .health_interval
        .0
        .max(Duration::from_millis(10));
    let mut failures = 0;
    let mut round = 0_u32;
    loop {
        let Some(live) = gateway.upgrade() else {
            return;
        };
        let platform = live.platform().clone();
        drop(live);
        let limit = interval.max(PATIENCE);
        let found = check(&*platform, &upstream, &endpoint, limit).await;
        let ok = found == Health::Well;
        failures = if ok { 0 } else { failures + 1 };
        let healthy = failures < FAILURES;
        if endpoint.found(if healthy { Health::Well } else { found }) {
            platform.observe(Observation::Health {
                upstream: upstream.name.clone(),
                endpoint: endpoint.base.clone(),
                healthy,
                change: HealthChange::Check { failures },
            });
        }
        if ok && upstream.config.reads_metrics() {
            let read = read_metrics(&*platform, &upstream, &endpoint);
            if let Some(Some(report)) = timeout(&*platform, interval, read).await {
                upstream.reported(&endpoint, &report, platform.now());
            }
        }
        if ok && round.is_multiple_of(BETWEEN_LISTS) && upstream.token_index().is_some() {
            let read = read_adapters(&*platform, &upstream, &endpoint);
            if let Some(Some(adapters)) = timeout(&*platform, interval, read).await {
                upstream.lists(adapters);
            }
        }
        round = round.wrapping_add(1);
        platform.sleep(interval).await;
    }
}

/// Whether a replica is well, as far as its health page tells. A page that is not there (404, 405,
/// 501), or that asks for other credentials (401, 403), tells nothing: many servers have none. Nor
/// does one that is slow, while answers come from the replica: it has much to do.
async fn check<P: Platform>(
    platform: &P,
    upstream: &Upstream,
    endpoint: &Replica,
    limit: Duration,
) -> Health {
    let path = upstream.config.health_path().unwrap_or_default();
    let Some(request) = upstream.get(endpoint, path) else {
        return Health::Silent;
    };
    let asked = platform.now();
    let answer = timeout(platform, limit, platform.send(request, &upstream.transport)).await;
    match answer {
        Some(Ok(response)) => match response.status().as_u16() {
            200..=299 | 401 | 403 | 404 | 405 | 501 => Health::Well,
            _ => Health::Ill,
        },
        None if endpoint.spoke_since(asked) => Health::Well,
        Some(Err(_)) | None => Health::Silent,
    }
}

/// The LoRA adapters that a replica lists among its models: those with a parent.
async fn read_adapters<P: Platform>(
    platform: &P,
    upstream: &Upstream,
    endpoint: &Replica,
) -> Option<Vec<Lora>> {
    #[derive(Deserialize)]
    struct Models {
        data: Vec<Model>,
    }
    #[derive(Deserialize)]
    struct Model {
        id: String,
        #[serde(default)]
        root: Option<String>,
        #[serde(default)]
        parent: Option<String>,
    }
    let page = read_page(platform, upstream, endpoint, "/v1/models").await?;
    let models: Models = serde_json::from_slice(&page).ok()?;
    let adapters = models.data.into_iter().filter_map(|model| {
        model.parent?;
        Some(Lora {
            name: model.id,
            path: model.root.unwrap_or_default(),
        })
    });
    Some(adapters.collect())
}

/// What a replica's own metrics tell, if it has any.
async fn read_metrics<P: Platform>(
    platform: &P,
    upstream: &Upstream,
    endpoint: &Replica,
) -> Option<EngineReport> {
    let page = read_page(platform, upstream, endpoint, "/metrics").await?;
    EngineReport::read(&String::from_utf8_lossy(&page), endpoint.rank())
}

/// A page of a replica, if it has it.
async fn read_page<P: Platform>(
    platform: &P,
    upstream: &Upstream,
    endpoint: &Replica,
    path: &str,
) -> Option<BytesMut> {
    let request = upstream.get(endpoint, path)?;
    let response = platform.send(request, &upstream.transport).await.ok()?;
    if !response.status().is_success() {
        return None;
    }
    let mut body = response.into_body();
    let mut page = BytesMut::new();
    while let Some(piece) = body.next().await {
        page.extend_from_slice(&piece.ok()?);
        if page.len() > MAX_PAGE {
            return None;
        }
    }
    Some(page)
}
