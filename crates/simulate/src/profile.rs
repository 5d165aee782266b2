//! An engine's speed and bounds, as a profile of `engine-sim` gives them.

use std::path::Path;

use forebay_engine_model::{Limits, PROFILES, Rates};
use serde::Deserialize;

/// Why a profile can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// Neither a built-in profile nor a readable file.
    #[error("profile \"{name}\" is neither built in ({known}) nor a readable file: {source}")]
    Unreadable {
        /// What was asked for.
        name: String,
        /// The built-in names.
        known: String,
        /// Why the file can't be read.
        source: std::io::Error,
    },
    /// Not TOML of this shape.
    #[error("profile \"{name}\": {source}")]
    Malformed {
        /// What was asked for.
        name: String,
        /// What is wrong.
        source: Box<toml::de::Error>,
    },
    /// A rate that no engine has.
    #[error("profile \"{name}\": {field} must be a number above 0")]
    OutOfRange {
        /// What was asked for.
        name: String,
        /// The field.
        field: &'static str,
    },
}

/// An engine's speed and bounds. Other fields of the file are passed over.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Profile {
    /// Prompt tokens computed a second.
    pub prefill_tokens_per_second: f64,
    /// Microseconds that a step takes before the first sequence.
    pub decode_step_base_us: f64,
    /// Microseconds that each decoding sequence adds to a step.
    pub decode_step_per_sequence_us: f64,
    /// Sequences that run at once.
    pub max_num_seqs: usize,
    /// Tokens of one step.
    pub max_num_batched_tokens: usize,
}

impl Profile {
    /// Reads a built-in profile by name, or else a TOML file by path.
    ///
    /// # Errors
    /// [`ProfileError`] if there is neither, or if it is malformed or out of range.
    pub fn load(name: &str) -> Result<Self, ProfileError> {
        let built_in = PROFILES.iter().find(|(known, _)| *known == name);
        let text = match built_in {
            Some((_, text)) => (*text).to_owned(),
            None => std::fs::read_to_string(Path::new(name)).map_err(|source| {
                ProfileError::Unreadable {
                    name: name.to_owned(),
                    known: PROFILES.map(|(known, _)| known).join(", "),
                    source,
                }
            })?,
        };
        let profile: Self = toml::from_str(&text).map_err(|source| ProfileError::Malformed {
            name: name.to_owned(),
            source: Box::new(source),
        })?;
        let above_zero = |value: f64| value.is_finite() && value > 0.0;
        let fields = [
            (
                "prefill_tokens_per_second",
                above_zero(profile.prefill_tokens_per_second),
            ),
            // A step without any duration would never let simulated time pass.
            (
                "decode_step_base_us",
                above_zero(profile.decode_step_base_us),
            ),
            (
                "decode_step_per_sequence_us",
                profile.decode_step_per_sequence_us == 0.0
                    || above_zero(profile.decode_step_per_sequence_us),
            ),
            ("max_num_seqs", profile.max_num_seqs > 0),
            ("max_num_batched_tokens", profile.max_num_batched_tokens > 0),
        ];
        match fields.iter().find(|(_, good)| !good) {
            Some((field, _)) => Err(ProfileError::OutOfRange {
                name: name.to_owned(),
                field,
            }),
            None => Ok(profile),
        }
    }

    pub(crate) fn rates(&self) -> Rates {
        Rates {
            seconds_per_prefill_token: self.prefill_tokens_per_second.recip(),
            step_seconds: self.decode_step_base_us * 1e-6,
            seconds_per_sequence: self.decode_step_per_sequence_us * 1e-6,
        }
    }

    pub(crate) fn limits(&self, block_size: usize, blocks: usize) -> Limits {
        Limits {
            block_size,
            blocks,
            sequences: self.max_num_seqs,
            step_tokens: self.max_num_batched_tokens,
            prefix_caching: true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_profile_with_time_in_it_loads() {
        for (name, _) in PROFILES.iter().filter(|(name, _)| *name != "instant") {
            Profile::load(name).unwrap();
        }
        let message = Profile::load("h300").unwrap_err().to_string();
        assert!(message.contains("h100-llama-8b"), "{message}");
    }

    /// The figures that the profiles cite, in milliseconds by sequences.
    #[test]
    fn decode_steps_are_within_seven_percent_of_the_published_ones() {
        let published = [
            ("h100x2-qwen3-32b", [15.06, 17.91, 22.45, 29.66, 44.45]),
            ("h100-llama-8b", [7.32, 8.91, 11.50, 16.48, 26.13]),
            ("h100x4-llama-70b", [16.57, 20.05, 22.43, 27.87, 39.84]),
        ];
        for (name, latencies) in published {
            let rates = Profile::load(name).unwrap().rates();
            for (decodes, published) in [8, 32, 64, 128, 256].into_iter().zip(latencies) {
                let step = forebay_engine_model::Step {
                    prefill_tokens: 0,
                    decodes,
                };
                let ratio = rates.seconds(step) * 1e3 / published;
                assert!((ratio - 1.0).abs() < 0.07, "{name}, {decodes}: {ratio}");
            }
        }
    }
}
