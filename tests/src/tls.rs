//! TLS for tests: a certificate of one's own, and a connection that trusts it and names its protocols.

use std::net::SocketAddr;
use std::sync::Arc;

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// A certificate for `localhost` and its key.
#[derive(Debug, Clone)]
pub struct Certificate {
    /// The certificate, in PEM.
    pub cert: String,
    /// Its private key, in PEM.
    pub key: String,
    der: CertificateDer<'static>,
}

impl Certificate {
    /// A new one.
    #[must_use]
    pub fn new() -> Self {
        let made =
            rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        Self {
            cert: made.cert.pem(),
            key: made.signing_key.serialize_pem(),
            der: made.cert.der().clone(),
        }
    }

    /// Connects, trusting nothing but this certificate, and offers these protocols.
    ///
    /// # Errors
    /// When the handshake fails.
    pub async fn connect(
        &self,
        addr: SocketAddr,
        alpn: &[&str],
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(self.der.clone()).expect("a certificate");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        let name = ServerName::try_from("localhost").expect("a name");
        let socket = TcpStream::connect(addr).await?;
        TlsConnector::from(Arc::new(config))
            .connect(name, socket)
            .await
    }
}

impl Default for Certificate {
    fn default() -> Self {
        Self::new()
    }
}
