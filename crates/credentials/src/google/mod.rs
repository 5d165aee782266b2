//! Google Cloud: a token for a service account, from its key, the metadata server or a foreign token.

mod metadata;
mod service_account;
mod workload_identity;
mod workload_source;

pub(crate) use metadata::Metadata;
pub(crate) use service_account::ServiceAccount;
pub(crate) use workload_identity::WorkloadIdentity;
