//! What an upstream's replicas hold in their prefix caches, block by block as the engines name
//! them: from their KV events where they publish any, else from what was sent there.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

use forebay_prefix::{Algorithm, ChainSpec, Lora};
use forebay_prefix_index::{Index, Naming, PromptKeys, State, WorkerId};

use super::Replica;
use super::prefix::TokenChain;
use crate::config::{KvAddress, KvEvents, KvHash};

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
    /// The LoRA adapters that the engines list, and where they were loaded from: blocks that one
    /// computed are its own.
    adapters: Mutex<BTreeMap<String, String>>,
}

/// The most adapters that are remembered.
const MAX_ADAPTERS: usize = 4096;

/// An address at which the data-parallel rank publishes.
fn at_rank(address: &str, rank: u16) -> Option<String> {
    if rank == 0 {
        return Some(address.to_owned());
    }
    let (host, port) = address.rsplit_once(':')?;
    let port = port.parse::<u16>().ok()?.checked_add(rank)?;
    Some(format!("{host}:{port}"))
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
            adapters: Mutex::default(),
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

    /// Whole blocks of so many tokens.
    pub(super) fn blocks_in(&self, tokens: u64) -> usize {
        let tokens = usize::try_from(tokens).unwrap_or(usize::MAX);
        tokens / self.events.block_size.max(1)
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

    /// A prompt goes to a replica, which will hold it. Events confirm it, or it is soon forgotten
    /// once it has waited so long.
    pub(super) fn sent(&self, base: &Arc<str>, chain: &TokenChain, wait: Duration, now: Instant) {
        if let Some(id) = self.id(base) {
            let now = self.since(now);
            let mut index = self.write();
            index.set_wait(wait);
            index.predict(id, &chain.keys, now);
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

    /// How well a replica is known, and the blocks that it holds in all.
    pub(super) fn sum(&self, id: WorkerId) -> (State, u64) {
        let index = self.read();
        (index.state(id).0, index.blocks(id))
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

    /// The events of a replica whose URL is in this place of the upstream's.
    pub(super) fn source(
        &self,
        upstream: &Arc<str>,
        place: usize,
        replica: &Replica,
    ) -> Option<KvSource> {
        let (events, base) = (&self.events, &replica.base);
        let replay = events.replay.as_ref();
        // An engine's data-parallel ranks publish at ports that follow each other.
        let rank = replica.rank().unwrap_or(0);
        let of_rank = |address: &KvAddress| at_rank(&address.of(place, base)?, rank);
        Some(KvSource {
            upstream: upstream.clone(),
            endpoint: base.clone(),
            events: of_rank(&events.endpoint)?,
            replay: replay.and_then(of_rank),
            topic: events.topic.clone(),
            index: self.index.clone(),
            worker: self.id(base)?,
        })
    }

    /// The adapter that a model's name stands for, if it is one.
    pub(super) fn adapter(&self, model: &str) -> Option<Lora> {
        let adapters = self.adapters.lock();
        let adapters = adapters.unwrap_or_else(PoisonError::into_inner);
        let path = adapters.get(model)?;
        Some(Lora {
            name: model.to_owned(),
            path: path.clone(),
        })
    }

    /// Takes note of the adapters that an engine lists.
    pub(super) fn lists(&self, adapters: impl IntoIterator<Item = Lora>) {
        let known = self.adapters.lock();
        let mut known = known.unwrap_or_else(PoisonError::into_inner);
        for adapter in adapters {
            if known.len() < MAX_ADAPTERS || known.contains_key(&adapter.name) {
                known.insert(adapter.name, adapter.path);
            }
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn index(hash: Option<KvHash>) -> TokenIndex {
        let events = KvEvents {
            endpoint: KvAddress::Template("tcp://{host}:5557".to_owned()),
            replay: Some(KvAddress::Template("tcp://{host}:65535".to_owned())),
            topic: String::new(),
            block_size: 16,
            hash,
            seed: None,
        };
        TokenIndex::new(&events, 7)
    }

    #[test]
    fn ranks_publish_at_ports_that_follow_each_other() {
        let index = index(None);
        let first = Replica::of_rank("http://a:8000", 0);
        let source = index.source(&"u".into(), 0, &first).unwrap();
        assert_eq!(source.events, "tcp://a:5557");
        assert_eq!(source.replay.as_deref(), Some("tcp://a:65535"));
        let third = Replica::of_rank("http://a:8000", 2);
        let other = index.source(&"u".into(), 0, &third).unwrap();
        assert_eq!(other.events, "tcp://a:5559");
        // No port follows the last one.
        assert_eq!(other.replay, None);
        assert_ne!(source.worker, other.worker);
        assert_eq!(&*other.endpoint, "http://a:8000#2");
    }

    #[test]
    fn what_an_adapter_computed_is_its_own() {
        for hash in [None, Some(KvHash::Sha256Cbor), Some(KvHash::XxhashCbor)] {
            let index = index(hash);
            index.lists([Lora {
                name: "sql".to_owned(),
                path: "/adapters/sql".to_owned(),
            }]);
            let chain = |model: &str| {
                let keys = PromptKeys {
                    lora: index.adapter(model),
                    ..PromptKeys::default()
                };
                index.chain(&(0..64).collect::<Vec<u32>>(), &keys).keys
            };
            assert_eq!(chain("base"), chain("other"), "{hash:?}");
            assert!(chain("base").iter().all(|key| !chain("sql").contains(key)));
        }
    }

    #[test]
    fn so_many_adapters_are_remembered_and_no_more() {
        let index = index(None);
        let adapter = |n: usize| Lora {
            name: n.to_string(),
            path: String::new(),
        };
        index.lists((0..MAX_ADAPTERS + 10).map(adapter));
        assert!(index.adapter("0").is_some());
        assert!(index.adapter(&MAX_ADAPTERS.to_string()).is_none());
    }
}
