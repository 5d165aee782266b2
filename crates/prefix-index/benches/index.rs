//! Lookups and updates of the index on one core.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use forebay_prefix::ChainSpec;
use forebay_prefix_index::{Batch, Event, Index, Naming, Stored, WorkerId};

const WORKERS: usize = 64;

fn random(state: &mut u64) -> u64 {
    *state = state
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407);
    *state ^ *state >> 29
}

fn stored(blocks: Vec<u64>, parent: Option<u64>) -> Batch {
    Batch {
        timestamp: 0.0,
        events: vec![Event::Stored(Stored {
            blocks,
            // Never verified: the first block of a prompt would be hashed.
            parent: Some(parent.unwrap_or(0)),
            block_size: 16,
            ..Stored::default()
        })],
        rank: 0,
    }
}

fn index() -> (Index, Vec<WorkerId>) {
    let mut index = Index::new(Naming::Engine(ChainSpec::default()));
    let workers = (0..WORKERS)
        .filter_map(|_| index.add_worker(None).ok())
        .collect::<Vec<_>>();
    for worker in &workers {
        index.begins(*worker);
    }
    (index, workers)
}

/// `blocks` held blocks in chains of 1,000, a chain in four held by eight workers.
fn filled(blocks: usize) -> (Index, Vec<Vec<u64>>) {
    let (mut index, workers) = index();
    let mut state = 1;
    let mut chains = Vec::new();
    let mut held = 0;
    while held < blocks {
        let chain: Vec<u64> = (0..1_000).map(|_| random(&mut state)).collect();
        let holders = if chains.len().is_multiple_of(4) { 8 } else { 1 };
        for place in 0..holders {
            let worker = workers[(chains.len() + place) % WORKERS];
            held += index.apply(worker, &stored(chain.clone(), None)) as usize;
        }
        chains.push(chain);
    }
    (index, chains)
}

fn lookups(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("lookup of 1,000 blocks over 64 workers");
    for (name, blocks) in [
        ("1 million held", 1_000_000),
        ("16 million held", 16_000_000),
    ] {
        let (index, chains) = filled(blocks);
        eprintln!(
            "{name}: {} bytes, {:.1} a held block",
            index.bytes(),
            index.bytes() as f64 / blocks as f64
        );
        let mut held = Vec::new();
        let mut next = 0;
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                next = (next + 7) % chains.len();
                index.lookup(black_box(&chains[next]), Duration::ZERO, &mut held);
            });
        });
    }
    group.finish();
}

fn updates(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("updates");
    const BATCHES: u64 = 1_000;
    const BLOCKS: u64 = 64;
    group.throughput(Throughput::Elements(2 * BATCHES * BLOCKS));
    group.bench_function("store and remove", |bencher| {
        let (mut index, workers) = index();
        let mut state = 1;
        bencher.iter_batched(
            || {
                let chain = |_| (0..BLOCKS).map(|_| random(&mut state)).collect::<Vec<_>>();
                let chains: Vec<Vec<u64>> = (0..BATCHES).map(chain).collect();
                let stores = chains.iter().map(|chain| stored(chain.clone(), None));
                let removes = chains.iter().map(|chain| Batch {
                    timestamp: 0.0,
                    events: vec![Event::Removed {
                        blocks: chain.clone(),
                        medium: String::new(),
                        group: None,
                    }],
                    rank: 0,
                });
                stores.chain(removes).collect::<Vec<_>>()
            },
            |batches| {
                for (place, batch) in batches.iter().enumerate() {
                    index.apply(workers[place % BATCHES as usize % WORKERS], batch);
                }
            },
            BatchSize::LargeInput,
        );
    });
    group.finish();
}

criterion_group!(benches, lookups, updates);
criterion_main!(benches);
