//! Drafts over a catalogue: what a file leaves out comes from the row below, or is missing.

mod alias;
mod offer;
mod place;
mod seller;

use std::collections::{BTreeMap, BTreeSet};

use crate::catalogue::Catalogue;
use crate::names::SellerName;
use crate::problem::{Fault, MAX_PROBLEMS, Problem};
use crate::read::{At, Draft, OfferDraft};

/// The most rows of a kind: a hundred times the built-in ones.
const MAX_ROWS: usize = 10_000;

/// What a layer's rows must say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layer {
    /// Everything, with source and date.
    Whole,
    /// What differs from the layer below.
    Over,
}

/// Lays drafts over `below`. The result counts only if no problem was noted.
pub(crate) fn join(
    below: Catalogue,
    drafts: Vec<Draft>,
    layer: Layer,
    problems: &mut Vec<Problem>,
) -> Catalogue {
    let mut join = Join {
        catalogue: below,
        layer,
        problems,
        broken: BTreeSet::new(),
    };
    let mut offers = Vec::new();
    let mut aliases = Vec::new();
    let mut models = Seen::new("model");
    let mut sellers = Seen::new("seller");
    for draft in drafts {
        for seller in draft.sellers {
            if seller.broken {
                join.broken.insert(seller.name.it.clone());
            }
            if sellers.first(&seller.name, seller.name.it.as_str(), &mut join) {
                join.seller(seller);
            }
        }
        for model in draft.models {
            if models.first(&model, model.it.name.as_str(), &mut join) {
                let name = model.it.name.clone();
                join.catalogue.models.insert(name, model.it);
            }
        }
        aliases.extend(draft.aliases);
        offers.extend(draft.offers);
    }
    join.aliases(aliases);
    join.offers(offers);
    join.catalogue
}

struct Join<'a> {
    catalogue: Catalogue,
    layer: Layer,
    problems: &'a mut Vec<Problem>,
    /// Sellers that could not be read whole: their offers can't be held against them.
    broken: BTreeSet<SellerName>,
}

impl Join<'_> {
    fn report<T>(&mut self, at: &At<T>, fault: Fault) {
        if self.problems.len() < MAX_PROBLEMS {
            self.problems.push(at.problem(fault));
        }
    }

    fn offers(&mut self, drafts: Vec<OfferDraft>) {
        let mut seen = Seen::new("offer");
        for draft in drafts {
            if seen.first(&draft.seller, &draft.row(), self) {
                self.offer(draft);
            }
        }
    }

    /// A seller that now sells by token has no offer left without a price.
    fn unpriced(&self, seller: &SellerName) -> Option<String> {
        let mut offers = self.catalogue.all();
        let without = offers.find(|offer| offer.seller == *seller && offer.price.is_none())?;
        Some(format!("{seller}/{}", without.model))
    }
}

/// Which rows of a kind a layer has had, and where.
struct Seen {
    what: &'static str,
    rows: BTreeMap<String, String>,
}

impl Seen {
    fn new(what: &'static str) -> Self {
        Self {
            what,
            rows: BTreeMap::new(),
        }
    }

    /// Whether the row is the first of its name, and one more is kept; notes it if not.
    fn first<T>(&mut self, at: &At<T>, name: &str, join: &mut Join<'_>) -> bool {
        let what = self.what;
        let fault = if let Some(first) = self.rows.get(name) {
            Fault::Duplicate {
                what,
                name: name.to_owned(),
                at: first.clone(),
            }
        } else if self.rows.len() >= MAX_ROWS {
            Fault::TooMany {
                what,
                limit: MAX_ROWS,
            }
        } else {
            self.rows.insert(name.to_owned(), at.place());
            return true;
        };
        join.report(at, fault);
        false
    }
}
