//! What the index claims in each situation that a stream of events can get into.
#![allow(clippy::unwrap_used, reason = "a test may")]

use std::collections::HashSet;
use std::time::Duration;

use forebay_prefix::ChainSpec;
use forebay_prefix_index::{
    Batch, Event, Index, Naming, PREDICTION_LIFE, State, Stored, Why, WorkerId,
};
use proptest::prelude::*;

const NOW: Duration = Duration::from_secs(100);

fn spec() -> ChainSpec {
    ChainSpec {
        block_size: 4,
        ..ChainSpec::default()
    }
}

fn index(workers: usize) -> (Index, Vec<WorkerId>) {
    let mut index = Index::new(Naming::Engine(spec()));
    let ids = (0..workers).map(|_| index.add_worker(Some(4)).unwrap());
    let ids: Vec<WorkerId> = ids.collect();
    (index, ids)
}

fn batch(events: Vec<Event>) -> Batch {
    Batch {
        timestamp: 1.0,
        events,
        rank: 0,
    }
}

fn store(blocks: &[u64]) -> Batch {
    store_in(blocks, None, "", None)
}

fn store_in(blocks: &[u64], group: Option<u32>, kind: &str, window: Option<u32>) -> Batch {
    batch(vec![Event::Stored(Stored {
        blocks: blocks.to_vec(),
        parent: Some(1),
        block_size: 4,
        group,
        kind: kind.to_owned(),
        window,
        ..Stored::default()
    })])
}

fn remove(blocks: &[u64]) -> Batch {
    batch(vec![Event::Removed {
        blocks: blocks.to_vec(),
        medium: "GPU".to_owned(),
        group: Some(0),
    }])
}

fn held(index: &Index, chain: &[u64], now: Duration) -> Vec<u32> {
    let mut held = Vec::new();
    index.lookup(chain, now, &mut held);
    held
}

#[test]
fn a_prediction_counts_until_it_lapses_and_an_event_confirms_it() {
    let (mut index, workers) = index(2);
    workers.iter().for_each(|worker| index.begins(*worker));
    index.predict(workers[1], &[10, 11], NOW);
    assert_eq!(held(&index, &[10, 11, 12], NOW), [0, 2]);
    assert_eq!(held(&index, &[10, 11, 12], NOW + PREDICTION_LIFE), [0, 2]);
    assert_eq!(
        held(&index, &[10, 11, 12], NOW + 2 * PREDICTION_LIFE),
        [0, 0]
    );
    index.apply(workers[1], &store(&[10]));
    assert_eq!(
        held(&index, &[10, 11, 12], NOW + 2 * PREDICTION_LIFE),
        [0, 1]
    );
}

#[test]
fn a_prediction_outlives_the_wait_for_the_prompt() {
    let (mut index, workers) = index(1);
    index.begins(workers[0]);
    let wait = Duration::from_secs(60);
    index.set_wait(wait);
    index.predict(workers[0], &[10], NOW);
    // Others follow while it waits.
    for seconds in 1..=60 {
        let now = NOW + Duration::from_secs(seconds);
        index.predict(workers[0], &[1_000 + seconds], now);
        assert_eq!(held(&index, &[10], now), [1], "{seconds} s");
    }
    assert_eq!(held(&index, &[10], NOW + 2 * (PREDICTION_LIFE + wait)), [0]);
    // Nothing waits any more, and the engine never said that it has the block.
    index.set_wait(Duration::ZERO);
    let later = NOW + wait + 2 * PREDICTION_LIFE;
    index.predict(workers[0], &[1], later);
    assert_eq!(held(&index, &[10], later), [0]);
    index.set_wait(Duration::MAX);
    index.predict(workers[0], &[11], Duration::MAX);
    assert_eq!(held(&index, &[11], Duration::MAX), [1]);
}

#[test]
fn predictions_live_at_most_two_lifetimes_even_if_others_follow() {
    let (mut index, workers) = index(1);
    index.begins(workers[0]);
    index.predict(workers[0], &[10], NOW);
    for seconds in 1..=10 {
        index.predict(
            workers[0],
            &[1_000 + seconds],
            NOW + Duration::from_secs(seconds),
        );
    }
    index.predict(workers[0], &[1], NOW + 2 * PREDICTION_LIFE);
    assert_eq!(held(&index, &[10], NOW + 2 * PREDICTION_LIFE), [0]);
}

#[test]
fn a_clock_that_jumps_back_or_far_ahead_breaks_nothing() {
    let (mut index, workers) = index(1);
    index.begins(workers[0]);
    index.predict(workers[0], &[10], NOW);
    index.predict(workers[0], &[11], Duration::ZERO);
    assert_eq!(held(&index, &[10, 11], Duration::ZERO), [2]);
    index.predict(workers[0], &[12], Duration::MAX);
    assert_eq!(held(&index, &[10], Duration::MAX), [0]);
    assert_eq!(held(&index, &[12], Duration::MAX), [1]);
}

#[test]
fn an_evicted_block_is_gone_although_it_was_predicted() {
    let (mut index, workers) = index(1);
    index.begins(workers[0]);
    index.predict(workers[0], &[10], NOW);
    index.apply(workers[0], &store(&[10]));
    index.apply(workers[0], &remove(&[10]));
    assert_eq!(held(&index, &[10], NOW), [0]);
}

#[test]
fn clearing_one_worker_leaves_the_others() {
    let (mut index, workers) = index(3);
    for worker in &workers {
        index.begins(*worker);
        index.apply(*worker, &store(&[10, 11]));
    }
    index.predict(workers[1], &[10, 11, 12], NOW);
    index.apply(workers[1], &batch(vec![Event::Cleared]));
    assert_eq!(held(&index, &[10, 11], NOW), [2, 0, 2]);
    assert_eq!(index.blocks(workers[1]), 0);
    assert_eq!(index.state(workers[1]).0, State::Exact);
}

#[test]
fn without_events_a_worker_holds_what_was_routed_to_it_last() {
    let (mut index, workers) = index(2);
    index.predict(workers[0], &[1, 2, 3], NOW);
    index.predict(workers[0], &[7, 8], NOW);
    // Four blocks fit: the first chain lost its oldest block.
    let later = NOW + 10 * PREDICTION_LIFE;
    assert_eq!(held(&index, &[7, 8, 9], later), [2, 0]);
    assert_eq!(held(&index, &[1, 2, 3], later), [0, 0]);
    assert_eq!(index.blocks(workers[0]), 4);
    assert_eq!(
        index.state(workers[0]),
        (State::Fallback, Some(&Why::NoEvents))
    );
}

#[test]
fn a_late_joiner_is_degraded_until_the_cache_is_known_to_be_empty() {
    let (mut index, workers) = index(1);
    index.degrade(workers[0], State::Degraded, Why::LateJoin { first: 9 });
    index.apply(workers[0], &store(&[10]));
    assert_eq!(held(&index, &[10], NOW), [1]);
    assert_eq!(index.state(workers[0]).0, State::Degraded);
    index.apply(workers[0], &batch(vec![Event::Cleared]));
    assert_eq!(index.state(workers[0]).0, State::Exact);
}

#[test]
fn events_that_start_in_the_middle_replace_the_guess() {
    let (mut index, workers) = index(1);
    index.predict(workers[0], &[1, 2, 3], NOW);
    index.apply(workers[0], &store(&[10]));
    assert_eq!(index.state(workers[0]).0, State::Degraded);
}

#[test]
fn what_the_engine_reports_corrects_what_was_believed() {
    let (mut index, workers) = index(1);
    index.begins(workers[0]);
    index.apply(workers[0], &store(&[10, 11, 12]));
    index.missed(workers[0], &[10, 11, 12], 1);
    assert_eq!(held(&index, &[10, 11, 12], NOW), [1]);
    index.computed(workers[0], &[10, 11, 12]);
    assert_eq!(held(&index, &[10, 11, 12], NOW), [3]);
    index.missed(workers[0], &[10, 11, 12], 99);
    assert_eq!(index.blocks(workers[0]), 3);
}

#[test]
fn a_sliding_window_group_lends_no_hit_that_the_full_group_lacks_and_takes_what_it_lacks() {
    let (mut index, workers) = index(1);
    let worker = workers[0];
    index.begins(worker);
    index.apply(
        worker,
        &store_in(&[1, 2, 3, 4], Some(0), "full_attention", None),
    );
    // The window of 9 tokens spans two blocks; block 4 is missing from its group.
    index.apply(
        worker,
        &store_in(&[1, 2, 3], Some(1), "sliding_window", Some(9)),
    );
    assert_eq!(held(&index, &[1, 2, 3, 4], NOW), [3]);
    // Blocks that only the window's group holds are no hit.
    index.apply(
        worker,
        &store_in(&[4, 5, 6], Some(1), "sliding_window", Some(9)),
    );
    assert_eq!(held(&index, &[1, 2, 3, 4, 5, 6], NOW), [4]);
}

#[test]
fn blocks_in_host_memory_are_not_counted_as_held() {
    let (mut index, workers) = index(1);
    index.begins(workers[0]);
    let mut on_host = store(&[1]);
    if let Event::Stored(stored) = &mut on_host.events[0] {
        stored.medium = "CPU".to_owned();
    }
    index.apply(workers[0], &on_host);
    assert_eq!(held(&index, &[1], NOW), [0]);
}

#[test]
fn stored_blocks_with_an_unknown_parent_degrade_a_chain_of_our_own() {
    let mut index = Index::new(Naming::Routed {
        block_size: 2,
        scope: 1,
    });
    let worker = index.add_worker(None).unwrap();
    index.begins(worker);
    let orphan = batch(vec![Event::Stored(Stored {
        blocks: vec![5],
        parent: Some(4),
        tokens: vec![1, 2],
        block_size: 2,
        ..Stored::default()
    })]);
    index.apply(worker, &orphan);
    assert_eq!(
        index.state(worker),
        (State::Degraded, Some(&Why::Orphans { blocks: 1 }))
    );
    assert_eq!(index.blocks(worker), 0);
}

#[test]
fn more_than_sixty_four_workers_are_told_apart() {
    let (mut index, workers) = index(130);
    for (place, worker) in workers.iter().enumerate() {
        index.begins(*worker);
        index.apply(*worker, &store(&(0..=place as u64 % 7).collect::<Vec<_>>()));
    }
    let held = held(&index, &(0..10).collect::<Vec<_>>(), NOW);
    for (place, held) in held.iter().enumerate() {
        assert_eq!(*held as usize, place % 7 + 1);
    }
}

proptest! {
    /// Any order of stores, removals and clearings leaves what a set for each worker would hold.
    #[test]
    fn lookups_agree_with_sets(steps in prop::collection::vec((0..3_usize, 0..4_u8, 0..12_u64, 1..5_u64), 0..300)) {
        let (mut index, workers) = index(3);
        workers.iter().for_each(|worker| index.begins(*worker));
        let mut model = vec![HashSet::new(); 3];
        for (worker, what, from, count) in steps {
            let blocks: Vec<u64> = (from..from + count).collect();
            match what {
                0 | 1 => {
                    index.apply(workers[worker], &store(&blocks));
                    model[worker].extend(blocks);
                }
                2 => {
                    index.apply(workers[worker], &remove(&blocks));
                    blocks.iter().for_each(|block| { model[worker].remove(block); });
                }
                _ if from == 0 => {
                    index.apply(workers[worker], &batch(vec![Event::Cleared]));
                    model[worker].clear();
                }
                _ => {}
            }
        }
        let chain: Vec<u64> = (0..16).collect();
        let expected: Vec<u32> = model
            .iter()
            .map(|set| chain.iter().take_while(|block| set.contains(block)).count() as u32)
            .collect();
        prop_assert_eq!(held(&index, &chain, NOW), expected);
        for (worker, set) in workers.iter().zip(&model) {
            prop_assert_eq!(index.blocks(*worker), set.len() as u64);
        }
    }

    /// Bytes that are no batch are an error, and never more than that.
    #[test]
    fn any_bytes_decode_or_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(batch) = Batch::decode(&bytes) {
            let (mut index, workers) = index(1);
            index.apply(workers[0], &batch);
        }
    }
}

#[test]
fn truncated_and_altered_recordings_are_refused_or_applied_without_a_panic() {
    let recorded = include_str!("fixtures/kv-events.jsonl");
    let mut state = 3_u64;
    for line in recorded.lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        let bytes = hex::decode(line["frames"][2].as_str().unwrap()).unwrap();
        assert!(Batch::decode(&bytes).is_ok());
        for end in 0..bytes.len() {
            assert!(Batch::decode(&bytes[..end]).is_err(), "{end}");
        }
        for _ in 0..2_000 {
            let mut altered = bytes.clone();
            for _ in 0..3 {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                let place = (state >> 33) as usize % altered.len();
                altered[place] = (state >> 20) as u8;
            }
            if let Ok(batch) = Batch::decode(&altered) {
                for naming in [
                    Naming::Engine(spec()),
                    Naming::Routed {
                        block_size: 32,
                        scope: 0,
                    },
                ] {
                    let mut index = Index::new(naming);
                    let worker = index.add_worker(None).unwrap();
                    index.apply(worker, &batch);
                }
            }
        }
    }
}

/// The arrays that vLLM sent before 0.32 and that SGLang sends, with signed hashes.
#[test]
fn events_in_the_form_of_arrays_decode() {
    // [1.5, [["BlockStored", [-2, 3], nil, [7, 8], 1, nil], ["BlockRemoved", [-2]],
    //        ["AllBlocksCleared"], ["BlockMoved", 1]]]
    let bytes = hex::decode(concat!(
        "92",
        "cb3ff8000000000000",
        "94",
        "96",
        "ab426c6f636b53746f726564",
        "92fe03",
        "c0",
        "920708",
        "01",
        "c0",
        "92",
        "ac426c6f636b52656d6f766564",
        "91fe",
        "91",
        "b0416c6c426c6f636b73436c6561726564",
        "92",
        "aa426c6f636b4d6f766564",
        "01",
    ))
    .unwrap();
    let batch = Batch::decode(&bytes).unwrap();
    assert_eq!(batch.rank, 0);
    let Event::Stored(stored) = &batch.events[0] else {
        panic!("{batch:?}");
    };
    assert_eq!(stored.blocks, [-2_i64 as u64, 3]);
    assert_eq!(
        (stored.parent, &stored.tokens[..], stored.block_size),
        (None, &[7, 8][..], 1)
    );
    let Event::Removed { blocks, .. } = &batch.events[1] else {
        panic!("{batch:?}");
    };
    assert_eq!(*blocks, [-2_i64 as u64]);
    assert_eq!(batch.events[2], Event::Cleared);
    assert_eq!(batch.events[3], Event::Unknown("BlockMoved".to_owned()));
}

#[test]
fn a_cache_that_turns_out_larger_keeps_what_it_has_and_a_smaller_one_starts_anew() {
    let mut index = Index::new(Naming::Routed {
        block_size: 4,
        scope: 7,
    });
    let worker = index.add_worker(Some(4)).unwrap();
    index.predict(worker, &[1, 2, 3, 4], Duration::ZERO);
    index.set_capacity(worker, 8);
    index.predict(worker, &[5, 6], Duration::ZERO);
    assert_eq!(index.blocks(worker), 6);
    index.set_capacity(worker, 2);
    assert_eq!(index.blocks(worker), 0);
    index.predict(worker, &[1, 2, 3], Duration::ZERO);
    assert_eq!(index.blocks(worker), 2);
}
