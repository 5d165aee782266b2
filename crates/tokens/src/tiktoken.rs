//! tiktoken files: a line for each token, base64 and rank. They say nothing of how a text is split
//! into words, nor of special tokens: the former is known by the file's name.

use std::collections::HashMap;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

/// How `cl100k_base` splits words (GPT-4, Qwen's own files too).
const CL100K: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
/// How Qwen's files split: as `cl100k_base`, each digit by itself.
const QWEN: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
/// How `o200k_base` splits (GPT-4o, gpt-oss).
const O200K: &str = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// The file as a `tokenizer.json`.
pub(crate) fn to_json(
    bytes: &[u8],
    name: &str,
    special: &[(String, u32)],
) -> Result<Vec<u8>, String> {
    let pattern = match name {
        _ if name.starts_with("cl100k") => CL100K,
        _ if name.starts_with("o200k") => O200K,
        _ if name.starts_with("qwen") => QWEN,
        _ => {
            return Err(format!(
                "\"{name}\" does not say how text is split; known are names that begin with cl100k, o200k and qwen are known"
            ));
        }
    };
    let text = std::str::from_utf8(bytes).map_err(|_| "it is not text".to_owned())?;
    let mut ranks = Vec::new();
    for (at, line) in text
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.is_empty())
    {
        let bad = || format!("line {} is not a base64 token and a rank", at + 1);
        let (token, rank) = line.split_once(' ').ok_or_else(bad)?;
        let token = BASE64_STANDARD.decode(token).map_err(|_| bad())?;
        ranks.push((token, rank.trim().parse().map_err(|_| bad())?));
    }
    byte_level(ranks, pattern, special)
}

/// A byte-pair tokenizer over bytes, from ranks: the merges are the pairs that make a token,
/// tried in the order of the tokens' ranks.
pub(crate) fn byte_level(
    mut ranks: Vec<(Vec<u8>, u32)>,
    pattern: &str,
    special: &[(String, u32)],
) -> Result<Vec<u8>, String> {
    if ranks.is_empty() {
        return Err("it has no tokens".to_owned());
    }
    ranks.sort_by_key(|(_, rank)| *rank);
    let known: HashMap<&[u8], u32> = ranks.iter().map(|(t, r)| (t.as_slice(), *r)).collect();
    if known.len() != ranks.len() {
        return Err("a token occurs twice".to_owned());
    }
    let alphabet = alphabet();
    let shown =
        |token: &[u8]| -> String { token.iter().map(|b| alphabet[usize::from(*b)]).collect() };
    let mut merges: Vec<Value> = Vec::with_capacity(ranks.len());
    let mut vocabulary = serde_json::Map::new();
    for (token, rank) in &ranks {
        let mut pairs: Vec<(u32, u32, usize)> = (1..token.len())
            .filter_map(|cut| {
                let (left, right) = token.split_at(cut);
                Some((*known.get(left)?, *known.get(right)?, cut))
            })
            .collect();
        pairs.sort_unstable();
        for (_, _, cut) in pairs {
            let (left, right) = token.split_at(cut);
            merges.push(json!([shown(left), shown(right)]));
        }
        vocabulary.insert(shown(token), json!(rank));
    }
    // An added token has the id that it has in the vocabulary, else the next free one.
    for (content, id) in special {
        vocabulary.insert(content.clone(), json!(id));
    }
    let added: Vec<Value> = special
        .iter()
        .map(|(content, id)| {
            json!({"id": id, "content": content, "single_word": false, "lstrip": false,
                "rstrip": false, "normalized": false, "special": true})
        })
        .collect();
    let tokenizer = json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": added,
        "normalizer": null,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
            {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": false},
            {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false, "use_regex": false}]},
        "post_processor": null,
        "decoder": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false, "use_regex": false},
        "model": {"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
            "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false,
            "ignore_merges": true, "vocab": vocabulary, "merges": merges},
    });
    serde_json::to_vec(&tokenizer).map_err(|e| e.to_string())
}

/// The character that stands for each byte (GPT-2's table): those that print are themselves.
fn alphabet() -> [char; 256] {
    let mut table = ['\0'; 256];
    let mut next = 256;
    for byte in 0..=255_u8 {
        table[usize::from(byte)] = match byte {
            b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff => char::from(byte),
            _ => {
                let c = char::from_u32(next).unwrap_or('\0');
                next += 1;
                c
            }
        };
    }
    table
}
