//! Label values: closed sets, and names from the configuration. What a client makes up is `other`.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use forebay_dialect::canonical::Operation;
use forebay_gateway::observe::{CacheResult, Summary};
use prometheus_client::encoding::EncodeLabelSet;

/// Labels of the fields that an upstream was not told.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Lost {
    pub(super) upstream: Arc<str>,
    pub(super) field: &'static str,
    pub(super) grade: &'static str,
}

/// Who answered.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Answerer {
    pub(super) upstream: Arc<str>,
}

/// The value for what is not known to the configuration.
pub(super) const OTHER: &str = "other";

/// The most models that are told apart: a dashboard's worth.
const MAX_MODELS: usize = 256;

/// What was asked for: an operation, or the endpoint that a request passed through.
pub(super) fn asked(summary: &Summary) -> &'static str {
    summary
        .passage
        .unwrap_or_else(|| operation(summary.operation))
}

fn operation(operation: Option<Operation>) -> &'static str {
    match operation {
        Some(Operation::Chat) => "chat",
        Some(Operation::Completion) => "text_completion",
        Some(Operation::Embedding) => "embeddings",
        #[allow(
            unreachable_patterns,
            reason = "dialects to come bring operations of their own"
        )]
        Some(other) => other.as_str(),
        None => "none",
    }
}

pub(crate) fn cache(result: CacheResult) -> &'static str {
    match result {
        CacheResult::Hit => "hit",
        CacheResult::Joined => "joined",
        CacheResult::Stale => "stale",
        CacheResult::Miss => "miss",
        CacheResult::Bypass => "bypass",
    }
}

pub(super) fn status_class(status: u16) -> &'static str {
    match status / 100 {
        2 => "2xx",
        3 => "3xx",
        4 => "4xx",
        5 => "5xx",
        _ => OTHER,
    }
}

/// The names that may be labels: configured models, and those that an upstream lists and served.
#[derive(Debug)]
pub(super) struct Known {
    models: ArcSwap<HashSet<Arc<str>>>,
    served: Mutex<HashSet<Arc<str>>>,
    /// The most names in `served`.
    limit: AtomicUsize,
    other: Arc<str>,
}

impl Default for Known {
    fn default() -> Self {
        Self {
            models: ArcSwap::default(),
            served: Mutex::default(),
            limit: AtomicUsize::new(0),
            other: OTHER.into(),
        }
    }
}

impl Known {
    pub(super) fn set_models(&self, models: impl Iterator<Item = Arc<str>>) {
        self.models
            .store(Arc::new(models.take(MAX_MODELS).collect()));
    }

    pub(super) fn set_served_limit(&self, limit: usize) {
        self.limit.store(limit, Relaxed);
    }

    /// The model itself where it is configured, or where an upstream lists it and there are not too
    /// many; `other` where a client made it up.
    pub(super) fn model(&self, name: &str, listed: bool) -> Arc<str> {
        if let Some(known) = self.models.load().get(name) {
            return known.clone();
        }
        let mut names = self.served.lock().unwrap_or_else(PoisonError::into_inner);
        match names.get(name) {
            Some(known) => known.clone(),
            // 128: a longer name is no name for a label.
            None if listed && names.len() < self.limit.load(Relaxed) && name.len() <= 128 => {
                let name: Arc<str> = name.into();
                names.insert(name.clone());
                name
            }
            None => self.other.clone(),
        }
    }
}
