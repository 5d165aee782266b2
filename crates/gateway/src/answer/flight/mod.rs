//! A flight: one computation that several clients may wait on.
//!
//! Its leader (a task of its own) pushes events, clients read them by cursor: the head is
//! replayed at once, then they follow live. The log is trimmed behind the slowest reader
//! unless it is being kept for a recording. Wakers, not channels: it needs no runtime.

mod reader;
mod registry;

use std::collections::{BTreeMap, VecDeque};
use std::future::poll_fn;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use forebay_dialect::canonical::Usage;
use http::{HeaderName, HeaderValue};

use crate::error::{ErrorKind, GatewayError};
use forebay_dialect::exchange::Lost;

use crate::observe::LostField;
use crate::platform::MemoryShare;
use crate::recording::Recording;
use crate::store::CacheKey;
use crate::trail::Trail;

pub(crate) use reader::{FlightReader, Item};
pub(crate) use registry::{Boarding, Flights};

/// How a flight's answer is bounded.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FlightBounds {
    /// How far the slowest reader may lag, in bytes.
    pub client_buffer: u64,
    /// How far the leader may run ahead of the fastest reader, in bytes.
    pub upstream_buffer: u64,
    /// The most the log may hold when it is kept, in bytes.
    pub max_recording: u64,
    /// When the last reader leaves, go on to the end.
    pub outlive_clients: bool,
}

/// What is known once the upstream has begun to answer.
#[derive(Debug, Clone)]
pub(crate) struct Head {
    /// The upstream's name.
    pub upstream: Arc<str>,
    /// Time the ranking took.
    pub rank: Duration,
    /// From the request to the upstream to its first event.
    pub waited: Duration,
    /// Fields of the request that the upstream was not told, comma-separated; mostly none.
    pub lost: Arc<str>,
    /// The same with grades and hints, for the operator.
    pub lost_fields: Arc<[LostField]>,
    /// The id that the upstream gave the request.
    pub request_id: Option<Arc<str>>,
    /// What the upstream told of its own rate limits, under its own names.
    pub rate_limits: Arc<[(HeaderName, HeaderValue)]>,
}

impl Head {
    /// Something of the answer is left out, too.
    pub(crate) fn lose(&mut self, lost: &Lost) {
        let mut names = self.lost.to_string();
        if !names.is_empty() {
            names.push_str(", ");
        }
        names.push_str(&lost.param);
        self.lost = names.into();
        let fields = self.lost_fields.iter().cloned();
        self.lost_fields = fields.chain([LostField::new(lost)]).collect();
    }
}

/// What is known of an answer that ended well.
#[derive(Debug, Clone)]
pub(crate) struct Landing {
    /// The recording, where the log was kept.
    pub recording: Option<Arc<Recording>>,
    /// Tokens, where counted.
    pub usage: Option<Usage>,
    /// The model that answered.
    pub model: Option<String>,
}

/// How a flight ended.
#[derive(Debug, Clone)]
pub(crate) enum End {
    /// Well.
    Done(Landing),
    /// With an error, which every reader gets.
    Failed(GatewayError),
}

/// One computation that several clients may wait on.
#[derive(Debug)]
pub(crate) struct Flight {
    /// Random: names this very stream in event ids.
    pub id: u64,
    /// The key under which it can be joined or resumed.
    pub key: CacheKey,
    bounds: FlightBounds,
    /// What happens to it, noted under the request that it was started for.
    pub trail: Arc<Trail>,
    /// Where it counts while it goes on without clients.
    in_flight: OnceLock<Arc<AtomicU32>>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    head: Option<Head>,
    events: VecDeque<Bytes>,
    /// The index of the first event in `events`.
    base: usize,
    /// Bytes pushed so far.
    pushed: u64,
    /// Bytes of text in them.
    text_bytes: u64,
    /// The index of the event that carries nothing but usage.
    usage_at: Option<usize>,
    end: Option<End>,
    keep: bool,
    readers: BTreeMap<u32, ReaderState>,
    next_reader: u32,
    lingering: u32,
    cancelled: bool,
    /// It counts as a request in flight itself.
    counted: bool,
    leader: Option<Waker>,
    /// The memory of `events`.
    booked: Booked,
    /// There was no room for the newest event.
    short: bool,
    /// The log is no longer whole, since there was no room for it.
    gave_up: bool,
}

struct Booked(Box<dyn MemoryShare>);

impl std::fmt::Debug for Booked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Booked")
    }
}

#[derive(Debug)]
struct ReaderState {
    cursor: usize,
    consumed: u64,
    cut: bool,
    waker: Option<Waker>,
}

impl Flight {
    /// A flight without readers. With `keep` the whole log stays, for late joiners and the recording.
    /// Its log is booked on `share`.
    pub(crate) fn new(
        id: u64,
        key: CacheKey,
        keep: bool,
        bounds: FlightBounds,
        trail: &Arc<Trail>,
        share: Box<dyn MemoryShare>,
    ) -> Arc<Self> {
        Arc::new(Self {
            id,
            key,
            bounds,
            trail: trail.clone(),
            in_flight: OnceLock::new(),
            state: Mutex::new(State {
                head: None,
                events: VecDeque::new(),
                base: 0,
                pushed: 0,
                text_bytes: 0,
                usage_at: None,
                end: None,
                keep,
                readers: BTreeMap::new(),
                next_reader: 0,
                lingering: 0,
                cancelled: false,
                counted: false,
                leader: None,
                booked: Booked(share),
                short: false,
                gave_up: false,
            }),
        })
    }

    /// A reader that starts at event `from`. None when those events are gone or the flight is cancelled.
    pub(crate) fn join(self: &Arc<Self>, from: usize) -> Option<FlightReader> {
        let mut state = self.lock();
        if state.cancelled || from < state.base || from > state.base + state.events.len() {
            return None;
        }
        let skipped: u64 = state
            .events
            .iter()
            .take(from - state.base)
            .map(|e| e.len() as u64)
            .sum();
        let held: u64 = state.events.iter().map(|e| e.len() as u64).sum();
        let id = state.next_reader;
        state.next_reader += 1;
        let consumed = state.pushed - held + skipped;
        state.readers.insert(
            id,
            ReaderState {
                cursor: from,
                consumed,
                cut: false,
                waker: None,
            },
        );
        self.recount(&mut state);
        Some(FlightReader::new(self.clone(), id))
    }

    /// While it goes on with no client, it counts here as a request in flight.
    pub(crate) fn counts_in(&self, in_flight: &Arc<AtomicU32>) {
        let _ = self.in_flight.set(in_flight.clone());
    }

    fn recount(&self, state: &mut State) {
        let Some(in_flight) = self.in_flight.get() else {
            return;
        };
        let counts = state.readers.is_empty() && state.end.is_none() && !state.cancelled;
        if counts && !state.counted {
            in_flight.fetch_add(1, Relaxed);
        } else if !counts && state.counted {
            in_flight.fetch_sub(1, Relaxed);
        }
        state.counted = counts;
    }

    /// The upstream has begun to answer.
    pub(crate) fn set_head(&self, head: Head) {
        self.update(|state| state.head = Some(head));
    }

    /// What the upstream's beginning told, where it has begun.
    pub(crate) fn head(&self) -> Option<Head> {
        self.lock().head.clone()
    }

    /// The answer has so many bytes of text by now: what is counted where nobody else counts.
    pub(crate) fn spoke(&self, text_bytes: u64) {
        self.lock().text_bytes = text_bytes;
    }

    /// Adds an event. `usage_only` marks the one that carries nothing but usage.
    pub(crate) fn push(&self, event: Bytes, usage_only: bool) {
        let bounds = self.bounds;
        self.update(|state| {
            if usage_only {
                state.usage_at = Some(state.base + state.events.len());
            }
            let before = state.pushed;
            state.pushed += event.len() as u64;
            // Without room it goes on, but keeps only what somebody has still to read.
            state.short = !state.booked.0.grow(event.len());
            let room = !state.short && state.booked.0.is_spare();
            state.gave_up |= !room && state.keep;
            state.events.push_back(event);
            if !room || state.pushed > bounds.max_recording {
                state.keep = false;
            }
            let pushed = state.pushed;
            let fastest = state
                .readers
                .values()
                .map(|r| r.consumed)
                .max()
                .unwrap_or(pushed);
            // Only a reader that others have left behind is cut; if all lag, the leader waits. Nobody
            // is cut for not having read the newest event, however large it is.
            if pushed - fastest <= bounds.client_buffer {
                for reader in state.readers.values_mut() {
                    reader.cut |= before.saturating_sub(reader.consumed) > bounds.client_buffer;
                }
            }
            state.trim();
        });
    }

    /// Ends the flight. Later calls change nothing.
    pub(crate) fn finish(&self, end: End) {
        self.update(|state| {
            if state.end.is_none() {
                state.end = Some(end);
            }
        });
    }

    /// Resolves when the leader may read on: true, or false when nobody waits any more.
    pub(crate) async fn writable(&self) -> bool {
        poll_fn(|cx| {
            let mut state = self.lock();
            if state.cancelled {
                return Poll::Ready(false);
            }
            let fastest = state
                .readers
                .values()
                .map(|r| r.consumed)
                .max()
                .unwrap_or(state.pushed);
            let ahead = if state.short {
                0
            } else {
                self.bounds.upstream_buffer
            };
            if state.pushed - fastest <= ahead {
                return Poll::Ready(true);
            }
            state.leader = Some(cx.waker().clone());
            Poll::Pending
        })
        .await;
        !self.is_cancelled()
    }

    /// Resolves when the last client has left and the flight is not to outlive it.
    pub(crate) async fn cancelled(&self) {
        poll_fn(|cx| {
            let mut state = self.lock();
            if state.cancelled {
                return Poll::Ready(());
            }
            state.leader = Some(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }

    /// Cuts every reader that holds the leader up.
    pub(crate) fn cut_laggards(&self) {
        let limit = self.bounds.upstream_buffer;
        self.update(|state| {
            let pushed = state.pushed;
            for reader in state.readers.values_mut() {
                reader.cut |= pushed - reader.consumed > limit;
            }
        });
    }

    /// Whether nobody waits any more.
    pub(crate) fn is_cancelled(&self) -> bool {
        self.lock().cancelled
    }

    /// Whether the whole log is still there.
    pub(crate) fn is_kept(&self) -> bool {
        self.lock().keep
    }

    /// Whether it has ended well.
    pub(crate) fn has_landed(&self) -> bool {
        matches!(self.lock().end, Some(End::Done(_)))
    }

    /// Whether it has ended with an error.
    pub(crate) fn has_failed(&self) -> bool {
        matches!(self.lock().end, Some(End::Failed(_)))
    }

    /// The whole log, and where its usage event stands, if it was kept.
    pub(crate) fn log(&self) -> Option<(Vec<Bytes>, Option<usize>)> {
        let state = self.lock();
        (state.keep && state.base == 0)
            .then(|| (state.events.iter().cloned().collect(), state.usage_at))
    }

    /// How many clients it has had.
    pub(crate) fn clients(&self) -> u32 {
        self.lock().next_reader
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No code that runs under the lock can leave it half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state and wakes every reader, outside the lock.
    fn update(&self, change: impl FnOnce(&mut State)) {
        let wakers: Vec<Waker> = {
            let mut state = self.lock();
            change(&mut state);
            self.recount(&mut state);
            state
                .readers
                .values_mut()
                .filter_map(|r| r.waker.take())
                .collect()
        };
        wakers.into_iter().for_each(Waker::wake);
    }

    /// A reader moved or left: the leader may go on, or must stop.
    fn reader_moved(&self, change: impl FnOnce(&mut State)) {
        let waker = {
            let mut state = self.lock();
            change(&mut state);
            state.trim();
            let abandoned = state.readers.is_empty() && state.lingering == 0 && state.end.is_none();
            if abandoned && !self.bounds.outlive_clients {
                state.cancelled = true;
            }
            self.recount(&mut state);
            state.leader.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        // A leader that came to no end, since its runtime did.
        let counted = self.lock().counted;
        if let (true, Some(in_flight)) = (counted, self.in_flight.get()) {
            in_flight.fetch_sub(1, Relaxed);
        }
    }
}

impl State {
    /// Forgets events that every reader has read, unless the log is kept.
    fn trim(&mut self) {
        if self.keep || (self.lingering > 0 && !self.short) {
            return;
        }
        let end = self.base + self.events.len();
        let slowest = self
            .readers
            .values()
            .filter(|r| !r.cut)
            .map(|r| r.cursor)
            .min()
            .unwrap_or(end);
        while self.base < slowest
            && let Some(event) = self.events.pop_front()
        {
            self.booked.0.shrink(event.len());
            self.base += 1;
        }
    }
}

fn too_slow(limit: u64) -> GatewayError {
    GatewayError::new(
        ErrorKind::ClientTooSlow,
        format!(
            "the stream was read too slowly: more than {limit} bytes behind (streams.client_buffer)"
        ),
    )
}
