//! The stand-in composes what Spin composes, and refuses the rest in Spin's words.

use std::path::PathBuf;

use serde::Deserialize;

use crate::compose::compose;
use crate::manifest::Dependency;

#[derive(Deserialize)]
struct Table {
    commit: String,
    row: Vec<Row>,
}

#[derive(Deserialize)]
struct Row {
    name: String,
    by: String,
    imports: Vec<String>,
    dependencies: Vec<Given>,
    says: Option<String>,
}

#[derive(Deserialize)]
struct Given {
    name: String,
    exports: Vec<String>,
    export: Option<String>,
    #[serde(default = "narrow")]
    returns: String,
}

fn narrow() -> String {
    "u32".to_owned()
}

fn importing(interfaces: &[String]) -> Vec<u8> {
    let imports: String = interfaces
        .iter()
        .map(|name| format!("(import \"{name}\" (instance (export \"f\" (func (result u32)))))\n"))
        .collect();
    wat::parse_str(format!("(component {imports})")).unwrap()
}

fn exporting(interfaces: &[String], returns: &str) -> Vec<u8> {
    let core = if returns == "u64" { "i64" } else { "i32" };
    let exports: String = interfaces
        .iter()
        .map(|name| format!("(export \"{name}\" (instance $i))\n"))
        .collect();
    wat::parse_str(format!(
        "(component
          (core module $m (func (export \"f\") (result {core}) ({core}.const 0)))
          (core instance $m (instantiate $m))
          (func $f (result {returns}) (canon lift (core func $m \"f\")))
          (instance $i (export \"f\" (func $f)))
          {exports})"
    ))
    .unwrap()
}

#[test]
fn the_stand_in_is_as_strict_as_spin() {
    let table: Table = toml::from_str(include_str!("../outcomes.toml")).unwrap();
    assert_eq!(table.commit.len(), 40);
    for row in &table.row {
        assert!(["run", "source"].contains(&row.by.as_str()), "{}", row.name);
        let given: Vec<(Dependency, Vec<u8>)> = row
            .dependencies
            .iter()
            .map(|given| {
                let dependency = Dependency {
                    name: given.name.clone(),
                    source: PathBuf::new(),
                    export: given.export.clone(),
                    inherit: Vec::new(),
                };
                (dependency, exporting(&given.exports, &given.returns))
            })
            .collect();
        let dependencies = given.iter().map(|(d, bytes)| (d, bytes.clone())).collect();
        let composed = compose("edge", importing(&row.imports), dependencies);
        match (&row.says, composed) {
            (None, Ok(_)) => {}
            (None, Err(error)) => panic!("{}: Spin takes it: {error}", row.name),
            (Some(says), Ok(_)) => panic!("{}: Spin refuses it: {says}", row.name),
            (Some(says), Err(error)) => {
                assert!(error.to_string().contains(says), "{}: {error}", row.name);
            }
        }
    }
}
