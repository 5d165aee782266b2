//! The chain against vectors that vLLM 0.32.0 itself computed (see fixtures/README.md).

#![allow(clippy::expect_used, reason = "a test may expect")]

use forebay_prefix::{Algorithm, ChainSpec, Lora, MultimodalItem, text_chain};
use serde::Deserialize;

const VECTORS: &str = include_str!("fixtures/vllm-block-hashes.jsonl");

#[derive(Deserialize)]
struct Row {
    algo: String,
    hash_seed: Option<String>,
    block_size: usize,
    lora: Option<(String, String)>,
    cache_salt: Option<String>,
    mm: Vec<Item>,
    token_ids: Vec<u32>,
    block_hashes: Vec<String>,
}

#[derive(Deserialize)]
struct Item {
    identifier: String,
    offset: usize,
    length: usize,
}

fn rows() -> impl Iterator<Item = Row> {
    VECTORS
        .lines()
        .map(|line| serde_json::from_str(line).expect("a row"))
}

fn spec(row: &Row) -> ChainSpec {
    ChainSpec {
        algorithm: match row.algo.as_str() {
            "sha256_cbor" => Algorithm::Sha256Cbor,
            "xxhash_cbor" => Algorithm::XxhashCbor,
            other => panic!("unknown algorithm {other}"),
        },
        block_size: row.block_size,
        seed: row.hash_seed.clone(),
        lora: row.lora.clone().map(|(name, path)| Lora { name, path }),
        cache_salt: row.cache_salt.clone(),
        mm: row
            .mm
            .iter()
            .map(|item| MultimodalItem {
                identifier: item.identifier.clone(),
                offset: item.offset,
                length: item.length,
            })
            .collect(),
        ..ChainSpec::default()
    }
}

#[test]
fn every_block_hash_is_the_one_vllm_computed() {
    let mut blocks = 0;
    for (number, row) in rows().enumerate() {
        let chain: Vec<String> = spec(&row)
            .chain(&row.token_ids)
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(chain, row.block_hashes, "row {number}");
        blocks += chain.len();
    }
    assert_eq!(rows().count(), 900);
    assert!(blocks > 1000, "the vectors hold only {blocks} blocks");
}

#[test]
fn a_chain_grown_in_steps_equals_the_chain_made_at_once() {
    for row in rows().filter(|row| row.block_hashes.len() > 2) {
        let spec = spec(&row);
        let mut grown = Vec::new();
        for end in 0..=row.token_ids.len() {
            spec.extend(&mut grown, &row.token_ids[..end]);
        }
        assert_eq!(grown, spec.chain(&row.token_ids));
    }
}

#[test]
fn low64_is_the_tail_of_the_hash() {
    for row in rows().filter(|row| !row.block_hashes.is_empty()) {
        for (hash, expected) in spec(&row)
            .chain(&row.token_ids)
            .iter()
            .zip(&row.block_hashes)
        {
            let tail = &expected[expected.len() - 16..];
            assert_eq!(format!("{:016x}", hash.low64()), tail);
            assert_eq!(hex::encode(hash.as_bytes()), *expected);
        }
    }
}

#[test]
fn a_block_size_of_zero_makes_no_blocks() {
    let spec = ChainSpec {
        block_size: 0,
        ..ChainSpec::default()
    };
    assert!(spec.chain(&[1, 2, 3]).is_empty());
    assert!(text_chain(b"abc", 0, 0).is_empty());
}

#[test]
fn text_chains_agree_up_to_the_first_difference_and_never_after() {
    let one = text_chain(b"aaaabbbbccccdddd", 4, 7);
    let other = text_chain(b"aaaabbbbXcccdddd", 4, 7);
    assert_eq!(one[..2], other[..2]);
    assert_ne!(one[2], other[2]);
    assert_ne!(one[3], other[3]);
    assert_ne!(one[0], text_chain(b"aaaa", 4, 8)[0]);
}

#[test]
fn salts_share_the_public_blocks_and_none_after_them() {
    let tokens: Vec<u32> = (0..100).collect();
    let salted = |salt: &str, public_blocks| {
        let spec = ChainSpec {
            block_size: 10,
            cache_salt: Some(salt.to_owned()),
            public_blocks,
            ..ChainSpec::default()
        };
        spec.chain(&tokens)
    };
    let (one, other) = (salted("a", 3), salted("b", 3));
    assert_eq!(one[..3], other[..3]);
    assert!(one[3..].iter().zip(&other[3..]).all(|(a, b)| a != b));
    // No public block is vLLM's own form; more public blocks than there are is no salt at all.
    assert!(
        salted("a", 0)
            .iter()
            .zip(&salted("b", 0))
            .all(|(a, b)| a != b)
    );
    assert_eq!(salted("a", 10), salted("b", 10));
}

#[test]
fn tenants_with_salts_share_no_block_in_a_million_random_pairs() {
    let mut state = 11_u64;
    let mut pairs = 0;
    while pairs < 1_000_000 {
        let tokens: Vec<u32> = (0..4_000)
            .map(|_| {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                (state >> 40) as u32
            })
            .collect();
        let chain = |tenant: u64| {
            let spec = ChainSpec {
                algorithm: Algorithm::XxhashCbor,
                block_size: 4,
                cache_salt: Some(format!("{:016x}", state ^ tenant)),
                ..ChainSpec::default()
            };
            spec.chain(&tokens)
        };
        let (one, other) = (chain(1), chain(2));
        assert!(one.iter().zip(&other).all(|(a, b)| a.low64() != b.low64()));
        pairs += one.len();
    }
}
