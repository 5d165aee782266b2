//! Asks an issuer where its keys are, and for the keys. Bounded in time and size; no redirect is
//! followed.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use forebay_gateway::platform::UpstreamTransport;
use serde::Deserialize;

use crate::config::{OidcConfig, is_safe_url};
use crate::platform::Transport;

/// How long an issuer may take for one answer: requests with new tokens wait for it.
const PATIENCE: Duration = Duration::from_secs(5);
/// The most that one answer may have: sets of keys have a few KiB.
const MAX_ANSWER: usize = 256 << 10;

/// The issuer's JWKS as sent.
pub(super) async fn jwks(transport: &Arc<Transport>, config: &OidcConfig) -> Result<Bytes, String> {
    let url = match &config.jwks {
        Some(url) => url.clone(),
        None => discovered(transport, config).await?,
    };
    get(transport, config, &url).await
}

/// OpenID Connect Discovery 1.0, section 4: the document must name the issuer itself.
async fn discovered(transport: &Arc<Transport>, config: &OidcConfig) -> Result<String, String> {
    #[derive(Deserialize)]
    struct Document {
        issuer: String,
        jwks_uri: String,
    }
    let base = config.issuer.trim_end_matches('/');
    let url = format!("{base}/.well-known/openid-configuration");
    let text = get(transport, config, &url).await?;
    let document: Document =
        serde_json::from_slice(&text).map_err(|e| format!("{url} can't be read: {e}"))?;
    if document.issuer != config.issuer {
        return Err(format!(
            "{url} names the issuer \"{}\", and auth.oidc.issuer is \"{}\"",
            document.issuer, config.issuer
        ));
    }
    if !is_safe_url(&document.jwks_uri) {
        return Err(format!(
            "{url} names {} for its keys, which is not https",
            document.jwks_uri
        ));
    }
    Ok(document.jwks_uri)
}

async fn get(transport: &Arc<Transport>, config: &OidcConfig, url: &str) -> Result<Bytes, String> {
    let way = UpstreamTransport {
        connect_timeout: Duration::from_secs(3),
        connection_age: Duration::from_secs(60),
        h2c: false,
        ca_file: config
            .ca_file
            .as_ref()
            .map(|file| file.display().to_string()),
        client_tls: None,
    };
    let asked = transport.get(url, &way, MAX_ANSWER);
    let (status, body) = tokio::time::timeout(PATIENCE, asked)
        .await
        .map_err(|_| format!("{url} did not answer within {} s", PATIENCE.as_secs()))?
        .map_err(|why| format!("{url}: {why}"))?;
    if status != http::StatusCode::OK {
        return Err(format!("{url} answered {status}"));
    }
    Ok(body)
}
