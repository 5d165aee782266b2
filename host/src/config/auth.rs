//! `[auth]`: who may come in without an API key.

use std::path::PathBuf;
use std::time::Duration;

use forebay_gateway::config::Span;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::diagnose::Problem;
use super::load::Source;
use super::sections::Config;
use super::validate::unusable_tenant;

/// The most that clocks may differ: more is no skew.
const MAX_SKEW: Duration = Duration::from_secs(600);

/// `[auth]`
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LoginConfig {
    /// Tokens of an OpenID Connect issuer, besides API keys.
    pub oidc: Option<OidcConfig>,
}

/// `[auth.oidc]`: JWTs in place of API keys, sent as `Authorization: Bearer`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OidcConfig {
    /// The issuer, exactly as the `iss` claim names it. https, or http on loopback.
    pub issuer: String,
    /// The accepted audiences: one of these has to be in the `aud` claim.
    pub audience: Vec<String>,
    /// Where the issuer's keys are (JWKS). Absent: found by `ISSUER/.well-known/openid-configuration`.
    #[serde(default)]
    pub jwks: Option<String>,
    /// Certificates to trust for the issuer, in PEM. Absent: Mozilla's list.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// The signature algorithms that are accepted. Default: all of these. Symmetric ones never are.
    #[serde(default = "TokenAlgorithm::all")]
    pub algorithms: Vec<TokenAlgorithm>,
    /// How far the issuer's clock may be off. Default 60s, at most 10m.
    #[serde(default = "usual_skew")]
    pub skew: Span,
    /// How old the issuer's keys may be. Default 10m. For an unknown key id they are fetched at once, at
    /// most every 30 s.
    #[serde(default = "usual_refresh")]
    pub refresh: Span,
    /// The claim that names the tenant, or a path to it: `realm_access.tenant`.
    #[serde(default)]
    pub tenant_claim: Option<String>,
    /// The tenant of tokens without that claim. Absent: such tokens are refused.
    #[serde(default)]
    pub tenant: Option<String>,
    /// The tenants that tokens may name. Empty: any.
    #[serde(default)]
    pub tenants: Vec<String>,
    /// The claim that identifies the bearer, for limits and metrics. Default `sub`.
    #[serde(default = "usual_key_claim")]
    pub key_claim: String,
    /// The claim with the models that the bearer may use: a list, or names separated by spaces, exact or
    /// ending in `*`. If this is absent, or a token has no such claim: all models.
    #[serde(default)]
    pub models_claim: Option<String>,
    /// Requests per minute of one bearer. Absent: the limit in `[rate]`.
    #[serde(default)]
    pub requests_per_minute: Option<u32>,
    /// Tokens per minute of one bearer. Absent: the limit in `[rate]`.
    #[serde(default)]
    pub tokens_per_minute: Option<u32>,
    /// The claim with the bearer's own requests per minute.
    #[serde(default)]
    pub requests_per_minute_claim: Option<String>,
    /// The claim with the bearer's own tokens per minute.
    #[serde(default)]
    pub tokens_per_minute_claim: Option<String>,
}

fn usual_skew() -> Span {
    Span(Duration::from_secs(60))
}

fn usual_refresh() -> Span {
    Span(Duration::from_secs(600))
}

fn usual_key_claim() -> String {
    "sub".to_owned()
}

/// A signature algorithm of RFC 7518 and RFC 8037.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs, reason = "the names are the standard's")]
pub enum TokenAlgorithm {
    RS256,
    RS384,
    RS512,
    PS256,
    PS384,
    PS512,
    ES256,
    ES384,
    EdDSA,
}

impl TokenAlgorithm {
    fn all() -> Vec<Self> {
        vec![
            Self::RS256,
            Self::RS384,
            Self::RS512,
            Self::PS256,
            Self::PS384,
            Self::PS512,
            Self::ES256,
            Self::ES384,
            Self::EdDSA,
        ]
    }

    /// Its name in a token's header.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RS256 => "RS256",
            Self::RS384 => "RS384",
            Self::RS512 => "RS512",
            Self::PS256 => "PS256",
            Self::PS384 => "PS384",
            Self::PS512 => "PS512",
            Self::ES256 => "ES256",
            Self::ES384 => "ES384",
            Self::EdDSA => "EdDSA",
        }
    }
}

/// Whether keys may be fetched from there: nobody on the way can change them.
pub(crate) fn is_safe_url(url: &str) -> bool {
    let Ok(uri) = url.parse::<http::Uri>() else {
        return false;
    };
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    let ip = host.parse::<std::net::IpAddr>();
    let local = host == "localhost" || ip.is_ok_and(|ip| ip.is_loopback());
    match uri.scheme_str() {
        Some("https") => !host.is_empty(),
        Some("http") => local,
        _ => false,
    }
}

/// What is wrong with `[auth]`.
pub(super) fn problems(config: &Config, source: &Source, problems: &mut Vec<Problem>) {
    let Some(oidc) = &config.auth.oidc else {
        return;
    };
    let at = |field: &str| {
        let field = source.locate(&["auth", "oidc", field]);
        field.or_else(|| source.locate(&["auth", "oidc"]))
    };
    let mut wrong = |field: &str, message: String, hint: &str| {
        let problem = Problem::at(at(field), message);
        problems.push(if hint.is_empty() {
            problem
        } else {
            problem.hint(hint)
        });
    };
    let urls = [("issuer", Some(&oidc.issuer)), ("jwks", oidc.jwks.as_ref())];
    for (field, url) in urls {
        if let Some(url) = url.filter(|url| !is_safe_url(url)) {
            let message = format!("\"{url}\" is not an https URL");
            wrong(field, message, "plain http is accepted on loopback only");
        }
    }
    if oidc.audience.is_empty() || oidc.audience.iter().any(String::is_empty) {
        let message =
            "auth.oidc needs an audience, or tokens for other services would open this one";
        wrong(
            "audience",
            message.to_owned(),
            "set the value that the issuer puts into `aud` for this gateway",
        );
    }
    if oidc.tenant.is_none() && oidc.tenant_claim.is_none() {
        let message = "auth.oidc does not say to which tenant a token belongs";
        wrong(
            "issuer",
            message.to_owned(),
            "set tenant_claim, or tenant for all tokens",
        );
    }
    if oidc.algorithms.is_empty() {
        wrong(
            "algorithms",
            "auth.oidc accepts no signature algorithm".to_owned(),
            "leave out algorithms to use the default",
        );
    }
    if oidc.skew.0 > MAX_SKEW {
        wrong("skew", "the skew can be at most 10m".to_owned(), "");
    }
    let names = oidc.tenants.iter().map(|name| ("tenants", name));
    for (field, name) in names.chain(oidc.tenant.iter().map(|name| ("tenant", name))) {
        if name.is_empty() {
            wrong(field, "the tenant name is empty".to_owned(), "");
        } else if let Some(why) = unusable_tenant(name) {
            wrong(field, format!("the tenant name {name:?} {why}"), "");
        }
    }
}
