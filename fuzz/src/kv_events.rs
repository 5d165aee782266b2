//! Any bytes as a row of KV-event batches: read or refused, and what is read is applied. The index
//! never holds what lookups don't find, and forgets all of a worker whose cache is cleared.

use std::time::Duration;

use forebay_prefix::ChainSpec;
use forebay_prefix_index::{Batch, Event, Index, Naming, Sequence};

/// Batches behind each other, each after two bytes of length and one of sequence number. The first
/// byte says how blocks are named.
pub(crate) fn kv_events(input: &[u8]) {
    let Some((how, mut rest)) = input.split_first() else {
        return;
    };
    let block_size = usize::from(how >> 1).max(1);
    let naming = match how & 1 {
        0 => Naming::Routed {
            block_size,
            scope: 7,
        },
        _ => Naming::Engine(ChainSpec {
            block_size,
            ..ChainSpec::default()
        }),
    };
    let mut index = Index::new(naming);
    let worker = index.add_worker(Some(16)).unwrap();
    let mut sequence = Sequence::default();
    while let [high, low, number, after @ ..] = rest {
        let length = usize::from(u16::from_be_bytes([*high, *low])).min(after.len());
        let (batch, next) = after.split_at(length);
        rest = next;
        let Ok(batch) = Batch::decode(batch) else {
            continue;
        };
        sequence.arrived(u64::from(*number), batch.timestamp);
        index.apply(worker, &batch);
        let mut held = Vec::new();
        for event in &batch.events {
            if let Event::Stored(stored) = event {
                index.lookup(&stored.blocks, Duration::ZERO, &mut held);
                assert!(held[0] as usize <= stored.blocks.len());
            }
        }
    }
    let cleared = Batch {
        timestamp: 0.0,
        events: vec![Event::Cleared],
        rank: 0,
    };
    index.apply(worker, &cleared);
    assert_eq!(index.blocks(worker), 0);
}
