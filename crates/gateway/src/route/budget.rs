//! The retry budget: repeats may add a tenth to what upstreams are asked, so that a bad minute
//! does not become a storm.

use std::sync::{Mutex, PoisonError};

/// What one request adds to the budget: a tenth of a repeat.
const SHARE: f64 = 0.1;
/// What a quiet gateway has in hand, and the most that is saved: ten repeats.
const MOST: f64 = 10.0;

/// How many repeats are left.
#[derive(Debug)]
pub(crate) struct RetryBudget(Mutex<f64>);

impl Default for RetryBudget {
    fn default() -> Self {
        Self(Mutex::new(MOST))
    }
}

impl RetryBudget {
    /// A request asks an upstream for the first time.
    pub(crate) fn earn(&self) {
        let mut left = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *left = (*left + SHARE).min(MOST);
    }

    /// Whether a repeat is within the budget; it is spent then.
    pub(crate) fn spend(&self) -> bool {
        let mut left = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let granted = *left >= 1.0;
        if granted {
            *left -= 1.0;
        }
        granted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeats_add_a_tenth_to_requests_and_no_more() {
        let budget = RetryBudget::default();
        let repeats = (0..1000)
            .filter(|_| {
                budget.earn();
                budget.spend()
            })
            .count();
        assert!((100..=112).contains(&repeats), "{repeats}");
    }
}
