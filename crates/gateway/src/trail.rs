//! What happens to a request between its decision and its answer, noted as it happens: who was to be
//! asked, who was left out, who was asked and what came of it. Bounded, and never a word of a prompt.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::observe::{Attempt, Excluded, Placed, Stage, Way};
use crate::policy::{Candidate, Hit, Ranking};

/// The most upstreams and tries that are noted: more would not be read.
const MAX_UPSTREAMS: usize = 16;
/// The most output rules that are noted.
const MAX_HITS: usize = 32;
/// The most bytes of a reason: a component may write what it likes.
const MAX_REASON: usize = 256;

/// The notes on one request, or on one flight.
#[derive(Debug)]
pub(crate) struct Trail {
    /// The request that they are about.
    pub(crate) request_id: Arc<str>,
    /// When its head had come.
    began: Instant,
    notes: Mutex<Notes>,
}

#[derive(Debug, Default)]
struct Notes {
    way: Way,
    ranked: Option<(Duration, Duration)>,
}

impl Trail {
    /// No notes yet.
    pub(crate) fn new(request_id: &str, began: Instant) -> Arc<Self> {
        Arc::new(Self {
            request_id: request_id.into(),
            began,
            notes: Mutex::default(),
        })
    }

    /// When something happened, counted from the request's head.
    pub(crate) fn offset(&self, at: Instant) -> Duration {
        at.saturating_duration_since(self.began)
    }

    /// The selector gave this order. A later one replaces it.
    pub(crate) fn ranked(&self, ranking: &Ranking, candidates: &[Candidate]) {
        let name = |index: u32| {
            let candidate = candidates.get(index as usize);
            Arc::from(candidate.map_or("?", |candidate| candidate.name.as_str()))
        };
        let order = ranking.order.iter().take(MAX_UPSTREAMS);
        let excluded = ranking.excluded.iter().take(MAX_UPSTREAMS);
        let mut notes = self.lock();
        notes.way.order = order
            .map(|choice| Placed {
                upstream: name(choice.candidate),
                score: choice.score,
                cost_micro_usd: choice.cost_micro_usd,
            })
            .collect();
        notes.way.excluded = excluded
            .map(|(index, why)| {
                let mut why = why.clone();
                for text in [&mut why.code, &mut why.detail] {
                    text.truncate(text.floor_char_boundary(MAX_REASON));
                }
                Excluded {
                    upstream: name(*index),
                    why,
                }
            })
            .collect();
    }

    /// The ranking took from then to now.
    pub(crate) fn took(&self, began: Instant, now: Instant) {
        let took = now.saturating_duration_since(began);
        self.lock().ranked = Some((self.offset(began), took));
    }

    /// An upstream was tried.
    pub(crate) fn tried(&self, attempt: &mut Attempt) {
        let mut notes = self.lock();
        let earlier = &notes.way.attempts;
        // One that broke after its head is told twice.
        let is_new = earlier.iter().all(|other| other.start != attempt.start);
        attempt.again = is_new && !earlier.is_empty();
        if notes.way.attempts.len() < MAX_UPSTREAMS {
            notes.way.attempts.push(attempt.clone());
        }
    }

    /// Output rules matched.
    pub(crate) fn hits(&self, hits: &[Hit]) {
        let mut notes = self.lock();
        let left = MAX_HITS.saturating_sub(notes.way.output_hits.len());
        notes
            .way
            .output_hits
            .extend(hits.iter().take(left).cloned());
    }

    /// All of it, with the stages that it tells.
    pub(crate) fn way(&self) -> Way {
        let notes = self.lock();
        let mut way = notes.way.clone();
        way.stages.extend(notes.ranked.map(|(start, took)| Stage {
            name: "route",
            start,
            took,
        }));
        way.stages.extend(way.attempts.iter().map(|attempt| Stage {
            name: "upstream",
            start: attempt.start,
            took: attempt.head,
        }));
        way
    }

    /// Who was ranked how, who was left out why, and who failed: for the client that asks.
    pub(crate) fn told(&self) -> String {
        let notes = self.lock();
        let way = &notes.way;
        let mut out = String::new();
        let mut part = |text: std::fmt::Arguments<'_>| {
            let _ = write!(out, "{}{text}", if out.is_empty() { "" } else { ", " });
        };
        for placed in &way.order {
            part(format_args!("{} ({:.3})", placed.upstream, placed.score));
        }
        for Excluded { upstream, why } in &way.excluded {
            let (code, detail) = (&why.code, &why.detail);
            part(format_args!("{upstream} excluded: {code} ({detail})"));
        }
        let failed = way.attempts.iter().any(|tried| tried.failure.is_some());
        for attempt in way.attempts.iter().filter(|_| failed) {
            let status = attempt.status.map(|status| format!(" with {status}"));
            let failure = attempt.failure.map_or("answered", |kind| kind.code());
            let (upstream, ms) = (&attempt.upstream, attempt.head.as_millis());
            part(format_args!(
                "{upstream} tried: {failure}{} after {ms} ms",
                status.unwrap_or_default()
            ));
        }
        out
    }

    fn lock(&self) -> MutexGuard<'_, Notes> {
        // Notes that a panic left half written are notes all the same.
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
