//! What single characters are in NFKC, remembered: texts repeat few of those that are written otherwise,
//! and each costs some hundred nanoseconds to look up.

use std::cell::RefCell;

use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::{canonical_combining_class, decompose_compatible};
use unicode_normalization::{IsNormalized, is_nfkc_quick};

use crate::view::is_hidden;

/// How many characters are remembered. Alphabets of full forms have some hundred.
const KNOWN: usize = 1 << 10;

/// What is known of a character.
#[derive(Clone)]
struct Known {
    c: char,
    begins: bool,
    form: Box<str>,
}

thread_local! {
    static FORMS: RefCell<Vec<Option<Known>>> = const { RefCell::new(Vec::new()) };
}

/// Whether nothing before a character changes with it.
pub(crate) fn begins(c: char) -> bool {
    with(c, |known| known.begins)
}

/// Appends what shows of a character in NFKC.
pub(crate) fn push_form(c: char, out: &mut String) {
    with(c, |known| out.push_str(&known.form));
}

fn with<T>(c: char, take: impl FnOnce(&Known) -> T) -> T {
    FORMS.with_borrow_mut(|forms| {
        if forms.is_empty() {
            forms.resize(KNOWN, None);
        }
        // The upper bits of a product with the golden ratio spread neighbours.
        let at = u32::from(c).wrapping_mul(0x9e37_79b1) >> (32 - KNOWN.trailing_zeros());
        match forms.get_mut(at as usize) {
            Some(Some(known)) if known.c == c => take(known),
            Some(place) => take(place.insert(Known::of(c))),
            None => take(&Known::of(c)),
        }
    })
}

impl Known {
    fn of(c: char) -> Self {
        Self {
            c,
            begins: looked_up(c),
            form: nfkc(c).into(),
        }
    }
}

fn nfkc(c: char) -> String {
    std::iter::once(c)
        .nfkc()
        .filter(|c| !is_hidden(*c))
        .collect()
}

fn looked_up(c: char) -> bool {
    let alone = |c: char| {
        canonical_combining_class(c) == 0 && is_nfkc_quick(std::iter::once(c)) == IsNormalized::Yes
    };
    if alone(c) {
        return true;
    }
    let mut first = None;
    decompose_compatible(c, |piece| _ = first.get_or_insert(piece));
    first.is_some_and(|first| first != c && alone(first))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_is_what_was_looked_up() {
        // Twice over more than are remembered: places are taken by one and another.
        let all = || ('\u{a0}'..='\u{33ff}').chain('\u{f900}'..='\u{ffef}');
        for c in all().chain(all()) {
            let mut form = String::new();
            push_form(c, &mut form);
            assert_eq!(form, nfkc(c), "{c:?}");
            assert_eq!(begins(c), looked_up(c), "{c:?}");
        }
    }
}
