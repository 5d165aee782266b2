//! A table's fields: each read as the kind it must be, each misfit noted with its line.

use std::collections::BTreeSet;

use toml::de::{DeInteger, DeTable, DeValue};

use super::draft::At;
use super::page::Page;
use crate::date::Date;
use crate::offer::Sla;
use crate::problem::{Fault, nearest};
use crate::terms::Term;

/// A table, where it begins, and what it is called in messages.
#[derive(Clone, Debug)]
pub(crate) struct Fields<'t> {
    table: &'t DeTable<'t>,
    /// Where the table begins in the text.
    pub(crate) at: usize,
    /// `offer azure/gpt-4o`.
    pub(crate) name: String,
}

impl<'t> Fields<'t> {
    pub(crate) fn new(table: &'t DeTable<'t>, at: usize, name: String) -> Self {
        Self { table, at, name }
    }

    /// Notes every key that is not among `keys`.
    pub(crate) fn only(&self, keys: &[&str], page: &mut Page<'_>) {
        for key in self.table.keys() {
            let name: &str = key.get_ref();
            if keys.contains(&name) {
                continue;
            }
            let fault = Fault::UnknownKey {
                table: self.name.clone(),
                key: name.to_owned(),
                nearest: nearest(name, keys.iter().copied()),
                expected: keys.join(", "),
            };
            page.report(key.span().start, fault);
        }
    }

    /// Keys, places and values, whatever they are.
    pub(crate) fn entries(
        &self,
    ) -> impl Iterator<Item = (&'t str, usize, &'t DeValue<'t>)> + use<'t> {
        self.table
            .iter()
            .map(|(key, value)| (key.get_ref().as_ref(), key.span().start, value.get_ref()))
    }

    /// Whether the key is there, whatever its value.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// The key's value, whatever it is.
    pub(crate) fn value(&self, key: &str) -> Option<&'t DeValue<'t>> {
        let (_, value) = self.table.get_key_value(key)?;
        Some(value.get_ref())
    }

    /// Where the key stands; the table's begin if it does not.
    pub(crate) fn place(&self, key: &str) -> usize {
        self.table
            .get_key_value(key)
            .map_or(self.at, |(key, _)| key.span().start)
    }

    fn get<T>(
        &self,
        key: &str,
        expected: &'static str,
        page: &mut Page<'_>,
        read: impl FnOnce(&'t DeValue<'t>) -> Option<T>,
    ) -> Option<T> {
        let (_, value) = self.table.get_key_value(key)?;
        let read = read(value.get_ref());
        if read.is_none() {
            self.wrong(key, expected, super::kind(value.get_ref()), page);
        }
        read
    }

    /// Notes that a key's value is not what it should be.
    pub(crate) fn wrong(
        &self,
        key: &str,
        expected: &'static str,
        found: String,
        page: &mut Page<'_>,
    ) {
        let fault = Fault::WrongKind {
            table: self.name.clone(),
            key: key.to_owned(),
            expected,
            found,
        };
        page.report(self.place(key), fault);
    }

    pub(crate) fn missing(&self, key: &'static str, page: &mut Page<'_>) {
        let table = self.name.clone();
        page.report(self.at, Fault::Missing { table, key });
    }

    /// A text that says something.
    pub(crate) fn text(&self, key: &str, page: &mut Page<'_>) -> Option<At<String>> {
        let text = self.get(key, "a text that is not empty", page, |value| {
            value.as_str().filter(|text| !text.trim().is_empty())
        })?;
        Some(self.at(key, text.to_owned(), page))
    }

    /// Something with the key's place.
    pub(crate) fn at<T>(&self, key: &str, it: T, page: &Page<'_>) -> At<T> {
        At {
            file: page.name().to_owned(),
            line: page.line(self.place(key)),
            it,
        }
    }

    pub(crate) fn flag(&self, key: &str, page: &mut Page<'_>) -> Option<bool> {
        self.get(key, "true or false", page, DeValue::as_bool)
    }

    pub(crate) fn integer(
        &self,
        key: &str,
        expected: &'static str,
        page: &mut Page<'_>,
    ) -> Option<i128> {
        self.get(key, expected, page, |value| {
            value.as_integer().and_then(number)
        })
    }

    /// A whole number within bounds.
    pub(crate) fn count(
        &self,
        key: &str,
        (low, high): (u64, u64),
        page: &mut Page<'_>,
    ) -> Option<u64> {
        let value = self.integer(key, "a whole number", page)?;
        self.within(key, value, (low, high), page)
    }

    /// `value` if it lies within the bounds, which is noted if not.
    pub(crate) fn within(
        &self,
        key: &str,
        value: i128,
        (low, high): (u64, u64),
        page: &mut Page<'_>,
    ) -> Option<u64> {
        let good = u64::try_from(value)
            .ok()
            .filter(|value| (low..=high).contains(value));
        if good.is_none() {
            let fault = Fault::OutOfRange {
                table: self.name.clone(),
                key: key.to_owned(),
                value: value.to_string(),
                low,
                high,
            };
            page.report(self.place(key), fault);
        }
        good
    }

    /// A TOML date or a text like one, not after today.
    pub(crate) fn date(&self, key: &str, page: &mut Page<'_>) -> Option<Date> {
        let value = self.get(key, "a date such as 2026-11-25", page, |value| {
            let text = value.as_str().map(str::to_owned);
            text.or_else(|| value.as_datetime().map(ToString::to_string))
        })?;
        let table = self.name.clone();
        let today = page.today;
        let fault = match Date::parse(&value) {
            None => Fault::DateMalformed { table, value },
            Some(date) if date > today => Fault::DateInFuture { table, date, today },
            Some(date) => return Some(date),
        };
        page.report(self.place(key), fault);
        None
    }

    /// Per cent with at most three decimals, such as 99.95.
    pub(crate) fn sla(&self, key: &str, page: &mut Page<'_>) -> Option<Sla> {
        let expected = "an availability in percent, over 0 and at most 100, such as 99.9";
        self.get(key, expected, page, |value| {
            let text = value.as_float().map(|number| number.as_str().to_owned());
            let text = text.or_else(|| value.as_integer().map(ToString::to_string))?;
            let (whole, rest) = text.split_once('.').unwrap_or((&text, ""));
            let thousandths = format!("{rest:0<3}");
            let plain = thousandths.len() == 3;
            let digits = format!("{whole}{thousandths}").parse::<u32>().ok();
            digits
                .filter(|n| plain && (1..=100_000).contains(n))
                .map(Sla)
        })
    }

    /// A list of texts.
    pub(crate) fn texts(&self, key: &str, page: &mut Page<'_>) -> Option<Vec<(&'t str, usize)>> {
        self.get(key, "a list of texts", page, |value| {
            let list = value.as_array()?.iter();
            list.map(|item| Some((item.get_ref().as_str()?, item.span().start)))
                .collect()
        })
    }

    /// One word of a vocabulary.
    pub(crate) fn term<T: Term>(&self, key: &str, page: &mut Page<'_>) -> Option<T> {
        let word = self.get(key, "a text", page, DeValue::as_str)?;
        self.find(word, self.place(key), page)
    }

    /// A set of words of a vocabulary.
    pub(crate) fn terms<T: Term>(&self, key: &str, page: &mut Page<'_>) -> Option<BTreeSet<T>> {
        let words = self.texts(key, page)?;
        Some(
            words
                .into_iter()
                .filter_map(|(word, at)| self.find(word, at, page))
                .collect(),
        )
    }

    fn find<T: Term>(&self, word: &str, at: usize, page: &mut Page<'_>) -> Option<T> {
        let found = T::find(word);
        if found.is_none() {
            let fault = Fault::Unknown {
                table: self.name.clone(),
                what: T::WHAT,
                word: word.to_owned(),
                nearest: nearest(word, T::words()),
            };
            page.report(at, fault);
        }
        found
    }

    /// A table within.
    pub(crate) fn table(&self, key: &'static str, page: &mut Page<'_>) -> Option<Fields<'t>> {
        let table = self.get(key, "a table", page, DeValue::as_table)?;
        Some(self.inner(key, table))
    }

    /// The table under `key`, called after both.
    pub(crate) fn inner(&self, key: &str, table: &'t DeTable<'t>) -> Fields<'t> {
        Fields::new(table, self.place(key), format!("{}: {key}", self.name))
    }

    /// The tables of `[[key]]`.
    pub(crate) fn tables(&self, key: &'static str, page: &mut Page<'_>) -> Vec<Fields<'t>> {
        let rows = self.get(key, "a list of tables: write [[…]]", page, |value| {
            let list = value.as_array()?.iter();
            list.map(|item| {
                let table = item.get_ref().as_table()?;
                Some(Fields::new(table, item.span().start, key.to_owned()))
            })
            .collect::<Option<Vec<_>>>()
        });
        rows.unwrap_or_default()
    }
}

pub(crate) fn number(integer: &DeInteger<'_>) -> Option<i128> {
    i128::from_str_radix(integer.as_str(), integer.radix()).ok()
}
