//! Where policies run: the native implementation of the gateway's `Policies` over wasmtime.
//!
//! At load each component is instantiated alone, with WASI linked to stubs that never change
//! ([`wasi`]), configured once, and frozen ([`snapshot`]); the three snapshots become one
//! component ([`compose`]), compiled ([`cache`]) for a pool of slots ([`engine`]). A request
//! then runs in an instance of that image which nobody else has seen ([`session`]), an answer
//! that output rules apply to in one of the guardrails alone ([`guard`]). A guest that loops
//! yields every millisecond and is cut off at its deadline, one that grows or returns too
//! much is cut off at its limit ([`guest`]); what it answers is checked before it is believed
//! ([`convert`]).
//!
//! ```no_run
//! use forebay_sandbox::{ComponentSource, PolicySources, Sandbox, SandboxOptions};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let source = |file: &str, config| -> std::io::Result<ComponentSource> {
//!     Ok(ComponentSource { bytes: std::fs::read(file)?, config })
//! };
//! let sources = PolicySources {
//!     prefix_cache: source("forebay_prefix_cache.wasm", serde_json::json!({}))?,
//!     guardrails: source("forebay_guardrails.wasm", serde_json::json!({}))?,
//!     cloud_selector: source("forebay_cloud_selector.wasm", serde_json::json!({}))?,
//! };
//! let policies = Sandbox::load(sources, SandboxOptions::default()).await?;
//! # Ok(()) }
//! ```
#![allow(rustdoc::private_intra_doc_links)]

mod bake;
mod bindings;
mod cache;
mod compose;
mod convert;
mod engine;
mod error;
mod guard;
mod guest;
mod idle;
mod load;
mod options;
mod release;
mod sandbox;
mod session;
mod snapshot;
mod stock;
mod trim;
mod wasi;

pub use bake::{Baked, bake};
pub use compose::{VERSION as CONTRACT_VERSION, plug_into};
pub use error::LoadError;
pub use guard::Guard;
pub use options::{ComponentSource, Isolation, PagemapScan, PolicySources, SandboxOptions};
pub use release::release;
pub use sandbox::Sandbox;
pub use session::Session;
