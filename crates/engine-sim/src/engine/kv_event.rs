//! KV events as vLLM 0.32 puts them on the wire: a batch `[ts, events, rank]` in MessagePack, each
//! event a map tagged by `type`.

use forebay_prefix::BlockHash;
use rmp::encode::{
    ByteBuf, write_array_len, write_f64, write_map_len, write_nil, write_str, write_uint,
};

/// One change of the KV cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum KvEvent {
    /// Blocks became available, each after the one before it.
    BlockStored {
        hashes: Vec<BlockHash>,
        parent: Option<BlockHash>,
        tokens: Vec<u32>,
        block_size: usize,
        /// Which of these blocks the salt enters, if one does, and the salt.
        salt: Option<(usize, String)>,
    },
    /// Blocks were evicted.
    BlockRemoved { hashes: Vec<BlockHash> },
    /// The cache was emptied.
    AllBlocksCleared,
}

/// Encodes a batch of data parallel rank 0; `timestamp` is in seconds since the epoch.
pub(crate) fn encode_batch(timestamp: f64, events: &[KvEvent]) -> Vec<u8> {
    let mut out = Writer(ByteBuf::new());
    out.array(3);
    out.float(timestamp);
    out.array(events.len());
    for event in events {
        out.event(event);
    }
    out.uint(0);
    out.0.into_vec()
}

/// Writing to memory returns errors of a type without values, so each is dropped here.
struct Writer(ByteBuf);

impl Writer {
    fn array(&mut self, len: usize) {
        let _ = write_array_len(&mut self.0, len as u32);
    }

    fn map(&mut self, len: usize) {
        let _ = write_map_len(&mut self.0, len as u32);
    }

    fn text(&mut self, value: &str) {
        let _ = write_str(&mut self.0, value);
    }

    fn uint(&mut self, value: u64) {
        let _ = write_uint(&mut self.0, value);
    }

    fn float(&mut self, value: f64) {
        let _ = write_f64(&mut self.0, value);
    }

    fn nil(&mut self) {
        let _ = write_nil(&mut self.0);
    }

    fn nil_field(&mut self, name: &str) {
        self.text(name);
        self.nil();
    }

    fn text_field(&mut self, name: &str, value: &str) {
        self.text(name);
        self.text(value);
    }

    fn hashes(&mut self, hashes: &[BlockHash]) {
        self.text("block_hashes");
        self.array(hashes.len());
        for hash in hashes {
            self.uint(hash.low64());
        }
    }

    fn group(&mut self) {
        self.text("group_idx");
        self.uint(0);
    }

    fn event(&mut self, event: &KvEvent) {
        match event {
            KvEvent::BlockStored {
                hashes,
                parent,
                tokens,
                block_size,
                salt,
            } => {
                self.map(11);
                self.text_field("type", "BlockStored");
                self.hashes(hashes);
                self.text("parent_block_hash");
                match parent {
                    Some(parent) => self.uint(parent.low64()),
                    None => self.nil(),
                }
                self.text("token_ids");
                self.array(tokens.len());
                for token in tokens {
                    self.uint(u64::from(*token));
                }
                self.text("block_size");
                self.uint(*block_size as u64);
                self.nil_field("lora_id");
                self.text_field("medium", "GPU");
                self.nil_field("lora_name");
                self.text("extra_keys");
                self.array(hashes.len());
                for block in 0..hashes.len() {
                    match salt {
                        Some((salted, salt)) if block == *salted => {
                            self.array(1);
                            self.text(salt);
                        }
                        _ => self.nil(),
                    }
                }
                self.group();
                self.text_field("kv_cache_spec_kind", "full_attention");
            }
            KvEvent::BlockRemoved { hashes } => {
                self.map(4);
                self.text_field("type", "BlockRemoved");
                self.hashes(hashes);
                self.text_field("medium", "GPU");
                self.group();
            }
            KvEvent::AllBlocksCleared => {
                self.map(1);
                self.text_field("type", "AllBlocksCleared");
            }
        }
    }
}
