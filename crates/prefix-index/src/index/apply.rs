//! Events applied: what an engine stored, removed and cleared.

use std::borrow::Cow;

use super::plane::in_group;
use super::{Index, Worker, WorkerId};
use crate::event::{Batch, Event, Stored};
use crate::lru::Lru;
use crate::naming::{Naming, routed_block};
use crate::state::{State, Why};
use crate::window::Group;

impl Index {
    /// Applies a batch that is next in order; gives the number of blocks it changed. A worker in
    /// fallback because its events are unusable ignores them.
    pub fn apply(&mut self, worker: WorkerId, batch: &Batch) -> u64 {
        let mut changed = 0;
        for event in &batch.events {
            let unusable = matches!(
                self.workers[worker.index()].why,
                Some(Why::BlockSize { .. } | Why::Hashes)
            );
            match event {
                Event::Cleared => self.begins(worker),
                _ if unusable => {}
                Event::Stored(stored) => changed += self.stored(worker, stored),
                Event::Removed {
                    blocks,
                    medium,
                    group,
                } => changed += self.removed(worker, blocks, medium, group.unwrap_or(0)),
                Event::Unknown(_) => {}
            }
        }
        changed
    }

    fn stored(&mut self, id: WorkerId, stored: &Stored) -> u64 {
        let configured = self.naming.block_size();
        if stored.block_size != configured {
            // What a hybrid model's other groups cut otherwise is not this index's.
            if stored.group.unwrap_or(0) == 0 {
                let why = Why::BlockSize {
                    engine: stored.block_size,
                    configured,
                };
                self.degrade(id, State::Fallback, why);
            }
            return 0;
        }
        if !on_device(&stored.medium) {
            return 0;
        }
        if !self.verify(id, stored) {
            self.degrade(id, State::Fallback, Why::Hashes);
            return 0;
        }
        let worker = &mut self.workers[id.index()];
        if worker.state == State::Fallback {
            // Events from the middle of a stream: the caller says so where it knows.
            worker.lru = Lru::new(worker.lru.capacity());
            worker.state = State::Degraded;
        }
        let group = stored.group.unwrap_or(0);
        let needs = Group::new(&stored.kind, stored.window, configured);
        worker.groups.learn(group, needs);
        let main = worker.groups.is_main(group);
        let keys = match keys(&self.naming, worker, stored) {
            Some(keys) => keys,
            None => {
                worker.orphans += stored.blocks.len() as u64;
                let blocks = worker.orphans;
                self.degrade(id, State::Degraded, Why::Orphans { blocks });
                return 0;
            }
        };
        let plane = &mut self.planes[worker.plane];
        let mut changed = 0;
        for key in keys.iter().copied() {
            let before = if main {
                plane.held.insert(key, worker.bit)
            } else {
                plane.windowed.insert(in_group(key, group), worker.bit)
            };
            changed += u64::from(before & worker.bit == 0);
        }
        worker.blocks += changed;
        keys.len() as u64
    }

    /// Whether the engine names blocks as the index expects; looks at the first block that shows it.
    fn verify(&mut self, id: WorkerId, stored: &Stored) -> bool {
        let worker = &mut self.workers[id.index()];
        let Naming::Engine(spec) = &self.naming else {
            return true;
        };
        let plain = stored.parent.is_none()
            && stored.lora_name.is_none()
            && stored.extra_keys.first().is_none_or(Option::is_none)
            && stored.tokens.len() >= spec.block_size;
        if worker.verified || !plain {
            return true;
        }
        let plain_spec = forebay_prefix::ChainSpec {
            lora: None,
            cache_salt: None,
            mm: Vec::new(),
            ..spec.clone()
        };
        let first = plain_spec.chain(&stored.tokens[..spec.block_size]);
        worker.verified =
            first.first().map(forebay_prefix::BlockHash::low64) == stored.blocks.first().copied();
        worker.verified
    }

    fn removed(&mut self, id: WorkerId, blocks: &[u64], medium: &str, group: u32) -> u64 {
        if !on_device(medium) {
            return 0;
        }
        let worker = &mut self.workers[id.index()];
        let plane = &mut self.planes[worker.plane];
        let main = worker.groups.is_main(group);
        let routed = matches!(self.naming, Naming::Routed { .. });
        let mut removed = 0;
        for block in blocks.iter().copied() {
            let key = match routed {
                true => match worker.names.remove(&in_group(block, group)) {
                    Some(key) => key,
                    None => continue,
                },
                false => block,
            };
            let before = if main {
                for table in &mut plane.predicted {
                    if table.len() > 0 {
                        table.remove(key, worker.bit);
                    }
                }
                plane.held.remove(key, worker.bit)
            } else {
                plane.windowed.remove(in_group(key, group), worker.bit)
            };
            removed += u64::from(before & worker.bit != 0);
        }
        worker.blocks = worker.blocks.saturating_sub(removed);
        removed
    }
}

/// Whether blocks in this medium can be used without loading: vLLM calls it GPU, and older engines
/// don't say.
fn on_device(medium: &str) -> bool {
    matches!(medium, "" | "GPU" | "gpu")
}

/// The index's names of stored blocks; none if they follow a block that it does not know.
fn keys<'a>(naming: &Naming, worker: &mut Worker, stored: &'a Stored) -> Option<Cow<'a, [u64]>> {
    let Naming::Routed { block_size, scope } = naming else {
        return Some(stored.blocks.as_slice().into());
    };
    let group = stored.group.unwrap_or(0);
    let mut parent = match stored.parent {
        None => *scope,
        Some(parent) => *worker.names.get(&in_group(parent, group))?,
    };
    if stored.tokens.len() < stored.blocks.len().checked_mul(*block_size)? {
        return None;
    }
    let mut keys = Vec::with_capacity(stored.blocks.len());
    for (place, (block, tokens)) in stored
        .blocks
        .iter()
        .zip(stored.tokens.chunks_exact(*block_size))
        .enumerate()
    {
        let extra = stored.extra_keys.get(place).and_then(Option::as_deref);
        let lora = stored.lora_name.as_deref();
        parent = routed_block(parent, tokens, *scope, lora, extra.unwrap_or_default());
        worker.names.insert(in_group(*block, group), parent);
        keys.push(parent);
    }
    Some(keys.into())
}
