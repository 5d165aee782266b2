//! The figures of a run: a table for people, a flat JSON object for comparisons.

use std::fmt;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Map, Value};

/// The keys of the JSON object, each `null` where a peer or a measurement is missing, and what is hoped for.
const KEYS: [(&str, &str); 27] = [
    ("miss_fresh_vs_envoy", "at least 0.25"),
    ("miss_tenant_vs_envoy", "at least 0.7"),
    ("miss_tenant_vs_smg", "above 1"),
    ("hit_vs_nginx_memory", "at least 0.5"),
    ("hit_vs_nginx_cache", "above 1"),
    ("added_p50_vs_envoy", "at most 1.5"),
    ("added_ttft_vs_envoy", "at most 1.5"),
    ("policy_2kb_us", "at most 100"),
    ("policy_100kb_us", "at most 1000"),
    ("guard_delta_us", "at most 2"),
    ("rss_idle_mb", "at most 100"),
    ("rss_5000_streams_mb", "at most 600"),
    ("neighbour_p99_ms", "below 50"),
    ("edge_hit_vs_hello", "at least 0.6"),
    ("edge_miss_vs_proxy", "at least 0.5"),
    ("edge_spin_hit_vs_hello", "at least 0.6"),
    ("edge_spin_miss_vs_proxy", "at least 0.5"),
    ("edge_workerd_hit_vs_hello", "at least 0.3"),
    ("edge_workerd_miss_vs_proxy", "at least 0.22"),
    ("edge_viceroy_hit_vs_hello", "at least 0.3"),
    ("edge_viceroy_miss_vs_proxy", "at least 0.22"),
    ("edge_added_ttft_vs_hello", "at most 1.5"),
    ("edge_first_request_ms", "at most 5"),
    ("edge_precompiled_start_ms", "at most 50"),
    ("edge_mib", "at most 3"),
    ("edge_gzip_mb", "at most 1.4"),
    ("edge_5000_terms_mib", "at most 8"),
];

/// What a run has found so far.
#[derive(Default)]
pub(crate) struct Report {
    rows: Vec<(String, String)>,
    results: Map<String, Value>,
    missing: Vec<String>,
}

impl Report {
    /// A figure of one subject, good for this run alone.
    pub(crate) fn row(&mut self, what: impl Into<String>, figure: impl fmt::Display) {
        self.rows.push((what.into(), figure.to_string()));
    }

    /// A result under one of the keys; none leaves it `null`.
    pub(crate) fn result(&mut self, key: &'static str, figure: Option<f64>) {
        if let Some(figure) = figure.filter(|figure| figure.is_finite()) {
            // Three decimals are more than a run repeats.
            self.results
                .insert(key.into(), ((figure * 1000.0).round() / 1000.0).into());
        }
    }

    /// Something that was not measured, and why.
    pub(crate) fn missing(&mut self, what: &str, why: impl fmt::Display) {
        self.missing.push(format!("MISSING {what}: {why}"));
    }

    /// Exactly the keys, in their order.
    fn json(&self) -> Value {
        KEYS.iter()
            .map(|(key, _)| {
                (
                    (*key).to_owned(),
                    self.results.get(*key).cloned().unwrap_or(Value::Null),
                )
            })
            .collect()
    }

    pub(crate) fn write(&self, file: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(&self.json())?;
        fs::write(file, text + "\n").with_context(|| format!("could not write {}", file.display()))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self
            .rows
            .iter()
            .map(|(what, _)| what.chars().count())
            .max()
            .unwrap_or(0);
        for (what, figure) in &self.rows {
            writeln!(f, "{what:width$}  {figure}")?;
        }
        writeln!(f)?;
        for (key, hope) in KEYS {
            let figure = self
                .results
                .get(key)
                .map_or_else(|| "not measured".into(), ToString::to_string);
            writeln!(f, "{key:26}  {figure:>12}  ({hope})")?;
        }
        for lack in &self.missing {
            writeln!(f, "{lack}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{KEYS, Report};

    #[test]
    fn the_object_has_every_key_and_null_for_what_is_missing() {
        let mut report = Report::default();
        report.result("hit_vs_nginx_memory", Some(0.61349));
        report.result("rss_idle_mb", None);
        let json = report.json();
        assert_eq!(json.as_object().unwrap().len(), KEYS.len());
        assert_eq!(json["hit_vs_nginx_memory"], 0.613);
        assert!(json["rss_idle_mb"].is_null());
    }
}
