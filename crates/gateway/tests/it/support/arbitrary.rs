//! A guest that answers with anything that the interface can carry.

use forebay_dialect::canonical::{Channel, Field};
use forebay_gateway::policy::*;

/// xorshift64*: the same answers for the same seed.
#[derive(Debug, Clone)]
pub struct Arbitrary(pub u64);

impl Arbitrary {
    fn below(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % below
    }

    /// Small, odd, or as large as it gets.
    fn number(&mut self) -> u32 {
        match self.below(8) {
            0 => u32::MAX,
            1 => i32::MAX as u32,
            _ => self.below(9) as u32,
        }
    }

    fn text(&mut self) -> String {
        let texts = [
            "",
            "EMAIL",
            "\u{0}",
            "\"}",
            "größe",
            "\n\ndata: x",
            "[EMAIL_1]",
        ];
        texts[self.below(texts.len() as u64) as usize].to_owned()
    }

    fn some<T>(&mut self, one: impl Fn(&mut Self) -> T) -> Vec<T> {
        (0..self.below(4)).map(|_| one(self)).collect()
    }

    fn reason(&mut self) -> Reason {
        Reason {
            code: self.text(),
            detail: self.text(),
        }
    }

    fn edit(&mut self, places: u64) -> Edit {
        Edit {
            place: match self.below(4) {
                0 => self.number(),
                _ => self.below(places + 1) as u32,
            },
            start: self.number(),
            end: self.number(),
            label: self.text(),
        }
    }

    pub fn verdict(mut self, places: &[Place<'_>]) -> Verdict {
        let count = places.len() as u64;
        Verdict {
            action: match self.below(8) {
                0 => Action::Deny(self.reason()),
                1 => Action::Ask(Question {
                    service: self.text(),
                    places: self.some(Self::number),
                }),
                2 | 3 => Action::Allow,
                _ => Action::Edit(self.some(|guest| guest.edit(count))),
            },
            hits: self.some(|guest| Hit {
                rule: guest.text(),
                action: guest.text(),
                count: guest.number(),
                shadow: false,
            }),
            guard_output: self.below(2) == 0,
            output_enforced: self.below(2) == 0,
            scope: self.text(),
        }
    }

    fn freshness(&mut self) -> Freshness {
        Freshness {
            ttl: self.number(),
            idle: self.number(),
            stale_if_error: self.number(),
        }
    }

    pub fn plan(mut self) -> CachePlan {
        CachePlan {
            digest: [self.below(256) as u8; 32],
            scope: Scope::Tenant,
            lookup: self.below(2) == 0,
            store: self.below(2) == 0,
            why: None,
            freshness: self.freshness(),
            chain: self.some(|guest| Block {
                hash: guest.below(9),
                end: guest.number(),
            }),
            hints: self.some(|guest| Field {
                name: guest.text(),
                value: guest.text(),
            }),
            inputs: self.some(|guest| [guest.below(256) as u8; 32]),
            breakpoints: self.some(|guest| Breakpoint {
                after: match guest.below(2) {
                    0 => Anchor::Tools,
                    _ => Anchor::Part {
                        message: guest.number(),
                        part: guest.number(),
                    },
                },
                prefix: guest.below(9),
                bytes: guest.number(),
                after_uses: guest.number(),
                ttl: guest.number(),
            }),
        }
    }

    pub fn ranking(mut self) -> Ranking {
        Ranking {
            order: self.some(|guest| Choice {
                candidate: guest.number(),
                score: [0.0, f64::NAN, f64::INFINITY][guest.below(3) as usize],
                parts: Vec::new(),
                cost_micro_usd: Some(u64::from(guest.number())),
                worker: (guest.below(2) == 0).then(|| guest.number()),
            }),
            excluded: self.some(|guest| (guest.number(), guest.reason())),
        }
    }

    pub fn releases(&mut self) -> Releases {
        Releases {
            released: self.some(|guest| Delta {
                choice: guest.number(),
                channel: [
                    Channel::Content,
                    Channel::ToolArguments(guest.number()),
                    Channel::ToolName(guest.number()),
                    Channel::Annotation(guest.number()),
                    Channel::Error,
                ][guest.below(5) as usize],
                text: guest.text(),
            }),
            denied: (self.below(6) == 0).then(|| self.reason()),
            hits: Vec::new(),
        }
    }
}
