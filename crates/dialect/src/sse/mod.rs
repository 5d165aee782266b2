//! Server-sent events, as the WHATWG's HTML standard frames them (section 9.2.6).

mod decoder;
mod encoder;

pub use decoder::{Decoder, Event, SseError};
pub use encoder::{encode, encode_named};
