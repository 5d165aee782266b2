//! Judges a prompt: its limits, its texts, and the JSON that comes with them.

use crate::bindings::exports::forebay::edge::guardrails::{
    Action as Judgement, Caller, Edit, Prompt, Reason, Span, Verdict,
};
use crate::bindings::forebay::edge::types::{Field, Message, Part};
use crate::config::{Action, Limits};
use crate::engines::{Asked, Match};
use crate::json::tokens;
use crate::policy::Policy;
use crate::resolve::{Count, Mask, Resolver, Taken};
use crate::words::Run;

/// Judges a prompt.
pub(crate) fn check(policy: &Policy, caller: &Caller, prompt: &Prompt) -> Verdict {
    let active = policy.for_input(caller);
    let guard_output = policy.for_output(caller).contains(&true);
    let denying: Vec<bool> = policy
        .rules
        .iter()
        .zip(&active)
        .map(|(rule, active)| *active && rule.action != Action::Mask)
        .collect();
    let mut judge = Judge {
        policy,
        counts: vec![Count::default(); policy.rules.len()],
        denying: policy.input.asked(denying.clone(), policy.strict(&denying)),
        asked: policy.input.asked(active.clone(), policy.strict(&active)),
        active,
        matches: Vec::new(),
        edits: Vec::new(),
        denied: None,
    };
    judge.limits(prompt);
    if !judge.asked.is_idle() {
        judge.prompt(prompt);
    }
    let action = match judge.denied {
        Some(reason) => Judgement::Deny(reason),
        None if judge.edits.is_empty() => Judgement::Allow,
        None => Judgement::Edit(judge.edits),
    };
    Verdict {
        action,
        hits: policy.hits(&mut judge.counts),
        guard_output,
    }
}

/// The kind of an opaque part that holds a prompt as token ids.
const TOKEN_IDS: &str = "token_ids";

/// Which part of the prompt a text is.
#[derive(Clone, Copy)]
enum Place {
    /// A part of a message: matches in it can be masked.
    Part { message: u32, part: u32 },
    /// A field or tool, by what it is called: rules that mask do not apply.
    Fixed(&'static str),
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Part { message, part } => write!(f, "message {message}, part {part}"),
            Self::Fixed(what) => f.write_str(what),
        }
    }
}

struct Judge<'a> {
    policy: &'a Policy,
    active: Vec<bool>,
    /// For parts of messages.
    asked: Asked,
    /// For all else: without the rules that mask.
    denying: Asked,
    counts: Vec<Count>,
    matches: Vec<Match>,
    edits: Vec<Edit>,
    denied: Option<Reason>,
}

impl Judge<'_> {
    fn prompt(&mut self, prompt: &Prompt) {
        for (m, message) in (0_u32..).zip(&prompt.messages) {
            for (p, part) in (0_u32..).zip(&message.parts) {
                let place = Place::Part {
                    message: m,
                    part: p,
                };
                match part {
                    Part::Text(text) => self.text(place, text),
                    Part::ToolCall(call) => {
                        self.text(Place::Fixed("a tool call's name"), &call.name);
                        if call.arguments.trim_start().starts_with(['{', '[', '"']) {
                            self.json(place, &call.arguments);
                        } else {
                            self.text(place, &call.arguments);
                        }
                    }
                    Part::Opaque(opaque) if opaque.kind == TOKEN_IDS => self.unreadable(),
                    Part::Opaque(opaque) => self.json(place, &opaque.json),
                }
            }
            for field in &message.extra {
                self.json(Place::Fixed("a message's field"), &field.value);
            }
        }
        if self.denying.is_idle() {
            return;
        }
        for tool in &prompt.tools {
            self.json(Place::Fixed("a tool"), tool);
        }
        for field in &prompt.extra {
            self.json(Place::Fixed("a field"), &field.value);
        }
    }

    /// A prompt of token ids would walk around every rule that reads text: it fails closed.
    fn unreadable(&mut self) {
        let strict = self.policy.strict(&self.active);
        let mut rules = self.policy.rules.iter().zip(strict);
        if rules.any(|(rule, strict)| strict && rule.limits.is_none()) {
            self.deny(
                "unreadable",
                "the prompt is given as token ids, which no rule can read; send it as text"
                    .to_owned(),
            );
        }
    }

    fn text(&mut self, place: Place, text: &str) {
        let mut masks = Vec::new();
        self.scan(place, text, |mask, label| masks.push((mask, label)));
        for (mask, label) in masks {
            self.edit(place, mask.start, mask.end, label);
        }
    }

    fn json(&mut self, place: Place, json: &str) {
        tokens(json, |token| {
            let mut masks = Vec::new();
            self.scan(place, &token.value, |mask, label| masks.push((mask, label)));
            for (mask, label) in masks {
                if token.is_number {
                    self.deny(
                        "unmaskable",
                        format!(
                            "{label} is a number in the JSON of {place}, which no mask can replace"
                        ),
                    );
                } else {
                    let (start, end) = token.place(mask.start, mask.end);
                    self.edit(place, start, end, label);
                }
            }
        });
    }

    /// Finds and resolves the matches of one text.
    fn scan(&mut self, place: Place, text: &str, mut masked: impl FnMut(Mask, String)) {
        let engines = &self.policy.input;
        let asked = match place {
            Place::Part { .. } => &self.asked,
            Place::Fixed(_) => &self.denying,
        };
        if asked.is_idle() {
            return;
        }
        let mut matches = std::mem::take(&mut self.matches);
        matches.clear();
        let run = engines.all(asked, text, &mut matches);
        let mut denial = None;
        if !matches.is_empty() {
            let label = |mask: &Mask| {
                engines
                    .detectors
                    .get(usize::from(mask.detector))
                    .map_or_else(String::new, |d| d.label.clone())
            };
            let mut resolver = Resolver::default();
            let mut emit = |mask: Mask| masked(mask, label(&mask));
            for group in matches.chunk_by_mut(|a, b| a.start == b.start) {
                let at = group.first().map_or(0, |m| m.start);
                if let Some(mask) = resolver.settled(at) {
                    emit(mask);
                }
                let taken = resolver.take(
                    group,
                    &engines.detectors,
                    &self.policy.rules,
                    &asked.active,
                    &mut self.counts,
                );
                if let Taken::Deny(detector) = taken {
                    denial.get_or_insert(detector);
                }
            }
            if let Some(mask) = resolver.settled(usize::MAX) {
                emit(mask);
            }
        }
        self.matches = matches;
        if let Some(detector) = denial {
            self.deny_by(detector, place);
        }
        if run == Run::TooLong {
            self.deny(
                "match-too-long",
                format!("a possible match in {place} is longer than can be judged"),
            );
        }
    }

    fn edit(&mut self, place: Place, start: usize, end: usize, label: String) {
        let (Place::Part { message, part }, Ok(start), Ok(end)) =
            (place, u32::try_from(start), u32::try_from(end))
        else {
            return self.deny("unmaskable", format!("{label} in {place} can't be masked"));
        };
        self.edits.push(Edit {
            span: Span {
                message,
                part,
                start,
                end,
            },
            label,
        });
    }

    fn deny_by(&mut self, detector: u16, place: Place) {
        let found = self.policy.input.detectors.get(usize::from(detector));
        if let Some(found) = found
            && let Some(rule) = self.policy.rules.get(usize::from(found.rule))
        {
            self.deny(
                "rule-denied",
                format!(
                    "the rule \"{}\" found {} in {place}",
                    rule.name, found.label
                ),
            );
        }
    }

    /// The first denial is the one that is reported.
    fn deny(&mut self, code: &str, detail: String) {
        self.denied.get_or_insert(Reason {
            code: code.to_owned(),
            detail,
        });
    }

    fn limits(&mut self, prompt: &Prompt) {
        for (index, rule) in self.policy.rules.iter().enumerate() {
            let Some(limits) = rule.limits.filter(|_| self.active[index]) else {
                continue;
            };
            if let Some(what) = over(&limits, prompt) {
                self.counts[index].0 += 1;
                if !rule.shadow {
                    self.deny("limit", format!("{what} (rule \"{}\")", rule.name));
                }
            }
        }
    }
}

/// Which limit the prompt is over, with the figures.
fn over(limits: &Limits, prompt: &Prompt) -> Option<String> {
    let fields =
        |fields: &[Field]| -> usize { fields.iter().map(|f| f.name.len() + f.value.len()).sum() };
    let parts = |message: &Message| -> usize {
        message
            .parts
            .iter()
            .map(|part| match part {
                Part::Text(text) => text.len(),
                Part::ToolCall(call) => call.name.len() + call.arguments.len(),
                Part::Opaque(opaque) => opaque.json.len(),
            })
            .sum()
    };
    let largest = prompt.messages.iter().map(parts).max().unwrap_or(0);
    let all = prompt
        .messages
        .iter()
        .map(|m| parts(m) + fields(&m.extra))
        .sum::<usize>()
        + prompt.tools.iter().map(String::len).sum::<usize>()
        + fields(&prompt.extra);
    [
        (
            "messages",
            prompt.messages.len(),
            "max_messages",
            limits.max_messages,
        ),
        ("tools", prompt.tools.len(), "max_tools", limits.max_tools),
        (
            "bytes in one message",
            largest,
            "max_message_bytes",
            limits.max_message_bytes,
        ),
        ("bytes", all, "max_prompt_bytes", limits.max_prompt_bytes),
    ]
    .into_iter()
    .find_map(|(what, has, name, limit)| {
        let limit = limit?;
        (has as u64 > limit)
            .then(|| format!("the prompt has {has} {what}, over the limit of {limit} ({name})"))
    })
}
