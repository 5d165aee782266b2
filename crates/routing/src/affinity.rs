//! llm-d's default since August 2026: sticky until saturated.

use crate::{Request, Rule, Worker, lowest};

/// Workers that hold most of the prompt stay candidates until the best of them is further behind
/// than a time allows; among the candidates the fewest uncached tokens in flight win.
#[derive(Debug, Clone, Copy)]
pub struct StickyUntilSaturated {
    /// Share of the prompt that a worker must hold to be sticky. Default 0.8.
    pub hit_ratio: f64,
    /// Tokens by which the sticky worker's backlog may exceed another's. Default 286,720:
    /// 15,928 tokens/s for 18 s.
    pub tau_tokens: u64,
}

impl Default for StickyUntilSaturated {
    fn default() -> Self {
        Self {
            hit_ratio: 0.8,
            tau_tokens: 286_720,
        }
    }
}

impl Rule for StickyUntilSaturated {
    fn name(&self) -> &'static str {
        "llm-d-sticky"
    }

    fn pick(&mut self, request: &Request, workers: &[Worker]) -> Option<usize> {
        let sticky = |worker: &Worker| {
            worker.held_tokens as f64 >= self.hit_ratio * request.tokens.max(1) as f64
        };
        let least = |wanted: bool| {
            workers
                .iter()
                .filter(|worker| worker.healthy && sticky(worker) == wanted)
                .map(|worker| worker.queued_tokens)
                .min()
        };
        let stay = match (least(true), least(false)) {
            (Some(holder), Some(other)) => holder <= other.saturating_add(self.tau_tokens),
            (holder, _) => holder.is_some(),
        };
        lowest(request, workers, 0.0, |worker| {
            if stay && !sticky(worker) {
                return f64::MAX;
            }
            worker.queued_tokens as f64 + request.uncached(worker) as f64
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_holder_is_kept_up_to_tau_and_left_beyond_it() {
        let mut rule = StickyUntilSaturated::default();
        let request = Request {
            tokens: 1_000,
            ..Request::default()
        };
        let holder = |queued_tokens| Worker {
            held_tokens: 900,
            queued_tokens,
            ..Worker::default()
        };
        assert_eq!(
            rule.pick(&request, &[Worker::default(), holder(286_000)]),
            Some(1)
        );
        assert_eq!(
            rule.pick(&request, &[Worker::default(), holder(290_000)]),
            Some(0)
        );
    }
}
