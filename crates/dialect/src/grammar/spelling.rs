//! How members are spelled: what a vendor accepts is read as that member; both spellings in
//! one object, or a member in another case, are refused, because readers differ in which they
//! take (Go's decoder ignores case).

use std::borrow::Cow;

use super::walk::At;
use super::walk::{Step, Visit, walk};
use super::{Grammar, Is, Object};
use crate::json::Value;
use crate::request::RequestError;

/// Refuses a body that has a member of its format's grammar in a spelling that is not one of
/// the vendor's, or in both.
pub(crate) fn check(grammar: &'static Grammar, root: Value<'_>) -> Result<(), RequestError> {
    walk(grammar, root, &mut Nothing)
}

/// A visitor that is after the walk's own errors.
struct Nothing;

impl<'d> Visit<'d> for Nothing {
    fn leaf(&mut self, _: Is, _: Value<'d>, _: At<'d>, _: &[Step<'d>]) {}
    fn unknown(&mut self, _: Value<'d>, _: Value<'d>, _: At<'d>, _: &[Step<'d>]) {}
}

/// What is wrong with a member's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Misspelled {
    /// The object has it in another spelling too.
    Twice(&'static str),
    /// It is a known member in another case.
    Case(&'static str),
}

impl Misspelled {
    pub(super) fn at(self, param: String) -> RequestError {
        match self {
            Self::Twice(known) => RequestError::BothSpellings { param, known },
            Self::Case(known) => RequestError::WrongCase { param, known },
        }
    }
}

/// The members of one object that have been seen. Objects have at most 128 known members.
#[derive(Debug, Default)]
pub(super) struct Spelling {
    seen: u128,
}

impl Spelling {
    /// The known member of that name, if there is one.
    pub(super) fn member(
        &mut self,
        grammar: &Grammar,
        object: &'static Object,
        name: &str,
    ) -> Result<Option<(&'static str, Is)>, Misspelled> {
        let spelled = match grammar.two_spellings {
            true => camel(Cow::Borrowed(name)),
            false => Cow::Borrowed(name),
        };
        let mut members = object.all().enumerate();
        if let Some((index, (known, is))) = members.find(|(_, (known, _))| *known == spelled) {
            let bit = 1_u128.checked_shl(index as u32).unwrap_or_default();
            if self.seen & bit != 0 {
                return Err(Misspelled::Twice(known));
            }
            self.seen |= bit;
            return Ok(Some((known, *is)));
        }
        match object
            .all()
            .find(|(known, _)| same_letters(known, &spelled))
        {
            Some((known, _)) => Err(Misspelled::Case(known)),
            None => Ok(None),
        }
    }
}

/// Whether two names are one to a reader that ignores case. Besides ASCII two letters fold to
/// ASCII ones (Unicode's CaseFolding.txt): the long s and the Kelvin sign.
fn same_letters(known: &str, name: &str) -> bool {
    // Each letter of the name has one to three bytes.
    if name.len() < known.len() || name.len() > 3 * known.len() {
        return false;
    }
    let fold = |letter: char| match letter {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        other => other.to_ascii_lowercase(),
    };
    known.chars().map(fold).eq(name.chars().map(fold))
}

/// A name in camelCase: `inline_data` and `inlineData` are one member.
pub(crate) fn camel(name: Cow<'_, str>) -> Cow<'_, str> {
    if !name.contains('_') {
        return name;
    }
    let mut out = String::with_capacity(name.len());
    let mut after = false;
    for character in name.chars() {
        match character {
            '_' => after = true,
            _ if after => {
                out.push(character.to_ascii_uppercase());
                after = false;
            }
            _ => out.push(character),
        }
    }
    Cow::Owned(out)
}
