//! What the host keeps for one store of guests: their time, their memory, and why they were stopped.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::ThreadId;
use std::time::Duration;

use wasmtime::{ResourceLimiter, Store, StoreContextMut, Trap, UpdateDeadline};

use forebay_gateway::policy::PolicyError;

use crate::engine::TICK;

/// Why the host stopped a guest.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum Stop {
    /// It used up its time.
    #[error("out of time")]
    Deadline,
    /// It asked for more memory than it may have.
    #[error("out of memory")]
    Memory,
    /// It called something that a policy must not call.
    #[error("{0} is not available to policies")]
    Import(String),
}

/// The limits that all stores of a sandbox share.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Bytes that one memory may have.
    pub(crate) memory: usize,
    /// Bytes that all memories of the store may have together.
    pub(crate) memories: usize,
    /// Bytes that one call may return.
    pub(crate) result: usize,
    /// Entries that one table may have.
    pub(crate) table: usize,
}

/// A store's own data.
#[derive(Debug)]
pub(crate) struct Guest {
    limits: Limits,
    /// Processor time that it still has.
    left: Duration,
    /// What it had at first, in milliseconds.
    allowed: u64,
    slice: Arc<Mutex<Slice>>,
    used: usize,
    /// How many random words were given out: the same ones to every guest.
    pub(crate) drawn: u64,
}

impl Guest {
    /// A store with these limits and no time yet.
    pub(crate) fn store(engine: &wasmtime::Engine, limits: Limits) -> Store<Self> {
        let guest = Self {
            limits,
            left: Duration::ZERO,
            allowed: 0,
            slice: Arc::new(Mutex::new(Slice::now())),
            used: 0,
            drawn: 0,
        };
        let mut store = Store::new(engine, guest);
        store.limiter(|guest| guest);
        store.set_hostcall_fuel(limits.result);
        store.epoch_deadline_callback(on_tick);
        store.set_epoch_deadline(1);
        store
    }

    /// Gives the guest `ms` milliseconds of processor time from now on.
    pub(crate) fn allow(store: &mut Store<Self>, ms: u64) {
        let guest = store.data_mut();
        guest.left = Duration::from_millis(ms);
        guest.allowed = ms;
        Self::runs(store);
    }

    /// The guest is about to be called, on this thread.
    pub(crate) fn runs(store: &mut Store<Self>) {
        store.data().begin_slice();
        store.set_epoch_deadline(1);
    }

    fn begin_slice(&self) {
        begin(&self.slice);
    }

    /// What an error of a call means.
    pub(crate) fn explain(&self, policy: &'static str, error: &wasmtime::Error) -> PolicyError {
        if let Some(stop) = error.downcast_ref::<Stop>() {
            return match stop {
                Stop::Deadline => PolicyError::Deadline {
                    policy,
                    limit_ms: self.allowed,
                },
                Stop::Memory => PolicyError::Memory {
                    policy,
                    limit_bytes: self.limits.memory as u64,
                },
                Stop::Import(_) => PolicyError::Trap {
                    policy,
                    detail: stop.to_string(),
                },
            };
        }
        if let Some(trap) = error.downcast_ref::<Trap>() {
            return PolicyError::Trap {
                policy,
                detail: trap.to_string(),
            };
        }
        let cause = error.root_cause().to_string();
        // The runtime's type for this is private; a test holds its wording.
        if cause.contains("fuel allocated for hostcalls") {
            return PolicyError::Memory {
                policy,
                limit_bytes: self.limits.result as u64,
            };
        }
        if error
            .downcast_ref::<wasmtime::PoolConcurrencyLimitError>()
            .is_some()
        {
            return PolicyError::Exhausted { limit: 0 };
        }
        // What is left are answers that could not be lifted (text that is not UTF-8, a pointer
        // outside memory); the runtime's words hold offsets, never content.
        PolicyError::Nonsense {
            policy,
            detail: cause,
        }
    }
}

/// A stretch in which a guest runs on one thread without giving it up. Its processor time counts, not
/// the time that passes: on a busy machine a guest waits for others, which is no fault of its own.
#[derive(Debug, Clone, Copy)]
struct Slice {
    thread: ThreadId,
    began: Duration,
}

impl Slice {
    fn now() -> Self {
        Self {
            thread: std::thread::current().id(),
            began: thread_time(),
        }
    }

    fn spent(&self) -> Duration {
        let now = Self::now();
        if now.thread == self.thread {
            now.began.saturating_sub(self.began)
        } else {
            // Not seen to begin, so it counts as the tick that ended it.
            TICK
        }
    }
}

/// The processor time that this thread has used.
fn thread_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

fn begin(slice: &Mutex<Slice>) {
    // A panic can't happen while it is held.
    *slice.lock().unwrap_or_else(PoisonError::into_inner) = Slice::now();
}

/// Called each millisecond while the guest runs: lets others run, or ends it.
fn on_tick(mut store: StoreContextMut<'_, Guest>) -> wasmtime::Result<UpdateDeadline> {
    let guest = store.data_mut();
    let slice = Arc::clone(&guest.slice);
    let spent = slice.lock().unwrap_or_else(PoisonError::into_inner).spent();
    match guest.left.checked_sub(spent) {
        None => Err(Stop::Deadline.into()),
        Some(left) => {
            guest.left = left;
            let others_run = async move {
                tokio::task::yield_now().await;
                // The guest runs on as soon as this is done, perhaps on another thread.
                begin(&slice);
            };
            Ok(UpdateDeadline::YieldCustom(1, Box::pin(others_run)))
        }
    }
}

impl ResourceLimiter for Guest {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let used = self.used.saturating_add(desired.saturating_sub(current));
        if desired > self.limits.memory || used > self.limits.memories {
            return Err(Stop::Memory.into());
        }
        self.used = used;
        Ok(true)
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if desired > self.limits.table {
            return Err(Stop::Memory.into());
        }
        Ok(true)
    }
}
