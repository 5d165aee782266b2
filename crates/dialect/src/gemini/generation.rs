//! Reads `generationConfig`: how tokens are drawn, the answer's form, how hard the model thinks.

use std::borrow::Cow;

use super::names::{each, integer, name_of, number};
use super::schema::json_schema;
use crate::canonical::Field;
use crate::exchange::{Effort, OutputFormat, Reasoning, Sampling};
use crate::fields::{boolean, field, invalid, string};
use crate::json::{Kind, Value};
use crate::request::RequestError;

/// What `generationConfig` says.
#[derive(Default)]
pub(super) struct Generation<'d> {
    pub(super) sampling: Sampling<'d>,
    pub(super) output: Option<OutputFormat<'d>>,
    pub(super) reasoning: Option<Reasoning<'d>>,
    pub(super) extra: Vec<Field>,
}

const AT_LEAST_0: &str = "must be a whole number of at least 0";

impl<'d> Generation<'d> {
    pub(super) fn read(config: Value<'d>) -> Result<Self, RequestError> {
        object(config, || "generationConfig".to_owned())?;
        let mut read = Self::default();
        let mut media_type = None;
        let mut schema = None;
        for (key, value) in config.members().filter(|(_, value)| !value.is_null()) {
            let name = name_of(key);
            if sampled(&mut read.sampling, &name, value)? {
                continue;
            }
            match name.as_ref() {
                "responseMimeType" => {
                    let path = || "generationConfig.responseMimeType".to_owned();
                    media_type = Some(string(value, path)?);
                }
                "responseSchema" | "responseJsonSchema" if schema.is_some() => {
                    let path = format!("generationConfig.{name}");
                    return Err(invalid(&path, "is the second schema of the answer"));
                }
                "responseSchema" => schema = Some(json_schema(value)),
                "responseJsonSchema" => schema = Some(Cow::Borrowed(value.raw())),
                "thinkingConfig" => read.reasoning = thinking(value)?,
                _ => read
                    .extra
                    .push(field(&format!("generationConfig.{name}"), value)),
            }
        }
        read.output = match (schema, media_type) {
            (Some(schema), _) => Some(OutputFormat::JsonSchema {
                name: Cow::Borrowed("response"),
                description: None,
                schema,
                strict: None,
            }),
            (None, Some(told)) if told == "application/json" => Some(OutputFormat::JsonObject),
            (None, Some(told)) if told == "text/plain" => Some(OutputFormat::Text),
            (None, Some(told)) => {
                read.extra.push(Field {
                    name: "generationConfig.responseMimeType".to_owned(),
                    value: crate::json::json_string(&told),
                });
                None
            }
            (None, None) => None,
        };
        Ok(read)
    }
}

/// Takes a field that decides how tokens are drawn. False where it is none.
pub(super) fn sampled<'d>(
    sampling: &mut Sampling<'d>,
    name: &str,
    value: Value<'d>,
) -> Result<bool, RequestError> {
    match name {
        "temperature" => {
            sampling.temperature = Some(number(value, "generationConfig.temperature")?)
        }
        "topP" => sampling.top_p = Some(number(value, "generationConfig.topP")?),
        "topK" => sampling.top_k = Some(integer(value, "generationConfig.topK", AT_LEAST_0)?),
        "candidateCount" => {
            const PATH: &str = "generationConfig.candidateCount";
            let count: u32 = integer(value, PATH, "must be a whole number of at least 1")?;
            if count == 0 {
                return Err(invalid(PATH, "must be a whole number of at least 1"));
            }
            sampling.n = Some(count);
        }
        "maxOutputTokens" => {
            let cap = integer(value, "generationConfig.maxOutputTokens", AT_LEAST_0)?;
            sampling.max_tokens = Some(cap);
        }
        "seed" => {
            const RANGE: &str = "must be a 32-bit signed integer";
            let seed: i32 = integer(value, "generationConfig.seed", RANGE)?;
            sampling.seed = Some(i64::from(seed));
        }
        "frequencyPenalty" => {
            let penalty = number(value, "generationConfig.frequencyPenalty")?;
            sampling.frequency_penalty = Some(penalty);
        }
        "presencePenalty" => {
            let penalty = number(value, "generationConfig.presencePenalty")?;
            sampling.presence_penalty = Some(penalty);
        }
        "responseLogprobs" => {
            sampling.logprobs = boolean(value, "generationConfig.responseLogprobs")?;
        }
        "logprobs" => {
            let count = integer(value, "generationConfig.logprobs", AT_LEAST_0)?;
            sampling.top_logprobs = Some(count);
        }
        "stopSequences" => {
            for (position, stop) in each(value).enumerate() {
                let path = || format!("generationConfig.stopSequences[{position}]");
                sampling.stop.push(string(stop, path)?);
            }
        }
        _ => return Ok(false),
    }
    Ok(true)
}

fn thinking<'d>(config: Value<'d>) -> Result<Option<Reasoning<'d>>, RequestError> {
    const BUDGET: &str = "generationConfig.thinkingConfig.thinkingBudget";
    const LEVEL: &str = "generationConfig.thinkingConfig.thinkingLevel";
    object(config, || "generationConfig.thinkingConfig".to_owned())?;
    let mut reasoning = Reasoning::default();
    for (key, value) in config.members().filter(|(_, value)| !value.is_null()) {
        match name_of(key).as_ref() {
            "includeThoughts" => {
                let shown = boolean(value, "generationConfig.thinkingConfig.includeThoughts")?;
                reasoning.summary = shown.then_some(Cow::Borrowed("auto"));
            }
            "thinkingBudget" => match integer::<i64>(value, BUDGET, "must be at least -1")? {
                -1 => reasoning.adaptive = true,
                0 => reasoning.effort = Some(Effort::None),
                budget => {
                    let budget = u64::try_from(budget);
                    let budget = budget.map_err(|_| invalid(BUDGET, "must be at least -1"))?;
                    reasoning.budget = Some(budget);
                }
            },
            "thinkingLevel" => {
                let level = string(value, || LEVEL.to_owned())?;
                reasoning.effort = match level.to_ascii_uppercase().as_str() {
                    "THINKING_LEVEL_UNSPECIFIED" => None,
                    "MINIMAL" => Some(Effort::Minimal),
                    "LOW" => Some(Effort::Low),
                    "MEDIUM" => Some(Effort::Medium),
                    "HIGH" => Some(Effort::High),
                    "XHIGH" => Some(Effort::Max),
                    _ => {
                        return Err(invalid(
                            LEVEL,
                            "must be MINIMAL, LOW, MEDIUM, HIGH or XHIGH",
                        ));
                    }
                };
            }
            _ => {}
        }
    }
    // To be shown thoughts and nothing else: the model decides how much there is of them.
    let said = reasoning.effort.is_some() || reasoning.budget.is_some() || reasoning.adaptive;
    reasoning.adaptive |= !said && reasoning.summary.is_some();
    Ok((said || reasoning.adaptive).then_some(reasoning))
}

/// Refuses what is no object.
pub(super) fn object(value: Value<'_>, path: impl FnOnce() -> String) -> Result<(), RequestError> {
    if value.kind() == Kind::Object {
        Ok(())
    } else {
        Err(RequestError::wrong_type(path(), "an object", value))
    }
}
