//! What botocore signed is accepted; what is altered, old or not all there is not.

use http::Request;

use super::*;

const SECRET: &str = "secret/of+the=test";
const BODY: &[u8] = br#"{"messages":[]}"#;
const CREDENTIAL: &str = "FBAKTEST00000000000A/20261126/eu-central-1/bedrock/aws4_request";
const SKEW: Duration = Duration::from_secs(300);

fn hash(body: &[u8]) -> String {
    hex::encode(ring::digest::digest(&ring::digest::SHA256, body))
}

/// A request as botocore 1.44 signed it at 2026-11-26 21:45:00 UTC.
fn golden() -> Parts {
    let signature = "85f8a4fca0115d8f65e31ca9b1925819528a41c1bbae401cff9d651dd5f677c8";
    let request = Request::post("/model/anthropic.claude-x%3A0/converse")
        .header("host", "127.0.0.1:8080")
        .header("content-type", "application/json")
        .header("user-agent", "Boto3")
        .header("x-amz-date", "20261126T214500Z")
        .header(
            "authorization",
            format!(
                "{ALGORITHM} Credential={CREDENTIAL}, SignedHeaders=content-type;host;x-amz-date, Signature={signature}"
            ),
        );
    request.body(()).unwrap().into_parts().0
}

fn at(text: &str) -> SystemTime {
    moment(text).unwrap()
}

fn judge(head: &Parts, secret: &str, body: &[u8]) -> Result<(), SignatureProblem> {
    Signed::read(head)?.verify(head, secret, &hash(body))
}

#[test]
fn what_botocore_signed_is_accepted() {
    let head = golden();
    assert!(is_signed(&head));
    let signed = Signed::read(&head).unwrap();
    assert_eq!(signed.access_key_id(), "FBAKTEST00000000000A");
    assert_eq!(signed.verify(&head, SECRET, &hash(BODY)), Ok(()));
    // HTTP/2 has no `host`, but an authority.
    let mut head = golden();
    head.headers.remove("host");
    head.uri = "http://127.0.0.1:8080/model/anthropic.claude-x%3A0/converse"
        .parse()
        .unwrap();
    assert_eq!(judge(&head, SECRET, BODY), Ok(()));
}

#[test]
fn what_was_altered_is_not() {
    let mismatch = Err(SignatureProblem::Mismatch);
    assert_eq!(judge(&golden(), "secret/of+the=tesT", BODY), mismatch);
    assert_eq!(judge(&golden(), SECRET, b"{}"), mismatch);
    let mut head = golden();
    head.headers
        .insert("content-type", "text/plain".parse().unwrap());
    assert_eq!(judge(&head, SECRET, BODY), mismatch);
    for uri in [
        "/model/other/converse",
        "/model/anthropic.claude-x%3A0/converse?a=b",
        "/x/../model/anthropic.claude-x%3A0/converse",
        "/model/anthropic.claude-x:0/converse",
    ] {
        let mut head = golden();
        head.uri = uri.parse().unwrap();
        assert_eq!(judge(&head, SECRET, BODY), mismatch, "{uri}");
    }
    let mut head = golden();
    head.method = http::Method::PUT;
    assert_eq!(judge(&head, SECRET, BODY), mismatch);
    let text = head.headers["authorization"]
        .to_str()
        .unwrap()
        .replace("677c8", "677c9");
    let mut head = golden();
    head.headers.insert("authorization", text.parse().unwrap());
    assert_eq!(judge(&head, SECRET, BODY), mismatch);
}

#[test]
fn scope_and_time_are_the_ones_that_are_expected() {
    let signed = Signed::read(&golden()).unwrap();
    let check = |region, service, now| signed.check_scope(region, service, at(now), SKEW);
    for now in [
        "2026-11-26T21:40:00Z",
        "2026-11-26T21:45:00Z",
        "2026-11-26T21:50:00Z",
    ] {
        assert_eq!(check("eu-central-1", "bedrock", now), Ok(()), "{now}");
    }
    let old = check("eu-central-1", "bedrock", "2026-11-26T21:50:01Z");
    assert!(matches!(old, Err(SignatureProblem::Expired(_))), "{old:?}");
    let early = check("eu-central-1", "bedrock", "2026-11-26T21:39:59Z");
    assert!(
        matches!(early, Err(SignatureProblem::Early(_))),
        "{early:?}"
    );
    let region = check("us-east-1", "bedrock", "2026-11-26T21:45:00Z");
    assert!(matches!(region, Err(SignatureProblem::Region { .. })));
    let service = check("eu-central-1", "sagemaker", "2026-11-26T21:45:00Z");
    assert!(matches!(service, Err(SignatureProblem::Service { .. })));
}

#[test]
fn what_is_not_all_there_or_comes_twice_is_told() {
    let refused = |change: &dyn Fn(&mut Parts), with: &str| {
        let mut head = golden();
        change(&mut head);
        let told = judge(&head, SECRET, BODY).unwrap_err().to_string();
        assert!(told.contains(with), "{told}");
    };
    for name in ["host", "x-amz-date", "content-type", "authorization"] {
        refused(
            &|head| {
                let value = head.headers[name].clone();
                head.headers
                    .append(HeaderName::from_bytes(name.as_bytes()).unwrap(), value);
            },
            "more than once",
        );
    }
    refused(
        &|head| drop(head.headers.remove("x-amz-date")),
        "x-amz-date is missing",
    );
    refused(
        &|head| drop(head.headers.remove("content-type")),
        "content-type is missing",
    );
    let put = |head: &mut Parts, name: &'static str, value: &str| {
        head.headers.insert(name, value.parse().unwrap());
    };
    refused(
        &|head| put(head, "x-amz-target", "x"),
        "x-amz-target must be signed",
    );
    refused(
        &|head| put(head, "x-amz-security-token", "t"),
        "session tokens",
    );
    refused(
        &|head| put(head, "x-amz-date", "20261127T214500Z"),
        "not that of x-amz-date",
    );
    refused(&|head| put(head, "x-amz-date", "2026-11-26"), "YYYYMMDD");
    refused(
        &|head| {
            head.uri = "/model/m/converse?X-Amz-Algorithm=AWS4-HMAC-SHA256"
                .parse()
                .unwrap()
        },
        "presigned",
    );
    let sign = |head: &mut Parts, from: &str, to: &str| {
        let text = head.headers["authorization"]
            .to_str()
            .unwrap()
            .replace(from, to);
        put(head, "authorization", &text);
    };
    refused(&|head| sign(head, "host;", ""), "host must be signed");
    refused(
        &|head| sign(head, ";x-amz-date", ""),
        "x-amz-date must be signed",
    );
    refused(
        &|head| sign(head, "host;", "host;host;"),
        "names a header twice",
    );
    refused(
        &|head| sign(head, "HMAC-SHA256", "ECDSA-P256-SHA256"),
        "only AWS4-HMAC-SHA256",
    );
    refused(
        &|head| sign(head, "aws4_request", "aws4_request/x"),
        "Credential must be",
    );
    refused(
        &|head| sign(head, "Signature=", "Signature=a, Signature="),
        "Signature comes more than once",
    );
    refused(&|head| sign(head, "Credential=", "Other="), "not known");
}

#[test]
fn the_hash_that_a_head_names_is_the_bodys() {
    let mut head = golden();
    let text = head.headers["authorization"]
        .to_str()
        .unwrap()
        .replace("host;", "host;x-amz-content-sha256;");
    head.headers.insert("authorization", text.parse().unwrap());
    let mut put = |value: &str| {
        head.headers
            .insert("x-amz-content-sha256", value.parse().unwrap());
        judge(&head, SECRET, BODY)
    };
    assert_eq!(
        put("UNSIGNED-PAYLOAD"),
        Err(SignatureProblem::UnsignedPayload)
    );
    assert_eq!(
        put("STREAMING-AWS4-HMAC-SHA256-PAYLOAD"),
        Err(SignatureProblem::UnsignedPayload)
    );
    assert!(matches!(put("abc"), Err(SignatureProblem::Incomplete(_))));
    assert_eq!(put(&hash(b"other")), Err(SignatureProblem::Body));
    assert_eq!(
        put(&hash(BODY)),
        Err(SignatureProblem::Mismatch),
        "it was not signed with it"
    );
}
