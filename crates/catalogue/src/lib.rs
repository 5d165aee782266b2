//! The catalogue: who sells which model where, at what price, under which certificates.
//! Rows are TOML, the built-in ones under `catalogue/`; a user's files lie over them. No I/O, no clock.
//!
//! A *seller* is a service with one wire format and one bill (`openai`, `azure`, `bedrock`, …). An
//! *offer* is one model at one seller: the pair names the row. A *logical name* (`gpt-4o`) is what
//! clients ask for and what offers point to; an *alias* (`claude-sonnet`) stands for a logical name.
//!
//! ```
//! use forebay_catalogue::{Catalogue, MicroUsd, Usage};
//!
//! let catalogue = Catalogue::builtin()?;
//! let there = catalogue.offer("bedrock", "claude-sonnet-4-5", "eu-central-1").ok_or("not sold")?;
//! assert!(there.id().starts_with("eu.anthropic."));
//! let usage = Usage { input: 1_000, output: 500, ..Usage::default() };
//! let price = there.price().ok_or("no price")?;
//! assert_eq!(price.cost(&usage), MicroUsd(3_300 + 8_250));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![forbid(unsafe_code)]

mod builtin;
mod catalogue;
mod date;
mod join;
mod list;
mod money;
mod names;
mod offer;
mod problem;
mod read;
mod report;
mod terms;

pub use catalogue::{Catalogue, Placed};
pub use date::Date;
pub use list::{Row, table};
pub use money::{MicroUsd, Price, TokenCount, Usage};
pub use names::{BadName, ModelName, RegionName, SellerName};
pub use offer::{Model, Offer, Prior, Range, Region, Seller, Sla};
pub use problem::{Fault, Problem};
pub use read::File;
pub use report::{Report, UnknownModel};
pub use terms::{Capability, Certificate, Confidence, Jurisdiction, Provider, SoldBy};

/// Reads the built-in catalogue with the user's files over it, and says everything that is wrong.
///
/// `today` decides which dates lie in the future; see [`Date::of`].
pub fn check(files: &[File<'_>], today: Date) -> Report {
    let built_in = Catalogue::builtin_on(today);
    match built_in.and_then(|below| below.overlay(files, today)) {
        Ok(catalogue) => Report::good(&catalogue),
        Err(report) => report,
    }
}
