//! What speaks for and against a replica, and what follows: rests and ejections, which gateways may share.
//! What one gateway has seen is evidence of its own.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::config::Retries;
use crate::state::{Ejection, Handle, Kind, Ledger, Rests};

/// The most answers with errors that are remembered, of all keys: far more than eject a replica.
const MAX_REFUSALS: usize = 64;
/// Two keys that both used a replica within this time share it: then one of them alone can't eject it.
const SHARED_WITHIN: Duration = Duration::from_secs(300);

/// A replica that asks for a longer rest is tried again after this time, if no other can answer: a daily limit may
/// have been raised.
const LONGEST_REST: Duration = Duration::from_secs(600);

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
pub(in crate::route) struct Ejected {
    /// Exchanges that failed since the last success.
    pub(in crate::route) broken: u32,
    /// Answers with errors since then, each request once.
    pub(in crate::route) errors: u32,
    /// How long it is still not asked.
    pub(in crate::route) pause: Duration,
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
    /// Its health page says that it is not well; it is only asked where nobody else is left.
    Ill,
    /// Its health page does not answer.
    Down,
}

/// A replica's record.
#[derive(Debug)]
pub(super) struct Record {
    seen: Mutex<Seen>,
    rests: Handle<Rests>,
    ejection: Handle<Ejection>,
}

/// What this gateway has seen.
#[derive(Debug, Default)]
struct Seen {
    /// Answers with errors since the last success, each request once.
    refusals: Vec<Evidence>,
    /// Exchanges that failed since the last success.
    breaks: u32,
    /// The two keys that used it last, and when.
    users: [Option<(u64, Instant)>; 2],
}

impl Record {
    /// The record of a replica of an upstream.
    pub(super) fn kept_in(ledger: &Ledger, upstream: &str, replica: &str) -> Self {
        let whose = format!("{upstream} {replica}");
        Self {
            seen: Mutex::default(),
            rests: ledger.handle(Kind::Rests, whose.as_str().into()),
            ejection: ledger.handle(Kind::Ejection, whose.as_str().into()),
        }
    }

    /// Whether the replica may be asked for a model now.
    pub(super) fn standing(&self, model: &str, now: Instant) -> Standing {
        let rest = self.rests.look(now, |rests, at| {
            let rest = rests?.of(model, at)?;
            Some((rest.until, rest.told && rest.again > at))
        });
        let rest = rest.map(|(until, left_alone)| (self.rests.instant(until), left_alone));
        if let Some((until, true)) = rest {
            return Standing::Resting(until);
        }
        let ejection = self.ejection.look(now, |ejection, at| {
            let ejection = ejection?;
            Some((ejection.until, ejection.is_on_trial(at), at))
        });
        match (ejection, rest) {
            (Some((until, _, at)), _) if until > at => {
                Standing::Ejected(self.ejection.instant(until))
            }
            (Some((_, true, _)), _) => Standing::Ejected(now),
            (Some(_), _) => Standing::Trial,
            (None, Some((until, _))) => Standing::Shy(until),
            (None, None) => Standing::Good,
        }
    }

    /// Whether it failed too often and is not to be tried yet.
    pub(super) fn is_ejected(&self, now: Instant) -> bool {
        self.ejection
            .look(now, |ejection, at| ejection.is_some_and(|it| it.until > at))
    }

    /// What ejected it, and for how long; none where it is in use.
    pub(super) fn ejected(&self, now: Instant) -> Option<Ejected> {
        let until = self
            .ejection
            .look(now, |ejection, _| ejection.map(|it| it.until))?;
        let seen = self.lock();
        Some(Ejected {
            broken: seen.breaks,
            errors: u32::try_from(seen.refusals.len()).unwrap_or(u32::MAX),
            pause: self.ejection.until(until, now),
        })
    }

    /// A caller of this key asks it.
    pub(super) fn used(&self, key: u64, now: Instant) {
        self.lock().used(key, now);
    }

    /// Takes the place of the one who tries whether it has recovered, where that is to be found out.
    pub(super) fn begin_trial(&self, now: Instant) -> bool {
        // Most replicas are well: looking is enough.
        self.ejection.look(now, |ejection, _| ejection.is_some())
            && self.ejection.change(now, |ejection, at| {
                ejection.as_mut().is_some_and(|it| it.begin_trial(at))
            })
    }

    /// Whoever tried it does no longer, and found nothing out.
    pub(super) fn end_trial(&self, now: Instant) {
        self.ejection.change(now, |ejection, _| {
            if let Some(ejection) = ejection {
                ejection.trial = None;
            }
        });
    }

    /// An answer came whole. Returns whether that brought it back.
    pub(super) fn succeeded(&self, now: Instant) -> bool {
        let mut seen = self.lock();
        seen.refusals.clear();
        seen.breaks = 0;
        drop(seen);
        self.ejection.look(now, |ejection, _| ejection.is_some())
            && self
                .ejection
                .change(now, |ejection, _| ejection.take().is_some())
    }

    /// An exchange failed. Returns whether that ejected it.
    pub(super) fn failed(
        &self,
        blame: Blame,
        evidence: Evidence,
        retries: &Retries,
        now: Instant,
    ) -> bool {
        let enough = retries.eject_after.max(1);
        let mut seen = self.lock();
        match blame {
            Blame::Transport => seen.breaks = seen.breaks.saturating_add(1),
            Blame::Answer => seen.refused(evidence, enough),
        }
        let against = seen.breaks.saturating_add(seen.believed(enough, now));
        drop(seen);
        self.ejection.change(now, |ejection, at| {
            let tried = ejection
                .as_mut()
                .is_some_and(|it| it.trial.take().is_some_and(|until| until > at));
            if ejection.is_some_and(|it| it.until > at) || (!tried && against < enough) {
                return false;
            }
            *ejection = Some(Ejection::after(*ejection, retries.eject_for.0, at));
            true
        })
    }

    /// It is not to be asked for a model until then. `told`: it said so itself.
    pub(super) fn rest(&self, model: &str, until: Instant, told: bool, now: Instant) {
        if self.ejection.look(now, |ejection, _| ejection.is_some()) {
            self.end_trial(now);
        }
        let again = now + until.saturating_duration_since(now).min(LONGEST_REST);
        let rest = (self.rests.moment(until), self.rests.moment(again));
        self.rests.change(now, |rests, at| {
            let rests = rests.get_or_insert_default();
            rests.add(model, rest, told, at);
        });
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        // No code that runs under the lock can leave it half changed.
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seen {
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
