//! The engine behind the API: a scheduler with continuous batching that steps on tokio's clock.
//! It moves counts of tokens; the tokens of an answer are known before it starts.

pub(crate) mod kv_event;
pub(crate) mod publisher;
#[cfg(test)]
mod rates;
pub(crate) mod scheduler;
pub(crate) mod sequence;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::config::SimConfig;
use crate::metrics::Metrics;
use crate::stats::SimStats;
use publisher::EventQueue;
use scheduler::Scheduler;
use sequence::{Progress, SequenceSpec};

/// How far the clock may run behind before steps are lost: long enough to make up for a timer that
/// wakes late, short enough that a stalled machine does not answer in one burst.
const MAX_LAG: Duration = Duration::from_millis(20);

/// Steps taken without pause where time takes none: enough to finish most answers in one go, few
/// enough that others get their turn on the runtime.
const INSTANT_STEPS: usize = 64;

/// A handle to the engine; clones share it.
#[derive(Clone)]
pub(crate) struct Engine {
    shared: Arc<Shared>,
}

struct Shared {
    scheduler: Mutex<Scheduler>,
    wake: Notify,
    speed: f64,
    max_waiting: usize,
    metrics: Arc<Metrics>,
    events: Option<EventQueue>,
}

/// The waiting queue is full.
#[derive(Debug, thiserror::Error)]
#[error("{waiting} requests are waiting, the limit is {limit} (max_waiting)")]
pub(crate) struct QueueFull {
    waiting: usize,
    limit: usize,
}

/// One request's sequences. Dropping it frees their slots and blocks at once.
pub(crate) struct Running {
    shared: Arc<Shared>,
    ids: Vec<u64>,
    /// Progress of each sequence, in the order of submission.
    pub(crate) progress: Vec<Arc<Progress>>,
    /// Signalled after each step that moved one of them.
    pub(crate) moved: Arc<Notify>,
}

impl Engine {
    pub(crate) fn new(
        config: &SimConfig,
        metrics: Arc<Metrics>,
        events: Option<EventQueue>,
    ) -> Self {
        Self {
            shared: Arc::new(Shared {
                scheduler: Mutex::new(Scheduler::new(config, events.is_some())),
                wake: Notify::new(),
                speed: config.speed,
                max_waiting: config.max_waiting,
                metrics,
                events,
            }),
        }
    }

    /// Queues the sequences of one request.
    pub(crate) fn submit(&self, specs: Vec<SequenceSpec>) -> Result<Running, QueueFull> {
        let moved = Arc::new(Notify::new());
        let mut ids = Vec::with_capacity(specs.len());
        let mut progress = Vec::with_capacity(specs.len());
        {
            let mut scheduler = self.shared.lock();
            let waiting = scheduler.waiting();
            // An empty queue takes any request: `n` alone never makes one impossible.
            if waiting > 0 && waiting + specs.len() > self.shared.max_waiting {
                self.shared.metrics.rejected();
                return Err(QueueFull {
                    waiting,
                    limit: self.shared.max_waiting,
                });
            }
            for spec in specs {
                let state = Arc::new(Progress::default());
                ids.push(scheduler.submit(spec, Arc::clone(&state), Arc::clone(&moved)));
                progress.push(state);
            }
            self.shared.publish_gauges(&scheduler);
        }
        self.shared.wake.notify_one();
        Ok(Running {
            shared: Arc::clone(&self.shared),
            ids,
            progress,
            moved,
        })
    }

    /// What runs and waits, and what has been computed so far.
    pub(crate) fn stats(&self) -> SimStats {
        let scheduler = self.shared.lock();
        let totals = self.shared.metrics.totals();
        SimStats {
            running: scheduler.running(),
            waiting: scheduler.waiting(),
            kv_cache_usage: scheduler.kv_cache_usage(),
            kv_batches_published: self.shared.events.as_ref().map_or(0, EventQueue::batches),
            ..totals
        }
    }

    /// Empties the prefix cache; false while blocks are in use.
    pub(crate) fn reset_prefix_cache(&self) -> bool {
        let mut scheduler = self.shared.lock();
        let cleared = scheduler.clear_cache();
        self.shared.publish_events(&mut scheduler);
        cleared
    }

    /// Steps until cancelled.
    pub(crate) async fn run(self, cancel: CancellationToken) {
        let mut clock = Instant::now();
        loop {
            let Some(step) = self.shared.begin_step() else {
                tokio::select! {
                    () = cancel.cancelled() => return,
                    () = self.shared.wake.notified() => {}
                }
                clock = Instant::now();
                continue;
            };
            if self.shared.speed > 0.0 {
                let earliest = Instant::now().checked_sub(MAX_LAG).unwrap_or(clock);
                clock = clock.max(earliest) + step.div_f64(self.shared.speed);
                tokio::select! {
                    () = cancel.cancelled() => return,
                    () = tokio::time::sleep_until(clock) => {}
                }
                self.shared.end_step();
            } else {
                self.shared.end_step();
                for _ in 1..INSTANT_STEPS {
                    if self.shared.begin_step().is_none() {
                        break;
                    }
                    self.shared.end_step();
                }
                tokio::task::yield_now().await;
                if cancel.is_cancelled() {
                    return;
                }
            }
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Scheduler> {
        // Nothing panics under this lock; if something did, its counts are still whole.
        self.scheduler
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn begin_step(&self) -> Option<Duration> {
        let mut scheduler = self.lock();
        let step = scheduler.begin_step(&self.metrics);
        self.publish_gauges(&scheduler);
        step
    }

    fn end_step(&self) {
        let mut scheduler = self.lock();
        scheduler.end_step(&self.metrics);
        self.publish_gauges(&scheduler);
        self.publish_events(&mut scheduler);
    }

    fn publish_gauges(&self, scheduler: &Scheduler) {
        self.metrics.gauges(
            scheduler.running(),
            scheduler.waiting(),
            scheduler.kv_cache_usage(),
        );
    }

    fn publish_events(&self, scheduler: &mut Scheduler) {
        if let Some(queue) = &self.events {
            queue.push(scheduler.drain_events());
        }
    }
}

impl Running {
    /// A number that no other request of this engine has.
    pub(crate) fn nonce(&self) -> u64 {
        self.ids.first().copied().unwrap_or(0)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut scheduler = self.shared.lock();
        for id in &self.ids {
            if scheduler.abort(*id) {
                self.shared.metrics.aborted();
            }
        }
        self.shared.publish_gauges(&scheduler);
        self.shared.publish_events(&mut scheduler);
        drop(scheduler);
        self.shared.wake.notify_one();
    }
}
