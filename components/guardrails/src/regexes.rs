//! Patterns of the configuration: a dense DFA each, or one whose states are made when they are needed where
//! that would grow too large.

use regex_automata::dfa::regex::Regex;
use regex_automata::dfa::{Automaton as _, StartKind, dense};
use regex_automata::nfa::thompson;
use regex_automata::util::start;
use regex_automata::{Anchored, Input, MatchKind};
use regex_syntax::hir::{Hir, HirKind, Look, Repetition};

use crate::lazy::Lazy;
pub(crate) use crate::lazy::Memory;
use crate::patterns::is_over;
use crate::words::Run;

/// The most one automaton of a pattern may take, in bytes. Ordinary ASCII patterns take a few
/// KiB; 512 KiB admits Unicode classes, and ten such patterns stay within the snapshot's 8 MiB.
const DFA_BYTES: usize = 512 << 10;

/// The most that determinising may take while it works, in bytes.
const WORK_BYTES: usize = 4 << 20;

/// What runs the pattern.
enum Engine {
    /// Forward and reverse tables: about a nanosecond a byte, never written to.
    Dense(Box<Regex>),
    /// Makes its states for each request: slower, of any size.
    Lazy(Box<Lazy>),
}

/// One pattern.
pub(crate) struct Pattern {
    engine: Engine,
    /// Which detector it belongs to.
    pub(crate) detector: u16,
    /// Shorter texts hold no match.
    shortest: usize,
}

/// A place of a text at which a match may start.
#[derive(Clone, Copy)]
pub(crate) struct Place<'t> {
    pub(crate) text: &'t str,
    pub(crate) at: usize,
    /// Nothing follows the text.
    pub(crate) whole: bool,
    /// The most bytes that may stay undecided.
    pub(crate) cap: usize,
}

/// Of so many matches in one text each may have been searched to the text's end.
const SEARCHED: usize = 64;

impl Pattern {
    /// Compiles a pattern.
    ///
    /// # Errors
    ///
    /// What is wrong with it, with the place in the pattern.
    pub(crate) fn build(source: &str, any_case: bool, detector: u16) -> Result<Self, String> {
        let hir = regex_syntax::ParserBuilder::new()
            .case_insensitive(any_case)
            .build()
            .parse(source)
            .map_err(|e| e.to_string())?;
        let shortest = hir.properties().minimum_len().unwrap_or(0);
        if shortest == 0 {
            return Err("it matches the empty string".to_owned());
        }
        let hir = ascii_boundaries(hir);
        let engine = match dense_regex(&hir) {
            Some(regex) => Engine::Dense(Box::new(regex)),
            None => Engine::Lazy(Box::new(Lazy::build(&hir)?)),
        };
        Ok(Self {
            engine,
            detector,
            shortest,
        })
    }

    /// Whether the fallback runs this pattern.
    #[cfg(test)]
    pub(crate) fn is_slow(&self) -> bool {
        matches!(self.engine, Engine::Lazy(_))
    }

    /// Finds every match in a whole text, leftmost first, none overlapping another. `spend` says whether
    /// that many more bytes may be read; where not, the rest stays unread and this says no.
    pub(crate) fn all(
        &self,
        text: &str,
        memory: &mut Option<Memory>,
        spend: &mut dyn FnMut(usize) -> bool,
        mut found: impl FnMut(usize, usize),
    ) -> bool {
        if text.len() < self.shortest {
            return true;
        }
        match &self.engine {
            Engine::Dense(regex) => {
                let mut at = 0;
                for m in regex.find_iter(text).take(SEARCHED) {
                    found(m.start(), m.end());
                    at = m.end();
                }
                at == 0 || rest(regex, text, at, spend, &mut found)
            }
            Engine::Lazy(lazy) => lazy.all(text, memory, spend, &mut found),
        }
    }

    /// Finds the match that starts at a place. Undecided after its cap is too long. `steps` counts what
    /// was read.
    pub(crate) fn run(
        &self,
        place: Place<'_>,
        memory: &mut Option<Memory>,
        steps: &mut usize,
        found: impl FnMut(usize),
    ) -> Run {
        match &self.engine {
            Engine::Dense(regex) => run_dense(regex, place, steps, found),
            Engine::Lazy(lazy) => lazy.run(place, memory, steps, found),
        }
    }
}

/// Finds the matches from `at` on and counts what is read for each: a pattern such as `a.*z|a` reads to the
/// text's end for every `a`.
fn rest(
    regex: &Regex,
    text: &str,
    mut at: usize,
    spend: &mut dyn FnMut(usize) -> bool,
    found: &mut impl FnMut(usize, usize),
) -> bool {
    let (dfa, bytes) = (regex.forward(), text.as_bytes());
    while at < bytes.len() {
        let before = at.checked_sub(1).and_then(|i| bytes.get(i).copied());
        let config = start::Config::new()
            .anchored(Anchored::No)
            .look_behind(before);
        let Ok(mut state) = dfa.start_state(&config) else {
            return false;
        };
        let mut end = None;
        let mut i = at;
        loop {
            state = match bytes.get(i) {
                Some(byte) => dfa.next_state(state, *byte),
                None => dfa.next_eoi_state(state),
            };
            if dfa.is_match_state(state) {
                end = Some(i);
            }
            if dfa.is_dead_state(state) || i == bytes.len() {
                break;
            }
            i += 1;
        }
        #[cfg(test)]
        crate::tests::growth::work(i - at);
        if !spend(i - at) {
            return false;
        }
        let Some(end) = end else { return true };
        let back = Input::new(text).span(at..end).anchored(Anchored::Yes);
        let Ok(Some(start)) = regex.reverse().try_search_rev(&back) else {
            return false;
        };
        found(start.offset(), end);
        at = end;
    }
    true
}

fn run_dense(
    regex: &Regex,
    place: Place<'_>,
    steps: &mut usize,
    mut found: impl FnMut(usize),
) -> Run {
    let Place {
        text,
        at,
        whole,
        cap,
    } = place;
    let bytes = text.as_bytes();
    let dfa = regex.forward();
    let before = at.checked_sub(1).and_then(|i| bytes.get(i).copied());
    let config = start::Config::new()
        .anchored(Anchored::Yes)
        .look_behind(before);
    let Ok(mut state) = dfa.start_state(&config) else {
        return Run::TooLong;
    };
    let mut last = None;
    let mut i = at;
    loop {
        if i - at >= cap || (i == bytes.len() && !whole) {
            if is_over(dfa, state) {
                break;
            }
            *steps += i - at;
            return if i - at >= cap {
                Run::TooLong
            } else {
                Run::More
            };
        }
        state = match bytes.get(i) {
            Some(byte) => dfa.next_state(state, *byte),
            None => dfa.next_eoi_state(state),
        };
        if dfa.is_special_state(state) {
            if dfa.is_match_state(state) {
                last = Some(i);
            } else if dfa.is_dead_state(state) {
                break;
            } else if dfa.is_quit_state(state) {
                return Run::TooLong;
            }
        }
        if i == bytes.len() {
            break;
        }
        i += 1;
    }
    *steps += i - at;
    if let Some(end) = last {
        found(end);
    }
    Run::Done
}

fn dense_regex(hir: &Hir) -> Option<Regex> {
    let config = dense::Config::new()
        .accelerate(false)
        .dfa_size_limit(Some(DFA_BYTES))
        .determinize_size_limit(Some(WORK_BYTES));
    let forward = dense::Builder::new()
        .configure(config.clone().start_kind(StartKind::Both))
        .build_from_nfa(&nfa(hir, false)?)
        .ok()?;
    let reverse = dense::Builder::new()
        .configure(
            config
                .start_kind(StartKind::Anchored)
                .match_kind(MatchKind::All),
        )
        .build_from_nfa(&nfa(hir, true)?)
        .ok()?;
    Some(Regex::builder().build_from_dfas(forward, reverse))
}

fn nfa(hir: &Hir, reverse: bool) -> Option<thompson::NFA> {
    thompson::Compiler::new()
        .configure(
            thompson::Config::new()
                .reverse(reverse)
                .which_captures(thompson::WhichCaptures::None),
        )
        .build_from_hir(hir)
        .ok()
}

/// Word boundaries as ASCII has them: Unicode's can't be put into a table.
fn ascii_boundaries(hir: Hir) -> Hir {
    match hir.into_kind() {
        HirKind::Empty => Hir::empty(),
        HirKind::Literal(literal) => Hir::literal(literal.0),
        HirKind::Class(class) => Hir::class(class),
        HirKind::Look(look) => Hir::look(match look {
            Look::WordUnicode => Look::WordAscii,
            Look::WordUnicodeNegate => Look::WordAsciiNegate,
            Look::WordStartUnicode => Look::WordStartAscii,
            Look::WordEndUnicode => Look::WordEndAscii,
            Look::WordStartHalfUnicode => Look::WordStartHalfAscii,
            Look::WordEndHalfUnicode => Look::WordEndHalfAscii,
            other => other,
        }),
        HirKind::Repetition(repetition) => Hir::repetition(Repetition {
            sub: Box::new(ascii_boundaries(*repetition.sub)),
            ..repetition
        }),
        // Nobody asks what a group captured.
        HirKind::Capture(capture) => ascii_boundaries(*capture.sub),
        HirKind::Concat(subs) => Hir::concat(subs.into_iter().map(ascii_boundaries).collect()),
        HirKind::Alternation(subs) => {
            Hir::alternation(subs.into_iter().map(ascii_boundaries).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spans(source: &str, text: &str) -> Vec<(usize, usize)> {
        let mut spans = Vec::new();
        let pattern = Pattern::build(source, false, 0).unwrap();
        let found = |start, end| spans.push((start, end));
        assert!(pattern.all(text, &mut None, &mut |_| true, found));
        spans
    }

    /// What the streaming run finds, place by place.
    fn streamed(source: &str, text: &str) -> Vec<(usize, usize)> {
        let pattern = Pattern::build(source, false, 0).unwrap();
        let mut spans: Vec<(usize, usize)> = Vec::new();
        let mut memory = None;
        for at in (0..text.len()).filter(|at| text.is_char_boundary(*at)) {
            if spans.last().is_none_or(|(_, end)| *end <= at) {
                let place = Place {
                    text,
                    at,
                    whole: true,
                    cap: 256,
                };
                let run = pattern.run(place, &mut memory, &mut 0, |end| spans.push((at, end)));
                assert_eq!(run, Run::Done);
            }
        }
        spans
    }

    #[test]
    fn patterns_find_the_same_whole_and_place_by_place() {
        for source in [
            r"\bACME-\d+\b",
            "a|ab",
            "(?:ab|a)(?:c|bcd)?",
            r"\w+ß",
            r"(?m)^x.*$",
            r"[\p{L}\d]{3,40}z",
        ] {
            for text in [
                "ACME-12 xACME-1 ACME-٣",
                "abcd abz ß",
                "xß\nx y\nz",
                "größez äöüz",
            ] {
                assert_eq!(
                    spans(source, text),
                    streamed(source, text),
                    "{source} {text}"
                );
            }
        }
    }

    #[test]
    fn the_hundredth_match_is_found_like_the_first() {
        for source in [r"\bACME-\d+\b", "a|ab", r"[\p{L}\d]{3,40}z", r"(?m)^x.*$"] {
            let text = "ACME-12 ab größez\nx y\n".repeat(90);
            assert_eq!(spans(source, &text), streamed(source, &text), "{source}");
        }
    }

    #[test]
    fn word_boundaries_are_those_of_ascii() {
        assert_eq!(spans(r"\bel\b", "éel el"), [(2, 4), (5, 7)]);
    }

    #[test]
    fn what_is_too_large_for_a_table_still_runs() {
        let large = r"\w{1,60}[xyz]\pL{1,60}!";
        assert!(Pattern::build(large, false, 0).unwrap().is_slow());
        assert!(!Pattern::build(r"\bACME-\d+", false, 0).unwrap().is_slow());
        assert_eq!(spans(large, "oh maximal! no"), [(3, 11)]);
        assert_eq!(streamed(large, "oh maximal! no"), [(3, 11)]);
    }
}
