//! The pipeline's settings as an edge carries them: one JSON text, baked beside the policies,
//! with secrets and addresses as references that the platform's variables resolve.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::config::{
    ConfiguredUpstream, GatewayConfig, MasksConfig, RateConfig, ResponsesConfig, Retries, Secret,
    Streams, TenantConfig, Timeouts, UpstreamConfig,
};
use crate::identity::{KeyRecord, KeyRing};

/// The version of this form. Another one is refused.
pub const SCHEMA: u32 = 2;

/// What a release of an edge is configured with. Holds no secret, only references to them.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// [`SCHEMA`].
    pub schema: u32,
    /// `[timeouts]`.
    pub timeouts: Timeouts,
    /// `[streams]`.
    pub streams: Streams,
    /// `[retries]`.
    pub retries: Retries,
    /// `[rate]`.
    pub rate: RateConfig,
    /// `[responses]`.
    #[serde(default)]
    pub responses: ResponsesConfig,
    /// `[masks]`.
    #[serde(default)]
    pub masks: MasksConfig,
    /// `[[tenants]]`.
    pub tenants: Vec<TenantConfig>,
    /// `[[upstreams]]`.
    pub upstreams: Vec<UpstreamConfig>,
    /// API keys, as digests.
    pub keys: Vec<PortableKey>,
    /// Everyone may come in, as the tenant `local`. Only without keys.
    pub open: bool,
    /// Reference to the secret from which tenants' secrets are derived. Without one nothing
    /// outlives an instance, since no other could find it.
    pub master: Option<Secret>,
    /// The cache's name in `Cache-Status`.
    pub cache_name: String,
    /// What entries in one instance may weigh, in bytes.
    pub instance_cache: u64,
    /// What one tenant may have in a key-value store that never forgets by itself, in bytes.
    pub store_quota: u64,
    /// The largest entry, in bytes.
    pub max_entry: u64,
    /// The largest request body, in bytes.
    pub max_body: u64,
    /// The most requests in flight in one instance.
    pub max_in_flight: u32,
    /// A line for each request on the platform's log.
    pub access_log: bool,
}

/// An API key without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PortableKey {
    /// The part of the key that may be shown.
    pub id: String,
    /// SHA-256 of the key, 64 hexadecimal digits.
    pub digest: String,
    /// The tenant it belongs to.
    pub tenant: String,
    /// The models it may use. Empty: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<String>,
    /// Requests per minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests_per_minute: Option<u32>,
    /// Tokens per minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens_per_minute: Option<u32>,
    /// When it stops working, in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<u64>,
}

/// Why settings can't be used. Names variables and fields, never their values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// No JSON, or with fields that this version does not know.
    #[error("the release's settings can't be read: {0}")]
    Unreadable(String),
    /// Written by another version.
    #[error(
        "the release's settings have version {found}, but this edge reads version {SCHEMA}; run `forebay bake` again with this version"
    )]
    Schema {
        /// The form that was found.
        found: u32,
    },
    /// A variable is missing or empty.
    #[error("the variable `{variable}` is not set; {used_for}")]
    Missing {
        /// Its name.
        variable: String,
        /// What refers to it.
        used_for: String,
    },
    /// A reference that no edge can follow.
    #[error("{used_for} is a reference that an edge can't resolve; write \"env:NAME\"")]
    Reference {
        /// What refers.
        used_for: String,
    },
    /// The master secret is too short to be one.
    #[error("the variable `{variable}` ([secrets] master) is shorter than 16 bytes")]
    ShortMaster {
        /// Its name.
        variable: String,
    },
    /// A key's digest is none.
    #[error("the key `{id}` has a digest that is not 64 hexadecimal digits")]
    Digest {
        /// The key.
        id: String,
    },
    /// Nobody could come in.
    #[error("the release has no API keys and is not open; bake it with keys, or with --open")]
    Closed,
}

/// Settings with every reference resolved.
pub struct Resolved {
    /// What the pipeline is made with.
    pub gateway: GatewayConfig,
    /// Who may come in.
    pub keys: Arc<KeyRing>,
    /// Whether entries may outlive the instance: the master secret is shared with others.
    pub lasting: bool,
}

/// The variable that a reference names on an edge: `env:OPENAI_KEY` is `openai_key`.
pub fn variable(reference: &str) -> Option<String> {
    let name = reference.strip_prefix("env:")?;
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    (!name.is_empty() && name.bytes().all(plain)).then(|| name.to_ascii_lowercase())
}

impl Settings {
    /// Reads what `forebay bake` wrote.
    ///
    /// # Errors
    ///
    /// [`SettingsError::Unreadable`] or [`SettingsError::Schema`].
    pub fn read(json: &str) -> Result<Self, SettingsError> {
        #[derive(Deserialize)]
        struct Version {
            schema: u32,
        }
        let unreadable = |e: serde_json::Error| SettingsError::Unreadable(e.to_string());
        // Read once where it is this version's: an edge may do so for every request.
        let read = serde_json::from_str::<Self>(json);
        let found = match &read {
            Ok(settings) => settings.schema,
            Err(_) => {
                serde_json::from_str::<Version>(json)
                    .map_err(unreadable)?
                    .schema
            }
        };
        if found != SCHEMA {
            return Err(SettingsError::Schema { found });
        }
        read.map_err(unreadable)
    }

    /// The variables that [`Self::resolve`] needs, each once.
    pub fn variables(&self) -> Vec<String> {
        let upstreams = self.upstreams.iter().flat_map(|u| {
            u.key
                .iter()
                .map(|k| &k.0)
                .chain(&u.urls)
                .chain(u.headers.values())
        });
        let all: BTreeSet<String> = upstreams
            .chain(self.master.iter().map(|m| &m.0))
            .filter_map(|reference| variable(reference))
            .collect();
        all.into_iter().collect()
    }

    /// Puts the variables' values in. `random` serves where no master secret is configured.
    ///
    /// # Errors
    ///
    /// The first reference that can't be resolved.
    pub fn resolve(
        &self,
        variables: &BTreeMap<String, String>,
        random: &[u8; 32],
    ) -> Result<Resolved, SettingsError> {
        let value = |reference: &str, used_for: String| {
            let Some(variable) = variable(reference) else {
                return Err(SettingsError::Reference { used_for });
            };
            match variables.get(&variable).filter(|value| !value.is_empty()) {
                Some(value) => Ok(value.clone()),
                None => Err(SettingsError::Missing {
                    variable,
                    used_for: format!("{used_for} refers to it"),
                }),
            }
        };
        let mut upstreams = Vec::with_capacity(self.upstreams.len());
        for upstream in &self.upstreams {
            let name = &upstream.name;
            let key = upstream
                .key
                .as_ref()
                .map(|key| value(&key.0, format!("the key of upstream \"{name}\"")))
                .transpose()?;
            let mut upstream = upstream.clone();
            for url in &mut upstream.urls {
                if url.starts_with("env:") {
                    *url = value(url, format!("a URL of upstream \"{name}\""))?;
                }
            }
            for (header, reference) in &mut upstream.headers {
                let used_for = format!("the header \"{header}\" of upstream \"{name}\"");
                *reference = value(reference, used_for)?;
            }
            upstreams.push(ConfiguredUpstream::plain(upstream, key));
        }
        let master = self
            .master
            .as_ref()
            .map(|master| value(&master.0, "the master secret ([secrets] master)".to_owned()))
            .transpose()?;
        if let (Some(secret), Some(reference)) = (&master, &self.master)
            && secret.len() < 16
        {
            return Err(SettingsError::ShortMaster {
                variable: variable(&reference.0).unwrap_or_default(),
            });
        }
        if self.keys.is_empty() && !self.open {
            return Err(SettingsError::Closed);
        }
        let records = self
            .keys
            .iter()
            .map(PortableKey::record)
            .collect::<Result<_, _>>()?;
        let secret = master.as_ref().map_or(random.as_slice(), |m| m.as_bytes());
        Ok(Resolved {
            gateway: GatewayConfig {
                through: Vec::new(),
                raw: Vec::new(),
                media: crate::config::MediaConfig::default(),
                realtime: crate::config::RealtimeConfig::default(),
                bounds: crate::config::RequestBounds::default(),
                timeouts: self.timeouts.clone(),
                streams: self.streams.clone(),
                retries: self.retries.clone(),
                rate: self.rate,
                responses: self.responses.clone(),
                masks: self.masks,
                tenants: self.tenants.clone(),
                upstreams,
                max_in_flight: self.max_in_flight,
                cache_name: self.cache_name.clone(),
            },
            keys: Arc::new(KeyRing::new(records, &self.tenants, secret)),
            lasting: master.is_some(),
        })
    }
}

impl PortableKey {
    /// A key as it travels.
    pub fn of(key: &KeyRecord) -> Self {
        let seconds = |at: SystemTime| at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        Self {
            id: key.id.to_string(),
            digest: hex::encode(key.digest),
            tenant: key.tenant.to_string(),
            models: key.models.clone(),
            requests_per_minute: key.requests_per_minute,
            tokens_per_minute: key.tokens_per_minute,
            expires: key.expires.map(seconds),
        }
    }

    fn record(&self) -> Result<KeyRecord, SettingsError> {
        let mut digest = [0; 32];
        hex::decode_to_slice(&self.digest, &mut digest).map_err(|_| SettingsError::Digest {
            id: self.id.clone(),
        })?;
        Ok(KeyRecord {
            id: self.id.as_str().into(),
            digest,
            tenant: self.tenant.as_str().into(),
            models: self.models.clone(),
            requests_per_minute: self.requests_per_minute,
            tokens_per_minute: self.tokens_per_minute,
            // A time that no clock can hold is as good as never.
            expires: self
                .expires
                .and_then(|at| UNIX_EPOCH.checked_add(Duration::from_secs(at))),
            // An edge keeps no secrets of clients, so nobody signs there.
            access_key: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Settings {
        let upstream = serde_json::from_value(serde_json::json!({
            "name": "shield", "urls": ["env:FOREBAY_UPSTREAM"], "key": "env:SHIELD_KEY",
        }))
        .unwrap();
        Settings {
            schema: SCHEMA,
            timeouts: Timeouts::default(),
            streams: Streams::default(),
            retries: Retries::default(),
            rate: RateConfig::default(),
            responses: ResponsesConfig::default(),
            masks: MasksConfig::default(),
            tenants: Vec::new(),
            upstreams: vec![upstream],
            keys: Vec::new(),
            open: true,
            master: Some(Secret("env:FOREBAY_MASTER".into())),
            cache_name: "forebay".into(),
            instance_cache: 1,
            store_quota: 1,
            max_entry: 1,
            max_body: 1,
            max_in_flight: 1,
            access_log: false,
        }
    }

    fn values(names: &[(&str, &str)]) -> BTreeMap<String, String> {
        names
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    const ALL: [(&str, &str); 3] = [
        ("forebay_master", "0123456789abcdef"),
        ("forebay_upstream", "http://127.0.0.1:1"),
        ("shield_key", "s"),
    ];

    fn wrong(settings: &Settings, names: &[(&str, &str)]) -> String {
        match settings.resolve(&values(names), &[0; 32]) {
            Ok(_) => "resolved".to_owned(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn settings_survive_their_journey() {
        let json = serde_json::to_string(&settings()).unwrap();
        let read = Settings::read(&json).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), json);
        assert_eq!(
            read.variables(),
            ["forebay_master", "forebay_upstream", "shield_key"]
        );
        let resolved = read.resolve(&values(&ALL), &[0; 32]).unwrap();
        let ConfiguredUpstream { config, key, .. } = &resolved.gateway.upstreams[0];
        assert_eq!(config.urls, ["http://127.0.0.1:1"]);
        assert_eq!(key.as_deref(), Some("s"));
        assert!(resolved.lasting);
    }

    #[test]
    fn what_is_missing_is_named() {
        assert_eq!(
            wrong(&settings(), &ALL[..2]),
            "the variable `shield_key` is not set; the key of upstream \"shield\" refers to it"
        );
        let mut short = ALL;
        short[0].1 = "short";
        assert!(wrong(&settings(), &short).contains("shorter than 16 bytes"));
        let mut closed = settings();
        closed.open = false;
        assert!(wrong(&closed, &ALL).contains("no API keys"));
        let mut file = settings();
        file.master = Some(Secret("file:secret".into()));
        assert!(wrong(&file, &ALL).contains("can't resolve"));
    }

    #[test]
    fn another_version_is_refused() {
        let mut json = serde_json::to_value(settings()).unwrap();
        json["schema"] = (SCHEMA + 1).into();
        json["novel"] = true.into();
        let error = Settings::read(&json.to_string()).unwrap_err();
        assert_eq!(error, SettingsError::Schema { found: SCHEMA + 1 });
    }
}
