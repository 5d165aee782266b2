//! How many tokens a second each chain names on one core.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use forebay_prefix::{Algorithm, ChainSpec, page_chain, route_chain, text_chain};

const TOKENS: usize = 100_000;

/// Ids as a vocabulary of 128 k gives them: most take three or five bytes in CBOR.
fn tokens() -> Vec<u32> {
    (0..TOKENS as u32)
        .map(|place| place.wrapping_mul(2_654_435_761) % 128_000)
        .collect()
}

fn chains(criterion: &mut Criterion) {
    let tokens = tokens();
    let mut group = criterion.benchmark_group("chain");
    group.throughput(Throughput::Elements(TOKENS as u64));
    for (name, algorithm) in [
        ("sha256_cbor", Algorithm::Sha256Cbor),
        ("xxhash_cbor", Algorithm::XxhashCbor),
    ] {
        for block_size in [16, 64] {
            let spec = ChainSpec {
                algorithm,
                block_size,
                ..ChainSpec::default()
            };
            group.bench_function(BenchmarkId::new(name, block_size), |bencher| {
                bencher.iter(|| spec.chain(&tokens));
            });
        }
    }
    group.bench_function("sglang pages of 16", |bencher| {
        bencher.iter(|| page_chain(&tokens, 16));
    });
    group.bench_function("route, 16", |bencher| {
        bencher.iter(|| route_chain(&tokens, 16, 1));
    });
    group.finish();

    let text = vec![b'x'; 4 * TOKENS];
    let mut group = criterion.benchmark_group("text chain");
    group.throughput(Throughput::Bytes(text.len() as u64));
    group.bench_function("256 bytes", |bencher| {
        bencher.iter(|| text_chain(&text, 256, 1));
    });
    group.finish();
}

criterion_group!(benches, chains);
criterion_main!(benches);
