//! The guardrails' configuration: one JSON object, every field optional.

use serde::Deserialize;

/// What a rule does with its matches.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Matches are exempt from later rules.
    Allow,
    /// Matches are replaced: reversibly in prompts, by `[LABEL]` in output.
    Mask,
    /// A match turns the prompt away or ends the output.
    Deny,
}

impl Action {
    /// As in a rule's hits.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Mask => "mask",
            Self::Deny => "deny",
        }
    }
}

/// What a rule looks for.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The `terms`.
    Dictionary,
    /// The `pattern` or `patterns`.
    Regex,
    /// Built-in personal data: the `entities`, all by default.
    Pii,
    /// Built-in secrets: the `entities`, all by default.
    Secrets,
    /// Built-in phrases of prompt injection. Input only.
    PromptAttack,
    /// The `limits`. Input only.
    Limit,
}

/// The way that a rule looks.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// Prompts.
    Input,
    /// Answers.
    Output,
}

/// Bounds on a prompt; an absent one is without limit.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// The most messages.
    pub max_messages: Option<u64>,
    /// The most bytes in all messages, tools and fields.
    pub max_prompt_bytes: Option<u64>,
    /// The most bytes in one message's parts.
    pub max_message_bytes: Option<u64>,
    /// The most tools.
    pub max_tools: Option<u64>,
}

/// One rule. Rules apply in the order of the configuration.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct RuleConfig {
    /// Names the rule in hits and reasons; unique.
    pub name: String,
    /// What it looks for.
    pub kind: Kind,
    /// What it does. Default `mask`; `deny` for limits and prompt attacks.
    pub action: Option<Action>,
    /// Where it looks. Default both; input alone for limits and prompt attacks.
    pub apply: Option<Vec<Direction>>,
    /// Which tenants it is for: names, `*` for any stretch. Default all.
    #[serde(default)]
    pub tenants: Vec<String>,
    /// Which API keys (identifiers) it is for. Default all.
    #[serde(default)]
    pub keys: Vec<String>,
    /// Which routes it is for. Default all.
    #[serde(default)]
    pub routes: Vec<String>,
    /// Only count. Default `false`.
    #[serde(default)]
    pub shadow: bool,
    /// The label of its masks, upper-case letters, digits and `_`. Default: the entity's name for
    /// built-in kinds, else the rule's name in that alphabet.
    pub label: Option<String>,
    /// Dictionaries and patterns ignore case. Default `true` for dictionaries, else `false`.
    pub case_insensitive: Option<bool>,
    /// A dictionary's terms match whole words only. Default `true`.
    pub whole_word: Option<bool>,
    /// A dictionary's terms.
    #[serde(default)]
    pub terms: Vec<String>,
    /// One pattern, in the syntax of Rust's `regex`; `\b` is ASCII's.
    pub pattern: Option<String>,
    /// Several patterns.
    #[serde(default)]
    pub patterns: Vec<String>,
    /// Which built-in entities. Default all of the kind.
    #[serde(default)]
    pub entities: Vec<String>,
    /// Prompts are also looked at as base64 and quoted-printable mean them. Default `false`.
    #[serde(default)]
    pub decode: bool,
    /// A limit rule's bounds.
    pub limits: Option<Limits>,
}

/// How output is held back.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(default, deny_unknown_fields)]
pub struct Output {
    /// The most bytes from the start of a possible match that are held back; one that grows
    /// beyond is a denial. Default 256: longer than any address (254 bytes) and about a sentence,
    /// so a reader hardly notices, while memory for thousands of streams stays small.
    pub hold_bytes: usize,
}

impl Default for Output {
    fn default() -> Self {
        Self { hold_bytes: 256 }
    }
}

/// What becomes of what no rule can read.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Unreadable {
    /// The prompt is turned away where a rule applies that can change something.
    #[default]
    Deny,
    /// It goes on unread.
    Pass,
}

/// The whole configuration. `{}` has no rules: every prompt and answer passes.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The rules, in order.
    pub rules: Vec<RuleConfig>,
    /// How output is held back.
    pub output: Output,
    /// Token ids, vectors, PDFs and other documents that are no text, sound. Default `deny`.
    pub unreadable: Unreadable,
    /// Bounds for everyone, before all rules, under the rule name `limits`.
    pub limits: Option<Limits>,
}

impl Config {
    /// Reads a JSON object.
    ///
    /// # Errors
    ///
    /// A sentence that names the field and what is wrong with it.
    pub fn parse(json: &str) -> Result<Self, String> {
        let config: Self =
            serde_json::from_str(json).map_err(|e| format!("guardrails configuration: {e}"))?;
        // Below 64 bytes an ordinary address would be a denial; above 64 KiB a guard is a buffer.
        if !(64..=65_536).contains(&config.output.hold_bytes) {
            return Err(format!(
                "guardrails configuration: output.hold_bytes is {}, but it is 64 to 65536",
                config.output.hold_bytes
            ));
        }
        Ok(config)
    }
}
