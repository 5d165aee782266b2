//! What is signed of a policy: an in-toto statement that names the component by its digest.

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::envelope::{self, EnvelopeError};
use crate::keys::{KeyError, PrivateKey, PublicKey};

/// The most that a signature file may have, in bytes: one of ours has 700.
pub const MAX_ENVELOPE: usize = 64 * 1024;

const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";
const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";
/// What tools wrote before version 1; the fields are the same.
const OLD_STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v0.1";
const PREDICATE_TYPE: &str = "urn:forebay:policy:v1";

#[derive(Serialize, Deserialize)]
struct Statement {
    #[serde(rename = "_type")]
    kind: String,
    subject: Vec<Subject>,
    #[serde(rename = "predicateType")]
    predicate_type: String,
    predicate: serde_json::Value,
}

#[derive(Serialize, Deserialize)]
struct Subject {
    name: String,
    digest: Sha256Hex,
}

#[derive(Serialize, Deserialize)]
struct Sha256Hex {
    sha256: String,
}

/// What a signature says of a component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signed {
    /// Which policy it is: `guardrails`, `prefix-cache` or `cloud-selector`.
    pub policy: String,
    /// Its version: a later one is higher.
    pub version: u64,
}

/// What a component must be.
#[derive(Debug, Clone, Default)]
pub struct Expected<'a> {
    /// The digest that is pinned; checked before anything else.
    pub digest: Option<Digest>,
    /// One of them must have signed it. None: a signature is not looked at.
    pub keys: &'a [PublicKey],
    /// The policy that it must be signed as.
    pub policy: &'a str,
    /// The lowest version that is accepted.
    pub min_version: u64,
}

/// Why a component is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// The digest that is pinned is another.
    #[error("its digest is {found}; the configuration pins {expected}")]
    Digest {
        /// The pinned one.
        expected: Digest,
        /// The component's.
        found: Digest,
    },
    /// A signature is asked for and there is none.
    #[error("it is not signed")]
    Missing,
    /// The signature is longer than any.
    #[error("its signature has more than {MAX_ENVELOPE} bytes")]
    TooLong,
    /// The signature does not hold.
    #[error("its signature is not accepted: {0}")]
    Envelope(#[from] EnvelopeError),
    /// What is signed is not a statement about a policy.
    #[error("its signature is not about a policy: {0}")]
    Statement(String),
    /// What is signed is another component.
    #[error("its signature is for {signed}; the file has {found}: it was altered or replaced")]
    Component {
        /// The digest that was signed.
        signed: String,
        /// The component's.
        found: Digest,
    },
    /// It is signed as another policy.
    #[error("it is signed as the policy {found}, not {expected}")]
    Policy {
        /// What is wanted.
        expected: String,
        /// What was signed.
        found: String,
    },
    /// It is older than what is accepted.
    #[error("it is version {found}; version {min} or later is required: it was rolled back")]
    RolledBack {
        /// The lowest that is accepted.
        min: u64,
        /// The component's.
        found: u64,
    },
}

/// Signs a component; gives the text of its signature file. `name` is for readers only.
///
/// # Errors
/// [`KeyError::Random`].
pub fn sign(
    component: &[u8],
    name: &str,
    signed: &Signed,
    key: &PrivateKey,
) -> Result<String, KeyError> {
    let statement = Statement {
        kind: STATEMENT_TYPE.to_owned(),
        subject: vec![Subject {
            name: name.to_owned(),
            digest: Sha256Hex {
                sha256: Digest::of(component).hex(),
            },
        }],
        predicate_type: PREDICATE_TYPE.to_owned(),
        predicate: serde_json::json!({"policy": signed.policy, "version": signed.version}),
    };
    let payload = serde_json::to_vec(&statement).unwrap_or_default();
    envelope::seal(PAYLOAD_TYPE, &payload, key)
}

/// Checks a component: its digest first, then its signature, then what the signature says.
/// None where no keys are given: then nobody says what it is.
///
/// # Errors
/// [`VerifyError`], the first that applies.
pub fn verify(
    component: &[u8],
    signature: Option<&[u8]>,
    expected: &Expected<'_>,
) -> Result<Option<Signed>, VerifyError> {
    let found = Digest::of(component);
    if let Some(expected) = expected.digest.filter(|digest| *digest != found) {
        return Err(VerifyError::Digest { expected, found });
    }
    if expected.keys.is_empty() {
        return Ok(None);
    }
    let signature = signature.ok_or(VerifyError::Missing)?;
    if signature.len() > MAX_ENVELOPE {
        return Err(VerifyError::TooLong);
    }
    let payload = envelope::open(signature, PAYLOAD_TYPE, expected.keys)?;
    let signed = read(&payload, found)?;
    if signed.policy != expected.policy {
        return Err(VerifyError::Policy {
            expected: expected.policy.to_owned(),
            found: signed.policy,
        });
    }
    if signed.version < expected.min_version {
        return Err(VerifyError::RolledBack {
            min: expected.min_version,
            found: signed.version,
        });
    }
    Ok(Some(signed))
}

/// A statement about the component of this digest.
fn read(payload: &[u8], found: Digest) -> Result<Signed, VerifyError> {
    let malformed = |e: serde_json::Error| VerifyError::Statement(e.to_string());
    let statement: Statement = serde_json::from_slice(payload).map_err(malformed)?;
    let known = [STATEMENT_TYPE, OLD_STATEMENT_TYPE].contains(&statement.kind.as_str());
    if !known || statement.predicate_type != PREDICATE_TYPE {
        return Err(VerifyError::Statement(format!(
            "it is a {} with a {}, not with a {PREDICATE_TYPE}",
            statement.kind, statement.predicate_type
        )));
    }
    let [subject] = &statement.subject[..] else {
        return Err(VerifyError::Statement(
            "it does not have exactly one subject".to_owned(),
        ));
    };
    if subject.digest.sha256 != found.hex() {
        return Err(VerifyError::Component {
            signed: format!("sha256:{}", subject.digest.sha256),
            found,
        });
    }
    serde_json::from_value(statement.predicate).map_err(malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMPONENT: &[u8] = b"\0asm component";

    fn key() -> PrivateKey {
        PrivateKey::generate().unwrap().0
    }

    fn signed(version: u64, key: &PrivateKey) -> String {
        let policy = "guardrails".to_owned();
        sign(COMPONENT, "a.wasm", &Signed { policy, version }, key).unwrap()
    }

    fn expected(keys: &[PublicKey]) -> Expected<'_> {
        Expected {
            keys,
            policy: "guardrails",
            min_version: 3,
            ..Expected::default()
        }
    }

    #[test]
    fn what_a_configured_key_signed_is_accepted() {
        let (old, new) = (key(), key());
        let keys = [old.public(), new.public()];
        let signature = signed(3, &new);
        let found = verify(COMPONENT, Some(signature.as_bytes()), &expected(&keys));
        assert_eq!(found.unwrap().unwrap().version, 3);
    }

    #[test]
    fn a_pinned_digest_is_checked_first() {
        let expected = Expected {
            digest: Some(Digest::of(b"another")),
            ..expected(&[])
        };
        let error = verify(COMPONENT, Some(b"nonsense"), &expected).unwrap_err();
        assert!(matches!(error, VerifyError::Digest { .. }), "{error}");
        let expected = Expected {
            digest: Some(Digest::of(COMPONENT)),
            ..expected
        };
        assert_eq!(verify(COMPONENT, None, &expected), Ok(None));
    }

    #[test]
    fn unsigned_foreign_altered_and_old_components_are_refused() {
        let (mine, other) = (key(), key());
        let keys = [mine.public()];
        let expected = expected(&keys);
        let good = signed(3, &mine);
        let refused = |component: &[u8], signature: Option<&str>| {
            verify(component, signature.map(str::as_bytes), &expected).unwrap_err()
        };
        assert_eq!(refused(COMPONENT, None), VerifyError::Missing);
        assert_eq!(
            refused(COMPONENT, Some(&signed(3, &other))),
            VerifyError::Envelope(EnvelopeError::Unsigned)
        );
        assert!(matches!(
            refused(b"\0asm altered", Some(&good)),
            VerifyError::Component { .. }
        ));
        assert_eq!(
            refused(COMPONENT, Some(&signed(2, &mine))),
            VerifyError::RolledBack { min: 3, found: 2 }
        );
        let policy = "cloud-selector".to_owned();
        let signed = Signed { policy, version: 9 };
        let as_another = sign(COMPONENT, "a.wasm", &signed, &mine).unwrap();
        assert!(matches!(
            refused(COMPONENT, Some(&as_another)),
            VerifyError::Policy { .. }
        ));
    }

    #[test]
    fn no_byte_of_a_signature_can_be_changed_unnoticed() {
        let mine = key();
        let keys = [mine.public()];
        let good = signed(3, &mine);
        let strict = expected(&keys);
        for place in 0..good.len() {
            let mut bad = good.clone().into_bytes();
            bad[place] ^= 1;
            let outcome = verify(COMPONENT, Some(&bad), &strict);
            // What the payload says is the same or it is refused.
            if let Ok(found) = outcome {
                assert_eq!(found.unwrap().version, 3, "byte {place}");
            }
        }
        let long = vec![b' '; MAX_ENVELOPE + 1];
        assert_eq!(
            verify(COMPONENT, Some(&long), &strict),
            Err(VerifyError::TooLong)
        );
    }
}
