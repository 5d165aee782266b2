//! Dictionaries: one Aho-Corasick automaton over many terms, walked from where a term may start.

use aho_corasick::Anchored;
use aho_corasick::automaton::Automaton as _;
use aho_corasick::nfa::contiguous::NFA;

/// Letters of scripts that write without spaces between words: any of their characters is a word.
fn stands_alone(c: char) -> bool {
    matches!(u32::from(c),
        0x0e00..=0x0eff | 0x1000..=0x109f | 0x1780..=0x17ff | 0x3040..=0x30ff
        | 0x3400..=0x9fff | 0xf900..=0xfaff | 0x2_0000..=0x3_ffff)
}

/// Whether a word that touches this character goes on.
pub(crate) fn is_word(c: char) -> bool {
    c == '_' || (c.is_alphanumeric() && !stands_alone(c))
}

/// A term on its way into an automaton.
pub(crate) struct Term {
    /// The term as configured.
    pub(crate) text: String,
    /// Which detector it belongs to.
    pub(crate) detector: u16,
    /// Matches also in other case.
    pub(crate) any_case: bool,
    /// Must end where a word ends.
    pub(crate) word_end: bool,
}

/// What is known of a term when it was found.
struct Found {
    detector: u16,
    word_end: bool,
    /// The exact text, for terms that mind their case.
    exact: Option<Box<str>>,
}

/// How a run from one position ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Run {
    /// Whatever starts here has been found.
    Done,
    /// What follows the text could still change the answer.
    More,
    /// Still undecided after as many bytes as may be held.
    TooLong,
}

/// The automaton over all terms of one kind.
pub(crate) struct Words {
    nfa: NFA,
    filter: Filter,
    found: Vec<Found>,
    detectors: Vec<u16>,
}

/// Which first four bytes a term may have: one bit for each hash of them. Most words of a text
/// end here, for one load instead of a walk.
struct Filter(Box<[u64; FILTER_BITS / 64]>);

/// 8 KiB: half of the first-level cache, and 5,000 terms set less than a tenth of the bits.
const FILTER_BITS: usize = 1 << 16;

/// Of each byte the bits that case does not change.
const FOLD: u32 = 0x1f1f_1f1f;

impl Filter {
    fn build(terms: &[String]) -> Self {
        let mut bits = Self(Box::new([0; FILTER_BITS / 64]));
        for term in terms {
            let mut first = [0; 4];
            let known = term.len().min(4);
            first[..known].copy_from_slice(&term.as_bytes()[..known]);
            // A shorter term may be followed by anything.
            for rest in 0..1_u32 << (5 * (4 - known)) {
                let mut key = u32::from_le_bytes(first);
                for i in known..4 {
                    key |= (rest >> (5 * (i - known)) & 0x1f) << (8 * i);
                }
                let place = Self::place(key);
                bits.0[place / 64] |= 1 << (place % 64);
            }
        }
        bits
    }

    fn place(key: u32) -> usize {
        ((key & FOLD).wrapping_mul(0x9e37_79b1) >> 16) as usize
    }

    /// Whether a term may start here. Too few bytes to tell: it may.
    #[inline]
    fn admits(&self, bytes: &[u8]) -> bool {
        let Some(first) = bytes.first_chunk() else {
            return true;
        };
        let place = Self::place(u32::from_le_bytes(*first));
        self.0
            .get(place / 64)
            .is_some_and(|word| word >> (place % 64) & 1 == 1)
    }
}

impl Words {
    /// Builds the automaton; `None` without terms.
    pub(crate) fn build(terms: Vec<Term>) -> Result<Option<Self>, String> {
        if terms.is_empty() {
            return Ok(None);
        }
        let mut patterns = Vec::with_capacity(terms.len());
        let mut found = Vec::with_capacity(terms.len());
        for term in terms {
            for form in forms(&term) {
                patterns.push(form);
                found.push(Found {
                    detector: term.detector,
                    word_end: term.word_end,
                    exact: (!term.any_case).then(|| term.text.clone().into()),
                });
            }
        }
        let nfa = NFA::builder()
            .ascii_case_insensitive(true)
            .prefilter(false)
            .build(&patterns)
            .map_err(|e| format!("the dictionaries are too large: {e}"))?;
        let mut detectors: Vec<u16> = found.iter().map(|f| f.detector).collect();
        detectors.sort_unstable();
        detectors.dedup();
        Ok(Some(Self {
            filter: Filter::build(&patterns),
            nfa,
            found,
            detectors,
        }))
    }

    /// Who looks for terms here, each once.
    pub(crate) fn detectors(&self) -> &[u16] {
        &self.detectors
    }

    /// Whether a term may start with this byte.
    pub(crate) fn starts_with(&self, byte: u8) -> bool {
        self.nfa.start_state(Anchored::Yes).is_ok_and(|start| {
            !self
                .nfa
                .is_dead(self.nfa.next_state(Anchored::Yes, start, byte))
        })
    }

    /// Whether a term may start with these bytes.
    #[inline]
    pub(crate) fn admits(&self, bytes: &[u8]) -> bool {
        self.filter.admits(bytes)
    }

    /// Finds every term that starts at `at`; `found` takes its detector and its end. `steps` counts the
    /// bytes that were read and the terms that were looked at.
    pub(crate) fn run(
        &self,
        text: &str,
        at: usize,
        whole: bool,
        steps: &mut usize,
        mut found: impl FnMut(u16, usize),
    ) -> Run {
        let bytes = text.as_bytes();
        if !self.filter.admits(&bytes[at..]) {
            return Run::Done;
        }
        let Ok(mut state) = self.nfa.start_state(Anchored::Yes) else {
            return Run::Done;
        };
        for (offset, byte) in bytes[at..].iter().enumerate() {
            state = self.nfa.next_state(Anchored::Yes, state, *byte);
            *steps += 1;
            if !self.nfa.is_special(state) {
                continue;
            }
            if self.nfa.is_dead(state) {
                return Run::Done;
            }
            if self.nfa.is_match(state) {
                *steps += self.nfa.match_len(state);
                self.matched(text, at, at + offset + 1, state, &mut found);
            }
        }
        if whole { Run::Done } else { Run::More }
    }

    fn matched(
        &self,
        text: &str,
        start: usize,
        end: usize,
        state: aho_corasick::automaton::StateID,
        found: &mut impl FnMut(u16, usize),
    ) {
        for index in 0..self.nfa.match_len(state) {
            let pattern = self.nfa.match_pattern(state, index);
            // A state also lists the terms that end here and started later.
            if self.nfa.pattern_len(pattern) != end - start {
                continue;
            }
            let Some(term) = self.found.get(pattern.as_usize()) else {
                continue;
            };
            let right_case = term
                .exact
                .as_deref()
                .is_none_or(|exact| text.get(start..end) == Some(exact));
            let ends = !term.word_end || !text[end..].chars().next().is_some_and(is_word);
            if right_case && ends {
                found(term.detector, end);
            }
        }
    }
}

/// The ways to write a term: the automaton folds ASCII, other letters come in the four usual forms.
fn forms(term: &Term) -> Vec<String> {
    let mut forms = vec![term.text.clone()];
    if term.any_case && !term.text.is_ascii() {
        let lower = term.text.to_lowercase();
        let mut chars = lower.chars();
        let title: String = chars
            .next()
            .into_iter()
            .flat_map(char::to_uppercase)
            .chain(chars)
            .collect();
        forms.extend([term.text.to_uppercase(), lower, title]);
        forms.sort_unstable();
        forms.dedup();
    }
    forms
}
