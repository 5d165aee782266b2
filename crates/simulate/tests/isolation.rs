//! Whether a tenant can tell by the time to its first token what another tenant has asked.
#![allow(clippy::unwrap_used, reason = "a test may")]

use std::collections::HashSet;

use forebay_engine_model::{Limits, Rates, Scheduler, Watch, Work};
use forebay_prefix::{Algorithm, ChainSpec};
use forebay_prefix_index::{Naming, PromptKeys};

/// 2,000 times a prompt that another tenant holds, and one that nobody does.
const PAIRS: usize = 2_000;
const BLOCK: usize = 16;
/// Blocks of a system prompt that an operator has declared public.
const PUBLIC: usize = 12;

struct Chance(u64);

impl Chance {
    /// SplitMix64.
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }

    /// A prompt of 20 to 60 blocks and a bit.
    fn prompt(&mut self) -> Vec<u32> {
        let tokens = 20 * BLOCK as u64 + self.below(40 * BLOCK as u64);
        (0..tokens).map(|_| self.below(100_000) as u32).collect()
    }
}

struct Job {
    chain: Vec<u64>,
    tokens: usize,
    output: usize,
    watched: bool,
}

impl Work for Job {
    type Block = u64;

    fn prompt_len(&self) -> usize {
        self.tokens
    }

    fn output_len(&self) -> usize {
        self.output
    }

    fn chain(&self) -> &[u64] {
        &self.chain
    }

    fn extend_chain(&mut self, _: usize) {}
}

/// Whether the watched job's first token has come.
#[derive(Default)]
struct First(bool);

impl Watch<Job> for First {
    fn token(&mut self, job: &mut Job, generated: usize) {
        self.0 |= job.watched && generated == 1;
    }
}

struct Engine {
    scheduler: Scheduler<Job>,
    chance: Chance,
    /// Blocks with which every prompt begins, and which no salt enters.
    public: usize,
}

impl Engine {
    fn new(public: usize) -> Self {
        Self {
            public,
            scheduler: Scheduler::new(Limits {
                block_size: BLOCK,
                blocks: 20_000,
                sequences: 64,
                step_tokens: 2_048,
                prefix_caching: true,
            }),
            chance: Chance(7),
        }
    }

    /// A prompt that begins as all do.
    fn prompt(&mut self) -> Vec<u32> {
        let mut tokens: Vec<u32> = (0..(self.public * BLOCK) as u32).collect();
        tokens.extend(self.chance.prompt());
        tokens
    }

    fn job(&self, tokens: &[u32], salt: Option<&str>) -> Job {
        let naming = Naming::Engine(ChainSpec {
            block_size: BLOCK,
            algorithm: Algorithm::XxhashCbor,
            ..ChainSpec::default()
        });
        let keys = PromptKeys {
            cache_salt: salt.map(str::to_owned),
            public_blocks: self.public,
            ..PromptKeys::default()
        };
        Job {
            chain: naming.chain(tokens, &keys),
            tokens: tokens.len(),
            output: 1,
            watched: true,
        }
    }

    /// Seconds to the first token of a prompt, beside at most one new one of others.
    fn first_token(&mut self, tokens: &[u32], salt: Option<&str>) -> f64 {
        let rates = Rates {
            seconds_per_prefill_token: 1.0 / 16_000.0,
            step_seconds: 0.01,
            seconds_per_sequence: 0.000_1,
        };
        for _ in 0..self.chance.below(2) {
            let other = self.prompt();
            let output = 1 + self.chance.below(4) as usize;
            let job = self.job(&other, Some("others"));
            self.scheduler.submit(Job {
                output,
                watched: false,
                ..job
            });
        }
        let job = self.job(tokens, salt);
        self.scheduler.submit(job);
        let (mut seconds, mut first) = (0.0, First::default());
        while !first.0 {
            let step = self.scheduler.begin_step(&mut first).unwrap();
            seconds += rates.seconds(step);
            self.scheduler.end_step(&mut first);
        }
        seconds
    }

    /// Times for prompts that a victim has asked before, and for prompts that nobody has.
    fn probe(&mut self, victim: Option<&str>, attacker: Option<&str>) -> (Vec<f64>, Vec<f64>) {
        let (mut held, mut fresh) = (Vec::new(), Vec::new());
        for _ in 0..PAIRS {
            let asked = self.prompt();
            self.first_token(&asked, victim);
            let unasked = self.prompt();
            // In either order: what the first of them leaves behind must not speak for the second.
            if self.chance.below(2) == 0 {
                held.push(self.first_token(&asked, attacker));
                fresh.push(self.first_token(&unasked, attacker));
            } else {
                fresh.push(self.first_token(&unasked, attacker));
                held.push(self.first_token(&asked, attacker));
            }
        }
        (held, fresh)
    }
}

/// How often one of the first is faster than one of the second: 0.5 where both are of one distribution.
fn auc(faster: &[f64], slower: &[f64]) -> f64 {
    let mut slower = slower.to_vec();
    slower.sort_by(f64::total_cmp);
    let won = |time: f64| {
        let below = slower.partition_point(|other| *other < time);
        let upto = slower.partition_point(|other| *other <= time);
        (slower.len() - upto) as f64 + (upto - below) as f64 / 2.0
    };
    let sum: f64 = faster.iter().map(|time| won(*time)).sum();
    sum / (faster.len() * slower.len()) as f64
}

#[test]
fn times_to_the_first_token_do_not_tell_what_another_tenant_has_asked() {
    let (held, fresh) = Engine::new(0).probe(Some("tenant-a"), Some("tenant-b"));
    let apart = auc(&held, &fresh);
    assert!((0.45..=0.55).contains(&apart), "{apart:.3}");
    // The same without salts does tell: the measurement can see a difference.
    let (held, fresh) = Engine::new(0).probe(None, None);
    let shared = auc(&held, &fresh);
    assert!(shared > 0.8, "{shared:.3}");
}

#[test]
fn behind_a_public_system_prompt_they_do_not_tell_it_either() {
    let mut engine = Engine::new(PUBLIC);
    let (held, fresh) = engine.probe(Some("tenant-a"), Some("tenant-b"));
    let apart = auc(&held, &fresh);
    assert!((0.45..=0.55).contains(&apart), "{apart:.3}");
    // The public part itself is computed once for all tenants.
    let tokens = engine.prompt();
    let alike = |one: &str, other: &str| {
        let (one, other) = (
            engine.job(&tokens, Some(one)),
            engine.job(&tokens, Some(other)),
        );
        let same = one.chain.iter().zip(&other.chain);
        same.take_while(|(one, other)| one == other).count()
    };
    assert_eq!(alike("tenant-a", "tenant-b"), PUBLIC);
}

#[test]
fn among_a_million_pairs_of_tenants_no_block_has_one_name() {
    // 1,500 tenants with one prompt: 1,124,250 pairs, without a public part and with one of a block.
    let tokens: Vec<u32> = (0..3 * BLOCK as u32).collect();
    let namings = [
        Naming::Engine(ChainSpec::default()),
        Naming::Engine(ChainSpec {
            algorithm: Algorithm::XxhashCbor,
            ..ChainSpec::default()
        }),
        Naming::Routed {
            block_size: BLOCK,
            scope: 5,
        },
    ];
    for naming in namings {
        for public_blocks in [0, 1] {
            let mut names = vec![HashSet::new(); 3];
            for tenant in 0..1_500 {
                let keys = PromptKeys {
                    cache_salt: Some(format!("{tenant:032x}")),
                    public_blocks,
                    ..PromptKeys::default()
                };
                let chain = naming.chain(&tokens, &keys);
                for (names, name) in names.iter_mut().zip(chain) {
                    names.insert(name);
                }
            }
            let names: Vec<usize> = names.iter().map(HashSet::len).collect();
            let first = if public_blocks == 0 { 1_500 } else { 1 };
            assert_eq!(names, [first, 1_500, 1_500], "{naming:?}");
        }
    }
}
