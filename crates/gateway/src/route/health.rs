//! Active health checks: one loop for each replica, for as long as the gateway lives.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::{Endpoint, Upstream};
use crate::gateway::Gateway;
use crate::observe::Observation;
use crate::platform::Platform;
use crate::time::timeout;

/// Failed checks in a row that take a replica out: one may be a lost packet.
const FAILURES: u32 = 2;

/// Starts a loop for each replica that has a health path. The loops end with the gateway.
pub(crate) fn run_health_checks<P: Platform>(gateway: &Arc<Gateway<P>>) {
    for upstream in gateway.all_upstreams() {
        if upstream.config.health_path().is_none() {
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
        if endpoint.healthy.swap(healthy, Relaxed) != healthy {
            platform.observe(Observation::Health {
                upstream: upstream.name.clone(),
                endpoint: endpoint.base.clone(),
                healthy,
            });
        }
        platform.sleep(interval).await;
    }
}

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
    matches!(answer, Some(Ok(response)) if response.status().is_success())
}
