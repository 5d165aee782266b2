//! The way in: sockets, TLS, HTTP/1.1 and HTTP/2, and every limit that holds before the pipeline.

mod accept;
mod answer;
mod bind;
mod body;
mod client_io;
mod connection;
mod guest;
mod leaving;
mod lines;
mod peers;
mod service;
mod side;
mod site;
mod tls;
mod upgrade;

pub use accept::{Doors, accept};
pub use bind::{BindError, bind};
pub use body::Held;
pub use peers::Peers;
pub use side::serve_router;
pub use tls::{TlsError, TlsKeys};
