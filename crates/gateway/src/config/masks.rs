//! How private values in prompts are replaced.

use serde::{Deserialize, Serialize};

/// `[masks]`: the placeholders that go upstream in the place of private values.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct MasksConfig {
    /// What a placeholder is made of. Default `position`.
    pub placeholders: Placeholders,
}

/// What a placeholder is made of, beside the tenant's secret and the kind of the value.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Placeholders {
    /// The value's place among the values of the prompt: the first address is always the same
    /// placeholder. Clients of a tenant whose prompts differ only in private values share answers.
    /// A client that leaves out old messages moves the numbers.
    #[default]
    Position,
    /// The value: it has the same placeholder in all prompts of the tenant, so a conversation may
    /// be cut, reordered or summarised. Prompts with different values share no answers, and an
    /// upstream can tell that two prompts hold the same value, but not which.
    Value,
}
