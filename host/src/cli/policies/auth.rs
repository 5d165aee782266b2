//! How a registry is told who asks: Basic, or a token of the service that it names.

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::WWW_AUTHENTICATE;
use http::{HeaderMap, HeaderValue, Uri};

/// The most of a file of `docker login` that is read, in bytes.
const MAX_FILE: u64 = 1 << 20;

/// `USER:PASSWORD` in base64.
pub(super) struct Credentials(String);

impl Credentials {
    pub(super) fn basic(&self) -> HeaderValue {
        // Base64 has no letter that a header can't have.
        HeaderValue::try_from(format!("Basic {}", self.0))
            .unwrap_or_else(|_| HeaderValue::from_static("Basic"))
    }
}

/// What a registry wants, by its `WWW-Authenticate`.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Challenge {
    /// Credentials.
    Basic,
    /// A token that this address gives.
    Token(Uri),
}

/// Those of `FOREBAY_REGISTRY_AUTH`, or of `docker login` for this registry.
pub(super) fn credentials(registry: &str) -> anyhow::Result<Option<Credentials>> {
    if let Ok(given) = std::env::var("FOREBAY_REGISTRY_AUTH") {
        if !given.contains(':') {
            bail!("FOREBAY_REGISTRY_AUTH is not USER:PASSWORD");
        }
        return Ok(Some(Credentials(STANDARD.encode(given))));
    }
    let Some(file) = docker_file() else {
        return Ok(None);
    };
    let short = std::fs::metadata(&file).is_ok_and(|of| of.len() <= MAX_FILE);
    if !short {
        return Ok(None);
    }
    let text = std::fs::read_to_string(&file)
        .with_context(|| format!("{} can't be read", file.display()))?;
    let file: serde_json::Value =
        serde_json::from_str(&text).with_context(|| format!("{} is not JSON", file.display()))?;
    let auth = file["auths"][registry]["auth"].as_str();
    Ok(auth
        .filter(|auth| STANDARD.decode(auth).is_ok())
        .map(|auth| Credentials(auth.to_owned())))
}

fn docker_file() -> Option<PathBuf> {
    let folder = match std::env::var_os("DOCKER_CONFIG") {
        Some(folder) => PathBuf::from(folder),
        None => PathBuf::from(std::env::var_os("HOME")?).join(".docker"),
    };
    Some(folder.join("config.json"))
}

impl Challenge {
    pub(super) fn of(headers: &HeaderMap) -> anyhow::Result<Self> {
        let challenges = headers.get_all(WWW_AUTHENTICATE);
        for challenge in challenges.iter().filter_map(|value| value.to_str().ok()) {
            let (scheme, rest) = challenge.split_once(' ').unwrap_or((challenge, ""));
            if scheme.eq_ignore_ascii_case("bearer") {
                return token_address(rest).map(Self::Token);
            }
            if scheme.eq_ignore_ascii_case("basic") {
                return Ok(Self::Basic);
            }
        }
        bail!("it refused the request without a challenge (WWW-Authenticate)")
    }
}

/// The address of a token service: its realm, with service and scope as its query.
fn token_address(parameters: &str) -> anyhow::Result<Uri> {
    let mut realm = None;
    let mut query = Vec::new();
    // Values are quoted, and a scope may have commas: `scope="repository:a:pull,push"`.
    let mut rest = parameters;
    while let Some((name, after)) = rest.split_once("=\"") {
        let (value, after) = after
            .split_once('"')
            .context("its challenge is malformed")?;
        rest = after;
        match name.trim_matches([' ', ',']) {
            "realm" => realm = Some(value),
            name @ ("service" | "scope") => query.push(format!("{name}={}", encoded(value))),
            _ => {}
        }
    }
    let realm = realm.context("its challenge names no realm")?;
    let more = if realm.contains('?') { '&' } else { '?' };
    let address: Uri = format!("{realm}{more}{}", query.join("&"))
        .parse()
        .context("the realm of its challenge is not an address")?;
    if address.authority().is_none() {
        bail!("the realm of its challenge is not an address");
    }
    Ok(address)
}

/// As a query has it.
fn encoded(value: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/".contains(&byte);
    value
        .bytes()
        .map(|byte| match plain(byte) {
            true => char::from(byte).to_string(),
            false => format!("%{byte:02X}"),
        })
        .collect()
}

/// The header for the token that a token service gave.
pub(super) fn bearer(answer: &[u8]) -> anyhow::Result<HeaderValue> {
    let answer: serde_json::Value =
        serde_json::from_slice(answer).context("its token service did not return JSON")?;
    let token = answer["token"]
        .as_str()
        .or_else(|| answer["access_token"].as_str());
    let token = token.context("its token service did not return a token")?;
    HeaderValue::try_from(format!("Bearer {token}"))
        .context("the token of its token service can't be used")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn challenge(text: &'static str) -> anyhow::Result<Challenge> {
        let value = HeaderValue::from_static(text);
        Challenge::of(&HeaderMap::from_iter([(WWW_AUTHENTICATE, value)]))
    }

    #[test]
    fn a_challenge_names_the_address_of_its_token() {
        let token = challenge(
            r#"Bearer realm="https://auth.example.com/token",service="r.example.com",scope="repository:a/b:pull,push""#,
        );
        let address =
            "https://auth.example.com/token?service=r.example.com&scope=repository:a/b:pull%2Cpush";
        assert_eq!(token.unwrap(), Challenge::Token(address.parse().unwrap()));
        assert_eq!(
            challenge(r#"basic realm="registry""#).unwrap(),
            Challenge::Basic
        );
    }

    #[test]
    fn a_malformed_challenge_is_an_error() {
        for text in [
            "Digest",
            "Bearer",
            r#"Bearer realm="x"#,
            r#"Bearer service="x""#,
            r#"Bearer realm="/token""#,
        ] {
            assert!(challenge(text).is_err(), "{text}");
        }
        assert!(bearer(b"{}").is_err());
        assert_eq!(bearer(br#"{"token":"t"}"#).unwrap(), "Bearer t");
    }
}
