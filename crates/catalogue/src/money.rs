//! Money and tokens: prices in millionths of a US dollar a million tokens, and what a usage costs.

use std::fmt;

use serde::Serialize;

/// Tokens that a price counts for.
const PER: u128 = 1_000_000;

/// Millionths of a US dollar: 2,500,000 are $2.50.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct MicroUsd(pub u64);

impl fmt::Display for MicroUsd {
    /// In dollars with at least two decimals, and no digit lost: `$0.0375`, `$2.50`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (cents, rest) = (self.0 / 10_000, self.0 % 10_000);
        let finer = format!("{rest:04}");
        let finer = finer.trim_end_matches('0');
        f.pad(&format!("${}.{:02}{finer}", cents / 100, cents % 100))
    }
}

/// A number of tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct TokenCount(pub u64);

impl fmt::Display for TokenCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0.to_string())
    }
}

/// Tokens of one request. The four counts are disjoint: add them for the total.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Input that was neither read from the seller's prompt cache nor written to it.
    pub input: u64,
    /// Input that was read from the seller's prompt cache.
    pub cached_read: u64,
    /// Input that was written to the seller's prompt cache.
    pub cache_write: u64,
    /// Output, with reasoning.
    pub output: u64,
}

/// What a seller asks, each in micro-US-dollars per million tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Price {
    /// Input tokens.
    pub input: MicroUsd,
    /// Input read from the prompt cache. Absent: as `input`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cached_read: Option<MicroUsd>,
    /// Input written to the prompt cache, for its shortest lifetime. Absent: as `input`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_write: Option<MicroUsd>,
    /// Output tokens; zero where the model only embeds.
    pub output: MicroUsd,
    /// What a batch costs less, in per cent of everything; zero where there are no batches.
    pub batch_discount_percent: u8,
}

impl Price {
    /// What `usage` costs, rounded up to the next millionth of a dollar, at most [`u64::MAX`] of them.
    pub fn cost(&self, usage: &Usage) -> MicroUsd {
        Self::rounded_up(self.sum(usage), PER)
    }

    /// What `usage` costs in a batch; as [`cost`](Self::cost) where the seller gives no discount.
    pub fn batch_cost(&self, usage: &Usage) -> MicroUsd {
        let share = 100 - u128::from(self.batch_discount_percent.min(100));
        Self::rounded_up(self.sum(usage).saturating_mul(share), PER * 100)
    }

    /// Tokens times price, in micro-dollars times a million.
    fn sum(&self, usage: &Usage) -> u128 {
        [
            (usage.input, self.input),
            (usage.cached_read, self.cached_read.unwrap_or(self.input)),
            (usage.cache_write, self.cache_write.unwrap_or(self.input)),
            (usage.output, self.output),
        ]
        .iter()
        // A product of two u64 fits; only the sum can leave the range.
        .map(|(tokens, price)| u128::from(*tokens) * u128::from(price.0))
        .fold(0, u128::saturating_add)
    }

    fn rounded_up(sum: u128, per: u128) -> MicroUsd {
        MicroUsd(u64::try_from(sum.div_ceil(per)).unwrap_or(u64::MAX))
    }
}
