//! Which engine holds which blocks of prompts.
//!
//! An [`Index`] is fed by an engine's KV events, by predictions when a request is routed, and, for
//! an engine without events, by an approximate LRU. A lookup walks a prompt's chain once for all
//! workers. It has no socket and no clock: batches and times are arguments.
//!
//! ```
//! use std::time::Duration;
//! use forebay_prefix_index::{Index, Naming, PromptKeys, State};
//!
//! let naming = Naming::Routed { block_size: 4, scope: 7 };
//! let mut index = Index::new(naming);
//! let worker = index.add_worker(None)?;
//! let chain = index.naming().chain(&[1, 2, 3, 4, 5, 6, 7, 8], &PromptKeys::default());
//! index.predict(worker, &chain, Duration::ZERO);
//!
//! let mut held = Vec::new();
//! index.lookup(&chain, Duration::from_secs(1), &mut held);
//! assert_eq!(held, [2]);
//! assert_eq!(index.state(worker).0, State::Fallback);
//! # Ok::<(), forebay_prefix_index::TooManyWorkers>(())
//! ```

mod event;
mod hasher;
mod in_flight;
mod index;
mod lru;
mod naming;
mod sequence;
mod state;
mod table;
mod window;

pub use event::{Batch, Event, EventError, MAX_BATCH_BYTES, Stored};
pub use in_flight::InFlight;
pub use index::{DEFAULT_CAPACITY, Index, MAX_WORKERS, PREDICTION_LIFE, TooManyWorkers, WorkerId};
pub use naming::{Naming, PromptKeys};
pub use sequence::{Arrival, Sequence};
pub use state::{State, Why};
