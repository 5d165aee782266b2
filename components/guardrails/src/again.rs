//! What is held of an answer, judged once more as a reader takes it: without characters that do not show,
//! in NFKC, and with escapes decoded.

use std::ops::Range;

use crate::engines::{Asked, Budget, Engines, Match, Read};
use crate::view::{TooStrange, View, begun, last_cluster};
use crate::words::Run;

/// How much longer than the cap a possible match may be as it is written: a character takes up to six
/// bytes as an escape, and characters that do not show come between.
const WRITTEN: usize = 8;

/// What the second look at a text has found.
#[derive(Debug, Default)]
pub(crate) struct Again {
    /// Matches, where they lie in the text itself, in the order of their starts.
    pub(crate) found: Vec<Match>,
    /// Up to here nothing that follows can change it.
    pub(crate) decided: usize,
    /// Why the text is not decided further, beside what may follow.
    pub(crate) end: Option<End>,
}

impl Again {
    /// Nothing was looked for in a text of that length.
    pub(crate) fn nothing(len: usize) -> Self {
        Self {
            decided: len,
            ..Self::default()
        }
    }
}

/// Why a text can't be judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// A possible match is longer than may be held.
    Length,
    /// It takes more work than its length grants.
    Work,
    /// Too much of it is in other forms.
    Forms,
}

/// How a text is looked at.
pub(crate) struct Look<'l> {
    pub(crate) engines: &'l Engines,
    pub(crate) asked: &'l Asked,
    /// Nothing follows the text.
    pub(crate) whole: bool,
    /// The most bytes that may be held.
    pub(crate) cap: usize,
}

impl Look<'_> {
    /// Looks at a text from `from` on. What is before is known, and not decided again.
    pub(crate) fn at(&self, text: &str, from: usize, budget: &mut Budget) -> Again {
        let end = match self.whole {
            true => text.len(),
            false if self.engines.is_composed() => last_cluster(text, begun(text)),
            false => begun(text),
        };
        let mut again = Again {
            decided: end,
            ..Again::default()
        };
        let known = text.get(..end).unwrap_or_default();
        match View::of(known) {
            // Behind it an escape may begin: what is alive there may go on.
            Ok(None) if end < text.len() => {
                self.run(known, from, budget, &mut again, &|range| range);
                again.found.clear();
            }
            Ok(None) => {}
            Ok(Some(view)) => {
                let origin = |range| view.origin(&range);
                self.run(view.text(), view.place(from), budget, &mut again, &origin);
                again.decided = again.decided.max(from);
                again.found.retain(|m| m.start >= from);
            }
            Err(TooStrange) => {
                again.decided = from;
                again.end = Some(End::Forms);
            }
        }
        let held = text.len().saturating_sub(again.decided.max(from));
        if !self.whole && held > self.cap * WRITTEN {
            again.end.get_or_insert(End::Length);
        }
        again
    }

    /// Runs the automata over a text from `at` on; `origin` says where a stretch of it comes from.
    fn run(
        &self,
        seen: &str,
        mut at: usize,
        budget: &mut Budget,
        again: &mut Again,
        origin: &dyn Fn(Range<usize>) -> Range<usize>,
    ) {
        let Self {
            engines,
            asked,
            cap,
            whole,
        } = *self;
        let mut here = Vec::new();
        while at < seen.len() {
            let mut read = Read::default();
            here.clear();
            let run = engines.at(asked, seen, at, whole, cap, &mut read, &mut here);
            again.end = match run {
                _ if !budget.pays(read) => Some(End::Work),
                Run::TooLong => Some(End::Length),
                Run::More | Run::Done => None,
            };
            if run == Run::More || again.end.is_some() {
                again.decided = origin(at..at + 1).start;
                return;
            }
            again.found.extend(here.iter().map(|m| {
                let Range { start, end } = origin(m.start..m.end);
                Match { start, end, ..*m }
            }));
            at += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_escape_that_has_only_begun_is_held() {
        for text in [
            "a&",
            "a&#",
            "a&#6",
            "a&#64",
            "a&#x4",
            "a&comm",
            "a%",
            "a%4",
            "a%c3",
            "a%C3%A",
            "a\\",
            "a\\u",
            "a\\u00",
            "a\\x4",
            "a\\ud83d",
            "a\\ud83d\\u",
            "a\\u{6",
            "a\\U000000",
            "a\\14",
            "a&NegativeVeryThinSpac",
        ] {
            assert_eq!(begun(text), 1, "{text}");
        }
        for text in [
            "", "a", "R&D ", "a&#64;", "a & b", "100% of", "a%40", "a%C3%A9", "C:\\new",
            "a\\u0040", "a\\x40", "&commat;", "é", "a\\u{40}", "a\\100", "a\\9",
        ] {
            assert_eq!(begun(text), text.len(), "{text}");
        }
    }
}
