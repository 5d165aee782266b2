//! The runtime: one engine, an epoch tick, a pool of slots where the address space allows it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use wasmtime::{Cache, Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

use crate::error::StartError;

/// How often a running guest lets others have their turn: as in Spin.
const TICK: Duration = Duration::from_millis(10);

/// Slots for instances, as in Spin: what is served at once is bounded below that.
const INSTANCES: u32 = 1000;

/// An engine and what makes its epochs pass. Dropped, the epochs stop.
pub(crate) struct Running {
    pub(crate) engine: Engine,
    stop: Arc<AtomicBool>,
}

/// Starts one.
pub(crate) fn start() -> Result<Running, StartError> {
    let failed = |error: wasmtime::Error| StartError::Runtime(format!("{error:#}"));
    let mut config = Config::new();
    config.epoch_interruption(true);
    config.wasm_component_model_async(true);
    config.wasm_backtrace_max_frames(None);
    // As Spin does, it compiles a component once for all starts.
    config.cache(Cache::from_file(None).ok());
    let engine = pooled(config.clone()).or_else(|_| Engine::new(&config).map_err(failed))?;
    let stop = Arc::new(AtomicBool::new(false));
    let (ticking, ended) = (engine.weak(), stop.clone());
    std::thread::Builder::new()
        .name("forebay-spin-epoch".to_owned())
        .spawn(move || {
            while !ended.load(Relaxed) {
                std::thread::sleep(TICK);
                let Some(engine) = ticking.upgrade() else {
                    return;
                };
                engine.increment_epoch();
            }
        })
        .map_err(|error| StartError::Runtime(error.to_string()))?;
    Ok(Running { engine, stop })
}

/// The sizes are Spin's: a composed component has many memories and tables.
fn pooled(mut config: Config) -> wasmtime::Result<Engine> {
    let mut pool = PoolingAllocationConfig::default();
    pool.total_component_instances(INSTANCES)
        .total_core_instances(INSTANCES * 8)
        .total_memories(INSTANCES * 4)
        .total_tables(INSTANCES * 8)
        .total_stacks(INSTANCES)
        .table_elements(100_000)
        .max_component_instance_size(10 << 20)
        .max_core_instance_size(10 << 20)
        .max_core_instances_per_component(200)
        .max_memories_per_component(32)
        .max_tables_per_component(64);
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    Engine::new(&config)
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
    }
}
