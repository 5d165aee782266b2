//! What an upstream's replicas hold in their prefix caches, block by block as the engines name
//! them: from their KV events where they publish any, else from what was sent there.

use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

use forebay_prefix::{Algorithm, ChainSpec};
use forebay_prefix_index::{Index, Naming, PromptKeys, State, WorkerId};

use super::prefix::TokenChain;
use crate::config::{KvEvents, KvHash};

/// An index that feeds of KV events and the choice of a replica share.
pub type SharedIndex = Arc<RwLock<Index>>;

/// One replica's KV events: where they come from and what they are applied to.
#[derive(Debug, Clone)]
pub struct KvSource {
    /// The upstream's name.
    pub upstream: Arc<str>,
    /// The replica's base URL.
    pub endpoint: Arc<str>,
    /// Where it publishes.
    pub events: String,
    /// Where it replays, if it does.
    pub replay: Option<String>,
    /// The topic; empty: every topic.
    pub topic: String,
    /// What the events are applied to.
    pub index: SharedIndex,
    /// The replica in it.
    pub worker: WorkerId,
}

/// What a replica holds, as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) state: State,
    pub(super) why: Option<String>,
    pub(super) blocks: u64,
}

/// Block by block, what the replicas of one upstream hold.
#[derive(Debug)]
pub(super) struct TokenIndex {
    events: KvEvents,
    index: SharedIndex,
    /// Bounded by the index; a replica beyond it is taken to hold nothing.
    ids: Mutex<Vec<(Arc<str>, WorkerId)>>,
    /// What times are counted from: the first that was asked for.
    epoch: OnceLock<Instant>,
}

impl TokenIndex {
    /// An index without replicas. `scope` is secret: it separates the names from those that anybody
    /// could compute.
    pub(super) fn new(events: &KvEvents, scope: u64) -> Self {
        let naming = match events.hash {
            Some(hash) => Naming::Engine(ChainSpec {
                algorithm: match hash {
                    KvHash::Sha256Cbor => Algorithm::Sha256Cbor,
                    KvHash::XxhashCbor => Algorithm::XxhashCbor,
                },
                block_size: events.block_size,
                seed: events.seed.clone(),
                ..ChainSpec::default()
            }),
            None => Naming::Routed {
                block_size: events.block_size,
                scope,
            },
        };
        Self {
            events: events.clone(),
            index: Arc::new(RwLock::new(Index::new(naming))),
            ids: Mutex::default(),
            epoch: OnceLock::new(),
        }
    }

    /// Whether it serves these settings as they are.
    pub(super) fn serves(&self, events: &KvEvents) -> bool {
        self.events == *events
    }

    /// A prompt as the engines name it.
    pub(super) fn chain(&self, tokens: &[u32], keys: &PromptKeys) -> TokenChain {
        let naming = self.read().naming().clone();
        TokenChain {
            keys: naming.chain(tokens, keys),
            block_size: naming.block_size() as u64,
            tokens: tokens.len() as u64,
        }
    }

    /// The replica's place in the index.
    pub(super) fn id(&self, base: &Arc<str>) -> Option<WorkerId> {
        let mut ids = self.ids.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, id)) = ids.iter().find(|(known, _)| known == base) {
            return Some(*id);
        }
        let id = self.write().add_worker(None).ok()?;
        ids.push((base.clone(), id));
        Some(id)
    }

    /// Leading blocks of a prompt that each worker holds now, by its place in the index.
    pub(super) fn held(&self, chain: &TokenChain, now: Instant) -> Vec<u32> {
        let mut held = Vec::new();
        let now = self.since(now);
        self.read().lookup(chain.usable(), now, &mut held);
        held
    }

    /// A prompt goes to a replica, which will hold it. Events confirm it, or it is soon forgotten.
    pub(super) fn sent(&self, base: &Arc<str>, chain: &TokenChain, now: Instant) {
        if let Some(id) = self.id(base) {
            let now = self.since(now);
            self.write().predict(id, &chain.keys, now);
        }
    }

    /// A replica's cache has room for so many tokens.
    pub(super) fn resize(&self, base: &Arc<str>, tokens: u64) {
        if let Some(id) = self.id(base) {
            let mut index = self.write();
            let blocks = tokens / index.naming().block_size().max(1) as u64;
            index.set_capacity(id, usize::try_from(blocks).unwrap_or(usize::MAX));
        }
    }

    /// How well a replica is known.
    pub(super) fn state(&self, id: WorkerId) -> State {
        self.read().state(id).0
    }

    /// What is known of a replica, for people.
    pub(super) fn known(&self, base: &Arc<str>) -> Option<Known> {
        let id = self.id(base)?;
        let index = self.read();
        let (state, why) = index.state(id);
        Some(Known {
            state,
            why: why.map(ToString::to_string),
            blocks: index.blocks(id),
        })
    }

    /// The events of the replica in this place of the upstream's URLs.
    pub(super) fn source(
        &self,
        upstream: &Arc<str>,
        place: usize,
        base: &Arc<str>,
    ) -> Option<KvSource> {
        let events = &self.events;
        let replay = events.replay.as_ref();
        Some(KvSource {
            upstream: upstream.clone(),
            endpoint: base.clone(),
            events: events.endpoint.of(place, base)?,
            replay: replay.and_then(|replay| replay.of(place, base)),
            topic: events.topic.clone(),
            index: self.index.clone(),
            worker: self.id(base)?,
        })
    }

    fn since(&self, now: Instant) -> Duration {
        now.saturating_duration_since(*self.epoch.get_or_init(|| now))
    }

    fn read(&self) -> RwLockReadGuard<'_, Index> {
        // Applying a batch does not panic; if it did, half of one is still a hint.
        self.index.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Index> {
        self.index.write().unwrap_or_else(PoisonError::into_inner)
    }
}
