//! JSON that remembers where it stood: values with their byte ranges, canonical text, and
//! splices that leave every other byte alone.

mod canonical;
mod check;
mod document;
mod splice;
mod text;

pub use canonical::canonical_json;
pub use check::JsonError;
pub use text::json_string;

pub(crate) use canonical::{Shape, StringPlace, write_canonical, write_canonical_with_places};
pub(crate) use document::{Document, Kind, Span, Value};
pub(crate) use splice::{Splice, splice};
pub(crate) use text::{Offsets, write_json_string};

/// The deepest nesting of arrays and objects that is taken. OpenAI allows 10 levels in a
/// JSON schema and real tool schemas stay under 30; beyond that a body is an attack.
pub const MAX_DEPTH: usize = 64;
