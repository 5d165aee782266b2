//! Places that the model reads as one text: a value cut over two of them is still that value.

use std::ops::Range;

use crate::bindings::exports::forebay::guardrails::guardrails::{Place, PlaceKind};

/// Neighbouring places and the text that they make together.
#[derive(Default)]
pub(crate) struct Run {
    /// The index of the first.
    pub(crate) first: usize,
    /// Their texts, one behind the other.
    pub(crate) text: String,
    /// Where each but the first begins in `text`.
    pub(crate) seams: Vec<usize>,
}

impl Run {
    /// The places that a stretch of the text lies in, and where in each.
    pub(crate) fn pieces(
        &self,
        range: Range<usize>,
    ) -> impl Iterator<Item = (usize, Range<usize>)> {
        let first = self.seams.partition_point(|seam| *seam <= range.start);
        (first..=self.seams.len())
            .map_while(move |i| {
                let begin = i.checked_sub(1).and_then(|i| self.seams.get(i)).copied();
                let begin = begin.unwrap_or(0);
                let end = self.seams.get(i).copied().unwrap_or(self.text.len());
                let (from, to) = (range.start.max(begin), range.end.min(end));
                (begin < range.end)
                    .then(|| (self.first + i, from - begin..to.saturating_sub(begin)))
            })
            .filter(|(_, range)| !range.is_empty())
    }
}

/// All runs of two places or more. Each place is in one run at most.
pub(crate) fn runs(places: &[Place]) -> impl Iterator<Item = Run> {
    let joins = |place: &Place| place.joins_next && place.kind == PlaceKind::Text;
    let mut next = 0;
    std::iter::from_fn(move || {
        loop {
            let first = next;
            let mut run = Run {
                first,
                text: String::new(),
                seams: Vec::new(),
            };
            loop {
                let place = places.get(next)?;
                next += 1;
                let follows = places.get(next).is_some_and(|p| p.kind == PlaceKind::Text);
                if !(joins(place) && follows) {
                    if !run.seams.is_empty() {
                        run.text.push_str(&place.text);
                    }
                    break;
                }
                run.text.push_str(&place.text);
                run.seams.push(run.text.len());
            }
            if !run.seams.is_empty() {
                return Some(run);
            }
        }
    })
}
