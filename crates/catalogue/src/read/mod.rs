//! Files into drafts: rows as they are written, with their lines, before they are laid over others.

mod draft;
mod fields;
mod offer;
mod page;
mod price;
mod seller;

use toml::de::{DeTable, DeValue};

use crate::date::Date;
use crate::problem::{Fault, Problem};

pub(crate) use draft::{AliasDraft, At, Draft, OfferDraft, SellerDraft};
pub(crate) use fields::Fields;
pub(crate) use page::Page;

/// The largest file that is read, in bytes: the built-in ones have less than a thirtieth.
const MAX_BYTES: usize = 1024 * 1024;

/// A catalogue file: what it is called in messages, and its text.
#[derive(Clone, Copy, Debug)]
pub struct File<'a> {
    /// Such as `catalogue/azure.toml`.
    pub name: &'a str,
    /// TOML.
    pub text: &'a str,
}

/// The tables of a file.
const TABLES: &[&str] = &["seller", "model", "aliases", "offer"];

/// Reads one file as far as it can be read.
pub(crate) fn read(file: File<'_>, today: Date, problems: &mut Vec<Problem>) -> Draft {
    let mut page = Page::new(file, today, problems);
    let mut draft = Draft::default();
    if file.text.len() > MAX_BYTES {
        let bytes = file.text.len();
        page.report(
            0,
            Fault::TooLarge {
                bytes,
                limit: MAX_BYTES,
            },
        );
        return draft;
    }
    let (root, errors) = DeTable::parse_recoverable(file.text);
    for error in &errors {
        let at = error.span().map_or(0, |span| span.start);
        page.report(at, Fault::Syntax(error.message().to_owned()));
    }
    if !errors.is_empty() {
        return draft;
    }
    let top = Fields::new(root.get_ref(), 0, "the file".to_owned());
    top.only(TABLES, &mut page);
    for table in top.tables("seller", &mut page) {
        draft.sellers.extend(seller::read(table, &mut page));
    }
    for table in top.tables("model", &mut page) {
        draft.models.extend(seller::read_model(table, &mut page));
    }
    if let Some(aliases) = top.table("aliases", &mut page) {
        draft
            .aliases
            .extend(seller::read_aliases(&aliases, &mut page));
    }
    // A file about one seller need not say in each row whose it is.
    let only = match draft.sellers.as_slice() {
        [one] => Some(one.name.clone()),
        _ => None,
    };
    for table in top.tables("offer", &mut page) {
        draft
            .offers
            .extend(offer::read(table, only.as_ref(), &mut page));
    }
    draft
}

/// What a value is, for people.
fn kind(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => format!("\"{}\"", text.chars().take(40).collect::<String>()),
        DeValue::Integer(number) => format!("the integer {number}"),
        DeValue::Float(number) => format!("the fraction {}", number.as_str()),
        DeValue::Boolean(truth) => truth.to_string(),
        DeValue::Datetime(date) => date.to_string(),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    }
}
