//! What each tenant and key asked for, used and spent. Keys are the operator's, but tokens of an
//! issuer bring as many bearers as it has: so many are told apart, the rest is `other`.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use forebay_gateway::observe::Summary;
use forebay_gateway::policy::Caller;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use super::labels::{self, OTHER};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Requests {
    tenant: Arc<str>,
    key: Arc<str>,
    status: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Tokens {
    tenant: Arc<str>,
    key: Arc<str>,
    kind: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Cost {
    tenant: Arc<str>,
    key: Arc<str>,
    upstream: Arc<str>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Saved {
    tenant: Arc<str>,
    key: Arc<str>,
    by: &'static str,
}

type Dollars = Counter<f64, AtomicU64>;

/// Counters by tenant and key.
#[derive(Debug)]
pub(super) struct Spenders {
    known: Mutex<HashMap<Arc<str>, HashSet<Arc<str>>>>,
    /// The most keys that are told apart.
    limit: AtomicUsize,
    requests: Family<Requests, Counter>,
    tokens: Family<Tokens, Counter>,
    cost: Family<Cost, Dollars>,
    saved: Family<Saved, Dollars>,
}

impl Default for Spenders {
    fn default() -> Self {
        Self {
            known: Mutex::default(),
            limit: AtomicUsize::new(0),
            requests: Family::default(),
            tokens: Family::default(),
            cost: Family::default(),
            saved: Family::default(),
        }
    }
}

impl Spenders {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "forebay_key_requests",
            "Requests that ended, by tenant, key and class of status",
            self.requests.clone(),
        );
        registry.register(
            "forebay_key_tokens",
            "Tokens by tenant and key: input, cached_input (a part of input), output; those of stored answers too",
            self.tokens.clone(),
        );
        registry.register(
            "forebay_cost_usd",
            "What answers cost, by tenant, key and upstream, where the price is known",
            self.cost.clone(),
        );
        registry.register(
            "forebay_saved_usd",
            "What was saved by stored or shared answers (cache) and by upstreams' prefix caches (prefix)",
            self.saved.clone(),
        );
    }

    pub(super) fn set_limit(&self, limit: usize) {
        self.limit.store(limit, Relaxed);
    }

    /// A request ended.
    pub(super) fn finished(&self, summary: &Summary) {
        let Some(caller) = &summary.caller else {
            return;
        };
        let (tenant, key) = self.names(caller);
        let (tenant, key) = (|| tenant.clone(), || key.clone());
        let status = labels::status_class(summary.status);
        let requests = Requests {
            tenant: tenant(),
            key: key(),
            status,
        };
        self.requests.get_or_create(&requests).inc();
        let usage = summary.usage.unwrap_or_default();
        let counts = [
            ("input", usage.input),
            ("cached_input", usage.cached_input),
            ("output", usage.output),
        ];
        for (kind, count) in counts.into_iter().filter(|(_, count)| *count > 0) {
            let tokens = Tokens {
                tenant: tenant(),
                key: key(),
                kind,
            };
            self.tokens.get_or_create(&tokens).inc_by(count);
        }
        if let (Some(upstream), cost @ 1..) = (&summary.upstream, summary.cost_micro_usd) {
            let labels = Cost {
                tenant: tenant(),
                key: key(),
                upstream: upstream.clone(),
            };
            self.cost.get_or_create(&labels).inc_by(dollars(cost));
        }
        let saved = [
            ("cache", summary.saved_by_cache_micro_usd),
            ("prefix", summary.saved_by_prefix_micro_usd),
        ];
        for (by, saved) in saved.into_iter().filter(|(_, saved)| *saved > 0) {
            let labels = Saved {
                tenant: tenant(),
                key: key(),
                by,
            };
            self.saved.get_or_create(&labels).inc_by(dollars(saved));
        }
    }

    /// The caller's names, or `other` for what goes beyond the limit.
    fn names(&self, caller: &Caller) -> (Arc<str>, Arc<str>) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let of_tenant = known.get(&*caller.tenant);
        if of_tenant.is_some_and(|keys| keys.contains(&*caller.key)) {
            return (caller.tenant.clone(), caller.key.clone());
        }
        let count: usize = known.values().map(HashSet::len).sum();
        if count < self.limit.load(Relaxed) {
            let keys = known.entry(caller.tenant.clone()).or_default();
            keys.insert(caller.key.clone());
            return (caller.tenant.clone(), caller.key.clone());
        }
        let tenant = known.get_key_value(&*caller.tenant);
        let tenant = tenant.map_or_else(|| OTHER.into(), |(tenant, _)| tenant.clone());
        (tenant, OTHER.into())
    }
}

#[allow(
    clippy::cast_precision_loss,
    reason = "2^53 millionths are nine billion dollars"
)]
fn dollars(micro: u64) -> f64 {
    micro as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_keys_are_told_apart_and_the_rest_is_other() {
        let spenders = Spenders::default();
        spenders.set_limit(2);
        let names = |tenant: &str, key: &str| {
            let caller = Caller {
                tenant: tenant.into(),
                key: key.into(),
                route: "/",
            };
            let (tenant, key) = spenders.names(&caller);
            format!("{tenant} {key}")
        };
        assert_eq!(names("a", "1"), "a 1");
        assert_eq!(names("a", "2"), "a 2");
        assert_eq!(names("a", "3"), "a other");
        assert_eq!(names("b", "1"), "other other");
        assert_eq!(names("a", "1"), "a 1");
    }
}
