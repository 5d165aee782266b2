//! The credentials endpoint of ECS tasks and EKS pods:
//! <https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html>.

use std::sync::Arc;

use aws_credential_types::Credentials as Keys;
use http::{HeaderValue, Uri};

use super::key_answer;
use crate::config::SecretRef;
use crate::endpoint;
use crate::error::{CredentialError, Origin, Problem};
use crate::fetch::{Ask, get};
use crate::lease::Lease;
use crate::resolve::{Resolve, secret, text, variable};
use crate::secret::Secret;

const ECS: &str = "http://169.254.170.2";

/// The task's or pod's role.
pub(crate) struct Container {
    origin: Origin,
    resolve: Arc<dyn Resolve>,
    url: Uri,
    token: Token,
}

/// What is sent as `Authorization`.
enum Token {
    None,
    Fixed(Secret),
    /// Read at each refresh, since EKS rotates it.
    File(String),
}

impl Container {
    pub(super) fn new(
        upstream: &Arc<str>,
        resolve: &Arc<dyn Resolve>,
        configured: Option<&str>,
        token: Option<&SecretRef>,
        token_file: Option<&str>,
    ) -> Result<Self, CredentialError> {
        let origin = Origin::new(upstream, "the container's AWS role", "auth.source");
        let place = origin.with("the container's AWS endpoint", "auth.source.endpoint");
        let variable = |name| variable(&**resolve, name);
        let url = configured
            .map(str::to_owned)
            .or_else(|| {
                variable("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI").map(|path| format!("{ECS}{path}"))
            })
            .or_else(|| variable("AWS_CONTAINER_CREDENTIALS_FULL_URI"))
            .ok_or_else(|| {
                place.error(Problem::Missing {
                    what: "neither it nor AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or AWS_CONTAINER_CREDENTIALS_FULL_URI is set".to_owned(),
                })
            })?;
        let token = if let Some(reference) = token {
            let place = origin.with("the container's AWS token", "auth.source.token");
            Token::Fixed(secret(&**resolve, reference, &place)?)
        } else if let Some(file) = token_file
            .map(str::to_owned)
            .or_else(|| variable("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"))
        {
            Token::File(file)
        } else {
            variable("AWS_CONTAINER_AUTHORIZATION_TOKEN")
                .map_or(Token::None, |token| Token::Fixed(Secret::new(token)))
        };
        Ok(Self {
            url: endpoint::metadata(&url, &place)?,
            origin,
            resolve: Arc::clone(resolve),
            token,
        })
    }

    pub(super) async fn obtain(&self, ask: Ask<'_>) -> Result<Lease<Keys>, CredentialError> {
        let place = self
            .origin
            .with("the container's AWS token", "auth.source.token_file");
        let header = |token: &Secret| {
            token
                .header("")
                .ok_or_else(|| place.unusable("it does not fit a header"))
        };
        let mut headers = vec![("accept", HeaderValue::from_static("application/json"))];
        match &self.token {
            Token::None => {}
            Token::Fixed(token) => headers.push(("authorization", header(token)?)),
            Token::File(path) => {
                let token = text(&*self.resolve, path, &place)?;
                headers.push(("authorization", header(&token)?));
            }
        }
        let answer = ask.send(get(&self.url, &headers), &self.origin).await?;
        key_answer(&answer, ask.now, &self.origin)
    }
}
