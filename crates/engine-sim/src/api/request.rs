//! What chat and text completions have in common: sampling parameters, streaming, aids for tests.

use serde_json::Value;

use super::error::ApiError;
use super::fields::{Fields, wrong};
use crate::answer::{Say, Wish};
use crate::config::SimConfig;
use crate::fault::Fault;

/// Choices in one answer; OpenAI's own limit.
const MAX_N: usize = 128;

/// Stop strings of one request; more than any client sends, few enough to search for one by one.
const MAX_STOPS: usize = 64;

/// The parameters both endpoints share.
#[derive(Debug, Clone, Default)]
pub(crate) struct Common {
    pub(crate) model: String,
    pub(crate) wish: Wish,
    pub(crate) n: usize,
    pub(crate) stream: bool,
    pub(crate) include_usage: bool,
    pub(crate) cache_salt: Option<String>,
    /// Leading tokens that the salt leaves out, in whole blocks. vLLM 0.32 has no such field.
    pub(crate) shared_prefix_tokens: usize,
    pub(crate) fault: Option<Fault>,
}

impl Common {
    pub(crate) fn read(fields: &Fields, config: &SimConfig) -> Result<Self, ApiError> {
        let model = match fields.text("model")? {
            Some(model) if config.served_model_names.iter().any(|name| name == model) => model,
            Some(model) => {
                return Err(ApiError::unknown_model(model, &config.served_model_names));
            }
            None => config.model_name(),
        };
        check_ranges(fields)?;
        let n = fields.at_least("n", 1)?.unwrap_or(1);
        if n > MAX_N {
            let message = format!("n must be at most {MAX_N}, got {n}. (parameter=n, value={n})");
            return Err(ApiError::bad_request(message, Some("n")));
        }
        let stream_options = fields.object("stream_options")?;
        let stream = fields.flag("stream")?.unwrap_or(false);
        let xargs = fields.object("vllm_xargs")?;
        Ok(Self {
            model: model.to_owned(),
            wish: Wish {
                max_tokens: fields.at_least("max_tokens", 1)?,
                min_tokens: fields.at_least("min_tokens", 0)?.unwrap_or(0),
                ignore_eos: fields.flag("ignore_eos")?.unwrap_or(false),
                seed: fields.integer("seed")?.unwrap_or(0),
                stop: stops(fields)?,
                include_stop: fields.flag("include_stop_str_in_output")?.unwrap_or(false),
                json: json_shape(fields)?,
                say: say(&xargs)?,
                ..Wish::default()
            },
            n,
            stream,
            include_usage: stream_options.flag("include_usage")?.unwrap_or(false),
            cache_salt: cache_salt(fields)?,
            shared_prefix_tokens: fields.at_least("shared_prefix_tokens", 0)?.unwrap_or(0),
            fault: fault(&xargs)?,
        })
    }
}

fn check_ranges(fields: &Fields) -> Result<(), ApiError> {
    let refuse = |name: &str, rule: &str, value: f64| {
        let message =
            format!("{name} must be {rule}, got {value}. (parameter={name}, value={value})");
        Err(ApiError::bad_request(message, Some(name)))
    };
    match fields.number("temperature")? {
        Some(value) if value < 0.0 => return refuse("temperature", "non-negative", value),
        _ => {}
    }
    match fields.number("top_p")? {
        Some(value) if value <= 0.0 || value > 1.0 => refuse("top_p", "in (0, 1]", value),
        _ => Ok(()),
    }
}

fn cache_salt(fields: &Fields) -> Result<Option<String>, ApiError> {
    match fields.text("cache_salt")? {
        Some("") => Err(ApiError::bad_request(
            "Parameter 'cache_salt' must be a non-empty string if provided. (parameter=cache_salt)"
                .to_owned(),
            Some("cache_salt"),
        )),
        salt => Ok(salt.map(str::to_owned)),
    }
}

fn stops(fields: &Fields) -> Result<Vec<String>, ApiError> {
    let location = fields.location("stop");
    let text = |value: &Value| {
        value.as_str().map(str::to_owned).ok_or_else(|| {
            wrong(
                "string_type",
                &location,
                "Input should be a valid string",
                value,
            )
        })
    };
    match fields.get("stop") {
        None => Ok(Vec::new()),
        Some(Value::Array(stops)) if stops.len() > MAX_STOPS => Err(ApiError::bad_request(
            format!(
                "stop has {} entries, over the limit of {MAX_STOPS}",
                stops.len()
            ),
            Some("stop"),
        )),
        Some(Value::Array(stops)) => stops.iter().map(text).collect(),
        Some(stop) => Ok(vec![text(stop)?]),
    }
}

/// The schema that `response_format` (or vLLM's older `guided_json`) asks for.
fn json_shape(fields: &Fields) -> Result<Option<Value>, ApiError> {
    if let Some(schema) = fields.get("guided_json") {
        return Ok(Some(schema.clone()));
    }
    let format = fields.object("response_format")?;
    match format.text("type")? {
        None | Some("text") => Ok(None),
        Some("json_object") => Ok(Some(serde_json::json!({
            "type": "object",
            "properties": {"answer": {"type": "string"}, "count": {"type": "integer"}}
        }))),
        Some("json_schema") => {
            let schema = format.object("json_schema")?;
            match schema.get("schema") {
                Some(schema) => Ok(Some(schema.clone())),
                None => Err(schema.missing("schema")),
            }
        }
        Some(other) => Err(ApiError::bad_request(
            format!("response_format of type `{other}` is not simulated"),
            Some("response_format"),
        )),
    }
}

fn say(xargs: &Fields) -> Result<Option<Say>, ApiError> {
    if let Some(parts) = xargs.list("forebay_say_parts")? {
        let parts = parts.iter().map(|part| part.as_str().map(str::to_owned));
        let parts: Option<Vec<String>> = parts.collect();
        let missing = || xargs.missing("forebay_say_parts");
        return Ok(Some(Say::Parts(parts.ok_or_else(missing)?)));
    }
    let text = xargs.text("forebay_say")?;
    Ok(text.map(|text| Say::Text(text.to_owned())))
}

fn fault(xargs: &Fields) -> Result<Option<Fault>, ApiError> {
    let Some(value) = xargs.get("forebay_fault") else {
        return Ok(None);
    };
    Fault::from_value(value.clone())
        .map(Some)
        .map_err(|error| ApiError::bad_request(error.to_string(), Some("vllm_xargs")))
}
