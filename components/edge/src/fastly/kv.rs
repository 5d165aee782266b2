//! The KV store, its calls begun and its entries read.

use std::time::Duration;

use super::generated::fastly::compute::async_io::Pollable;
use super::generated::fastly::compute::http_body;
use super::generated::fastly::compute::kv_store::{self, InsertMode, InsertOptions, KvError};
use super::generated::fastly::compute::types::Error;
use super::{PIECE, STORE, write};

/// An entry has at most this many bytes: what fits an instance of 128 MB beside all else.
const LARGEST_ENTRY: usize = 16 * 1024 * 1024;

pub(super) fn open_store() -> Result<kv_store::Store, String> {
    kv_store::Store::open(STORE).map_err(|error| {
        format!("the KV store `{STORE}` is not linked to this service ({error:?})")
    })
}

pub(super) fn put(key: &str, value: &[u8], keep: Duration) -> Result<Pollable, String> {
    let store = open_store()?;
    let begun = || -> Result<Pollable, Error> {
        let body = http_body::new()?;
        write(&body, value)?;
        store.insert_async(
            key,
            body,
            &InsertOptions {
                background_fetch: false,
                if_generation_match: None,
                metadata: None,
                time_to_live_sec: Some(u32::try_from(keep.as_secs().max(1)).unwrap_or(u32::MAX)),
                mode: InsertMode::Overwrite,
                extra: None,
            },
        )
    };
    begun().map_err(|error| format!("{error:?}"))
}

pub(super) fn explain(error: &KvError) -> String {
    format!("the KV store `{STORE}`: {error:?}")
}

pub(super) fn read_whole(body: &Pollable) -> Result<Vec<u8>, String> {
    let mut whole = Vec::new();
    loop {
        let piece = http_body::read(body, PIECE).map_err(|error| format!("{error:?}"))?;
        if piece.is_empty() {
            return Ok(whole);
        }
        whole.extend_from_slice(&piece);
        if whole.len() > LARGEST_ENTRY {
            return Err(format!("an entry is over {LARGEST_ENTRY} bytes"));
        }
    }
}
