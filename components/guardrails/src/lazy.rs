//! Patterns whose table would grow too large: states are made as a text needs them, and what they take is
//! counted like bytes that are read.

use regex_automata::hybrid::dfa::{Cache, Config, DFA};
use regex_automata::nfa::thompson;
use regex_automata::util::start;
use regex_automata::{Anchored, Input, MatchKind};
use regex_syntax::hir::Hir;

use crate::regexes::Place;
use crate::words::Run;

/// The most bytes of states that are kept of one pattern: several hundred states of a large one. Beyond it
/// they are made again.
const KEPT_BYTES: usize = 256 << 10;

/// The most that a pattern may take before it has states, in bytes; read backwards it may be larger.
const FORWARD_BYTES: usize = 4 << 20;
const REVERSE_BYTES: usize = 16 << 20;

/// How many bytes of states take as long to make as one byte takes to read.
const BYTES_A_STEP: usize = 8;

/// After so many bytes of a search they are paid for.
const CHECK: usize = 4 << 10;

/// One pattern.
pub(crate) struct Lazy {
    forward: DFA,
    reverse: DFA,
}

/// The states of one pattern that a request or an answer has needed.
#[derive(Clone, Debug)]
pub(crate) struct Memory {
    forward: Cache,
    reverse: Cache,
}

impl Lazy {
    /// Prepares a pattern.
    ///
    /// # Errors
    ///
    /// When it is too large for any automaton.
    pub(crate) fn build(hir: &Hir) -> Result<Self, String> {
        Ok(Self {
            forward: dfa(hir, false, MatchKind::LeftmostFirst, FORWARD_BYTES)?,
            reverse: dfa(hir, true, MatchKind::All, REVERSE_BYTES)?,
        })
    }

    fn memory<'m>(&self, memory: &'m mut Option<Memory>) -> &'m mut Memory {
        memory.get_or_insert_with(|| Memory {
            forward: self.forward.create_cache(),
            reverse: self.reverse.create_cache(),
        })
    }

    /// Finds every match in a whole text, leftmost first, none overlapping another. `spend` says whether
    /// that much more may be read; where not, the rest stays unread and this says no.
    pub(crate) fn all(
        &self,
        text: &str,
        memory: &mut Option<Memory>,
        spend: &mut dyn FnMut(usize) -> bool,
        found: &mut impl FnMut(usize, usize),
    ) -> bool {
        let memory = self.memory(memory);
        let mut at = 0;
        while at < text.len() {
            let end = match self.end_of_next(text.as_bytes(), at, memory, spend) {
                Ok(Some(end)) => end,
                Ok(None) => return true,
                Err(Unread) => return false,
            };
            let back = Input::new(text).span(at..end).anchored(Anchored::Yes);
            let before = made(&memory.reverse);
            let start = self.reverse.try_search_rev(&mut memory.reverse, &back);
            let Ok(Some(start)) = start else { return false };
            if !spend(made(&memory.reverse).saturating_sub(before)) {
                return false;
            }
            found(start.offset(), end);
            at = end;
        }
        true
    }

    /// Where the first match from `at` on ends.
    fn end_of_next(
        &self,
        bytes: &[u8],
        at: usize,
        memory: &mut Memory,
        spend: &mut dyn FnMut(usize) -> bool,
    ) -> Result<Option<usize>, Unread> {
        let cache = &mut memory.forward;
        let mut paid = (at, made(cache));
        let mut pay = |i: usize, cache: &Cache| {
            let now = made(cache);
            let steps = i - paid.0 + now.saturating_sub(paid.1);
            paid = (i, now);
            #[cfg(test)]
            crate::tests::growth::work(steps);
            if spend(steps) { Ok(()) } else { Err(Unread) }
        };
        let config = from(bytes, at).anchored(Anchored::No);
        let start = self.forward.start_state(cache, &config);
        let mut state = start.map_err(|_| Unread)?;
        let mut end = None;
        let mut i = at;
        loop {
            let next = match bytes.get(i) {
                Some(byte) => self.forward.next_state(cache, state, *byte),
                None => self.forward.next_eoi_state(cache, state),
            };
            state = next.map_err(|_| Unread)?;
            if state.is_match() {
                end = Some(i);
            }
            if state.is_dead() || i == bytes.len() {
                break;
            }
            i += 1;
            if i.is_multiple_of(CHECK) {
                pay(i, cache)?;
            }
        }
        pay(i, cache)?;
        Ok(end)
    }

    /// Finds the match that starts at a place. `steps` counts what was read.
    pub(crate) fn run(
        &self,
        place: Place<'_>,
        memory: &mut Option<Memory>,
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
        let cache = &mut self.memory(memory).forward;
        let before = made(cache);
        let config = from(bytes, at).anchored(Anchored::Yes);
        let Ok(mut state) = self.forward.start_state(cache, &config) else {
            return Run::TooLong;
        };
        let mut last = None;
        let mut i = at;
        let result = loop {
            if i - at >= cap {
                break Run::TooLong;
            }
            if i == bytes.len() && !whole {
                break Run::More;
            }
            let next = match bytes.get(i) {
                Some(byte) => self.forward.next_state(cache, state, *byte),
                None => self.forward.next_eoi_state(cache, state),
            };
            let Ok(next) = next else { break Run::TooLong };
            state = next;
            if state.is_match() {
                last = Some(i);
            }
            if state.is_dead() || i == bytes.len() {
                break Run::Done;
            }
            i += 1;
        };
        *steps += i - at + made(cache).saturating_sub(before);
        if let Some(end) = last.filter(|_| result == Run::Done) {
            found(end);
        }
        result
    }
}

/// A search was given up.
struct Unread;

/// A search that begins at a place of a text.
fn from(bytes: &[u8], at: usize) -> start::Config {
    let before = at.checked_sub(1).and_then(|i| bytes.get(i).copied());
    start::Config::new().look_behind(before)
}

/// Steps that all states took to make.
fn made(cache: &Cache) -> usize {
    (cache.memory_usage() + cache.clear_count() * KEPT_BYTES) / BYTES_A_STEP
}

fn dfa(hir: &Hir, reverse: bool, kind: MatchKind, bytes: usize) -> Result<DFA, String> {
    let nfa = thompson::Compiler::new()
        .configure(
            thompson::Config::new()
                .reverse(reverse)
                .which_captures(thompson::WhichCaptures::None)
                .nfa_size_limit(Some(bytes)),
        )
        .build_from_hir(hir)
        .map_err(|e| format!("it is too large: {e}"))?;
    let config = Config::new()
        .match_kind(kind)
        .cache_capacity(KEPT_BYTES)
        .skip_cache_capacity_check(true);
    DFA::builder()
        .configure(config)
        .build_from_nfa(nfa)
        .map_err(|e| e.to_string())
}
