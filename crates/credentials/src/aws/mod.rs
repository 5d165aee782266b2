//! AWS: access keys from where a configuration says, and requests signed with them.

mod container;
mod instance;
mod profile;
mod sigv4;
pub(crate) mod verify;
mod web_identity;

use std::sync::Arc;
use std::time::SystemTime;

use aws_credential_types::Credentials as Keys;
use serde::Deserialize;

pub(crate) use sigv4::{Sigv4, rejected_for_clock, rejected_for_token};

use crate::config::AwsSource;
use crate::error::{CredentialError, Origin};
use crate::fetch::{Answer, Ask};
use crate::lease::{Lease, moment};
use crate::resolve::{Resolve, secret};

/// Where access keys come from.
pub(crate) enum KeySource {
    /// They never change.
    Fixed(Keys),
    Profile(profile::Profile),
    Container(container::Container),
    WebIdentity(web_identity::WebIdentity),
    Instance(instance::Instance),
}

impl KeySource {
    pub(crate) fn new(
        upstream: &Arc<str>,
        resolve: &Arc<dyn Resolve>,
        region: &str,
        source: &AwsSource,
    ) -> Result<Self, CredentialError> {
        match source {
            AwsSource::Keys {
                access_key_id,
                secret_access_key,
                session_token,
            } => {
                let read = |reference, credential, field| {
                    secret(
                        &**resolve,
                        reference,
                        &Origin::new(upstream, credential, field),
                    )
                };
                let id = read(
                    access_key_id,
                    "the AWS access key's identifier",
                    "auth.source.access_key_id",
                )?;
                let key = read(
                    secret_access_key,
                    "the AWS secret access key",
                    "auth.source.secret_access_key",
                )?;
                let token = session_token
                    .as_ref()
                    .map(|reference| {
                        read(
                            reference,
                            "the AWS session token",
                            "auth.source.session_token",
                        )
                    })
                    .transpose()?;
                Ok(KeySource::Fixed(keys(
                    id.expose(),
                    key.expose(),
                    token.as_ref().map(|t| t.expose()),
                )))
            }
            AwsSource::Profile {
                profile,
                credentials_file,
            } => profile::Profile::new(upstream, resolve, profile, credentials_file.as_deref())
                .map(KeySource::Profile),
            AwsSource::Container {
                endpoint,
                token,
                token_file,
            } => container::Container::new(
                upstream,
                resolve,
                endpoint.as_deref(),
                token.as_ref(),
                token_file.as_deref(),
            )
            .map(KeySource::Container),
            AwsSource::WebIdentity {
                role_arn,
                token_file,
                session_name,
                sts_endpoint,
            } => web_identity::WebIdentity::new(
                upstream,
                resolve,
                role_arn.as_deref(),
                token_file.as_deref(),
                session_name,
                sts_endpoint.as_deref(),
                region,
            )
            .map(KeySource::WebIdentity),
            AwsSource::Instance { endpoint } => {
                instance::Instance::new(upstream, endpoint).map(KeySource::Instance)
            }
        }
    }

    /// New keys.
    pub(crate) async fn obtain(&self, ask: Ask<'_>) -> Result<Lease<Keys>, CredentialError> {
        match self {
            KeySource::Fixed(keys) => Ok(Lease {
                value: keys.clone(),
                expires: ask.now + std::time::Duration::from_secs(3600),
            }),
            KeySource::Profile(source) => source.obtain(ask),
            KeySource::Container(source) => source.obtain(ask).await,
            KeySource::WebIdentity(source) => source.obtain(ask).await,
            KeySource::Instance(source) => source.obtain(ask).await,
        }
    }
}

/// Keys as the signer takes them.
fn keys(id: &str, secret: &str, token: Option<&str>) -> Keys {
    Keys::new(id, secret, token.map(str::to_owned), None, "forebay")
}

/// What the metadata services of containers and instances answer.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct KeyAnswer {
    access_key_id: String,
    secret_access_key: String,
    token: Option<String>,
    expiration: String,
}

fn key_answer(
    answer: &Answer,
    now: SystemTime,
    origin: &Origin,
) -> Result<Lease<Keys>, CredentialError> {
    let body: KeyAnswer = answer.json(origin)?;
    let expires = moment(&body.expiration)
        .filter(|end| *end > now)
        .ok_or_else(|| answer.unusable(origin, "its Expiration is not a time in the future"))?;
    Ok(Lease {
        value: keys(
            &body.access_key_id,
            &body.secret_access_key,
            body.token.as_deref(),
        ),
        expires,
    })
}
