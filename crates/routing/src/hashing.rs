//! Consistent hashing with bounded loads (Mirrokni, Thorup and Zadimoghaddam, 2016), as KubeAI and
//! SMG use it.

use xxhash_rust::xxh3::xxh3_64;

use crate::{Request, Rule, Worker};

/// Virtual nodes of a worker on the ring: KubeAI's.
const REPLICAS: u32 = 256;

/// What tells a worker from the others, made of its name.
#[must_use]
pub fn id_of(name: &str) -> u64 {
    xxh3_64(name.as_bytes())
}

/// Walks a ring from the prompt's key to the first worker that is not over its share of the load.
#[derive(Debug)]
pub struct BoundedLoad {
    /// How far a worker may be over the mean. Default 1.25.
    factor: f64,
    ring: Vec<(u64, u32)>,
    /// The workers on the ring.
    ids: Vec<u64>,
}

impl Default for BoundedLoad {
    fn default() -> Self {
        Self {
            factor: 1.25,
            ring: Vec::new(),
            ids: Vec::new(),
        }
    }
}

impl BoundedLoad {
    /// Builds the ring anew where the workers are others. A worker's nodes follow from its id, so
    /// that most keys stay where they were.
    fn build(&mut self, workers: &[Worker]) {
        if self.ids.iter().eq(workers.iter().map(|worker| &worker.id)) {
            return;
        }
        self.ids = workers.iter().map(|worker| worker.id).collect();
        let nodes = (0..).zip(&self.ids).flat_map(|(place, id)| {
            (0..REPLICAS).map(move |replica| {
                let mut name = [0; 12];
                name[..8].copy_from_slice(&id.to_le_bytes());
                name[8..].copy_from_slice(&replica.to_le_bytes());
                (xxh3_64(&name), place)
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
        self.build(workers);
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

    fn workers(ids: &[u64]) -> Vec<Worker> {
        let worker = |id: &u64| Worker {
            id: *id,
            ..Worker::default()
        };
        ids.iter().map(worker).collect()
    }

    #[test]
    fn a_worker_that_leaves_or_comes_moves_few_keys() {
        let mut rule = BoundedLoad::default();
        let mut homes = |ids: &[u64]| -> Vec<u64> {
            let workers = workers(ids);
            let keys = (0..400_u64).map(|key| xxh3_64(&key.to_le_bytes()));
            let mut home = |key| {
                let request = Request {
                    key,
                    ..Request::default()
                };
                workers[rule.pick(&request, &workers).unwrap()].id
            };
            keys.map(&mut home).collect()
        };
        let before = homes(&[1, 2, 3, 4]);
        for (ids, changed) in [(&[1, 3, 4][..], 2), (&[5, 4, 3, 2, 1], 5)] {
            let moved = homes(ids)
                .into_iter()
                .zip(&before)
                .filter(|(after, before)| after != *before)
                .inspect(|(after, before)| assert!([*after, **before].contains(&changed)))
                .count();
            assert!((1..200).contains(&moved), "{moved} of 400 keys moved");
        }
    }

    #[test]
    fn a_key_goes_to_one_worker_until_that_is_over_its_share() {
        let mut rule = BoundedLoad::default();
        let mut workers = workers(&[1, 2, 3, 4]);
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
