//! What the gateway reads of an upstream's events: responses and their tokens.

use forebay_dialect::canonical::Usage;
use serde::Deserialize;

/// What counts in an upstream's event.
#[derive(Deserialize)]
pub(super) struct Told {
    #[serde(default, rename = "type")]
    pub(super) kind: String,
    #[serde(default)]
    pub(super) delta: String,
    #[serde(default)]
    pub(super) response: Option<Responded>,
    #[serde(default)]
    pub(super) usage: Option<Counts>,
}

#[derive(Deserialize)]
pub(super) struct Responded {
    #[serde(default)]
    pub(super) usage: Option<Counts>,
}

#[derive(Deserialize)]
pub(super) struct Counts {
    #[serde(default)]
    input_tokens: Option<u64>,
    #[serde(default)]
    output_tokens: Option<u64>,
    #[serde(default)]
    input_token_details: Option<Details>,
}

#[derive(Deserialize)]
struct Details {
    #[serde(default)]
    cached_tokens: Option<u64>,
}

impl Counts {
    /// None where time was counted, not tokens.
    pub(super) fn usage(self) -> Option<Usage> {
        let details = self.input_token_details;
        Some(Usage {
            input: self.input_tokens?,
            output: self.output_tokens.unwrap_or(0),
            cached_input: details.and_then(|it| it.cached_tokens).unwrap_or(0),
            ..Usage::default()
        })
    }
}
