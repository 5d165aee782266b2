//! `upstreams.tokenizer`: the model's files, from which prompts are counted and named as the engine
//! counts and names them.

use serde::{Deserialize, Serialize};

/// Where an upstream's tokenizer and chat template are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct TokenizerConfig {
    /// The tokenizer's file: `tokenizer.json`, `tekken.json`, or a tiktoken file whose name begins
    /// with `cl100k`, `o200k` or `qwen`. `tokenizer_config.json` and `chat_template.jinja` are read
    /// beside it.
    #[serde(default)]
    pub file: Option<String>,
    /// The model's folder, instead of `file`.
    #[serde(default)]
    pub dir: Option<String>,
    /// A chat template instead of the model's own: what the engine was given with
    /// `--chat-template`.
    #[serde(default)]
    pub template: Option<String>,
    /// The share of prompts whose tokens are compared with the engine's `/tokenize`. Default 0.01.
    /// At start some texts are compared in any case; 0 compares none and trusts the files.
    #[serde(default = "one_in_a_hundred")]
    pub verify: f64,
    /// Send completions' prompts as token ids, so that the engine need not tokenise them again.
    /// Only while the engine has been seen to agree. Default false.
    #[serde(default)]
    pub token_ids: bool,
}

fn one_in_a_hundred() -> f64 {
    0.01
}

impl TokenizerConfig {
    /// The file or folder.
    pub fn path(&self) -> Option<&str> {
        self.file.as_deref().or(self.dir.as_deref())
    }

    /// What is wrong with it.
    pub fn problem(&self) -> Option<&'static str> {
        match (&self.file, &self.dir) {
            (Some(_), Some(_)) => Some("a tokenizer is a file or a dir, not both"),
            (None, None) => Some("a tokenizer needs a file or a dir"),
            _ if !(0.0..=1.0).contains(&self.verify) => {
                Some("tokenizer.verify is a share of prompts, from 0 to 1")
            }
            _ => None,
        }
    }
}
