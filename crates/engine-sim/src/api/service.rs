//! The endpoints other than completions: models, tokens, health, load, metrics.

use bytes::Bytes;
use serde::Serialize;
use serde_json::Value;

use super::chat;
use super::error::ApiError;
use super::fields::Fields;
use super::job::now;
use crate::chat_template;
use crate::config::SimConfig;
use crate::tokenizer;

/// What `/version` says: the version whose wire format this follows, and that it is not it.
const VERSION: &str = "0.32.0+forebay.sim";

#[derive(Serialize)]
struct List<T> {
    object: &'static str,
    data: Vec<T>,
}

#[derive(Serialize)]
struct Model<'a> {
    id: &'a str,
    object: &'static str,
    created: u64,
    owned_by: &'static str,
    root: &'a str,
    parent: Option<()>,
    max_model_len: usize,
    permission: [Permission; 1],
}

#[derive(Serialize)]
struct Permission {
    id: String,
    object: &'static str,
    created: u64,
    allow_create_engine: bool,
    allow_sampling: bool,
    allow_logprobs: bool,
    allow_search_indices: bool,
    allow_view: bool,
    allow_fine_tuning: bool,
    organization: &'static str,
    group: Option<()>,
    is_blocking: bool,
}

fn json(value: &impl Serialize) -> Bytes {
    Bytes::from(serde_json::to_vec(value).unwrap_or_default())
}

/// `/v1/models`.
pub(crate) fn models(config: &SimConfig) -> Bytes {
    let created = now();
    let names = config.served_model_names.iter();
    let data = names.enumerate().map(|(place, id)| Model {
        id,
        object: "model",
        created,
        owned_by: "forebay-engine-sim",
        root: config.model_name(),
        parent: None,
        max_model_len: config.max_model_len,
        permission: [Permission {
            id: format!("modelperm-{place:016x}"),
            object: "model_permission",
            created,
            allow_create_engine: false,
            allow_sampling: true,
            allow_logprobs: true,
            allow_search_indices: false,
            allow_view: true,
            allow_fine_tuning: false,
            organization: "*",
            group: None,
            is_blocking: false,
        }],
    });
    json(&List {
        object: "list",
        data: data.collect(),
    })
}

/// `/version`.
pub(crate) fn version() -> Bytes {
    #[derive(Serialize)]
    struct Version {
        version: &'static str,
    }
    json(&Version { version: VERSION })
}

/// `/load`.
pub(crate) fn load(requests: usize) -> Bytes {
    #[derive(Serialize)]
    struct Load {
        server_load: usize,
    }
    json(&Load {
        server_load: requests,
    })
}

/// `/tokenize`, of a prompt or of messages.
pub(crate) fn tokenize(body: &[u8], config: &SimConfig) -> Result<Bytes, ApiError> {
    #[derive(Serialize)]
    struct Tokens {
        count: usize,
        max_model_len: usize,
        tokens: Vec<u32>,
        token_strs: Option<Vec<String>>,
    }
    let fields = Fields::parse(body)?;
    known_model(&fields, config)?;
    let tokens = match fields.text("prompt")? {
        Some(prompt) => tokenizer::encode(prompt),
        None => {
            let messages = chat::messages(&fields)?;
            let tools = fields.list("tools")?.map(Vec::as_slice);
            let open = fields.flag("add_generation_prompt")?.unwrap_or(true);
            chat_template::render(messages, tools, open)
        }
    };
    let strings = fields.flag("return_token_strs")?.unwrap_or(false);
    Ok(json(&Tokens {
        count: tokens.len(),
        max_model_len: config.max_model_len,
        token_strs: strings.then(|| {
            let decode = |token: &u32| tokenizer::decode(&[*token]);
            tokens.iter().map(decode).collect()
        }),
        tokens,
    }))
}

/// `/detokenize`.
pub(crate) fn detokenize(body: &[u8], config: &SimConfig) -> Result<Bytes, ApiError> {
    #[derive(Serialize)]
    struct Prompt {
        prompt: String,
    }
    let fields = Fields::parse(body)?;
    known_model(&fields, config)?;
    let list = fields
        .list("tokens")?
        .ok_or_else(|| fields.missing("tokens"))?;
    let token = |id: &Value| {
        let token = id.as_u64().and_then(|id| u32::try_from(id).ok());
        token
            .filter(|token| tokenizer::is_token(*token))
            .ok_or_else(|| {
                let message = format!("Token id {id} is out of vocabulary");
                ApiError::bad_request(message, Some("tokens"))
            })
    };
    let tokens = list.iter().map(token).collect::<Result<Vec<_>, _>>()?;
    Ok(json(&Prompt {
        prompt: tokenizer::decode(&tokens),
    }))
}

fn known_model(fields: &Fields, config: &SimConfig) -> Result<(), ApiError> {
    match fields.text("model")? {
        Some(model) if !config.served_model_names.iter().any(|name| name == model) => {
            Err(ApiError::unknown_model(model, &config.served_model_names))
        }
        _ => Ok(()),
    }
}
