//! Forebay's rule: expected seconds until the first token, and what a copy of a prefix costs later.

use crate::{Request, Rule, Worker, lowest};

/// Prompt tokens a second where a worker's rate is not known: a 32B model on two H100 computes
/// 15,928 (llm-d, "Sticky until saturated", August 2026). Only ratios matter while no rate is known.
const DEFAULT_PREFILL_RATE: f64 = 16_000.0;

/// Tokens that an engine computes in one step, vLLM's default for `max_num_batched_tokens` on large
/// GPUs: every so many tokens of prefill carry one step of the running answers along.
const STEP_TOKENS: f64 = 8_192.0;

/// Minimises `queue + uncached / rate + copy + decode`, in seconds, where
///
/// - `queue` is the time for the uncached tokens in flight,
/// - `uncached` are the prompt's tokens that the worker would compute,
/// - `copy` is `(lambda - 1) * copied / tokens * min(tokens / rate, wait)`. `copied` are those of the
///   uncached tokens that another worker holds already: computing them again is work that others
///   wait for, and evicts something that will have to be computed again. `wait` is the workers' mean
///   `queue`: where nobody waits, a copy delays nobody, and no holder is worth a long wait,
/// - `decode` is the time for the answer and for the running answers' steps during the prefill: it
///   is longer where more answers run.
///
/// With `lambda` 1 it is the time that the request itself is expected to take; without the answer's
/// part of `decode`, the time to its first token.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ExpectedCost {
    /// What a copied token costs where workers are busy, in computed tokens. Default 10: on the
    /// traces and cache sizes of docs/routing.md most of the hits are there, and the tail of TTFT is
    /// within a few percent.
    pub lambda: f64,
    /// Weight of the answer's own time in `decode`. Default 1; 0 leaves it out.
    pub answer: f64,
    /// Costs this close, in seconds, are equal. Default 5 ms: below the noise of one step.
    pub tolerance: f64,
    /// A session stays where it was unless another worker is better by this much, in seconds.
    /// Default 100 ms: moving back and forth for less makes copies on both.
    pub hysteresis: f64,
}

impl Default for ExpectedCost {
    fn default() -> Self {
        Self {
            lambda: 10.0,
            answer: 1.0,
            tolerance: 0.005,
            hysteresis: 0.1,
        }
    }
}

/// What the healthy workers have in common.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Fleet {
    /// The most of the prompt that one of them holds, in tokens.
    pub most_held: u64,
    /// How long a prompt waits on average before it is computed, in seconds.
    pub wait: f64,
}

impl Fleet {
    /// The fleet of these workers.
    #[must_use]
    pub fn of(workers: &[Worker]) -> Self {
        let healthy = || workers.iter().filter(|worker| worker.healthy);
        let waits: f64 = healthy()
            .map(|worker| worker.queued_tokens as f64 / rate(worker))
            .sum();
        Self {
            most_held: healthy().map(|w| w.held_tokens).max().unwrap_or(0),
            wait: waits / healthy().count().max(1) as f64,
        }
    }
}

/// Prompt tokens a second that a worker computes.
fn rate(worker: &Worker) -> f64 {
    match worker.prefill_rate {
        rate if rate.is_finite() && rate > 0.0 => rate,
        _ => DEFAULT_PREFILL_RATE,
    }
}

/// What a worker's cost is made of, in seconds.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Parts {
    /// Prefill that is ahead of the request.
    pub queue: f64,
    /// The request's own prefill.
    pub prefill: f64,
    /// What the copy of a prefix that another worker holds costs others.
    pub copy: f64,
    /// The answer's own steps, and those of running answers during the prefill.
    pub decode: f64,
}

impl Parts {
    /// The sum.
    #[must_use]
    pub fn total(&self) -> f64 {
        self.queue + self.prefill + self.copy + self.decode
    }
}

impl ExpectedCost {
    /// The estimated time to first token alone.
    #[must_use]
    pub fn ttft() -> Self {
        Self {
            lambda: 1.0,
            answer: 0.0,
            ..Self::default()
        }
    }

    /// What the request would cost on a worker of a fleet.
    #[must_use]
    pub fn parts(&self, request: &Request, worker: &Worker, fleet: &Fleet) -> Parts {
        let rate = rate(worker);
        let uncached = request.uncached(worker) as f64;
        let queued = worker.queued_tokens as f64;
        let most_held = fleet.most_held.min(request.tokens);
        let copied = most_held.saturating_sub(worker.held_tokens) as f64;
        let tokens = request.tokens.max(1) as f64;
        let delay = (tokens / rate).min(fleet.wait);
        // One step at least: the first token comes at its end.
        let answer = (self.answer * request.output_tokens as f64).max(1.0);
        let steps = answer + (queued + uncached) / STEP_TOKENS;
        let decode = match worker.decode_rate {
            rate if rate.is_finite() && rate > 0.0 => steps / rate,
            _ => 0.0,
        };
        Parts {
            queue: queued / rate,
            prefill: uncached / rate,
            copy: (self.lambda - 1.0) * copied / tokens * delay,
            decode,
        }
    }
}

impl Rule for ExpectedCost {
    fn name(&self) -> &'static str {
        if self.lambda == 1.0 {
            "estimated-ttft"
        } else {
            "forebay"
        }
    }

    fn pick(&mut self, request: &Request, workers: &[Worker]) -> Option<usize> {
        let fleet = Fleet::of(workers);
        lowest(request, workers, self.tolerance, |worker| {
            let stay = if worker.has_affinity {
                self.hysteresis
            } else {
                0.0
            };
            self.parts(request, worker, &fleet).total() - stay
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUEST: Request = Request {
        tokens: 20_000,
        key: 0,
        output_tokens: 0,
        block_size: 16,
        random: 0,
    };

    fn worker(held_tokens: u64, queued_tokens: u64) -> Worker {
        Worker {
            held_tokens,
            queued_tokens,
            prefill_rate: 10_000.0,
            ..Worker::default()
        }
    }

    #[test]
    fn a_holder_is_left_once_its_queue_outweighs_the_copy() {
        let mut rule = ExpectedCost::default();
        // The copy of 16,000 tokens costs 1.6 s of prefill and, at lambda 10, 14.4 s later.
        assert_eq!(
            rule.pick(&REQUEST, &[worker(16_000, 150_000), worker(0, 0)]),
            Some(0)
        );
        assert_eq!(
            rule.pick(&REQUEST, &[worker(16_000, 170_000), worker(0, 0)]),
            Some(1)
        );
        let mut rule = ExpectedCost::ttft();
        assert_eq!(
            rule.pick(&REQUEST, &[worker(16_000, 17_000), worker(0, 0)]),
            Some(1)
        );
    }

    #[test]
    fn where_nobody_else_waits_a_copy_costs_no_more_than_its_own_time() {
        // Seven idle workers and a holder: the mean wait is an eighth of the holder's queue.
        let mut rule = ExpectedCost {
            lambda: 2.0,
            ..ExpectedCost::default()
        };
        let mut workers = vec![worker(0, 0); 8];
        // The copy takes 1.6 s here; a mean wait of 0.25 s adds 0.2 s to it.
        workers[3] = worker(16_000, 17_000);
        assert_eq!(rule.pick(&REQUEST, &workers), Some(3));
        workers[3] = worker(16_000, 20_000);
        assert_ne!(rule.pick(&REQUEST, &workers), Some(3));
    }

    #[test]
    fn what_nobody_holds_goes_to_the_shortest_queue() {
        let mut rule = ExpectedCost::default();
        let workers = [worker(0, 9_000), worker(0, 1_000), worker(0, 5_000)];
        assert_eq!(rule.pick(&REQUEST, &workers), Some(1));
    }

    #[test]
    fn equals_share_requests_by_chance() {
        let mut rule = ExpectedCost::default();
        let workers = [
            worker(0, 0),
            worker(0, 10),
            worker(0, 20),
            worker(0, 50_000),
        ];
        let mut picked = [0; 4];
        for random in 0..300 {
            let request = Request { random, ..REQUEST };
            picked[rule.pick(&request, &workers).unwrap()] += 1;
        }
        assert_eq!(picked, [100, 100, 100, 0]);
    }

    #[test]
    fn of_two_equals_the_one_with_fewer_requests_wins() {
        let mut rule = ExpectedCost::default();
        let busy = Worker {
            in_flight: 9,
            ..worker(0, 0)
        };
        for random in 0..100 {
            let request = Request {
                random: random << 32 | random,
                ..REQUEST
            };
            assert_eq!(rule.pick(&request, &[busy, worker(0, 0)]), Some(1));
        }
    }

    #[test]
    fn a_session_stays_for_a_small_difference_and_leaves_for_a_large_one() {
        let mut rule = ExpectedCost::default();
        let home = |queued| Worker {
            has_affinity: true,
            ..worker(0, queued)
        };
        assert_eq!(rule.pick(&REQUEST, &[worker(0, 0), home(800)]), Some(1));
        assert_eq!(rule.pick(&REQUEST, &[worker(0, 0), home(2_000)]), Some(0));
    }

    #[test]
    fn a_holder_with_many_running_answers_is_left_although_nothing_queues_there() {
        let mut rule = ExpectedCost::default();
        let request = Request {
            tokens: 2_100,
            output_tokens: 300,
            ..REQUEST
        };
        // An answer's step takes 20 ms, and 1 % more for each other answer.
        let worker = |held_tokens, in_flight: u32| Worker {
            in_flight,
            decode_rate: 50.0 / (1.0 + 0.01 * f64::from(in_flight)),
            ..worker(held_tokens, 0)
        };
        assert_eq!(
            rule.pick(&request, &[worker(2_000, 2), worker(0, 0)]),
            Some(0)
        );
        assert_eq!(
            rule.pick(&request, &[worker(2_000, 20), worker(0, 0)]),
            Some(1)
        );
    }

    #[test]
    fn unhealthy_workers_get_nothing_and_their_copies_count_for_nothing() {
        let mut rule = ExpectedCost::default();
        let down = Worker {
            healthy: false,
            ..worker(20_000, 0)
        };
        assert_eq!(rule.pick(&REQUEST, &[down, worker(0, 0)]), Some(1));
        assert_eq!(rule.pick(&REQUEST, &[down]), None);
        assert_eq!(rule.pick(&REQUEST, &[]), None);
        assert_eq!(Fleet::of(&[down, worker(7, 0)]).most_held, 7);
    }

    #[test]
    fn figures_that_are_no_numbers_choose_no_less_than_a_worker() {
        let mut rule = ExpectedCost::default();
        let odd = |prefill_rate, decode_rate| Worker {
            prefill_rate,
            decode_rate,
            ..worker(0, u64::MAX)
        };
        let workers = [
            odd(f64::NAN, -1.0),
            odd(0.0, f64::INFINITY),
            odd(f64::MIN_POSITIVE, 1.0),
        ];
        assert!(rule.pick(&REQUEST, &workers).is_some());
        let mut rule = ExpectedCost {
            lambda: f64::NAN,
            ..rule
        };
        assert!(rule.pick(&REQUEST, &workers).is_some());
    }
}
