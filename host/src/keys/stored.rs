//! One API key as it is kept, and the making of a new one.

use std::time::{Duration, SystemTime};

use forebay_gateway::identity::KeyRecord;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};

/// A key as the file keeps it: everything but the key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoredKey {
    /// The part of the key that may be shown.
    pub id: String,
    /// `sha256:` and 64 hexadecimal digits.
    #[serde(serialize_with = "write_digest", deserialize_with = "read_digest")]
    pub digest: [u8; 32],
    /// The tenant it belongs to.
    pub tenant: String,
    /// The models it may use, exact or ending in `*`. Empty: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<String>,
    /// Requests per minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests_per_minute: Option<u32>,
    /// Tokens per minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens_per_minute: Option<u32>,
    /// When it was made (RFC 3339).
    #[serde(serialize_with = "write_time", deserialize_with = "read_time")]
    pub created: SystemTime,
    /// When it stops working (RFC 3339).
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        serialize_with = "write_end",
        deserialize_with = "read_end"
    )]
    pub expires: Option<SystemTime>,
    /// What signs requests in its stead, where it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access: Option<AccessKey>,
    /// The id of the key that `forebay keys rotate` made in its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub successor: Option<String>,
}

/// An access key of AWS's kind. Its secret is kept outside the keys file: a digest can't verify a
/// signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccessKey {
    /// The access key id.
    pub id: String,
    /// Where the secret access key is: `env:NAME`, or `file:PATH` from the keys file's folder.
    pub secret: String,
    /// The region that requests are signed for.
    pub region: String,
}

impl StoredKey {
    /// As the pipeline knows it.
    pub fn to_record(&self) -> KeyRecord {
        KeyRecord {
            id: self.id.as_str().into(),
            digest: self.digest,
            tenant: self.tenant.as_str().into(),
            models: self.models.clone(),
            requests_per_minute: self.requests_per_minute,
            tokens_per_minute: self.tokens_per_minute,
            expires: self.expires,
            access_key: self.access.as_ref().map(|access| access.id.as_str().into()),
        }
    }

    /// Whether it has stopped working.
    pub fn is_expired(&self, now: SystemTime) -> bool {
        self.expires.is_some_and(|at| at <= now)
    }
}

/// What a new key is to be.
#[derive(Debug, Clone, Default)]
pub struct NewKey {
    /// The tenant.
    pub tenant: String,
    /// The models it may use.
    pub models: Vec<String>,
    /// Requests per minute.
    pub requests_per_minute: Option<u32>,
    /// Tokens per minute.
    pub tokens_per_minute: Option<u32>,
    /// How long it lives.
    pub lifetime: Option<Duration>,
}

/// A fresh key: the secret text, shown once, and what is kept of it.
/// The identifier has 48 random bits, the secret 256.
pub fn mint(new: NewKey, now: SystemTime) -> (String, StoredKey) {
    let (id, secret): ([u8; 6], [u8; 32]) = (rand::random(), rand::random());
    let id = hex::encode(id);
    let key = format!("fb-{id}-{}", hex::encode(secret));
    let stored = StoredKey {
        id,
        digest: Sha256::digest(key.as_bytes()).into(),
        tenant: new.tenant,
        models: new.models,
        requests_per_minute: new.requests_per_minute,
        tokens_per_minute: new.tokens_per_minute,
        created: now,
        expires: new.lifetime.and_then(|lifetime| now.checked_add(lifetime)),
        access: None,
        successor: None,
    };
    (key, stored)
}

/// A fresh access key id and its secret. The identifier has 64 random bits, the secret 256.
pub fn mint_access() -> (String, String) {
    let (id, secret): ([u8; 8], [u8; 32]) = (rand::random(), rand::random());
    // 20 capitals and digits, as AWS's: some tools check the form.
    (
        format!("FBAK{}", hex::encode_upper(id)),
        hex::encode(secret),
    )
}

fn write_digest<S: Serializer>(digest: &[u8; 32], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("sha256:{}", hex::encode(digest)))
}

fn read_digest<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[u8; 32], D::Error> {
    let text = String::deserialize(deserializer)?;
    text.strip_prefix("sha256:")
        .and_then(|digits| hex::decode(digits).ok())
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or_else(|| serde::de::Error::custom("a digest is `sha256:` and 64 hexadecimal digits"))
}

fn write_time<S: Serializer>(time: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&humantime::format_rfc3339_seconds(*time))
}

fn read_time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SystemTime, D::Error> {
    let text = String::deserialize(deserializer)?;
    humantime::parse_rfc3339_weak(&text).map_err(|e| {
        serde::de::Error::custom(format!(
            "\"{text}\" is not a time; write one such as 2026-12-31T00:00:00Z ({e})"
        ))
    })
}

fn write_end<S: Serializer>(time: &Option<SystemTime>, serializer: S) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => write_time(time, serializer),
        None => serializer.serialize_none(),
    }
}

fn read_end<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SystemTime>, D::Error> {
    read_time(deserializer).map(Some)
}
