//! The TOML of `auth`: every kind, its defaults, and what it refuses.

use forebay_credentials::{AuthConfig, AwsSource};

use super::support::config;

#[test]
fn every_kind_is_read_with_its_defaults() {
    let kinds = [
        "kind = \"none\"",
        "kind = \"sigv4\"\nsource = { from = \"profile\" }",
        "kind = \"sigv4\"\nsource = { from = \"container\" }",
        "kind = \"sigv4\"\nsource = { from = \"web-identity\" }",
        "kind = \"sigv4\"\nsource = { from = \"instance\" }",
        "kind = \"managed-identity\"",
        "kind = \"entra-workload-identity\"",
        "kind = \"google-metadata\"",
        "kind = \"google-workload-identity\"\nfile = \"a.json\"",
        "kind = \"google-service-account\"\nfile = \"a.json\"",
        "kind = \"oci-config\"",
        "kind = \"oci-instance-principal\"",
    ];
    for kind in kinds {
        let read = config(kind);
        let written = toml::to_string(&read).unwrap();
        assert_eq!(config(&written), read, "{kind}");
    }
    let AuthConfig::Sigv4 {
        service, source, ..
    } = config(kinds[1])
    else {
        panic!("not sigv4")
    };
    assert_eq!(service, "bedrock");
    assert!(matches!(source, AwsSource::Profile { profile, .. } if profile == "default"));
}

#[test]
fn unknown_fields_are_refused() {
    for text in [
        "kind = \"none\"\nkey = \"env:A\"",
        "kind = \"bearer\"\nkey = \"env:A\"\nname = \"x\"",
        "kind = \"sigv4\"\nsource = { from = \"instance\", profile = \"x\" }",
        "kind = \"basic\"",
    ] {
        assert!(toml::from_str::<AuthConfig>(text).is_err(), "{text}");
    }
}
