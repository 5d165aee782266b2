//! What the host keeps for one store of guests: their time, their memory, and why they were stopped.

use wasmtime::{ResourceLimiter, Store, StoreContextMut, Trap, UpdateDeadline};

use forebay_gateway::policy::PolicyError;

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
    #[error("{0} is not for policies")]
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
    ticks: u64,
    allowed: u64,
    used: usize,
    /// How many random words were given out: the same ones to every guest.
    pub(crate) drawn: u64,
}

impl Guest {
    /// A store with these limits and no time yet.
    pub(crate) fn store(engine: &wasmtime::Engine, limits: Limits) -> Store<Self> {
        let guest = Self {
            limits,
            ticks: 0,
            allowed: 0,
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

    /// Gives the guest `ms` milliseconds from now on.
    pub(crate) fn allow(store: &mut Store<Self>, ms: u64) {
        let guest = store.data_mut();
        guest.ticks = ms;
        guest.allowed = ms;
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

/// Called each millisecond while the guest runs: lets others run, or ends it.
fn on_tick(mut store: StoreContextMut<'_, Guest>) -> wasmtime::Result<UpdateDeadline> {
    let guest = store.data_mut();
    match guest.ticks.checked_sub(1) {
        None => Err(Stop::Deadline.into()),
        Some(left) => {
            guest.ticks = left;
            Ok(UpdateDeadline::YieldCustom(
                1,
                Box::pin(tokio::task::yield_now()),
            ))
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
