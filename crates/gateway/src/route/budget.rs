//! The retry budget: repeats may add a tenth to what upstreams are asked, so that a bad minute
//! does not become a storm.

use crate::state::{Budget, Handle, Kind, Ledger};

/// What one request adds to the budget: a tenth of a repeat.
const SHARE: f64 = 0.1;
/// What a quiet gateway has in hand, and the most that is saved: ten repeats.
const MOST: f64 = 10.0;

/// How many repeats are left.
#[derive(Debug)]
pub(crate) struct RetryBudget(Handle<Budget>);

impl RetryBudget {
    pub(crate) fn kept_in(ledger: &Ledger) -> Self {
        Self(ledger.handle(Kind::Retries, "all".into()))
    }

    /// A request asks an upstream for the first time.
    pub(crate) fn earn(&self) {
        self.0.change_timeless(|budget| {
            let budget = budget.get_or_insert(Budget { left: MOST });
            budget.left = (budget.left + SHARE).min(MOST);
        });
    }

    /// Whether a repeat is within the budget; it is spent then.
    pub(crate) fn spend(&self) -> bool {
        self.0.change_timeless(|budget| {
            let budget = budget.get_or_insert(Budget { left: MOST });
            let granted = budget.left >= 1.0;
            if granted {
                budget.left -= 1.0;
            }
            granted
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeats_add_a_tenth_to_requests_and_no_more() {
        let budget = RetryBudget::kept_in(&Ledger::default());
        let repeats = (0..1000)
            .filter(|_| {
                budget.earn();
                budget.spend()
            })
            .count();
        assert!((100..=112).contains(&repeats), "{repeats}");
    }
}
