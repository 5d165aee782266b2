//! The cache policy's configuration: one JSON object, every field optional.

use std::collections::BTreeMap;

use serde::Deserialize;

/// Who may share an entry.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// All keys of the tenant.
    #[default]
    Tenant,
    /// Only the API key that asked.
    Key,
}

/// What becomes of prompts that offer tools.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Tools {
    /// Answers are cached, also those that call a tool.
    Always,
    /// Answers that call no tool are cached: replaying a call would repeat its side effects.
    #[default]
    NoCalls,
    /// Such prompts are not cached.
    Never,
}

/// What becomes of prompts with images, audio, files or unknown parts.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Media {
    /// They are cached.
    Always,
    /// They are cached unless a part points at a URL, whose content may change behind it.
    #[default]
    Inline,
    /// They are not cached.
    Never,
}

/// What differs for models whose name begins with the key.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(default, deny_unknown_fields)]
pub struct ModelRule {
    /// Instead of `ttl`.
    pub ttl: Option<u32>,
    /// Instead of `idle`.
    pub idle: Option<u32>,
    /// Instead of `stale_if_error`.
    pub stale_if_error: Option<u32>,
    /// Instead of `cache_sampled`.
    pub cache_sampled: Option<bool>,
    /// `false`: answers of these models are not cached at all.
    pub cache: Option<bool>,
}

/// The whole configuration. `{}` gives the defaults. Times are in seconds.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Who may share an entry. Default `"tenant"`.
    pub scope: Scope,
    /// How long an entry is fresh. Default 3600.
    pub ttl: u32,
    /// How long an entry lives since it was last read; 0, the default, is without limit.
    pub idle: u32,
    /// How long past `ttl` an entry may be served when the upstream fails. Default 600.
    pub stale_if_error: u32,
    /// No `ttl`, also of a model, counts for more. Default 604800, a week.
    pub max_ttl: u32,
    /// Overrides by the beginning of a model's name; the longest that fits counts.
    pub models: BTreeMap<String, ModelRule>,
    /// Cache answers of prompts that sample. Default `false`: their clients expect variety.
    pub cache_sampled: bool,
    /// An absent temperature is 0. Default `false`: upstreams default to 1.
    pub temperature_default_zero: bool,
    /// Prompts with tools. Default `"no-calls"`.
    pub tools: Tools,
    /// Prompts with media. Default `"inline"`.
    pub media: Media,
    /// Fields of a request that never change its answer, beside `stream`, `stream_options`,
    /// `user` and `metadata`. Default none.
    pub ignore: Vec<String>,
    /// Cache answers that ended at their token limit. Default `true`: it is what was asked for.
    pub cache_length: bool,
    /// The largest recording that is stored, in bytes. Default 1 MiB: a completion of 100,000
    /// tokens fits, a few of them do not push everything else out of the memory tier.
    pub max_bytes: u64,
    /// The size of a chain's block, in bytes of rendered text. Default 1024: about 16 vLLM
    /// blocks of 16 tokens, so that system prompts and tool lists tell replicas apart.
    pub block_bytes: u32,
    /// The most blocks in a chain. Default 128: what follows 128 KiB of equal text hardly
    /// changes where it is best computed.
    pub max_blocks: u32,
    /// Add `prompt_cache_key` for the provider's own prompt cache. Default `false`.
    pub provider_hints: bool,
    /// Tell the host where providers' prompt caches could cut. Default `true`; an upstream with
    /// `prompt_cache = "off"` gets no markers all the same.
    pub provider_breakpoints: bool,
    /// The least text before such a place, in bytes. Default 4096: about 1,024 tokens, the least
    /// that providers cache of most models.
    pub breakpoint_bytes: u32,
    /// How often a prefix must have come before, within the provider's time to live, until it is
    /// marked; 0 marks it at once. Default 1.
    pub breakpoint_after_uses: u32,
    /// The time to live to ask for, in seconds: 0, the default, is the provider's own of five
    /// minutes; 3600 is the hour, which costs more to write.
    pub breakpoint_ttl: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            scope: Scope::Tenant,
            ttl: 3_600,
            idle: 0,
            stale_if_error: 600,
            max_ttl: 604_800,
            models: BTreeMap::new(),
            cache_sampled: false,
            temperature_default_zero: false,
            tools: Tools::NoCalls,
            media: Media::Inline,
            ignore: Vec::new(),
            cache_length: true,
            max_bytes: 1 << 20,
            block_bytes: 1_024,
            max_blocks: 128,
            provider_hints: false,
            provider_breakpoints: true,
            breakpoint_bytes: 4_096,
            breakpoint_after_uses: 1,
            breakpoint_ttl: 0,
        }
    }
}

impl Config {
    /// Reads a JSON object.
    ///
    /// # Errors
    ///
    /// A sentence that names the field and what is wrong with it.
    pub fn parse(json: &str) -> Result<Self, String> {
        let config: Self =
            serde_json::from_str(json).map_err(|e| format!("prefix-cache configuration: {e}"))?;
        if !(64..=1 << 20).contains(&config.block_bytes) {
            return Err(format!(
                "prefix-cache configuration: block_bytes is {}, but a block has 64 to 1048576 bytes",
                config.block_bytes
            ));
        }
        if config.max_blocks > 4_096 {
            return Err(format!(
                "prefix-cache configuration: max_blocks is {}, over the limit of 4096",
                config.max_blocks
            ));
        }
        if !matches!(config.breakpoint_ttl, 0 | 300 | 3_600) {
            return Err(format!(
                "prefix-cache configuration: breakpoint_ttl is {}, but providers know 300 and 3600 seconds (0 leaves it to them)",
                config.breakpoint_ttl
            ));
        }
        if config.ignore.iter().any(String::is_empty) {
            return Err("prefix-cache configuration: ignore has an empty field name".to_owned());
        }
        Ok(config)
    }

    /// The override with the longest prefix of the model's name.
    pub(crate) fn model(&self, name: &str) -> Option<&ModelRule> {
        self.models
            .iter()
            .filter(|(prefix, _)| name.starts_with(prefix.as_str()))
            .max_by_key(|(prefix, _)| prefix.len())
            .map(|(_, rule)| rule)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_object_gives_the_defaults() {
        assert_eq!(Config::parse("{}"), Ok(Config::default()));
    }

    #[test]
    fn an_error_names_the_field() {
        for (json, field) in [
            (r#"{"tll":1}"#, "tll"),
            (r#"{"tools":"sometimes"}"#, "sometimes"),
            (r#"{"block_bytes":1}"#, "block_bytes"),
            (r#"{"max_blocks":5000}"#, "max_blocks"),
            (r#"{"models":{"gpt":{"tl":1}}}"#, "tl"),
            (r#"{"ignore":[""]}"#, "ignore"),
            (r#"{"breakpoint_ttl":60}"#, "breakpoint_ttl"),
        ] {
            let error = Config::parse(json).unwrap_err();
            assert!(error.contains(field), "{error}");
        }
    }

    #[test]
    fn the_longest_model_prefix_counts() {
        let config =
            Config::parse(r#"{"models":{"gpt":{"ttl":1},"gpt-4":{"ttl":2},"":{"ttl":3}}}"#)
                .unwrap();
        assert_eq!(config.model("gpt-4o").and_then(|m| m.ttl), Some(2));
        assert_eq!(config.model("gpt-3.5").and_then(|m| m.ttl), Some(1));
        assert_eq!(config.model("llama").and_then(|m| m.ttl), Some(3));
    }
}
