//! A service account's key file: an assertion signed with it is exchanged for a token (RFC 7523):
//! <https://developers.google.com/identity/protocols/oauth2/service-account>.

use std::sync::Arc;
use std::time::SystemTime;

use http::{HeaderValue, Uri};
use serde::Deserialize;
use serde_json::json;

use crate::bearer::oauth;
use crate::endpoint;
use crate::error::{CredentialError, Origin};
use crate::fetch::{Ask, post_form};
use crate::jwt;
use crate::lease::Lease;
use crate::resolve::{Resolve, text};
use crate::rsa_key::RsaKey;
use crate::secret::Secret;

const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
/// The longest lifetime that Google takes for an assertion, in seconds.
const ASSERTION_LIFETIME: u64 = 3600;
const TOKEN_URI: &str = "https://oauth2.googleapis.com/token";

/// A service account with its key.
pub(crate) struct ServiceAccount {
    origin: Origin,
    url: Uri,
    audience: String,
    email: String,
    key_id: Option<String>,
    key: RsaKey,
    scope: String,
}

/// The key file, as the console writes it.
#[derive(Deserialize)]
struct KeyFile {
    #[serde(rename = "type")]
    kind: String,
    client_email: String,
    private_key: String,
    private_key_id: Option<String>,
    token_uri: Option<String>,
}

impl ServiceAccount {
    pub(crate) fn new(
        upstream: &Arc<str>,
        resolve: &dyn Resolve,
        file: &str,
        scope: &str,
        token_url: Option<&str>,
    ) -> Result<Self, CredentialError> {
        let origin = Origin::new(upstream, "the Google service account", "auth.file");
        let content = text(resolve, file, &origin)?;
        let parsed: KeyFile = serde_json::from_str(content.expose()).map_err(|e| {
            origin.unusable(format!(
                "{file} is not the key file of a service account (line {})",
                e.line()
            ))
        })?;
        if parsed.kind != "service_account" {
            return Err(origin.unusable(format!(
                "{file} has a type other than \"service_account\"; for \"external_account\" write kind = \"google-workload-identity\""
            )));
        }
        let key = RsaKey::from_pem(&Secret::new(parsed.private_key), None)
            .map_err(|why| origin.unusable(format!("the private_key in {file}: {why}")))?;
        let audience = parsed.token_uri.unwrap_or_else(|| TOKEN_URI.to_owned());
        let place = origin.with("Google's token endpoint", "auth.token_url");
        Ok(Self {
            url: endpoint::secure(token_url.unwrap_or(&audience), &place)?,
            origin,
            audience,
            email: parsed.client_email,
            key_id: parsed.private_key_id,
            key,
            scope: scope.to_owned(),
        })
    }

    pub(crate) async fn obtain(&self, ask: Ask<'_>) -> Result<Lease<HeaderValue>, CredentialError> {
        let assertion = self.assertion(ask.now)?;
        let request = post_form(
            &self.url,
            &[("grant_type", GRANT), ("assertion", assertion.expose())],
        );
        let answer = ask.send(request, &self.origin).await?;
        oauth(&answer, ask.now, &self.origin)
    }

    fn assertion(&self, now: SystemTime) -> Result<Secret, CredentialError> {
        let issued = now
            .duration_since(SystemTime::UNIX_EPOCH)
            .map_err(|_| self.origin.unusable("this machine's clock is before 1970"))?
            .as_secs();
        let mut header = json!({"alg": "RS256", "typ": "JWT"});
        if let Some(id) = &self.key_id {
            header["kid"] = json!(id);
        }
        let claims = json!({
            "iss": self.email,
            "scope": self.scope,
            "aud": self.audience,
            "iat": issued,
            "exp": issued + ASSERTION_LIFETIME,
        });
        jwt::sign(&header, &claims, &self.key).map_err(|why| self.origin.unusable(why))
    }
}
