//! A role assumed with an identity token:
//! <https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html>.

use std::sync::Arc;

use aws_credential_types::Credentials as Keys;
use http::{HeaderValue, Uri};

use super::keys;
use crate::endpoint;
use crate::error::{CredentialError, Origin};
use crate::fetch::{Answer, Ask, post_form};
use crate::lease::{Lease, moment};
use crate::resolve::{Resolve, text, unset, variable};

/// A role, and the token that may assume it.
pub(crate) struct WebIdentity {
    origin: Origin,
    resolve: Arc<dyn Resolve>,
    url: Uri,
    role: String,
    session: String,
    token_file: String,
}

impl WebIdentity {
    pub(super) fn new(
        upstream: &Arc<str>,
        resolve: &Arc<dyn Resolve>,
        role: Option<&str>,
        token_file: Option<&str>,
        session: &str,
        sts_endpoint: Option<&str>,
        region: &str,
    ) -> Result<Self, CredentialError> {
        let origin = Origin::new(upstream, "the AWS web identity", "auth.source.token_file");
        let given = |value: Option<&str>, name: &str, origin: &Origin| {
            value
                .map(str::to_owned)
                .or_else(|| variable(&**resolve, name))
                .ok_or_else(|| unset(origin, name))
        };
        let role_origin = origin.with("the AWS role", "auth.source.role_arn");
        let sts =
            sts_endpoint.map_or_else(|| format!("https://{}", sts_host(region)), str::to_owned);
        let place = origin.with("the AWS token service", "auth.source.sts_endpoint");
        let mut url = endpoint::secure(&sts, &place)?;
        if url.path().is_empty() {
            url = endpoint::join(&url, "/", &place)?;
        }
        Ok(Self {
            role: given(role, "AWS_ROLE_ARN", &role_origin)?,
            token_file: given(token_file, "AWS_WEB_IDENTITY_TOKEN_FILE", &origin)?,
            origin,
            resolve: Arc::clone(resolve),
            url,
            session: session.to_owned(),
        })
    }

    pub(super) async fn obtain(&self, ask: Ask<'_>) -> Result<Lease<Keys>, CredentialError> {
        let token = text(&*self.resolve, &self.token_file, &self.origin)?;
        let mut request = post_form(
            &self.url,
            &[
                ("Action", "AssumeRoleWithWebIdentity"),
                ("Version", "2011-06-15"),
                ("RoleArn", &self.role),
                ("RoleSessionName", &self.session),
                ("WebIdentityToken", token.expose()),
            ],
        );
        request
            .headers_mut()
            .insert("accept", HeaderValue::from_static("application/xml"));
        let answer = ask.send(request, &self.origin).await?;
        let (keys, expiration) = parse(&answer).ok_or_else(|| {
            answer.unusable(&self.origin, "it is not XML with a Credentials element")
        })?;
        let expires = moment(&expiration)
            .filter(|end| *end > ask.now)
            .ok_or_else(|| {
                answer.unusable(&self.origin, "its Expiration is not a time in the future")
            })?;
        Ok(Lease {
            value: keys,
            expires,
        })
    }
}

/// The regional endpoint; China's partition has a domain of its own.
fn sts_host(region: &str) -> String {
    let suffix = if region.starts_with("cn-") { ".cn" } else { "" };
    format!("sts.{region}.amazonaws.com{suffix}")
}

fn parse(answer: &Answer) -> Option<(Keys, String)> {
    let document = roxmltree::Document::parse(std::str::from_utf8(&answer.body).ok()?).ok()?;
    let credentials = document
        .descendants()
        .find(|n| n.tag_name().name() == "Credentials")?;
    let field = |name: &str| {
        credentials
            .children()
            .find(|n| n.tag_name().name() == name)?
            .text()
    };
    let keys = keys(
        field("AccessKeyId")?,
        field("SecretAccessKey")?,
        Some(field("SessionToken")?),
    );
    Some((keys, field("Expiration")?.to_owned()))
}
