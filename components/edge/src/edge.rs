//! A release made into a gateway, whatever the platform.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use forebay_gateway::platform::Platform;
use forebay_gateway::settings::{Settings, SettingsError};
use forebay_gateway::store::{KeyValue, Tiered, TieredBounds};
use forebay_gateway::{Gateway, UpstreamConfigError};
use http::{Response, header};

use crate::bindings::release;
use crate::body::Reader;
use crate::policies::Imported;

/// How long reading the key-value store may take until it is a miss: less than a model's answer.
const STORE_READ: Duration = Duration::from_millis(500);

/// How long writing to it may take: the client has its answer already.
const STORE_WRITE: Duration = Duration::from_secs(5);

/// How long a store that failed or was too slow is left alone: then one request tries it again.
const STORE_PAUSE: Duration = Duration::from_secs(10);

/// Why a release can't serve. Names variables and fields, never values.
#[derive(Debug, Clone, thiserror::Error)]
pub enum EdgeError {
    /// Its settings, or the variables they refer to.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// An upstream of its settings.
    #[error(transparent)]
    Upstream(#[from] Arc<UpstreamConfigError>),
    /// It was not baked by `forebay bake`.
    #[error("the release's digest is not 64 hexadecimal digits")]
    Digest,
}

/// A release before its variables are known.
pub struct Edge {
    settings: Settings,
    digest: [u8; 32],
}

impl Edge {
    /// The release that this component was composed with.
    ///
    /// # Errors
    ///
    /// When it was written by another version, or not by `forebay bake`.
    pub fn composed() -> Result<Self, EdgeError> {
        let mut digest = [0; 32];
        hex::decode_to_slice(release::digest(), &mut digest).map_err(|_| EdgeError::Digest)?;
        let settings = Settings::read(&release::settings())?;
        Ok(Self { settings, digest })
    }

    /// The settings, references unresolved.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The gateway, once the values of [`Settings::variables`] are known. The platform's
    /// key-value store is used only where what is in it can be found again.
    ///
    /// # Errors
    ///
    /// The first reference that can't be resolved, or an upstream that makes no sense.
    pub fn gateway<P, K>(
        &self,
        platform: P,
        store: Option<K>,
        variables: &BTreeMap<String, String>,
    ) -> Result<Arc<Gateway<P>>, EdgeError>
    where
        P: Platform<Policies = Imported, Store = Tiered<K>>,
        K: KeyValue,
    {
        let mut random = [0; 32];
        random[..16].copy_from_slice(&platform.random());
        random[16..].copy_from_slice(&platform.random());
        let resolved = self.settings.resolve(variables, &random)?;
        let bytes = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
        let bounds = TieredBounds {
            instance: bytes(self.settings.instance_cache),
            max_entry: bytes(self.settings.max_entry),
            read: STORE_READ,
            write: STORE_WRITE,
            pause: STORE_PAUSE,
            tenant_quota: self.settings.store_quota,
        };
        let store = Tiered::new(store.filter(|_| resolved.lasting), bounds);
        let made = Gateway::new(
            Arc::new(platform),
            Arc::new(Imported::new(self.digest)),
            Arc::new(store),
            resolved.gateway,
            resolved.keys,
            None,
        );
        made.map_err(|e| EdgeError::Upstream(Arc::new(e)))
    }
}

/// An instance's gateway, and what is needed before it is asked.
pub struct Ready<P: Platform> {
    /// The gateway.
    pub gateway: Arc<Gateway<P>>,
    max_body: u64,
    body_time: Duration,
}

impl<P: Platform> Ready<P> {
    /// This gateway of this release.
    pub fn new(gateway: Arc<Gateway<P>>, edge: &Edge) -> Self {
        Self {
            body_time: gateway.config().timeouts.request.0,
            gateway,
            max_body: edge.settings.max_body,
        }
    }

    /// Reads requests' bodies within their bounds.
    pub fn reader<S>(&self, sleep: S) -> Reader<S> {
        Reader {
            limit: self.max_body,
            time: self.body_time,
            sleep,
        }
    }
}

/// A request's `content-length`.
pub fn announced(head: &http::request::Parts) -> Option<u64> {
    let value = head.headers.get(header::CONTENT_LENGTH)?;
    value.to_str().ok()?.parse().ok()
}

/// The answer of an edge that can't serve: 500 in the client's format, for whoever set it up to read.
pub fn unusable(error: &EdgeError, head: &http::request::Parts) -> Response<Bytes> {
    forebay_gateway::unready(head, &format!("this edge is not set up: {error}"))
}
