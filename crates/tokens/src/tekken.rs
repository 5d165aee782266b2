//! Mistral's `tekken.json`: ranks, the pattern of words, and special tokens with the lowest ids.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;

use crate::tiktoken::byte_level;

#[derive(Deserialize)]
struct File {
    config: Config,
    vocab: Vec<Entry>,
    #[serde(default)]
    special_tokens: Option<Vec<Special>>,
}

#[derive(Deserialize)]
struct Config {
    pattern: String,
    default_vocab_size: u32,
    default_num_special_tokens: u32,
}

#[derive(Deserialize)]
struct Entry {
    rank: u32,
    token_bytes: String,
}

#[derive(Deserialize)]
struct Special {
    rank: u32,
    token_str: String,
}

/// The special tokens of files that do not list them, by rank.
const OLDER: [&str; 20] = [
    "<unk>",
    "<s>",
    "</s>",
    "[INST]",
    "[/INST]",
    "[AVAILABLE_TOOLS]",
    "[/AVAILABLE_TOOLS]",
    "[TOOL_RESULTS]",
    "[/TOOL_RESULTS]",
    "[TOOL_CALLS]",
    "[IMG]",
    "<pad>",
    "[IMG_BREAK]",
    "[IMG_END]",
    "[PREFIX]",
    "[MIDDLE]",
    "[SUFFIX]",
    "[SYSTEM_PROMPT]",
    "[/SYSTEM_PROMPT]",
    "[TOOL_CONTENT]",
];

/// The file as a `tokenizer.json`; none where it is no tekken file.
pub(crate) fn to_json(bytes: &[u8]) -> Result<Option<Vec<u8>>, String> {
    #[derive(Deserialize)]
    struct Probe {
        #[serde(default)]
        config: Option<serde::de::IgnoredAny>,
        #[serde(default)]
        vocab: Option<serde::de::IgnoredAny>,
    }
    let probe: Probe = serde_json::from_slice(bytes).map_err(|e| e.to_string())?;
    if probe.config.is_none() || probe.vocab.is_none() {
        return Ok(None);
    }
    let file: File = serde_json::from_slice(bytes).map_err(|e| e.to_string())?;
    let first = file.config.default_num_special_tokens;
    let room = file.config.default_vocab_size.saturating_sub(first);
    let mut ranks = Vec::with_capacity(file.vocab.len());
    for entry in file.vocab.into_iter().filter(|entry| entry.rank < room) {
        let bad = |_| format!("token {} is not base64", entry.rank);
        let token = BASE64_STANDARD.decode(&entry.token_bytes).map_err(bad)?;
        ranks.push((token, entry.rank + first));
    }
    let listed = match file.special_tokens {
        Some(listed) => listed.into_iter().map(|t| (t.token_str, t.rank)).collect(),
        None => (0..)
            .zip(OLDER)
            .map(|(rank, t)| (t.to_owned(), rank))
            .collect::<Vec<_>>(),
    };
    byte_level(ranks, &file.config.pattern, &listed).map(Some)
}
