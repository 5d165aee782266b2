//! The role of an EC2 instance, by version 2 of its metadata service:
//! <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html>.

use std::sync::Arc;

use aws_credential_types::Credentials as Keys;
use http::{HeaderValue, Method, Uri};

use super::key_answer;
use crate::endpoint;
use crate::error::{CredentialError, Origin};
use crate::fetch::{Ask, get};
use crate::lease::Lease;

const ROLES: &str = "/latest/meta-data/iam/security-credentials/";
/// The session is used for two requests, at once.
const SESSION_SECONDS: &str = "60";

/// The instance's role.
pub(crate) struct Instance {
    origin: Origin,
    base: Uri,
}

impl Instance {
    pub(super) fn new(upstream: &Arc<str>, endpoint: &str) -> Result<Self, CredentialError> {
        let origin = Origin::new(upstream, "the instance's AWS role", "auth.source");
        let base = endpoint::metadata(
            endpoint,
            &origin.with("the EC2 metadata service", "auth.source.endpoint"),
        )?;
        Ok(Self { origin, base })
    }

    pub(super) async fn obtain(&self, ask: Ask<'_>) -> Result<Lease<Keys>, CredentialError> {
        let origin = &self.origin;
        let at = |path: &str| endpoint::join(&self.base, path, origin);
        let ttl = HeaderValue::from_static(SESSION_SECONDS);
        let mut open = get(
            &at("/latest/api/token")?,
            &[("x-aws-ec2-metadata-token-ttl-seconds", ttl)],
        );
        *open.method_mut() = Method::PUT;
        let answer = ask.send(open, origin).await?;
        let session = answer
            .text(origin)?
            .header("")
            .ok_or_else(|| answer.unusable(origin, "its session token does not fit a header"))?;
        let headers = [("x-aws-ec2-metadata-token", session)];

        let answer = ask.send(get(&at(ROLES)?, &headers), origin).await?;
        let roles = answer.text(origin)?;
        let role = roles.expose().lines().next().unwrap_or_default();
        let is_name = |b: u8| b.is_ascii_alphanumeric() || b"+=,.@-_".contains(&b);
        if role.is_empty() || !role.bytes().all(is_name) {
            return Err(answer.unusable(origin, "it names no role"));
        }
        let answer = ask
            .send(get(&at(&format!("{ROLES}{role}"))?, &headers), origin)
            .await?;
        key_answer(&answer, ask.now, origin)
    }
}
