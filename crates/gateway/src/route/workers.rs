//! Which of an upstream's replicas gets a request: what each probably holds of the prompt, and the
//! work that waits there.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use forebay_prefix_index::{InFlight, Index, Naming, State, WorkerId};
use forebay_routing::{Request, Rule, Worker, id_of};
use lru::LruCache;

use super::endpoint::Replica;
use super::prefix::{BYTES_A_TOKEN, Prefix};
use super::token_index::TokenIndex;
use crate::config::RoutingRule;
use crate::policy::IndexState;

/// Blocks that a replica is assumed to hold: as many as for an upstream as a whole (`warmth.rs`).
const BLOCKS: usize = 16_384;

/// Bytes of text in a block: what the prefix-cache policy cuts where nothing else is configured.
const BYTES_A_BLOCK: u64 = 1024;

/// The most blocks of text that are remembered for a replica, however large its cache is: 28 MB.
const MOST_BLOCKS: usize = 1 << 20;

/// Sessions whose replica is remembered for each upstream, the last ones: some 8 MB.
const SESSIONS: usize = 65_536;

/// A running answer slows each step by this share: 0.6 to 1.1 % on H100 for models of 8B to 70B
/// (`crates/engine-model/profiles`).
const SHARE_OF_A_STEP: f64 = 0.01;

/// What an upstream's replicas hold. Outlives a reload: replicas are known by their base URL.
#[derive(Debug)]
pub(super) struct Workers {
    known: Mutex<Known>,
    in_flight: Arc<Mutex<InFlight>>,
}

/// Counts a request among those in flight for as long as it lives.
#[derive(Debug)]
pub(crate) struct Underway {
    in_flight: Arc<Mutex<InFlight>>,
    /// Names of its blocks of text.
    keys: Vec<u64>,
}

impl Underway {
    fn new(in_flight: &Arc<Mutex<InFlight>>, keys: &[u64]) -> Self {
        counted(in_flight).sent(keys);
        Self {
            in_flight: in_flight.clone(),
            keys: keys.to_vec(),
        }
    }
}

impl Drop for Underway {
    fn drop(&mut self) {
        counted(&self.in_flight).ended(&self.keys);
    }
}

fn counted(in_flight: &Mutex<InFlight>) -> MutexGuard<'_, InFlight> {
    in_flight.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Debug)]
struct Known {
    index: Index,
    /// Bounded by the index; replicas beyond that are taken to hold nothing.
    ids: Vec<(Arc<str>, WorkerId)>,
    held: Vec<u32>,
    /// The replica of each session.
    homes: LruCache<u64, Arc<str>>,
    /// The rule, and what it remembers between requests.
    rule: Option<Chooser>,
}

/// A rule at work.
struct Chooser {
    name: RoutingRule,
    rule: Box<dyn Rule>,
}

impl std::fmt::Debug for Chooser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name.name())
    }
}

impl Default for Workers {
    fn default() -> Self {
        // Text blocks are named by the policy; the index's own naming is not used.
        let naming = Naming::Routed {
            block_size: 1,
            scope: 0,
        };
        Self {
            known: Mutex::new(Known {
                index: Index::new(naming),
                ids: Vec::new(),
                held: Vec::new(),
                homes: LruCache::unbounded(),
                rule: None,
            }),
            in_flight: Arc::default(),
        }
    }
}

impl Known {
    fn id(&mut self, base: &Arc<str>) -> Option<WorkerId> {
        let known = self.ids.iter().find(|(known, _)| known == base);
        if let Some((_, id)) = known {
            return Some(*id);
        }
        let id = self.index.add_worker(Some(BLOCKS)).ok()?;
        self.ids.push((base.clone(), id));
        Some(id)
    }

    /// The rule with that name. A reload that names another begins with an empty memory.
    fn rule(&mut self, name: RoutingRule) -> &mut dyn Rule {
        let kept = self.rule.take().filter(|kept| kept.name == name);
        let chooser = kept.unwrap_or_else(|| Chooser {
            name,
            rule: name.make(),
        });
        self.rule.insert(chooser).rule.as_mut()
    }
}

/// A replica as it is now, for one prompt.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen {
    pub(super) worker: Worker,
    /// How well it is known what it holds of the prompt.
    pub(super) index: IndexState,
}

/// What the choice of a replica goes by.
pub(super) struct Scene<'a> {
    /// The upstream's name.
    pub(super) upstream: &'a str,
    pub(super) prefix: &'a Prefix,
    /// What its engines hold block by block, where that is followed.
    pub(super) tokens: Option<&'a TokenIndex>,
    /// Tokens of output a second that one request alone gets.
    pub(super) tokens_per_second: f64,
    /// How long prompts wait before they are computed, where they wait the longest.
    pub(super) wait: Duration,
    pub(super) now: Instant,
}

/// Tokens in a block where the engines' blocks are not known, for rules that count in blocks: vLLM's
/// default.
const USUAL_BLOCK: u64 = 16;

impl Scene<'_> {
    /// The request as a rule sees it.
    pub(super) fn request(&self, random: u64) -> Request {
        let chain = self.prefix.chain(self.upstream);
        Request {
            tokens: self.prefix.tokens(chain),
            sharing: 0,
            // What is hashed to a replica: the session, or else the prompt's beginning. A prompt
            // without either goes anywhere.
            key: self.key().unwrap_or(random),
            output_tokens: self.prefix.output_tokens,
            block_size: chain.map_or(USUAL_BLOCK, |chain| chain.block_size),
            random,
        }
    }

    /// Names of blocks are chained: the second stands for the first two, 2 KiB of text.
    fn key(&self) -> Option<u64> {
        let keys = &self.prefix.keys;
        let begins = || keys.get(1).or(keys.first()).copied();
        self.prefix.session(self.upstream).or_else(begins)
    }
}

impl Workers {
    /// The replicas as they are for a prompt.
    pub(super) fn seen(&self, replicas: &[&Arc<Replica>], scene: &Scene<'_>) -> Vec<Seen> {
        let prefix = scene.prefix;
        let chain = scene.tokens.zip(prefix.chain(scene.upstream));
        let exact = chain.map(|(index, chain)| (index, chain, index.held(chain, scene.now)));
        let mut known = self.lock();
        let Known { index, held, .. } = &mut *known;
        index.lookup(&prefix.keys, Duration::ZERO, held);
        let session = prefix.session(scene.upstream);
        let home = session.and_then(|session| known.homes.peek(&session).cloned());
        let mut seen = Vec::with_capacity(replicas.len());
        for replica in replicas {
            let (held_tokens, cached_tokens, state) = match &exact {
                Some((index, chain, held)) => {
                    let id = index.id(&replica.base);
                    let blocks = id.and_then(|id| held.get(id.index())).copied();
                    let tokens = u64::from(blocks.unwrap_or(0)) * chain.block_size;
                    let (state, all) = id.map_or((State::Fallback, 0), |id| index.sum(id));
                    (tokens, all * chain.block_size, state)
                }
                None => {
                    let id = known.id(&replica.base);
                    let held = id.and_then(|id| known.held.get(id.index()));
                    let tokens = held.map_or(0, |blocks| prefix.tokens_of(*blocks));
                    let all = id.map_or(0, |id| known.index.blocks(id));
                    let all = all * BYTES_A_BLOCK / BYTES_A_TOKEN;
                    (tokens, all, State::Fallback)
                }
            };
            let told = replica.told(scene.now);
            let in_flight = replica.in_flight() + told.others;
            let slowed = 1.0 + SHARE_OF_A_STEP * f64::from(in_flight);
            seen.push(Seen {
                worker: Worker {
                    id: id_of(&replica.base),
                    healthy: true,
                    in_flight,
                    queued_tokens: replica.queued_tokens(scene.now),
                    recent_tokens: replica.recent_tokens(scene.now),
                    active_tokens: replica.active_tokens(),
                    prefill_rate: replica.prefill.get(),
                    decode_rate: scene.tokens_per_second / slowed,
                    held_tokens,
                    cached_tokens,
                    cache_usage: told.cache_usage,
                    has_affinity: home.as_ref() == Some(&replica.base),
                },
                index: match state {
                    State::Exact => IndexState::Exact,
                    State::Degraded => IndexState::Degraded,
                    State::Fallback => IndexState::Fallback,
                },
            });
        }
        seen
    }

    /// Tokens of a prompt that a replica will have to compute.
    pub(super) fn uncached(&self, replica: &Arc<Replica>, scene: &Scene<'_>) -> u64 {
        let request = scene.request(0);
        let seen = self.seen(&[replica], scene);
        seen.first()
            .map_or(request.tokens, |seen| request.uncached(&seen.worker))
    }

    /// The place of the replica that is to get a prompt by a rule, and the tokens that it will have
    /// to compute. `may` tells which of the upstream's replicas may get it: a rule that takes turns
    /// or hashes keeps its places when one may not. None only if none may.
    pub(super) fn pick(
        &self,
        replicas: &[&Arc<Replica>],
        may: &[bool],
        scene: &Scene<'_>,
        (rule, random): (RoutingRule, u64),
    ) -> Option<(usize, u64)> {
        let seen = self.seen(replicas, scene);
        let workers = seen.iter().zip(may).map(|(seen, may)| Worker {
            healthy: *may,
            ..seen.worker
        });
        let workers: Vec<Worker> = workers.collect();
        let held = seen.iter().map(|seen| seen.worker.held_tokens).max();
        let request = Request {
            sharing: self.sharing(scene.prefix, held.unwrap_or(0)),
            ..scene.request(random)
        };
        let place = self.lock().rule(rule).pick(&request, &workers)?;
        Some((place, request.uncached(&workers[place])))
    }

    /// Requests in flight that begin with so many tokens of a prompt.
    pub(super) fn sharing(&self, prefix: &Prefix, tokens: u64) -> u32 {
        let blocks = prefix.blocks_in(tokens);
        counted(&self.in_flight).sharing(&prefix.keys, blocks)
    }

    /// A replica's cache has room for so many tokens.
    pub(super) fn resize(&self, base: &Arc<str>, tokens: u64) {
        let blocks = tokens.saturating_mul(BYTES_A_TOKEN) / BYTES_A_BLOCK;
        let blocks = usize::try_from(blocks).unwrap_or(usize::MAX);
        let mut known = self.lock();
        if let Some(id) = known.id(base) {
            known.index.set_capacity(id, blocks.min(MOST_BLOCKS));
        }
    }

    /// A prompt goes to a replica: it will hold it. Gives what counts it as in flight.
    pub(super) fn sent(&self, replica: &Replica, scene: &Scene<'_>) -> Underway {
        if let (Some(index), Some(chain)) = (scene.tokens, scene.prefix.chain(scene.upstream)) {
            index.sent(&replica.base, chain, scene.wait, scene.now);
        }
        // In blocks of text as well: the next turn's tokens may not be known.
        let mut known = self.lock();
        if let Some(id) = known.id(&replica.base) {
            known.index.predict(id, &scene.prefix.keys, Duration::ZERO);
        }
        if let Some(session) = scene.prefix.session(scene.upstream) {
            known.homes.put(session, replica.base.clone());
            if known.homes.len() > SESSIONS {
                known.homes.pop_lru();
            }
        }
        drop(known);
        Underway::new(&self.in_flight, &scene.prefix.keys)
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        // What the index holds are hints; half of an update is one too.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use forebay_prefix_index::PromptKeys;

    use super::*;
    use crate::policy::Block;
    use crate::route::endpoint::Lease;

    fn prefix(blocks: u64, tenant: u64) -> Prefix {
        let chain: Vec<Block> = (1..=blocks)
            .map(|place| Block {
                hash: place * 7,
                end: u32::try_from(place * 3_000).unwrap(),
            })
            .collect();
        Prefix::new(&chain, tenant, blocks * 1_000 + 100, 100)
    }

    fn pick(workers: &Workers, replicas: &[Arc<Replica>], prefix: &Prefix, random: u64) -> usize {
        let replicas: Vec<&Arc<Replica>> = replicas.iter().collect();
        let scene = scene(prefix, None, Instant::now());
        let (may, rule) = (vec![true; replicas.len()], RoutingRule::default());
        let picked = workers.pick(&replicas, &may, &scene, (rule, random));
        picked.unwrap().0
    }

    fn scene<'a>(prefix: &'a Prefix, tokens: Option<&'a TokenIndex>, now: Instant) -> Scene<'a> {
        Scene {
            upstream: "a",
            prefix,
            tokens,
            tokens_per_second: 50.0,
            wait: Duration::ZERO,
            now,
        }
    }

    fn sent(workers: &Workers, replica: &Replica, prefix: &Prefix) {
        drop(workers.sent(replica, &scene(prefix, None, Instant::now())));
    }

    #[test]
    fn a_prompt_goes_where_its_prefix_is_until_much_waits_there() {
        let replicas =
            ["http://a", "http://b", "http://c"].map(|base| Arc::new(Replica::new(base)));
        let (workers, prefix) = (Workers::default(), prefix(4, 1));
        sent(&workers, &replicas[1], &prefix);
        for random in 0..50 {
            assert_eq!(pick(&workers, &replicas, &prefix, random << 32 | random), 1);
        }
        // Nobody waits elsewhere: the copy of 4,000 tokens costs a fifth more than its own time.
        let mut lease = Lease::new(&replicas[1], 1, Instant::now());
        lease.waits_for(4_500, true, Instant::now());
        assert_eq!(pick(&workers, &replicas, &prefix, 0), 1);
        lease.begun(None);
        let mut lease = Lease::new(&replicas[1], 1, Instant::now());
        lease.waits_for(50_000, true, Instant::now());
        assert_ne!(pick(&workers, &replicas, &prefix, 0), 1);
        lease.begun(None);
        assert_eq!(pick(&workers, &replicas, &prefix, 0), 1);
    }

    #[test]
    fn requests_count_as_sharing_a_prefix_while_they_are_in_flight() {
        let replica = Arc::new(Replica::new("http://a"));
        let (workers, prompt) = (Workers::default(), prefix(4, 1));
        let send = |prefix: &Prefix| workers.sent(&replica, &scene(prefix, None, Instant::now()));
        let sharing = || [0, 999, 1_000, 2_500, 9_000].map(|held| workers.sharing(&prompt, held));
        let mut lease = Lease::new(&replica, 1, Instant::now());
        lease.underway = Some(send(&prefix(2, 1)));
        let long = send(&prefix(9, 1));
        let _other_tenants = send(&prefix(4, 2));
        // Two blocks of four are the first one's prompt.
        assert_eq!(sharing(), [0, 0, 2, 2, 1]);
        lease.end(None);
        assert_eq!(sharing(), [0, 0, 1, 1, 1]);
        drop(long);
        assert_eq!(sharing(), [0; 5]);
    }

    #[test]
    fn a_session_stays_where_it_was() {
        let replicas = ["http://a", "http://b", "http://c"];
        let replicas = replicas.map(|base| Arc::new(Replica::new(base)));
        let workers = Workers::default();
        let of = |session| {
            let mut prefix = Prefix::new(&[], 1, 200, 100);
            prefix.belongs(&"a".into(), session);
            prefix
        };
        sent(&workers, &replicas[2], &of(7));
        for random in 0..50 {
            let random = random << 32 | random;
            assert_eq!(pick(&workers, &replicas, &of(7), random), 2);
        }
        let picked = (0..3).map(|random| pick(&workers, &replicas, &of(8), random));
        assert_eq!(picked.collect::<Vec<_>>(), [0, 1, 2]);
    }

    #[test]
    fn another_tenants_prefix_draws_nobody() {
        let replicas = ["http://a", "http://b"].map(|base| Arc::new(Replica::new(base)));
        let workers = Workers::default();
        sent(&workers, &replicas[1], &prefix(4, 1));
        let picked: Vec<usize> = (0..2)
            .map(|random| pick(&workers, &replicas, &prefix(4, 2), random))
            .collect();
        assert_eq!(picked, [0, 1]);
    }

    #[test]
    fn replicas_beyond_the_index_are_picked_all_the_same() {
        let replicas: Vec<Arc<Replica>> = (0..forebay_prefix_index::MAX_WORKERS + 2)
            .map(|place| Arc::new(Replica::new(&format!("http://r{place}"))))
            .collect();
        let workers = Workers::default();
        replicas
            .iter()
            .for_each(|replica| sent(&workers, replica, &prefix(1, 1)));
        let place = pick(&workers, &replicas[replicas.len() - 1..], &prefix(1, 1), 0);
        assert_eq!(place, 0);
    }

    fn followed() -> (TokenIndex, [Arc<Replica>; 2]) {
        let events = serde_json::json!({"endpoint": "tcp://{host}:5557", "block_size": 4});
        let index = TokenIndex::new(&serde_json::from_value(events).unwrap(), 9);
        (
            index,
            ["http://a", "http://b"].map(|base| Arc::new(Replica::new(base))),
        )
    }

    fn tokens(count: u32, index: &TokenIndex, salt: &str) -> Prefix {
        let tokens: Vec<u32> = (0..count).collect();
        let keys = PromptKeys {
            cache_salt: Some(salt.to_owned()),
            ..PromptKeys::default()
        };
        Prefix::default().with_chain("a", index.chain(&tokens, &keys))
    }

    #[test]
    fn known_tokens_are_looked_up_as_the_engine_names_them_and_apart_by_salt() {
        let (index, replicas) = followed();
        let (workers, now) = (Workers::default(), Instant::now());
        let seen = |prefix: &Prefix, now| {
            let replicas: Vec<&Arc<Replica>> = replicas.iter().collect();
            let seen = workers.seen(&replicas, &scene(prefix, Some(&index), now));
            [0, 1].map(|place| seen[place].worker.held_tokens)
        };
        let prompt = tokens(4_000, &index, "s");
        drop(workers.sent(&replicas[1], &scene(&prompt, Some(&index), now)));
        // The last token is computed always, so a prompt of whole blocks computes its last block.
        assert_eq!(seen(&prompt, now), [0, 3_996]);
        assert_eq!(seen(&tokens(4_002, &index, "s"), now), [0, 4_000]);
        assert_eq!(seen(&tokens(4_000, &index, "t"), now), [0, 0]);
    }

    #[test]
    fn a_prediction_that_no_event_confirms_is_forgotten() {
        let (index, replicas) = followed();
        let (workers, now) = (Workers::default(), Instant::now());
        let source = index.source(&"a".into(), 0, &replicas[0]).unwrap();
        source.index.write().unwrap().begins(source.worker);
        let prompt = tokens(4_002, &index, "s");
        let seen = |after| {
            let scene = scene(&prompt, Some(&index), now + Duration::from_secs(after));
            workers.seen(&[&replicas[0]], &scene)[0]
        };
        drop(workers.sent(&replicas[0], &scene(&prompt, Some(&index), now)));
        assert_eq!(seen(1).worker.held_tokens, 4_000);
        assert_eq!(seen(1).index, IndexState::Exact);
        assert_eq!(seen(11).worker.held_tokens, 0);
    }
}
