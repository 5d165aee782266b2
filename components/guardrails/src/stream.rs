//! Judges one answer while it flows: what is decided goes out at once, the rest is held.

use std::sync::Arc;

use crate::bindings::exports::forebay::edge::guardrails::{
    Caller, Channel as Kind, Delta, Reason, Release, Releases,
};
use crate::engines::{Asked, Match};
use crate::policy::Policy;
use crate::resolve::{Count, Mask, Resolver, Taken};
use crate::secrets::CONTEXT;
use crate::words::Run;

/// The most channels of one answer: 128 choices with a few tool calls each. More is a denial.
const MAX_CHANNELS: usize = 1_024;

/// How much longer than the cap a stretch of overlapping matches may grow.
const MASK_CAPS: usize = 4;

/// The guard of one answer.
pub(crate) struct Guard {
    policy: Arc<Policy>,
    asked: Asked,
    counts: Vec<Count>,
    channels: Vec<Channel>,
    denied: bool,
}

impl Guard {
    /// A guard for one answer to this caller.
    pub(crate) fn new(policy: Arc<Policy>, caller: &Caller) -> Self {
        let active = policy.for_output(caller);
        Self {
            counts: vec![Count::default(); policy.rules.len()],
            asked: policy.output.asked(active.clone(), policy.strict(&active)),
            policy,
            channels: Vec::new(),
            denied: false,
        }
    }

    /// Takes output in the order in which it came.
    pub(crate) fn push(&mut self, deltas: &[Delta]) -> Releases {
        let mut denial = None;
        for delta in deltas {
            if self.denied {
                break;
            }
            let known = self
                .channels
                .iter()
                .position(|c| c.choice == delta.choice && c.kind == delta.channel);
            let index = match known {
                Some(index) => index,
                None if self.channels.len() < MAX_CHANNELS => {
                    self.channels
                        .push(Channel::new(delta.choice, delta.channel));
                    self.channels.len() - 1
                }
                None => {
                    self.denied = true;
                    denial = Some(Reason {
                        code: "too-many-channels".to_owned(),
                        detail: format!("the answer has more than {MAX_CHANNELS} channels"),
                    });
                    break;
                }
            };
            self.channels[index].text.push_str(&delta.text);
            denial = self.advance(index, false);
        }
        self.releases(denial)
    }

    /// Ends one choice, or all when none is named.
    pub(crate) fn finish(&mut self, choice: Option<u32>) -> Releases {
        let mut denial = None;
        for index in 0..self.channels.len() {
            if self.denied {
                break;
            }
            if choice.is_none_or(|choice| choice == self.channels[index].choice) {
                denial = self.advance(index, true);
            }
        }
        self.releases(denial)
    }

    /// Judges what a channel holds as far as it can be judged.
    fn advance(&mut self, index: usize, whole: bool) -> Option<Reason> {
        let channel = self.channels.get_mut(index)?;
        let judged = channel.advance(&self.policy, &self.asked, &mut self.counts, whole);
        self.denied |= judged.is_err();
        judged.err()
    }

    /// Bytes of text that are kept.
    #[cfg(test)]
    pub(crate) fn held(&self) -> usize {
        self.channels.iter().map(|c| c.text.capacity()).sum()
    }

    fn releases(&mut self, denied: Option<Reason>) -> Releases {
        let released = self
            .channels
            .iter_mut()
            .filter(|channel| !channel.ready.is_empty())
            .map(|channel| Release {
                choice: channel.choice,
                channel: channel.kind,
                text: std::mem::take(&mut channel.ready),
            })
            .collect();
        if self.denied {
            // What is held will never go out.
            self.channels.clear();
        }
        Releases {
            released,
            denied,
            hits: self.policy.hits(&mut self.counts),
        }
    }
}

/// One channel of one choice.
struct Channel {
    choice: u32,
    kind: Kind,
    /// What patterns look back on, then what is held.
    text: String,
    /// Where what is held begins.
    held: usize,
    /// The first position that is not decided yet.
    next: usize,
    /// What goes out with the next releases.
    ready: String,
    resolver: Resolver,
    matches: Vec<Match>,
}

impl Channel {
    fn new(choice: u32, kind: Kind) -> Self {
        Self {
            choice,
            kind,
            text: String::new(),
            held: 0,
            next: 0,
            ready: String::new(),
            resolver: Resolver::default(),
            matches: Vec::new(),
        }
    }

    fn advance(
        &mut self,
        policy: &Policy,
        asked: &Asked,
        counts: &mut [Count],
        whole: bool,
    ) -> Result<(), Reason> {
        let engines = &policy.output;
        let result = loop {
            if self.next >= self.text.len() {
                break Ok(());
            }
            self.matches.clear();
            let run = engines.at(
                asked,
                &self.text,
                self.next,
                whole,
                policy.hold_bytes,
                &mut self.matches,
            );
            match run {
                Run::More => break Ok(()),
                Run::TooLong => {
                    break Err(Reason {
                        code: "hold-exceeded".to_owned(),
                        detail: format!(
                            "a possible match is longer than the {} bytes that may be held (output.hold_bytes)",
                            policy.hold_bytes
                        ),
                    });
                }
                Run::Done => {}
            }
            if let Some(mask) = self.resolver.settled(self.next) {
                self.mask(policy, mask);
            }
            if !self.matches.is_empty() {
                let taken = self.resolver.take(
                    &mut self.matches,
                    &engines.detectors,
                    &policy.rules,
                    &asked.active,
                    counts,
                );
                if let Taken::Deny(detector) = taken {
                    break Err(denial(policy, detector));
                }
                if let Some(open) = self.resolver.open()
                    && open.end - open.start > policy.hold_bytes * MASK_CAPS
                {
                    break Err(Reason {
                        code: "hold-exceeded".to_owned(),
                        detail: format!(
                            "matches that overlap are longer than {MASK_CAPS} times output.hold_bytes"
                        ),
                    });
                }
            }
            self.next += 1;
        };
        if result.is_ok()
            && let Some(mask) = self.resolver.settled(self.next)
        {
            self.mask(policy, mask);
        }
        let decided = self.resolver.open().map_or(self.next, |open| open.start);
        self.release(decided);
        self.forget();
        result
    }

    /// Moves what is held up to `end` to what goes out.
    fn release(&mut self, end: usize) {
        if let Some(text) = self.text.get(self.held..end) {
            self.ready.push_str(text);
            self.held = end;
        }
    }

    fn mask(&mut self, policy: &Policy, mask: Mask) {
        self.release(mask.start);
        if let Some(detector) = policy.output.detectors.get(usize::from(mask.detector)) {
            self.ready.push('[');
            self.ready.push_str(&detector.label);
            self.ready.push(']');
        }
        self.held = mask.end;
    }

    /// Drops what has gone out, but for what patterns look back on.
    fn forget(&mut self) {
        let from = self
            .text
            .floor_char_boundary(self.held.saturating_sub(CONTEXT));
        if from > 0 {
            self.text.drain(..from);
            self.held -= from;
            self.next -= from;
            self.resolver.shift(from);
        }
    }
}

fn denial(policy: &Policy, detector: u16) -> Reason {
    let found = policy.output.detectors.get(usize::from(detector));
    let rule = found.and_then(|d| policy.rules.get(usize::from(d.rule)));
    Reason {
        code: "rule-denied".to_owned(),
        detail: format!(
            "the rule \"{}\" found {} in the output",
            rule.map_or("", |r| r.name.as_str()),
            found.map_or("", |d| d.label.as_str())
        ),
    }
}
