//! What one choice between 64 workers costs.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use forebay_routing::{NAMES, Request, Worker, by_name};

fn rules(criterion: &mut Criterion) {
    let workers: Vec<Worker> = (0..64)
        .map(|place| Worker {
            in_flight: place * 7 % 30,
            queued_tokens: u64::from(place) * 7_919 % 50_000,
            active_tokens: u64::from(place) * 104_729 % 500_000,
            prefill_rate: 16_000.0,
            decode_rate: 50.0,
            held_tokens: u64::from(place) * 31 % 9_000,
            ..Worker::default()
        })
        .collect();
    let request = Request {
        tokens: 12_000,
        key: 1 << 62,
        output_tokens: 0,
        sharing: 0,
        block_size: 16,
        random: 5,
    };
    let mut group = criterion.benchmark_group("choice between 64 workers");
    for name in NAMES {
        let Ok(mut rule) = by_name(name) else {
            continue;
        };
        group.bench_function(name, |bencher| {
            bencher.iter(|| rule.pick(black_box(&request), black_box(&workers)));
        });
    }
    group.finish();
}

criterion_group!(benches, rules);
criterion_main!(benches);
