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
const INPUT_VERSION: &[u8] = b"forebay input 2";

/// The field that holds the form of an embeddings request's inputs: one string, or a list.
const INPUT: &str = "input";

/// The digest of a prompt.
pub(crate) fn digest(config: &Config, prompt: &Prompt) -> [u8; 32] {
    let mut out = Encoder(Sha256::new());
    out.head(VERSION, prompt);
    out.messages(&prompt.messages);
    out.settings(config, prompt, None);
    out.0.finalize().into()
}

/// The digest of each input of an embeddings request: the same whichever inputs stand beside it,
/// and whether they came as a list. Empty for other requests.
pub(crate) fn inputs(config: &Config, prompt: &Prompt) -> Vec<Vec<u8>> {
    if prompt.operation != "embedding" {
        return Vec::new();
    }
    // What the inputs have in common comes first and is hashed once: a request may hold many inputs
    // and large fields.
    let mut common = Encoder(Sha256::new());
    common.head(INPUT_VERSION, prompt);
    common.settings(config, prompt, Some(INPUT));
    let one = |input| {
        let mut out = common.clone();
        out.messages(input);
        out.0.finalize().to_vec()
    };
    prompt.messages.chunks(1).map(one).collect()
}

/// Writes tagged, length-prefixed items into the hash.
#[derive(Clone)]
struct Encoder(Sha256);

impl Encoder {
    fn head(&mut self, version: &[u8], prompt: &Prompt) {
        self.item(b'v', version);
        self.item(b'o', prompt.operation.as_bytes());
        self.item(b'm', prompt.model.as_bytes());
    }

    fn messages(&mut self, messages: &[Message]) {
        self.list(b'M', messages.len());
        for message in messages {
            self.item(b'r', message.role.as_bytes());
            self.list(b'P', message.parts.len());
            for part in &message.parts {
                match part {
                    Part::Text(text) => self.item(b't', text.as_bytes()),
                    Part::ToolCall(call) => {
                        self.item(b'i', call.id.as_bytes());
                        self.item(b'n', call.name.as_bytes());
                        self.item(b'a', call.arguments.as_bytes());
                    }
                    Part::Opaque(opaque) => {
                        self.item(b'k', opaque.kind.as_bytes());
                        self.item(b'j', opaque.json.as_bytes());
                    }
                }
            }
            self.fields(message.extra.iter());
        }
    }

    /// What holds for all messages, but for one field.
    fn settings(&mut self, config: &Config, prompt: &Prompt, without: Option<&str>) {
        self.list(b'T', prompt.tools.len());
        for tool in &prompt.tools {
            self.item(b'd', tool.as_bytes());
        }
        let s = &prompt.sampling;
        self.number(b'0', s.temperature.map(f64::to_bits));
        self.number(b'1', s.top_p.map(f64::to_bits));
        self.number(b'2', Some(u64::from(s.n)));
        self.number(b'3', s.max_tokens);
        self.number(b'4', s.seed.map(i64::cast_unsigned));
        self.fields(prompt.extra.iter().filter(|field| {
            let name = field.name.as_str();
            Some(name) != without
                && !IGNORED.contains(&name)
                && !config.ignore.iter().any(|ignored| ignored == name)
        }));
    }

    fn item(&mut self, tag: u8, bytes: &[u8]) {
        self.list(tag, bytes.len());
        #[cfg(test)]
        crate::growth::work(bytes.len());
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
