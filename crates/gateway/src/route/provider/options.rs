//! Reads `[upstreams.options]` for the provider under which they are written.

use super::Seller;
use crate::config::{Problems, Provider, ProviderOptions, UpstreamConfig};

impl UpstreamConfig {
    /// Its provider, with its options. Vertex's paths name the location that its host is in, so the
    /// region that decides the host decides the location too.
    ///
    /// # Errors
    /// Everything that is wrong with the options.
    pub(crate) fn seller(&self) -> Result<Box<dyn Seller>, Problems> {
        let mut options = self.options.clone();
        let by_region = self.provider == Provider::Vertex && self.urls.is_empty();
        if by_region && !self.region.is_empty() {
            options.location.get_or_insert_with(|| self.region.clone());
        }
        self.provider.seller(&options)
    }
}

/// Options while their provider reads them.
pub(super) struct Reading {
    /// Those that it has not taken yet.
    pub(super) left: ProviderOptions,
    problems: Problems,
}

impl Reading {
    pub(super) fn new(options: &ProviderOptions) -> Self {
        Self {
            left: options.clone(),
            problems: Problems::new(),
        }
    }

    /// What the word means. None if it is absent, and if it is not in the list, which is a problem.
    pub(super) fn one_of<T, const N: usize>(
        &mut self,
        option: &'static str,
        word: Option<String>,
        known: [(&'static str, T); N],
    ) -> Option<T> {
        let word = word?;
        let names = known.each_ref().map(|(name, _)| *name).join(", ");
        let found = known.into_iter().find(|(name, _)| *name == word);
        if found.is_none() {
            let why = format!("\"{word}\" is not a value of `{option}`; use one of {names}");
            self.problems.push((option, why));
        }
        found.map(|(_, meant)| meant)
    }

    /// An option that the provider can't do without. Empty if it is absent, which is a problem.
    pub(super) fn needed(&mut self, value: Option<String>, without: &str) -> String {
        if value.is_none() {
            self.problems.push(("provider", without.to_owned()));
        }
        value.unwrap_or_default()
    }

    /// Ends the reading. Options that are left belong to other providers, which is a problem.
    ///
    /// # Errors
    /// Everything that was wrong.
    pub(super) fn end(mut self, provider: Provider) -> Result<(), Problems> {
        self.problems.extend(self.left.given().map(|(option, of)| {
            let why = format!("`{option}` is an option of {of}, not of {provider}");
            (option, why)
        }));
        match self.problems.is_empty() {
            true => Ok(()),
            false => Err(self.problems),
        }
    }
}
