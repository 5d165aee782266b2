//! The policy path alone, as criterion measured it just before.

use std::fs;

use anyhow::{Context, Result};

use crate::Options;
use crate::peers::Starter;
use crate::report::Report;

/// Criterion's name of a measurement, our key for it, and what it is.
const MEASUREMENTS: [(&str, Option<&str>, &str); 4] = [
    (
        "policy/2kb",
        Some("policy_2kb_us"),
        "three decisions on a 2 KB prompt",
    ),
    (
        "policy/2kb-no-pagemap-scan",
        None,
        "the same without pagemap_scan",
    ),
    (
        "policy/100kb",
        Some("policy_100kb_us"),
        "three decisions on a 100 KB prompt",
    ),
    (
        "guard/delta",
        Some("guard_delta_us"),
        "the output guard on one delta",
    ),
];

pub(crate) fn run(_: &Starter<'_>, options: &Options, report: &mut Report) -> Result<()> {
    for (id, key, what) in MEASUREMENTS {
        let file = options
            .target
            .join("criterion")
            .join(id)
            .join("new/estimates.json");
        let Ok(text) = fs::read_to_string(&file) else {
            report.missing(id, "criterion left no estimate of it");
            continue;
        };
        let estimates: serde_json::Value =
            serde_json::from_str(&text).context("criterion's estimates are no JSON")?;
        let nanoseconds = estimates["median"]["point_estimate"]
            .as_f64()
            .context("criterion gives no median")?;
        report.row(
            format!("policy path: {what}"),
            format!("{:>9.2} µs median", nanoseconds / 1000.0),
        );
        if let Some(key) = key {
            report.result(key, Some(nanoseconds / 1000.0));
        }
    }
    Ok(())
}
