//! Mutates the corpus of fuzz targets for a time: `forebay-fuzz [--seconds N | --seconds-each N] [--seed N] [TARGET…]`,
//! N seconds over all targets or for each of them, from a new seed or from this one. An input that makes a target panic is written to the working folder as `crash-TARGET-…`.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test program")]

use std::panic::catch_unwind;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use forebay_fuzz::{TARGETS, corpus};

/// The largest input: what matters shows in small ones.
const LARGEST: usize = 4096;

fn main() -> ExitCode {
    let mut seconds = 30;
    let mut each = None;
    let mut first = None;
    let mut wanted = Vec::new();
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        if arg == "--seconds" {
            seconds = args.next().and_then(|n| n.parse().ok()).unwrap_or(seconds);
        } else if arg == "--seconds-each" {
            each = args.next().and_then(|n| n.parse().ok());
        } else if arg == "--seed" {
            first = args.next().and_then(|n| n.parse().ok());
        } else {
            wanted.push(arg);
        }
    }
    let chosen: Vec<_> = TARGETS
        .iter()
        .filter(|(name, _)| wanted.is_empty() || wanted.iter().any(|w| w == name))
        .collect();
    let each = match each {
        Some(each) => Duration::from_secs(each),
        None => Duration::from_secs(seconds) / u32::try_from(chosen.len().max(1)).unwrap_or(1),
    };
    let mut crashes = 0;
    for (name, target) in chosen {
        let mut random = Random(first.unwrap_or_else(seed).max(1));
        let mut inputs = corpus(name);
        let (began, mut runs) = (Instant::now(), 0u64);
        while began.elapsed() < each {
            let input = mutate(&mut random, &inputs);
            runs += 1;
            if catch_unwind(|| target(&input)).is_err() {
                let file = format!("crash-{name}-{runs}");
                std::fs::write(&file, &input).unwrap();
                println!("{name}: crash, see {file}");
                crashes += 1;
                break;
            }
            // Without coverage to go by, some are kept at random: defects lie several steps away.
            if random.below(64) == 0 {
                if inputs.len() < 4096 {
                    inputs.push(input);
                } else {
                    let at = random.below(inputs.len());
                    inputs[at] = input;
                }
            }
        }
        println!("{name}: {runs} inputs in {:?}", began.elapsed());
    }
    if crashes == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn seed() -> u64 {
    std::time::UNIX_EPOCH
        .elapsed()
        .map_or(1, |t| t.as_nanos() as u64 | 1)
}

/// xorshift64*: enough to choose bytes by.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() >> 33) as usize % n.max(1)
    }
}

/// Bytes that mean something in what is parsed.
const TOKENS: [&str; 20] = [
    "{",
    "}",
    "[",
    "]",
    "\"",
    ":",
    ",",
    "\\u0000",
    "\\ud800",
    "null",
    "true",
    "-0",
    "1e999",
    "\n",
    "\r\n",
    "data: ",
    "\\\"",
    "\u{feff}",
    "[DONE]",
    "18446744073709551616",
];

fn mutate(random: &mut Random, inputs: &[Vec<u8>]) -> Vec<u8> {
    let mut out = inputs
        .get(random.below(inputs.len()))
        .cloned()
        .unwrap_or_default();
    for _ in 0..=random.below(4) {
        let at = random.below(out.len() + 1);
        match random.below(7) {
            0 if at < out.len() => out[at] ^= 1 << random.below(8),
            1 if at < out.len() => out[at] = random.next() as u8,
            2 => {
                let end = (at + random.below(16)).min(out.len());
                out.drain(at..end);
            }
            3 => {
                let end = (at + random.below(64)).min(out.len());
                let piece = out[at..end].to_vec();
                let to = random.below(out.len() + 1);
                out.splice(to..to, piece);
            }
            4 => {
                let other = &inputs[random.below(inputs.len())];
                let from = random.below(other.len() + 1);
                let end = (from + random.below(64)).min(other.len());
                out.splice(at..at, other[from..end].iter().copied());
            }
            5 => out.truncate(at),
            _ => {
                let token = TOKENS[random.below(TOKENS.len())];
                out.splice(at..at, token.bytes());
            }
        }
    }
    out.truncate(LARGEST);
    out
}
