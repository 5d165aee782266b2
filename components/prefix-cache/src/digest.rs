//! A prompt's identity: SHA-256 over every field that can change the answer.
//!
//! The encoding is unambiguous: each item is one tag byte, its length in eight bytes
//! (little-endian), and its bytes; each list is a tag and its number of items. Fields come sorted
//! by name, so the order of a JSON object's keys does not count, that of messages does. Bytes are
//! bytes: no Unicode normalisation.

use sha2::{Digest as _, Sha256};

use crate::bindings::exports::forebay::prefix_cache::prefix_cache::Prompt;
use crate::bindings::forebay::types::prompts::{Field, Message, Part};
use crate::config::Config;

/// Names the encoding; a change to it is a new version, so that old entries are never met.
const VERSION: &[u8] = b"forebay prompt 1";

/// Fields that say how the answer is delivered or accounted for, never what it is.
const IGNORED: [&str; 4] = ["stream", "stream_options", "user", "metadata"];

/// Names the encoding of one input of an embeddings request.
const INPUT_VERSION: &[u8] = b"forebay input 1";

/// The field that holds the form of an embeddings request's inputs: one string, or a list.
const INPUT: &str = "input";

/// The digest of a prompt.
pub(crate) fn digest(config: &Config, prompt: &Prompt) -> [u8; 32] {
    encoded(config, prompt, VERSION, &prompt.messages, None)
}

/// The digest of each input of an embeddings request: the same whichever inputs stand beside it,
/// and whether they came as a list. Empty for other requests.
pub(crate) fn inputs(config: &Config, prompt: &Prompt) -> Vec<Vec<u8>> {
    if prompt.operation != "embedding" {
        return Vec::new();
    }
    let one = |input| encoded(config, prompt, INPUT_VERSION, input, Some(INPUT)).to_vec();
    prompt.messages.chunks(1).map(one).collect()
}

/// The digest over these messages and what else the prompt says, but for one field.
fn encoded(
    config: &Config,
    prompt: &Prompt,
    version: &[u8],
    messages: &[Message],
    without: Option<&str>,
) -> [u8; 32] {
    let mut out = Encoder(Sha256::new());
    out.item(b'v', version);
    out.item(b'o', prompt.operation.as_bytes());
    out.item(b'm', prompt.model.as_bytes());
    out.list(b'M', messages.len());
    for message in messages {
        out.item(b'r', message.role.as_bytes());
        out.list(b'P', message.parts.len());
        for part in &message.parts {
            match part {
                Part::Text(text) => out.item(b't', text.as_bytes()),
                Part::ToolCall(call) => {
                    out.item(b'i', call.id.as_bytes());
                    out.item(b'n', call.name.as_bytes());
                    out.item(b'a', call.arguments.as_bytes());
                }
                Part::Opaque(opaque) => {
                    out.item(b'k', opaque.kind.as_bytes());
                    out.item(b'j', opaque.json.as_bytes());
                }
            }
        }
        out.fields(message.extra.iter());
    }
    out.list(b'T', prompt.tools.len());
    for tool in &prompt.tools {
        out.item(b'd', tool.as_bytes());
    }
    let s = &prompt.sampling;
    out.number(b'0', s.temperature.map(f64::to_bits));
    out.number(b'1', s.top_p.map(f64::to_bits));
    out.number(b'2', Some(u64::from(s.n)));
    out.number(b'3', s.max_tokens);
    out.number(b'4', s.seed.map(i64::cast_unsigned));
    out.fields(prompt.extra.iter().filter(|field| {
        let name = field.name.as_str();
        Some(name) != without
            && !IGNORED.contains(&name)
            && !config.ignore.iter().any(|ignored| ignored == name)
    }));
    out.0.finalize().into()
}

/// Writes tagged, length-prefixed items into the hash.
struct Encoder(Sha256);

impl Encoder {
    fn item(&mut self, tag: u8, bytes: &[u8]) {
        self.list(tag, bytes.len());
        self.0.update(bytes);
    }

    fn list(&mut self, tag: u8, len: usize) {
        let mut head = [tag; 9];
        head[1..].copy_from_slice(&(len as u64).to_le_bytes());
        self.0.update(head);
    }

    fn number(&mut self, tag: u8, value: Option<u64>) {
        match value {
            Some(value) => self.item(tag, &value.to_le_bytes()),
            None => self.item(tag, &[]),
        }
    }

    fn fields<'a>(&mut self, fields: impl Iterator<Item = &'a Field> + Clone) {
        self.list(b'F', fields.clone().count());
        for field in fields {
            self.item(b'n', field.name.as_bytes());
            self.item(b'j', field.value.as_bytes());
        }
    }
}

#[cfg(test)]
mod tests;
