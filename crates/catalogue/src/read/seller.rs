//! `[[seller]]`, `[[model]]` and `[aliases]`, and what sellers and offers have in common.

use std::collections::BTreeMap;

use toml::de::DeValue;

use super::draft::{AliasDraft, At, SellerDraft};
use super::fields::{Fields, number};
use super::page::Page;
use super::price;
use crate::names::{BadName, ModelName, RegionName, SellerName};
use crate::offer::{Model, Prior, Range, Region};
use crate::problem::Fault;

const SELLER: &[&str] = &[
    "name",
    "title",
    "provider",
    "sold_by",
    "certificates",
    "sla",
    "prior",
    "regions",
    "source",
    "date",
    "confidence",
    "note",
];
const MODEL: &[&str] = &["name", "maker"];
const REGION: &[&str] = &["jurisdiction", "geo"];
const PRIOR: &[&str] = &[
    "median_ms_500_tokens",
    "requests_per_s",
    "blended_price",
    "note",
];

/// No answer takes longer than a day, and no deployment bears more requests a second.
const PLAUSIBLE: (u64, u64) = (1, 86_400_000);

pub(super) fn read(mut fields: Fields<'_>, page: &mut Page<'_>) -> Option<SellerDraft> {
    let before = page.wrong();
    fields.only(SELLER, page);
    let name = name(&fields, "name", SellerName::new, page)?;
    fields.name = format!("seller {}", name.it);
    let mut draft = SellerDraft {
        broken: false,
        title: fields.text("title", page).map(|title| title.it),
        provider: fields.term("provider", page),
        sold_by: fields.term("sold_by", page),
        certificates: fields.terms("certificates", page),
        sla: fields.sla("sla", page),
        prior: prior(&fields, page),
        regions: regions(&fields, page),
        source: fields.text("source", page).map(|source| source.it),
        date: fields.date("date", page),
        confidence: fields.term("confidence", page),
        note: fields.text("note", page).map(|note| note.it),
        name,
    };
    draft.broken = page.wrong() > before;
    Some(draft)
}

pub(super) fn read_model(mut fields: Fields<'_>, page: &mut Page<'_>) -> Option<At<Model>> {
    fields.only(MODEL, page);
    let at = name(&fields, "name", ModelName::new, page)?;
    fields.name = format!("model {}", at.it);
    let maker = fields.text("maker", page);
    if maker.is_none() && !fields.has("maker") {
        fields.missing("maker", page);
    }
    let model = Model {
        name: at.it.clone(),
        maker: maker?.it,
    };
    Some(at.with(model))
}

pub(super) fn read_aliases(fields: &Fields<'_>, page: &mut Page<'_>) -> Vec<AliasDraft> {
    let mut read = Vec::new();
    for (alias, at, value) in fields.entries() {
        let Some(target) = value.as_str() else {
            fields.wrong(alias, "a model's name", super::kind(value), page);
            continue;
        };
        match ModelName::new(alias) {
            Ok(name) => read.push(AliasDraft {
                alias: fields.at(alias, name, page),
                target: target.to_owned(),
            }),
            Err(bad) => page.report(at, bad.into()),
        }
    }
    read
}

/// A name that must be there.
pub(super) fn name<T>(
    fields: &Fields<'_>,
    key: &'static str,
    new: fn(&str) -> Result<T, BadName>,
    page: &mut Page<'_>,
) -> Option<At<T>> {
    if !fields.has(key) {
        fields.missing(key, page);
    }
    let text = fields.text(key, page)?;
    match new(&text.it) {
        Ok(it) => Some(text.with(it)),
        Err(bad) => {
            page.report(fields.place(key), bad.into());
            None
        }
    }
}

fn regions(fields: &Fields<'_>, page: &mut Page<'_>) -> BTreeMap<RegionName, Region> {
    let Some(table) = fields.table("regions", page) else {
        return BTreeMap::new();
    };
    let mut read = BTreeMap::new();
    for (name, at, value) in table.entries() {
        let Some(inner) = value.as_table() else {
            let expected = "a table such as { jurisdiction = \"EU\" }";
            table.wrong(name, expected, super::kind(value), page);
            continue;
        };
        let inner = table.inner(name, inner);
        inner.only(REGION, page);
        if !inner.has("jurisdiction") {
            inner.missing("jurisdiction", page);
        }
        let geo = inner.text("geo", page).map(|geo| geo.it);
        match (RegionName::new(name), inner.term("jurisdiction", page)) {
            (Ok(name), Some(jurisdiction)) => {
                read.insert(name, Region { jurisdiction, geo });
            }
            (Err(bad), _) => page.report(at, Fault::from(bad)),
            (Ok(_), None) => {}
        }
    }
    read
}

/// `prior = { median_ms_500_tokens = 1500, requests_per_s = [110, 115], note = "…" }`.
pub(super) fn prior(fields: &Fields<'_>, page: &mut Page<'_>) -> Option<Prior> {
    let table = fields.table("prior", page)?;
    table.only(PRIOR, page);
    if !table.has("note") {
        table.missing("note", page);
    }
    Some(Prior {
        median_ms_500_tokens: range(&table, "median_ms_500_tokens", page),
        requests_per_s: range(&table, "requests_per_s", page),
        blended_price: price::amount(&table, "blended_price", page),
        note: table.text("note", page)?.it,
    })
}

/// A number, or a pair of its least and its most.
fn range(fields: &Fields<'_>, key: &str, page: &mut Page<'_>) -> Option<Range> {
    let value = fields.value(key)?;
    let ends = match value {
        DeValue::Integer(one) => number(one).map(|n| (n, n)),
        DeValue::Array(list) => match (list.first(), list.get(1), list.get(2)) {
            (Some(low), Some(high), None) => {
                let end = |value: &DeValue<'_>| value.as_integer().and_then(number);
                end(low.get_ref()).zip(end(high.get_ref()))
            }
            _ => None,
        },
        _ => None,
    };
    let Some((low, high)) = ends.filter(|(low, high)| low <= high) else {
        let expected = "a whole number or a pair [least, most]";
        fields.wrong(key, expected, super::kind(value), page);
        return None;
    };
    Some(Range {
        low: fields.within(key, low, PLAUSIBLE, page)?,
        high: fields.within(key, high, PLAUSIBLE, page)?,
    })
}
