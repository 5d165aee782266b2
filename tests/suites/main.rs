//! Black-box suites over the release binary. Each test starts a gateway of its own.
#![allow(clippy::unwrap_used, clippy::expect_used)]
