//! What a check found, and the answer to a name that nobody knows.

use std::fmt;

use crate::catalogue::Catalogue;
use crate::problem::{Problem, hint};

/// What a check found: its problems, or how much there is.
#[derive(Clone, Debug, Default, PartialEq, Eq, thiserror::Error)]
pub struct Report {
    /// Everything wrong, file by file, at most a hundred. Empty: the catalogue is valid.
    pub problems: Vec<Problem>,
    /// Sellers, where all is well.
    pub sellers: usize,
    /// Logical models, where all is well.
    pub models: usize,
    /// Offers, where all is well.
    pub offers: usize,
}

impl Report {
    pub(crate) fn good(catalogue: &Catalogue) -> Self {
        Self {
            problems: Vec::new(),
            sellers: catalogue.sellers().count(),
            models: catalogue.models().count(),
            offers: catalogue.all().count(),
        }
    }

    /// Whether nothing is wrong.
    pub fn is_good(&self) -> bool {
        self.problems.is_empty()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_good() {
            return write!(
                f,
                "the catalogue is valid: {} sellers, {} models, {} offers",
                self.sellers, self.models, self.offers
            );
        }
        for (at, problem) in self.problems.iter().enumerate() {
            if at > 0 {
                writeln!(f)?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

/// A name that is neither a model nor an alias.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the catalogue has no model \"{name}\"{}; `forebay catalogue list` shows all", hint(.nearest))]
pub struct UnknownModel {
    /// What was asked for.
    pub name: String,
    /// What was probably meant.
    pub nearest: Option<String>,
}
