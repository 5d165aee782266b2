//! The wasmtime engines and the thread that ticks for them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig,
};

use crate::error::LoadError;
use crate::options::{PagemapScan, SandboxOptions};

/// Entries that one table may have: what wasmtime allows by default, more than Rust, Go and C guests need.
pub(crate) const TABLE_ELEMENTS: usize = 20_000;

/// A tick: what a guest may run before others get their turn.
pub(crate) const TICK: Duration = Duration::from_millis(1);

/// How many instances a pool holds, and what each keeps.
pub(crate) struct Pool {
    /// Stores at the same time.
    pub(crate) stores: u32,
    /// Guests in each.
    pub(crate) guests: u32,
    /// Bytes that a used memory keeps resident.
    pub(crate) keep: usize,
    /// Slots that stay mapped to their module although unused.
    pub(crate) warm: u32,
}

fn config() -> Config {
    let mut config = Config::new();
    config.epoch_interruption(true);
    // Policies are plain synchronous components: nothing in a store needs to be concurrent.
    config.concurrency_support(false);
    // The same input gives the same answer, also in floating point.
    config.cranelift_nan_canonicalization(true);
    config.wasm_relaxed_simd(false);
    // A trap is reported by its name only, and collecting frames costs more than a decision.
    config.wasm_backtrace_max_frames(None);
    config.async_stack_zeroing(false);
    // A pool of compiler threads would live on with all the memory that compiling took: tens of
    // megabytes that an idle gateway keeps for nothing. Whoever loads may do so in a thread that ends.
    config.parallel_compilation(false);
    config
}

/// The engine that configures components at load: no pool, compiled fast.
pub(crate) fn loading() -> Result<Engine, LoadError> {
    let mut config = config();
    config.cranelift_opt_level(OptLevel::None);
    Engine::new(&config).map_err(|e| LoadError::Runtime {
        detail: format!("{e:#}"),
    })
}

/// An engine for requests or guards, with all its slots reserved (not resident) up front.
pub(crate) fn pooled(options: &SandboxOptions, pool: &Pool) -> Result<Engine, LoadError> {
    // 4 GiB of address space a memory lets the compiler leave out bounds checks. Where the
    // machine has not that much (39-bit user space), slots get what a guest may use.
    let spacious = build(options, pool, None);
    spacious
        .or_else(|_| build(options, pool, Some(options.memory_bytes as u64)))
        .map_err(|e| LoadError::Runtime {
            detail: format!("{e:#}"),
        })
}

fn build(
    options: &SandboxOptions,
    pool: &Pool,
    reservation: Option<u64>,
) -> wasmtime::Result<Engine> {
    let mut slots = PoolingAllocationConfig::default();
    // A guest of Rust, Go or C has one memory and up to two tables (its own and its adapter's);
    // one more of each leaves room for a component that is itself made of two.
    let memories = pool.stores.saturating_mul(pool.guests + 1);
    let tables = pool.stores.saturating_mul(3 * pool.guests + 1);
    slots.total_component_instances(pool.stores);
    slots.total_memories(memories);
    slots.total_tables(tables);
    slots.total_stacks(pool.stores);
    // Core instances cost heap only while they live; a guest of wit-component has about four.
    slots.total_core_instances(pool.stores.saturating_mul(16 * pool.guests));
    slots.table_elements(TABLE_ELEMENTS);
    slots.max_memory_size(options.memory_bytes);
    slots.linear_memory_keep_resident(pool.keep);
    // A Rust guest's table is a few KiB; clearing it by hand is cheaper than a system call.
    slots.table_keep_resident(if pool.keep > 0 { 16 << 10 } else { 0 });
    slots.max_unused_warm_slots(pool.warm);
    slots.pagemap_scan(match options.pagemap_scan {
        PagemapScan::Auto => Enabled::Auto,
        PagemapScan::Off => Enabled::No,
    });
    let mut config = config();
    if let Some(bytes) = reservation {
        config.memory_reservation(bytes);
        config.memory_guard_size(64 << 10);
    }
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(slots));
    Engine::new(&config)
}

/// The thread that ticks. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Ticker {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Ticker {
    /// Ticks for these engines once a millisecond.
    pub(crate) fn start(engines: Vec<Engine>) -> Result<Self, LoadError> {
        let stop = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&stop);
        let thread = std::thread::Builder::new()
            .name("forebay-tick".into())
            .spawn(move || {
                while !seen.load(Ordering::Relaxed) {
                    std::thread::sleep(TICK);
                    for engine in &engines {
                        engine.increment_epoch();
                    }
                }
            })
            .map_err(|e| LoadError::Runtime {
                detail: e.to_string(),
            })?;
        Ok(Self {
            stop,
            thread: Some(thread),
        })
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // At most one tick away.
            let _ = thread.join();
        }
    }
}
