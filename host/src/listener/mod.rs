//! The way in: sockets, TLS, HTTP/1.1 and HTTP/2, and every limit that holds before the pipeline.

mod accept;
mod bind;
mod body;
mod client_io;
mod connection;
mod service;
mod tls;

pub use accept::{Doors, accept};
pub use bind::{BindError, bind};
pub use body::Held;
pub use tls::{TlsError, TlsKeys};
