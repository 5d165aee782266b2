use std::path::Path;

use super::*;

const GOOD: &str = r#"
spin_manifest_version = 2

[application]
name = "edge"
version = "0.1.0"
authors = ["someone"]
targets = ["spin-up:4.1"]

[variables]
upstream = { default = "http://127.0.0.1:8000" }
master = { required = true, secret = true }

[[trigger.http]]
route = "/..."
component = "edge"

[[trigger.http]]
route = { private = true }
component = "cache"

[component.edge]
source = "edge.wasm"
allowed_outbound_hosts = ["{{ upstream }}"]
key_value_stores = ["default"]
environment = { RUST_LOG = "info" }
variables = { upstream = "{{ upstream }}", both = "{{ upstream }}/{{ master }}" }
[component.edge.build]
command = "cargo build"
watch = ["src/**/*.rs"]
[component.edge.profile.debug.build]
command = ["cargo build", "echo done"]
[component.edge.tool.something]
any = 1
[component.edge.dependencies]
"test:tool/tool@0.1.0" = { path = "tool.wasm", inherit_configuration = ["variables"] }
"test:cache" = { component = "cache", export = "test:cache/store" }

[component.cache]
source = "cache.wasm"
"#;

fn parse(text: &str) -> Result<Manifest, String> {
    Manifest::parse(text, Path::new("app/spin.toml")).map_err(|error| error.to_string())
}

fn refused(from: &str, to: &str) -> String {
    let text = GOOD.replacen(from, to, 1);
    assert_ne!(text, GOOD, "{from:?} is not in the manifest");
    parse(&text).unwrap_err()
}

fn given(name: &str, value: &str) -> Vec<(String, String)> {
    vec![(name.to_owned(), value.to_owned())]
}

#[test]
fn a_whole_manifest_is_understood() {
    let manifest = parse(GOOD).unwrap();
    assert_eq!(manifest.routes, [("/...".to_owned(), "edge".to_owned())]);
    let edge = &manifest.components["edge"];
    assert_eq!(edge.source, Path::new("app/edge.wasm"));
    let tool = &edge.dependencies[1];
    assert_eq!(tool.source, Path::new("app/tool.wasm"));
    assert_eq!(tool.inherit, [Capability::Variables]);
    assert_eq!(edge.dependencies[0].source, Path::new("app/cache.wasm"));
    assert_eq!(
        edge.dependencies[0].export.as_deref(),
        Some("test:cache/store")
    );
}

#[test]
fn an_unknown_key_is_named_with_its_line() {
    let error = refused("key_value_stores =", "key_value_shops =");
    assert!(error.contains("app/spin.toml"), "{error}");
    assert!(error.contains("line 25"), "{error}");
    assert!(error.contains("key_value_shops"), "{error}");
    let error = refused("export =", "exports =");
    assert!(
        error.contains("line 37") && error.contains("exports"),
        "{error}"
    );
    let error = refused("[[trigger.http]]", "[[trigger.redis]]");
    assert!(error.contains("redis") && error.contains("line"), "{error}");
}

#[test]
fn what_this_host_has_not_is_refused_by_name() {
    for (from, to, named) in [
        (
            "source = \"edge.wasm\"",
            "source = { url = \"https://a/b.wasm\", digest = \"sha256:0\" }",
            "component.edge.source",
        ),
        (
            "environment = {",
            "files = [\"assets/*\"]\nenvironment = {",
            "component.edge.files",
        ),
        (
            "environment = {",
            "sqlite_databases = [\"default\"]\nenvironment = {",
            "component.edge.sqlite_databases",
        ),
        (
            "{ path = \"tool.wasm\", inherit_configuration = [\"variables\"] }",
            "\">=0.1.0\"",
            "test:tool/tool@0.1.0",
        ),
        ("[\"variables\"]", "[\"wishes\"]", "wishes"),
        (
            "component = \"cache\", export",
            "component = \"none\", export",
            "component.none",
        ),
        (
            "component = \"edge\"",
            "component = \"none\"",
            "component.none",
        ),
        ("= 2", "= 1", "version 1"),
        (
            "secret = true",
            "secret = true, default = \"x\"",
            "variables.master",
        ),
        ("{{ upstream }}\"]", "{{ upstream \"]", "without }}"),
    ] {
        let error = refused(from, to);
        assert!(error.contains(named), "{named} not in: {error}");
    }
}

#[test]
fn values_come_from_the_flag_then_the_environment_then_the_default() {
    let declared = parse(GOOD).unwrap().variables;
    let environment = |name: &str| (name == "SPIN_VARIABLE_MASTER").then(|| "outside".to_owned());
    let values = Values::find(&declared, &[], environment).unwrap();
    assert_eq!(values.get("master"), Some("outside"));
    assert_eq!(values.get("upstream"), Some("http://127.0.0.1:8000"));
    let values = Values::find(&declared, &given("master", "flag"), environment).unwrap();
    assert_eq!(values.get("master"), Some("flag"));
}

#[test]
fn a_missing_or_unknown_variable_is_named() {
    let declared = parse(GOOD).unwrap().variables;
    let missing = Values::find(&declared, &[], |_| None).unwrap_err();
    let missing = missing.to_string();
    assert!(missing.contains("--variable master="), "{missing}");
    assert!(missing.contains("SPIN_VARIABLE_MASTER"), "{missing}");
    let unknown = Values::find(&declared, &given("mister", "x"), |_| None).unwrap_err();
    assert!(unknown.to_string().contains("mister"), "{unknown}");
}

#[test]
fn templates_resolve_and_secrets_are_not_printed() {
    let manifest = parse(GOOD).unwrap();
    let values =
        Values::find(&manifest.variables, &given("master", "hush-hush"), |_| None).unwrap();
    let both = &manifest.components["edge"].variables["both"];
    assert_eq!(
        both.resolve(&values).unwrap(),
        "http://127.0.0.1:8000/hush-hush"
    );
    let undeclared = Template::parse("{{ nobody }}").unwrap();
    assert!(undeclared.resolve(&values).unwrap_err().contains("nobody"));
    assert!(!format!("{values:?}").contains("hush"));
}
