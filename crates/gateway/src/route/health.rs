//! Active health checks: one loop for each replica, for as long as the gateway lives.

use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::BytesMut;
use futures_util::StreamExt as _;

use super::report::{EngineReport, MAX_PAGE};
use super::{Endpoint, Upstream};
use crate::gateway::Gateway;
use crate::observe::{HealthChange, Observation};
use crate::platform::Platform;
use crate::time::timeout;

/// Failed checks in a row that take a replica out: one may be a lost packet.
const FAILURES: u32 = 2;

/// Starts a loop for each replica that has a health path. The loops end with the gateway.
pub(crate) fn run_health_checks<P: Platform>(gateway: &Arc<Gateway<P>>) {
    for upstream in gateway.all_upstreams() {
        if upstream.config.health_path().is_none() {
            // A reload may have taken the page away: what it said last holds no longer.
            for endpoint in &upstream.endpoints {
                endpoint.set_up(true);
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
    loop {
        let Some(live) = gateway.upgrade() else {
            return;
        };
        let platform = live.platform().clone();
        drop(live);
        let ok = check(&*platform, &upstream, &endpoint, interval).await;
        failures = if ok { 0 } else { failures + 1 };
        let healthy = failures < FAILURES;
        if endpoint.set_up(healthy) {
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
        platform.sleep(interval).await;
    }
}

/// Whether a replica is well, as far as its health page tells. A page that is not there (404, 405,
/// 501), or that asks for other credentials (401, 403), tells nothing: many servers have none.
async fn check<P: Platform>(
    platform: &P,
    upstream: &Upstream,
    endpoint: &Endpoint,
    limit: Duration,
) -> bool {
    let path = upstream.config.health_path().unwrap_or_default();
    let Some(request) = upstream.get(endpoint, path) else {
        return false;
    };
    let answer = timeout(platform, limit, platform.send(request, &upstream.transport)).await;
    let Some(Ok(response)) = answer else {
        return false;
    };
    response.status().is_success()
        || matches!(response.status().as_u16(), 401 | 403 | 404 | 405 | 501)
}

/// What a replica's own metrics tell, if it has any.
async fn read_metrics<P: Platform>(
    platform: &P,
    upstream: &Upstream,
    endpoint: &Endpoint,
) -> Option<EngineReport> {
    let request = upstream.get(endpoint, "/metrics")?;
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
    EngineReport::read(&String::from_utf8_lossy(&page))
}
