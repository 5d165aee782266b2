//! What a run measured.

use serde::Serialize;

use crate::bounds::Bounds;
use crate::engine::Engine;
use crate::trace::{Arrival, Trace};
use crate::world::Options;

/// Intervals of a run over which load skew is plotted.
const INTERVALS: usize = 120;

/// Points of a TTFT distribution in the report.
const QUANTILES: usize = 200;

/// The busiest worker over the mean, by several measures: 1 is even.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Skew {
    /// Seconds of work: prefill, and sequences' shares of decode steps.
    pub work: f64,
    /// Requests.
    pub requests: f64,
    /// Prompt tokens, cached ones included.
    pub prompt_tokens: f64,
    /// Prompt tokens computed.
    pub computed_tokens: f64,
}

/// What one rule achieved.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Outcome {
    /// The rule.
    pub policy: String,
    /// Requests that were answered.
    pub requests: usize,
    /// Prompt tokens that were found in a cache.
    pub hit_tokens: u64,
    /// … as a share of all prompt tokens.
    pub hit_share: f64,
    /// … as a share of what a cache without end would have.
    pub share_of_infinite: f64,
    /// … as a share of what one pooled LRU cache would have.
    pub share_of_pooled_lru: f64,
    /// Seconds from arrival to first token.
    pub ttft_mean_s: f64,
    /// Its median.
    pub ttft_p50_s: f64,
    /// Its 90th percentile.
    pub ttft_p90_s: f64,
    /// Its 99th percentile.
    pub ttft_p99_s: f64,
    /// Seconds from arrival to last token.
    pub e2e_mean_s: f64,
    /// The busiest worker's seconds of work over the mean.
    pub busiest_over_mean: f64,
    /// The same by other measures.
    pub skew: Skew,
    /// Mean absolute difference between predicted and found prompt tokens.
    pub prediction_error_tokens: f64,
    /// Sequences that were preempted for want of room.
    pub preemptions: usize,
    /// TTFT at evenly spaced quantiles, 0 to 1.
    pub ttft_quantiles_s: Vec<f64>,
    /// Busiest over mean by prompt tokens sent, in each of the run's intervals.
    pub skew_over_time: Vec<f64>,
}

/// All rules on one trace.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// The trace's name.
    pub trace: String,
    /// Its requests.
    pub requests: usize,
    /// Its prompt tokens.
    pub input_tokens: u64,
    /// Tokens in its blocks.
    pub block_size: usize,
    /// The engines' profile.
    pub profile: String,
    /// What was simulated.
    pub options: Options,
    /// What no rule can beat.
    pub bounds: Bounds,
    /// The rules.
    pub policies: Vec<Outcome>,
}

/// Gathers a run's figures.
pub(crate) struct Recorder {
    input_tokens: u64,
    hit_tokens: u64,
    ttft: Vec<f64>,
    e2e: f64,
    finished: usize,
    error: u64,
    requests: Vec<u64>,
    prompt_tokens: Vec<u64>,
    /// Prompt tokens sent, by interval and worker.
    sent: Vec<Vec<u64>>,
    interval: f64,
}

impl Recorder {
    pub(crate) fn new(trace: &Trace, options: &Options) -> Self {
        let last = trace.requests.last().map_or(0.0, |request| request.at);
        Self {
            input_tokens: trace.input_tokens(),
            hit_tokens: 0,
            ttft: Vec::with_capacity(trace.requests.len()),
            e2e: 0.0,
            finished: 0,
            error: 0,
            requests: vec![0; options.workers],
            prompt_tokens: vec![0; options.workers],
            sent: vec![vec![0; options.workers]; INTERVALS],
            interval: (last / options.speed / INTERVALS as f64).max(f64::MIN_POSITIVE),
        }
    }

    pub(crate) fn routed(&mut self, now: f64, arrival: &Arrival, worker: usize) {
        self.requests[worker] += 1;
        self.prompt_tokens[worker] += arrival.input as u64;
        let interval = ((now / self.interval) as usize).min(INTERVALS - 1);
        self.sent[interval][worker] += arrival.input as u64;
    }

    /// A request was admitted with so many tokens believed and found in the cache.
    pub(crate) fn started(&mut self, believed: usize, found: usize) {
        self.hit_tokens += found as u64;
        self.error += believed.abs_diff(found) as u64;
    }

    pub(crate) fn first_token(&mut self, waited: f64) {
        self.ttft.push(waited);
    }

    pub(crate) fn finished(&mut self, took: f64) {
        self.finished += 1;
        self.e2e += took;
    }

    pub(crate) fn outcome(mut self, policy: String, engines: &[Engine<'_>]) -> Outcome {
        self.ttft.sort_by(f64::total_cmp);
        let requests = self.ttft.len();
        let count = requests.max(1) as f64;
        let work: Vec<f64> = engines.iter().map(|engine| engine.work_seconds).collect();
        let computed: Vec<u64> = engines.iter().map(|one| one.computed_tokens).collect();
        let skew = Skew {
            work: busiest_over_mean(work.iter().copied()),
            requests: busiest_over_mean(floats(&self.requests)),
            prompt_tokens: busiest_over_mean(floats(&self.prompt_tokens)),
            computed_tokens: busiest_over_mean(floats(&computed)),
        };
        let quantile = |share: f64| quantile(&self.ttft, share);
        Outcome {
            policy,
            requests,
            hit_tokens: self.hit_tokens,
            hit_share: self.hit_tokens as f64 / self.input_tokens.max(1) as f64,
            share_of_infinite: 0.0,
            share_of_pooled_lru: 0.0,
            ttft_mean_s: self.ttft.iter().sum::<f64>() / count,
            ttft_p50_s: quantile(0.5),
            ttft_p90_s: quantile(0.9),
            ttft_p99_s: quantile(0.99),
            e2e_mean_s: self.e2e / self.finished.max(1) as f64,
            busiest_over_mean: skew.work,
            skew,
            prediction_error_tokens: self.error as f64 / count,
            preemptions: engines.iter().map(|one| one.happened.preemptions).sum(),
            ttft_quantiles_s: (0..=QUANTILES)
                .map(|step| quantile(step as f64 / QUANTILES as f64))
                .collect(),
            skew_over_time: self
                .sent
                .iter()
                .map(|sent| busiest_over_mean(floats(sent)))
                .collect(),
        }
    }
}

impl Outcome {
    /// Sets the shares of what ideal caches would have.
    pub(crate) fn compare(&mut self, bounds: &Bounds) {
        let share = |of: u64| match of {
            0 => 0.0,
            of => self.hit_tokens as f64 / of as f64,
        };
        self.share_of_infinite = share(bounds.infinite_hit_tokens);
        self.share_of_pooled_lru = share(bounds.pooled_lru_hit_tokens);
    }
}

fn floats(counts: &[u64]) -> impl Iterator<Item = f64> + Clone {
    counts.iter().map(|count| *count as f64)
}

/// 1 where nothing was done: nothing is evenly spread.
fn busiest_over_mean(work: impl Iterator<Item = f64> + Clone) -> f64 {
    let (sum, count) = work
        .clone()
        .fold((0.0, 0.0), |(sum, count), one| (sum + one, count + 1.0));
    match work.max_by(f64::total_cmp) {
        Some(busiest) if sum > 0.0 => busiest / (sum / count),
        _ => 1.0,
    }
}

/// The nearest rank of sorted values.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted
        .get(rank.clamp(1, sorted.len().max(1)) - 1)
        .copied()
        .unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_nearest_ranks() {
        let values: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!(quantile(&values, 0.5), 50.0);
        assert_eq!(quantile(&values, 0.99), 99.0);
        assert_eq!(quantile(&values, 0.0), 1.0);
        assert_eq!(quantile(&values, 1.0), 100.0);
        assert_eq!(quantile(&[], 0.5), 0.0);
    }

    #[test]
    fn skew_is_one_when_even_or_idle() {
        assert_eq!(busiest_over_mean([2.0, 2.0].into_iter()), 1.0);
        assert_eq!(busiest_over_mean([0.0, 4.0].into_iter()), 2.0);
        assert_eq!(busiest_over_mean([0.0, 0.0].into_iter()), 1.0);
    }
}
