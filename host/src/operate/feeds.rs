//! The feeds of KV events: one task for each replica that publishes, for as long as the configuration
//! names it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use forebay_gateway::KvSource;
use forebay_kv_feed::{IDLE, Source, follow};
use tokio::task::AbortHandle;

/// What makes two feeds the same: where events come from, and where they go.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Feed {
    source: (String, Option<String>, String),
    /// The index's address and the worker in it. A feed that runs keeps its index alive, so that no
    /// other index has this address.
    target: (usize, usize),
}

/// The feeds that run. Dropping it ends them.
#[derive(Debug, Default)]
pub(super) struct Feeds {
    /// As many as replicas are configured.
    running: Mutex<HashMap<Feed, AbortHandle>>,
}

impl Feeds {
    /// Follows these sources and no others. A feed that is wanted as it is goes on.
    pub(super) fn follow(&self, sources: Vec<KvSource>) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let mut wanted = HashMap::with_capacity(sources.len());
        for source in sources {
            let feed = Feed {
                source: (
                    source.events.clone(),
                    source.replay.clone(),
                    source.topic.clone(),
                ),
                target: (Arc::as_ptr(&source.index) as usize, source.worker.index()),
            };
            let handle = running.remove(&feed).unwrap_or_else(|| spawn(source));
            wanted.insert(feed, handle);
        }
        for (_, old) in running.drain() {
            old.abort();
        }
        *running = wanted;
    }
}

impl Drop for Feeds {
    fn drop(&mut self) {
        self.follow(Vec::new());
    }
}

fn spawn(from: KvSource) -> AbortHandle {
    let source = Source {
        events: from.events,
        replay: from.replay,
        topic: from.topic,
        idle: IDLE,
    };
    tokio::spawn(follow(source, from.index, from.worker)).abort_handle()
}
