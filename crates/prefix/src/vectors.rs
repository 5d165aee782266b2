//! Files of test vectors: one JSON object a line, a prompt and the block hashes that vLLM gave it.

use std::io::BufRead;

use serde::Deserialize;

use crate::{Algorithm, ChainSpec, Lora, MultimodalItem};

/// The longest line that is read: a prompt of a million tokens with its hashes is half of it.
const MAX_LINE: u64 = 64 * 1024 * 1024;

/// The largest block size that is taken: vLLM's own are at most some thousand.
const MAX_BLOCK_SIZE: usize = 1 << 20;

/// What a file without a mismatch held.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Verified {
    /// Rows read.
    pub rows: usize,
    /// Block hashes compared.
    pub blocks: usize,
}

/// Why a file of vectors does not verify. Lines count from 1, blocks from 0.
#[derive(Debug, thiserror::Error)]
pub enum VectorError {
    /// The file can't be read.
    #[error("line {line}: {source}")]
    Read {
        /// The line.
        line: usize,
        /// What failed.
        source: std::io::Error,
    },
    /// A line is too long.
    #[error("line {line} is longer than {MAX_LINE} bytes")]
    TooLong {
        /// The line.
        line: usize,
    },
    /// A line is not a vector.
    #[error("line {line} is not a vector: {source}")]
    Malformed {
        /// The line.
        line: usize,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// A value that no engine has.
    #[error("line {line}: {field} is {value}, but it must be {bound}")]
    OutOfRange {
        /// The line.
        line: usize,
        /// The field.
        field: &'static str,
        /// Its value.
        value: String,
        /// What it must be.
        bound: &'static str,
    },
    /// The prompt has another number of full blocks than the row has hashes.
    #[error("line {line}: the prompt has {computed} full blocks, but the row has {given} hashes")]
    Count {
        /// The line.
        line: usize,
        /// Full blocks of the prompt.
        computed: usize,
        /// Hashes in the row.
        given: usize,
    },
    /// A hash differs.
    #[error("line {line}, block {block}: the computed hash is {computed}, but the row has {given}")]
    Mismatch {
        /// The line.
        line: usize,
        /// The block.
        block: usize,
        /// The hash that follows from the tokens.
        computed: String,
        /// The hash in the row.
        given: String,
    },
    /// Nothing was compared.
    #[error("the file contains no vectors")]
    Empty,
}

#[derive(Deserialize)]
struct Row {
    algo: String,
    #[serde(default)]
    hash_seed: Option<String>,
    block_size: usize,
    #[serde(default)]
    lora: Option<(String, String)>,
    #[serde(default)]
    cache_salt: Option<String>,
    #[serde(default)]
    mm: Vec<Item>,
    token_ids: Vec<u32>,
    block_hashes: Vec<String>,
}

#[derive(Deserialize)]
struct Item {
    identifier: String,
    offset: usize,
    length: usize,
}

/// Computes every row's chain and compares it with the row's hashes; stops at the first difference.
/// Empty lines are passed over.
///
/// # Errors
/// [`VectorError`] for the first line that can't be read or does not agree.
pub fn verify(mut input: impl BufRead) -> Result<Verified, VectorError> {
    let mut verified = Verified::default();
    let mut text = Vec::new();
    for line in 1.. {
        text.clear();
        let read = std::io::Read::take(&mut input, MAX_LINE)
            .read_until(b'\n', &mut text)
            .map_err(|source| VectorError::Read { line, source })?;
        if read == 0 {
            break;
        }
        if read as u64 == MAX_LINE {
            return Err(VectorError::TooLong { line });
        }
        if text.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        verified.blocks += verify_row(line, &text)?;
        verified.rows += 1;
    }
    match verified.rows {
        0 => Err(VectorError::Empty),
        _ => Ok(verified),
    }
}

fn verify_row(line: usize, text: &[u8]) -> Result<usize, VectorError> {
    let row: Row =
        serde_json::from_slice(text).map_err(|source| VectorError::Malformed { line, source })?;
    let algorithm = Algorithm::from_name(&row.algo).ok_or_else(|| VectorError::OutOfRange {
        line,
        field: "algo",
        value: format!("\"{}\"", row.algo.escape_debug()),
        bound: "sha256_cbor or xxhash_cbor",
    })?;
    if row.block_size == 0 || row.block_size > MAX_BLOCK_SIZE {
        return Err(VectorError::OutOfRange {
            line,
            field: "block_size",
            value: row.block_size.to_string(),
            bound: "at least 1 and at most 1048576",
        });
    }
    let mut mm: Vec<MultimodalItem> = row
        .mm
        .into_iter()
        .map(|item| MultimodalItem {
            identifier: item.identifier,
            offset: item.offset,
            length: item.length,
        })
        .collect();
    mm.sort_by_key(|item| item.offset);
    let spec = ChainSpec {
        algorithm,
        block_size: row.block_size,
        seed: row.hash_seed,
        lora: row.lora.map(|(name, path)| Lora { name, path }),
        cache_salt: row.cache_salt,
        mm,
        ..ChainSpec::default()
    };
    let chain = spec.chain(&row.token_ids);
    for (block, (computed, given)) in chain.iter().zip(&row.block_hashes).enumerate() {
        let computed = computed.to_string();
        if !computed.eq_ignore_ascii_case(given) {
            return Err(VectorError::Mismatch {
                line,
                block,
                computed,
                given: given.escape_debug().to_string(),
            });
        }
    }
    if chain.len() != row.block_hashes.len() {
        return Err(VectorError::Count {
            line,
            computed: chain.len(),
            given: row.block_hashes.len(),
        });
    }
    Ok(chain.len())
}
