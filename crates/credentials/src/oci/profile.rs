//! A user's API signing key, given in the configuration or by a profile of `~/.oci/config`:
//! <https://docs.oracle.com/iaas/Content/API/Concepts/sdkconfig.htm>.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::{Signer, SignerSource, token_signer};
use crate::error::{CredentialError, Origin};
use crate::ini;
use crate::jwt;
use crate::lease::Lease;
use crate::resolve::{Resolve, text};
use crate::rsa_key::RsaKey;
use crate::secret::Secret;

/// A session token's file is read again after at most this long: `oci session refresh` rewrites it.
const REREAD: Duration = Duration::from_secs(600);

/// The signer of a user's key.
pub(crate) fn api_key(
    [tenancy, user, fingerprint]: [&str; 3],
    pem: &Secret,
    passphrase: Option<&Secret>,
    origin: &Origin,
) -> Result<Signer, CredentialError> {
    let part = |text: &str| {
        !text.is_empty()
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"._-:".contains(&b))
    };
    if ![tenancy, user, fingerprint].into_iter().all(part) {
        return Err(origin.unusable(
            "tenancy, user and fingerprint must be two OCIDs and hexadecimal pairs with colons",
        ));
    }
    let key = RsaKey::from_pem(pem, passphrase).map_err(|why| origin.unusable(why))?;
    Ok(Signer {
        key_id: Arc::new(zeroize::Zeroizing::new(format!(
            "{tenancy}/{user}/{fingerprint}"
        ))),
        key: Arc::new(key),
    })
}

/// A profile with a session token, whose file is rewritten by the command line.
pub(crate) struct Profile {
    origin: Origin,
    resolve: Arc<dyn Resolve>,
    token_file: String,
    key: Arc<RsaKey>,
}

impl Profile {
    /// What the profile holds: a key that stays, or a session token.
    pub(crate) fn read(
        upstream: &Arc<str>,
        resolve: &Arc<dyn Resolve>,
        file: &str,
        name: &str,
    ) -> Result<SignerSource, CredentialError> {
        let origin = Origin::new(upstream, "the Oracle Cloud profile", "auth.profile");
        let content = text(
            &**resolve,
            file,
            &origin.with("Oracle Cloud's configuration", "auth.file"),
        )?;
        let mut keys = ini::profile(content.expose(), "DEFAULT").unwrap_or_default();
        // As in Oracle's SDKs, a profile inherits what DEFAULT says.
        match ini::profile(content.expose(), name) {
            Some(own) => keys.extend(own),
            None => return Err(origin.unusable(format!("there is no profile [{name}] in {file}"))),
        }
        let key = |field: &str| {
            keys.get(field)
                .map(Secret::expose)
                .ok_or_else(|| origin.unusable(format!("[{name}] in {file} has no {field}")))
        };
        let passphrase = keys.get("pass_phrase");
        let pem = text(&**resolve, key("key_file")?, &origin)?;
        if let Some(token_file) = keys.get("security_token_file") {
            let key = RsaKey::from_pem(&pem, passphrase).map_err(|why| origin.unusable(why))?;
            return Ok(SignerSource::Profile(Self {
                origin,
                resolve: Arc::clone(resolve),
                token_file: token_file.expose().to_owned(),
                key: Arc::new(key),
            }));
        }
        let identity = [key("tenancy")?, key("user")?, key("fingerprint")?];
        api_key(identity, &pem, passphrase, &origin).map(SignerSource::Fixed)
    }

    pub(super) fn obtain(&self, now: SystemTime) -> Result<Lease<Signer>, CredentialError> {
        let token = text(&*self.resolve, &self.token_file, &self.origin)?;
        let end = jwt::expiry(token.expose()).ok_or_else(|| {
            self.origin
                .unusable(format!("{} holds no session token", self.token_file))
        })?;
        if end <= now {
            return Err(self.origin.unusable(
                "its session token has ended; renew it: oci session refresh --profile NAME",
            ));
        }
        Ok(token_signer(
            token.expose(),
            &self.key,
            end.min(now + REREAD),
        ))
    }
}
