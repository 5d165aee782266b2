//! The index fed with the events that a real vLLM 0.32.0 published.
#![allow(clippy::unwrap_used, reason = "a test may")]

use std::collections::HashMap;
use std::time::Duration;

use forebay_prefix::{BlockHash, ChainSpec};
use forebay_prefix_index::{
    Arrival, Batch, Event, Index, Naming, PromptKeys, Sequence, State, Stored,
};

const RECORDED: &str = include_str!("fixtures/kv-events.jsonl");
const BLOCK_SIZE: usize = 32;

fn messages() -> impl Iterator<Item = (u64, Vec<u8>)> {
    RECORDED.lines().map(|line| {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        let frame = |place: usize| hex::decode(line["frames"][place].as_str().unwrap()).unwrap();
        let number: [u8; 8] = frame(1).try_into().unwrap();
        (u64::from_be_bytes(number), frame(2))
    })
}

fn stored() -> Vec<Stored> {
    let batches = messages().map(|(_, bytes)| Batch::decode(&bytes).unwrap());
    let events = batches.flat_map(|batch| batch.events);
    events
        .map(|event| match event {
            Event::Stored(stored) => stored,
            other => panic!("{other:?}"),
        })
        .collect()
}

fn salt(stored: &Stored) -> Option<String> {
    let first = stored.extra_keys.first().cloned().flatten()?;
    first.first().cloned()
}

fn spec(salt: Option<String>) -> ChainSpec {
    ChainSpec {
        block_size: BLOCK_SIZE,
        seed: Some("0".to_owned()),
        cache_salt: salt,
        ..ChainSpec::default()
    }
}

/// A prompt's tokens, its salt, and its blocks.
type Recorded = (Vec<u32>, Option<String>, Vec<u64>);

/// The prompts behind the events: each event's tokens after those of the event with its parent.
fn prompts() -> Vec<Recorded> {
    let mut by_last_block: HashMap<u64, Recorded> = HashMap::new();
    let mut prompts = Vec::new();
    for event in stored() {
        let (mut tokens, mut first_salt, mut blocks) = match event.parent {
            Some(parent) => by_last_block[&parent].clone(),
            None => (Vec::new(), salt(&event), Vec::new()),
        };
        first_salt = first_salt.take();
        tokens.extend(&event.tokens);
        blocks.extend(&event.blocks);
        let prompt = (tokens, first_salt, blocks);
        by_last_block.insert(*event.blocks.last().unwrap(), prompt.clone());
        prompts.push(prompt);
    }
    prompts
}

#[test]
fn every_recorded_hash_follows_from_the_recorded_tokens_and_salts() {
    let mut compared = 0;
    for (tokens, salt, blocks) in prompts() {
        let chain: Vec<u64> = spec(salt)
            .chain(&tokens)
            .iter()
            .map(BlockHash::low64)
            .collect();
        assert_eq!(chain, blocks);
        compared += blocks.len();
    }
    assert!(compared >= 58, "{compared}");
    let distinct: usize = stored().iter().map(|event| event.blocks.len()).sum();
    assert_eq!(distinct, 58);
}

fn replayed(naming: Naming) -> Index {
    let mut index = Index::new(naming);
    let worker = index.add_worker(None).unwrap();
    let mut sequence = Sequence::default();
    for (number, bytes) in messages() {
        let batch = Batch::decode(&bytes).unwrap();
        assert_eq!(sequence.arrived(number, batch.timestamp), Arrival::Next);
        if number == 0 {
            index.begins(worker);
        }
        assert!(index.apply(worker, &batch) > 0);
    }
    assert_eq!(index.state(worker), (State::Exact, None));
    assert_eq!(index.blocks(worker), 58);
    index
}

#[test]
fn both_namings_find_every_recorded_prompt_and_no_salted_one_without_its_salt() {
    let namings = [
        Naming::Engine(spec(None)),
        Naming::Routed {
            block_size: BLOCK_SIZE,
            scope: 5,
        },
    ];
    for naming in namings {
        let index = replayed(naming);
        for (tokens, salt, blocks) in prompts() {
            let keys = |cache_salt| PromptKeys {
                cache_salt,
                ..PromptKeys::default()
            };
            let mut held = Vec::new();
            let chain = index.naming().chain(&tokens, &keys(salt.clone()));
            index.lookup(&chain, Duration::ZERO, &mut held);
            assert_eq!(held, [blocks.len() as u32]);
            if salt.is_some() {
                let chain = index
                    .naming()
                    .chain(&tokens, &keys(Some("tenant-b".to_owned())));
                index.lookup(&chain, Duration::ZERO, &mut held);
                assert_eq!(held, [0]);
            }
        }
    }
}

#[test]
fn an_engine_with_another_seed_or_block_size_falls_back_and_says_why() {
    let other_seed = ChainSpec {
        seed: None,
        ..spec(None)
    };
    let other_size = ChainSpec {
        block_size: 16,
        ..spec(None)
    };
    for (spec, says) in [
        (other_seed, "PYTHONHASHSEED"),
        (other_size, "blocks have 32 tokens, 16 are configured"),
    ] {
        let mut index = Index::new(Naming::Engine(spec));
        let worker = index.add_worker(None).unwrap();
        index.begins(worker);
        for (_, bytes) in messages() {
            index.apply(worker, &Batch::decode(&bytes).unwrap());
        }
        let (state, why) = index.state(worker);
        assert_eq!(state, State::Fallback);
        assert!(why.unwrap().to_string().contains(says), "{why:?}");
        assert_eq!(index.blocks(worker), 0);
    }
}
