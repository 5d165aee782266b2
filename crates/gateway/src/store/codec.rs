//! An entry as bytes, for stores that know nothing but bytes: versioned, checked, with its own expiry.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use forebay_dialect::Wire;
use forebay_dialect::canonical::Usage;
use serde::{Deserialize, Serialize};
use serde_bytes::{ByteArray, ByteBuf};
use sha2::{Digest as _, Sha256};

use super::{CacheKey, Entry};
use crate::policy::{Ending, Freshness};
use crate::recording::{Form, Recording};

/// The first bytes of every entry. The digit is the version of what follows the digest.
const MAGIC: &[u8; 4] = b"FBE2";

/// Bytes of the digest that follows.
const DIGEST: usize = 32;

/// The bytes are no entry of this version: cut, damaged, another program's, or under another key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an entry of this version")]
pub struct Foreign;

/// The entry as it is written.
#[derive(Serialize, Deserialize)]
struct Written {
    key: ByteArray<32>,
    tenant: String,
    model: String,
    tags: Vec<String>,
    stored_ms: u64,
    freshness: Freshness,
    id: u64,
    wire: String,
    whole: Option<ByteBuf>,
    events: Vec<ByteBuf>,
    ending: Ending,
    usage: Option<[u64; 5]>,
    answered_by: Option<String>,
    upstream: String,
    policy: ByteArray<32>,
}

/// An entry as bytes: `FBE2`, SHA-256 of the rest, then MessagePack.
pub fn encode(entry: &Entry) -> Vec<u8> {
    let recording = &entry.recording;
    let (whole, events) = match &recording.form {
        Form::Whole(body) => (Some(ByteBuf::from(body.to_vec())), Vec::new()),
        Form::Events(events) => (
            None,
            events.iter().map(|e| ByteBuf::from(e.to_vec())).collect(),
        ),
    };
    let stored = entry.stored.duration_since(UNIX_EPOCH).unwrap_or_default();
    let written = Written {
        key: ByteArray::new(entry.key.0),
        tenant: entry.tenant.to_string(),
        model: entry.model.to_string(),
        tags: entry.tags.clone(),
        stored_ms: u64::try_from(stored.as_millis()).unwrap_or(u64::MAX),
        freshness: entry.freshness,
        id: recording.id,
        wire: recording.wire.as_str().to_owned(),
        whole,
        events,
        ending: recording.ending,
        usage: recording.usage.map(|u| {
            [
                u.input,
                u.output,
                u.cached_input,
                u.cache_write,
                u.reasoning,
            ]
        }),
        answered_by: recording.model.clone(),
        upstream: recording.upstream.to_string(),
        policy: ByteArray::new(recording.policy),
    };
    let mut out = Vec::with_capacity(recording.bytes() + 512);
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&[0; DIGEST]);
    // Writing into memory does not fail; were it to, no digest would fit and the entry be foreign.
    let _ = rmp_serde::encode::write(&mut out, &written);
    let head = MAGIC.len() + DIGEST;
    let digest = Sha256::digest(&out[head..]);
    out[MAGIC.len()..head].copy_from_slice(&digest);
    out
}

/// The entry that [`encode`] wrote under this key.
///
/// # Errors
///
/// Anything else is [`Foreign`]: whoever reads a store treats that as a miss.
pub fn decode(key: &CacheKey, bytes: &[u8]) -> Result<Entry, Foreign> {
    let rest = bytes.strip_prefix(MAGIC).ok_or(Foreign)?;
    let (digest, body) = rest.split_at_checked(DIGEST).ok_or(Foreign)?;
    if Sha256::digest(body).as_slice() != digest {
        return Err(Foreign);
    }
    let written: Written = rmp_serde::from_slice(body).map_err(|_| Foreign)?;
    if *written.key != key.0 {
        return Err(Foreign);
    }
    let wire = Wire::parse(&written.wire).ok_or(Foreign)?;
    let form = match written.whole {
        Some(body) => Form::Whole(Bytes::from(body.into_vec())),
        None => Form::Events(
            written
                .events
                .into_iter()
                .map(|e| Bytes::from(e.into_vec()))
                .collect(),
        ),
    };
    let usage = written.usage.map(
        |[input, output, cached_input, cache_write, reasoning]| Usage {
            input,
            output,
            cached_input,
            cache_write,
            reasoning,
        },
    );
    let stored: SystemTime = UNIX_EPOCH
        .checked_add(Duration::from_millis(written.stored_ms))
        .ok_or(Foreign)?;
    Ok(Entry {
        key: *key,
        tenant: written.tenant.into(),
        model: written.model.into(),
        tags: written.tags,
        stored,
        freshness: written.freshness,
        recording: Arc::new(Recording::new(
            written.id,
            wire,
            form,
            written.ending,
            usage,
            written.answered_by,
            written.upstream.into(),
            *written.policy,
        )),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(form: Form) -> Entry {
        Entry {
            key: CacheKey([7; 32]),
            tenant: "acme".into(),
            model: "m".into(),
            tags: vec!["a".into()],
            stored: UNIX_EPOCH + Duration::from_millis(1_700_000_000_123),
            freshness: Freshness {
                ttl: 60,
                idle: 0,
                stale_if_error: 5,
            },
            recording: Arc::new(Recording::new(
                9,
                Wire::Chat,
                form,
                Ending::Complete,
                Some(Usage {
                    input: 1,
                    output: 2,
                    cached_input: 3,
                    cache_write: 5,
                    reasoning: 4,
                }),
                Some("m-1".into()),
                "up".into(),
                [3; 32],
            )),
        }
    }

    #[test]
    fn what_is_written_is_read() {
        for form in [
            Form::Whole(Bytes::from_static(b"{}")),
            Form::Events(vec![Bytes::from_static(b"{\"a\":1}"), Bytes::new()]),
        ] {
            let before = entry(form);
            let after = decode(&before.key, &encode(&before)).unwrap();
            assert_eq!(format!("{before:?}"), format!("{after:?}"));
        }
    }

    #[test]
    fn cut_damaged_and_foreign_bytes_are_none() {
        let whole = entry(Form::Whole(Bytes::from_static(b"{\"a\":1}")));
        let bytes = encode(&whole);
        for end in 0..bytes.len() {
            assert!(decode(&whole.key, &bytes[..end]).is_err(), "cut at {end}");
            let mut damaged = bytes.clone();
            damaged[end] ^= 1;
            assert!(decode(&whole.key, &damaged).is_err(), "damaged at {end}");
        }
        assert!(decode(&CacheKey([8; 32]), &bytes).is_err());
    }
}
