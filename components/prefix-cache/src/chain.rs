//! The prefix chain: one hash for each full block of a prompt's rendered text.
//!
//! Each block is hashed with the hash of the block before it as seed, so equal hashes mean, but
//! for collisions, equal text from the start. Collisions are harmless: the chain is a hint for
//! routing, never an identity.

use xxhash_rust::xxh64::{Xxh64, xxh64};

use crate::bindings::exports::forebay::prefix_cache::prefix_cache::{Block, Prompt};
use crate::bindings::forebay::types::prompts::{Message, Part};
use crate::config::Config;

/// Ends a role and a part in the rendered text; text that contains it only weakens the hint.
const MARK: &[u8] = b"\n";

/// Begins the line with which Claude Code describes itself at the start of a system prompt. It
/// differs with each request, and neither an engine nor a provider's cache sees it.
const BILLING: &str = "x-anthropic-billing-header:";

/// A text of a message as the upstream will read it; none where nothing is left of it.
pub(crate) fn read_text<'p>(message: &Message, text: &'p str) -> Option<&'p str> {
    let operator = matches!(message.role.as_str(), "system" | "developer");
    if !operator || !text.starts_with(BILLING) {
        return Some(text);
    }
    let (_, rest) = text.split_once('\n')?;
    (!rest.is_empty()).then_some(rest)
}

/// The chain of a prompt: tools first, as chat templates put them, then roles and texts in order.
pub(crate) fn chain(config: &Config, prompt: &Prompt) -> Vec<Block> {
    let mut blocks = Blocks::new(config, &prompt.model);
    for tool in &prompt.tools {
        blocks.text(tool.as_bytes());
    }
    for message in &prompt.messages {
        blocks.text(message.role.as_bytes());
        for part in &message.parts {
            match part {
                Part::Text(text) => {
                    if let Some(text) = read_text(message, text) {
                        blocks.text(text.as_bytes());
                    }
                }
                Part::ToolCall(call) => {
                    blocks.text(call.name.as_bytes());
                    blocks.text(call.arguments.as_bytes());
                }
                Part::Opaque(opaque) => blocks.text(opaque.json.as_bytes()),
            }
            if blocks.full() {
                return blocks.done;
            }
        }
    }
    blocks.done
}

/// Cuts rendered text into blocks without keeping it.
struct Blocks {
    size: usize,
    most: usize,
    state: Xxh64,
    filled: usize,
    end: u32,
    done: Vec<Block>,
}

impl Blocks {
    fn new(config: &Config, model: &str) -> Self {
        Self {
            size: config.block_bytes as usize,
            most: config.max_blocks as usize,
            // Engines keep one cache for each model.
            state: Xxh64::new(xxh64(model.as_bytes(), 0)),
            filled: 0,
            end: 0,
            done: Vec::new(),
        }
    }

    fn full(&self) -> bool {
        self.done.len() >= self.most
    }

    fn text(&mut self, text: &[u8]) {
        self.bytes(text);
        self.bytes(MARK);
    }

    fn bytes(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() && !self.full() {
            let (now, rest) = bytes.split_at(bytes.len().min(self.size - self.filled));
            #[cfg(test)]
            crate::growth::work(now.len());
            self.state.update(now);
            self.filled += now.len();
            bytes = rest;
            if self.filled == self.size {
                let hash = self.state.digest();
                self.end = self
                    .end
                    .saturating_add(u32::try_from(self.size).unwrap_or(u32::MAX));
                self.done.push(Block {
                    hash,
                    end: self.end,
                });
                self.state = Xxh64::new(hash);
                self.filled = 0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bindings::forebay::types::prompts::Sampling;

    fn prompt(texts: &[&str]) -> Prompt {
        Prompt {
            operation: "chat".to_owned(),
            model: "m".to_owned(),
            messages: texts
                .iter()
                .map(|text| Message {
                    role: "user".to_owned(),
                    parts: vec![Part::Text((*text).to_owned())],
                    extra: Vec::new(),
                })
                .collect(),
            tools: Vec::new(),
            sampling: Sampling {
                temperature: None,
                top_p: None,
                n: 1,
                max_tokens: None,
                seed: None,
            },
            extra: Vec::new(),
        }
    }

    fn of(texts: &[&str]) -> Vec<Block> {
        chain(&Config::default(), &prompt(texts))
    }

    #[test]
    fn a_shared_beginning_is_a_shared_chain() {
        let start = "s".repeat(3_000);
        let a = of(&[&start, "one question"]);
        let b = of(&[&start, &"another".repeat(500)]);
        assert_eq!(a.len(), 2);
        assert_eq!(a[..2], b[..2]);
        assert_eq!((a[0].end, a[1].end), (1_024, 2_048));
        assert_ne!(a[1].hash, b[2].hash);
    }

    #[test]
    fn a_change_reaches_every_later_block_and_no_earlier_one() {
        let text = "x".repeat(5_000);
        let mut changed = text.clone();
        changed.replace_range(1_500..1_501, "y");
        let (a, b) = (of(&[&text]), of(&[&changed]));
        assert_eq!(a[0], b[0]);
        assert!(a[1..].iter().zip(&b[1..]).all(|(a, b)| a.hash != b.hash));
    }

    #[test]
    fn a_billing_line_of_the_operators_is_not_part_of_a_prefix() {
        let rules = "r".repeat(3_000);
        let system = |parts: &[&str]| {
            let mut prompt = prompt(&["hello"]);
            let text = |text: &&str| Part::Text((*text).to_owned());
            let message = Message {
                role: "system".to_owned(),
                parts: parts.iter().map(text).collect(),
                extra: Vec::new(),
            };
            prompt.messages.insert(0, message);
            chain(&Config::default(), &prompt)
        };
        let plain = system(&[&rules]);
        for cch in ["a1", "b2"] {
            let line = format!("{BILLING} cc_version=2.1; cch={cch};");
            assert_eq!(system(&[&line, &rules]), plain);
            assert_eq!(system(&[&format!("{line}\n{rules}")]), plain);
        }
        // What a user writes is part of the prompt, whatever it looks like.
        let users = |cch: &str| of(&[&format!("{BILLING} cch={cch};\n{rules}")]);
        assert_ne!(users("a1")[0].hash, users("b2")[0].hash);
    }

    #[test]
    fn a_chain_is_bounded_and_text_below_a_block_has_none() {
        assert_eq!(of(&[&"x".repeat(1 << 20)]).len(), 128);
        assert!(of(&["short"]).is_empty());
        let none = Config::parse(r#"{"max_blocks":0}"#).unwrap();
        assert!(chain(&none, &prompt(&[&"x".repeat(5_000)])).is_empty());
    }
}
