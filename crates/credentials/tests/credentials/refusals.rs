//! What is said when a provider says no, and what a refused request makes of a token.

use forebay_credentials::{MAX_TOKEN_ANSWER, Problem, Rejection};
use http::HeaderMap;

use super::support::*;

const ENTRA: &str = r#"
kind = "entra"
tenant = "contoso.example"
client_id = "app-1"
client_secret = "env:SECRET"
"#;
const KEYS: &str = r#"
kind = "sigv4"
region = "eu-central-1"
source = { from = "keys", access_key_id = "env:ID", secret_access_key = "env:SECRET" }
"#;

fn world() -> std::sync::Arc<World> {
    World::new(
        &[("SECRET", "S3cret"), ("ID", "AKIDEXAMPLE")],
        &[("key.pem", KEY)],
    )
}

fn refused(status: u16, body: &str) -> String {
    let credentials = build(ENTRA, &world());
    let endpoint = Endpoint::always(status, body);
    authorize(&credentials, &endpoint, at(0))
        .unwrap_err()
        .to_string()
}

#[test]
fn a_refusal_names_the_credential_its_place_and_the_providers_code() {
    let body = r#"{"error":"invalid_client","error_description":"AADSTS7000215: Invalid client secret provided: S3cret"}"#;
    assert_eq!(
        refused(401, body),
        "upstreams \"cloud-eu\": the Entra client secret (auth.client_secret) was refused by https://login.microsoftonline.com: invalid_client (AADSTS7000215), status 401"
    );
}

#[test]
fn an_endpoint_out_of_reach_is_named_with_the_hosts_words() {
    let credentials = build(ENTRA, &world());
    let endpoint = Endpoint::new(|_, _| Err("connection refused".to_owned()));
    let error = authorize(&credentials, &endpoint, at(0)).unwrap_err();
    assert!(error.is_transient());
    assert_eq!(
        error.to_string(),
        "upstreams \"cloud-eu\": the Entra client secret (auth.client_secret) could not be exchanged: https://login.microsoftonline.com can't be reached: connection refused"
    );
}

#[test]
fn answers_that_are_none_are_refused_without_being_repeated() {
    let padding = " ".repeat(MAX_TOKEN_ANSWER);
    let huge = format!(r#"{{"access_token":"S3cret"}}{padding}"#);
    let long = format!(r#"{{"access_token":"{}"}}"#, "x".repeat(17 * 1024));
    for body in [
        "<html>S3cret",
        "{}",
        r#"{"access_token":"S3 cret\n"}"#,
        r#"{"access_token":""}"#,
        r#"{"access_token":"S3cret","expires_in":0}"#,
        r#"{"access_token":"S3cret","expires_in":"soon"}"#,
        &huge,
        &long,
    ] {
        let message = refused(200, body);
        assert!(
            message.contains("returned an answer that can't be used"),
            "{message}"
        );
        assert!(!message.contains("S3") && message.len() < 300, "{message}");
    }
}

#[test]
fn a_wrong_clock_is_named_where_the_endpoint_tells_the_time() {
    let credentials = build(ENTRA, &world());
    let endpoint = Endpoint::new(|_, _| {
        let mut answer = answer(400, r#"{"error":"invalid_grant"}"#);
        let date = httpdate::fmt_http_date(at(0)).parse().unwrap();
        answer.headers_mut().insert("date", date);
        Ok(answer)
    });
    let error = authorize(&credentials, &endpoint, at(7 * 60)).unwrap_err();
    assert!(
        error.to_string().ends_with(
            "(this machine's clock is 7 min ahead of https://login.microsoftonline.com; set it, by NTP for instance)"
        ),
        "{error}"
    );
    assert!(matches!(error.problem(), Problem::Refused { skew: Some(s), .. } if s.seconds == 420));
}

#[test]
fn a_refused_token_is_renewed_once_and_a_fresh_one_is_not() {
    let credentials = build(ENTRA, &world());
    let endpoint = Endpoint::new(|n, _| {
        Ok(answer(
            200,
            &format!(r#"{{"access_token":"t{n}","expires_in":3600}}"#),
        ))
    });
    let none = HeaderMap::new();
    let (_, old) = authorize(&credentials, &endpoint, at(0)).unwrap();
    // Revoked after ten minutes: two requests that used it are told to refresh, one token is asked for.
    let rejected = |used, now| credentials.rejected(used, 401, &none, b"", now);
    assert_eq!(rejected(old, at(600)), Rejection::Refresh);
    // A second request that used it, before the new one has come.
    assert_eq!(rejected(old, at(600)), Rejection::Refresh);
    let (request, new) = authorize(&credentials, &endpoint, at(600)).unwrap();
    assert_eq!(header(&request, "authorization"), "Bearer t1");
    assert_eq!(rejected(old, at(601)), Rejection::Refresh);
    assert_eq!(authorization(&credentials, &endpoint, at(601)), "Bearer t1");
    // The new one refused as well is not a matter of age.
    assert_eq!(rejected(new, at(602)), Rejection::Final);
    assert_eq!(
        credentials.rejected(new, 403, &none, b"", at(700)),
        Rejection::Final
    );
    assert_eq!(endpoint.count(), 2);
}

#[test]
fn a_key_that_never_changes_is_refused_for_good() {
    for auth in [
        r#"kind = "bearer"
key = "env:SECRET""#,
        KEYS,
    ] {
        let credentials = build(auth, &world());
        let (_, used) = authorize(&credentials, &Endpoint::none(), at(0)).unwrap();
        let body = br#"{"__type":"ExpiredTokenException"}"#;
        let rejection = credentials.rejected(used, 403, &HeaderMap::new(), body, at(0));
        assert_eq!(rejection, Rejection::Final);
    }
}

const OCI: &str = r#"
kind = "oci"
tenancy = "ocid1.tenancy.oc1..test"
user = "ocid1.user.oc1..test"
fingerprint = "20:3b"
key_file = "key.pem"
"#;

#[test]
fn a_clock_within_oracles_tolerance_is_not_blamed() {
    let credentials = build(OCI, &world());
    let (_, used) = authorize(&credentials, &Endpoint::none(), at(0)).unwrap();
    let mut headers = HeaderMap::new();
    headers.insert("date", httpdate::fmt_http_date(at(120)).parse().unwrap());
    let rejection = credentials.rejected(used, 401, &headers, b"{}", at(0));
    assert_eq!(rejection, Rejection::Final);
}

#[test]
fn signatures_refused_for_their_time_show_how_far_the_clock_is_off() {
    let expired = br#"{"message":"Signature expired: 20260131T114500Z is now earlier than 20260131T115500Z"}"#;
    let table: [(&str, u16, &str, &[u8]); 4] = [
        (
            KEYS,
            403,
            "InvalidSignatureException:http://internal.amazon.com/",
            expired,
        ),
        (KEYS, 403, "RequestTimeTooSkewed", b"{}"),
        (
            KEYS,
            400,
            "",
            br#"{"__type":"com.amazon.coral#RequestExpired"}"#,
        ),
        (OCI, 401, "", br#"{"code":"NotAuthenticated"}"#),
    ];
    for (auth, status, kind, body) in table {
        let credentials = build(auth, &world());
        let (_, used) = authorize(&credentials, &Endpoint::none(), at(0)).unwrap();
        let mut headers = HeaderMap::new();
        headers.insert("date", httpdate::fmt_http_date(at(900)).parse().unwrap());
        if !kind.is_empty() {
            headers.insert("x-amzn-errortype", kind.parse().unwrap());
        }
        match credentials.rejected(used, status, &headers, body, at(0)) {
            Rejection::ClockSkew(skew) => {
                assert_eq!(skew.to_string(), "this machine's clock is 15 min behind");
            }
            other => panic!("{kind} {other:?}"),
        }
    }
}

#[test]
fn a_wrong_signature_or_a_missing_permission_is_no_matter_of_the_clock() {
    let credentials = build(KEYS, &world());
    let (_, used) = authorize(&credentials, &Endpoint::none(), at(0)).unwrap();
    for body in [
        r#"{"__type":"AccessDeniedException"}"#,
        r#"{"__type":"InvalidSignatureException","message":"does not match"}"#,
    ] {
        let rejection = credentials.rejected(used, 403, &HeaderMap::new(), body.as_bytes(), at(0));
        assert_eq!(rejection, Rejection::Final);
    }
}
