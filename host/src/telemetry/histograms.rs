//! The histograms: their buckets, and how one is made.

use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;

/// From 1 ms to 10 min: a whole request.
const SECONDS: [f64; 17] = [
    0.001, 0.005, 0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96,
    81.92, 600.0,
];

/// Of the GenAI conventions for durations.
const DURATION: [f64; 16] = [
    0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92,
    // Beyond the conventions: long answers, up to the default of `timeouts.total`.
    300.0, 600.0,
];

/// Of the GenAI conventions for the time to the first token.
const FIRST_TOKEN: [f64; 18] = [
    0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
    // Beyond the conventions: long prompts and reasoning.
    30.0, 60.0,
];

/// Of the GenAI conventions for the time per output token.
const PER_TOKEN: [f64; 14] = [
    0.001, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5,
];

/// Of the GenAI conventions for tokens.
const TOKENS: [f64; 14] = [
    1.0,
    4.0,
    16.0,
    64.0,
    256.0,
    1024.0,
    4096.0,
    16_384.0,
    65_536.0,
    262_144.0,
    1_048_576.0,
    4_194_304.0,
    16_777_216.0,
    67_108_864.0,
];

/// From 10 µs to 100 ms: what a gateway itself may take.
pub(super) const OWN_SECONDS: [f64; 12] = [
    10e-6, 20e-6, 50e-6, 100e-6, 200e-6, 500e-6, 1e-3, 2e-3, 5e-3, 10e-3, 50e-3, 100e-3,
];

pub(super) type Histograms<L> = Family<L, Histogram, fn() -> Histogram>;

pub(super) fn seconds() -> Histogram {
    Histogram::new(SECONDS)
}

pub(super) fn duration() -> Histogram {
    Histogram::new(DURATION)
}

pub(super) fn first_token() -> Histogram {
    Histogram::new(FIRST_TOKEN)
}

pub(super) fn per_token() -> Histogram {
    Histogram::new(PER_TOKEN)
}

pub(super) fn tokens() -> Histogram {
    Histogram::new(TOKENS)
}
