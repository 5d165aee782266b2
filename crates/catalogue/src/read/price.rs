//! `price = { input = …, output = … }`: within what a token can cost, in the right unit.

use super::draft::PriceDraft;
use super::fields::Fields;
use super::page::Page;
use crate::money::{MicroUsd, Price};
use crate::problem::Fault;

/// $1000 a million tokens. The dearest model sold asked $600; beyond is a slip of the unit.
const MOST: MicroUsd = MicroUsd(1_000_000_000);

const KEYS: &[&str] = &[
    "input",
    "cached_read",
    "cache_write",
    "output",
    "batch_discount_percent",
];

/// Reads a price; `None` where it has no input or a part is unusable.
pub(crate) fn read(fields: &Fields<'_>, page: &mut Page<'_>) -> Option<PriceDraft> {
    fields.only(KEYS, page);
    let input = amount(fields, "input", page);
    let cached_read = amount(fields, "cached_read", page);
    let cache_write = amount(fields, "cache_write", page);
    let output = amount(fields, "output", page);
    let batch = fields.count("batch_discount_percent", (0, 100), page);
    if input.is_none() && !fields.has("input") {
        fields.missing("input", page);
    }
    Some(PriceDraft {
        price: Price {
            input: input?,
            cached_read,
            cache_write,
            output: output.unwrap_or_default(),
            batch_discount_percent: batch.and_then(|n| u8::try_from(n).ok()).unwrap_or(0),
        },
        has_output: fields.has("output"),
    })
}

/// An amount of micro-US-dollars.
pub(crate) fn amount(fields: &Fields<'_>, key: &str, page: &mut Page<'_>) -> Option<MicroUsd> {
    let expected = "an integer of micro-US-dollars per million tokens ($2.50 is 2_500_000)";
    let value = fields.integer(key, expected, page)?;
    let (row, key_name) = (fields.name.clone(), key.to_owned());
    let fault = match u64::try_from(value) {
        Ok(amount) if amount <= MOST.0 => return Some(MicroUsd(amount)),
        _ if value < 0 => Fault::PriceNegative {
            row,
            key: key_name,
            value,
        },
        _ => Fault::PriceAbsurd {
            row,
            key: key_name,
            value,
            limit: MOST,
        },
    };
    page.report(fields.place(key), fault);
    None
}
