//! What an offer says of its seller's regions: where it is sold, what it is called and costs there.

use std::collections::BTreeMap;

use super::Join;
use crate::money::Price;
use crate::names::RegionName;
use crate::offer::{Offer, Seller, fill};
use crate::problem::{Fault, nearest};
use crate::read::{At, OfferDraft};
use crate::terms::SoldBy;

impl Join<'_> {
    /// The row's price, and where it differs. A new price does away with the old exceptions.
    pub(super) fn prices(
        &mut self,
        draft: &OfferDraft,
        below: Option<&Offer>,
        seller: &Seller,
        embeds: bool,
    ) -> (Option<Price>, BTreeMap<RegionName, Price>) {
        let missing = |key| Fault::PriceMissing {
            row: draft.row(),
            seller: seller.name.to_string(),
            key,
        };
        let drafts = draft.price.iter();
        let exceptions = draft.prices.iter().flatten().map(|(_, price)| price);
        if !embeds && drafts.chain(exceptions).any(|price| !price.has_output) {
            self.report(&draft.seller, missing("price.output"));
        }
        let own = draft.price.as_ref().map(|draft| draft.price);
        let price = own.or_else(|| below?.price);
        if price.is_none() && seller.sold_by == SoldBy::Token {
            self.report(&draft.seller, missing("price"));
        }
        let prices = match &draft.prices {
            Some(prices) => {
                for (region, _) in prices {
                    self.region(&draft.row(), region, seller);
                }
                let pairs = prices.iter();
                pairs
                    .map(|(region, draft)| (region.it.clone(), draft.price))
                    .collect()
            }
            None if own.is_some() => BTreeMap::new(),
            None => below.map(|offer| offer.prices.clone()).unwrap_or_default(),
        };
        (price, prices)
    }

    pub(super) fn regions<T>(
        &mut self,
        row: &str,
        at: &At<T>,
        regions: &[At<RegionName>],
        seller: &Seller,
    ) -> Vec<RegionName> {
        if regions.is_empty() {
            let table = row.to_owned();
            self.report(
                at,
                Fault::Missing {
                    table,
                    key: "regions",
                },
            );
        }
        for region in regions {
            self.region(row, region, seller);
        }
        regions.iter().map(|region| region.it.clone()).collect()
    }

    /// Notes a region that the seller does not have.
    fn region(&mut self, row: &str, region: &At<RegionName>, seller: &Seller) {
        if seller.regions.contains_key(&region.it) {
            return;
        }
        let names = seller.regions.keys().map(RegionName::as_str);
        let fault = Fault::Unknown {
            table: row.to_owned(),
            what: "region",
            word: region.it.to_string(),
            nearest: nearest(region.it.as_str(), names),
        };
        self.report(region, fault);
    }

    pub(super) fn placeholders(
        &mut self,
        row: &str,
        place: &At<()>,
        id: &str,
        regions: &[RegionName],
        seller: &Seller,
    ) {
        let mut known = regions
            .iter()
            .filter_map(|name| seller.regions.get_key_value(name));
        let wrong = known.find_map(|(name, region)| Some((name, fill(id, name, region).err()?)));
        if let Some((region, why)) = wrong {
            let fault = Fault::Placeholder {
                row: row.to_owned(),
                id: id.to_owned(),
                region: region.to_string(),
                why,
            };
            self.report(place, fault);
        }
    }
}
