//! Long work on threads of its own: large bodies are read and judged there, while the runtime's
//! threads answer everybody else. Tenants that wait take turns, however much each has waiting.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::num::NonZero;
use std::panic::resume_unwind;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::runtime::Handle;
use tokio::sync::oneshot;

/// The places for long work.
#[derive(Debug, Clone)]
pub(super) struct Aside(Arc<Mutex<Queue>>);

/// Work that waits for a place. There is no more of it than requests in flight.
#[derive(Debug)]
struct Queue {
    free: usize,
    /// The tenants of `waiting`, each once: whoever is next of the first one gets the next place.
    turns: VecDeque<Arc<str>>,
    waiting: HashMap<Arc<str>, VecDeque<oneshot::Sender<Place>>>,
}

/// A place that is taken. Dropping it gives it to whoever is next.
#[derive(Debug)]
struct Place(Option<Arc<Mutex<Queue>>>);

impl Default for Aside {
    /// One place less than there are cores, so that one is always left for what must answer soon.
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        Self::with_places(cores.saturating_sub(1).max(1))
    }
}

impl Aside {
    fn with_places(free: usize) -> Self {
        Self(Arc::new(Mutex::new(Queue {
            free,
            turns: VecDeque::new(),
            waiting: HashMap::new(),
        })))
    }

    /// Does the work when there is a place. A caller may stop waiting; work that has begun is finished.
    pub(super) fn run<T: Send + 'static>(
        &self,
        tenant: &Arc<str>,
        work: impl Future<Output = T> + Send + 'static,
    ) -> impl Future<Output = T> + Send + 'static {
        let (places, tenant) = (self.clone(), tenant.clone());
        async move {
            let place = places.place(tenant).await;
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

    async fn place(&self, tenant: Arc<str>) -> Place {
        let place = {
            let mut queue = locked(&self.0);
            if queue.free > 0 {
                queue.free -= 1;
                return Place(Some(self.0.clone()));
            }
            queue.wait(tenant)
        };
        match place.await {
            Ok(place) => place,
            // Nobody drops a sender without sending: it is dropped with the queue alone.
            Err(_) => std::future::pending().await,
        }
    }
}

impl Queue {
    fn wait(&mut self, tenant: Arc<str>) -> oneshot::Receiver<Place> {
        let (sender, place) = oneshot::channel();
        let own = match self.waiting.entry(tenant) {
            Entry::Occupied(own) => own.into_mut(),
            Entry::Vacant(new) => {
                self.turns.push_back(new.key().clone());
                new.insert(VecDeque::new())
            }
        };
        // Waiters that have gone are removed now and then.
        if own.len().is_power_of_two() {
            own.retain(|waiting| !waiting.is_closed());
        }
        own.push_back(sender);
        place
    }

    /// Takes whoever is next out of the queue.
    fn next(&mut self) -> Option<oneshot::Sender<Place>> {
        while let Some(tenant) = self.turns.pop_front() {
            let own = self.waiting.get_mut(&tenant);
            let next = own.and_then(|own| {
                let here = own.iter().position(|waiting| !waiting.is_closed())?;
                own.drain(..=here).next_back()
            });
            match self.waiting.get(&tenant) {
                Some(own) if !own.is_empty() && next.is_some() => self.turns.push_back(tenant),
                _ => drop(self.waiting.remove(&tenant)),
            }
            if next.is_some() {
                return next;
            }
        }
        None
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some(places) = self.0.take() else { return };
        loop {
            let next = {
                let mut queue = locked(&places);
                let next = queue.next();
                queue.free += usize::from(next.is_none());
                next
            };
            let Some(next) = next else { return };
            match next.send(Self(Some(places.clone()))) {
                Ok(()) => return,
                // The waiter has gone meanwhile: the place goes to the next one.
                Err(mut place) => place.0 = None,
            }
        }
    }
}

fn locked(queue: &Mutex<Queue>) -> MutexGuard<'_, Queue> {
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    /// Waits in line, once asked.
    fn waits(aside: &Aside, tenant: &str) -> impl Future<Output = Place> + Unpin {
        let (aside, tenant) = (aside.clone(), Arc::from(tenant));
        let mut place = Box::pin(async move { aside.place(tenant).await });
        assert!((&mut place).now_or_never().is_none());
        place
    }

    #[test]
    fn tenants_take_turns_however_much_each_has_waiting() {
        let aside = Aside::with_places(1);
        let first = aside.place(Arc::from("large")).now_or_never().unwrap();
        let mut large: Vec<_> = (0..9).map(|_| waits(&aside, "large")).collect();
        let mut small: Vec<_> = (0..2).map(|_| waits(&aside, "small")).collect();
        let mut place = Some(first);
        let mut order = String::new();
        while place.take().is_some() {
            // Dropped: it is the next one's.
            for (name, waiting) in [('l', &mut large), ('s', &mut small)] {
                let got = waiting
                    .iter_mut()
                    .position(|waits| match waits.now_or_never() {
                        Some(got) => {
                            place = Some(got);
                            true
                        }
                        None => false,
                    });
                if let Some(at) = got {
                    drop(waiting.remove(at));
                    order.push(name);
                }
            }
        }
        assert_eq!(order, "lslslllllll");
        assert_eq!(locked(&aside.0).free, 1);
    }

    #[test]
    fn who_leaves_keeps_no_place() {
        let aside = Aside::with_places(1);
        let first = aside.place(Arc::from("a")).now_or_never().unwrap();
        let (gone, stays) = (waits(&aside, "a"), waits(&aside, "a"));
        let (given, late) = (waits(&aside, "b"), waits(&aside, "c"));
        drop(gone);
        drop(first);
        let second = stays.now_or_never().unwrap();
        // It was given the place and left before it looked.
        drop(second);
        drop(given);
        drop(late.now_or_never().unwrap());
        let queue = locked(&aside.0);
        assert_eq!(
            (queue.free, queue.turns.len(), queue.waiting.len()),
            (1, 0, 0)
        );
    }
}
