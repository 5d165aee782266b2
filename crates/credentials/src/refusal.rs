//! The error code in a provider's refusal: a short word, never its prose, which may repeat what was sent.

use serde_json::Value;

/// The longest code that is repeated, in characters.
const MAX_CODE: usize = 64;

/// Where providers put their code: OAuth and Entra, Google's APIs, AWS, Oracle.
const PLACES: &[&str] = &[
    "/error/status",
    "/error/code",
    "/error",
    "/__type",
    "/code",
    "/Code",
    "/Error/Code",
];

/// The code in `body`, with Entra's number where there is one; `no error code` if none is found.
pub(crate) fn code(body: &[u8]) -> String {
    let Ok(json) = serde_json::from_slice::<Value>(body) else {
        return xml_code(body).unwrap_or_else(|| "no error code".to_owned());
    };
    let found = PLACES
        .iter()
        .find_map(|place| json.pointer(place)?.as_str())
        .and_then(word);
    let entra = json
        .get("error_description")
        .and_then(Value::as_str)
        .and_then(|text| text.split(':').next())
        .filter(|text| text.starts_with("AADSTS"))
        .and_then(word);
    match (found, entra) {
        (Some(code), Some(number)) => format!("{code} ({number})"),
        (Some(code), None) => code,
        _ => "no error code".to_owned(),
    }
}

/// The code of an AWS error: header `x-amzn-errortype`, else the body's. Without namespace or URL.
pub(crate) fn aws_code(headers: &http::HeaderMap, body: &[u8]) -> String {
    let header = headers
        .get("x-amzn-errortype")
        .and_then(|v| v.to_str().ok())
        .and_then(|v| v.split(':').next())
        .and_then(word);
    let code = header.unwrap_or_else(|| code(body));
    code.rsplit('#').next().unwrap_or_default().to_owned()
}

fn word(text: &str) -> Option<String> {
    let fits = !text.is_empty()
        && text.len() <= MAX_CODE
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"_-.#".contains(&b));
    fits.then(|| text.to_owned())
}

fn xml_code(body: &[u8]) -> Option<String> {
    let document = roxmltree::Document::parse(std::str::from_utf8(body).ok()?).ok()?;
    let node = document.descendants().find(|n| n.has_tag_name("Code"))?;
    word(node.text()?)
}

#[cfg(test)]
mod tests {
    use super::code;

    #[test]
    fn each_providers_code_is_found_and_its_prose_is_not_repeated() {
        let table = [
            (
                r#"{"error":"invalid_client","error_description":"AADSTS7000215: Invalid client secret provided: 'S3cret'"}"#,
                "invalid_client (AADSTS7000215)",
            ),
            (
                r#"{"error":{"code":403,"status":"PERMISSION_DENIED","message":"x"}}"#,
                "PERMISSION_DENIED",
            ),
            (
                r#"{"code":"NotAuthenticated","message":"x"}"#,
                "NotAuthenticated",
            ),
            (
                r#"<ErrorResponse><Error><Code>ExpiredTokenException</Code></Error></ErrorResponse>"#,
                "ExpiredTokenException",
            ),
            (r#"{"error":"the secret S3cret is wrong"}"#, "no error code"),
            ("<html>busy", "no error code"),
        ];
        for (body, expected) in table {
            assert_eq!(code(body.as_bytes()), expected);
        }
    }
}
