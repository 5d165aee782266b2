//! Azure: tokens of Microsoft Entra, for an application or for the identity of where this runs.

mod entra;
mod managed_identity;

pub(crate) use entra::{Application, Entra, Proof};
pub(crate) use managed_identity::ManagedIdentity;
