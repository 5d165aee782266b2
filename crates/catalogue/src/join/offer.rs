//! An offer's draft over the offer below, and what holds within a whole row.

use std::collections::BTreeMap;

use super::{Join, Layer};
use crate::money::Price;
use crate::names::{ModelName, RegionName, SellerName};
use crate::offer::{Offer, Seller, fill};
use crate::problem::{Fault, nearest};
use crate::read::{At, OfferDraft};
use crate::terms::{Capability, Confidence, SoldBy};

impl Join<'_> {
    pub(super) fn offer(&mut self, draft: OfferDraft) {
        let sellers = self.catalogue.offers.get_mut(&draft.model.it);
        if draft.remove {
            if sellers
                .and_then(|of_it| of_it.remove(&draft.seller.it))
                .is_none()
            {
                self.nothing_to_remove(&draft);
            }
            return;
        }
        let below = sellers
            .and_then(|of_it| of_it.get(&draft.seller.it))
            .cloned();
        let Some(seller) = self.known(&draft) else {
            return;
        };
        // What is wrong with a broken row is noted already; what it lacks may be just that.
        if !draft.broken
            && let Some(offer) = self.complete_offer(draft, below, &seller)
        {
            let of_it = self
                .catalogue
                .offers
                .entry(offer.model.clone())
                .or_default();
            of_it.insert(offer.seller.clone(), offer);
        }
    }

    /// The row's seller, if it and its model are declared.
    fn known(&mut self, draft: &OfferDraft) -> Option<Seller> {
        let unknown = |what, word: &str, nearest| Fault::Unknown {
            table: format!("offer {}", draft.row()),
            what,
            word: word.to_owned(),
            nearest,
        };
        let (seller, model) = (draft.seller.it.as_str(), draft.model.it.as_str());
        if !self.catalogue.models.contains_key(model) {
            let names = self.catalogue.models.keys().map(ModelName::as_str);
            let fault = unknown("model", model, nearest(model, names));
            self.report(&draft.model, fault);
        }
        let known = self.catalogue.sellers.get(seller).cloned();
        if known.is_none() {
            let names = self.catalogue.sellers.keys().map(SellerName::as_str);
            let fault = unknown("seller", seller, nearest(seller, names));
            self.report(&draft.seller, fault);
        }
        known.filter(|_| self.catalogue.models.contains_key(model))
    }

    fn nothing_to_remove(&mut self, draft: &OfferDraft) {
        let rows = self.catalogue.all();
        let rows: Vec<_> = rows
            .map(|offer| format!("{}/{}", offer.seller, offer.model))
            .collect();
        let row = draft.row();
        let nearest = nearest(&row, rows.iter().map(String::as_str));
        self.report(&draft.seller, Fault::NothingToRemove { row, nearest });
    }

    fn complete_offer(
        &mut self,
        draft: OfferDraft,
        below: Option<Offer>,
        seller: &Seller,
    ) -> Option<Offer> {
        let before = self.problems.len();
        let row = draft.row();
        let at = draft.seller.clone();
        let below = below.as_ref();
        let own_price = draft.price.is_some() || draft.prices.is_some();
        let whole = self.layer == Layer::Whole;

        let capabilities = (draft.capabilities.clone())
            .or_else(|| Some(below?.capabilities.clone()))
            .unwrap_or_default();
        let embeds = capabilities.contains(&Capability::Embeddings);
        let confidence = (draft.confidence)
            .or_else(|| below.filter(|_| !own_price).map(|offer| offer.confidence))
            .unwrap_or(Confidence::Published);
        let max_output =
            (draft.max_output.as_ref().map(|max| max.it)).or_else(|| below?.max_output);
        let note = draft.note.clone().or_else(|| below?.note.clone());
        let estimate = confidence == Confidence::Estimate;
        for (key, lacks) in [
            ("id", draft.id.is_none() && below.is_none()),
            ("regions", draft.regions.is_none() && below.is_none()),
            ("context", draft.context.is_none() && below.is_none()),
            ("capabilities", capabilities.is_empty()),
            ("max_output", max_output.is_none() && !embeds),
            ("source", draft.source.is_none() && whole),
            ("date", draft.date.is_none() && whole),
            ("note", note.is_none() && estimate),
        ] {
            if lacks {
                let table = row.clone();
                self.report(&at, Fault::Missing { table, key });
            }
        }

        let (price, prices) = self.prices(&draft, below, seller, embeds);
        let context = draft.context.or_else(|| Some(below?.context))?;
        if let Some(most) = max_output.filter(|most| *most > context) {
            let fault = Fault::OutputOverContext {
                row: row.clone(),
                max_output: most.0,
                context: context.0,
            };
            let place = draft
                .max_output
                .as_ref()
                .map_or(at.with(()), |max| max.with(()));
            self.report(&place, fault);
        }
        let regions = match &draft.regions {
            Some(regions) => self.regions(&row, &at, regions, seller),
            None => below?.regions.clone(),
        };
        let id = (draft.id.as_ref().map(|id| id.it.clone())).or_else(|| Some(below?.id.clone()))?;
        let place = draft.id.as_ref().map_or(at.with(()), |id| id.with(()));
        self.placeholders(&row, &place, &id, &regions, seller);

        let kept = below.filter(|_| !own_price);
        let offer = Offer {
            seller: draft.seller.it,
            model: draft.model.it,
            id,
            regions,
            context,
            max_output,
            capabilities,
            price,
            prices,
            certificates: draft.certificates.or_else(|| below?.certificates.clone()),
            sla: draft.sla.or_else(|| below?.sla),
            prior: draft.prior.or_else(|| below?.prior.clone()),
            source: draft
                .source
                .or_else(|| Some(kept?.source.clone()))
                .unwrap_or_else(|| at.file.clone()),
            date: draft.date.or_else(|| kept?.date),
            confidence,
            note,
        };
        (self.problems.len() == before).then_some(offer)
    }

    /// The row's price, and where it differs. A new price does away with the old exceptions.
    fn prices(
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

    fn regions<T>(
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

    fn placeholders(
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
