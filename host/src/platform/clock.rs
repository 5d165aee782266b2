//! The clocks of this platform, and the one place that reads them.

#![allow(clippy::disallowed_methods, reason = "it is the one place")]

use std::time::{Instant, SystemTime};

/// The monotonic clock, which limits of time go by.
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// The wall clock, for what is stored and told.
pub(crate) fn wall() -> SystemTime {
    SystemTime::now()
}
