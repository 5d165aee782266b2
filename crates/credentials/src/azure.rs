//! Azure: a token for an application's client secret, or for the identity of where this runs.

use std::sync::Arc;

use http::{HeaderValue, Uri};

use crate::bearer::oauth;
use crate::endpoint;
use crate::error::{CredentialError, Origin};
use crate::fetch::{Ask, get, post_form};
use crate::lease::Lease;
use crate::resolve::{Resolve, variable};
use crate::secret::Secret;

/// Microsoft Entra, client credentials:
/// <https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow>.
pub(crate) struct ClientSecret {
    origin: Origin,
    url: Uri,
    client_id: String,
    secret: Secret,
    scope: String,
}

impl ClientSecret {
    pub(crate) fn new(
        origin: Origin,
        (tenant, authority): (&str, &str),
        client_id: &str,
        secret: Secret,
        scope: &str,
    ) -> Result<Self, CredentialError> {
        let place = origin.with("the Entra authority", "auth.authority");
        let authority = endpoint::secure(authority, &place)?;
        let is_name = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b);
        if tenant.is_empty() || !tenant.bytes().all(is_name) {
            return Err(origin
                .with("the Entra tenant", "auth.tenant")
                .unusable("it is no directory's identifier or domain"));
        }
        let url = endpoint::join(&authority, &format!("/{tenant}/oauth2/v2.0/token"), &place)?;
        Ok(Self {
            origin,
            url,
            client_id: client_id.to_owned(),
            secret,
            scope: scope.to_owned(),
        })
    }

    pub(crate) async fn obtain(&self, ask: Ask<'_>) -> Result<Lease<HeaderValue>, CredentialError> {
        let request = post_form(
            &self.url,
            &[
                ("grant_type", "client_credentials"),
                ("client_id", &self.client_id),
                ("client_secret", self.secret.expose()),
                ("scope", &self.scope),
            ],
        );
        let answer = ask.send(request, &self.origin).await?;
        oauth(&answer, ask.now, &self.origin)
    }
}

/// Managed identities, from the metadata service of a machine
/// (<https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token>)
/// or the endpoint of App Service and Container Apps
/// (<https://learn.microsoft.com/azure/app-service/overview-managed-identity>).
pub(crate) struct ManagedIdentity {
    origin: Origin,
    url: Uri,
    header: (&'static str, HeaderValue),
}

impl ManagedIdentity {
    pub(crate) fn new(
        upstream: &Arc<str>,
        resolve: &dyn Resolve,
        client_id: Option<&str>,
        configured: Option<&str>,
        resource: &str,
    ) -> Result<Self, CredentialError> {
        let origin = Origin::new(upstream, "the managed identity", "auth");
        let place = origin.with("the managed identity's endpoint", "auth.endpoint");
        let platform = variable(resolve, "IDENTITY_ENDPOINT")
            .zip(variable(resolve, "IDENTITY_HEADER"))
            .filter(|_| configured.is_none());
        let (base, path, version, header) = match platform {
            Some((endpoint, key)) => {
                let key = Secret::new(key)
                    .header("")
                    .ok_or_else(|| place.unusable("IDENTITY_HEADER does not fit a header"))?;
                (endpoint, "", "2019-08-01", ("x-identity-header", key))
            }
            None => (
                configured.unwrap_or("http://169.254.169.254").to_owned(),
                "/metadata/identity/oauth2/token",
                "2018-02-01",
                ("metadata", HeaderValue::from_static("true")),
            ),
        };
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.append_pair("api-version", version);
        query.append_pair("resource", resource);
        if let Some(id) = client_id {
            query.append_pair("client_id", id);
        }
        let base = endpoint::metadata(&base, &place)?;
        let url = endpoint::join(&base, &format!("{path}?{}", query.finish()), &place)?;
        Ok(Self {
            origin,
            url,
            header,
        })
    }

    pub(crate) async fn obtain(&self, ask: Ask<'_>) -> Result<Lease<HeaderValue>, CredentialError> {
        let request = get(&self.url, std::slice::from_ref(&self.header));
        let answer = ask.send(request, &self.origin).await?;
        oauth(&answer, ask.now, &self.origin)
    }
}
