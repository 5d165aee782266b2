//! Login by signature: the access keys of a keys file, and whether a request was signed with one.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use forebay_credentials::{SignatureProblem, Signed, is_signed};
use forebay_gateway::config::Secret;
use forebay_gateway::error::{ErrorKind, GatewayError};
use forebay_gateway::signed::Signatures;
use http::request::Parts;

use super::replay::Used;
use super::stored::StoredKey;
use crate::config::{SecretError, resolve_secret};

/// The service that clients of Bedrock sign for.
const SERVICE: &str = "bedrock";
/// How far a client's clock may be off, as at AWS.
const SKEW: Duration = Duration::from_secs(300);

/// The access keys that may sign requests, each with its secret.
pub struct SigningKeys {
    known: HashMap<String, SigningKey>,
    used: Arc<Used>,
}

struct SigningKey {
    id: Arc<str>,
    secret: String,
    region: String,
}

impl std::fmt::Debug for SigningKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Without the secrets.
        f.debug_tuple("SigningKeys")
            .field(&self.known.len())
            .finish()
    }
}

impl SigningKeys {
    /// Reads the secrets of those keys that have one to sign with. `file:` counts from the folder of
    /// the keys file.
    ///
    /// # Errors
    ///
    /// A secret that can't be read, by its reference.
    pub fn read(keys: &[StoredKey], keys_file: &Path) -> Result<Option<Self>, SecretError> {
        let base = keys_file.parent().unwrap_or(Path::new(""));
        let mut known = HashMap::new();
        for access in keys.iter().filter_map(|key| key.access.as_ref()) {
            let key = SigningKey {
                id: access.id.as_str().into(),
                secret: resolve_secret(&Secret(access.secret.clone()), base)?,
                region: access.region.clone(),
            };
            known.insert(access.id.clone(), key);
        }
        let used = Used::of_process();
        Ok((!known.is_empty()).then_some(Self { known, used }))
    }
}

impl Signatures for SigningKeys {
    fn is_signed(&self, head: &Parts) -> bool {
        is_signed(head)
    }

    fn signer(
        &self,
        head: &Parts,
        body: Option<&str>,
        now: SystemTime,
    ) -> Result<Arc<str>, GatewayError> {
        let signed = Signed::read(head).map_err(refusal)?;
        let key = self.known.get(signed.access_key_id()).ok_or_else(unknown)?;
        signed
            .check_scope(&key.region, SERVICE, now, SKEW)
            .map_err(refusal)?;
        if let Some(body) = body.or(signed.content()) {
            signed.verify(head, &key.secret, body).map_err(refusal)?;
        }
        // Only once it is known that the whole request was signed: nobody else uses a signature up.
        if body.is_some() && !self.used.is_fresh(&key.id, signed.signature(), now) {
            return Err(named(
                "InvalidSignatureException",
                "the signature was used before; sign each request anew".to_owned(),
            ));
        }
        Ok(key.id.clone())
    }
}

fn unknown() -> GatewayError {
    named(
        "UnrecognizedClientException",
        "the access key id is not known, expired or revoked".to_owned(),
    )
}

/// What AWS calls it.
fn refusal(problem: SignatureProblem) -> GatewayError {
    let name = match &problem {
        SignatureProblem::Incomplete(_) | SignatureProblem::Presigned => {
            "IncompleteSignatureException"
        }
        SignatureProblem::SessionToken => "UnrecognizedClientException",
        _ => "InvalidSignatureException",
    };
    named(name, problem.to_string())
}

fn named(name: &str, message: String) -> GatewayError {
    GatewayError::new(ErrorKind::InvalidKey, message)
        .with_status(403)
        .with_type(name)
}
