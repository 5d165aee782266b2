//! From a configuration to a method: one arm for each kind.

use std::sync::Arc;

use crate::aws::{KeySource, Sigv4};
use crate::azure::{Application, Entra, ManagedIdentity, Proof};
use crate::bearer::Grant;
use crate::cached::Cached;
use crate::config::{AuthConfig, AwsSource, entra_authority};
use crate::credentials::{BearerToken, Defaults, Method};
use crate::error::{CredentialError, Origin};
use crate::google::{Metadata, ServiceAccount, WorkloadIdentity};
use crate::oci::{Files, InstancePrincipal, Oci, Profile, SignerSource, api_key};
use crate::resolve::{Resolve, secret, text, unset, variable};
use crate::static_key;

/// The kind's name and how it authenticates.
pub(crate) fn build(
    config: &AuthConfig,
    defaults: &Defaults<'_>,
    resolve: &Arc<dyn Resolve>,
) -> Result<(&'static str, Method), CredentialError> {
    let upstream: &Arc<str> = &Arc::from(defaults.upstream);
    let token = |grant| {
        let cached = Cached::new();
        Method::Token(Box::new(BearerToken { grant, cached }))
    };
    Ok(match config {
        AuthConfig::None {} => ("none", Method::Headers(Vec::new())),
        AuthConfig::Bearer { key } => {
            let header = static_key::bearer(upstream, &**resolve, key)?;
            ("bearer", Method::Headers(vec![header]))
        }
        AuthConfig::Header { name, key } => {
            let header = static_key::header(upstream, &**resolve, name, key)?;
            ("header", Method::Headers(vec![header]))
        }
        AuthConfig::Openai {
            key,
            organization,
            project,
        } => {
            let mut headers =
                static_key::openai(upstream, organization.as_deref(), project.as_deref())?;
            headers.push(static_key::bearer(upstream, &**resolve, key)?);
            ("openai", Method::Headers(headers))
        }
        AuthConfig::Sigv4 {
            region,
            service,
            source,
        } => {
            let method = sigv4(
                upstream,
                defaults,
                resolve,
                region.as_deref(),
                service,
                source,
            )?;
            ("sigv4", method)
        }
        AuthConfig::Entra {
            tenant,
            client_id,
            client_secret,
            authority,
            scope,
        } => {
            let origin = Origin::new(upstream, "the Entra client secret", "auth.client_secret");
            let proof = Proof::Secret(secret(&**resolve, client_secret, &origin)?);
            let application = Application {
                tenant,
                client_id,
                authority,
                scope,
            };
            let grant = Entra::new(origin, &application, proof)?;
            ("entra", token(Grant::Entra(grant)))
        }
        AuthConfig::EntraWorkloadIdentity {
            tenant,
            client_id,
            token_file,
            authority,
            scope,
        } => {
            let origin = Origin::new(upstream, "Entra's workload identity", "auth.token_file");
            let given = |own: &Option<String>, name: &str, origin: &Origin| {
                own.clone()
                    .or_else(|| variable(&**resolve, name))
                    .ok_or_else(|| unset(origin, name))
            };
            let tenant_origin = origin.with("the Entra tenant", "auth.tenant");
            let client_origin = origin.with("the Entra application", "auth.client_id");
            let application = Application {
                tenant: &given(tenant, "AZURE_TENANT_ID", &tenant_origin)?,
                client_id: &given(client_id, "AZURE_CLIENT_ID", &client_origin)?,
                authority: &given(authority, "AZURE_AUTHORITY_HOST", &origin)
                    .unwrap_or_else(|_| entra_authority()),
                scope,
            };
            let proof = Proof::TokenFile {
                path: given(token_file, "AZURE_FEDERATED_TOKEN_FILE", &origin)?,
                resolve: Arc::clone(resolve),
            };
            let grant = Entra::new(origin, &application, proof)?;
            ("entra-workload-identity", token(Grant::Entra(grant)))
        }
        AuthConfig::ManagedIdentity {
            client_id,
            endpoint,
            resource,
        } => {
            let grant = ManagedIdentity::new(
                upstream,
                &**resolve,
                client_id.as_deref(),
                endpoint.as_deref(),
                resource,
            )?;
            ("managed-identity", token(Grant::ManagedIdentity(grant)))
        }
        AuthConfig::GoogleServiceAccount {
            file,
            scope,
            token_url,
        } => {
            let grant =
                ServiceAccount::new(upstream, &**resolve, file, scope, token_url.as_deref())?;
            (
                "google-service-account",
                token(Grant::GoogleServiceAccount(grant)),
            )
        }
        AuthConfig::GoogleMetadata { endpoint } => {
            let grant = Metadata::new(upstream, endpoint)?;
            ("google-metadata", token(Grant::GoogleMetadata(grant)))
        }
        AuthConfig::GoogleWorkloadIdentity { file, scope } => {
            let grant = WorkloadIdentity::new(upstream, Arc::clone(resolve), file, scope)?;
            (
                "google-workload-identity",
                token(Grant::GoogleWorkloadIdentity(grant)),
            )
        }
        AuthConfig::Oci {
            tenancy,
            user,
            fingerprint,
            key_file,
            passphrase,
        } => {
            let origin = Origin::new(upstream, "the Oracle Cloud key", "auth.key_file");
            let pem = text(&**resolve, key_file, &origin)?;
            let phrase = origin.with("the Oracle Cloud key's passphrase", "auth.passphrase");
            let passphrase = passphrase
                .as_ref()
                .map(|reference| secret(&**resolve, reference, &phrase))
                .transpose()?;
            let signer = api_key(
                [tenancy, user, fingerprint],
                &pem,
                passphrase.as_ref(),
                &origin,
            )?;
            let source = SignerSource::Fixed(signer);
            ("oci", Method::Oci(Box::new(Oci::new(origin, source))))
        }
        AuthConfig::OciConfig { file, profile } => {
            let source = Profile::read(upstream, resolve, file, profile)?;
            let origin = Origin::new(upstream, "the Oracle Cloud profile", "auth.profile");
            (
                "oci-config",
                Method::Oci(Box::new(Oci::new(origin, source))),
            )
        }
        AuthConfig::OciInstancePrincipal {
            metadata_endpoint,
            federation_endpoint,
            certificate_file,
            key_file,
            intermediate_file,
        } => {
            let origin = Origin::new(upstream, "the Oracle Cloud instance principal", "auth");
            let files = match (certificate_file, key_file, intermediate_file) {
                (None, None, None) => None,
                (Some(certificate), Some(key), intermediate) => Some(Files {
                    certificate: certificate.clone(),
                    key: key.clone(),
                    intermediate: intermediate.clone(),
                }),
                _ => {
                    return Err(
                        origin.unusable("certificate_file and key_file must be given together")
                    );
                }
            };
            let instance = InstancePrincipal::new(
                upstream,
                resolve,
                metadata_endpoint,
                federation_endpoint.as_deref(),
                files,
            )?;
            let source = SignerSource::Instance(Box::new(instance));
            (
                "oci-instance-principal",
                Method::Oci(Box::new(Oci::new(origin, source))),
            )
        }
    })
}

fn sigv4(
    upstream: &Arc<str>,
    defaults: &Defaults<'_>,
    resolve: &Arc<dyn Resolve>,
    region: Option<&str>,
    service: &str,
    source: &AwsSource,
) -> Result<Method, CredentialError> {
    let place = Origin::new(upstream, "the AWS region", "auth.region");
    let region = region
        .or(Some(defaults.region).filter(|region| !region.is_empty()))
        .map(str::to_owned)
        .or_else(|| variable(&**resolve, "AWS_REGION"))
        .or_else(|| variable(&**resolve, "AWS_DEFAULT_REGION"))
        .ok_or_else(|| {
            place.unusable("none is configured; write region = \"eu-central-1\", say, into auth or the upstream")
        })?;
    let is_name = |text: &str| {
        !text.is_empty()
            && text
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    if !is_name(&region) {
        return Err(place.unusable(format!(
            "{region:?} is not an AWS region; use one such as eu-central-1"
        )));
    }
    if !is_name(service) {
        return Err(
            Origin::new(upstream, "the AWS service", "auth.service").unusable(format!(
                "{service:?} is not a signing name; use one such as bedrock"
            )),
        );
    }
    let keys = KeySource::new(upstream, resolve, &region, source)?;
    let origin = Origin::new(upstream, "the AWS access key", "auth.source");
    Ok(Method::Sigv4(Box::new(Sigv4::new(
        origin, region, service, keys,
    ))))
}
