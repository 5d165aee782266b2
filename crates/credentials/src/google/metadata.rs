//! The metadata server of Compute Engine, GKE and Cloud Run:
//! <https://cloud.google.com/compute/docs/access/authenticate-workloads>.

use std::sync::Arc;

use http::{HeaderValue, Uri};

use crate::bearer::oauth;
use crate::endpoint;
use crate::error::{CredentialError, Origin};
use crate::fetch::{Ask, get};
use crate::lease::Lease;

const PATH: &str = "/computeMetadata/v1/instance/service-accounts/default/token";

/// The default service account of where this runs.
pub(crate) struct Metadata {
    origin: Origin,
    url: Uri,
}

impl Metadata {
    pub(crate) fn new(upstream: &Arc<str>, endpoint: &str) -> Result<Self, CredentialError> {
        let origin = Origin::new(upstream, "the machine's service account", "auth.endpoint");
        let base = endpoint::metadata(endpoint, &origin)?;
        let url = endpoint::join(&base, PATH, &origin)?;
        Ok(Self { origin, url })
    }

    pub(crate) async fn obtain(&self, ask: Ask<'_>) -> Result<Lease<HeaderValue>, CredentialError> {
        let flavor = HeaderValue::from_static("Google");
        let request = get(&self.url, &[("metadata-flavor", flavor)]);
        let answer = ask.send(request, &self.origin).await?;
        oauth(&answer, ask.now, &self.origin)
    }
}
