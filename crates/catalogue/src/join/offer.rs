//! An offer's draft over the offer below, and what holds within a whole row.

use super::{Join, Layer};
use crate::names::{ModelName, SellerName};
use crate::offer::{Offer, Seller};
use crate::problem::{Fault, nearest};
use crate::read::OfferDraft;
use crate::terms::{Capability, Confidence};

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
        let broken = draft.broken || self.broken.contains(&seller.name);
        if !broken && let Some(offer) = self.complete_offer(draft, below, &seller) {
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
        if known.is_none() && !self.broken.contains(seller) {
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
}
