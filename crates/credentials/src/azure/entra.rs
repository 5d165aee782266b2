//! Microsoft Entra, client credentials, with a secret or a token of another issuer:
//! <https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow>.

use std::sync::Arc;

use http::{HeaderValue, Uri};

use crate::bearer::oauth;
use crate::endpoint;
use crate::error::{CredentialError, Origin};
use crate::fetch::{Ask, post_form};
use crate::lease::Lease;
use crate::resolve::{Resolve, text};
use crate::secret::Secret;

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Who asks, whom, and for what.
pub(crate) struct Application<'a> {
    pub(crate) tenant: &'a str,
    pub(crate) client_id: &'a str,
    pub(crate) authority: &'a str,
    pub(crate) scope: &'a str,
}

/// What proves that it is the application.
pub(crate) enum Proof {
    Secret(Secret),
    /// Read at each refresh, since Kubernetes rotates it.
    TokenFile {
        path: String,
        resolve: Arc<dyn Resolve>,
    },
}

/// An application of a directory.
pub(crate) struct Entra {
    origin: Origin,
    url: Uri,
    client_id: String,
    scope: String,
    proof: Proof,
}

impl Entra {
    pub(crate) fn new(
        origin: Origin,
        application: &Application<'_>,
        proof: Proof,
    ) -> Result<Self, CredentialError> {
        let place = origin.with("the Entra authority", "auth.authority");
        let authority = endpoint::secure(application.authority, &place)?;
        let tenant = application.tenant;
        let is_name = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b);
        if tenant.is_empty() || !tenant.bytes().all(is_name) {
            return Err(origin
                .with("the Entra tenant", "auth.tenant")
                .unusable("it is not the identifier or domain of a directory"));
        }
        Ok(Self {
            url: endpoint::join(&authority, &format!("/{tenant}/oauth2/v2.0/token"), &place)?,
            origin,
            client_id: application.client_id.to_owned(),
            scope: application.scope.to_owned(),
            proof,
        })
    }

    pub(crate) async fn obtain(&self, ask: Ask<'_>) -> Result<Lease<HeaderValue>, CredentialError> {
        let mut fields = vec![
            ("grant_type", "client_credentials"),
            ("client_id", &self.client_id),
            ("scope", &self.scope),
        ];
        let token;
        match &self.proof {
            Proof::Secret(secret) => fields.push(("client_secret", secret.expose())),
            Proof::TokenFile { path, resolve } => {
                token = text(&**resolve, path, &self.origin)?;
                fields.push(("client_assertion_type", ASSERTION_TYPE));
                fields.push(("client_assertion", token.expose()));
            }
        }
        let request = post_form(&self.url, &fields);
        let answer = ask.send(request, &self.origin).await?;
        oauth(&answer, ask.now, &self.origin)
    }
}
