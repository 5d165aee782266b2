//! The gateway's side of the states: typed, and by the platform's clock.

use std::marker::PhantomData;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::value::{Value, nanos};
use super::{Cell, Kind, Moment, Name, States};
use crate::platform::Platform;

/// All states of a gateway.
#[derive(Debug, Clone)]
pub(crate) struct Ledger {
    states: Arc<dyn States>,
    epoch: Epoch,
}

/// Both clocks at one moment. Moments go by the monotonic one from there on: that somebody sets the wall
/// clock ends no rest and fills no bucket.
#[derive(Debug, Clone, Copy)]
struct Epoch {
    instant: Instant,
    moment: Moment,
}

impl Ledger {
    /// The ledger of a gateway on this platform.
    pub(crate) fn new<P: Platform>(platform: &P) -> Self {
        Self::over(platform.states(), platform.now(), platform.wall())
    }

    fn over(states: Arc<dyn States>, instant: Instant, wall: SystemTime) -> Self {
        let since = wall.duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            states,
            epoch: Epoch {
                instant,
                moment: Moment(nanos(since)),
            },
        }
    }

    /// The value of a name.
    pub(crate) fn handle<T: Value>(&self, kind: Kind, whose: Arc<str>) -> Handle<T> {
        Handle {
            cell: self.states.cell(&Name { kind, whose }),
            epoch: self.epoch,
            is: PhantomData,
        }
    }
}

#[cfg(test)]
impl Default for Ledger {
    fn default() -> Self {
        let states = Arc::new(super::MemoryStates::default());
        Self::over(states, Instant::now(), SystemTime::now())
    }
}

impl Epoch {
    fn moment(self, at: Instant) -> Moment {
        match at.checked_duration_since(self.instant) {
            Some(later) => self.moment.after(later),
            None => {
                let earlier = nanos(self.instant.saturating_duration_since(at));
                Moment(self.moment.0.saturating_sub(earlier))
            }
        }
    }

    fn instant(self, at: Moment) -> Instant {
        let later = at.since(self.moment);
        let earlier = self.moment.since(at);
        let moved = self.instant.checked_add(later);
        let moved = moved.and_then(|moved| moved.checked_sub(earlier));
        moved.unwrap_or(self.instant)
    }
}

/// A value of this type, wherever it rests.
#[derive(Debug)]
pub(crate) struct Handle<T> {
    cell: Arc<dyn Cell>,
    epoch: Epoch,
    is: PhantomData<fn() -> T>,
}

impl<T> Clone for Handle<T> {
    fn clone(&self) -> Self {
        Self {
            cell: self.cell.clone(),
            epoch: self.epoch,
            is: PhantomData,
        }
    }
}

impl<T: Value> Handle<T> {
    /// Looks at the value that is there now.
    pub(crate) fn look<R>(&self, now: Instant, mut look: impl FnMut(Option<&T>, Moment) -> R) -> R {
        let now = self.epoch.moment(now);
        let mut seen = None;
        self.cell.look(now, &mut |state| {
            seen = Some(look(state.and_then(T::of), now));
        });
        // A store that shows nothing has nothing.
        seen.unwrap_or_else(|| look(None, now))
    }

    /// Changes the value in one step. `change` may run more than once; its last result counts.
    pub(crate) fn change<R>(
        &self,
        now: Instant,
        change: impl FnMut(&mut Option<T>, Moment) -> R,
    ) -> R {
        self.change_at(self.epoch.moment(now), change)
    }

    /// The same for a value that knows no time.
    pub(crate) fn change_timeless<R>(&self, mut change: impl FnMut(&mut Option<T>) -> R) -> R {
        self.change_at(Moment(0), |value, _| change(value))
    }

    fn change_at<R>(&self, now: Moment, mut change: impl FnMut(&mut Option<T>, Moment) -> R) -> R {
        let mut result = None;
        self.cell.change(now, &mut |held| {
            let mut value = held.state.take().and_then(T::from);
            result = Some(change(&mut value, now));
            held.expires = value.as_ref().map_or(Moment::NEVER, T::expires);
            held.state = value.map(T::into);
        });
        // A store that can't be asked: as if nothing was there.
        result.unwrap_or_else(|| change(&mut None, now))
    }

    /// By the platform's clock.
    pub(crate) fn instant(&self, at: Moment) -> Instant {
        self.epoch.instant(at)
    }

    /// How long it is to a moment.
    pub(crate) fn until(&self, at: Moment, now: Instant) -> Duration {
        at.since(self.epoch.moment(now))
    }

    /// A moment, by the platform's clock.
    pub(crate) fn moment(&self, at: Instant) -> Moment {
        self.epoch.moment(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_clocks_tell_the_same_moment_in_both_directions() {
        let epoch = Ledger::default().epoch;
        for nanos in [0, 1, 999_999_937, 3_600_000_000_001] {
            let time = Duration::from_nanos(nanos);
            let (later, earlier) = (epoch.instant + time, epoch.instant - time);
            assert_eq!(epoch.instant(epoch.moment(later)), later);
            assert_eq!(epoch.instant(epoch.moment(earlier)), earlier);
            assert_eq!(epoch.moment(later).since(epoch.moment(earlier)), time * 2);
        }
        // What another wrote may be beyond every clock.
        epoch.instant(Moment::NEVER);
        epoch.instant(Moment(0));
    }
}
