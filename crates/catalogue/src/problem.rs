//! What can be wrong with a catalogue file, where, and what to write instead.

use crate::date::Date;
use crate::money::MicroUsd;
use crate::names::BadName;

/// Problems that are kept: whoever has more mends these first.
pub(crate) const MAX_PROBLEMS: usize = 100;

/// Something wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}: {fault}")]
pub struct Problem {
    /// The file's name as it was given.
    pub file: String,
    /// The line, counted from 1.
    pub line: usize,
    /// What is wrong.
    pub fault: Fault,
}

/// What is wrong with a file or a row. A row is named `seller/model`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The file is no TOML.
    #[error("{0}")]
    Syntax(String),
    /// The file is larger than any catalogue.
    #[error("the file has {bytes} bytes, over the limit of {limit}; split it")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The largest that is read.
        limit: usize,
    },
    /// More rows than are kept.
    #[error("more than {limit} {what}; remove some")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// The most that are kept.
        limit: usize,
    },
    /// A key that means nothing here.
    #[error("{table} has no key \"{key}\"{}; it has {expected}", hint(.nearest))]
    UnknownKey {
        /// The table.
        table: String,
        /// The key.
        key: String,
        /// What was probably meant.
        nearest: Option<String>,
        /// The keys there are.
        expected: String,
    },
    /// A value of another kind than its key wants.
    #[error("{table}: {key} is {expected}, not {found}")]
    WrongKind {
        /// The table or row.
        table: String,
        /// The key.
        key: String,
        /// What it should be.
        expected: &'static str,
        /// What it is.
        found: String,
    },
    /// A key that a row can't do without.
    #[error("{table}: {key} is missing")]
    Missing {
        /// The table or row.
        table: String,
        /// The key.
        key: &'static str,
    },
    /// Not a word of a closed vocabulary, or not a name that was declared.
    #[error("{table}: unknown {what} \"{word}\"{}", hint(.nearest))]
    Unknown {
        /// The table or row.
        table: String,
        /// What it should name.
        what: &'static str,
        /// What it says.
        word: String,
        /// What was probably meant.
        nearest: Option<String>,
    },
    /// A name with characters that no name has.
    #[error(transparent)]
    Name(#[from] BadName),
    /// The same thing twice in one layer.
    #[error("{what} {name} is already at {at}; keep one")]
    Duplicate {
        /// Kind of row.
        what: &'static str,
        /// Its name.
        name: String,
        /// File and line of the first.
        at: String,
    },
    /// The seller sells by token, and the row does not say at what price.
    #[error(
        "{row} has no {key}, but {seller} sells by token; write {key} = … in micro-US-dollars per million tokens ($2.50 is 2_500_000)"
    )]
    PriceMissing {
        /// The row.
        row: String,
        /// Its seller.
        seller: String,
        /// `price` or `price.output`.
        key: &'static str,
    },
    /// Nobody pays for being asked.
    #[error("{row}: {key} is {value}, but a price can't be negative")]
    PriceNegative {
        /// The row.
        row: String,
        /// The key.
        key: String,
        /// What it says.
        value: i128,
    },
    /// Above what any token costs: most likely in the wrong unit.
    #[error(
        "{row}: {key} is {value} micro-US-dollars per million tokens, over the limit of {}; $2.50 is 2_500_000",
        .limit.0
    )]
    PriceAbsurd {
        /// The row.
        row: String,
        /// The key.
        key: String,
        /// What it says.
        value: i128,
        /// The most that is believed.
        limit: MicroUsd,
    },
    /// A number outside of its range.
    #[error("{table}: {key} is {value}, and must be {low} to {high}")]
    OutOfRange {
        /// The table or row.
        table: String,
        /// The key.
        key: String,
        /// What it says.
        value: String,
        /// The least.
        low: u64,
        /// The most.
        high: u64,
    },
    /// No day of the calendar.
    #[error(
        "{table}: the date \"{value}\" is not a day from the year 2000 on; write it as 2026-11-25"
    )]
    DateMalformed {
        /// The table or row.
        table: String,
        /// What it says.
        value: String,
    },
    /// A figure can't have been read tomorrow.
    #[error("{table}: the date {date} is in the future; today is {today}")]
    DateInFuture {
        /// The table or row.
        table: String,
        /// What it says.
        date: Date,
        /// The day it is.
        today: Date,
    },
    /// An answer can't be longer than everything.
    #[error("{row}: max_output is {max_output} tokens, over the context of {context}")]
    OutputOverContext {
        /// The row.
        row: String,
        /// Its longest answer.
        max_output: u64,
        /// Its context.
        context: u64,
    },
    /// An id with a placeholder that nothing stands for.
    #[error("{row}: the id \"{id}\" can't be filled in for {region}: {why}")]
    Placeholder {
        /// The row.
        row: String,
        /// The template.
        id: String,
        /// The region.
        region: String,
        /// What is missing.
        why: &'static str,
    },
    /// An alias of a name that is neither a model nor an alias.
    #[error("the alias {alias} points to \"{target}\", which is neither a model nor an alias{}", hint(.nearest))]
    AliasToNothing {
        /// The alias.
        alias: String,
        /// What it points to.
        target: String,
        /// What was probably meant.
        nearest: Option<String>,
    },
    /// Aliases that point to each other.
    #[error("the alias {alias} leads back to itself: {path}")]
    AliasCycle {
        /// The alias.
        alias: String,
        /// The way round.
        path: String,
    },
    /// An alias that would hide a model.
    #[error("the alias {alias} has the name of a model; call it something else")]
    AliasIsModel {
        /// The alias.
        alias: String,
    },
    /// A row that removes a row that is not there.
    #[error("{row} can't be removed: there is no such row{}", hint(.nearest))]
    NothingToRemove {
        /// The row.
        row: String,
        /// What was probably meant.
        nearest: Option<String>,
    },
}

/// How a message goes on where something was probably meant.
pub(crate) fn hint(nearest: &Option<String>) -> String {
    nearest
        .as_ref()
        .map_or_else(String::new, |name| format!(", did you mean \"{name}\"?"))
}

/// The known word that was probably meant.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    known
        .into_iter()
        .map(|name| (likeness(word, name), name))
        // 0.8: a slip or two within a word, not another word.
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name.to_owned())
}

/// Without regard to case: `soc 2` is meant to be `SOC 2`.
fn likeness(a: &str, b: &str) -> f64 {
    strsim::jaro_winkler(&a.to_ascii_lowercase(), &b.to_ascii_lowercase())
}
