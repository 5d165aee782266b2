//! Judges one answer while it flows: what is decided goes out at once, the rest is held.

use std::sync::Arc;

use crate::again::{Again, End, Look};
use crate::bindings::exports::forebay::guardrails::guardrails::{
    Caller, Channel as Kind, Delta, Reason, Release, Releases,
};
use crate::engines::{Asked, Budget, Match, Read, longest};
use crate::escapes::Escapes;
use crate::policy::Policy;
use crate::resolve::{Count, Mask, Resolver, Taken};
use crate::secrets::CONTEXT;
use crate::words::Run;

/// The most channels of one answer: 128 choices with a few tool calls each. More is a denial.
const MAX_CHANNELS: usize = 1_024;

/// How much longer than the cap a stretch of overlapping matches may grow.
const MASK_CAPS: usize = 4;

/// What is held up to here is looked at again with every delta. Beyond it, only once it has grown by an
/// eighth: an upstream that sends single bytes would else make each of them cost as much as all before.
const OFTEN: usize = 256;

/// The guard of one answer.
pub(crate) struct Guard {
    policy: Arc<Policy>,
    asked: Asked,
    counts: Vec<Count>,
    channels: Vec<Channel>,
    budget: Budget,
    /// Whether a rule that applies can change something.
    enforced: bool,
    /// Labels that go out with the next releases.
    labels: Vec<Release>,
    denied: bool,
}

impl Guard {
    /// A guard for one answer to this caller.
    pub(crate) fn new(policy: Arc<Policy>, caller: &Caller) -> Self {
        let active = policy.for_output(caller);
        let strict = policy.strict(&active);
        Self {
            enforced: strict.contains(&true),
            counts: vec![Count::default(); policy.rules.len()],
            asked: policy.output.asked(active, strict),
            policy,
            channels: Vec::new(),
            budget: Budget::new(),
            labels: Vec::new(),
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
            let patterns = self.policy.output.patterns();
            self.budget.grant_delta(delta.text.len(), patterns);
            if is_label(delta.channel) {
                denial = self.label(delta);
                continue;
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
                // Rules that only count leave it as it is.
                None if !self.enforced => {
                    self.labels.push(Release {
                        choice: delta.choice,
                        channel: delta.channel,
                        text: delta.text.clone(),
                    });
                    continue;
                }
                None => {
                    self.denied = true;
                    denial = Some(reason(
                        "too-many-channels",
                        format!("the answer has more than {MAX_CHANNELS} channels"),
                    ));
                    break;
                }
            };
            self.channels[index].take(&delta.text, false);
            denial = self.advance(index, false);
        }
        self.releases(denial)
    }

    /// Judges a label: it is whole in its delta, and nothing is kept of it.
    fn label(&mut self, delta: &Delta) -> Option<Reason> {
        let mut label = Channel::new(delta.choice, delta.channel);
        label.take(&delta.text, true);
        let judging = Judging::of(&self.policy, &self.asked, &mut self.budget);
        let judged = label.advance(judging, &mut self.counts, true);
        if let Err(reason) = judged {
            self.denied = true;
            return Some(reason);
        }
        self.labels.push(Release {
            choice: delta.choice,
            channel: delta.channel,
            text: label.ready,
        });
        None
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
        let releases = self.releases(denial);
        // All of them has gone out. Answers of many items have many stretches, one after the other.
        self.channels
            .retain(|channel| choice.is_some_and(|choice| choice != channel.choice));
        releases
    }

    /// Judges what a channel holds as far as it can be judged.
    fn advance(&mut self, index: usize, whole: bool) -> Option<Reason> {
        let channel = self.channels.get_mut(index)?;
        if whole {
            channel.take("", true);
        }
        let judging = Judging::of(&self.policy, &self.asked, &mut self.budget);
        let judged = channel.advance(judging, &mut self.counts, whole);
        self.denied |= judged.is_err();
        judged.err()
    }

    /// Bytes of text that are kept.
    #[cfg(test)]
    pub(crate) fn held(&self) -> usize {
        self.channels.iter().map(|c| c.text.capacity()).sum()
    }

    fn releases(&mut self, denied: Option<Reason>) -> Releases {
        let mut released = std::mem::take(&mut self.labels);
        let texts = self
            .channels
            .iter_mut()
            .filter(|channel| !channel.ready.is_empty())
            .map(|channel| Release {
                choice: channel.choice,
                channel: channel.kind,
                text: std::mem::take(&mut channel.ready),
            });
        released.extend(texts);
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

/// Whether deltas of this channel are labels, each whole in itself.
fn is_label(channel: Kind) -> bool {
    matches!(
        channel,
        Kind::ToolName(_) | Kind::Error | Kind::Annotation(_)
    )
}

/// What a channel is judged with.
struct Judging<'g> {
    policy: &'g Policy,
    asked: &'g Asked,
    budget: &'g mut Budget,
}

impl<'g> Judging<'g> {
    fn of(policy: &'g Policy, asked: &'g Asked, budget: &'g mut Budget) -> Self {
        Self {
            policy,
            asked,
            budget,
        }
    }
}

/// One channel of one choice.
struct Channel {
    choice: u32,
    kind: Kind,
    /// What patterns look back on, then what is held.
    text: String,
    /// For arguments of a tool: the JSON text whose meaning `text` is.
    escapes: Option<Escapes>,
    /// Where what is held begins.
    held: usize,
    /// The first position that is not decided yet.
    next: usize,
    /// How long the text has to be before that position is looked at again.
    again: usize,
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
            escapes: matches!(kind, Kind::ToolArguments(_)).then(Escapes::default),
            held: 0,
            next: 0,
            again: 0,
            ready: String::new(),
            resolver: Resolver::default(),
            matches: Vec::new(),
        }
    }

    /// Takes text; `whole` says that nothing follows.
    fn take(&mut self, text: &str, whole: bool) {
        match &mut self.escapes {
            Some(escapes) => escapes.push(text, whole, &mut self.text),
            None => self.text.push_str(text),
        }
    }

    fn advance(
        &mut self,
        judging: Judging<'_>,
        counts: &mut [Count],
        whole: bool,
    ) -> Result<(), Reason> {
        let result = self.judge(judging, counts, whole);
        let decided = self.resolver.open().map_or(self.next, |open| open.start);
        self.release(decided);
        self.forget();
        result
    }

    /// Decides place after place, up to the first that what follows could still change.
    fn judge(
        &mut self,
        judging: Judging<'_>,
        counts: &mut [Count],
        whole: bool,
    ) -> Result<(), Reason> {
        let Judging {
            policy,
            asked,
            budget,
        } = judging;
        let engines = &policy.output;
        let cap = policy.hold_bytes;
        if !whole && self.text.len() < self.again {
            return Ok(());
        }
        let again = self.look_again(policy, asked, budget, whole);
        // Rules that only count leave it as it is.
        let end = again.end.filter(|_| asked.is_strict());
        let until = match (again.end, end) {
            (Some(_), None) => self.text.len(),
            _ => again.decided,
        };
        let mut again = again.found.into_iter().peekable();
        while self.next < until {
            self.matches.clear();
            let mut read = Read::default();
            let (text, found) = (&self.text, &mut self.matches);
            let run = engines.at(asked, text, self.next, whole, cap, &mut read, found);
            if !budget.pays(read) {
                if asked.is_strict() {
                    return Err(exceeded(End::Work, cap));
                }
                // Rules that only count leave it as it is.
                self.next = self.text.len();
                break;
            }
            match run {
                Run::More => {
                    self.wait();
                    return Ok(());
                }
                Run::TooLong => return Err(exceeded(End::Length, cap)),
                Run::Done => {}
            }
            if let Some(mask) = self.resolver.settled(self.next) {
                self.mask(policy, mask)?;
            }
            while let Some(m) = again.next_if(|m| m.start <= self.next) {
                if m.start == self.next {
                    longest(&mut self.matches, 0, m.start, m.detector, m.end);
                }
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
                    return Err(denial(policy, detector));
                }
                if let Some(open) = self.resolver.open()
                    && open.end - open.start > cap * MASK_CAPS
                {
                    return Err(reason(
                        "hold-exceeded",
                        format!(
                            "matches that overlap are longer than {MASK_CAPS} times output.hold_bytes"
                        ),
                    ));
                }
            }
            self.next += 1;
        }
        if let Some(mask) = self.resolver.settled(self.next) {
            self.mask(policy, mask)?;
        }
        self.wait();
        end.map_or(Ok(()), |end| Err(exceeded(end, cap)))
    }

    /// Looks at what is not decided yet as a reader takes it.
    fn look_again(
        &self,
        policy: &Policy,
        asked: &Asked,
        budget: &mut Budget,
        whole: bool,
    ) -> Again {
        if asked.is_idle() {
            return Again::nothing(self.text.len());
        }
        let look = Look {
            engines: &policy.output,
            asked,
            whole,
            cap: policy.hold_bytes,
        };
        look.at(&self.text, self.next, budget)
    }

    /// What is held waits for more.
    fn wait(&mut self) {
        let held = self.text.len() - self.next;
        self.again = self.text.len() + held.saturating_sub(OFTEN) / 8;
    }

    /// Moves what is held up to `end` to what goes out.
    fn release(&mut self, end: usize) {
        let held = match &self.escapes {
            Some(escapes) => Some(escapes.raw(self.held, end)),
            None => self.text.get(self.held..end),
        };
        if let Some(text) = held.filter(|_| end > self.held) {
            self.ready.push_str(text);
            self.held = end;
        }
    }

    fn mask(&mut self, policy: &Policy, mask: Mask) -> Result<(), Reason> {
        self.release(mask.start);
        let Some(detector) = policy.output.detectors.get(usize::from(mask.detector)) else {
            return Ok(());
        };
        let label = &detector.label;
        if let Some(escapes) = &self.escapes
            && !escapes.is_maskable(mask.start, mask.end)
        {
            // Of what was denied nothing goes out.
            self.next = mask.start;
            return Err(reason(
                "unmaskable",
                format!(
                    "{label} is not within one string of a tool's arguments, so no mask can replace it"
                ),
            ));
        }
        self.ready.push('[');
        self.ready.push_str(label);
        self.ready.push(']');
        self.held = mask.end;
        Ok(())
    }

    /// Drops what has gone out, but for what patterns look back on.
    fn forget(&mut self) {
        let from = self
            .text
            .floor_char_boundary(self.held.saturating_sub(CONTEXT));
        if from > 0 {
            self.text.drain(..from);
            if let Some(escapes) = &mut self.escapes {
                escapes.forget(from);
            }
            self.held -= from;
            self.next -= from;
            self.again = self.again.saturating_sub(from);
            self.resolver.shift(from);
        }
    }
}

fn exceeded(end: End, cap: usize) -> Reason {
    let detail = match end {
        End::Length => format!(
            "a possible match is longer than the {cap} bytes that may be held (output.hold_bytes)"
        ),
        End::Work => "the output takes too much work to check for its length".to_owned(),
        End::Forms => "too much of the output is written in unusual character forms".to_owned(),
    };
    reason("hold-exceeded", detail)
}

fn reason(code: &str, detail: String) -> Reason {
    Reason {
        code: code.to_owned(),
        detail,
    }
}

fn denial(policy: &Policy, detector: u16) -> Reason {
    let found = policy.output.detectors.get(usize::from(detector));
    let rule = found.and_then(|d| policy.rules.get(usize::from(d.rule)));
    reason(
        "rule-denied",
        format!(
            "the rule \"{}\" found {} in the output",
            rule.map_or("", |r| r.name.as_str()),
            found.map_or("", |d| d.label.as_str())
        ),
    )
}
