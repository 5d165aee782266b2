//! One token for all requests: obtained once for everyone who waits, renewed before its end.
//!
//! Who needs a token first asks for it; the others wait in line and find it there. If the one who
//! asks is dropped, the next in line asks. While a token is still good nobody waits: one request
//! renews it, the others use it. Failures are remembered for a bounded while, so that an endpoint
//! that is down is not asked by every request.

use std::future::Future;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use crate::error::CredentialError;
use crate::lease::{Lease, Schedule};

/// After the first failure the endpoint is left alone this long; it doubles.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// It is never left alone for longer, so that a repaired endpoint is found within half a minute.
const MAX_PAUSE: Duration = Duration::from_secs(30);
/// A token that is refused this soon after another was is not refused for its age: whoever was
/// given it may not do what is asked, and the token endpoint is left alone.
const TOO_SOON: Duration = Duration::from_secs(10);

/// Which token a request was given. Handed back if the upstream refuses it.
pub(crate) type Generation = u64;

/// A value that is obtained, shared and renewed.
pub(crate) struct Cached<T> {
    slot: Mutex<Slot<T>>,
    /// Held by the one who asks.
    turn: async_lock::Mutex<()>,
}

struct Slot<T> {
    held: Option<(T, Schedule)>,
    generation: Generation,
    failure: Option<Failure>,
    /// When a token was last refused by the upstream.
    refused: Option<SystemTime>,
}

struct Failure {
    error: CredentialError,
    until: SystemTime,
    pause: Duration,
}

enum Look<T> {
    /// Use it.
    Good(T, Generation),
    /// Use it, and have it renewed.
    Due(T, Generation),
    /// The last attempt failed a moment ago.
    Failed(CredentialError),
    /// There is none.
    Absent,
}

impl<T: Clone> Cached<T> {
    pub(crate) fn new() -> Self {
        Self {
            slot: Mutex::new(Slot {
                held: None,
                generation: 0,
                failure: None,
                refused: None,
            }),
            turn: async_lock::Mutex::new(()),
        }
    }

    /// The value, from `obtain` if there is none or it is due. `obtain` is only polled if needed.
    pub(crate) async fn get(
        &self,
        now: SystemTime,
        obtain: impl Future<Output = Result<Lease<T>, CredentialError>>,
    ) -> Result<(T, Generation), CredentialError> {
        let (old, turn) = match self.look(now) {
            Look::Good(value, generation) => return Ok((value, generation)),
            Look::Failed(error) => return Err(error),
            Look::Due(value, generation) => match self.turn.try_lock() {
                Some(turn) => (Some((value, generation)), turn),
                None => return Ok((value, generation)),
            },
            Look::Absent => (None, self.turn.lock().await),
        };
        // Someone may have been served while this one waited.
        match self.look(now) {
            Look::Good(value, generation) => return Ok((value, generation)),
            Look::Failed(error) => return Err(error),
            Look::Due(..) | Look::Absent => {}
        }
        let outcome = obtain.await;
        let result = self.settle(now, outcome);
        drop(turn);
        result.or_else(|error| old.ok_or(error))
    }

    /// The upstream refused the value of this generation. True if another attempt would use a
    /// newer one.
    pub(crate) fn refused(&self, used: Generation, now: SystemTime) -> bool {
        let mut slot = self.slot();
        // Another request was refused first: a newer one is there, or on its way.
        if slot.generation != used || slot.held.is_none() {
            return true;
        }
        let again = slot
            .refused
            .is_some_and(|last| now.duration_since(last).is_ok_and(|ago| ago < TOO_SOON));
        if again {
            return false;
        }
        slot.held = None;
        slot.failure = None;
        slot.refused = Some(now);
        true
    }

    fn look(&self, now: SystemTime) -> Look<T> {
        let slot = self.slot();
        let failure = slot.failure.as_ref().filter(|failure| {
            // The second condition holds unless the clock was set back.
            now < failure.until && failure.until <= now + MAX_PAUSE * 2
        });
        match &slot.held {
            Some((value, schedule)) if now < schedule.end => {
                if now < schedule.refresh || failure.is_some() {
                    Look::Good(value.clone(), slot.generation)
                } else {
                    Look::Due(value.clone(), slot.generation)
                }
            }
            _ => failure.map_or(Look::Absent, |f| Look::Failed(f.error.clone())),
        }
    }

    fn settle(
        &self,
        now: SystemTime,
        outcome: Result<Lease<T>, CredentialError>,
    ) -> Result<(T, Generation), CredentialError> {
        let mut slot = self.slot();
        match outcome {
            Ok(lease) => {
                slot.generation += 1;
                slot.failure = None;
                // Sources refuse leases that have ended; should one slip through, it serves once.
                slot.held = Schedule::new(now, lease.expires)
                    .map(|schedule| (lease.value.clone(), schedule));
                Ok((lease.value, slot.generation))
            }
            Err(error) => {
                let pause = slot
                    .failure
                    .as_ref()
                    .map_or(FIRST_PAUSE, |f| (f.pause * 2).min(MAX_PAUSE));
                slot.failure = Some(Failure {
                    error: error.clone(),
                    until: now + pause.mul_f64(1.0 + 0.25 * fastrand::f64()),
                    pause,
                });
                Err(error)
            }
        }
    }

    fn slot(&self) -> MutexGuard<'_, Slot<T>> {
        // Nothing panics while it is held, and every state of it is a good one.
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
