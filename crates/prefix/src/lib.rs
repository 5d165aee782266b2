//! Block chains of prompts: the identity of a prefix, as engines hash it and as routers compare it.
//! No I/O, no clock, no randomness; compiles for WebAssembly.
//!
//! An inference engine cuts a prompt's tokens into blocks and names each block by a hash over the
//! hash of the block before it, so a block's name stands for the whole prefix up to its end. Two
//! prompts share exactly the leading blocks whose names agree.
//!
//! ```
//! use forebay_prefix::{Algorithm, ChainSpec};
//!
//! let spec = ChainSpec { block_size: 4, ..ChainSpec::default() };
//! let short = spec.chain(&[1, 2, 3, 4, 5, 6, 7, 8]);
//! let long = spec.chain(&[1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 9]);
//! assert_eq!(spec.algorithm, Algorithm::Sha256Cbor);
//! assert_eq!(short[..], long[..2]);
//! ```

mod block_hash;
mod chain;
mod encode;
mod page;
mod route;
mod text;
#[cfg(feature = "vectors")]
pub mod vectors;

pub use block_hash::{Algorithm, BlockHash};
pub use chain::{ChainSpec, DEFAULT_BLOCK_SIZE, Lora, MultimodalItem, UNSEEDED_ROOT_TEXT};
pub use page::{PageHash, extend_page_chain, page_chain, page_event_id};
pub use route::{extend_route_chain, route_block, route_chain};
pub use text::text_chain;
