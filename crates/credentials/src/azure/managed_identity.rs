//! The identity that Azure gives to where this runs: a machine, an App Service, a Container App.

use std::sync::Arc;

use http::{HeaderValue, Uri};

use crate::bearer::oauth;
use crate::endpoint;
use crate::error::{CredentialError, Origin};
use crate::fetch::{Ask, get};
use crate::lease::Lease;
use crate::resolve::{Resolve, variable};
use crate::secret::Secret;

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
