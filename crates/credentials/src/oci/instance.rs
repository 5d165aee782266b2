//! The identity of a compute instance: its certificate is exchanged for a security token, which
//! names a session key that requests are signed with. The flow is that of Oracle's SDKs
//! (`oci.auth.federation_client` in the Python one).

use std::sync::Arc;

use http::{HeaderValue, Uri};
use serde::Deserialize;
use serde_json::json;

use super::certificate::{Leaf, bare};
use super::session_key::SessionKey;
use super::{Signer, signature, token_signer};
use crate::bearer::MAX_TOKEN;
use crate::endpoint;
use crate::error::{CredentialError, Origin, Problem};
use crate::fetch::{Ask, get, post_json};
use crate::jwt;
use crate::lease::Lease;
use crate::resolve::{Resolve, text};
use crate::rsa_key::RsaKey;
use crate::secret::Secret;

/// The identity of the instance this runs in.
pub(crate) struct InstancePrincipal {
    origin: Origin,
    resolve: Arc<dyn Resolve>,
    metadata: Uri,
    federation: Option<Uri>,
    files: Option<Files>,
    session: SessionKey,
}

/// Certificate and key in files, read at each refresh.
pub(crate) struct Files {
    pub(crate) certificate: String,
    pub(crate) key: String,
    pub(crate) intermediate: Option<String>,
}

struct Material {
    certificate: Secret,
    key: Secret,
    intermediate: Option<Secret>,
}

/// `instance/regionInfo` of the metadata service.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RegionInfo {
    realm_domain_component: String,
    region_identifier: String,
}

#[derive(Deserialize)]
struct TokenAnswer {
    token: String,
}

impl InstancePrincipal {
    pub(crate) fn new(
        upstream: &Arc<str>,
        resolve: &Arc<dyn Resolve>,
        metadata: &str,
        federation: Option<&str>,
        files: Option<Files>,
    ) -> Result<Self, CredentialError> {
        let origin = Origin::new(upstream, "the Oracle Cloud instance principal", "auth");
        let place = origin.with(
            "Oracle Cloud's federation endpoint",
            "auth.federation_endpoint",
        );
        Ok(Self {
            metadata: endpoint::metadata(
                metadata,
                &origin.with("Oracle Cloud's metadata service", "auth.metadata_endpoint"),
            )?,
            federation: federation
                .map(|url| endpoint::secure(url, &place))
                .transpose()?,
            session: SessionKey::generate().map_err(|why| origin.unusable(why))?,
            origin,
            resolve: Arc::clone(resolve),
            files,
        })
    }

    pub(super) async fn obtain(&self, ask: Ask<'_>) -> Result<Lease<Signer>, CredentialError> {
        let origin = &self.origin;
        let material = match &self.files {
            Some(files) => self.read_files(files)?,
            None => self.ask_metadata(ask).await?,
        };
        let leaf =
            Leaf::from_pem(material.certificate.expose()).map_err(|why| origin.unusable(why))?;
        let key = RsaKey::from_pem(&material.key, None)
            .map_err(|why| origin.unusable(format!("the instance's key: {why}")))?;
        let url = match &self.federation {
            Some(url) => url.clone(),
            None => self.regional_endpoint(ask).await?,
        };

        let mut body = json!({"certificate": leaf.body, "publicKey": self.session.public});
        if let Some(intermediate) = &material.intermediate {
            body["intermediateCertificates"] = json!([bare(intermediate.expose())]);
        }
        let mut request = post_json(&url, &[], &body);
        let signer = Signer {
            key_id: Arc::new(zeroize::Zeroizing::new(format!(
                "{}/fed-x509/{}",
                leaf.tenancy, leaf.fingerprint
            ))),
            key: Arc::new(key),
        };
        signature::sign(&mut request, &signer, signature::FEDERATION, ask.now)
            .map_err(|why| origin.error(Problem::Request { why }))?;

        let answer = ask.send(request, origin).await?;
        let token = Secret::new(answer.json::<TokenAnswer>(origin)?.token);
        let is_plain = |b: u8| b.is_ascii_graphic() && b != b'"';
        if token.expose().len() > MAX_TOKEN || !token.expose().bytes().all(is_plain) {
            return Err(answer.unusable(origin, "its token does not fit a header"));
        }
        let end = jwt::expiry(token.expose())
            .filter(|end| *end > ask.now)
            .ok_or_else(|| answer.unusable(origin, "its token names no end to come"))?;
        Ok(token_signer(token.expose(), &self.session.key, end))
    }

    fn read_files(&self, files: &Files) -> Result<Material, CredentialError> {
        let read = |path: &str, field| {
            let origin = self
                .origin
                .with("the Oracle Cloud instance principal", field);
            text(&*self.resolve, path, &origin)
        };
        Ok(Material {
            certificate: read(&files.certificate, "auth.certificate_file")?,
            key: read(&files.key, "auth.key_file")?,
            intermediate: files
                .intermediate
                .as_deref()
                .map(|path| read(path, "auth.intermediate_file"))
                .transpose()?,
        })
    }

    async fn ask_metadata(&self, ask: Ask<'_>) -> Result<Material, CredentialError> {
        Ok(Material {
            certificate: self.metadata(ask, "/identity/cert.pem").await?,
            key: self.metadata(ask, "/identity/key.pem").await?,
            intermediate: Some(self.metadata(ask, "/identity/intermediate.pem").await?),
        })
    }

    async fn regional_endpoint(&self, ask: Ask<'_>) -> Result<Uri, CredentialError> {
        let info = self.metadata(ask, "/instance/regionInfo").await?;
        let is_name = |text: &str| {
            !text.is_empty()
                && text
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"-.".contains(&b))
        };
        let info: RegionInfo = serde_json::from_str(info.expose())
            .ok()
            .filter(|i: &RegionInfo| {
                is_name(&i.realm_domain_component) && is_name(&i.region_identifier)
            })
            .ok_or_else(|| {
                self.origin.unusable(
                    "the metadata service names no region; write auth.federation_endpoint",
                )
            })?;
        let url = format!(
            "https://auth.{}.{}/v1/x509",
            info.region_identifier, info.realm_domain_component
        );
        endpoint::secure(&url, &self.origin)
    }

    async fn metadata(&self, ask: Ask<'_>, path: &str) -> Result<Secret, CredentialError> {
        let url = endpoint::join(&self.metadata, path, &self.origin)?;
        let bearer = HeaderValue::from_static("Bearer Oracle");
        let answer = ask
            .send(get(&url, &[("authorization", bearer)]), &self.origin)
            .await?;
        answer.text(&self.origin)
    }
}
