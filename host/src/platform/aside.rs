//! Long work on threads of its own: large bodies are read and judged there, while the runtime's
//! threads answer everybody else.

use std::future::Future;
use std::num::NonZero;
use std::panic::resume_unwind;
use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::Semaphore;

/// The places for long work.
#[derive(Debug, Clone)]
pub(super) struct Aside(Arc<Semaphore>);

impl Default for Aside {
    /// One place less than there are cores, so that one is always left for what must answer soon.
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        Self(Arc::new(Semaphore::new(cores.saturating_sub(1).max(1))))
    }
}

impl Aside {
    /// Does the work when there is a place. Who waits for it may leave; the work then still ends.
    pub(super) fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> impl Future<Output = T> + Send + 'static {
        let places = self.0.clone();
        async move {
            // An error would mean that the semaphore was closed, which nobody does.
            let place = places.acquire_owned().await.ok();
            let runtime = Handle::current();
            let work = tokio::task::spawn_blocking(move || {
                let _place = place;
                runtime.block_on(work)
            });
            match work.await {
                Ok(done) => done,
                Err(error) if error.is_panic() => resume_unwind(error.into_panic()),
                // The runtime is ending, and with it whoever waits.
                Err(_) => std::future::pending().await,
            }
        }
    }
}
