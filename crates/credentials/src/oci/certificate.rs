//! The certificate of an instance: whose tenancy it is, and its fingerprint.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use x509_cert::Certificate;
use x509_cert::der::Decode;

/// What the subject's attributes begin with that name the tenancy.
const TENANCY: &[&str] = &["opc-tenant:", "opc-identity:"];

/// An instance's certificate, read.
pub(super) struct Leaf {
    /// The base64 of its DER, without frame and line ends.
    pub(super) body: String,
    /// The tenancy's OCID.
    pub(super) tenancy: String,
    /// SHA-1 of the DER in pairs with colons: only a name, the service checks the whole chain.
    pub(super) fingerprint: String,
}

impl Leaf {
    /// From PEM.
    pub(super) fn from_pem(pem: &str) -> Result<Self, String> {
        let body = bare(pem);
        let der = STANDARD
            .decode(&body)
            .map_err(|_| "the certificate's PEM is damaged".to_owned())?;
        let certificate =
            Certificate::from_der(&der).map_err(|_| "it is not an X.509 certificate".to_owned())?;
        let tenancy = certificate
            .tbs_certificate()
            .subject()
            .iter()
            .filter_map(|attribute| std::str::from_utf8(attribute.value.value()).ok())
            .find_map(|text| TENANCY.iter().find_map(|prefix| text.strip_prefix(prefix)))
            .ok_or("the certificate's subject names no tenancy (opc-tenant:...)")?
            .to_owned();
        let hash = digest(&SHA1_FOR_LEGACY_USE_ONLY, &der);
        let pairs: Vec<String> = hash.as_ref().iter().map(|b| format!("{b:02X}")).collect();
        Ok(Self {
            body,
            tenancy,
            fingerprint: pairs.join(":"),
        })
    }
}

/// PEM without its frame and line ends.
pub(super) fn bare(pem: &str) -> String {
    pem.lines()
        .map(str::trim)
        .filter(|line| !line.starts_with("-----"))
        .collect()
}
