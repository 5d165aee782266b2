//! The built-in patterns: one dense DFA over all entities in use, run from where a token starts.

use regex_automata::Anchored;
use regex_automata::dfa::{Automaton as _, StartKind, dense};
use regex_automata::util::{primitives::StateID, start, syntax};
use regex_automata::{MatchKind, nfa::thompson};

use crate::entities::{Check, ENTITIES, Tail};
use crate::words::Run;

/// What a look at a possible match counts as, beside the bytes that its check reads.
const MATCH_STEPS: usize = 4;

/// Bytes that go on with a token.
pub(crate) fn is_token(byte: u8) -> bool {
    byte == b'_' || byte.is_ascii_alphanumeric()
}

/// Whether a match is known and nothing that follows can make another: automata tell a match one
/// byte late, and die one byte later still.
pub(crate) fn is_over(dfa: &dense::DFA<Vec<u32>>, state: StateID) -> bool {
    dfa.is_match_state(state)
        && dfa
            .byte_classes()
            .representatives(..)
            .all(|unit| match unit.as_u8() {
                Some(byte) => dfa.is_dead_state(dfa.next_state(state, byte)),
                None => dfa.is_dead_state(dfa.next_eoi_state(state)),
            })
}

/// Built-in entities and who asked for them.
pub(crate) struct Patterns {
    dfa: dense::DFA<Vec<u32>>,
    start: StateID,
    /// For each pattern of the DFA the entity's index and the detectors that want it.
    wanted: Vec<(usize, Vec<u16>)>,
    detectors: Vec<u16>,
}

impl Patterns {
    /// Builds the DFA over the wanted entities (index into `ENTITIES`, detectors).
    pub(crate) fn build(wanted: Vec<(usize, Vec<u16>)>) -> Result<Option<Self>, String> {
        if wanted.is_empty() {
            return Ok(None);
        }
        let sources: Vec<&str> = wanted.iter().map(|(e, _)| ENTITIES[*e].pattern).collect();
        let dfa = dense::Builder::new()
            .configure(
                dense::Config::new()
                    .match_kind(MatchKind::All)
                    .start_kind(StartKind::Anchored)
                    .accelerate(false)
                    .minimize(false),
            )
            .syntax(syntax::Config::new().unicode(false).utf8(false))
            .thompson(thompson::Config::new().utf8(false))
            .build_many(&sources)
            .map_err(|e| format!("the built-in patterns do not compile: {e}"))?;
        let start = dfa
            .start_state(&start::Config::new().anchored(Anchored::Yes))
            .map_err(|e| format!("the built-in patterns have no start: {e}"))?;
        let mut detectors: Vec<u16> = wanted.iter().flat_map(|(_, d)| d).copied().collect();
        detectors.sort_unstable();
        detectors.dedup();
        Ok(Some(Self {
            dfa,
            start,
            wanted,
            detectors,
        }))
    }

    /// Whether an entity may start with this byte.
    pub(crate) fn starts_with(&self, byte: u8) -> bool {
        !self
            .dfa
            .is_dead_state(self.dfa.next_state(self.start, byte))
    }

    /// Bytes of the automaton's tables.
    #[cfg(test)]
    pub(crate) fn memory(&self) -> usize {
        self.dfa.memory_usage()
    }

    /// Who looks for entities here.
    pub(crate) fn detectors(&self) -> &[u16] {
        &self.detectors
    }

    /// Finds every entity that starts at `at`; `found` takes its detector and its end.
    ///
    /// Undecided after `cap` bytes is too long. `steps` counts the bytes that were read.
    pub(crate) fn run(
        &self,
        text: &str,
        at: usize,
        whole: bool,
        cap: usize,
        steps: &mut usize,
        mut found: impl FnMut(u16, usize),
    ) -> Run {
        let bytes = text.as_bytes();
        let mut state = self.start;
        let mut result = Run::Done;
        let mut i = at;
        loop {
            let eoi = i == bytes.len();
            if i - at >= cap || (eoi && !whole) {
                if is_over(&self.dfa, state) {
                    return result;
                }
                return if i - at >= cap {
                    Run::TooLong
                } else {
                    Run::More
                };
            }
            *steps += 1;
            state = match bytes.get(i) {
                Some(byte) => self.dfa.next_state(state, *byte),
                None => self.dfa.next_eoi_state(state),
            };
            if self.dfa.is_special_state(state) {
                if self.dfa.is_dead_state(state) {
                    return result;
                }
                if self.dfa.is_match_state(state) {
                    for index in 0..self.dfa.match_len(state) {
                        *steps += MATCH_STEPS;
                        let pattern = self.dfa.match_pattern(state, index).as_usize();
                        match self.matched(pattern, text, at, i, whole, cap, steps, &mut found) {
                            Run::Done => {}
                            other => result = other,
                        }
                    }
                }
            }
            if eoi {
                return result;
            }
            i += 1;
        }
    }

    #[allow(clippy::too_many_arguments)]
    fn matched(
        &self,
        pattern: usize,
        text: &str,
        start: usize,
        end: usize,
        whole: bool,
        cap: usize,
        steps: &mut usize,
        found: &mut impl FnMut(u16, usize),
    ) -> Run {
        let Some((entity, detectors)) = self.wanted.get(pattern) else {
            return Run::Done;
        };
        let bytes = text.as_bytes();
        let end = match ENTITIES[*entity].check {
            Check::Tail(tail) => {
                let Tail { stop, end: found } = tail(bytes, end);
                *steps += stop.saturating_sub(end);
                // What the tail read last decided it.
                match found {
                    _ if stop - start >= cap => return Run::TooLong,
                    _ if stop == bytes.len() && !whole => return Run::More,
                    Some(end) => end,
                    None => return Run::Done,
                }
            }
            _ if bytes.get(end).copied().is_some_and(is_token) => return Run::Done,
            Check::None | Check::Scan(_) => end,
            Check::Value(check) if check(&bytes[start..end]) => end,
            Check::Context(check) if check(bytes, start, end) => end,
            Check::Value(_) | Check::Context(_) => return Run::Done,
        };
        for detector in detectors {
            found(*detector, end);
        }
        Run::Done
    }
}
