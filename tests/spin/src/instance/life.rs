//! Who still waits for an instance, and how the instance ended.
//!
//! The runtime has no way to cancel a task inside a guest. So when the last client of an instance goes
//! away, the exchanges that the guest has under way are ended instead: the guest sees an error, finishes
//! and stays usable. While other clients wait, nothing is ended: what a task fetches may be for them too.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

/// One instance, as seen by the requests that it serves.
#[derive(Debug, Default)]
pub(crate) struct Life {
    state: Mutex<State>,
    end: AtomicU8,
    memory_refused: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    waiting: usize,
    exchanges: CancellationToken,
}

/// How an instance ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum End {
    /// It has not, or it ended well.
    None = 0,
    /// It trapped.
    Trap = 1,
    /// It was cut by the request timeout.
    TimedOut = 2,
    /// It was refused memory, and trapped.
    OutOfMemory = 3,
}

impl Life {
    /// Cancelled when nobody waits any more for what the guest fetches.
    pub(crate) fn exchanges(&self) -> CancellationToken {
        self.lock().exchanges.clone()
    }

    /// Says how the instance ended. The first word counts.
    pub(crate) fn ended(&self, end: End) {
        let _ = self.end.compare_exchange(0, end as u8, SeqCst, SeqCst);
    }

    /// Notes that the guest asked for more memory than it may have: if it ends now, that was why.
    pub(crate) fn memory_was_refused(&self) {
        self.memory_refused.store(true, SeqCst);
    }

    /// How the instance ended.
    pub(crate) fn end(&self) -> End {
        match self.end.load(SeqCst) {
            0 => End::None,
            1 if self.memory_refused.load(SeqCst) => End::OutOfMemory,
            1 => End::Trap,
            _ => End::TimedOut,
        }
    }

    /// Whether memory was refused to it, which hardly any guest survives.
    pub(crate) fn lacked_memory(&self) -> bool {
        self.memory_refused.load(SeqCst)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request, from when it came until its client has the answer or is gone.
#[derive(Debug, Default)]
pub(crate) struct Ticket {
    state: Mutex<Place>,
}

#[derive(Debug, Default)]
struct Place {
    life: Option<Arc<Life>>,
    over: bool,
}

impl Ticket {
    /// An instance takes the request.
    pub(crate) fn taken_by(&self, life: &Arc<Life>) {
        let mut place = self.place();
        let mut state = life.lock();
        if place.over {
            if state.waiting == 0 {
                state.exchanges.cancel();
            }
            return;
        }
        if state.exchanges.is_cancelled() {
            state.exchanges = CancellationToken::new();
        }
        state.waiting += 1;
        place.life = Some(life.clone());
    }

    fn life(&self) -> Option<Arc<Life>> {
        self.place().life.clone()
    }

    fn leave(&self, gone: bool) {
        let mut place = self.place();
        if std::mem::replace(&mut place.over, true) {
            return;
        }
        if let Some(life) = &place.life {
            let mut state = life.lock();
            state.waiting = state.waiting.saturating_sub(1);
            if gone && state.waiting == 0 {
                state.exchanges.cancel();
            }
        }
    }

    fn place(&self) -> MutexGuard<'_, Place> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A client that waits. Dropped without [`Waiting::served`], it is gone.
#[derive(Debug)]
pub(crate) struct Waiting(Arc<Ticket>);

impl Waiting {
    /// A request has come.
    pub(crate) fn new() -> Self {
        Self(Arc::default())
    }

    /// What the instance gets.
    pub(crate) fn ticket(&self) -> Arc<Ticket> {
        self.0.clone()
    }

    /// The client has all that it will get.
    pub(crate) fn served(&self) {
        self.0.leave(false);
    }

    /// The instance that took the request.
    pub(crate) fn life(&self) -> Option<Arc<Life>> {
        self.0.life()
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.leave(true);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(life: &Arc<Life>) -> Waiting {
        let waiting = Waiting::new();
        waiting.ticket().taken_by(life);
        waiting
    }

    #[test]
    fn the_last_client_to_go_ends_the_exchanges() {
        let life = Arc::new(Life::default());
        let (one, other) = (taken(&life), taken(&life));
        let exchanges = life.exchanges();
        drop(one);
        assert!(!exchanges.is_cancelled());
        drop(other);
        assert!(exchanges.is_cancelled());
        let _next = taken(&life);
        assert!(!life.exchanges().is_cancelled());
    }

    #[test]
    fn a_client_that_was_served_ends_nothing() {
        let life = Arc::new(Life::default());
        let waiting = taken(&life);
        waiting.served();
        drop(waiting);
        assert!(!life.exchanges().is_cancelled());
    }

    #[test]
    fn a_client_that_left_before_its_turn_has_nothing_fetched() {
        let life = Arc::new(Life::default());
        let waiting = Waiting::new();
        let ticket = waiting.ticket();
        drop(waiting);
        ticket.taken_by(&life);
        assert!(life.exchanges().is_cancelled());
    }
}
