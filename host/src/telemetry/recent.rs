//! What became of the last requests: what `forebay why` asks for. In memory only, bounded, and
//! without a word of prompt or answer.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use forebay_gateway::observe::Summary;

/// The most matches of a rule that are kept of one request.
const MAX_HITS: usize = 32;

/// The last requests that ended, the newest at the end.
#[derive(Debug)]
pub struct Recent(Mutex<Ring>);

#[derive(Debug)]
struct Ring {
    requests: VecDeque<Arc<Summary>>,
    limit: usize,
}

impl Recent {
    /// Room for so many requests; 0 keeps none.
    pub fn new(limit: usize) -> Self {
        Self(Mutex::new(Ring {
            requests: VecDeque::new(),
            limit,
        }))
    }

    /// Changes how many are kept.
    pub fn set_limit(&self, limit: usize) {
        let mut ring = self.lock();
        ring.limit = limit;
        while ring.requests.len() > limit {
            ring.requests.pop_front();
        }
    }

    /// Keeps a request that ended; the oldest goes where there is no room.
    pub fn keep(&self, mut summary: Box<Summary>) {
        summary.guard_hits.truncate(MAX_HITS);
        let mut ring = self.lock();
        if ring.limit == 0 {
            return;
        }
        if ring.requests.len() >= ring.limit {
            ring.requests.pop_front();
        }
        ring.requests.push_back(Arc::from(summary));
    }

    /// The last requests that fit, the newest first, at most `limit`.
    pub fn find(&self, limit: usize, fits: impl Fn(&Summary) -> bool) -> Vec<Arc<Summary>> {
        let ring = self.lock();
        let newest_first = ring.requests.iter().rev();
        let fitting = newest_first.filter(|summary| fits(summary));
        fitting.take(limit).cloned().collect()
    }

    /// How many can be kept.
    pub fn limit(&self) -> usize {
        self.lock().limit
    }

    fn lock(&self) -> MutexGuard<'_, Ring> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(id: &str) -> Box<Summary> {
        Box::new(Summary {
            request_id: id.to_owned(),
            ..Summary::default()
        })
    }

    fn ids(recent: &Recent) -> Vec<String> {
        let found = recent.find(10, |_| true);
        found.iter().map(|s| s.request_id.clone()).collect()
    }

    #[test]
    fn the_oldest_go_when_there_is_no_room() {
        let recent = Recent::new(2);
        for id in ["a", "b", "c"] {
            recent.keep(request(id));
        }
        assert_eq!(ids(&recent), ["c", "b"]);
        recent.set_limit(1);
        assert_eq!(ids(&recent), ["c"]);
        recent.set_limit(0);
        recent.keep(request("d"));
        assert_eq!(ids(&recent), Vec::<String>::new());
    }
}
