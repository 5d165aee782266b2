//! Rows: a seller, its regions, an offer of one model, and what is expected of its speed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Serialize, Serializer};

use crate::date::Date;
use crate::money::{MicroUsd, Price, TokenCount};
use crate::names::{ModelName, RegionName, SellerName};
use crate::terms::{Capability, Certificate, Confidence, Jurisdiction, Provider, SoldBy};

/// A logical model: what clients name and offers point to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Model {
    /// What clients ask for.
    pub name: ModelName,
    /// Who made it.
    pub maker: String,
}

/// A service that sells models.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Seller {
    /// Its name in rows.
    pub name: SellerName,
    /// Its name for people.
    pub title: String,
    /// Which wire format and sign-in it has.
    pub provider: Provider,
    /// What its bill counts.
    pub sold_by: SoldBy,
    /// What holds for all its offers that say nothing of their own.
    pub certificates: BTreeSet<Certificate>,
    /// The availability that it promises by contract.
    pub sla: Option<Sla>,
    /// What is expected of offers that say nothing of their own.
    pub prior: Option<Prior>,
    /// Where it can be reached.
    pub regions: BTreeMap<RegionName, Region>,
    /// The public page that the seller's own figures come from.
    pub source: String,
    /// When that page was read; absent only in a user's file.
    pub date: Option<Date>,
    /// How far its certificates and its promise can be trusted.
    pub confidence: Confidence,
    /// What one should know of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// A place where a seller computes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Region {
    /// Whose law holds there.
    pub jurisdiction: Jurisdiction,
    /// What stands for `{geo}` in an offer's id; Bedrock's inference profiles begin with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub geo: Option<String>,
}

/// One model at one seller.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Offer {
    /// Who sells.
    pub seller: SellerName,
    /// What is sold.
    pub model: ModelName,
    /// What the seller calls it; `{region}` and `{geo}` stand for the region's.
    pub id: String,
    /// Where: names of the seller's regions, in the seller's order of preference.
    pub regions: Vec<RegionName>,
    /// Tokens of prompt and answer together.
    pub context: TokenCount,
    /// Tokens of an answer at most; absent where the model only embeds.
    pub max_output: Option<TokenCount>,
    /// What it can do.
    pub capabilities: BTreeSet<Capability>,
    /// What it costs; absent where the seller does not sell by token.
    pub price: Option<Price>,
    /// Where it costs something else.
    pub prices: BTreeMap<RegionName, Price>,
    /// Instead of the seller's, where given.
    pub certificates: Option<BTreeSet<Certificate>>,
    /// Instead of the seller's, where given.
    pub sla: Option<Sla>,
    /// Instead of the seller's, where given.
    pub prior: Option<Prior>,
    /// The public page that the figures come from.
    pub source: String,
    /// When that page was read; absent only in a user's file.
    pub date: Option<Date>,
    /// How far they can be trusted.
    pub confidence: Confidence,
    /// What one should know of the row.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

impl Offer {
    /// What it costs in `region`.
    pub fn price_in(&self, region: &str) -> Option<&Price> {
        self.prices.get(region).or(self.price.as_ref())
    }

    /// Whether it can do that.
    pub fn can(&self, capability: Capability) -> bool {
        self.capabilities.contains(&capability)
    }
}

/// Fills a region into an id's template, or says what is missing.
pub(crate) fn fill(id: &str, name: &RegionName, region: &Region) -> Result<String, &'static str> {
    let mut filled = id.replace("{region}", name.as_str());
    if filled.contains("{geo}") {
        let geo = region.geo.as_deref().ok_or("the region has no geo")?;
        filled = filled.replace("{geo}", geo);
    }
    match filled.contains(['{', '}']) {
        true => Err("only {region} and {geo} stand for something"),
        false => Ok(filled),
    }
}

/// A promised availability, in thousandths of a per cent: 99,900 is 99.9 %.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sla(pub u32);

impl fmt::Display for Sla {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = format!("{}.{:03}", self.0 / 1000, self.0 % 1000);
        let short = digits.trim_end_matches('0').trim_end_matches('.');
        f.pad(&format!("{short} %"))
    }
}

impl Serialize for Sla {
    /// As per cent: 99.9.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(f64::from(self.0) / 1000.0)
    }
}

/// What is expected before anything was measured. Measured figures replace it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Prior {
    /// Median milliseconds to the end of an answer of 500 tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub median_ms_500_tokens: Option<Range>,
    /// Requests a second that a deployment of the size in the note bears.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests_per_s: Option<Range>,
    /// A blended price that was published beside those figures, a million tokens. Not a bill.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blended_price: Option<MicroUsd>,
    /// Where the figures come from, and for what machines.
    pub note: String,
}

/// A figure that is published as a span; both ends the same where it is one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Range {
    /// The lower end.
    pub low: u64,
    /// The upper end, never below `low`.
    pub high: u64,
}

impl Range {
    /// The middle, rounded down.
    pub fn middle(self) -> u64 {
        self.low + (self.high.saturating_sub(self.low)) / 2
    }
}
