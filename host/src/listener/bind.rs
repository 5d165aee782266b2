//! Takes an address, or says what to do when it can't be taken.

use std::io::ErrorKind;
use std::net::SocketAddr;

use tokio::net::TcpListener;

/// An address could not be taken.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Another program has it.
    #[error(
        "{address} is in use ({setting}); stop the other program or choose another with {flag}"
    )]
    InUse {
        /// The address.
        address: SocketAddr,
        /// The key in the configuration.
        setting: &'static str,
        /// The flag that overrides it.
        flag: &'static str,
    },
    /// Ports below 1024 may need a privilege.
    #[error(
        "this user can't listen on {address} ({setting}); choose a port from 1024 up with {flag}"
    )]
    NotAllowed {
        /// The address.
        address: SocketAddr,
        /// The key in the configuration.
        setting: &'static str,
        /// The flag that overrides it.
        flag: &'static str,
    },
    /// Anything else, such as an address that this machine does not have.
    #[error("can't listen on {address} ({setting}): {why}")]
    Other {
        /// The address.
        address: SocketAddr,
        /// The key in the configuration.
        setting: &'static str,
        /// What the system said.
        why: std::io::Error,
    },
}

/// Listens on an address; port 0 takes any free one.
pub async fn bind(
    address: SocketAddr,
    setting: &'static str,
    flag: &'static str,
) -> Result<TcpListener, BindError> {
    TcpListener::bind(address)
        .await
        .map_err(|why| match why.kind() {
            ErrorKind::AddrInUse => BindError::InUse {
                address,
                setting,
                flag,
            },
            ErrorKind::PermissionDenied => BindError::NotAllowed {
                address,
                setting,
                flag,
            },
            _ => BindError::Other {
                address,
                setting,
                why,
            },
        })
}
