//! Rules that need one figure or none.

use crate::{Request, Rule, Worker, lowest};

/// Each healthy worker in turn.
#[derive(Debug, Default)]
pub struct RoundRobin {
    next: usize,
}

impl Rule for RoundRobin {
    fn name(&self) -> &'static str {
        "round-robin"
    }

    fn pick(&mut self, _: &Request, workers: &[Worker]) -> Option<usize> {
        for _ in 0..workers.len() {
            let place = self.next % workers.len();
            self.next = place + 1;
            if workers[place].healthy {
                return Some(place);
            }
        }
        None
    }
}

/// Any healthy worker.
#[derive(Debug, Default)]
pub struct Random;

impl Rule for Random {
    fn name(&self) -> &'static str {
        "random"
    }

    fn pick(&mut self, request: &Request, workers: &[Worker]) -> Option<usize> {
        let healthy = || {
            let workers = workers.iter().enumerate();
            workers.filter(|(_, worker)| worker.healthy)
        };
        let count = healthy().count() as u64;
        let place = request.random.checked_rem(count)?;
        healthy().nth(place as usize).map(|(place, _)| place)
    }
}

/// The worker with the fewest requests in flight.
#[derive(Debug, Default)]
pub struct LeastLoaded;

impl Rule for LeastLoaded {
    fn name(&self) -> &'static str {
        "least-loaded"
    }

    fn pick(&mut self, request: &Request, workers: &[Worker]) -> Option<usize> {
        lowest(request, workers, 0.0, |worker| f64::from(worker.in_flight))
    }
}

/// The worker that holds most of the prompt, whatever its load.
#[derive(Debug, Default)]
pub struct LongestMatch;

impl Rule for LongestMatch {
    fn name(&self) -> &'static str {
        "longest-match"
    }

    fn pick(&mut self, request: &Request, workers: &[Worker]) -> Option<usize> {
        lowest(request, workers, 0.0, |worker| {
            request.uncached(worker) as f64
        })
    }
}
