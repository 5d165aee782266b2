//! Prometheus' text, read strictly: every line is a comment it may have, or a sample.

use std::collections::BTreeMap;

/// All samples of one scrape.
#[derive(Debug, Clone, Default)]
pub struct Metrics {
    samples: BTreeMap<String, f64>,
    types: BTreeMap<String, String>,
}

impl Metrics {
    /// Reads a page.
    ///
    /// # Panics
    /// On a line that Prometheus would not take.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut this = Self::default();
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').expect("a name and a type");
                let old = this.types.insert(name.to_owned(), kind.to_owned());
                assert!(old.is_none(), "two types of {name}");
                continue;
            }
            if line.starts_with("# HELP ") || line.starts_with("# UNIT ") || line == "# EOF" {
                continue;
            }
            let (series, value) = line
                .rsplit_once(' ')
                .unwrap_or_else(|| panic!("no sample: {line:?}"));
            let value: f64 = value
                .parse()
                .unwrap_or_else(|_| panic!("no figure: {line:?}"));
            let name = series.split('{').next().unwrap_or_default();
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
            assert!(
                !name.is_empty() && name.chars().all(plain),
                "no name: {line:?}"
            );
            let labels = &series[name.len()..];
            assert!(
                labels.is_empty() || (labels.starts_with('{') && labels.ends_with('}')),
                "{line:?}"
            );
            let old = this.samples.insert(series.to_owned(), value);
            assert!(old.is_none(), "two samples of {series}");
        }
        this
    }

    /// The sum of all samples of a name whose labels hold every given pair: `name{a="b",c="d"}`.
    #[must_use]
    pub fn sum(&self, series: &str) -> f64 {
        let (name, labels) = series.split_once('{').unwrap_or((series, ""));
        let wanted: Vec<&str> = labels
            .trim_end_matches('}')
            .split(',')
            .filter(|pair| !pair.is_empty())
            .collect();
        let fits = |sample: &str| {
            let (found, labels) = sample.split_once('{').unwrap_or((sample, ""));
            found == name && wanted.iter().all(|pair| labels.contains(pair))
        };
        self.samples
            .iter()
            .filter(|(sample, _)| fits(sample))
            .map(|(_, value)| value)
            .sum()
    }

    /// Whether there is any sample of this name.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.samples
            .keys()
            .any(|sample| sample.split('{').next() == Some(name))
    }

    /// The type of a metric, as announced.
    #[must_use]
    pub fn type_of(&self, name: &str) -> &str {
        self.types.get(name).map_or("", String::as_str)
    }
}
