//! Where an upstream's replicas publish what their prefix caches hold, and how they name it.

use http::Uri;
use serde::{Deserialize, Serialize};

/// The hash by which an engine names blocks, as vLLM's `--prefix-caching-hash-algo` calls it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum KvHash {
    /// SHA-256 over canonical CBOR.
    Sha256Cbor,
    /// XXH3-128 over canonical CBOR.
    XxhashCbor,
}

/// One address for all replicas, or one for each.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum KvAddress {
    /// An address in which `{host}` stands for the host of the replica's URL.
    Template(String),
    /// An address for each replica, in the order of `urls`.
    Each(Vec<String>),
}

impl KvAddress {
    /// The address for the replica in this place of `urls`.
    pub fn of(&self, place: usize, url: &str) -> Option<String> {
        match self {
            Self::Template(template) => {
                let uri: Option<Uri> = url.parse().ok();
                let host = uri.as_ref().and_then(Uri::host).unwrap_or_default();
                Some(template.replace("{host}", host))
            }
            Self::Each(each) => each.get(place).cloned(),
        }
    }
}

/// `kv_events`: the KV events of an upstream's replicas. Native host only; an edge ignores them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct KvEvents {
    /// Where each replica publishes: `tcp://{host}:5557`, with `{host}` from its URL, or one
    /// address for each URL.
    pub endpoint: KvAddress,
    /// Where each replica replays what was missed (vLLM: `replay_endpoint`). Absent: nowhere.
    #[serde(default)]
    pub replay: Option<KvAddress>,
    /// The topic. Default: every topic.
    #[serde(default)]
    pub topic: String,
    /// Tokens in a block (vLLM: `--block-size`). Default 16.
    #[serde(default = "sixteen")]
    pub block_size: usize,
    /// The engine's block hash: `sha256_cbor` or `xxhash_cbor`. Absent: blocks are named from the
    /// tokens in the events, which works with every engine.
    #[serde(default)]
    pub hash: Option<KvHash>,
    /// The engine's `PYTHONHASHSEED`, for `hash`. Absent: it has none.
    #[serde(default)]
    pub seed: Option<String>,
}

fn sixteen() -> usize {
    16
}

/// The largest block: engines use 16 to 256 tokens.
const MAX_BLOCK: usize = 4096;

impl KvEvents {
    /// What is wrong with it for these URLs: the field, and why.
    pub fn problems(&self, urls: usize) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        let addresses = [
            ("endpoint", Some(&self.endpoint)),
            ("replay", self.replay.as_ref()),
        ];
        for (field, address) in addresses {
            let Some(address) = address else { continue };
            let all: &[String] = match address {
                KvAddress::Template(one) => std::slice::from_ref(one),
                KvAddress::Each(each) => each,
            };
            if let KvAddress::Each(each) = address
                && each.len() != urls
            {
                let why = format!(
                    "{} addresses given for {urls} URLs; give one per URL, or one with {{host}}",
                    each.len()
                );
                problems.push((field, why));
            }
            if let Some(wrong) = all.iter().find(|address| !is_tcp(address)) {
                let why = format!("\"{wrong}\" is not an address like tcp://{{host}}:5557");
                problems.push((field, why));
            }
        }
        if self.block_size == 0 || self.block_size > MAX_BLOCK {
            let why = format!(
                "a block has 1 to {MAX_BLOCK} tokens, not {}",
                self.block_size
            );
            problems.push(("block_size", why));
        }
        if self.seed.is_some() && self.hash.is_none() {
            problems.push((
                "seed",
                "a seed needs the hash that it belongs to".to_owned(),
            ));
        }
        problems
    }
}

/// Whether an address is `tcp://HOST:PORT`.
fn is_tcp(address: &str) -> bool {
    let place = address.strip_prefix("tcp://");
    let parts = place.and_then(|place| place.rsplit_once(':'));
    parts.is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok_and(|p| p > 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(json: serde_json::Value) -> KvEvents {
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn an_address_is_a_template_or_one_for_each_replica() {
        let events = config(serde_json::json!({"endpoint": "tcp://{host}:5557"}));
        let of = |place, url| events.endpoint.of(place, url);
        assert_eq!(
            of(1, "http://10.0.0.8:8000").unwrap(),
            "tcp://10.0.0.8:5557"
        );
        assert_eq!(of(0, "http://[::1]:8000").unwrap(), "tcp://[::1]:5557");
        let events = config(serde_json::json!({"endpoint": ["tcp://a:1", "tcp://b:2"]}));
        assert_eq!(events.endpoint.of(1, "http://x").unwrap(), "tcp://b:2");
        assert_eq!(events.endpoint.of(2, "http://x"), None);
        assert!(events.problems(2).is_empty());
    }

    #[test]
    fn mistakes_name_the_field() {
        let rows = [
            (serde_json::json!({"endpoint": ["tcp://a:1"]}), "endpoint"),
            (serde_json::json!({"endpoint": "http://a:1"}), "endpoint"),
            (serde_json::json!({"endpoint": "tcp://a"}), "endpoint"),
            (
                serde_json::json!({"endpoint": "tcp://a:1", "replay": "a:2"}),
                "replay",
            ),
            (
                serde_json::json!({"endpoint": "tcp://a:1", "block_size": 0}),
                "block_size",
            ),
            (
                serde_json::json!({"endpoint": "tcp://a:1", "seed": "0"}),
                "seed",
            ),
        ];
        for (json, field) in rows {
            let problems = config(json.clone()).problems(2);
            assert_eq!(problems.len(), 1, "{json}: {problems:?}");
            assert_eq!(problems[0].0, field, "{json}");
        }
    }
}
