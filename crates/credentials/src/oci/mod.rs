//! Oracle Cloud: requests signed with a user's key, a session token's or an instance's.

mod certificate;
mod instance;
mod profile;
mod session_key;
mod signature;

use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use http::Request;

pub(crate) use instance::{Files, InstancePrincipal};
pub(crate) use profile::{Profile, api_key};

use crate::cached::{Cached, Generation};
use crate::error::{CredentialError, Origin, Problem};
use crate::fetch::Ask;
use crate::lease::Lease;
use crate::rsa_key::RsaKey;

/// A key, and the name that Oracle knows it by.
#[derive(Clone)]
pub(crate) struct Signer {
    /// `TENANCY/USER/FINGERPRINT`, or `ST$TOKEN`.
    pub(crate) key_id: Arc<zeroize::Zeroizing<String>>,
    pub(crate) key: Arc<RsaKey>,
}

/// Where the key and its name come from.
pub(crate) enum SignerSource {
    /// They never change.
    Fixed(Signer),
    Profile(Profile),
    Instance(Box<InstancePrincipal>),
}

/// Signs requests to Oracle Cloud.
pub(crate) struct Oci {
    origin: Origin,
    source: SignerSource,
    signer: Cached<Signer>,
}

impl Oci {
    pub(crate) fn new(origin: Origin, source: SignerSource) -> Self {
        Self {
            origin,
            source,
            signer: Cached::new(),
        }
    }

    pub(crate) fn refused(&self, used: Generation, now: SystemTime) -> bool {
        !matches!(self.source, SignerSource::Fixed(_)) && self.signer.refused(used, now)
    }

    /// Obtains a signer if it is due.
    pub(crate) async fn signer(
        &self,
        ask: Ask<'_>,
    ) -> Result<(Signer, Generation), CredentialError> {
        match &self.source {
            SignerSource::Fixed(signer) => Ok((signer.clone(), 0)),
            SignerSource::Profile(profile) => {
                let obtain = async { profile.obtain(ask.now) };
                self.signer.get(ask.now, obtain).await
            }
            SignerSource::Instance(instance) => {
                self.signer.get(ask.now, instance.obtain(ask)).await
            }
        }
    }

    pub(crate) async fn authorize(
        &self,
        request: &mut Request<Bytes>,
        ask: Ask<'_>,
    ) -> Result<Generation, CredentialError> {
        let (signer, generation) = self.signer(ask).await?;
        signature::sign(request, &signer, signature::SERVICE, ask.now)
            .map_err(|why| self.origin.error(Problem::Request { why }))?;
        Ok(generation)
    }
}

/// A signer whose key is named by a security token, until that token's end.
fn token_signer(token: &str, key: &Arc<RsaKey>, expires: SystemTime) -> Lease<Signer> {
    Lease {
        value: Signer {
            key_id: Arc::new(zeroize::Zeroizing::new(format!("ST${token}"))),
            key: Arc::clone(key),
        },
        expires,
    }
}
