//! `[[offer]]`: one model at one seller, as far as the file says it.

use super::draft::{At, OfferDraft, PriceDraft};
use super::fields::Fields;
use super::page::Page;
use super::price;
use super::seller::{name, prior};
use crate::money::TokenCount;
use crate::names::{ModelName, RegionName, SellerName};

const OFFER: &[&str] = &[
    "seller",
    "model",
    "remove",
    "id",
    "regions",
    "context",
    "max_output",
    "capabilities",
    "price",
    "prices",
    "certificates",
    "sla",
    "prior",
    "source",
    "date",
    "confidence",
    "note",
];

/// The longest context that is believed: a hundred times the longest sold.
const TOKENS: (u64, u64) = (1, 1_000_000_000);

/// Reads a row; `only` is the file's seller where it has just one.
pub(super) fn read(
    mut fields: Fields<'_>,
    only: Option<&At<SellerName>>,
    page: &mut Page<'_>,
) -> Option<OfferDraft> {
    let before = page.wrong();
    fields.only(OFFER, page);
    let model = name(&fields, "model", ModelName::new, page)?;
    fields.name = format!("offer {}", model.it);
    let seller = match only {
        Some(only) if !fields.has("seller") => only.it.clone(),
        _ => name(&fields, "seller", SellerName::new, page)?.it,
    };
    fields.name = format!("{seller}/{}", model.it);
    let mut draft = OfferDraft {
        broken: false,
        seller: At {
            file: page.name().to_owned(),
            line: page.line(fields.at),
            it: seller,
        },
        model,
        remove: fields.flag("remove", page).unwrap_or(false),
        id: fields.text("id", page),
        regions: regions(&fields, page),
        context: fields.count("context", TOKENS, page).map(TokenCount),
        max_output: fields
            .count("max_output", TOKENS, page)
            .map(|n| fields.at("max_output", TokenCount(n), page)),
        capabilities: fields.terms("capabilities", page),
        price: fields
            .table("price", page)
            .and_then(|table| price::read(&table, page)),
        prices: prices(&fields, page),
        certificates: fields.terms("certificates", page),
        sla: fields.sla("sla", page),
        prior: prior(&fields, page),
        source: fields.text("source", page).map(|source| source.it),
        date: fields.date("date", page),
        confidence: fields.term("confidence", page),
        note: fields.text("note", page).map(|note| note.it),
    };
    draft.broken = page.wrong() > before;
    Some(draft)
}

fn regions(fields: &Fields<'_>, page: &mut Page<'_>) -> Option<Vec<At<RegionName>>> {
    let mut read = Vec::new();
    for (text, at) in fields.texts("regions", page)? {
        match RegionName::new(text) {
            Ok(it) => read.push(At {
                file: page.name().to_owned(),
                line: page.line(at),
                it,
            }),
            Err(bad) => page.report(at, bad.into()),
        }
    }
    Some(read)
}

/// `prices = { "eu-central-1" = { … } }`: where it costs something else.
fn prices(fields: &Fields<'_>, page: &mut Page<'_>) -> Option<Vec<(At<RegionName>, PriceDraft)>> {
    let table = fields.table("prices", page)?;
    let mut read = Vec::new();
    for (region, at, value) in table.entries() {
        let Some(inner) = value.as_table() else {
            table.wrong(region, "a price", super::kind(value), page);
            continue;
        };
        let price = price::read(&table.inner(region, inner), page);
        match (RegionName::new(region), price) {
            (Ok(name), Some(price)) => read.push((table.at(region, name, page), price)),
            (Err(bad), _) => page.report(at, bad.into()),
            (Ok(_), None) => {}
        }
    }
    Some(read)
}
