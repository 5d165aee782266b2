//! Who is at the other end of a connection: an address, and whether it has shown an API key.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use super::peers::Holding;

/// The client of one connection.
#[derive(Debug, Clone)]
pub(super) struct Guest {
    pub(super) address: IpAddr,
    /// Its place among those who have shown no key. Given back with the first key that is accepted.
    stranger: Arc<Mutex<Option<Holding>>>,
}

impl Guest {
    pub(super) fn new(address: IpAddr, stranger: Holding) -> Self {
        Self {
            address,
            stranger: Arc::new(Mutex::new(Some(stranger))),
        }
    }

    /// It has shown a key.
    pub(super) fn is_known(&self) {
        let mut stranger = self.stranger.lock().unwrap_or_else(PoisonError::into_inner);
        drop(stranger.take());
    }
}
