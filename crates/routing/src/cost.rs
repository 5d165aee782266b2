//! Forebay's rule: expected seconds until the first token, and what a copy of a prefix costs later.

use crate::{Request, Rule, Worker, known_rate, lowest};

/// Tokens that an engine computes in one step, vLLM's default for `max_num_batched_tokens` on large
/// GPUs: every so many tokens of prefill carry one step of the running answers along.
const STEP_TOKENS: f64 = 8_192.0;

/// Minimises `queue + uncached / rate + copy + decode`, in seconds, where
///
/// - `queue` is the time for the uncached tokens in flight that are not computed yet,
/// - `uncached` are the prompt's tokens that the worker would compute,
/// - `copy` is `copied / rate * (eviction + (lambda - 1) * busy) / users`. `copied` are those of the
///   uncached tokens that another worker holds already: computing them again is work that others
///   wait for, and evicts something that may have to be computed again. `busy` is
///   `min(1, wait * rate / tokens)`, and `wait` the mean `queue` where such a copy would be computed:
///   each worker counts by what it lacks of the longest prefix that one of them holds. Where nobody
///   waits there, a copy delays nobody, and costs only what it evicts. The holders' own queues don't
///   count: they are what a copy relieves. `users` is how many requests the copy is for: its part of
///   those in flight that begin alike, divided among the holders and the new one, and at least as
///   many as there are holders, since what several caches keep is used at each of them. Holders are
///   counted on average over the copied tokens,
/// - `decode` is the time for the answer and for the running answers' steps during the prefill: it
///   is longer where more answers run.
///
/// With `lambda` 1 it is the time that the request itself is expected to take; without the answer's
/// part of `decode`, the time to its first token.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ExpectedCost {
    /// What a token costs that one other worker holds, where workers are busy, in computed tokens.
    /// Default 7: from 6 to 9, on the trace of docs/routing.md, hits rise by 1.9 points and the tail
    /// of TTFT by 2 %.
    pub lambda: f64,
    /// What such a token costs where nobody waits, beside its own time, in computed tokens: a prompt
    /// waits for its holder rather than be computed again elsewhere in nearly the same time. Default
    /// 0.2: more hits in bursts of long prompts, and the tail of TTFT as with 0.
    pub eviction: f64,
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
            lambda: 7.0,
            eviction: 0.2,
            answer: 1.0,
            tolerance: 0.005,
            hysteresis: 0.1,
        }
    }
}

/// What the healthy workers have in common.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Fleet {
    /// The most of the prompt that one of them holds, in tokens.
    pub most_held: u64,
    /// How long a prompt waits on average, in seconds, at the workers that would have to compute
    /// what the longest holder has. Each counts by the tokens that it lacks.
    pub wait: f64,
    /// Tokens that each holds, the most first, and the sums of those so far.
    held: Vec<(u64, f64)>,
}

impl Fleet {
    /// The fleet of these workers.
    #[must_use]
    pub fn of(workers: &[Worker]) -> Self {
        let healthy = || workers.iter().filter(|worker| worker.healthy);
        let most_held = healthy().map(|w| w.held_tokens).max().unwrap_or(0);
        let (mut waits, mut lacking) = (0.0, 0.0);
        for worker in healthy().filter(|worker| worker.held_tokens < most_held) {
            let lacks = (most_held - worker.held_tokens) as f64;
            waits += lacks * queue_seconds(worker);
            lacking += lacks;
        }
        let mut tokens: Vec<u64> = healthy().map(|worker| worker.held_tokens).collect();
        tokens.sort_unstable_by(|one, other| other.cmp(one));
        let mut sum = 0.0;
        let held = tokens.into_iter().map(|tokens| {
            sum += tokens as f64;
            (tokens, sum)
        });
        Self {
            most_held,
            // Where all hold as much, there is nothing to copy and nothing to divide by.
            wait: waits / f64::max(lacking, 1.0),
            held: held.collect(),
        }
    }

    /// How many workers hold the tokens of the longest prefix from this one on: the mean over these
    /// tokens, at least 1.
    fn holders(&self, from: u64) -> f64 {
        let beyond = self.held.partition_point(|(tokens, _)| *tokens > from);
        let Some((_, sum)) = beyond.checked_sub(1).and_then(|last| self.held.get(last)) else {
            return 1.0;
        };
        let from = from as f64;
        let span = self.most_held as f64 - from;
        ((sum - beyond as f64 * from) / span).max(1.0)
    }
}

/// How long the prompts in flight at a worker take it, in seconds.
#[must_use]
pub fn queue_seconds(worker: &Worker) -> f64 {
    worker.queued_tokens as f64 / rate(worker)
}

/// Prompt tokens a second that a worker computes.
fn rate(worker: &Worker) -> f64 {
    known_rate(worker.prefill_rate)
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
            eviction: 0.0,
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
        let busy = (fleet.wait * rate / tokens).min(1.0);
        let holders = fleet.holders(worker.held_tokens);
        // With the copy there is one holder more, and each gets an equal part.
        let users = holders.max(f64::from(request.sharing) / (holders + 1.0));
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
            copy: copied / rate * (self.eviction + (self.lambda - 1.0) * busy) / users,
            decode,
        }
    }
}

impl Rule for ExpectedCost {
    fn name(&self) -> &'static str {
        if self.lambda == 1.0 && self.eviction == 0.0 {
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
        sharing: 0,
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
        let mut rule = ExpectedCost {
            lambda: 10.0,
            ..ExpectedCost::default()
        };
        // The copy of 16,000 tokens takes 1.6 s, and evicts what 0.32 s were spent on. Where others
        // wait a quarter of the prompt's time, it costs them 3.6 s.
        let other = worker(0, 5_000);
        assert_eq!(
            rule.pick(&REQUEST, &[worker(16_000, 59_000), other]),
            Some(0)
        );
        assert_eq!(
            rule.pick(&REQUEST, &[worker(16_000, 61_000), other]),
            Some(1)
        );
        // However long they wait, it costs them no more than 14.4 s.
        let other = worker(0, 100_000);
        assert_eq!(
            rule.pick(&REQUEST, &[worker(16_000, 262_000), other]),
            Some(0)
        );
        assert_eq!(
            rule.pick(&REQUEST, &[worker(16_000, 264_000), other]),
            Some(1)
        );
        let mut rule = ExpectedCost::ttft();
        assert_eq!(
            rule.pick(&REQUEST, &[worker(16_000, 22_000), worker(0, 5_000)]),
            Some(1)
        );
    }

    #[test]
    fn where_nobody_waits_a_copy_costs_what_it_evicts_however_long_holders_queues_are() {
        let mut rule = ExpectedCost::default();
        let mut workers = vec![worker(0, 0); 8];
        for holders in 1..7 {
            // The copy takes 1.6 s, and a fifth of that is divided among those that hold as much.
            let worth = 16_000 + 3_200 / holders as u64;
            workers[..holders].fill(worker(16_000, worth - 500));
            assert!(rule.pick(&REQUEST, &workers).unwrap() < holders);
            workers[..holders].fill(worker(16_000, worth + 500));
            assert!(rule.pick(&REQUEST, &workers).unwrap() >= holders);
        }
    }

    #[test]
    fn a_copy_that_many_requests_wait_for_costs_each_of_them_a_share() {
        let cost = |sharing, holders: usize| {
            let mut workers = vec![worker(0, 5_000); 8];
            workers[..holders].fill(worker(16_000, 5_000));
            let request = Request { sharing, ..REQUEST };
            let rule = ExpectedCost::default();
            rule.parts(&request, &workers[7], &Fleet::of(&workers)).copy
        };
        let near = |one: f64, other: f64| (one - other).abs() < 1e-9;
        assert!(near(cost(0, 1), cost(1, 1)));
        assert!(near(cost(12, 1), cost(0, 1) / 6.0));
        // Each further holder gets a smaller part, until the holders alone make the copy cheaper.
        assert!(near(cost(12, 2), cost(0, 1) / 4.0));
        assert!(near(cost(12, 4), cost(0, 4)));
        assert!(cost(u32::MAX, 1) >= 0.0);
    }

    #[test]
    fn a_queue_counts_by_what_its_worker_would_copy() {
        let wait = |workers: &[Worker]| Fleet::of(workers).wait;
        let holder = worker(16_000, 70_000);
        assert_eq!(wait(&[holder, worker(0, 10_000), worker(0, 0)]), 0.5);
        assert_eq!(wait(&[holder, worker(8_000, 30_000), worker(0, 0)]), 1.0);
        assert_eq!(wait(&[holder, holder]), 0.0);
        assert_eq!(wait(&[worker(0, 10_000)]), 0.0);
        let down = Worker {
            healthy: false,
            ..worker(0, 90_000)
        };
        assert_eq!(wait(&[holder, down, worker(0, 10_000)]), 1.0);
    }

    #[test]
    fn each_further_copy_of_what_several_hold_costs_less() {
        let fleet = |held: &[u64]| {
            let workers: Vec<Worker> = held.iter().map(|held| worker(*held, 0)).collect();
            Fleet::of(&workers)
        };
        assert_eq!(fleet(&[]).holders(0), 1.0);
        assert_eq!(fleet(&[0, 0]).holders(0), 1.0);
        assert_eq!(fleet(&[800, 0, 0]).holders(0), 1.0);
        assert_eq!(fleet(&[800, 800, 0]).holders(0), 2.0);
        // The first half is held by three, the second by one.
        assert_eq!(fleet(&[800, 400, 400, 0]).holders(0), 2.0);
        assert_eq!(fleet(&[800, 400, 400, 0]).holders(400), 1.0);
        assert_eq!(fleet(&[800, 400, 400, 0]).holders(900), 1.0);
        let cost = |holders: usize| {
            let mut workers = vec![worker(0, 5_000); 8];
            workers[..holders].fill(worker(16_000, 5_000));
            let rule = ExpectedCost::default();
            let parts = rule.parts(&REQUEST, &workers[7], &Fleet::of(&workers));
            parts.copy
        };
        // Of 1.6 s a fifth for what is evicted, and 6 times a quarter for those that wait.
        assert!((cost(1) - 2.72).abs() < 1e-9, "{}", cost(1));
        assert!((cost(4) - 0.68).abs() < 1e-9, "{}", cost(4));
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
    fn a_difference_that_small_is_not_worth_a_copy() {
        let mut rule = ExpectedCost {
            eviction: 0.0,
            ..ExpectedCost::default()
        };
        let holder = Worker {
            in_flight: 9,
            ..worker(16_000, 16_030)
        };
        for random in 0..100 {
            let request = Request { random, ..REQUEST };
            assert_eq!(rule.pick(&request, &[worker(0, 0), holder]), Some(1));
        }
        let later = worker(16_000, 16_060);
        assert_eq!(rule.pick(&REQUEST, &[worker(0, 0), later]), Some(0));
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
    fn of_idle_equals_the_one_that_was_sent_less_lately_wins() {
        let mut rule = ExpectedCost::default();
        let used = Worker {
            recent_tokens: 500,
            ..worker(0, 0)
        };
        for random in 0..100 {
            let request = Request {
                random: random << 32 | random,
                ..REQUEST
            };
            assert_eq!(rule.pick(&request, &[used, worker(0, 0)]), Some(1));
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
