//! KV events as engines send them: MessagePack batches of vLLM (maps since 0.32, arrays before) and
//! SGLang (arrays).

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// The largest batch that is decoded. vLLM's largest is one step's blocks: some thousand tokens.
pub const MAX_BATCH_BYTES: usize = 64 * 1024 * 1024;

/// Why a batch can't be used.
#[derive(Debug, thiserror::Error)]
pub enum EventError {
    /// It is too large.
    #[error("a batch of KV events has {0} bytes, over the limit of {MAX_BATCH_BYTES}")]
    TooLarge(usize),
    /// It is not MessagePack of a known shape.
    #[error("a batch of KV events does not decode: {0}")]
    Malformed(#[from] rmp_serde::decode::Error),
}

/// What changed in one step of an engine.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// The engine's clock, in seconds since the epoch.
    pub timestamp: f64,
    /// In the order in which they happened.
    pub events: Vec<Event>,
    /// The data-parallel rank that sent it.
    pub rank: u32,
}

impl Batch {
    /// Decodes the third frame of a message.
    ///
    /// # Errors
    /// [`EventError`] if it is too large or has another shape.
    pub fn decode(bytes: &[u8]) -> Result<Self, EventError> {
        if bytes.len() > MAX_BATCH_BYTES {
            return Err(EventError::TooLarge(bytes.len()));
        }
        Ok(rmp_serde::from_slice(bytes)?)
    }
}

/// One change of an engine's cache. Blocks are named by the low 64 bits of the engine's hash.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// Blocks became available, each after the one before it.
    Stored(Stored),
    /// Blocks were evicted.
    Removed {
        /// The blocks.
        blocks: Vec<u64>,
        /// Where they were: `GPU`, `CPU` and so on; empty where the engine does not say.
        medium: String,
        /// The cache group.
        group: Option<u32>,
    },
    /// The cache was emptied.
    Cleared,
    /// An event of a kind that this version does not know.
    Unknown(String),
}

/// Blocks that became available.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Stored {
    /// The blocks.
    pub blocks: Vec<u64>,
    /// The block before the first; none at the start of a prompt.
    pub parent: Option<u64>,
    /// The tokens in them.
    pub tokens: Vec<u32>,
    /// Tokens in a block.
    pub block_size: usize,
    /// Where they are; empty where the engine does not say.
    pub medium: String,
    /// The adapter.
    pub lora_name: Option<String>,
    /// For each block whether something besides tokens and adapter names it (salt, media).
    pub extra_keys: Vec<Option<Vec<String>>>,
    /// The cache group of a hybrid model.
    pub group: Option<u32>,
    /// What the group's layers attend to, such as `full_attention`.
    pub kind: String,
    /// The window of a sliding-window group, in tokens.
    pub window: Option<u32>,
}

impl<'de> Deserialize<'de> for Batch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct BatchVisitor;
        impl<'de> Visitor<'de> for BatchVisitor {
            type Value = Batch;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array of timestamp, events and rank")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Batch, A::Error> {
                let missing = |at| de::Error::invalid_length(at, &self);
                let timestamp = seq.next_element()?.ok_or_else(|| missing(0))?;
                let events = seq.next_element()?.ok_or_else(|| missing(1))?;
                let rank: Option<Option<u32>> = seq.next_element()?;
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Batch {
                    timestamp,
                    events,
                    rank: rank.flatten().unwrap_or(0),
                })
            }
        }
        deserializer.deserialize_seq(BatchVisitor)
    }
}

/// The fields of all events; which are used depends on the type.
#[derive(Default)]
struct Fields {
    kind: String,
    stored: Stored,
}

impl Fields {
    fn event(self) -> Event {
        match self.kind.as_str() {
            "BlockStored" => Event::Stored(self.stored),
            "BlockRemoved" => Event::Removed {
                blocks: self.stored.blocks,
                medium: self.stored.medium,
                group: self.stored.group,
            },
            "AllBlocksCleared" => Event::Cleared,
            _ => Event::Unknown(self.kind),
        }
    }
}

impl<'de> Deserialize<'de> for Event {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EventVisitor;
        impl<'de> Visitor<'de> for EventVisitor {
            type Value = Event;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an event as a map with a type or as an array that begins with it")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Event, A::Error> {
                let mut fields = Fields::default();
                while let Some(name) = map.next_key::<String>()? {
                    let stored = &mut fields.stored;
                    match name.as_str() {
                        "type" => fields.kind = map.next_value()?,
                        "block_hashes" => stored.blocks = names(map.next_value()?),
                        "parent_block_hash" => stored.parent = parent(map.next_value()?),
                        "token_ids" => stored.tokens = tokens(map.next_value()?),
                        "block_size" => stored.block_size = map.next_value()?,
                        "medium" => stored.medium = text(map.next_value()?),
                        "lora_name" => stored.lora_name = map.next_value()?,
                        "extra_keys" => stored.extra_keys = extras(map.next_value()?),
                        "group_idx" => stored.group = map.next_value()?,
                        "kv_cache_spec_kind" => stored.kind = text(map.next_value()?),
                        "sliding_window" => stored.window = map.next_value()?,
                        _ => {
                            map.next_value::<IgnoredAny>()?;
                        }
                    }
                }
                if fields.kind.is_empty() {
                    return Err(de::Error::missing_field("type"));
                }
                Ok(fields.event())
            }

            /// Arrays are in the order of the fields in vLLM's source; later ones may be absent.
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Event, A::Error> {
                let kind: String = seq
                    .next_element()?
                    .ok_or_else(|| de::Error::invalid_length(0, &self))?;
                let mut fields = Fields {
                    kind,
                    ..Fields::default()
                };
                let stored = &mut fields.stored;
                match fields.kind.as_str() {
                    "BlockStored" => {
                        stored.blocks = names(seq.next_element()?.unwrap_or_default());
                        stored.parent = seq.next_element()?.and_then(parent);
                        stored.tokens = tokens(seq.next_element()?.unwrap_or_default());
                        stored.block_size = seq.next_element()?.unwrap_or_default();
                        let _lora_id = seq.next_element::<IgnoredAny>()?;
                        stored.medium = text(seq.next_element()?.flatten());
                        stored.lora_name = seq.next_element()?.flatten();
                        stored.extra_keys = extras(seq.next_element()?.flatten());
                        stored.group = seq.next_element()?.flatten();
                        stored.kind = text(seq.next_element()?.flatten());
                        stored.window = seq.next_element()?.flatten();
                    }
                    "BlockRemoved" => {
                        stored.blocks = names(seq.next_element()?.unwrap_or_default());
                        stored.medium = text(seq.next_element()?.flatten());
                        stored.group = seq.next_element()?.flatten();
                    }
                    _ => {}
                }
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(fields.event())
            }
        }
        deserializer.deserialize_any(EventVisitor)
    }
}

/// A block's name: an integer of either sign, or the whole hash as bytes or hex.
struct Name(u64);

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NameVisitor;
        impl<'de> Visitor<'de> for NameVisitor {
            type Value = Name;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a block hash as an integer or as bytes")
            }

            fn visit_u64<E>(self, value: u64) -> Result<Name, E> {
                Ok(Name(value))
            }

            fn visit_i64<E>(self, value: i64) -> Result<Name, E> {
                Ok(Name(value as u64))
            }

            fn visit_bytes<E: de::Error>(self, value: &[u8]) -> Result<Name, E> {
                let tail = value
                    .last_chunk::<8>()
                    .ok_or_else(|| E::invalid_length(value.len(), &self))?;
                Ok(Name(u64::from_be_bytes(*tail)))
            }
        }
        deserializer.deserialize_any(NameVisitor)
    }
}

/// A token, or the pair of tokens that SGLang stores when it speculates with EAGLE.
enum Token {
    One(u32),
    Pair,
}

impl<'de> Deserialize<'de> for Token {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TokenVisitor;
        impl<'de> Visitor<'de> for TokenVisitor {
            type Value = Token;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a token id")
            }

            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Token, E> {
                u32::try_from(value)
                    .map(Token::One)
                    .map_err(|_| E::invalid_value(de::Unexpected::Unsigned(value), &self))
            }

            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Token, E> {
                u32::try_from(value)
                    .map(Token::One)
                    .map_err(|_| E::invalid_value(de::Unexpected::Signed(value), &self))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Token, A::Error> {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Token::Pair)
            }
        }
        deserializer.deserialize_any(TokenVisitor)
    }
}

/// One extra key, in any of the forms that engines give it.
struct Extra(String);

impl<'de> Deserialize<'de> for Extra {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ExtraVisitor;
        impl<'de> Visitor<'de> for ExtraVisitor {
            type Value = Extra;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an extra key")
            }

            fn visit_str<E>(self, value: &str) -> Result<Extra, E> {
                Ok(Extra(value.to_owned()))
            }

            fn visit_u64<E>(self, value: u64) -> Result<Extra, E> {
                Ok(Extra(value.to_string()))
            }

            fn visit_i64<E>(self, value: i64) -> Result<Extra, E> {
                Ok(Extra(value.to_string()))
            }

            fn visit_bytes<E>(self, value: &[u8]) -> Result<Extra, E> {
                Ok(Extra(format!("{value:?}")))
            }

            fn visit_unit<E>(self) -> Result<Extra, E> {
                Ok(Extra(String::new()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Extra, A::Error> {
                let mut joined = String::new();
                while let Some(Extra(part)) = seq.next_element()? {
                    joined.push_str(&part);
                    joined.push('\u{1f}');
                }
                Ok(Extra(joined))
            }
        }
        deserializer.deserialize_any(ExtraVisitor)
    }
}

fn names(names: Vec<Name>) -> Vec<u64> {
    names.into_iter().map(|name| name.0).collect()
}

fn parent(name: Option<Name>) -> Option<u64> {
    name.map(|name| name.0)
}

fn text(text: Option<String>) -> String {
    text.unwrap_or_default()
}

/// Tokens in pairs can't be hashed as tokens; none are given then.
fn tokens(tokens: Vec<Token>) -> Vec<u32> {
    let single = tokens.into_iter().map(|token| match token {
        Token::One(id) => Some(id),
        Token::Pair => None,
    });
    single.collect::<Option<_>>().unwrap_or_default()
}

fn extras(extras: Option<Vec<Option<Vec<Extra>>>>) -> Vec<Option<Vec<String>>> {
    let strings = |keys: Vec<Extra>| keys.into_iter().map(|key| key.0).collect();
    extras
        .unwrap_or_default()
        .into_iter()
        .map(|keys| keys.map(strings))
        .collect()
}
