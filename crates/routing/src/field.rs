//! Rules of other routers, from their published descriptions: SGLang, NVIDIA Dynamo, llm-d, LMetric.

use crate::{Request, Rule, Worker, lowest};

/// SGLang's and the vLLM router's cache-aware rule: the shortest queue while loads are uneven, else
/// the longest match above a threshold, else the smallest cache.
#[derive(Debug, Clone, Copy)]
pub struct CacheAware {
    /// Share of the prompt that must match. Default 0.3.
    pub threshold: f64,
    /// Loads are uneven beyond this difference. Default 64 …
    pub absolute: u32,
    /// … and this ratio. Default 1.5.
    pub relative: f64,
}

impl Default for CacheAware {
    fn default() -> Self {
        Self {
            threshold: 0.3,
            absolute: 64,
            relative: 1.5,
        }
    }
}

impl Rule for CacheAware {
    fn name(&self) -> &'static str {
        "sglang-cache-aware"
    }

    fn pick(&mut self, request: &Request, workers: &[Worker]) -> Option<usize> {
        let loads = || {
            let healthy = workers.iter().filter(|worker| worker.healthy);
            healthy.map(|worker| worker.in_flight)
        };
        let (most, least) = (loads().max()?, loads().min()?);
        if most - least > self.absolute && f64::from(most) > self.relative * f64::from(least) {
            return lowest(request, workers, 0.0, |worker| f64::from(worker.in_flight));
        }
        let longest = lowest(request, workers, 0.0, |worker| {
            request.uncached(worker) as f64
        })?;
        let share = workers[longest].held_tokens as f64 / request.tokens.max(1) as f64;
        if share > self.threshold {
            return Some(longest);
        }
        lowest(request, workers, 0.0, |worker| worker.cached_tokens as f64)
    }
}

/// Dynamo's cost: blocks to prefill, those in flight included, and blocks in decode.
#[derive(Debug, Clone, Copy)]
pub struct DynamoCost {
    /// What a held block saves, in blocks. Default 1.
    pub credit: f64,
}

impl Default for DynamoCost {
    fn default() -> Self {
        Self { credit: 1.0 }
    }
}

impl Rule for DynamoCost {
    fn name(&self) -> &'static str {
        "dynamo-cost"
    }

    fn pick(&mut self, request: &Request, workers: &[Worker]) -> Option<usize> {
        let block = request.block_size.max(1) as f64;
        lowest(request, workers, 0.0, |worker| {
            let held = worker.held_tokens.min(request.tokens) as f64;
            let prefill = (worker.queued_tokens + request.tokens) as f64 - self.credit * held;
            let decode = (worker.active_tokens + request.tokens) as f64;
            prefill.max(0.0) / block + decode / block
        })
    }
}

/// llm-d's and GIE's weighted scorers: prefix, queue and cache usage, each normalised to 0..1.
#[derive(Debug, Clone, Copy)]
pub struct Blend {
    /// Weight of the held share of the prompt. Default 3.
    pub prefix: f64,
    /// Weight of the queue. Default 2.
    pub queue: f64,
    /// Weight of the free cache. Default 2.
    pub cache: f64,
}

impl Default for Blend {
    fn default() -> Self {
        Self {
            prefix: 3.0,
            queue: 2.0,
            cache: 2.0,
        }
    }
}

impl Rule for Blend {
    fn name(&self) -> &'static str {
        "llm-d-blend"
    }

    fn pick(&mut self, request: &Request, workers: &[Worker]) -> Option<usize> {
        let loads = || {
            let healthy = workers.iter().filter(|worker| worker.healthy);
            healthy.map(|worker| worker.in_flight)
        };
        let (most, least) = (loads().max()?, loads().min()?);
        lowest(request, workers, 0.0, |worker| {
            let prefix = worker.held_tokens as f64 / request.tokens.max(1) as f64;
            // The longest queue scores 0, the shortest 1; equal queues all score 1.
            let queue = match most - least {
                0 => 1.0,
                span => f64::from(most.saturating_sub(worker.in_flight)) / f64::from(span),
            };
            let cache = 1.0 - worker.cache_usage.clamp(0.0, 1.0);
            -(self.prefix * prefix + self.queue * queue + self.cache * cache)
        })
    }
}

/// LMetric's product: new prefill tokens times requests in flight.
#[derive(Debug, Default, Clone, Copy)]
pub struct Product;

impl Rule for Product {
    fn name(&self) -> &'static str {
        "lmetric"
    }

    fn pick(&mut self, request: &Request, workers: &[Worker]) -> Option<usize> {
        lowest(request, workers, 0.0, |worker| {
            let tokens = worker.queued_tokens + request.uncached(worker);
            tokens as f64 * (f64::from(worker.in_flight) + 1.0)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUEST: Request = Request {
        tokens: 1_000,
        key: 0,
        output_tokens: 0,
        sharing: 0,
        block_size: 10,
        random: 0,
    };

    #[test]
    fn cache_aware_balances_first_matches_second_and_spreads_last() {
        let mut rule = CacheAware::default();
        let holder = Worker {
            held_tokens: 400,
            cached_tokens: 9_000,
            ..Worker::default()
        };
        let smaller = Worker {
            cached_tokens: 10,
            ..Worker::default()
        };
        assert_eq!(rule.pick(&REQUEST, &[smaller, holder]), Some(1));
        let busy = Worker {
            in_flight: 100,
            ..holder
        };
        assert_eq!(rule.pick(&REQUEST, &[smaller, busy]), Some(0));
        let barely = Worker {
            held_tokens: 100,
            ..holder
        };
        assert_eq!(rule.pick(&REQUEST, &[barely, smaller]), Some(1));
    }

    #[test]
    fn each_cost_weighs_load_against_match() {
        let holder = Worker {
            held_tokens: 800,
            in_flight: 1,
            queued_tokens: 100,
            active_tokens: 100,
            cache_usage: 0.1,
            ..Worker::default()
        };
        let saturated = Worker {
            in_flight: 50,
            queued_tokens: 9_000,
            active_tokens: 90_000,
            cache_usage: 1.0,
            ..holder
        };
        let idle = Worker::default();
        let rules: [&mut dyn Rule; 3] = [
            &mut DynamoCost::default(),
            &mut Blend::default(),
            &mut Product,
        ];
        for rule in rules {
            assert_eq!(
                rule.pick(&REQUEST, &[saturated, idle]),
                Some(1),
                "{}",
                rule.name()
            );
            assert_eq!(
                rule.pick(&REQUEST, &[saturated, holder]),
                Some(1),
                "{}",
                rule.name()
            );
            assert_eq!(rule.pick(&REQUEST, &[]), None, "{}", rule.name());
        }
    }
}
