//! Consistent hashing with bounded loads (Mirrokni, Thorup and Zadimoghaddam, 2016), as KubeAI and
//! SMG use it.

use xxhash_rust::xxh3::xxh3_64;

use crate::{Request, Rule, Worker};

/// Virtual nodes of a worker on the ring: KubeAI's.
const REPLICAS: u32 = 256;

/// Walks a ring from the prompt's key to the first worker that is not over its share of the load.
#[derive(Debug)]
pub struct BoundedLoad {
    /// How far a worker may be over the mean. Default 1.25.
    factor: f64,
    ring: Vec<(u64, u32)>,
    workers: usize,
}

impl Default for BoundedLoad {
    fn default() -> Self {
        Self {
            factor: 1.25,
            ring: Vec::new(),
            workers: 0,
        }
    }
}

impl BoundedLoad {
    fn build(&mut self, workers: usize) {
        if self.workers == workers {
            return;
        }
        self.workers = workers;
        let nodes = (0..workers as u32).flat_map(|worker| {
            (0..REPLICAS).map(move |replica| {
                let name = (u64::from(worker) << 32 | u64::from(replica)).to_le_bytes();
                (xxh3_64(&name), worker)
            })
        });
        self.ring = nodes.collect();
        self.ring.sort_unstable();
    }
}

impl Rule for BoundedLoad {
    fn name(&self) -> &'static str {
        "bounded-load-hashing"
    }

    fn pick(&mut self, request: &Request, workers: &[Worker]) -> Option<usize> {
        self.build(workers.len());
        let healthy = workers.iter().filter(|worker| worker.healthy);
        let (count, total) = healthy.fold((0_u32, 0_u64), |(count, total), worker| {
            (count + 1, total + u64::from(worker.in_flight))
        });
        let most = self.factor * (total + 1) as f64 / f64::from(count.max(1));
        let from = self.ring.partition_point(|(place, _)| *place < request.key);
        let walk = self.ring[from..].iter().chain(&self.ring[..from]);
        let healthy = walk
            .map(|(_, worker)| *worker as usize)
            .filter(|worker| workers[*worker].healthy);
        let mut first = None;
        for worker in healthy {
            if f64::from(workers[worker].in_flight) <= most {
                return Some(worker);
            }
            first.get_or_insert(worker);
        }
        first
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_goes_to_one_worker_until_that_is_over_its_share() {
        let mut rule = BoundedLoad::default();
        let mut workers = [Worker::default(); 4];
        let request = Request {
            key: 42,
            ..Request::default()
        };
        let first = rule.pick(&request, &workers).unwrap();
        assert_eq!(rule.pick(&request, &workers), Some(first));
        workers[first].in_flight = 8;
        let second = rule.pick(&request, &workers).unwrap();
        assert_ne!(second, first);
        workers[first].healthy = false;
        assert_eq!(rule.pick(&request, &workers), Some(second));
        assert_eq!(rule.pick(&request, &[]), None);
    }
}
