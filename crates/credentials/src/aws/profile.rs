//! A profile of the shared credentials file:
//! <https://docs.aws.amazon.com/sdkref/latest/guide/file-format.html>.

use std::sync::Arc;
use std::time::Duration;

use aws_credential_types::Credentials as Keys;

use super::keys;
use crate::error::{CredentialError, Origin};
use crate::fetch::Ask;
use crate::ini;
use crate::lease::Lease;
use crate::resolve::{Resolve, text, variable};

/// The file is read again after at most this long: tools that log in rewrite it.
const REREAD: Duration = Duration::from_secs(600);

/// A profile that holds keys.
pub(crate) struct Profile {
    origin: Origin,
    resolve: Arc<dyn Resolve>,
    file: String,
    name: String,
}

impl Profile {
    pub(super) fn new(
        upstream: &Arc<str>,
        resolve: &Arc<dyn Resolve>,
        name: &str,
        file: Option<&str>,
    ) -> Result<Self, CredentialError> {
        let file = file
            .map(str::to_owned)
            .or_else(|| variable(&**resolve, "AWS_SHARED_CREDENTIALS_FILE"))
            .unwrap_or_else(|| "~/.aws/credentials".to_owned());
        let profile = Self {
            origin: Origin::new(upstream, "the AWS profile", "auth.source.profile"),
            resolve: Arc::clone(resolve),
            file,
            name: name.to_owned(),
        };
        profile.read()?;
        Ok(profile)
    }

    pub(super) fn obtain(&self, ask: Ask<'_>) -> Result<Lease<Keys>, CredentialError> {
        Ok(Lease {
            value: self.read()?,
            expires: ask.now + REREAD,
        })
    }

    fn read(&self) -> Result<Keys, CredentialError> {
        let Self {
            origin, file, name, ..
        } = self;
        let content = text(&*self.resolve, file, origin)?;
        let profile = ini::profile(content.expose(), name)
            .ok_or_else(|| origin.unusable(format!("there is no profile [{name}] in {file}")))?;
        let key = |field: &str| {
            profile.get(field).ok_or_else(|| {
                origin.unusable(format!(
                    "[{name}] in {file} has no {field}; profiles that run a program, log in or assume a role are not supported: export their keys, or use another source"
                ))
            })
        };
        Ok(keys(
            key("aws_access_key_id")?.expose(),
            key("aws_secret_access_key")?.expose(),
            profile.get("aws_session_token").map(|t| t.expose()),
        ))
    }
}
