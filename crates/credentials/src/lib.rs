//! How Forebay authenticates to every cloud it forwards to.
//!
//! An upstream's [`AuthConfig`] becomes one [`Credentials`], which adds headers to each request:
//! keys as they are, tokens obtained from Entra, Google or a metadata service, or signatures of AWS
//! and Oracle Cloud. There is no socket in here: token endpoints are asked through the host's
//! [`Fetch`], variables and files are read through its [`Resolve`], and the time is a parameter.
//!
//! ```
//! use std::sync::Arc;
//! use forebay_credentials::{AuthConfig, Credentials, Defaults, Resolve, SecretRef, System};
//!
//! # fn main() -> Result<(), forebay_credentials::CredentialError> {
//! # struct Fixed;
//! # impl Resolve for Fixed {
//! #     fn variable(&self, _: &str) -> Option<String> { Some("sk-1".into()) }
//! #     fn file(&self, _: &str) -> Result<Vec<u8>, String> { Err("no files".into()) }
//! # }
//! # let system = Fixed;
//! let auth = AuthConfig::Bearer { key: SecretRef("env:OPENAI_API_KEY".into()) };
//! let defaults = Defaults { upstream: "openai", region: "" };
//! let resolve: Arc<dyn Resolve> = Arc::new(system);
//! let credentials = Credentials::new(&auth, &defaults, &resolve)?;
//! // For each request: credentials.authorize(&mut request, &fetch, SystemTime::now()).await?
//! # assert_eq!(credentials.kind(), "bearer");
//! # Ok(())
//! # }
//! ```

#![forbid(unsafe_code)]

mod aws;
mod azure;
mod bearer;
mod build;
mod cached;
mod clock;
mod config;
mod credentials;
mod endpoint;
mod error;
mod fetch;
mod google;
mod ini;
mod jwt;
mod lease;
mod oci;
mod refusal;
mod resolve;
mod rsa_key;
mod secret;
mod static_key;

pub use aws::verify::{SignatureProblem, Signed, is_signed};
pub use clock::Skew;
pub use config::{AuthConfig, AwsSource, SecretRef};
pub use credentials::{Authorized, Credentials, Defaults, Rejection};
pub use error::{CredentialError, Problem};
pub use fetch::{BoxFuture, Fetch, MAX_TOKEN_ANSWER};
pub use resolve::{Resolve, System};
