//! Serves a Spin application by Spin's own rules, for tests on machines without the program.
//!
//! The manifest is read and checked ([`manifest`]), each component composed with its dependencies,
//! which get no capability that they do not inherit ([`compose`], [`deny`]), and run in instances
//! that serve many requests, as Spin does ([`instance`]). A component reaches the hosts of its
//! allow-list ([`outbound`]), its stores ([`key_value`]) and its variables, and nothing else.
//!
//! ```no_run
//! # async fn example() -> Result<(), forebay_spin_stand_in::StartError> {
//! let app = forebay_spin_stand_in::up(&forebay_spin_stand_in::Options::new("spin.toml")).await?;
//! println!("listening on http://{}", app.address());
//! app.serve(std::future::pending()).await;
//! # Ok(()) }
//! ```
#![allow(rustdoc::private_intra_doc_links)]

mod app;
mod bindings;
mod compose;
mod deny;
mod engine;
mod error;
mod headers;
mod instance;
mod key_value;
mod manifest;
mod outbound;
#[cfg(test)]
mod outcomes;
mod runtime_config;
mod server;
mod variables;

pub use app::Options;
pub use error::StartError;
pub use server::{App, up};
