//! What is inside the program, as CycloneDX 1.5 in JSON: each crate that is linked in, with its licence.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::Shipment;
use crate::places::{Places, cargo};
use crate::shell;

/// Writes `forebay-VERSION.cdx.json`.
pub(super) fn write(places: &Places, shipment: &Shipment) -> Result<()> {
    let metadata = shell::capture(
        cargo()
            .args(["metadata", "--format-version", "1", "--locked"])
            .args(["--filter-platform", "x86_64-unknown-linux-gnu"])
            .current_dir(&places.root),
    )?;
    let metadata: Value = serde_json::from_str(&metadata)?;
    let sbom = of(&metadata, &shipment.version).context("cargo metadata is not as expected")?;
    let file = shipment
        .out
        .join(format!("forebay-{}.cdx.json", shipment.version));
    fs::write(&file, format!("{sbom:#}\n"))
        .with_context(|| format!("could not write {}", file.display()))
}

/// The bill of the package `forebay` in cargo's metadata. Dependencies of builds and tests are not shipped.
fn of(metadata: &Value, version: &str) -> Option<Value> {
    let packages: BTreeMap<&str, &Value> = metadata["packages"]
        .as_array()?
        .iter()
        .filter_map(|package| Some((package["id"].as_str()?, package)))
        .collect();
    let nodes: BTreeMap<&str, &Value> = metadata["resolve"]["nodes"]
        .as_array()?
        .iter()
        .filter_map(|node| Some((node["id"].as_str()?, node)))
        .collect();
    let (root, _) = packages
        .iter()
        .find(|(_, package)| package["name"] == "forebay")?;
    let mut reached: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut waiting = vec![*root];
    while let Some(id) = waiting.pop() {
        if reached.contains_key(id) {
            continue;
        }
        let below: Vec<&str> = nodes
            .get(id)?
            .get("deps")?
            .as_array()?
            .iter()
            .filter(|dep| {
                dep["dep_kinds"]
                    .as_array()
                    .is_some_and(|kinds| kinds.iter().any(|kind| kind["kind"].is_null()))
            })
            .filter_map(|dep| dep["pkg"].as_str())
            .collect();
        waiting.extend(&below);
        reached.insert(id, below);
    }
    let reference = |id: &str| {
        packages
            .get(id)
            .map(|package| purl(package))
            .unwrap_or_default()
    };
    let components: Vec<Value> = reached
        .keys()
        .filter(|id| *id != root)
        .filter_map(|id| packages.get(id))
        .map(|package| component(package))
        .collect();
    let dependencies: Vec<Value> = reached
        .iter()
        .map(|(id, below)| {
            let mut below: Vec<String> = below.iter().map(|id| reference(id)).collect();
            below.sort();
            below.dedup();
            json!({ "ref": reference(id), "dependsOn": below })
        })
        .collect();
    Some(json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": { "component": {
            "type": "application", "bom-ref": reference(root), "name": "forebay", "version": version,
            "licenses": [{ "expression": "Apache-2.0" }],
        }},
        "components": components,
        "dependencies": dependencies,
    }))
}

fn component(package: &Value) -> Value {
    let mut component = json!({
        "type": "library",
        "bom-ref": purl(package),
        "name": package["name"],
        "version": package["version"],
        "purl": purl(package),
    });
    if let Some(licence) = package["license"].as_str() {
        // The older way to write OR.
        component["licenses"] = json!([{ "expression": licence.replace('/', " OR ") }]);
    }
    component
}

/// A package URL: `pkg:cargo/NAME@VERSION`.
fn purl(package: &Value) -> String {
    let text = |name: &str| package[name].as_str().unwrap_or_default();
    format!(
        "pkg:cargo/{}@{}",
        text("name"),
        text("version").replace('+', "%2B")
    )
}

#[cfg(test)]
mod tests {
    use super::of;
    use serde_json::json;

    #[test]
    fn what_only_builds_and_tests_need_is_left_out() {
        let package = |name: &str| json!({ "id": name, "name": name, "version": "1.0.0", "license": "MIT/Apache-2.0" });
        let dep = |name: &str, kind: serde_json::Value| json!({ "pkg": name, "dep_kinds": [{ "kind": kind }] });
        let metadata = json!({
            "packages": [package("forebay"), package("linked"), package("tested")],
            "resolve": { "nodes": [
                { "id": "forebay", "deps": [dep("linked", json!(null)), dep("tested", json!("dev"))] },
                { "id": "linked", "deps": [] },
                { "id": "tested", "deps": [] },
            ]},
        });
        let sbom = of(&metadata, "1.0.0").unwrap();
        assert_eq!(sbom["components"].as_array().unwrap().len(), 1);
        assert_eq!(sbom["components"][0]["purl"], "pkg:cargo/linked@1.0.0");
        assert_eq!(
            sbom["components"][0]["licenses"][0]["expression"],
            "MIT OR Apache-2.0"
        );
        assert_eq!(
            sbom["dependencies"][0]["dependsOn"],
            json!(["pkg:cargo/linked@1.0.0"])
        );
    }
}
