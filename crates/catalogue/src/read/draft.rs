//! Rows as they are written: whatever a file leaves out is open until it lies over another.

use std::collections::{BTreeMap, BTreeSet};

use crate::date::Date;
use crate::money::{Price, TokenCount};
use crate::names::{ModelName, RegionName, SellerName};
use crate::offer::{Model, Prior, Region, Sla};
use crate::problem::{Fault, Problem};
use crate::terms::{Capability, Certificate, Confidence, Provider, SoldBy};

/// Something and the file and line that say it.
#[derive(Clone, Debug)]
pub(crate) struct At<T> {
    pub(crate) file: String,
    pub(crate) line: usize,
    pub(crate) it: T,
}

impl<T> At<T> {
    /// The same place, for something else.
    pub(crate) fn with<U>(&self, it: U) -> At<U> {
        At {
            file: self.file.clone(),
            line: self.line,
            it,
        }
    }

    pub(crate) fn problem(&self, fault: Fault) -> Problem {
        Problem {
            file: self.file.clone(),
            line: self.line,
            fault,
        }
    }

    /// The place, for messages.
    pub(crate) fn place(&self) -> String {
        format!("{}:{}", self.file, self.line)
    }
}

/// What a file says.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    pub(crate) sellers: Vec<SellerDraft>,
    pub(crate) models: Vec<At<Model>>,
    pub(crate) aliases: Vec<AliasDraft>,
    pub(crate) offers: Vec<OfferDraft>,
}

#[derive(Debug)]
pub(crate) struct AliasDraft {
    pub(crate) alias: At<ModelName>,
    pub(crate) target: String,
}

#[derive(Debug)]
pub(crate) struct SellerDraft {
    pub(crate) name: At<SellerName>,
    /// Whether something in it could not be read, which is noted already.
    pub(crate) broken: bool,
    pub(crate) title: Option<String>,
    pub(crate) provider: Option<Provider>,
    pub(crate) sold_by: Option<SoldBy>,
    pub(crate) certificates: Option<BTreeSet<Certificate>>,
    pub(crate) sla: Option<Sla>,
    pub(crate) prior: Option<Prior>,
    pub(crate) regions: BTreeMap<RegionName, Region>,
    pub(crate) source: Option<String>,
    pub(crate) date: Option<Date>,
    pub(crate) confidence: Option<Confidence>,
    pub(crate) note: Option<String>,
}

#[derive(Debug)]
pub(crate) struct OfferDraft {
    /// The row's begin, for what is wrong with the whole of it.
    pub(crate) seller: At<SellerName>,
    pub(crate) model: At<ModelName>,
    /// Whether something in it could not be read, which is noted already.
    pub(crate) broken: bool,
    pub(crate) remove: bool,
    pub(crate) id: Option<At<String>>,
    pub(crate) regions: Option<Vec<At<RegionName>>>,
    pub(crate) context: Option<TokenCount>,
    pub(crate) max_output: Option<At<TokenCount>>,
    pub(crate) capabilities: Option<BTreeSet<Capability>>,
    pub(crate) price: Option<PriceDraft>,
    pub(crate) prices: Option<Vec<(At<RegionName>, PriceDraft)>>,
    pub(crate) certificates: Option<BTreeSet<Certificate>>,
    pub(crate) sla: Option<Sla>,
    pub(crate) prior: Option<Prior>,
    pub(crate) source: Option<String>,
    pub(crate) date: Option<Date>,
    pub(crate) confidence: Option<Confidence>,
    pub(crate) note: Option<String>,
}

/// A price that may lack its output, which only an embedding model may.
#[derive(Debug)]
pub(crate) struct PriceDraft {
    pub(crate) price: Price,
    /// Whether the price of output is given.
    pub(crate) has_output: bool,
}

impl OfferDraft {
    /// The row's name in messages.
    pub(crate) fn row(&self) -> String {
        format!("{}/{}", self.seller.it, self.model.it)
    }
}
