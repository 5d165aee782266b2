//! Running the gateway: starting, reloading all or nothing, draining.

mod embedded;
mod feeds;
mod front;
mod offline;
mod policies;
mod reload;
mod serve;
mod signals;
mod verify;
mod watch;

pub use front::{Front, Generation, Lifecycle};
pub use offline::explain_prefix;
pub use policies::{Components, PolicyLoadError, PolicyLoader, bake};
pub(crate) use reload::refused;
pub use reload::{Control, ReloadError};
pub use serve::{Options, Running, StartError, start};
pub use signals::{Signals, run_until_told_to_stop};
