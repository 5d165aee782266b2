//! All automata of one direction, run together from the positions of a text.

use std::cell::RefCell;

use crate::entities::{Scan, Tail};
use crate::patterns::{Patterns, is_token};
use crate::regexes::{Memory, Pattern, Place};
use crate::words::{Run, Words, is_word};
use crate::{email, network, secrets};

/// A stretch that a detector matched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Match {
    /// First byte.
    pub(crate) start: usize,
    /// One past the last byte.
    pub(crate) end: usize,
    /// Which detector.
    pub(crate) detector: u16,
}

/// One thing that is looked for on behalf of one rule, under one label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Detector {
    /// Index of the rule.
    pub(crate) rule: u16,
    /// The label of its masks.
    pub(crate) label: String,
}

/// For whom the automata run: which rules apply, and which of them fail closed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asked {
    /// For each rule, whether it applies.
    pub(crate) active: Vec<bool>,
    /// For each rule, whether it applies and can change something.
    strict: Vec<bool>,
    /// The automata that an applying rule needs.
    needed: u8,
    /// Whether the built-in entities serve a strict rule.
    strict_builtin: bool,
    /// Whether dictionaries serve a strict rule.
    strict_words: bool,
    /// What patterns without a table of their own remember, for each of them.
    memories: RefCell<Vec<Option<Memory>>>,
}

impl Asked {
    /// Whether nothing needs to run.
    pub(crate) fn is_idle(&self) -> bool {
        self.needed == 0
    }

    /// Whether a rule applies that can change something.
    pub(crate) fn is_strict(&self) -> bool {
        self.strict.contains(&true)
    }

    fn applies(&self, detectors: &[Detector], detector: u16) -> bool {
        holds(&self.active, detectors, detector)
    }
}

/// The flags, with this one if it is so.
fn with(flags: u8, (so, flag): (bool, u8)) -> u8 {
    if so { flags | flag } else { flags }
}

/// What `rules` says about the rule of a detector.
fn holds(rules: &[bool], detectors: &[Detector], detector: u16) -> bool {
    detectors
        .get(usize::from(detector))
        .and_then(|d| rules.get(usize::from(d.rule)))
        .copied()
        .unwrap_or(false)
}

/// A term may start with this byte where a word starts.
const AT_WORD: u8 = 1;
/// A term may start with this byte anywhere.
const ANYWHERE: u8 = 2;
/// A built-in entity may start with this byte where a token starts.
const AT_TOKEN: u8 = 4;
/// A pattern of the configuration may start with any byte.
const PATTERN: u8 = 8;
/// An address may start with this byte where a token starts.
const EMAIL: u8 = 16;
/// A value that something secret is set to may start with this byte where a token starts.
const ASSIGNED: u8 = 32;
/// An address of IPv6 may start with this byte where a token starts.
const IPV6: u8 = 64;
/// What the built-in entities need.
const BUILTIN: u8 = AT_TOKEN | EMAIL | ASSIGNED | IPV6;
/// What dictionaries need.
const WORDS: u8 = AT_WORD | ANYWHERE;
/// The byte is part of a token.
const TOKEN: u8 = 128;
/// What starts only where a word or token starts.
const AT_START: u8 = AT_WORD | AT_TOKEN | EMAIL | ASSIGNED | IPV6;

/// The most bytes that a built-in pattern may stay undecided in a prompt. Longer than every
/// entity with a fixed form; keys and tokens in one piece beyond it are denied.
const INPUT_CAP: usize = 64 << 10;

/// How many bytes the built-in patterns may read for each byte of a prompt, and in any prompt. Every token
/// is a new start: tables of numbers come to ten. What is beyond it is made so that all its tokens begin
/// what goes on for long, and is no text. A step takes some 2 ns, so the budget ends well before the
/// time that the host gives.
const STEPS_A_BYTE: usize = 16;
const STEPS: usize = 64 << 10;
/// How many bytes the patterns of the configuration may read again in any prompt: about 2 ms.
const PATTERN_STEPS: usize = 1 << 20;

/// What a delta of an answer may take beside its length: all that is held by default may be read again.
const STEPS_A_DELTA: usize = 2 << 10;

/// Bytes that automata have read.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Read {
    tokens: usize,
    words: usize,
    patterns: usize,
}

/// The steps that the texts of one prompt, or the deltas of one answer, may still take together.
#[derive(Debug)]
pub(crate) struct Budget {
    left: usize,
    /// The same of dictionaries.
    words: usize,
    /// The same of the configuration's patterns.
    patterns: usize,
}

impl Budget {
    /// For a prompt of which no text was seen yet.
    pub(crate) fn new() -> Self {
        Self {
            left: STEPS,
            words: STEPS,
            patterns: PATTERN_STEPS,
        }
    }

    /// A delta of `len` bytes will be read by so many patterns. What is held is read again with each.
    pub(crate) fn grant_delta(&mut self, len: usize, patterns: usize) {
        let more = STEPS_A_BYTE
            .saturating_mul(len)
            .saturating_add(STEPS_A_DELTA);
        self.left = self.left.saturating_add(more);
        self.words = self.words.saturating_add(more);
        self.patterns = self.patterns.saturating_add(more.saturating_mul(patterns));
    }

    /// Whether what was read was still granted.
    pub(crate) fn pays(&mut self, read: Read) -> bool {
        self.spend(read.tokens)
            & self.spend_on_words(read.words)
            & self.spend_on_patterns(read.patterns)
    }

    /// A text of `len` bytes will be read.
    fn grant(&mut self, len: usize) {
        let more = STEPS_A_BYTE.saturating_mul(len);
        self.left = self.left.saturating_add(more);
        self.words = self.words.saturating_add(more);
    }

    /// Whether dictionaries may still take `steps`.
    fn spend_on_words(&mut self, steps: usize) -> bool {
        let enough = steps <= self.words;
        self.words = self.words.saturating_sub(steps);
        enough
    }

    /// Whether a pattern may still read `steps`.
    fn spend_on_patterns(&mut self, steps: usize) -> bool {
        let enough = steps <= self.patterns;
        self.patterns = self.patterns.saturating_sub(steps);
        enough
    }

    /// Whether `steps` were still there.
    fn spend(&mut self, steps: usize) -> bool {
        let enough = steps <= self.left;
        self.left = self.left.saturating_sub(steps);
        enough
    }
}

/// The automata of one direction.
pub(crate) struct Engines {
    /// What they find, on whose behalf.
    pub(crate) detectors: Vec<Detector>,
    /// Terms that start where a word starts.
    at_word: Option<Words>,
    /// Terms that start anywhere.
    anywhere: Option<Words>,
    /// The built-in entities.
    builtin: Option<Patterns>,
    /// The built-in entities without a pattern, and who wants them.
    scans: Vec<(Scan, Vec<u16>)>,
    /// The configuration's patterns.
    patterns: Vec<Pattern>,
    /// For each byte, what may start with it.
    starts: Box<[u8; 256]>,
    /// Something that is looked for holds a character that other characters make together.
    composed: bool,
}

impl Default for Engines {
    fn default() -> Self {
        Self::new(Vec::new(), None, None, None, Vec::new(), Vec::new())
    }
}

impl Engines {
    /// Puts the automata together.
    pub(crate) fn new(
        detectors: Vec<Detector>,
        at_word: Option<Words>,
        anywhere: Option<Words>,
        builtin: Option<Patterns>,
        scans: Vec<(Scan, Vec<u16>)>,
        patterns: Vec<Pattern>,
    ) -> Self {
        let mut starts = Box::new([0; 256]);
        for (byte, flags) in (0..=u8::MAX).zip(starts.iter_mut()) {
            let at_word = at_word.as_ref().is_some_and(|w| w.starts_with(byte));
            let anywhere = anywhere.as_ref().is_some_and(|w| w.starts_with(byte));
            let builtin = builtin.as_ref().is_some_and(|p| p.starts_with(byte));
            // No match starts within a character.
            let pattern = !patterns.is_empty() && byte & 0xc0 != 0x80;
            *flags = [
                (at_word, AT_WORD),
                (anywhere, ANYWHERE),
                (builtin, AT_TOKEN),
                (pattern, PATTERN),
                (is_token(byte), TOKEN | EMAIL | ASSIGNED),
                (byte.is_ascii_hexdigit() || byte == b':', IPV6),
            ]
            .into_iter()
            .fold(0, with);
        }
        Self {
            detectors,
            at_word,
            anywhere,
            builtin,
            scans,
            patterns,
            starts,
            composed: false,
        }
    }

    /// Says whether what is looked for holds characters that others make together, such as `é`.
    pub(crate) fn composed(mut self, composed: bool) -> Self {
        self.composed = composed;
        self
    }

    /// Whether a character that follows may make one that is looked for.
    pub(crate) fn is_composed(&self) -> bool {
        self.composed
    }

    /// Bytes of the built-in automaton's tables.
    #[cfg(test)]
    pub(crate) fn builtin_memory(&self) -> usize {
        self.builtin.as_ref().map_or(0, Patterns::memory)
    }

    /// Prepares the automata for the rules that apply and those that are strict.
    pub(crate) fn asked(&self, active: Vec<bool>, strict: Vec<bool>) -> Asked {
        let applies = |detector: u16| holds(&active, &self.detectors, detector);
        let words = |words: &Option<Words>| {
            words
                .as_ref()
                .is_some_and(|w| w.detectors().iter().any(|d| applies(*d)))
        };
        let any = |detectors: &[u16], rules: &[bool]| {
            detectors.iter().any(|d| holds(rules, &self.detectors, *d))
        };
        let builtin = |rules: &[bool]| {
            self.builtin
                .as_ref()
                .is_some_and(|p| any(p.detectors(), rules))
        };
        let scan = |wanted: Scan, rules: &[bool]| {
            self.scans
                .iter()
                .any(|(scan, d)| *scan == wanted && any(d, rules))
        };
        let needed = [
            (words(&self.at_word), AT_WORD),
            (words(&self.anywhere), ANYWHERE),
            (builtin(&active), AT_TOKEN),
            (scan(Scan::Email, &active), EMAIL),
            (scan(Scan::Assigned, &active), ASSIGNED),
            (scan(Scan::Ipv6, &active), IPV6),
            (self.patterns.iter().any(|p| applies(p.detector)), PATTERN),
        ]
        .into_iter()
        .fold(0, with);
        let strict_words = [&self.at_word, &self.anywhere]
            .into_iter()
            .flatten()
            .any(|words| any(words.detectors(), &strict));
        Asked {
            memories: RefCell::new(vec![None; self.patterns.len()]),
            strict_words,
            strict_builtin: builtin(&strict) || self.scans.iter().any(|(_, d)| any(d, &strict)),
            active,
            strict,
            needed,
        }
    }

    /// What may start at `at`, given the byte there and what is before it.
    fn flags(&self, text: &str, at: usize, mask: u8) -> u8 {
        let bytes = text.as_bytes();
        let class = |i: usize| bytes.get(i).map_or(0, |b| self.starts[usize::from(*b)]);
        let before = at.checked_sub(1).map_or(0, class);
        let flags = gate(class(at), before) & mask;
        self.after_letter(text, at, flags)
    }

    /// Takes back that a word starts after a letter beyond ASCII.
    fn after_letter(&self, text: &str, at: usize, flags: u8) -> u8 {
        let before = text.as_bytes().get(at.wrapping_sub(1));
        if flags & AT_WORD == 0 || before.is_none_or(u8::is_ascii) {
            return flags;
        }
        let goes_on = text
            .get(..at)
            .and_then(|before| before.chars().next_back())
            .is_some_and(is_word);
        if goes_on { flags & !AT_WORD } else { flags }
    }

    /// How many patterns the configuration has.
    pub(crate) fn patterns(&self) -> usize {
        self.patterns.len()
    }

    /// Finds what starts at `at`; `whole` says that nothing follows the text. Matches count only
    /// when the result is [`Run::Done`].
    #[allow(clippy::too_many_arguments)]
    pub(crate) fn at(
        &self,
        asked: &Asked,
        text: &str,
        at: usize,
        whole: bool,
        cap: usize,
        read: &mut Read,
        found: &mut Vec<Match>,
    ) -> Run {
        let flags = self.flags(text, at, asked.needed);
        let first = found.len();
        let mut result = Run::Done;
        if flags & !PATTERN != 0 {
            result = self.tokens(asked, text, at, whole, cap, flags, read, found);
        }
        if flags & PATTERN != 0 {
            let mut memories = asked.memories.borrow_mut();
            for (pattern, memory) in self.patterns.iter().zip(memories.iter_mut()) {
                if !asked.applies(&self.detectors, pattern.detector) {
                    continue;
                }
                let place = Place {
                    text,
                    at,
                    whole,
                    cap,
                };
                let run = pattern.run(place, memory, &mut read.patterns, |end| {
                    longest(found, first, at, pattern.detector, end);
                });
                let strict = holds(&asked.strict, &self.detectors, pattern.detector);
                result = worse(result, lenient(run, strict));
            }
        }
        #[cfg(test)]
        crate::tests::growth::work(read.tokens + read.words + read.patterns);
        result
    }

    /// Finds dictionary terms and built-in entities that start at `at`.
    #[allow(clippy::too_many_arguments)]
    fn tokens(
        &self,
        asked: &Asked,
        text: &str,
        at: usize,
        whole: bool,
        cap: usize,
        flags: u8,
        read: &mut Read,
        found: &mut Vec<Match>,
    ) -> Run {
        let mut result = Run::Done;
        let first = found.len();
        let mut take = |detector, end| longest(found, first, at, detector, end);
        for (flag, words) in [(AT_WORD, &self.at_word), (ANYWHERE, &self.anywhere)] {
            if flags & flag != 0
                && let Some(words) = words
            {
                let run = words.run(text, at, whole, &mut read.words, &mut take);
                result = worse(result, run);
            }
        }
        if flags & AT_TOKEN != 0
            && let Some(builtin) = &self.builtin
        {
            let run = builtin.run(text, at, whole, cap, &mut read.tokens, &mut take);
            result = worse(result, lenient(run, asked.strict_builtin));
        }
        if flags & (EMAIL | ASSIGNED | IPV6) != 0 {
            for (scan, detectors) in &self.scans {
                let flag = match scan {
                    Scan::Email => EMAIL,
                    Scan::Assigned => ASSIGNED,
                    Scan::Ipv6 => IPV6,
                };
                if flags & flag == 0 {
                    continue;
                }
                let Tail { stop, end } = scan.find(text.as_bytes(), at);
                read.tokens += stop - at;
                if stop - at >= cap {
                    result = worse(result, lenient(Run::TooLong, asked.strict_builtin));
                } else if stop == text.len() && !whole {
                    result = worse(result, Run::More);
                } else if let Some(end) = end {
                    for detector in detectors {
                        take(*detector, end);
                    }
                }
            }
        }
        result
    }

    /// Finds everything in a whole text, in the order of the starts. [`Run::TooLong`] says that
    /// something stayed undecided for longer than any entity is, or that the budget is used up; no rule
    /// is then asked further.
    pub(crate) fn all(
        &self,
        asked: &Asked,
        text: &str,
        budget: &mut Budget,
        found: &mut Vec<Match>,
    ) -> Run {
        let mut result = Run::Done;
        let mut mask = asked.needed & !PATTERN;
        if mask != 0 {
            budget.grant(text.len());
            let mut hint = Hint::new(text.as_bytes(), self.at_word.as_ref());
            let mut before = 0;
            for (at, byte) in text.bytes().enumerate() {
                let class = self.starts[usize::from(byte)];
                let flags = gate(class, before) & mask;
                before = class;
                if flags == 0 {
                    continue;
                }
                let flags = hint.narrow(self.after_letter(text, at, flags), at);
                if flags == 0 {
                    continue;
                }
                let mut read = Read::default();
                let run = self.tokens(asked, text, at, true, INPUT_CAP, flags, &mut read, found);
                result = worse(result, run);
                #[cfg(test)]
                crate::tests::growth::work(read.tokens + read.words);
                if !budget.spend(read.tokens) {
                    result = worse(result, lenient(Run::TooLong, asked.strict_builtin));
                    mask &= !BUILTIN;
                }
                if !budget.spend_on_words(read.words) {
                    result = worse(result, lenient(Run::TooLong, asked.strict_words));
                    mask &= !WORDS;
                }
                if result == Run::TooLong {
                    return result;
                }
            }
        }
        if asked.needed & PATTERN != 0 {
            let mut memories = asked.memories.borrow_mut();
            for (pattern, memory) in self.patterns.iter().zip(memories.iter_mut()) {
                if asked.applies(&self.detectors, pattern.detector) {
                    let more = STEPS_A_BYTE.saturating_mul(text.len());
                    budget.patterns = budget.patterns.saturating_add(more);
                    let spend = &mut |steps| budget.spend_on_patterns(steps);
                    let done = pattern.all(text, memory, spend, |start, end| {
                        found.push(Match {
                            start,
                            end,
                            detector: pattern.detector,
                        });
                    });
                    let strict = holds(&asked.strict, &self.detectors, pattern.detector);
                    if !done && strict {
                        result = Run::TooLong;
                    }
                }
            }
            found.sort_by_key(|m| m.start);
        }
        result
    }
}

/// Keeps what starts at `at` once for each detector, with its longest end: the resolver takes no other, and
/// a key of 60 KB ends at nearly each of its bytes. What starts at `at` is in `found` from `first` on.
pub(crate) fn longest(found: &mut Vec<Match>, first: usize, at: usize, detector: u16, end: usize) {
    let here = found.get_mut(first..).unwrap_or_default();
    match here.iter_mut().rev().find(|m| m.detector == detector) {
        Some(known) => known.end = known.end.max(end),
        None => found.push(Match {
            start: at,
            end,
            detector,
        }),
    }
}

/// What a look at the surroundings rules out in a whole text: an address is not far before the
/// next `@` or `:`, an assigned value not far behind a sign, and few words start like a term.
struct Hint<'a> {
    text: &'a [u8],
    words: Option<&'a Words>,
    at_sign: Next<'a>,
    colon: Next<'a>,
}

impl<'a> Hint<'a> {
    fn new(text: &'a [u8], words: Option<&'a Words>) -> Self {
        Self {
            text,
            words,
            at_sign: Next::new(text, b'@'),
            colon: Next::new(text, b':'),
        }
    }

    /// Takes back what can't start at `at`.
    #[inline]
    fn narrow(&mut self, flags: u8, at: usize) -> u8 {
        let mut left = flags;
        if self.at_sign.from(at) > email::LOCAL {
            left &= !EMAIL;
        }
        if self.colon.from(at) > network::FIRST_GROUP {
            left &= !IPV6;
        }
        if flags & ASSIGNED != 0 && !secrets::follows_sign(self.text, at) {
            left &= !ASSIGNED;
        }
        if flags & AT_WORD != 0
            && let Some(words) = self.words
            && !words.admits(&self.text[at..])
        {
            left &= !AT_WORD;
        }
        left
    }
}

/// The next place of a byte in a text.
struct Next<'a> {
    text: &'a [u8],
    byte: u8,
    place: usize,
}

impl<'a> Next<'a> {
    fn new(text: &'a [u8], byte: u8) -> Self {
        let place = memchr::memchr(byte, text).unwrap_or(usize::MAX);
        Self { text, byte, place }
    }

    /// How far it is from `at`, which never goes back.
    #[inline]
    fn from(&mut self, at: usize) -> usize {
        if self.place < at {
            let next = memchr::memchr(self.byte, &self.text[at..]);
            self.place = next.map_or(usize::MAX, |i| at + i);
        }
        self.place - at
    }
}

/// What may start with a byte of this class after one of that class.
fn gate(class: u8, before: u8) -> u8 {
    let within = if before & TOKEN == 0 { 0 } else { AT_START };
    class & !TOKEN & !within
}

/// What stays undecided for a rule that changes nothing is no match.
fn lenient(run: Run, strict: bool) -> Run {
    match run {
        Run::TooLong if !strict => Run::Done,
        run => run,
    }
}

/// The result that decides less.
fn worse(a: Run, b: Run) -> Run {
    match (a, b) {
        (Run::TooLong, _) | (_, Run::TooLong) => Run::TooLong,
        (Run::More, _) | (_, Run::More) => Run::More,
        _ => Run::Done,
    }
}
