//! Addresses of token endpoints: checked once, so that a secret never crosses a network in the clear.

use std::net::IpAddr;

use http::Uri;

use crate::error::{CredentialError, Origin};

/// An endpoint that is sent a secret or an assertion: https, or http to this machine.
pub(crate) fn secure(text: &str, origin: &Origin) -> Result<Uri, CredentialError> {
    let uri = parse(text, origin)?;
    if uri.scheme_str() == Some("https") || is_loopback(&uri) {
        return Ok(uri);
    }
    Err(origin.unusable(format!(
        "{} would receive secrets unencrypted; use https:// (http:// is accepted on this machine only)",
        crate::fetch::authority(&uri)
    )))
}

/// A metadata service, which has no TLS: https, or http to this machine or to the platform's own
/// addresses and names.
pub(crate) fn metadata(text: &str, origin: &Origin) -> Result<Uri, CredentialError> {
    let uri = parse(text, origin)?;
    let host = host(&uri);
    let platform = match host.parse::<IpAddr>() {
        Ok(IpAddr::V4(ip)) => ip.is_link_local() || ip.is_private(),
        // fd00:ec2::254 and the like.
        Ok(IpAddr::V6(ip)) => ip.is_unique_local() || ip.is_unicast_link_local(),
        Err(_) => !host.contains('.') || host.ends_with(".internal"),
    };
    if uri.scheme_str() == Some("https") || is_loopback(&uri) || platform {
        return Ok(uri);
    }
    Err(origin.unusable(format!(
        "{} can't be a metadata service: use https, or an address on this machine or its local network",
        crate::fetch::authority(&uri)
    )))
}

/// `base` without a slash at its end, and `path`.
pub(crate) fn join(base: &Uri, path: &str, origin: &Origin) -> Result<Uri, CredentialError> {
    let base = base.to_string();
    parse(&format!("{}{path}", base.trim_end_matches('/')), origin)
}

fn parse(text: &str, origin: &Origin) -> Result<Uri, CredentialError> {
    let uri: Uri = text
        .parse()
        .map_err(|_| origin.unusable("its endpoint is not a URL; write https://HOST/..."))?;
    let known = matches!(uri.scheme_str(), Some("http" | "https"));
    let plain = uri.authority().is_some_and(|a| !a.as_str().contains('@'));
    if known && plain {
        return Ok(uri);
    }
    Err(origin
        .unusable("its endpoint must be a URL such as https://HOST/..., without user information"))
}

fn is_loopback(uri: &Uri) -> bool {
    let host = host(uri);
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

fn host(uri: &Uri) -> &str {
    uri.host()
        .unwrap_or_default()
        .trim_start_matches('[')
        .trim_end_matches(']')
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn secrets_go_over_tls_or_stay_on_this_machine() {
        let origin = Origin::new(&Arc::from("x"), "the key", "auth");
        for good in [
            "https://login.example",
            "http://127.0.0.1:9",
            "http://[::1]:9/a",
        ] {
            assert!(secure(good, &origin).is_ok(), "{good}");
        }
        for bad in [
            "http://login.example",
            "http://10.0.0.1",
            "ftp://x",
            "/x",
            "https://a:b@c",
        ] {
            assert!(secure(bad, &origin).is_err(), "{bad}");
        }
        for good in [
            "http://169.254.169.254",
            "http://metadata.google.internal",
            "http://[fd00:ec2::23]/v1",
        ] {
            assert!(metadata(good, &origin).is_ok(), "{good}");
        }
        assert!(metadata("http://evil.example", &origin).is_err());
    }
}
