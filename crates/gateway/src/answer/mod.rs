//! Where an answer comes from: the store, a flight that is under way, or an upstream.

pub(crate) mod before;
pub(crate) mod board;
pub(crate) mod count;
pub(crate) mod door;
pub(crate) mod explain;
pub(crate) mod flight;
pub(crate) mod generate;
pub(crate) mod kept;
pub(crate) mod lead;
pub(crate) mod models;
pub(crate) mod stability;
pub(crate) mod stored;
pub(crate) mod trial;
#[cfg(not(target_family = "wasm"))]
mod vectors;
