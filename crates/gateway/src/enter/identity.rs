//! Who asks: API keys as digests, a tenant for each, compared in constant time.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::SystemTime;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::config::TenantConfig;
use crate::enter::signed::Signatures;
use crate::error::{ErrorKind, GatewayError};
use crate::platform::{MaybeSend, MaybeSync};

/// An API key as it is kept: never the secret itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRecord {
    /// Its identifier: the part of the key that may be shown.
    pub id: Arc<str>,
    /// SHA-256 of the whole key. Keys are random, so a slow hash would add nothing.
    pub digest: [u8; 32],
    /// The tenant it belongs to.
    pub tenant: Arc<str>,
    /// The models it may use, exact or ending in `*`. Empty: all.
    pub models: Vec<String>,
    /// Requests per minute.
    pub requests_per_minute: Option<u32>,
    /// Tokens per minute.
    pub tokens_per_minute: Option<u32>,
    /// When it stops working.
    pub expires: Option<SystemTime>,
    /// The access key that signs in its stead, where there is one.
    pub access_key: Option<Arc<str>>,
}

/// Who a request comes from, once its key is accepted.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The key.
    pub key: Arc<KeyRecord>,
    /// The tenant's configuration.
    pub tenant: Arc<TenantConfig>,
    /// The tenant's secret, under which cache keys, salts and masks are made.
    pub secret: Arc<[u8; 32]>,
}

impl Identity {
    /// Whether the key may use a model.
    pub fn may_use(&self, model: &str) -> bool {
        self.key.models.is_empty()
            || self
                .key
                .models
                .iter()
                .any(|pattern| match pattern.strip_suffix('*') {
                    Some(prefix) => model.starts_with(prefix),
                    None => pattern == model,
                })
    }
}

/// A login that is not an API key: tokens of an issuer.
pub trait Login: MaybeSend + MaybeSync + std::fmt::Debug {
    /// Under which record the bearer of this token comes in; none where it is no token of this login.
    fn record(&self, token: &str, now: SystemTime) -> Option<Result<Arc<KeyRecord>, GatewayError>>;
}

/// All keys and tenants, as one immutable value that a reload replaces.
#[derive(Debug)]
pub struct KeyRing {
    keys: HashMap<Arc<str>, Identity>,
    /// Set when no keys are configured: everyone is this.
    anonymous: Option<Identity>,
    login: Option<Tokens>,
    signatures: Option<Arc<dyn Signatures>>,
}

/// A login with what makes identities of its records.
#[derive(Clone)]
struct Tokens {
    login: Arc<dyn Login>,
    tenants: Arc<HashMap<String, Arc<TenantConfig>>>,
    master: Arc<[u8]>,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Without the master secret.
        f.debug_tuple("Tokens").field(&self.login).finish()
    }
}

impl Tokens {
    fn identify(&self, token: &str, now: SystemTime) -> Option<Result<Identity, GatewayError>> {
        let key = match self.login.record(token, now)? {
            Ok(key) => key,
            Err(error) => return Some(Err(error)),
        };
        let tenant = self.tenants.get(&*key.tenant).cloned();
        Some(Ok(Identity {
            tenant: tenant.unwrap_or_else(|| bare_tenant(&key.tenant)),
            secret: Arc::new(tenant_secret(&self.master, &key.tenant)),
            key,
        }))
    }
}

/// A tenant of which nothing is configured but its name.
fn bare_tenant(name: &str) -> Arc<TenantConfig> {
    Arc::new(TenantConfig {
        name: name.to_owned(),
        ..TenantConfig::default()
    })
}

/// The tenant of requests when no keys are configured.
pub const LOCAL_TENANT: &str = "local";

impl KeyRing {
    /// A ring of these keys. Each tenant's secret is derived from `master`. With no keys at
    /// all every request is the tenant `local`: the host then listens on loopback only.
    pub fn new(keys: Vec<KeyRecord>, tenants: &[TenantConfig], master: &[u8]) -> Self {
        let known: HashMap<&str, Arc<TenantConfig>> = tenants
            .iter()
            .map(|t| (t.name.as_str(), Arc::new(t.clone())))
            .collect();
        let tenant_of = |name: &str| {
            known
                .get(name)
                .cloned()
                .unwrap_or_else(|| bare_tenant(name))
        };
        let anonymous = keys.is_empty().then(|| Identity {
            key: Arc::new(KeyRecord {
                id: LOCAL_TENANT.into(),
                digest: [0; 32],
                tenant: LOCAL_TENANT.into(),
                models: Vec::new(),
                requests_per_minute: None,
                tokens_per_minute: None,
                expires: None,
                access_key: None,
            }),
            tenant: tenant_of(LOCAL_TENANT),
            secret: Arc::new(tenant_secret(master, LOCAL_TENANT)),
        });
        let keys = keys
            .into_iter()
            .map(|key| {
                let identity = Identity {
                    tenant: tenant_of(&key.tenant),
                    secret: Arc::new(tenant_secret(master, &key.tenant)),
                    key: Arc::new(key),
                };
                (identity.key.id.clone(), identity)
            })
            .collect();
        Self {
            keys,
            anonymous,
            login: None,
            signatures: None,
        }
    }

    /// The same ring, which also lets in whoever has a token of this login. Without keys it is
    /// closed to all others.
    #[must_use]
    pub fn with_login(
        mut self,
        login: Arc<dyn Login>,
        tenants: &[TenantConfig],
        master: &[u8],
    ) -> Self {
        let tenants = tenants
            .iter()
            .map(|tenant| (tenant.name.clone(), Arc::new(tenant.clone())))
            .collect();
        self.anonymous = None;
        self.login = Some(Tokens {
            login,
            tenants: Arc::new(tenants),
            master: master.into(),
        });
        self
    }

    /// The same ring, which also lets in whoever signs requests with the access key of one of its keys.
    #[must_use]
    pub fn with_signatures(mut self, signatures: Arc<dyn Signatures>) -> Self {
        self.signatures = Some(signatures);
        self
    }

    pub(crate) fn signatures(&self) -> Option<&Arc<dyn Signatures>> {
        self.signatures.as_ref()
    }

    /// Whose access key this is.
    pub(crate) fn identify_signer(
        &self,
        access_key: &str,
        now: SystemTime,
    ) -> Result<Identity, GatewayError> {
        let mut all = self.keys.values();
        let identity = all
            .find(|identity| identity.key.access_key.as_deref() == Some(access_key))
            .filter(|identity| identity.key.expires.is_none_or(|at| at > now));
        identity.cloned().ok_or_else(|| {
            GatewayError::new(
                ErrorKind::InvalidKey,
                "the access key id is not known, expired or revoked",
            )
            .with_status(403)
            .with_type("UnrecognizedClientException")
        })
    }

    /// The ring with only those of its keys that `keep` gives a record of, under that record, and the
    /// identifiers of the others. It stays closed when no key is left. None where nothing changes.
    pub fn narrowed(
        &self,
        keep: impl Fn(&KeyRecord) -> Option<KeyRecord>,
    ) -> Option<(Self, Vec<String>)> {
        let mut keys = HashMap::with_capacity(self.keys.len());
        let (mut revoked, mut changed) = (Vec::new(), false);
        for (id, identity) in &self.keys {
            match keep(&identity.key) {
                // A key is its digest, and its tenant is what it opens: with others it is another key.
                Some(key)
                    if key.digest == identity.key.digest && key.tenant == identity.key.tenant =>
                {
                    changed |= key != *identity.key;
                    let identity = Identity {
                        key: Arc::new(key),
                        ..identity.clone()
                    };
                    keys.insert(id.clone(), identity);
                }
                _ => revoked.push(id.to_string()),
            }
        }
        (changed || !revoked.is_empty()).then(|| {
            let ring = Self {
                keys,
                anonymous: self.anonymous.clone(),
                login: self.login.clone(),
                signatures: self.signatures.clone(),
            };
            (ring, revoked)
        })
    }

    /// Whether it lets nobody in.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.anonymous.is_none() && self.login.is_none()
    }

    /// Whether everybody may come in: no key is configured.
    pub fn is_open(&self) -> bool {
        self.anonymous.is_some()
    }

    /// Somebody of a tenant; without a name of the only one there is.
    pub(crate) fn of_tenant(&self, tenant: Option<&str>) -> Option<&Identity> {
        let of = |identity: &&Identity| tenant.is_none_or(|name| *identity.key.tenant == *name);
        let mut all = self.anonymous.iter().chain(self.keys.values()).filter(of);
        let first = all.next()?;
        let others = all.any(|other| other.key.tenant != first.key.tenant);
        (!others).then_some(first)
    }

    /// Who the first valid one of several keys belongs to. Without any it is as with none; where
    /// none is valid, as with the last.
    pub fn identify_any<'a>(
        &self,
        presented: impl Iterator<Item = &'a str>,
        now: SystemTime,
    ) -> Result<Identity, GatewayError> {
        let mut refused = None;
        for key in presented {
            match self.identify(Some(key), now) {
                Ok(identity) => return Ok(identity),
                Err(error) => refused = Some(error),
            }
        }
        refused.map_or_else(|| self.identify(None, now), Err)
    }

    /// Who a key belongs to. `presented` is the value of the `Authorization: Bearer` header.
    pub fn identify(
        &self,
        presented: Option<&str>,
        now: SystemTime,
    ) -> Result<Identity, GatewayError> {
        if let Some(anonymous) = &self.anonymous {
            return Ok(anonymous.clone());
        }
        let Some(presented) = presented else {
            return Err(GatewayError::new(
                ErrorKind::MissingKey,
                "no API key was sent; send it as `Authorization: Bearer <key>`",
            ));
        };
        let invalid = || {
            GatewayError::new(
                ErrorKind::InvalidKey,
                "the API key is not known, expired or revoked",
            )
        };
        // An identifier is no secret; whether it exists may take a different time than whether it fits.
        if let Some(tokens) = &self.login
            && let Some(outcome) = tokens.identify(presented, now)
        {
            return outcome;
        }
        let digest: [u8; 32] = Sha256::digest(presented.as_bytes()).into();
        let id = key_id(presented).ok_or_else(invalid)?;
        let identity = self.keys.get(id).ok_or_else(invalid)?;
        let fits = bool::from(identity.key.digest.ct_eq(&digest));
        if !fits || identity.key.expires.is_some_and(|at| at <= now) {
            return Err(invalid());
        }
        Ok(identity.clone())
    }
}

/// The identifier within a key of the form `fb-<id>-<secret>`.
pub fn key_id(key: &str) -> Option<&str> {
    let (id, secret) = key.strip_prefix("fb-")?.split_once('-')?;
    (!id.is_empty() && !secret.is_empty()).then_some(id)
}

/// A tenant's secret: HMAC-SHA-256 of its name under the master secret.
pub fn tenant_secret(master: &[u8], tenant: &str) -> [u8; 32] {
    keyed(master, &[b"forebay tenant secret v1", tenant.as_bytes()])
}

/// HMAC-SHA-256 over length-prefixed parts.
pub fn keyed(secret: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    // HMAC takes keys of any length, so this can't fail; an empty key is the fallback of no path.
    let mut mac = Hmac::<Sha256>::new_from_slice(secret)
        .unwrap_or_else(|_| Hmac::<Sha256>::new(&Default::default()));
    for part in parts {
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}
