//! Policies as artefacts: what is signed of a component, and how it lies in an OCI registry.
//!
//! A component is signed by a statement beside it: a DSSE envelope
//! (<https://github.com/secure-systems-lab/dsse>) around an in-toto statement that names the
//! component by its SHA-256, the policy that it is, and a version that only grows
//! ([`sign`], [`verify`]). In a registry it is one layer of an image manifest, as `wkg` and `oras`
//! write it, with the envelope as an annotation ([`Manifest`]). No sockets, no files, no clock.

mod digest;
mod envelope;
mod keys;
mod manifest;
mod reference;
mod statement;

pub use digest::{Digest, DigestError};
pub use envelope::EnvelopeError;
pub use keys::{KeyError, PrivateKey, PublicKey};
pub use manifest::{
    Blob, CONFIG_TYPE, LAYER_TYPE, MANIFEST_TYPE, Manifest, ManifestError, SIGNATURE_ANNOTATION,
};
pub use reference::{Reference, ReferenceError};
pub use statement::{Expected, MAX_ENVELOPE, Signed, VerifyError, sign, verify};
