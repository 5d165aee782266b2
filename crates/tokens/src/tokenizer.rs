//! A model's tokenizer, whichever file it comes in.

use std::path::Path;

use crate::error::TokensError;
use crate::seams::Seams;
use crate::{tekken, tiktoken};

/// The largest file that is read: those of models with 260,000 tokens have 35 MB.
const MAX_FILE: u64 = 256 << 20;

/// The kinds of tokenizer files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenizerKind {
    /// Hugging Face's `tokenizer.json`.
    HuggingFace,
    /// OpenAI's lines of base64 and rank.
    Tiktoken,
    /// Mistral's `tekken.json`.
    Tekken,
}

/// A tokenizer.
#[derive(Clone)]
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    kind: TokenizerKind,
    seams: Seams,
}

impl std::fmt::Debug for Tokenizer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokenizer")
            .field("kind", &self.kind)
            .field("vocabulary", &self.inner.get_vocab_size(true))
            .finish_non_exhaustive()
    }
}

impl Tokenizer {
    /// Reads a file. What it is, is told by its name and content. `special` are tokens that are
    /// not in it, with their ids: tiktoken files have none.
    ///
    /// # Errors
    ///
    /// When it can't be read, is too large, or is no tokenizer.
    pub fn from_file(path: &Path, special: &[(String, u32)]) -> Result<Self, TokensError> {
        let bytes = read(path)?;
        let name = path.file_name().and_then(|name| name.to_str());
        Self::from_bytes(&bytes, name.unwrap_or_default(), special).map_err(|why| {
            TokensError::Tokenizer {
                path: path.to_owned(),
                why,
            }
        })
    }

    /// Reads the content of a file of that name; the error says what is wrong with it.
    pub(crate) fn from_bytes(
        bytes: &[u8],
        name: &str,
        special: &[(String, u32)],
    ) -> Result<Self, String> {
        let is_json = bytes.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{');
        let (json, kind) = if !is_json {
            let json = tiktoken::to_json(bytes, name, special)?;
            (Some(json), TokenizerKind::Tiktoken)
        } else if let Some(json) = tekken::to_json(bytes)? {
            (Some(json), TokenizerKind::Tekken)
        } else {
            (None, TokenizerKind::HuggingFace)
        };
        let bytes = json.as_deref().unwrap_or(bytes);
        let mut inner = tokenizers::Tokenizer::from_bytes(bytes).map_err(|e| e.to_string())?;
        // They are for training and batches; an engine's prompt is never cut or filled up.
        inner.with_padding(None);
        inner.with_truncation(None).map_err(|e| e.to_string())?;
        let seams = Seams::of(&inner);
        Ok(Self { inner, kind, seams })
    }

    /// What file it came from.
    pub fn kind(&self) -> TokenizerKind {
        self.kind
    }

    /// The tokens of a text. `add_special`: with those that the tokenizer puts around a text, such
    /// as one that begins it: engines ask for them in completions, not in chats, whose template
    /// has them.
    ///
    /// # Errors
    ///
    /// When the tokenizer can't say it.
    pub fn encode(&self, text: &str, add_special: bool) -> Result<Vec<u32>, TokensError> {
        let encoding = self.inner.encode_fast(text, add_special);
        let encoding = encoding.map_err(|e| TokensError::Encode(e.to_string()))?;
        Ok(encoding.get_ids().to_vec())
    }

    /// Where texts can be cut so that their tokens can be put together.
    pub(crate) fn seams(&self) -> &Seams {
        &self.seams
    }

    /// How many tokens there are.
    pub fn vocabulary(&self) -> usize {
        self.inner.get_vocab_size(true)
    }
}

/// Reads a file within bounds.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, TokensError> {
    let failed = |source| TokensError::Read {
        path: path.to_owned(),
        source,
    };
    let bytes = std::fs::metadata(path).map_err(failed)?.len();
    if bytes > MAX_FILE {
        return Err(TokensError::TooLarge {
            path: path.to_owned(),
            bytes,
            limit: MAX_FILE,
        });
    }
    std::fs::read(path).map_err(failed)
}
