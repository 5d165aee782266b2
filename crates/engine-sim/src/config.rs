//! What one simulated replica is: its model, its rates, its caches, its faults. A profile is this
//! same structure as TOML.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::fault::Fault;

pub use forebay_engine_model::PROFILES;

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// Neither a built-in profile nor a readable file.
    #[error("profile `{profile}` is neither built in ({known}) nor a readable file: {source}")]
    Unreadable {
        /// What was asked for.
        profile: String,
        /// The built-in names.
        known: String,
        /// Why the file could not be read.
        source: std::io::Error,
    },
    /// Not TOML of this shape.
    #[error("profile `{profile}`: {source}")]
    Malformed {
        /// What was asked for.
        profile: String,
        /// The line and what is wrong with it.
        source: Box<toml::de::Error>,
    },
    /// A value outside its range.
    #[error("profile: {field} is {value}, but it must be {bound}")]
    OutOfRange {
        /// The field.
        field: &'static str,
        /// Its value.
        value: String,
        /// What it must be.
        bound: &'static str,
    },
}

/// One simulated replica. Every field has a default, together the profile `h100x8-70b`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SimConfig {
    /// Names the model answers to; the first is shown. Default: `forebay-sim-70b`, `forebay-sim`.
    pub served_model_names: Vec<String>,
    /// Prompt and completion together, in tokens. Default: 131,072.
    pub max_model_len: usize,
    /// Sequences that run at once. Default: 512.
    pub max_num_seqs: usize,
    /// Tokens computed in one step, prefill and decode together. Default: 8,192.
    pub max_num_batched_tokens: usize,
    /// Requests that wait; one more gets 503. Default: 4,096, half a minute of the default rate.
    pub max_waiting: usize,
    /// Prompt tokens computed a second. Default: 80,000.
    pub prefill_tokens_per_second: f64,
    /// Microseconds a decode step takes before the first sequence. Default: 2,651.
    pub decode_step_base_us: f64,
    /// Microseconds that each decoding sequence adds to a step. Default: 8.29.
    pub decode_step_per_sequence_us: f64,
    /// How much faster than the profile time runs; 0 takes no time at all. Default: 1.
    pub speed: f64,
    /// Tokens in a KV block. Default: 16.
    pub block_size: usize,
    /// KV blocks in all. Default: 96,000.
    pub num_gpu_blocks: usize,
    /// Whether finished prefixes stay in the KV cache. Default: true.
    pub enable_prefix_caching: bool,
    /// `sha256_cbor` (the default) or `xxhash_cbor`.
    pub prefix_caching_hash_algo: HashAlgorithm,
    /// The replica's `PYTHONHASHSEED`; unset by default.
    pub hash_seed: Option<String>,
    /// Where KV events are published, such as `tcp://127.0.0.1:5557` (port 0 takes a free one);
    /// none by default.
    pub kv_events: Option<String>,
    /// Where batches of KV events are replayed, as vLLM's `replay_endpoint`; none by default.
    pub kv_replay: Option<String>,
    /// The topic of KV events. Default: empty, as in vLLM.
    pub kv_events_topic: String,
    /// A fault that every request meets. Default: none.
    pub fault: Option<Fault>,
}

/// The hash of the block chain, by vLLM's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HashAlgorithm {
    /// SHA-256 over canonical CBOR.
    #[default]
    Sha256Cbor,
    /// XXH3-128 over canonical CBOR.
    XxhashCbor,
}

impl HashAlgorithm {
    /// vLLM's name for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sha256Cbor => "sha256_cbor",
            Self::XxhashCbor => "xxhash_cbor",
        }
    }
}

impl Default for SimConfig {
    fn default() -> Self {
        Self {
            served_model_names: vec!["forebay-sim-70b".to_owned(), "forebay-sim".to_owned()],
            max_model_len: 131_072,
            max_num_seqs: 512,
            max_num_batched_tokens: 8_192,
            max_waiting: 4_096,
            prefill_tokens_per_second: 80_000.0,
            decode_step_base_us: 2_651.0,
            decode_step_per_sequence_us: 8.29,
            speed: 1.0,
            block_size: 16,
            num_gpu_blocks: 96_000,
            enable_prefix_caching: true,
            prefix_caching_hash_algo: HashAlgorithm::default(),
            hash_seed: None,
            kv_events: None,
            kv_replay: None,
            kv_events_topic: String::new(),
            fault: None,
        }
    }
}

impl SimConfig {
    /// A replica that takes no time, for tests of what stands before an engine.
    #[must_use]
    pub fn instant() -> Self {
        Self {
            served_model_names: vec!["forebay-sim-8b".to_owned(), "forebay-sim".to_owned()],
            speed: 0.0,
            ..Self::default()
        }
    }

    /// Reads a built-in profile by name, or else a TOML file by path.
    ///
    /// # Errors
    /// [`ConfigError`] if there is neither, or if it is malformed or out of range.
    pub fn load(profile: &str) -> Result<Self, ConfigError> {
        let built_in = PROFILES.iter().find(|(name, _)| *name == profile);
        let text = match built_in {
            Some((_, text)) => (*text).to_owned(),
            None => std::fs::read_to_string(Path::new(profile)).map_err(|source| {
                ConfigError::Unreadable {
                    profile: profile.to_owned(),
                    known: PROFILES.map(|(name, _)| name).join(", "),
                    source,
                }
            })?,
        };
        let config: Self = toml::from_str(&text).map_err(|source| ConfigError::Malformed {
            profile: profile.to_owned(),
            source: Box::new(source),
        })?;
        config.validate()?;
        Ok(config)
    }

    /// Checks the ranges that the types do not.
    ///
    /// # Errors
    /// [`ConfigError::OutOfRange`] for the first field that is out of range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let at_least_one = [
            ("max_model_len", self.max_model_len),
            ("max_num_seqs", self.max_num_seqs),
            ("max_num_batched_tokens", self.max_num_batched_tokens),
            ("block_size", self.block_size),
            ("num_gpu_blocks", self.num_gpu_blocks),
            ("served_model_names (count)", self.served_model_names.len()),
        ];
        for (field, value) in at_least_one {
            if value == 0 {
                return out_of_range(field, value.to_string(), "at least 1");
            }
        }
        let not_negative = [
            ("decode_step_base_us", self.decode_step_base_us),
            (
                "decode_step_per_sequence_us",
                self.decode_step_per_sequence_us,
            ),
            ("speed", self.speed),
        ];
        for (field, value) in not_negative {
            if !value.is_finite() || value < 0.0 {
                return out_of_range(field, value.to_string(), "finite and not negative");
            }
        }
        let rate = self.prefill_tokens_per_second;
        if !rate.is_finite() || rate <= 0.0 {
            return out_of_range("prefill_tokens_per_second", rate.to_string(), "above 0");
        }
        Ok(())
    }

    /// The name that answers carry.
    #[must_use]
    pub fn model_name(&self) -> &str {
        self.served_model_names
            .first()
            .map_or("forebay-sim", String::as_str)
    }

    /// The most tokens one sequence can have: the context, or the whole KV cache if that is less.
    pub(crate) fn context_limit(&self) -> usize {
        self.max_model_len
            .min(self.num_gpu_blocks.saturating_mul(self.block_size))
    }
}

fn out_of_range(
    field: &'static str,
    value: String,
    bound: &'static str,
) -> Result<(), ConfigError> {
    Err(ConfigError::OutOfRange {
        field,
        value,
        bound,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_profile_loads() {
        for (name, _) in PROFILES {
            assert!(SimConfig::load(name).is_ok(), "{name}");
        }
    }

    #[test]
    fn the_default_is_the_h100_profile() {
        assert_eq!(SimConfig::load("h100x8-70b").unwrap(), SimConfig::default());
        assert_eq!(SimConfig::load("instant").unwrap(), SimConfig::instant());
    }

    #[test]
    fn an_unknown_profile_names_those_that_exist() {
        let message = SimConfig::load("h200").unwrap_err().to_string();
        assert!(
            message.contains("h200") && message.contains("h100x8-70b"),
            "{message}"
        );
    }

    #[test]
    fn a_speed_below_zero_is_refused() {
        let config = SimConfig {
            speed: -1.0,
            ..SimConfig::default()
        };
        assert!(config.validate().unwrap_err().to_string().contains("speed"));
    }
}
