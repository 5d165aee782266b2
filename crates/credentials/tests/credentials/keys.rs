//! Keys that go out as they are, and how secrets are given.

use super::support::*;

#[test]
fn each_kind_of_key_goes_into_its_header() {
    let world = World::new(&[("KEY", "k-1")], &[("key.txt", "k-2\n")]);
    let table: [(&str, &[(&str, &str)]); 4] = [
        ("kind = \"none\"", &[]),
        (
            "kind = \"bearer\"\nkey = \"env:KEY\"",
            &[("authorization", "Bearer k-1")],
        ),
        (
            "kind = \"header\"\nname = \"api-key\"\nkey = \"file:key.txt\"",
            &[("api-key", "k-2")],
        ),
        (
            "kind = \"openai\"\nkey = \"env:KEY\"\norganization = \"org-1\"\nproject = \"proj-1\"",
            &[
                ("authorization", "Bearer k-1"),
                ("openai-organization", "org-1"),
                ("openai-project", "proj-1"),
            ],
        ),
    ];
    for (auth, expected) in table {
        let (request, _) = authorize(&build(auth, &world), &Endpoint::none(), at(0)).unwrap();
        for (name, value) in expected {
            assert_eq!(header(&request, name), *value);
        }
        assert_eq!(request.headers().len(), expected.len() + 1, "{auth}");
    }
}

#[test]
fn what_is_missing_is_named_with_its_field_and_never_with_a_value() {
    let world = World::new(&[("EMPTY", ""), ("LINES", "a\nb")], &[("empty", "\n")]);
    let table = [
        (
            "env:ABSENT",
            "(auth.key) is missing: the environment variable ABSENT is not set or empty",
        ),
        (
            "env:EMPTY",
            "(auth.key) is missing: the environment variable EMPTY is not set or empty",
        ),
        (
            "file:absent",
            "(auth.key) is missing: the file absent: no such file",
        ),
        (
            "file:empty",
            "(auth.key) is missing: the file empty: it is empty",
        ),
        (
            "env:LINES",
            "(auth.key) can't be used: it holds characters that a header can't carry",
        ),
        (
            "sk-live-1",
            "(auth.key) is given by reference: write \"env:NAME\" or \"file:PATH\", not the value itself",
        ),
    ];
    for (key, expected) in table {
        let message = build_error(&format!("kind = \"bearer\"\nkey = \"{key}\""), &world);
        assert_eq!(
            message,
            format!("upstreams \"cloud-eu\": the API key {expected}")
        );
    }
}

#[test]
fn a_key_can_not_be_put_into_a_header_of_the_transport() {
    let world = World::new(&[("KEY", "k")], &[]);
    for name in ["host", "Content-Length", "transfer-encoding", "a b"] {
        let auth = format!("kind = \"header\"\nname = \"{name}\"\nkey = \"env:KEY\"");
        assert!(build_error(&auth, &world).contains("(auth.name)"));
    }
}

#[test]
fn nothing_that_can_be_printed_shows_a_secret() {
    let world = World::new(&[("KEY", "S3cret")], &[]);
    let auth = "kind = \"bearer\"\nkey = \"env:KEY\"";
    let credentials = build(auth, &world);
    let (request, _) = authorize(&credentials, &Endpoint::none(), at(0)).unwrap();
    assert_eq!(header(&request, "authorization"), "Bearer S3cret");
    let shown = format!(
        "{request:?} {credentials:?} {:?}",
        config(&auth.replace("env:KEY", "S3cret"))
    );
    assert!(!shown.contains("S3cret"), "{shown}");
}
