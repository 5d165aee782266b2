//! JSON that remembers where it stood: values with their byte ranges, canonical text, and
//! splices that leave every other byte alone.

mod canonical;
mod check;
mod document;
mod splice;
mod text;
pub(crate) mod write;

pub use canonical::canonical_json;
pub use check::{JsonError, MAX_DEPTH, mend_surrogates};
pub use document::index_bytes;
pub use text::json_string;

pub(crate) use canonical::{Shape, StringPlace, write_canonical, write_canonical_with_places};
pub(crate) use document::{Document, Kind, Span, Value};
pub(crate) use splice::{Splice, splice};
pub(crate) use text::{Offsets, write_json_string};
