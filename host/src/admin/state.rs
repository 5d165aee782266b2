//! What the admin surface works on.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::Arc;

use crate::listener::TlsKeys;
use crate::operate::{Control, Front, PolicyLoader, ReloadError};

/// What the admin surface works on.
pub struct Surface<L: PolicyLoader> {
    pub(super) front: Arc<Front<L::Policies>>,
    control: Arc<Control<L>>,
    keys: Option<Arc<TlsKeys>>,
    pub(super) token: String,
    /// `Host` values under which it may be reached, in lower case.
    pub(super) hosts: HashSet<String>,
}

impl<L: PolicyLoader> Surface<L> {
    /// A surface that is reached under loopback names, its own address and `admin.hosts`.
    pub fn new(
        front: Arc<Front<L::Policies>>,
        control: Arc<Control<L>>,
        keys: Option<Arc<TlsKeys>>,
        token: String,
        address: SocketAddr,
    ) -> Arc<Self> {
        let port = address.port();
        let mut hosts: HashSet<String> = ["localhost", "127.0.0.1", "[::1]"]
            .iter()
            .map(|name| format!("{name}:{port}"))
            .collect();
        if !address.ip().is_unspecified() {
            hosts.insert(address.to_string());
        }
        for name in &front.current().config.admin.hosts {
            let name = name.to_ascii_lowercase();
            hosts.insert(format!("{name}:{port}"));
            hosts.insert(name);
        }
        Arc::new(Self {
            front,
            control,
            keys,
            token,
            hosts,
        })
    }

    pub(super) async fn reload(&self) -> Result<(), ReloadError> {
        self.control.reload(&self.front, self.keys.as_deref()).await
    }
}
