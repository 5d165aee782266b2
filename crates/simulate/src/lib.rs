//! What routing does to hits and latency, on recorded traffic, without an engine.
//!
//! A trace's requests arrive at gateways, which route them by a rule over their own view of the
//! engines: an index fed by delayed and lossy KV events, predictions, and the load that they sent.
//! Engines are [`forebay_engine_model`]s in simulated time. Everything follows from the options and
//! a seed: the same run gives the same figures.
//!
//! [`simulate_edges`] asks another question of the same traces: what a fleet of edge locations,
//! each with its view of a store, keeps from the engines.

mod args;
mod bounds;
mod chance;
mod command;
mod edges;
mod engine;
mod gateway;
mod page;
mod profile;
mod progress;
mod report;
mod table;
mod trace;
mod world;

pub use args::{SimulateArgs, SimulateError};
pub use bounds::Bounds;
pub use command::SimulateCommand;
pub use edges::{
    Delay, EdgeOptions, EdgeOutcome, EdgeReport, EdgesArgs, simulate as simulate_edges,
};
pub use profile::{Profile, ProfileError};
pub use report::{Outcome, Report, Skew};
pub use trace::{Arrival, Trace, TraceError};
pub use world::{Options, run};
