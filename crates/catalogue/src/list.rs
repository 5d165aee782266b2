//! The catalogue as a list: what `forebay catalogue list` prints.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde::Serialize;

use crate::catalogue::{Catalogue, Placed};
use crate::money::{MicroUsd, Price, TokenCount};
use crate::offer::{Offer, Sla};
use crate::report::UnknownModel;
use crate::terms::{Certificate, Jurisdiction};

/// An offer with what it has from its seller.
#[derive(Clone, Debug, Serialize)]
pub struct Row<'a> {
    /// The offer.
    #[serde(flatten)]
    pub offer: &'a Offer,
    /// Whose laws hold where it is sold.
    pub jurisdictions: BTreeSet<Jurisdiction>,
    /// The certificates that hold for it.
    #[serde(rename = "certificates_in_force")]
    pub certificates: BTreeSet<Certificate>,
    /// The availability that holds for it, in per cent.
    #[serde(rename = "sla_in_force")]
    pub sla: Option<Sla>,
}

impl Catalogue {
    /// The offers of a model, by name or alias, or all offers.
    ///
    /// # Errors
    /// [`UnknownModel`] where the name is neither a model nor an alias.
    pub fn rows(&self, model: Option<&str>) -> Result<Vec<Row<'_>>, UnknownModel> {
        let model = model.map(|name| self.resolve(name)).transpose()?;
        let offers = self
            .all()
            .filter(|offer| model.is_none_or(|name| offer.model == *name));
        Ok(offers.map(|offer| self.row(offer)).collect())
    }

    fn row<'a>(&'a self, offer: &'a Offer) -> Row<'a> {
        let places: Vec<Placed<'a>> = self.places(offer).collect();
        let first = places.first();
        Row {
            offer,
            jurisdictions: places
                .iter()
                .map(|place| place.region.jurisdiction)
                .collect(),
            certificates: first
                .map(|place| place.certificates().clone())
                .unwrap_or_default(),
            sla: first.and_then(Placed::sla),
        }
    }
}

/// Rows as a table for people: prices in US dollars a million tokens, `~` before an estimate.
pub fn table(rows: &[Row<'_>]) -> String {
    let mut text = format!(
        "{:<26}{:<11}{:>9}{:>9}{:>11}{:>11}{:>11}  {:<10}{:<22}ID",
        "MODEL", "SELLER", "CONTEXT", "OUTPUT", "$IN/M", "$CACHED/M", "$OUT/M", "SLA", "WHERE"
    );
    for row in rows {
        let offer = row.offer;
        let price = |of: fn(&Price) -> Option<MicroUsd>| {
            let mark = match offer.confidence {
                crate::Confidence::Estimate => "~",
                crate::Confidence::Published => "",
            };
            let amount = offer.price.as_ref().and_then(of);
            amount.map_or("-".to_owned(), |amount| format!("{mark}{amount}"))
        };
        let tokens = |count: Option<TokenCount>| count.map_or("-".to_owned(), |n| n.to_string());
        let places: Vec<_> = row.jurisdictions.iter().map(|j| j.as_str()).collect();
        // Writing to a text does not fail.
        let _ = write!(
            text,
            "\n{:<26}{:<11}{:>9}{:>9}{:>11}{:>11}{:>11}  {:<10}{:<22}{}",
            offer.model,
            offer.seller,
            offer.context,
            tokens(offer.max_output),
            price(|p| Some(p.input)),
            price(|p| p.cached_read),
            price(|p| Some(p.output).filter(|output| output.0 > 0)),
            row.sla.map_or("-".to_owned(), |sla| sla.to_string()),
            places.join(","),
            offer.id,
        );
    }
    text
}
