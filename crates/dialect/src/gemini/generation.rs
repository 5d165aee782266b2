//! Reads `generationConfig`: how tokens are drawn, the answer's form, how hard the model thinks.

use std::borrow::Cow;

use super::grammar::DRAWN;
use super::names::{integer, named};
use super::schema::json_schema;
use crate::canonical::Field;
use crate::exchange::{Effort, OutputFormat, Reasoning, Sampling};
use crate::fields::{boolean, field, invalid, object, string};
use crate::grammar::asked::unnamed;
use crate::json::Value;
use crate::request::RequestError;

/// What `generationConfig` says.
#[derive(Default)]
pub(super) struct Generation<'d> {
    pub(super) sampling: Sampling<'d>,
    pub(super) output: Option<OutputFormat<'d>>,
    pub(super) reasoning: Option<Reasoning<'d>>,
    pub(super) extra: Vec<Field>,
}

impl<'d> Generation<'d> {
    pub(super) fn read(config: Value<'d>) -> Result<Self, RequestError> {
        object(config, "generationConfig")?;
        let mut read = Self::default();
        let mut media_type = None;
        let mut schema = None;
        for (name, value) in named(config) {
            if DRAWN.read(&mut read.sampling, &name, value)? {
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
            (Some(schema), _) => Some(unnamed(schema)),
            (None, Some(told)) if told == "application/json" => Some(OutputFormat::JsonObject),
            (None, Some(told)) if told == "text/plain" => Some(OutputFormat::Text),
            (None, Some(told)) => {
                read.extra.push(Field::new(
                    "generationConfig.responseMimeType",
                    crate::json::json_string(&told),
                ));
                None
            }
            (None, None) => None,
        };
        Ok(read)
    }
}

fn thinking<'d>(config: Value<'d>) -> Result<Option<Reasoning<'d>>, RequestError> {
    const BUDGET: &str = "generationConfig.thinkingConfig.thinkingBudget";
    const LEVEL: &str = "generationConfig.thinkingConfig.thinkingLevel";
    object(config, "generationConfig.thinkingConfig")?;
    let mut reasoning = Reasoning::default();
    for (name, value) in named(config) {
        match name.as_ref() {
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
                let level = string(value, LEVEL)?;
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
