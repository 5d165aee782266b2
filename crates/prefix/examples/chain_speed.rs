//! Tokens a second that each chain names on one core, natively or in WebAssembly:
//!
//! ```console
//! cargo run --release -p forebay-prefix --example chain_speed
//! cargo build --release -p forebay-prefix --example chain_speed --target wasm32-wasip2
//! wasmtime run target/wasm32-wasip2/release/examples/chain_speed.wasm
//! ```
//!
//! On an AMD EPYC with SHA instructions, November 2026, in turns, the best of three, wasmtime 48 with
//! SIMD:
//!
//! | chain | native, M tokens/s | wasmtime, M tokens/s | ratio |
//! | --- | ---: | ---: | ---: |
//! | sha256_cbor, 16 | 109 | 36.8 | 0.34 |
//! | xxhash_cbor, 16 | 242 | 127 | 0.52 |
//! | SGLang pages of 16 | 102 | 42.4 | 0.42 |
//! | route, 16 | 1,570 | 298 | 0.19 |
#![allow(clippy::print_stdout, reason = "it is what it is for")]

use std::hint::black_box;
use std::time::Instant;

use forebay_prefix::{Algorithm, ChainSpec, page_chain, route_chain};

const TOKENS: usize = 100_000;
/// Runs of each chain; the fastest counts.
const RUNS: usize = 30;

fn main() {
    // Ids as a vocabulary of 128 k gives them: most take three or five bytes in CBOR.
    let tokens: Vec<u32> = (0..TOKENS as u32)
        .map(|place| place.wrapping_mul(2_654_435_761) % 128_000)
        .collect();
    let spec = |algorithm| ChainSpec {
        algorithm,
        ..ChainSpec::default()
    };
    let (sha256, xxhash) = (spec(Algorithm::Sha256Cbor), spec(Algorithm::XxhashCbor));
    report("sha256_cbor, 16", || {
        black_box(sha256.chain(black_box(&tokens)));
    });
    report("xxhash_cbor, 16", || {
        black_box(xxhash.chain(black_box(&tokens)));
    });
    report("SGLang pages of 16", || {
        black_box(page_chain(black_box(&tokens), 16));
    });
    report("route, 16", || {
        black_box(route_chain(black_box(&tokens), 16, 1));
    });
}

fn report(name: &str, chain: impl Fn()) {
    let mut best = f64::INFINITY;
    for _ in 0..RUNS {
        let began = Instant::now();
        chain();
        best = best.min(began.elapsed().as_secs_f64());
    }
    println!("{name:<20} {:>8.1} M tokens/s", TOKENS as f64 / best / 1e6);
}
