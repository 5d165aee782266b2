//! One replica: who is on it now, and whether it may be asked.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderName};
use tokio::sync::Notify;

use super::prefill::PrefillRate;
use super::silence::Silence;
use crate::config::Retries;

/// The most answers with errors that are remembered, of all keys: far more than eject a replica.
const MAX_REFUSALS: usize = 64;
/// The most models that rest at one replica at once. Beyond it the earliest to end is forgotten.
const MAX_RESTS: usize = 64;
/// Two keys that both used a replica within this time share it: then one of them alone can't eject it.
const SHARED_WITHIN: Duration = Duration::from_secs(300);
/// An ejection that follows a failed trial lasts twice as long as the one before, at most this often.
const MAX_DOUBLINGS: u32 = 3;

/// By which vLLM is told the data-parallel rank that is to compute a request.
const RANK: HeaderName = HeaderName::from_static("x-data-parallel-rank");

/// How long what a replica's metrics said counts: two of the usual health checks and a bit.
const REPORT_LIFE: Duration = Duration::from_secs(12);

/// One replica.
#[derive(Debug)]
pub(crate) struct Replica {
    /// Its name: its base URL, without a trailing slash, and `#N` where it is the data-parallel
    /// rank N of an engine.
    pub(crate) base: Arc<str>,
    /// Its base URL alone.
    address: Arc<str>,
    rank: Option<u16>,
    in_flight: AtomicU32,
    /// Prompt tokens sent to it whose answers have not begun.
    queued_tokens: AtomicU64,
    /// How fast it computes prompts.
    pub(super) prefill: PrefillRate,
    /// Requests that others have there, by its own metrics, and when it said so.
    others: Mutex<Option<(u32, Instant)>>,
    /// Set by the active checks.
    up: AtomicBool,
    state: Mutex<State>,
    silence: Silence,
    /// Wakes those who wait for a whole answer of it when it goes out of use.
    down: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// Answers with errors since the last success, each request once.
    refusals: Vec<Evidence>,
    /// Exchanges that failed since the last success.
    breaks: u32,
    ejected_until: Option<Instant>,
    /// Ejections since the last success.
    ejections: u32,
    /// A request is out that tries whether it has recovered.
    on_trial: bool,
    rests: Vec<Rest>,
    /// The two keys that used it last, and when.
    users: [Option<(u64, Instant)>; 2],
}

/// Who saw a failure, with which request. Hashes: they are compared, never shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Evidence {
    /// The API key.
    pub(crate) key: u64,
    /// The request's body.
    pub(crate) prompt: u64,
}

/// Why a replica failed, as far as it matters for its health.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Blame {
    /// The exchange itself failed: no connection, a reset, silence. No prompt can cause it at will.
    Transport,
    /// It answered with an error, which a prompt may have caused.
    Answer,
}

/// What ejected a replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ejection {
    /// Exchanges that failed since the last success.
    pub(super) broken: u32,
    /// Answers with errors since then, each request once.
    pub(super) errors: u32,
    /// How long it is still not asked.
    pub(super) pause: Duration,
}

/// A time during which a replica is not to be asked for a model.
#[derive(Debug, Clone)]
struct Rest {
    model: Arc<str>,
    until: Instant,
    /// The upstream itself named the time.
    told: bool,
}

/// Whether a replica may be asked for a model now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It may.
    Good,
    /// It failed and may have recovered: one request at a time finds out.
    Trial,
    /// It is better not asked before then, but may be where nobody else is left.
    Shy(Instant),
    /// It said itself when to come back.
    Resting(Instant),
    /// It failed too often; until then it is only asked where nobody else is left.
    Ejected(Instant),
    /// Its health check fails.
    Down,
}

impl Replica {
    pub(super) fn new(base: &str) -> Self {
        Self {
            base: base.into(),
            address: base.into(),
            rank: None,
            in_flight: AtomicU32::new(0),
            queued_tokens: AtomicU64::new(0),
            prefill: PrefillRate::default(),
            others: Mutex::default(),
            up: AtomicBool::new(true),
            state: Mutex::default(),
            silence: Silence::default(),
            down: Notify::new(),
        }
    }

    /// A data-parallel rank of the engine at a base URL.
    pub(super) fn of_rank(address: &str, rank: u16) -> Self {
        Self {
            address: address.into(),
            rank: Some(rank),
            ..Self::new(&Self::name_of(address, Some(rank)))
        }
    }

    /// The name of a replica.
    pub(super) fn name_of(address: &str, rank: Option<u16>) -> String {
        match rank {
            None => address.to_owned(),
            Some(rank) => format!("{address}#{rank}"),
        }
    }

    /// The data-parallel rank that it is; none where the engine is one replica.
    pub(super) fn rank(&self) -> Option<u16> {
        self.rank
    }

    /// The URL of a path there.
    pub(super) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.address)
    }

    /// Says in a request which data-parallel rank is to compute it.
    pub(super) fn address_rank(&self, headers: &mut HeaderMap) {
        headers.remove(&RANK);
        if let Some(rank) = self.rank {
            headers.insert(RANK, rank.into());
        }
    }

    /// Requests in flight.
    pub(crate) fn in_flight(&self) -> u32 {
        self.in_flight.load(Relaxed)
    }

    /// Prompt tokens sent to it that it has to compute before their answers begin.
    pub(crate) fn queued_tokens(&self) -> u64 {
        self.queued_tokens.load(Relaxed)
    }

    /// It says that so many requests run or wait there.
    pub(super) fn reports(&self, requests: u32, now: Instant) {
        let others = requests.saturating_sub(self.in_flight());
        *self.others.lock().unwrap_or_else(PoisonError::into_inner) = Some((others, now));
    }

    /// Requests that others have there, as far as that is known now.
    pub(super) fn others_in_flight(&self, now: Instant) -> u32 {
        let others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        let recent = others.filter(|(_, at)| now.saturating_duration_since(*at) <= REPORT_LIFE);
        recent.map_or(0, |(others, _)| others)
    }

    /// Whether it may be asked for a model now.
    pub(crate) fn standing(&self, model: &str, now: Instant) -> Standing {
        if !self.up.load(Relaxed) {
            return Standing::Down;
        }
        let state = self.lock();
        if let Some(rest) = state.rest(model, now)
            && rest.told
        {
            return Standing::Resting(rest.until);
        }
        match state.ejected_until {
            Some(until) if until > now => return Standing::Ejected(until),
            Some(_) if state.on_trial => return Standing::Ejected(now),
            Some(_) => return Standing::Trial,
            None => {}
        }
        if let Some(rest) = state.rest(model, now) {
            return Standing::Shy(rest.until);
        }
        drop(state);
        // It may speak again at any moment.
        match self.silence.since(now) {
            Some(_) => Standing::Shy(now),
            None => Standing::Good,
        }
    }

    /// Whether requests go there, whatever the model.
    pub(crate) fn is_usable(&self, now: Instant) -> bool {
        let ejected = self.lock().ejected_until.is_some_and(|until| until > now);
        self.up.load(Relaxed) && !ejected
    }

    /// What the active check found. Returns whether that changed something.
    pub(crate) fn set_up(&self, up: bool) -> bool {
        let changed = self.up.swap(up, Relaxed) != up;
        if changed && !up {
            self.down.notify_waiters();
        }
        changed
    }

    /// An answer came whole. Returns whether that brought it back.
    pub(crate) fn succeeded(&self) -> bool {
        let mut state = self.lock();
        state.refusals.clear();
        state.breaks = 0;
        state.ejections = 0;
        state.on_trial = false;
        state.ejected_until.take().is_some()
    }

    /// An exchange failed. Returns whether that ejected it.
    pub(crate) fn failed(
        &self,
        blame: Blame,
        evidence: Evidence,
        retries: &Retries,
        now: Instant,
    ) -> bool {
        let mut state = self.lock();
        let was_trial = std::mem::take(&mut state.on_trial);
        let enough = retries.eject_after.max(1);
        match blame {
            Blame::Transport => state.breaks = state.breaks.saturating_add(1),
            Blame::Answer => state.refused(evidence, enough),
        }
        if state.ejected_until.is_some_and(|until| until > now) {
            return false;
        }
        if !was_trial && state.breaks.saturating_add(state.believed(enough, now)) < enough {
            return false;
        }
        let doubled = state.ejections.min(MAX_DOUBLINGS);
        state.ejections += 1;
        state.ejected_until = Some(now + retries.eject_for.0 * 2_u32.pow(doubled));
        drop(state);
        self.down.notify_waiters();
        true
    }

    /// What ejected it, and for how long; none where it is in use.
    pub(super) fn ejection(&self, now: Instant) -> Option<Ejection> {
        let state = self.lock();
        Some(Ejection {
            broken: state.breaks,
            errors: u32::try_from(state.refusals.len()).unwrap_or(u32::MAX),
            pause: state.ejected_until?.saturating_duration_since(now),
        })
    }

    /// It is not to be asked for a model until then. `told`: it said so itself. A later word does not
    /// shorten an earlier one: requests that were out together are refused one after another, and not
    /// each refusal says for how long.
    pub(crate) fn rest(&self, model: &Arc<str>, until: Instant, told: bool, now: Instant) {
        let mut state = self.lock();
        state.on_trial = false;
        let rests = &mut state.rests;
        rests.retain(|rest| rest.until > now);
        let known = |rest: &&mut Rest| rest.model == *model && rest.told == told;
        if let Some(known) = rests.iter_mut().find(known) {
            known.until = known.until.max(until);
            return;
        }
        if rests.len() >= MAX_RESTS
            && let Some(first) = (0..rests.len()).min_by_key(|&i| rests[i].until)
        {
            rests.swap_remove(first);
        }
        rests.push(Rest {
            model: model.clone(),
            until,
            told,
        });
    }

    /// A piece of a stream came from it.
    pub(crate) fn heard(&self, now: Instant) {
        self.silence.heard(now);
    }

    /// Resolves when it goes out of use: its health check fails, or it is ejected.
    pub(crate) async fn goes_down(&self) {
        self.down.notified().await;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No code that runs under the lock can leave it half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn rest(&self, model: &str, now: Instant) -> Option<&Rest> {
        let of_model = |rest: &&Rest| *rest.model == *model && rest.until > now;
        let rests = self.rests.iter().filter(of_model);
        rests.max_by_key(|rest| (rest.told, rest.until))
    }

    /// Takes note of an answer with an error: each request once, and no key more often than matters.
    fn refused(&mut self, evidence: Evidence, enough: u32) {
        let of_key = self.refusals.iter().filter(|seen| seen.key == evidence.key);
        let full = of_key.count() >= enough as usize || self.refusals.len() >= MAX_REFUSALS;
        if !full && !self.refusals.contains(&evidence) {
            self.refusals.push(evidence);
        }
    }

    /// How many of the answers with errors speak against the replica. One key's prompts may cause
    /// them: where others use the replica too, one key alone makes up at most half of what is enough.
    fn believed(&self, enough: u32, now: Instant) -> u32 {
        let users = self.users.iter().flatten();
        let recent = users.filter(|(_, at)| now.saturating_duration_since(*at) <= SHARED_WITHIN);
        let most = if recent.count() > 1 {
            enough.div_ceil(2)
        } else {
            enough
        };
        let mut by_key: Vec<(u64, u32)> = Vec::new();
        for seen in &self.refusals {
            match by_key.iter_mut().find(|(key, _)| *key == seen.key) {
                Some((_, count)) => *count += 1,
                None => by_key.push((seen.key, 1)),
            }
        }
        by_key.iter().map(|(_, count)| (*count).min(most)).sum()
    }

    fn used(&mut self, key: u64, now: Instant) {
        if let Some((last, at)) = &mut self.users[0]
            && *last == key
        {
            *at = now;
            return;
        }
        self.users = [Some((key, now)), self.users[0]];
    }
}

/// Counts a request in flight at a replica for as long as it lives.
#[derive(Debug)]
pub(crate) struct Lease {
    pub(crate) endpoint: Arc<Replica>,
    on_trial: bool,
    /// Tokens that it counts as queued until the answer begins.
    queued_tokens: u64,
    /// It is a stream that waits for its first byte.
    awaits: bool,
    /// Tokens that were queued before it.
    ahead: u64,
    /// It counts no longer.
    ended: bool,
}

impl Lease {
    /// A place at a replica, which a caller of this key takes now.
    pub(super) fn new(endpoint: &Arc<Replica>, key: u64, now: Instant) -> Self {
        endpoint.in_flight.fetch_add(1, Relaxed);
        let mut state = endpoint.lock();
        state.used(key, now);
        let on_trial = state.ejected_until.is_some_and(|until| until <= now) && !state.on_trial;
        state.on_trial |= on_trial;
        drop(state);
        Self {
            endpoint: endpoint.clone(),
            on_trial,
            queued_tokens: 0,
            awaits: false,
            ahead: 0,
            ended: false,
        }
    }

    /// The answer has come as a whole: the replica has one request less, whatever is still done
    /// with the answer here.
    pub(super) fn end(&mut self) {
        self.begun();
        if !std::mem::replace(&mut self.ended, true) {
            self.endpoint.in_flight.fetch_sub(1, Relaxed);
        }
    }

    /// The replica has to compute so many prompt tokens before the answer begins.
    pub(super) fn waits_for(&mut self, tokens: u64) {
        self.begun();
        self.ahead = self.endpoint.queued_tokens.fetch_add(tokens, Relaxed);
        self.queued_tokens = tokens;
    }

    /// It is a stream, and may wait so long for its first byte.
    pub(super) fn awaits(&mut self, limit: Duration, now: Instant) {
        self.endpoint.silence.waits(limit, now);
        self.awaits = true;
    }

    /// The first token of the answer has come, so long after the request was sent.
    pub(super) fn first_token(&mut self, took: impl FnOnce() -> Duration) {
        if self.queued_tokens > 0 {
            let computed = self.ahead.saturating_add(self.queued_tokens);
            self.endpoint.prefill.note(computed, took());
        }
        self.begun();
    }

    /// The answer has begun: its prompt is computed.
    pub(super) fn begun(&mut self) {
        if std::mem::take(&mut self.awaits) {
            self.endpoint.silence.waits_no_longer();
        }
        let tokens = std::mem::take(&mut self.queued_tokens);
        self.endpoint.queued_tokens.fetch_sub(tokens, Relaxed);
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.end();
        if self.on_trial {
            // A trial that ended without a result, since its client left, is no result: another may try.
            self.endpoint.lock().on_trial = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn retries(eject_after: u32) -> Retries {
        Retries {
            eject_after,
            ..Retries::default()
        }
    }

    fn seen(key: u64, prompt: u64) -> Evidence {
        Evidence { key, prompt }
    }

    #[test]
    fn a_place_is_free_once_the_answer_is_whole_and_counted_once() {
        let replica = Arc::new(Replica::new("http://a"));
        let mut lease = Lease::new(&replica, 1, Instant::now());
        lease.waits_for(7);
        assert_eq!((replica.in_flight(), replica.queued_tokens()), (1, 7));
        lease.end();
        lease.end();
        assert_eq!((replica.in_flight(), replica.queued_tokens()), (0, 0));
        drop(lease);
        assert_eq!(replica.in_flight(), 0);
    }

    #[test]
    fn failures_eject_a_replica_and_one_trial_at_a_time_brings_it_back() {
        let (endpoint, now) = (Arc::new(Replica::new("http://a")), Instant::now());
        let retries = retries(2);
        assert!(!endpoint.failed(Blame::Transport, seen(1, 1), &retries, now));
        assert!(endpoint.failed(Blame::Transport, seen(1, 1), &retries, now));
        let ejection = endpoint.ejection(now).unwrap();
        assert_eq!((ejection.broken, ejection.errors), (2, 0));
        assert_eq!(ejection.pause, retries.eject_for.0);
        let later = now + retries.eject_for.0;
        assert_eq!(endpoint.standing("m", now), Standing::Ejected(later));
        assert_eq!(endpoint.standing("m", later), Standing::Trial);
        let trial = Lease::new(&endpoint, 1, later);
        assert_eq!(endpoint.standing("m", later), Standing::Ejected(later));
        drop(trial);
        assert_eq!(endpoint.standing("m", later), Standing::Trial);
        assert!(endpoint.succeeded());
        assert_eq!(endpoint.standing("m", later), Standing::Good);
    }

    #[test]
    fn a_failed_trial_ejects_for_twice_as_long() {
        let (endpoint, now) = (Arc::new(Replica::new("http://a")), Instant::now());
        let retries = retries(1);
        endpoint.failed(Blame::Transport, seen(1, 1), &retries, now);
        let later = now + retries.eject_for.0;
        let _trial = Lease::new(&endpoint, 1, later);
        assert!(endpoint.failed(Blame::Answer, seen(1, 2), &retries, later));
        let until = later + retries.eject_for.0 * 2;
        assert_eq!(endpoint.standing("m", later), Standing::Ejected(until));
    }

    #[test]
    fn one_prompt_or_one_key_among_several_ejects_nobody() {
        let (endpoint, now) = (Arc::new(Replica::new("http://a")), Instant::now());
        let retries = retries(3);
        for _ in 0..10 {
            assert!(!endpoint.failed(Blame::Answer, seen(1, 1), &retries, now));
        }
        let _other = Lease::new(&endpoint, 2, now);
        let _own = Lease::new(&endpoint, 1, now);
        for prompt in 2..100 {
            assert!(!endpoint.failed(Blame::Answer, seen(1, prompt), &retries, now));
        }
        assert!(endpoint.failed(Blame::Answer, seen(2, 1), &retries, now));
    }

    #[test]
    fn the_only_user_of_a_replica_is_believed() {
        let (endpoint, now) = (Arc::new(Replica::new("http://a")), Instant::now());
        let _own = Lease::new(&endpoint, 1, now);
        let ejected: Vec<bool> = (0..3)
            .map(|prompt| endpoint.failed(Blame::Answer, seen(1, prompt), &retries(3), now))
            .collect();
        assert_eq!(ejected, [false, false, true]);
    }

    #[test]
    fn a_model_rests_and_the_others_go_on() {
        let (endpoint, now) = (Replica::new("http://a"), Instant::now());
        let until = now + Duration::from_secs(30);
        endpoint.rest(&"m".into(), until, true, now);
        assert_eq!(endpoint.standing("m", now), Standing::Resting(until));
        assert_eq!(endpoint.standing("n", now), Standing::Good);
        assert_eq!(endpoint.standing("m", until), Standing::Good);
    }

    #[test]
    fn a_later_word_shortens_no_rest() {
        let (endpoint, now) = (Replica::new("http://a"), Instant::now());
        let after = |seconds| now + Duration::from_secs(seconds);
        let rest = |seconds, told| endpoint.rest(&"m".into(), after(seconds), told, now);
        rest(30, true);
        rest(1, false);
        assert_eq!(endpoint.standing("m", now), Standing::Resting(after(30)));
        rest(2, true);
        assert_eq!(endpoint.standing("m", now), Standing::Resting(after(30)));
        rest(60, false);
        rest(40, true);
        assert_eq!(endpoint.standing("m", now), Standing::Resting(after(40)));
        assert_eq!(endpoint.standing("m", after(40)), Standing::Shy(after(60)));
    }
}
