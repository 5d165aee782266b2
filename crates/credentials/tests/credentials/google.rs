//! Google: assertions as google-auth makes them, metadata, and the exchange of foreign tokens.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::golden::golden;
use super::support::*;

const TOKEN: &str = r#"{"access_token":"t","expires_in":3599,"token_type":"Bearer"}"#;

fn key_file() -> String {
    json!({
        "type": "service_account",
        "client_email": "forebay@test.iam.gserviceaccount.com",
        "private_key": KEY,
        "private_key_id": "key-1",
        "token_uri": "https://oauth2.googleapis.com/token",
    })
    .to_string()
}

fn part(token: &str, n: usize) -> Vec<u8> {
    URL_SAFE_NO_PAD
        .decode(token.split('.').nth(n).unwrap())
        .unwrap()
}

/// Whether the test key's public half verifies the token.
pub(crate) fn verifies(message: &[u8], signature: &[u8]) -> bool {
    use rsa::pkcs1::EncodeRsaPublicKey;
    use rsa::pkcs8::DecodePublicKey;
    let pem = include_str!("keys/rsa-public.pem");
    let key = rsa::PublicKey::from_public_key_pem(pem).unwrap();
    let der = key.to_pkcs1_der().unwrap();
    ring::signature::UnparsedPublicKey::new(
        &ring::signature::RSA_PKCS1_2048_8192_SHA256,
        der.as_bytes(),
    )
    .verify(message, signature)
    .is_ok()
}

#[test]
fn an_assertion_says_what_google_auth_says_and_verifies() {
    let world = World::new(&[], &[("sa.json", &key_file())]);
    let auth = r#"
kind = "google-service-account"
file = "sa.json"
token_url = "http://127.0.0.1:9/token"
"#;
    let endpoint = Endpoint::always(200, TOKEN);
    assert_eq!(
        authorization(&build(auth, &world), &endpoint, at(0)),
        "Bearer t"
    );
    assert_eq!(endpoint.request(0).uri(), "http://127.0.0.1:9/token");
    let form = endpoint.form(0);
    assert_eq!(
        form["grant_type"],
        "urn:ietf:params:oauth:grant-type:jwt-bearer"
    );
    let assertion = &form["assertion"];
    let json = |n| serde_json::from_slice::<Value>(&part(assertion, n)).unwrap();
    assert_eq!(json(0), golden()["google"]["header"]);
    assert_eq!(json(1), golden()["google"]["claims"]);
    let (message, _) = assertion.rsplit_once('.').unwrap();
    assert!(verifies(message.as_bytes(), &part(assertion, 2)));
    assert!(!verifies(b"another", &part(assertion, 2)));
}

#[test]
fn without_an_override_the_files_own_endpoint_is_asked() {
    let world = World::new(&[], &[("sa.json", &key_file())]);
    let endpoint = Endpoint::always(200, TOKEN);
    let auth = "kind = \"google-service-account\"\nfile = \"sa.json\"";
    authorization(&build(auth, &world), &endpoint, at(0));
    assert_eq!(
        endpoint.request(0).uri(),
        "https://oauth2.googleapis.com/token"
    );
}

#[test]
fn a_file_of_another_type_is_told_its_kind() {
    let other = key_file().replace("service_account", "authorized_user");
    let damaged = key_file().replace("BEGIN PRIVATE", "BEGIN PUBLIC");
    let world = World::new(&[], &[("a", &other), ("b", &damaged), ("c", "{")]);
    let table = [
        ("a", "write kind = \"google-workload-identity\""),
        ("b", "the private_key in b: it holds no private key in PEM"),
        ("c", "c is not the key file of a service account (line 1)"),
    ];
    for (file, expected) in table {
        let auth = format!("kind = \"google-service-account\"\nfile = \"{file}\"");
        let message = build_error(&auth, &world);
        assert!(message.contains(expected), "{message}");
        assert!(message.contains("the Google service account (auth.file)"));
    }
}

#[test]
fn the_metadata_server_is_asked_with_its_flavor() {
    let endpoint = Endpoint::always(200, TOKEN);
    let credentials = build("kind = \"google-metadata\"", &World::new(&[], &[]));
    assert_eq!(authorization(&credentials, &endpoint, at(0)), "Bearer t");
    let request = endpoint.request(0);
    assert_eq!(
        request.uri(),
        "http://metadata.google.internal/computeMetadata/v1/instance/service-accounts/default/token"
    );
    assert_eq!(header(&request, "metadata-flavor"), "Google");
}

fn external(source: Value, impersonate: bool) -> String {
    let mut config = json!({
        "type": "external_account",
        "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/x",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": "https://sts.googleapis.com/v1/token",
        "credential_source": source,
    });
    if impersonate {
        config["service_account_impersonation_url"] = json!(
            "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/a@b:generateAccessToken"
        );
        config["service_account_impersonation"] = json!({"token_lifetime_seconds": 1800});
    }
    config.to_string()
}

const WORKLOAD: &str = "kind = \"google-workload-identity\"\nfile = \"wif.json\"";

#[test]
fn a_rotated_file_is_exchanged_anew_at_each_refresh() {
    let config = external(json!({"file": "/token"}), false);
    let world = World::new(&[], &[("wif.json", &config), ("/token", "subject-1\n")]);
    let credentials = build(WORKLOAD, &world);
    let endpoint = Endpoint::always(200, TOKEN);
    authorization(&credentials, &endpoint, at(0));
    world.write("/token", "subject-2");
    authorization(&credentials, &endpoint, at(3500));
    let form = endpoint.form(0);
    assert_eq!(
        form["grant_type"],
        "urn:ietf:params:oauth:grant-type:token-exchange"
    );
    assert_eq!(form["subject_token"], "subject-1");
    assert_eq!(
        form["scope"],
        "https://www.googleapis.com/auth/cloud-platform"
    );
    assert!(form["audience"].starts_with("//iam.googleapis.com/"));
    assert_eq!(endpoint.form(1)["subject_token"], "subject-2");
}

#[test]
fn a_token_from_an_address_is_exchanged_and_a_service_account_impersonated() {
    let source = json!({
        "url": "http://169.254.169.254/token",
        "headers": {"Metadata": "True"},
        "format": {"type": "json", "subject_token_field_name": "access_token"},
    });
    let world = World::new(&[], &[("wif.json", &external(source, true))]);
    let endpoint = Endpoint::new(|n, _| {
        Ok(answer(
            200,
            match n {
                0 => r#"{"access_token":"azure"}"#,
                1 => r#"{"access_token":"federated","expires_in":3600}"#,
                _ => r#"{"accessToken":"impersonated","expireTime":"2026-01-31T12:30:00Z"}"#,
            },
        ))
    });
    let credentials = build(WORKLOAD, &world);
    assert_eq!(
        authorization(&credentials, &endpoint, at(0)),
        "Bearer impersonated"
    );
    assert_eq!(header(&endpoint.request(0), "metadata"), "True");
    assert_eq!(endpoint.form(1)["subject_token"], "azure");
    let last = endpoint.request(2);
    assert_eq!(header(&last, "authorization"), "Bearer federated");
    let body: Value = serde_json::from_slice(last.body()).unwrap();
    assert_eq!(body["lifetime"], "1800s");
    assert_eq!(
        body["scope"][0],
        "https://www.googleapis.com/auth/cloud-platform"
    );
}

#[test]
fn sources_that_run_programs_are_refused_with_a_way_out() {
    let config = external(json!({"executable": {"command": "x"}}), false);
    let message = build_error(WORKLOAD, &World::new(&[], &[("wif.json", &config)]));
    assert!(
        message.contains("must have either a file or a url"),
        "{message}"
    );
}
