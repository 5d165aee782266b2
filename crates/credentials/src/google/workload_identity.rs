//! Workload identity federation: a token of another issuer is exchanged at Google's security token
//! service (RFC 8693), and that for a service account's if the configuration names one (AIP-4117).

use std::sync::Arc;

use http::{HeaderValue, Uri};
use serde::Deserialize;
use serde_json::{Value, json};

use super::workload_source::{Source, SubjectSource};
use crate::bearer::{header, oauth, oauth_token};
use crate::endpoint;
use crate::error::{CredentialError, Origin};
use crate::fetch::{Ask, post_form, post_json};
use crate::lease::{Lease, moment};
use crate::resolve::{Resolve, text};

const GRANT: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
/// What the token service needs to hand out tokens for impersonation, whatever `auth.scope` says.
const IMPERSONATION_SCOPE: &str = "https://www.googleapis.com/auth/iam";
/// Google's default for impersonated tokens, and their bounds, in seconds.
const LIFETIME: (u64, std::ops::RangeInclusive<u64>) = (3600, 600..=43_200);

/// A foreign identity that Google trusts.
pub(crate) struct WorkloadIdentity {
    origin: Origin,
    resolve: Arc<dyn Resolve>,
    token_url: Uri,
    audience: String,
    subject_token_type: String,
    source: Source,
    impersonate: Option<Impersonation>,
    scope: String,
}

struct Impersonation {
    url: Uri,
    lifetime: u64,
}

/// The credential configuration that `gcloud iam workload-identity-pools create-cred-config` writes.
#[derive(Deserialize)]
struct ConfigFile {
    #[serde(rename = "type")]
    kind: String,
    audience: String,
    subject_token_type: String,
    token_url: String,
    service_account_impersonation_url: Option<String>,
    service_account_impersonation: Option<ImpersonationOptions>,
    credential_source: SubjectSource,
}

#[derive(Deserialize)]
struct ImpersonationOptions {
    token_lifetime_seconds: Option<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Impersonated {
    access_token: String,
    expire_time: String,
}

impl WorkloadIdentity {
    pub(crate) fn new(
        upstream: &Arc<str>,
        resolve: Arc<dyn Resolve>,
        file: &str,
        scope: &str,
    ) -> Result<Self, CredentialError> {
        let origin = Origin::new(upstream, "Google's workload identity", "auth.file");
        let content = text(&*resolve, file, &origin)?;
        let parsed: ConfigFile = serde_json::from_str(content.expose()).map_err(|e| {
            origin.unusable(format!(
                "{file} is not a credential configuration with a source of type file or url (line {})",
                e.line()
            ))
        })?;
        if parsed.kind != "external_account" {
            return Err(origin.unusable(format!(
                "{file} has a type other than \"external_account\"; for \"service_account\" write kind = \"google-service-account\""
            )));
        }
        let impersonate = match &parsed.service_account_impersonation_url {
            None => None,
            Some(url) => Some(Impersonation {
                url: endpoint::secure(url, &origin)?,
                lifetime: lifetime(parsed.service_account_impersonation.as_ref(), &origin)?,
            }),
        };
        Ok(Self {
            token_url: endpoint::secure(&parsed.token_url, &origin)?,
            source: Source::new(parsed.credential_source, &origin)?,
            origin,
            resolve,
            audience: parsed.audience,
            subject_token_type: parsed.subject_token_type,
            impersonate,
            scope: scope.to_owned(),
        })
    }

    pub(crate) async fn obtain(&self, ask: Ask<'_>) -> Result<Lease<HeaderValue>, CredentialError> {
        let subject = self.source.read(&*self.resolve, ask, &self.origin).await?;
        let scope = match self.impersonate {
            Some(_) => IMPERSONATION_SCOPE,
            None => &self.scope,
        };
        let request = post_form(
            &self.token_url,
            &[
                ("grant_type", GRANT),
                ("audience", &self.audience),
                ("scope", scope),
                ("requested_token_type", ACCESS_TOKEN),
                ("subject_token_type", &self.subject_token_type),
                ("subject_token", subject.expose()),
            ],
        );
        let answer = ask.send(request, &self.origin).await?;
        let Some(impersonation) = &self.impersonate else {
            return oauth(&answer, ask.now, &self.origin);
        };
        let token = oauth_token(&answer, ask.now, &self.origin)?.value;
        let authorization = header(&token, &answer, &self.origin)?;
        let scopes: Vec<&str> = self.scope.split_whitespace().collect();
        let body: Value =
            json!({"scope": scopes, "lifetime": format!("{}s", impersonation.lifetime)});
        let request = post_json(
            &impersonation.url,
            &[("authorization", authorization)],
            &body,
        );
        let origin = self.origin.with(
            "the service account that Google's workload identity impersonates",
            "auth.file",
        );
        let answer = ask.send(request, &origin).await?;
        let body: Impersonated = answer.json(&origin)?;
        let expires = moment(&body.expire_time)
            .filter(|end| *end > ask.now)
            .ok_or_else(|| {
                answer.unusable(&origin, "its expireTime is not a time in the future")
            })?;
        let token = crate::secret::Secret::new(body.access_token);
        Ok(Lease {
            value: header(&token, &answer, &origin)?,
            expires,
        })
    }
}

fn lifetime(
    options: Option<&ImpersonationOptions>,
    origin: &Origin,
) -> Result<u64, CredentialError> {
    let (default, bounds) = LIFETIME;
    match options.and_then(|o| o.token_lifetime_seconds) {
        None => Ok(default),
        Some(seconds) if bounds.contains(&seconds) => Ok(seconds),
        Some(seconds) => Err(origin.unusable(format!(
            "token_lifetime_seconds is {seconds}, outside {} to {}",
            bounds.start(),
            bounds.end()
        ))),
    }
}
