//! Where recordings rest on this platform: the memory tier. A disk tier and a shared tier fit
//! behind the same [`forebay_gateway::store::Store`] seam.

mod memory;
mod quota;

pub use memory::{EntrySummary, MemoryLimits, MemoryStore};
