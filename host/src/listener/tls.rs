//! The server's certificate, reread while connections go on.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};

use crate::config::TlsConfig;

/// A certificate that can't be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file can't be read as PEM.
    #[error("{what} in {} can't be read: {why}", path.display())]
    File {
        /// What it should hold.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// Certificate and key don't go together.
    #[error("the certificate in {} can't be used with its key: {why}", path.display())]
    Mismatch {
        /// The certificate's file.
        path: PathBuf,
        /// What is wrong.
        why: rustls::Error,
    },
}

/// The certificate in use. New connections take the latest.
#[derive(Debug)]
pub struct TlsKeys {
    current: ArcSwap<ServerConfig>,
}

impl TlsKeys {
    /// Reads certificate and key. Relative paths count from `base`.
    pub fn load(config: &TlsConfig, base: &Path) -> Result<Self, TlsError> {
        Ok(Self {
            current: ArcSwap::from(read(config, base)?),
        })
    }

    /// Reads them again; on an error the old ones stay.
    pub fn reload(&self, config: &TlsConfig, base: &Path) -> Result<(), TlsError> {
        self.current.store(read(config, base)?);
        Ok(())
    }

    /// What a handshake takes.
    pub fn current(&self) -> Arc<ServerConfig> {
        self.current.load_full()
    }
}

fn read(config: &TlsConfig, base: &Path) -> Result<Arc<ServerConfig>, TlsError> {
    let (cert, key) = (base.join(&config.cert), base.join(&config.key));
    let file = |what, path: &Path| {
        let path = path.to_owned();
        move |why: rustls::pki_types::pem::Error| TlsError::File {
            what,
            path,
            why: why.to_string(),
        }
    };
    let chain = CertificateDer::pem_file_iter(&cert)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(file("the certificate chain", &cert))?;
    let private = PrivateKeyDer::from_pem_file(&key).map_err(file("the private key", &key))?;
    let mismatch = |why| TlsError::Mismatch {
        path: cert.clone(),
        why,
    };
    let mut server =
        ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(mismatch)?
            .with_no_client_auth()
            .with_single_cert(chain, private)
            .map_err(mismatch)?;
    server.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(server))
}
