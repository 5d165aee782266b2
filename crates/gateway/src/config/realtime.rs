//! The bounds of connections to OpenAI's Realtime API.

use serde::{Deserialize, Serialize};

use super::{Span, seconds};

/// `[realtime]`: connections to `/v1/realtime`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct RealtimeConfig {
    /// The largest event, in bytes, from either side. Default 16 MiB: the audio of one event has 15
    /// MiB at most. What has come of an event counts against `limits.memory`.
    pub max_message: usize,
    /// How long neither side may send an event. Default 10m: people fall silent, but a microphone
    /// that is open sends all the time.
    pub idle: Span,
    /// How long a connection may last. Default 1h: OpenAI ends its own after 60 minutes.
    pub total: Span,
}

impl Default for RealtimeConfig {
    fn default() -> Self {
        Self {
            max_message: 16 << 20,
            idle: seconds(600),
            total: seconds(3600),
        }
    }
}
