//! Waiting for conditions, never for time: bounded, and with the name of what did not happen.

use std::future::Future;
use std::time::{Duration, Instant};

/// Longer than anything here takes on a busy machine of two cores, the first start of a gateway with newly built
/// policies included; a test that meets it has failed.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Asks again until `condition` gives a value.
///
/// # Panics
/// With `what` when there is none within [`PATIENCE`].
pub async fn eventually<T, F: Future<Output = Option<T>>>(
    what: &str,
    mut condition: impl FnMut() -> F,
) -> T {
    let began = Instant::now();
    loop {
        if let Some(value) = condition().await {
            return value;
        }
        assert!(began.elapsed() < PATIENCE, "it did not come: {what}");
        // 3 ms: soon enough not to slow a test down, seldom enough not to keep a core busy.
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
}

/// What `future` gives, if it does so in time.
///
/// # Panics
/// With `what` after [`PATIENCE`].
pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(value) => value,
        Err(_) => panic!("it did not come: {what}"),
    }
}
