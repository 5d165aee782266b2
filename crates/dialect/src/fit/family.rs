//! Families of models and what each refuses: one table, whichever API sells the model.
//!
//! Sources: Anthropic's pages on extended and adaptive thinking, structured outputs and models;
//! AWS's on Converse and structured outputs; Google's on thinking and function calling; OpenAI's
//! on reasoning models.

use crate::contract::ways::Makers;
use crate::exchange::{Effort, Profile};

/// Which family a target's model is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    /// Anthropic's.
    Claude(Claude),
    /// Google's.
    Gemini(Gemini),
    /// OpenAI's, at OpenAI and Azure.
    OpenAi(OpenAi),
    /// Amazon's.
    Nova,
    /// Those of other makers at Bedrock.
    Bedrock(Bedrock),
    /// Any other.
    Other,
}

/// How a model of Anthropic's can be asked to think.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Thinks {
    Never,
    /// By a budget of tokens only.
    Budget,
    /// By a budget, or as it likes.
    Either,
    /// As it likes only: budgets are refused.
    Adaptive,
}

/// What a model of Anthropic's takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Claude {
    pub(super) thinks: Thinks,
    /// `temperature`, `top_p` and `top_k` may differ from their defaults.
    pub(super) sampling: bool,
    /// `temperature` and `top_p` at once.
    pub(super) both: bool,
    /// `output_config.format`.
    pub(super) formats: bool,
    /// `output_config.effort`.
    pub(super) effort: bool,
    /// The most tokens that it answers with.
    pub(super) max_output: u64,
    /// It goes on from an answer that the client has begun.
    pub(super) goes_on: bool,
}

/// Since this version an answer can't be begun by the client.
const OWN_BEGINNING: (u32, u32) = (4, 6);

/// By version, the first row that is not older wins: (version, row).
const CLAUDES: [((u32, u32), Claude); 8] = [
    (
        (3, 0),
        claude(Thinks::Never, true, true, false, false, 4096),
    ),
    (
        (3, 5),
        claude(Thinks::Never, true, true, false, false, 8192),
    ),
    (
        (3, 7),
        claude(Thinks::Budget, true, true, false, false, 64_000),
    ),
    (
        (4, 0),
        claude(Thinks::Budget, true, true, false, false, 64_000),
    ),
    (
        (4, 1),
        claude(Thinks::Budget, true, false, true, false, 32_000),
    ),
    (
        (4, 5),
        claude(Thinks::Budget, true, false, true, false, 64_000),
    ),
    (
        (4, 6),
        claude(Thinks::Either, true, false, true, true, 128_000),
    ),
    (
        (4, 8),
        claude(Thinks::Adaptive, false, false, true, true, 128_000),
    ),
];

/// A model under a name that tells no version: what none of them refuses is left as it is.
const UNKNOWN: Claude = claude(Thinks::Adaptive, true, true, true, true, u64::MAX);

const fn claude(
    thinks: Thinks,
    sampling: bool,
    both: bool,
    formats: bool,
    effort: bool,
    max_output: u64,
) -> Claude {
    Claude {
        thinks,
        sampling,
        both,
        formats,
        effort,
        max_output,
        goes_on: true,
    }
}

/// Rows that differ from their version's: (version, part of the name, the most tokens, effort).
const ODD_CLAUDES: [((u32, u32), &str, u64, bool); 2] = [
    ((4, 0), "opus", 32_000, false),
    ((4, 5), "opus", 64_000, true),
];

/// What a model of Google's takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Gemini {
    /// Of the third generation or later: results hold media, formats go with tools.
    pub(super) third: bool,
    /// It can be told how much to think.
    pub(super) thinks: bool,
    /// Levels of thinking that it lacks.
    pub(super) lacks: &'static [Effort],
    /// It can't be told not to think; the least budget that it takes.
    pub(super) least_budget: u64,
    pub(super) most_budget: u64,
    pub(super) max_output: u64,
}

/// What a model of OpenAI's takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct OpenAi {
    /// It reasons: no temperature, no penalties, no log probabilities.
    pub(super) reasons: bool,
    /// Reasoning may be `none`, and then sampling is free.
    pub(super) none: bool,
    /// Reasoning may be `minimal`.
    pub(super) minimal: bool,
    /// Reasoning may be `xhigh`.
    pub(super) xhigh: bool,
    pub(super) max_output: u64,
}

/// Which tools a model can be made to call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Forces {
    /// None: `toolConfig.toolChoice` is refused.
    None,
    /// Some one of those that it is told of.
    Any,
    /// A certain one.
    One,
}

/// What a model of another maker takes at Bedrock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bedrock {
    pub(super) forces: Forces,
    /// `outputConfig.textFormat`.
    pub(super) formats: bool,
}

/// By a part of the id, the first that fits. AWS's page on `ToolChoice` and that on structured
/// outputs say which models have them.
const BEDROCKS: [(&str, Bedrock); 8] = [
    ("ai21.", bedrock(Forces::None, false)),
    ("amazon.titan", bedrock(Forces::None, false)),
    ("cohere.command", bedrock(Forces::None, false)),
    ("deepseek.r1", bedrock(Forces::None, false)),
    ("meta.llama", bedrock(Forces::None, false)),
    ("mistral.mistral-large-24", bedrock(Forces::Any, false)),
    ("mistral.", bedrock(Forces::Any, true)),
    ("writer.", bedrock(Forces::None, false)),
];

const fn bedrock(forces: Forces, formats: bool) -> Bedrock {
    Bedrock { forces, formats }
}

/// By the beginning of the name, the first that fits.
const OPENAIS: [(&str, OpenAi); 20] = [
    ("gpt-3.5", openai(false, false, false, false, 4096)),
    ("gpt-4-32k", openai(false, false, false, false, 8192)),
    ("gpt-4-turbo", openai(false, false, false, false, 4096)),
    ("gpt-4.1", openai(false, false, false, false, 32_768)),
    ("gpt-4.5", openai(false, false, false, false, 16_384)),
    ("gpt-4o", openai(false, false, false, false, 16_384)),
    ("gpt-4", openai(false, false, false, false, 8192)),
    ("chatgpt-", openai(false, false, false, false, 16_384)),
    ("gpt-5-chat", openai(false, false, false, false, 16_384)),
    (
        "gpt-5.1-codex-max",
        openai(true, true, false, true, 128_000),
    ),
    ("gpt-5.1", openai(true, true, false, false, 128_000)),
    ("gpt-5-codex", openai(true, false, false, false, 128_000)),
    ("gpt-5-pro", openai(true, false, false, false, 272_000)),
    ("gpt-5.", openai(true, true, false, true, 128_000)),
    ("gpt-5", openai(true, false, true, false, 128_000)),
    ("gpt-", openai(true, true, false, true, 128_000)),
    ("o1-mini", openai(true, false, false, false, 65_536)),
    ("o1", openai(true, false, false, false, 100_000)),
    ("o3", openai(true, false, false, false, 100_000)),
    ("o4", openai(true, false, false, false, 100_000)),
];

const fn openai(reasons: bool, none: bool, minimal: bool, xhigh: bool, max_output: u64) -> OpenAi {
    OpenAi {
        reasons,
        none,
        minimal,
        xhigh,
        max_output,
    }
}

impl Family {
    pub(super) fn of(makers: Makers, profile: Profile, model: &str) -> Self {
        match makers {
            Makers::Anthropic if profile == Profile::BedrockInvoke => at_aws(model),
            Makers::Anthropic if profile != Profile::Engine => Family::Claude(claude_of(model)),
            Makers::Bedrock if model.contains("anthropic.") => at_aws(model),
            Makers::Bedrock if model.contains("amazon.nova") => Family::Nova,
            Makers::Bedrock => {
                let known = BEDROCKS.iter().find(|(part, _)| model.contains(part));
                // A model that nobody knows is asked for what it is asked for.
                let free = bedrock(Forces::One, true);
                Family::Bedrock(known.map_or(free, |(_, row)| *row))
            }
            Makers::Google => Family::Gemini(gemini_of(model)),
            Makers::OpenAi if profile.is_openai() => {
                let known = OPENAIS.iter().find(|(name, _)| model.starts_with(name));
                known.map_or(Family::Other, |(_, row)| Family::OpenAi(*row))
            }
            _ => Family::Other,
        }
    }
}

/// The version in a model's name, in Anthropic's, Bedrock's and Vertex's spellings:
/// `claude-opus-4-5-20251101`, `anthropic.claude-3-5-sonnet-20241022-v2:0`, `claude-sonnet-4@20250514`.
fn version(model: &str) -> Option<(u32, u32)> {
    let (_, name) = model.rsplit_once("claude-")?;
    let mut words = name.split(['-', '@', ':', '.', '_']);
    // The word of the family stands ahead of the version, or behind it in the third generation.
    let first = words.next()?;
    let major = match first.parse::<u32>() {
        Ok(major) => major,
        Err(_) => words.next()?.parse().ok()?,
    };
    if major > 99 {
        return None;
    }
    let minor = words.next().and_then(|word| word.parse::<u32>().ok());
    // A date is no minor version.
    Some((major, minor.filter(|minor| *minor < 100).unwrap_or(0)))
}

fn claude_of(model: &str) -> Claude {
    let Some(version) = version(model) else {
        return UNKNOWN;
    };
    let known = CLAUDES.iter().rev().find(|(since, _)| *since <= version);
    // 4.7 is as 4.8 is, not as 4.6.
    let row = match version {
        (4, 7) => CLAUDES.iter().find(|(since, _)| *since == (4, 8)),
        _ => known,
    };
    let mut row = row.map_or(UNKNOWN, |(_, row)| *row);
    row.goes_on = version < OWN_BEGINNING;
    let odd = ODD_CLAUDES
        .iter()
        .find(|(of, name, ..)| *of == version && model.contains(name));
    if let Some((.., max_output, effort)) = odd {
        (row.max_output, row.effort) = (*max_output, *effort);
    }
    row
}

/// A model of Anthropic's at AWS, which refuses a form of answers of those since the fifth generation.
fn at_aws(model: &str) -> Family {
    let mut row = claude_of(model);
    row.formats &= version(model).is_none_or(|version| version < (5, 0));
    Family::Claude(row)
}

/// Whether clouds keep the prompt of a model of Anthropic's for an hour, where asked.
pub(super) fn keeps_for_an_hour(model: &str) -> bool {
    version(model).is_none_or(|version| version >= (4, 5))
}

/// Whether a model of Anthropic's takes `output_config.effort`.
pub(crate) fn takes_effort(model: &str) -> bool {
    claude_of(model).effort
}

/// Whether a model takes system messages within the conversation (documented for Opus 4.8 alone;
/// all others answer 400).
pub(crate) fn takes_system_messages(model: &str) -> bool {
    model.contains("claude-opus-4-8")
}

fn gemini_of(model: &str) -> Gemini {
    let generation = generation(model);
    let is = |part: &str| model.contains(part);
    let pro = is("pro");
    let lite = is("lite");
    Gemini {
        third: generation.is_none_or(|(major, _)| major >= 3),
        thinks: !is("gemma") && generation.is_none_or(|version| version >= (2, 5)),
        // Google's page on thinking: Pro has no minimal, and the first of the third no medium either.
        lacks: match (pro, generation) {
            (true, Some((3, 0))) => &[Effort::Minimal, Effort::Medium],
            (true, Some((3.., _))) => &[Effort::Minimal],
            _ => &[],
        },
        least_budget: match (pro, lite) {
            (true, _) => 128,
            (_, true) => 512,
            _ => 0,
        },
        most_budget: if pro { 32_768 } else { 24_576 },
        max_output: match generation {
            Some(version) if version < (2, 5) => 8192,
            Some(_) => 65_536,
            None => u64::MAX,
        },
    }
}

/// Whether a model of Google's reads JSON schemas. Those before 2.5 read Google's own form only.
pub(crate) fn reads_json_schema(model: &str) -> bool {
    generation(model).is_none_or(|version| version >= (2, 5))
}

fn generation(model: &str) -> Option<(u32, u32)> {
    let (_, version) = model.rsplit_once("gemini-")?;
    let mut numbers = version.split('-').next()?.split('.');
    let major = numbers.next()?.parse().ok()?;
    let minor = numbers.next().and_then(|minor| minor.parse().ok());
    Some((major, minor.unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_in_the_name() {
        let cases = [
            ("claude-opus-4-5-20251101", Some((4, 5))),
            ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", Some((4, 5))),
            ("anthropic.claude-3-5-sonnet-20241022-v2:0", Some((3, 5))),
            ("anthropic.claude-3-haiku-20240307-v1:0", Some((3, 0))),
            ("claude-sonnet-4@20250514", Some((4, 0))),
            ("claude-opus-4-20250514", Some((4, 0))),
            ("claude-3-7-sonnet-latest", Some((3, 7))),
            ("claude-opus-5-5", Some((5, 5))),
            ("my-model", None),
            ("claude-next", None),
        ];
        for (model, expected) in cases {
            assert_eq!(version(model), expected, "{model}");
        }
    }

    #[test]
    fn newer_models_are_as_the_newest_that_is_known() {
        assert_eq!(claude_of("claude-sonnet-4-5").thinks, Thinks::Budget);
        assert_eq!(claude_of("claude-sonnet-4-6").thinks, Thinks::Either);
        assert_eq!(claude_of("claude-opus-4-7").thinks, Thinks::Adaptive);
        assert!(!claude_of("claude-opus-4-7").sampling);
        assert!(!claude_of("claude-sonnet-5-5").sampling);
        assert_eq!(claude_of("claude-opus-4-20250514").max_output, 32_000);
        assert_eq!(claude_of("claude-3-5-haiku-20241022").max_output, 8192);
    }
}
