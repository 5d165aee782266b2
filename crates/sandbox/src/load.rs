//! From three files to three snapshots: read, configured, frozen, and known by one digest.

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::cache::Cache;
use crate::engine;
use crate::error::LoadError;
use crate::options::{ComponentSource, PolicySources, SandboxOptions};
use crate::snapshot::{self, Prepared};

/// Part of every digest: changes when the same components would answer differently here.
const CONTRACT: &str = "forebay policies 0.2.0 sandbox 1";

/// The three policies in the order in which they are composed.
pub(crate) struct Snapshots {
    pub(crate) prefix_cache: Prepared,
    pub(crate) guardrails: Prepared,
    pub(crate) cloud_selector: Prepared,
    pub(crate) digest: [u8; 32],
}

/// Configures and freezes all three.
pub(crate) async fn snapshots(
    sources: &PolicySources,
    options: &SandboxOptions,
    cache: &Cache,
) -> Result<Snapshots, LoadError> {
    let engine = engine::loading()?;
    let ticker = engine::Ticker::start(vec![engine.clone()])?;
    let mut digest = Sha256::new();
    digest.update(CONTRACT);
    let mut prepared = Vec::with_capacity(3);
    for (policy, source) in parts(sources) {
        let config = canonical(&source.config);
        let identity = identity(policy, source, &config);
        digest.update(identity);
        prepared.push(one(&engine, options, cache, policy, source, &config, &identity).await?);
    }
    drop(ticker);
    let [prefix_cache, guardrails, cloud_selector]: [Prepared; 3] =
        prepared.try_into().map_err(|_| LoadError::Runtime {
            detail: "not three policies".into(),
        })?;
    Ok(Snapshots {
        prefix_cache,
        guardrails,
        cloud_selector,
        digest: digest.finalize().into(),
    })
}

fn parts(sources: &PolicySources) -> [(&'static str, &ComponentSource); 3] {
    [
        ("prefix-cache", &sources.prefix_cache),
        ("guardrails", &sources.guardrails),
        ("cloud-selector", &sources.cloud_selector),
    ]
}

/// How snapshots are made. Another one is not looked for in the cache.
const FORM: u8 = 2;

async fn one(
    engine: &wasmtime::Engine,
    options: &SandboxOptions,
    cache: &Cache,
    policy: &'static str,
    source: &ComponentSource,
    config: &str,
    identity: &[u8; 32],
) -> Result<Prepared, LoadError> {
    let name = format!("{}.{FORM}.snapshot.wasm", hex::encode(identity));
    if let Some(bytes) = cache.read(&name) {
        return Ok(Prepared {
            bytes,
            configure: None,
        });
    }
    binary(&source.bytes).map_err(|detail| LoadError::Compile { policy, detail })?;
    let prepared = snapshot::prepare(engine, options, policy, &source.bytes, config).await?;
    if prepared.configure.is_none() {
        cache.write(&name, &prepared.bytes);
    }
    Ok(prepared)
}

/// Refuses what is not WebAssembly in its binary form; says so more plainly than the compiler would.
fn binary(bytes: &[u8]) -> Result<(), String> {
    if bytes.starts_with(b"\0asm") {
        return Ok(());
    }
    let text = bytes.trim_ascii_start();
    Err(match text.starts_with(b"(") || text.starts_with(b";;") {
        true => "it is WebAssembly text; make a binary of it with `wasm-tools parse`".to_owned(),
        false => "it is not WebAssembly: a component begins with the bytes 00 61 73 6d".to_owned(),
    })
}

/// SHA-256 over a policy's component and configuration, each with its length before it.
fn identity(policy: &str, source: &ComponentSource, config: &str) -> [u8; 32] {
    let mut digest = Sha256::new();
    digest.update(CONTRACT);
    for part in [
        policy.as_bytes(),
        source.bytes.as_slice(),
        config.as_bytes(),
    ] {
        digest.update((part.len() as u64).to_le_bytes());
        digest.update(part);
    }
    digest.finalize().into()
}

/// JSON with its keys sorted, so that their order in a file changes nothing.
fn canonical(value: &Value) -> String {
    fn sorted(value: &Value) -> Value {
        match value {
            Value::Object(map) => {
                let mut entries: Vec<_> = map.iter().collect();
                entries.sort_by_key(|(key, _)| *key);
                Value::Object(
                    entries
                        .into_iter()
                        .map(|(k, v)| (k.clone(), sorted(v)))
                        .collect(),
                )
            }
            Value::Array(items) => Value::Array(items.iter().map(sorted).collect()),
            other => other.clone(),
        }
    }
    sorted(value).to_string()
}
