//! Between the gateway's policy types and those that bindings of `wit/` have.
//!
//! Two generators make such bindings: wasmtime's for the host, wit-bindgen's for an edge that
//! imports the policies. Their types have the same names and fields but are not the same types, so
//! what goes field by field is a macro for each interface: [`guardrails!`], [`prefix_cache!`] and
//! [`cloud_selector!`]. What a guest answered is checked once, on the gateway's types ([`check`]):
//! a guest is not believed.
//!
//! What goes to a guest is borrowed, so that text is copied once, into the guest.

pub mod check;
mod cloud_selector;
mod guardrails;
mod prefix_cache;

// For the macros: whoever calls them need not depend on these crates under these names.
#[doc(hidden)]
pub use forebay_dialect::canonical;
#[doc(hidden)]
pub use forebay_gateway::policy as gateway;
