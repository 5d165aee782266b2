//! Oracle's request signatures, version 1, after draft-cavage-http-signatures-08:
//! <https://docs.oracle.com/iaas/Content/API/Concepts/signingrequests.htm>.

use std::time::SystemTime;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, DATE, HOST};
use http::{HeaderName, HeaderValue, Method, Request, Uri};
use ring::digest::{SHA256, digest};

use super::Signer;

/// What every request to a service is signed over.
pub(super) const SERVICE: &[&str] = &["date", "(request-target)", "host"];
/// What a request to the federation endpoint is signed over, as Oracle's SDKs do.
pub(super) const FEDERATION: &[&str] = &["date", "(request-target)"];
/// What a request with a body is signed over in addition.
const BODY: &[&str] = &["content-length", "content-type", "x-content-sha256"];

const CONTENT_SHA256: HeaderName = HeaderName::from_static("x-content-sha256");

/// Adds `Date`, the body's headers and `Authorization`. The error says what is wrong with the request.
pub(super) fn sign(
    request: &mut Request<Bytes>,
    signer: &Signer,
    base: &[&'static str],
    now: SystemTime,
) -> Result<(), String> {
    if now < SystemTime::UNIX_EPOCH {
        return Err("this machine's clock is before 1970".to_owned());
    }
    let mut signed = base.to_vec();
    insert(request, DATE, &httpdate::fmt_http_date(now))?;
    if [Method::POST, Method::PUT, Method::PATCH].contains(request.method()) {
        signed.extend(BODY);
        let length = request.body().len().to_string();
        insert(request, CONTENT_LENGTH, &length)?;
        let hash = STANDARD.encode(digest(&SHA256, request.body()));
        insert(request, CONTENT_SHA256, &hash)?;
        request
            .headers_mut()
            .entry(CONTENT_TYPE)
            .or_insert(HeaderValue::from_static("application/json"));
    }
    let text = signing_string(request, &signed)?;
    let signature = signer.key.sign_base64(text.as_bytes())?;
    let value = zeroize::Zeroizing::new(format!(
        "Signature version=\"1\",headers=\"{}\",keyId=\"{}\",algorithm=\"rsa-sha256\",signature=\"{signature}\"",
        signed.join(" "),
        signer.key_id.as_str(),
    ));
    let mut value = HeaderValue::from_str(&value)
        .map_err(|_| "the key's name does not fit a header".to_owned())?;
    value.set_sensitive(true);
    request.headers_mut().insert(AUTHORIZATION, value);
    Ok(())
}

/// The lines that are signed: name, colon, blank, value; no line end after the last.
fn signing_string(request: &Request<Bytes>, signed: &[&str]) -> Result<String, String> {
    let lines: Result<Vec<String>, String> = signed
        .iter()
        .map(|name| {
            let value = match *name {
                "(request-target)" => format!(
                    "{} {}",
                    request.method().as_str().to_ascii_lowercase(),
                    request.uri().path_and_query().map_or("/", |p| p.as_str())
                ),
                "host" => host(request)?,
                other => text(request, other)?.to_owned(),
            };
            Ok(format!("{name}: {value}"))
        })
        .collect();
    Ok(lines?.join("\n"))
}

/// The `Host` that goes over the wire: the header if there is one, else the URL's, without the
/// scheme's own port.
fn host(request: &Request<Bytes>) -> Result<String, String> {
    if request.headers().contains_key(HOST) {
        return text(request, "host").map(str::to_owned);
    }
    let uri: &Uri = request.uri();
    let host = uri.host().ok_or("its URL has no host")?;
    let usual = match uri.scheme_str() {
        Some("https") => 443,
        _ => 80,
    };
    Ok(match uri.port_u16() {
        Some(port) if port != usual => format!("{host}:{port}"),
        _ => host.to_owned(),
    })
}

fn text<'a>(request: &'a Request<Bytes>, name: &str) -> Result<&'a str, String> {
    request
        .headers()
        .get(name)
        .and_then(|value| value.to_str().ok())
        .ok_or_else(|| format!("its header {name} is missing or not text"))
}

fn insert(request: &mut Request<Bytes>, name: HeaderName, value: &str) -> Result<(), String> {
    let value =
        HeaderValue::from_str(value).map_err(|_| format!("its {name} does not fit a header"))?;
    request.headers_mut().insert(name, value);
    Ok(())
}

#[cfg(test)]
mod tests {
    use ring::signature::{RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY, UnparsedPublicKey};
    use rsa::PublicKey;
    use rsa::pkcs1::EncodeRsaPublicKey;
    use rsa::pkcs8::DecodePublicKey;

    use super::*;

    // From "Request Signatures" in Oracle's documentation (address above): its example key, requests
    // and signatures. The key has 1024 bits, too few to sign with here, and the date's weekday is
    // wrong; that the published signatures fit our lines shows that the lines are the same.
    const KEY: &str = "-----BEGIN PUBLIC KEY-----
MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDCFENGw33yGihy92pDjZQhl0C3
6rPJj+CvfSC8+q28hxA161QFNUd13wuCTUcq0Qd2qsBe/2hFyc2DCJJg0h1L78+6
Z4UMR7EOcpfdUE9Hf3m/hs+FUR45uBJeDK1HSFHD8bHKD6kv8FPGfJTotc+2xjJw
oYi+1hqp1fIekaxsyQIDAQAB
-----END PUBLIC KEY-----";
    const PUBLISHED_DATE: &str = "Thu, 05 Jan 2014 21:31:40 GMT";

    fn published(request: &Request<Bytes>, signed: &[&str], signature: &str) -> bool {
        let key = PublicKey::from_public_key_pem(KEY).unwrap();
        let der = key.to_pkcs1_der().unwrap();
        let lines = signing_string(request, signed).unwrap();
        UnparsedPublicKey::new(
            &RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY,
            der.as_bytes(),
        )
        .verify(lines.as_bytes(), &STANDARD.decode(signature).unwrap())
        .is_ok()
    }

    #[test]
    fn oracles_example_of_a_get_fits_what_is_signed() {
        let request = Request::get(
            "https://iaas.us-phoenix-1.oraclecloud.com/20160918/instances?availabilityDomain=Pjwf%3A%20PHX-AD-1&compartmentId=ocid1.compartment.oc1..aaaaaaaam3we6vgnherjq5q2idnccdflvjsnog7mlr6rtdb25gilchfeyjxa&displayName=TeamXInstances&volumeId=ocid1.volume.oc1.phx.abyhqljrgvttnlx73nmrwfaux7kcvzfs3s66izvxf2h4lgvyndsdsnoiwr5q",
        )
        .header("date", PUBLISHED_DATE)
        .body(Bytes::new())
        .unwrap();
        let signature = "GBas7grhyrhSKHP6AVIj/h5/Vp8bd/peM79H9Wv8kjoaCivujVXlpbKLjMPeDUhxkFIWtTtLBj3sUzaFj34XE6YZAHc9r2DmE4pMwOAy/kiITcZxa1oHPOeRheC0jP2dqbTll8fmTZVwKZOKHYPtrLJIJQHJjNvxFWeHQjMaR7M=";
        assert!(published(&request, SERVICE, signature));
        assert!(!published(&request, FEDERATION, signature));
    }

    #[test]
    fn oracles_example_of_a_post_fits_what_is_signed() {
        let body = r#"{
    "compartmentId": "ocid1.compartment.oc1..aaaaaaaam3we6vgnherjq5q2idnccdflvjsnog7mlr6rtdb25gilchfeyjxa",
    "instanceId": "ocid1.instance.oc1.phx.abuw4ljrlsfiqw6vzzxb43vyypt4pkodawglp3wqxjqofakrwvou52gb6s5a",
    "volumeId": "ocid1.volume.oc1.phx.abyhqljrgvttnlx73nmrwfaux7kcvzfs3s66izvxf2h4lgvyndsdsnoiwr5q"
}"#;
        let request =
            Request::post("https://iaas.us-phoenix-1.oraclecloud.com/20160918/volumeAttachments")
                .header("date", PUBLISHED_DATE)
                .header("content-length", body.len())
                .header("content-type", "application/json")
                .header(
                    "x-content-sha256",
                    STANDARD.encode(digest(&SHA256, body.as_bytes())),
                )
                .body(Bytes::from_static(body.as_bytes()))
                .unwrap();
        let signed = [SERVICE, BODY].concat();
        let signature = "Mje8vIDPlwIHmD/cTDwRxE7HaAvBg16JnVcsuqaNRim23fFPgQfLoOOxae6WqKb1uPjYEl0qIdazWaBy/Ml8DRhqlocMwoSXv0fbukP8J5N80LCmzT/FFBvIvTB91XuXI3hYfP9Zt1l7S6ieVadHUfqBedWH0itrtPJBgKmrWso=";
        assert!(published(&request, &signed, signature));
    }
}
