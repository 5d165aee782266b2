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
