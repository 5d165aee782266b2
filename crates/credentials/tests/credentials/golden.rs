//! Signatures beside those of AWS's and Oracle's own code: `tests/vendor/golden.py` made golden.json
//! with botocore, the OCI SDK and google-auth.

use bytes::Bytes;
use futures_util::FutureExt;
use http::Request;
use serde_json::Value;

use super::support::*;

pub(crate) fn golden() -> Value {
    serde_json::from_str(include_str!("../vendor/golden.json")).unwrap()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap()
}

/// The request of a golden case, authorized.
fn signed(auth: &str, world: &std::sync::Arc<World>, case: &Value) -> Request<Bytes> {
    let mut request = Request::builder()
        .method(text(case, "method"))
        .uri(text(case, "url"))
        // A client's own credential is replaced, other headers are not signed.
        .header("authorization", "Bearer sk-of-a-client")
        .header("accept", "*/*");
    if !text(case, "body").is_empty() {
        request = request.header("content-type", "application/json");
    }
    let mut request = request
        .body(Bytes::copy_from_slice(text(case, "body").as_bytes()))
        .unwrap();
    build(auth, world)
        .authorize(&mut request, &Endpoint::none(), at(0))
        .now_or_never()
        .unwrap()
        .unwrap();
    request
}

#[test]
fn requests_are_signed_as_botocore_signs_them() {
    for case in golden()["sigv4"].as_array().unwrap() {
        let mut world = vec![
            ("ID", "AKIDEXAMPLE"),
            ("KEY", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
        ];
        let mut auth = r#"
kind = "sigv4"
region = "eu-central-1"
[source]
from = "keys"
access_key_id = "env:ID"
secret_access_key = "env:KEY"
"#
        .to_owned();
        if let Some(token) = case["token"].as_str() {
            world.push(("TOKEN", token));
            auth.push_str("session_token = \"env:TOKEN\"\n");
        }
        let request = signed(&auth, &World::new(&world, &[]), case);
        let name = text(case, "name");
        assert_eq!(
            header(&request, "authorization"),
            text(case, "authorization"),
            "{name}"
        );
        assert_eq!(header(&request, "x-amz-date"), text(case, "date"), "{name}");
        let token = request.headers().get("x-amz-security-token");
        assert_eq!(token.map(|t| t.to_str().unwrap()), case["token"].as_str());
    }
}

#[test]
fn requests_are_signed_as_oracles_sdk_signs_them() {
    let auth = r#"
kind = "oci"
tenancy = "ocid1.tenancy.oc1..test"
user = "ocid1.user.oc1..test"
fingerprint = "20:3b:97:13"
key_file = "key.pem"
"#;
    let world = World::new(&[], &[("key.pem", KEY)]);
    for case in golden()["oci"].as_array().unwrap() {
        let request = signed(auth, &world, case);
        let value = header(&request, "authorization");
        for (field, expected) in case["fields"].as_object().unwrap() {
            let expected = format!("{field}=\"{}\"", expected.as_str().unwrap());
            assert!(value.contains(&expected), "{value}\nlacks {expected}");
        }
        assert_eq!(header(&request, "date"), "Sat, 31 Jan 2026 12:00:00 GMT");
        let hash = request.headers().get("x-content-sha256");
        assert_eq!(hash.map(|h| h.to_str().unwrap()), case["sha256"].as_str());
    }
}

#[test]
fn aws_published_vectors_are_met() {
    // AWS's signature test suite, published with its SDKs and its C library aws-c-auth
    // (tests/aws-signing-test-suite/v4): get-vanilla, post-vanilla, post-sts-header-before.
    let token = "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA==";
    let table = [
        (
            "GET",
            false,
            "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
        ),
        (
            "POST",
            false,
            "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
        ),
        (
            "POST",
            true,
            "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead",
        ),
    ];
    let world = World::new(
        &[
            ("ID", "AKIDEXAMPLE"),
            ("KEY", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
            ("TOKEN", token),
        ],
        &[],
    );
    let now = httpdate::parse_http_date("Sun, 30 Aug 2015 12:36:00 GMT").unwrap();
    for (method, with_token, signature) in table {
        let mut auth = r#"
kind = "sigv4"
region = "us-east-1"
service = "service"
[source]
from = "keys"
access_key_id = "env:ID"
secret_access_key = "env:KEY"
"#
        .to_owned();
        if with_token {
            auth.push_str("session_token = \"env:TOKEN\"\n");
        }
        let mut request = Request::builder()
            .method(method)
            .uri("https://example.amazonaws.com/")
            .body(Bytes::new())
            .unwrap();
        build(&auth, &world)
            .authorize(&mut request, &Endpoint::none(), now)
            .now_or_never()
            .unwrap()
            .unwrap();
        assert!(
            header(&request, "authorization").ends_with(signature),
            "{method} {with_token}"
        );
    }
}
