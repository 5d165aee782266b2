//! Judges a prompt: its limits, and what each of its places says.

use std::ops::Range;

use crate::bindings::exports::forebay::guardrails::guardrails::{
    Action as Judgement, Caller, Edit, Outline, Place, PlaceKind, Reason, Span, Verdict,
};
use crate::config::{Limits, Unreadable};
use crate::encoded::encoded;
use crate::engines::{Asked, Budget, Match};
use crate::json::{looks_like_json, nested, texts, tokens};
use crate::policy::Policy;
use crate::resolve::{Count, Mask, Resolver, Taken};
use crate::seams::{Run as Joined, runs};
use crate::view::{TooStrange, View};
use crate::words::Run;

/// Judges a prompt.
pub(crate) fn check(
    policy: &Policy,
    caller: &Caller,
    outline: &Outline,
    places: &[Place],
) -> Verdict {
    let active = policy.for_input(caller);
    let output = policy.for_output(caller);
    let scope = policy.scope(&active, &output);
    let mut judge = Judge {
        policy,
        counts: vec![Count::default(); policy.rules.len()],
        asked: policy.input.asked(active.clone(), policy.strict(&active)),
        decoding: decoding(policy, &active),
        active,
        matches: Vec::new(),
        budget: Budget::new(),
        gave_up: false,
        edits: vec![Vec::new(); places.len()],
        denied: None,
    };
    judge.limits(outline);
    if !judge.asked.is_idle() {
        judge.places(places);
    }
    let action = match judge.denied.take() {
        Some(reason) => Judgement::Deny(reason),
        None => match judge.edits() {
            edits if edits.is_empty() => Judgement::Allow,
            edits => Judgement::Edit(edits),
        },
    };
    Verdict {
        action,
        hits: policy.hits(&mut judge.counts),
        guard_output: output.contains(&true),
        output_enforced: policy.strict(&output).contains(&true),
        scope,
    }
}

/// The rules that look into what is encoded, where any applies.
fn decoding(policy: &Policy, active: &[bool]) -> Option<Asked> {
    let decoding = policy.decoding(active);
    let strict = policy.strict(&decoding);
    let any = decoding.contains(&true);
    any.then(|| policy.input.asked(decoding, strict))
}

/// A stretch to mask, and its label.
#[derive(Clone)]
struct Stretch {
    range: Range<usize>,
    label: String,
}

struct Judge<'a> {
    policy: &'a Policy,
    active: Vec<bool>,
    asked: Asked,
    /// For whom what is encoded is looked at; none where no rule asks for it.
    decoding: Option<Asked>,
    counts: Vec<Count>,
    matches: Vec<Match>,
    budget: Budget,
    /// Whether a text took too long to judge. The prompt is denied, so the rest is not read.
    gave_up: bool,
    /// For each place.
    edits: Vec<Vec<Stretch>>,
    denied: Option<Reason>,
}

impl Judge<'_> {
    fn places(&mut self, places: &[Place]) {
        for (index, place) in places.iter().enumerate() {
            match place.kind {
                PlaceKind::Unreadable => self.unreadable(place),
                PlaceKind::Json => self.json(index, place),
                _ => self.text(index, place),
            }
        }
        for run in runs(places) {
            self.joined(&run, places);
        }
    }

    /// A prompt that no rule can read would walk around all of them: it fails closed.
    fn unreadable(&mut self, place: &Place) {
        if self.policy.unreadable == Unreadable::Pass {
            return;
        }
        let strict = self.policy.strict(&self.active);
        let mut rules = self.policy.rules.iter().zip(strict);
        if rules.any(|(rule, strict)| strict && rule.limits.is_none()) {
            self.deny(
                "unreadable",
                format!(
                    "{} holds content that rules can't read, such as token ids, a PDF or audio; send it as text",
                    place.path
                ),
            );
        }
    }

    fn text(&mut self, index: usize, place: &Place) {
        let text = place.text.as_str();
        let mut found = self.scan(&place.path, text, None);
        if text.contains('\\') && looks_like_json(text) {
            nested(text, &mut |value, outer| {
                for mut mask in self.scan(&place.path, value, None) {
                    mask.range = outer(mask.range);
                    found.push(mask);
                }
            });
        }
        self.edits[index].append(&mut found);
    }

    fn json(&mut self, index: usize, place: &Place) {
        let mut found = Vec::new();
        tokens(&place.text, |token| {
            let masks = self.scan(&place.path, &token.value, None);
            let in_json = |range: Range<usize>| {
                let (start, end) = token.place(range.start, range.end);
                start..end
            };
            for mask in masks {
                found.push(Stretch {
                    range: in_json(mask.range),
                    label: mask.label,
                });
            }
            if !token.is_number && token.value.contains('\\') && looks_like_json(&token.value) {
                nested(&token.value, &mut |value, outer| {
                    for mut mask in self.scan(&place.path, value, None) {
                        mask.range = in_json(outer(mask.range));
                        found.push(mask);
                    }
                });
            }
        });
        self.edits[index].append(&mut found);
        self.blocks(index, place);
    }

    /// Finds what begins in one text block of a JSON text and ends in another.
    fn blocks(&mut self, index: usize, place: &Place) {
        let mut run = Joined::default();
        texts(&place.text, |token| {
            if !run.text.is_empty() {
                run.seams.push(run.text.len());
            }
            run.text.push_str(&token.value);
        });
        if run.seams.is_empty() {
            return;
        }
        let masks = self.scan(&place.path, &run.text, Some(&run.seams));
        let mut pieces: Vec<(usize, Range<usize>, String)> = Vec::new();
        for mask in masks {
            let of_mask = run.pieces(mask.range);
            pieces.extend(of_mask.map(|(block, range)| (block, range, mask.label.clone())));
        }
        pieces.sort_by_key(|(block, ..)| *block);
        let mut pieces = pieces.into_iter().peekable();
        let mut at = 0;
        texts(&place.text, |token| {
            while let Some((_, range, label)) = pieces.next_if(|(block, ..)| *block == at) {
                let (start, end) = token.place(range.start, range.end);
                let range = start..end;
                self.edits[index].push(Stretch { range, label });
            }
            at += 1;
        });
    }

    /// Finds what begins in one place and ends in another.
    fn joined(&mut self, run: &Joined, places: &[Place]) {
        let path = &places[run.first].path;
        for mask in self.scan(path, &run.text, Some(&run.seams)) {
            for (index, range) in run.pieces(mask.range) {
                self.edits[index].push(Stretch {
                    range,
                    label: mask.label.clone(),
                });
            }
        }
    }

    /// Finds what is in one text, as it is, as a reader takes it, and for rules that ask for it as it is
    /// decoded; with seams, only what crosses one.
    fn scan(&mut self, path: &str, text: &str, seams: Option<&[usize]>) -> Vec<Stretch> {
        let mut masks = self.seen(path, text, seams);
        if let Some(decoding) = self.decoding.take() {
            let plain = std::mem::replace(&mut self.asked, decoding);
            for encoded in encoded(text) {
                let origin = |range: Range<usize>| encoded.origin(&range);
                masks.append(&mut self.found(path, &encoded.text, seams, &origin));
            }
            self.decoding = Some(std::mem::replace(&mut self.asked, plain));
        }
        masks
    }

    /// Finds what is in one text, as it is and as a reader takes it.
    fn seen(&mut self, path: &str, text: &str, seams: Option<&[usize]>) -> Vec<Stretch> {
        let view = match View::of(text) {
            Ok(None) => return self.found(path, text, seams, &|range| range),
            Ok(Some(view)) => view,
            Err(TooStrange) => {
                self.gave_up = true;
                self.deny(
                    "match-too-long",
                    format!(
                        "too much of {path} is written in unusual character forms; send it as plain text"
                    ),
                );
                return Vec::new();
            }
        };
        let before = self.counts.clone();
        let mut masks = self.found(path, text, seams, &|range| range);
        let as_it_is = std::mem::replace(&mut self.counts, before);
        let origin = |range| view.origin(&range);
        masks.append(&mut self.found(path, view.text(), seams, &origin));
        // What both show is one match.
        for (count, other) in self.counts.iter_mut().zip(as_it_is) {
            count.0 = count.0.max(other.0);
        }
        masks
    }

    /// Finds and resolves the matches of a text or of another form of it. Seams and stretches are the text's
    /// own; `origin` leads there.
    fn found(
        &mut self,
        path: &str,
        text: &str,
        seams: Option<&[usize]>,
        origin: &dyn Fn(Range<usize>) -> Range<usize>,
    ) -> Vec<Stretch> {
        let mut masks = Vec::new();
        if self.gave_up {
            return masks;
        }
        let engines = &self.policy.input;
        let mut matches = std::mem::take(&mut self.matches);
        matches.clear();
        let run = engines.all(&self.asked, text, &mut self.budget, &mut matches);
        if let Some(seams) = seams {
            matches.retain(|m| {
                let Range { start, end } = origin(m.start..m.end);
                let next = seams.partition_point(|seam| *seam <= start);
                seams.get(next).is_some_and(|seam| *seam < end)
            });
        }
        let mut denial = None;
        if !matches.is_empty() {
            let stretch = |mask: Mask| Stretch {
                range: origin(mask.start..mask.end),
                label: engines
                    .detectors
                    .get(usize::from(mask.detector))
                    .map_or_else(String::new, |d| d.label.clone()),
            };
            let mut resolver = Resolver::default();
            for group in matches.chunk_by_mut(|a, b| a.start == b.start) {
                let at = group.first().map_or(0, |m| m.start);
                masks.extend(resolver.settled(at).map(stretch));
                let taken = resolver.take(
                    group,
                    &engines.detectors,
                    &self.policy.rules,
                    &self.asked.active,
                    &mut self.counts,
                );
                if let Taken::Deny(detector) = taken {
                    denial.get_or_insert(detector);
                }
            }
            masks.extend(resolver.settled(usize::MAX).map(stretch));
        }
        self.matches = matches;
        if let Some(detector) = denial {
            self.deny_by(detector, path);
        }
        if run == Run::TooLong {
            self.gave_up = true;
            self.deny(
                "match-too-long",
                format!("a possible match in {path} is longer than can be judged"),
            );
        }
        masks
    }

    /// All edits: sorted, and what overlaps in one place made one.
    fn edits(&mut self) -> Vec<Edit> {
        let mut edits = Vec::new();
        for (place, mut found) in (0_u32..).zip(std::mem::take(&mut self.edits)) {
            found.sort_by_key(|s| (s.range.start, std::cmp::Reverse(s.range.end)));
            let mut merged: Vec<Stretch> = Vec::with_capacity(found.len());
            for next in found {
                match merged.last_mut() {
                    Some(last) if next.range.start < last.range.end => {
                        last.range.end = last.range.end.max(next.range.end);
                    }
                    _ => merged.push(next),
                }
            }
            for stretch in merged {
                // The host bounds a request far below 4 GiB.
                let offset = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
                edits.push(Edit {
                    span: Span {
                        place,
                        start: offset(stretch.range.start),
                        end: offset(stretch.range.end),
                    },
                    label: stretch.label,
                });
            }
        }
        edits
    }

    fn deny_by(&mut self, detector: u16, path: &str) {
        let found = self.policy.input.detectors.get(usize::from(detector));
        if let Some(found) = found
            && let Some(rule) = self.policy.rules.get(usize::from(found.rule))
        {
            self.deny(
                "rule-denied",
                format!("the rule \"{}\" found {} in {path}", rule.name, found.label),
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

    fn limits(&mut self, outline: &Outline) {
        for (index, rule) in self.policy.rules.iter().enumerate() {
            let Some(limits) = rule.limits.filter(|_| self.active[index]) else {
                continue;
            };
            if let Some(what) = over(&limits, outline) {
                self.counts[index].0 += 1;
                if !rule.shadow {
                    self.deny("limit", format!("{what} (rule \"{}\")", rule.name));
                }
            }
        }
    }
}

/// Which limit the prompt is over, with the figures.
fn over(limits: &Limits, outline: &Outline) -> Option<String> {
    [
        (
            "messages",
            u64::from(outline.messages),
            "max_messages",
            limits.max_messages,
        ),
        (
            "tools",
            u64::from(outline.tools),
            "max_tools",
            limits.max_tools,
        ),
        (
            "bytes in one message",
            outline.largest_message,
            "max_message_bytes",
            limits.max_message_bytes,
        ),
        (
            "bytes",
            outline.bytes,
            "max_prompt_bytes",
            limits.max_prompt_bytes,
        ),
    ]
    .into_iter()
    .find_map(|(what, has, name, limit)| {
        let limit = limit?;
        (has > limit)
            .then(|| format!("the prompt has {has} {what}, over the limit of {limit} ({name})"))
    })
}
