//! A seller's draft over the seller below.

use super::{Join, Layer};
use crate::offer::{Region, Seller};
use crate::problem::Fault;
use crate::read::{At, SellerDraft};
use crate::terms::{Confidence, SoldBy};

impl Join<'_> {
    pub(super) fn seller(&mut self, draft: SellerDraft) {
        let below = self.catalogue.sellers.get(&draft.name.it).cloned();
        let (at, broken) = (draft.name.clone(), draft.broken);
        let Some(seller) = self.complete(draft, below) else {
            self.broken.insert(at.it);
            return;
        };
        let by_token = seller.sold_by == SoldBy::Token && !broken;
        if let Some(row) = self.unpriced(&seller.name).filter(|_| by_token) {
            let seller = seller.name.to_string();
            self.report(
                &at,
                Fault::PriceMissing {
                    row,
                    seller,
                    key: "price",
                },
            );
        }
        self.catalogue.sellers.insert(seller.name.clone(), seller);
    }

    fn complete(&mut self, draft: SellerDraft, below: Option<Seller>) -> Option<Seller> {
        let whole = self.layer == Layer::Whole;
        let lacking = [
            ("title", draft.title.is_none() && below.is_none()),
            ("provider", draft.provider.is_none() && below.is_none()),
            ("sold_by", draft.sold_by.is_none() && below.is_none()),
            ("regions", draft.regions.is_empty() && below.is_none()),
            ("source", draft.source.is_none() && whole),
            ("date", draft.date.is_none() && whole),
        ];
        if !draft.broken {
            for (key, _) in lacking.iter().filter(|(_, lacks)| *lacks) {
                self.missing(&draft.name, key);
            }
        }
        let mut regions = below
            .as_ref()
            .map(|seller| seller.regions.clone())
            .unwrap_or_default();
        for (name, region) in draft.regions {
            let geo = region.geo.or_else(|| regions.get(&name)?.geo.clone());
            regions.insert(name, Region { geo, ..region });
        }
        let below = below.as_ref();
        Some(Seller {
            name: draft.name.it.clone(),
            title: draft.title.or_else(|| Some(below?.title.clone()))?,
            provider: draft.provider.or_else(|| Some(below?.provider))?,
            sold_by: draft.sold_by.or_else(|| Some(below?.sold_by))?,
            certificates: draft
                .certificates
                .or_else(|| Some(below?.certificates.clone()))
                .unwrap_or_default(),
            sla: draft.sla.or_else(|| below?.sla),
            prior: draft.prior.or_else(|| below?.prior.clone()),
            regions,
            source: draft
                .source
                .or_else(|| Some(below?.source.clone()))
                .unwrap_or_else(|| draft.name.file.clone()),
            date: draft.date.or_else(|| below?.date),
            confidence: draft
                .confidence
                .or_else(|| Some(below?.confidence))
                .unwrap_or(Confidence::Published),
            note: draft.note.or_else(|| below?.note.clone()),
        })
    }

    fn missing<T: std::fmt::Display>(&mut self, at: &At<T>, key: &'static str) {
        let table = format!("seller {}", at.it);
        self.report(at, Fault::Missing { table, key });
    }
}
