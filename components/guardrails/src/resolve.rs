//! From matches, in the order of their starts, to stretches to mask, a denial, and counts.

use crate::config::Action;
use crate::engines::{Detector, Match};
use crate::policy::Rule;

/// A stretch that will be masked as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mask {
    /// First byte.
    pub(crate) start: usize,
    /// One past the last byte.
    pub(crate) end: usize,
    /// The detector whose label it bears.
    pub(crate) detector: u16,
    /// The rule of that detector and the length of its match: the earliest, then longest, names it.
    rank: (u16, usize),
}

/// What a match led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// Nothing, or a stretch to mask.
    Pass,
    /// A denial by this detector.
    Deny(u16),
}

/// Counts of one rule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Count(pub(crate) u32);

/// What is carried from match to match through one text.
#[derive(Debug, Default)]
pub(crate) struct Resolver {
    /// Where each detector's last match ended; what starts before is part of it.
    ends: Vec<usize>,
    /// Exempt stretches: the rule that allows, first byte, one past the last.
    allowed: Vec<(u16, usize, usize)>,
    /// The stretch that later matches may still extend.
    open: Option<Mask>,
}

impl Resolver {
    /// Takes the matches that start at one place. `active` says which rules apply.
    pub(crate) fn take(
        &mut self,
        matches: &mut [Match],
        detectors: &[Detector],
        rules: &[Rule],
        active: &[bool],
        counts: &mut [Count],
    ) -> Taken {
        let rule_of = |m: &Match| detectors.get(usize::from(m.detector)).map(|d| d.rule);
        // By rule, so that an allowing rule comes before those that it exempts from; the longest
        // of a rule first, so that it is the one that counts.
        matches.sort_by_key(|m| (rule_of(m), std::cmp::Reverse(m.end)));
        if self.ends.len() < detectors.len() {
            self.ends.resize(detectors.len(), 0);
        }
        let mut counted = None;
        for m in matches.iter() {
            let Some(index) = rule_of(m) else { continue };
            let Some(rule) = rules.get(usize::from(index)) else {
                continue;
            };
            if !active.get(usize::from(index)).copied().unwrap_or(false) {
                continue;
            }
            let end = &mut self.ends[usize::from(m.detector)];
            if m.start < *end || self.exempt(index, m) {
                continue;
            }
            self.ends[usize::from(m.detector)] = m.end;
            if counted != Some(index)
                && let Some(count) = counts.get_mut(usize::from(index))
            {
                count.0 = count.0.saturating_add(1);
                counted = Some(index);
            }
            if rule.shadow {
                continue;
            }
            match rule.action {
                Action::Allow => self.allowed.push((index, m.start, m.end)),
                Action::Deny => return Taken::Deny(m.detector),
                Action::Mask => self.mask(index, m),
            }
        }
        Taken::Pass
    }

    fn exempt(&self, rule: u16, m: &Match) -> bool {
        self.allowed
            .iter()
            .any(|(by, start, end)| *by < rule && *start <= m.start && m.end <= *end)
    }

    fn mask(&mut self, rule: u16, m: &Match) {
        let len = m.end - m.start;
        let new = Mask {
            start: m.start,
            end: m.end,
            detector: m.detector,
            rank: (rule, len),
        };
        match &mut self.open {
            Some(open) if m.start < open.end => {
                open.end = open.end.max(m.end);
                let (by, longest) = open.rank;
                if rule < by || (rule == by && len > longest) {
                    open.detector = new.detector;
                    open.rank = new.rank;
                }
            }
            open => *open = Some(new),
        }
    }

    /// The stretch that matches from `at` on can no longer extend.
    pub(crate) fn settled(&mut self, at: usize) -> Option<Mask> {
        self.allowed.retain(|(_, _, end)| *end > at);
        self.open.take_if(|open| open.end <= at)
    }

    /// The stretch that is still open.
    pub(crate) fn open(&self) -> Option<Mask> {
        self.open
    }

    /// Everything moves to the front by `bytes`.
    pub(crate) fn shift(&mut self, bytes: usize) {
        for end in &mut self.ends {
            *end = end.saturating_sub(bytes);
        }
        for (_, start, end) in &mut self.allowed {
            *start = start.saturating_sub(bytes);
            *end = end.saturating_sub(bytes);
        }
        if let Some(open) = &mut self.open {
            open.start = open.start.saturating_sub(bytes);
            open.end = open.end.saturating_sub(bytes);
        }
    }
}
