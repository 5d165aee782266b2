//! A model's tokenizer and template, from its folder or from files.

use std::path::{Path, PathBuf};

use crate::conversation::Conversation;
use crate::error::TokensError;
use crate::json::Json;
use crate::tails::Tails;
use crate::template::{ChatTemplate, Rendering};
use crate::tokenizer::{Tokenizer, read};

/// Tokens of earlier conversations that are remembered for each model: 16 MiB of them.
const REMEMBERED: usize = 4 << 20;

/// Where a model's files are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ModelFiles {
    /// The model's folder, or the tokenizer's file. Beside it `tokenizer_config.json` and
    /// `chat_template.jinja` are read, where there are any.
    pub path: PathBuf,
    /// A template instead of the model's own.
    pub template: Option<PathBuf>,
}

/// A model's way from a request to tokens.
#[derive(Debug)]
pub struct Model {
    tokenizer: Tokenizer,
    template: Option<ChatTemplate>,
    /// The template for conversations with tools, where it is another.
    with_tools: Option<ChatTemplate>,
    special: Vec<(String, String)>,
    tails: Tails,
}

impl Model {
    /// Reads a model's files.
    ///
    /// # Errors
    ///
    /// When a file is missing, can't be read, or is not what it should be.
    pub fn load(files: &ModelFiles) -> Result<Self, TokensError> {
        let (file, folder) = if files.path.is_dir() {
            (tokenizer_in(&files.path)?, files.path.clone())
        } else {
            let folder = files.path.parent().map(Path::to_owned);
            (files.path.clone(), folder.unwrap_or_default())
        };
        let config = folder.join("tokenizer_config.json");
        let config = match config.exists() {
            true => Json::parse(&read(&config)?).map_err(|e| TokensError::Tokenizer {
                path: config,
                why: e.to_string(),
            })?,
            false => Json::Null,
        };
        let tokenizer = Tokenizer::from_file(&file, &added(&config))?;
        let (template, with_tools) = templates(files, &folder, &config)?;
        Ok(Self {
            tokenizer,
            template,
            with_tools,
            special: special(&config),
            tails: Tails::new(REMEMBERED),
        })
    }

    /// Whether it can render conversations.
    pub fn has_template(&self) -> bool {
        self.template.is_some()
    }

    /// Its tokenizer.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// The text that a conversation becomes. `now` is in seconds since 1970.
    ///
    /// # Errors
    ///
    /// When there is no template, or it does not take the conversation.
    pub fn render(&self, conversation: &Conversation, now: i64) -> Result<String, TokensError> {
        let tools = self
            .with_tools
            .as_ref()
            .filter(|_| conversation.tools.is_some());
        let template = tools.or(self.template.as_ref());
        let template = template.ok_or(TokensError::NoTemplate)?;
        let special = &self.special;
        template.render(conversation, Rendering { special, now })
    }

    /// The tokens of a chat request's body.
    ///
    /// # Errors
    ///
    /// When the request can't be rendered here as the engine does it.
    pub fn chat_tokens(&self, body: &[u8], now: i64) -> Result<Vec<u32>, TokensError> {
        let conversation = Conversation::of_chat(body)?;
        let text = self.render(&conversation, now)?;
        self.tails.encode(&self.tokenizer, &text)
    }

    /// The tokens of a completion's prompt.
    ///
    /// # Errors
    ///
    /// When the tokenizer can't say it.
    pub fn text_tokens(&self, text: &str) -> Result<Vec<u32>, TokensError> {
        self.tokenizer.encode(text, true)
    }

    /// Bytes of text that were tokenised, and bytes that did not have to be.
    pub fn bytes(&self) -> (u64, u64) {
        self.tails.bytes()
    }
}

/// The tokenizer's file in a folder. A model that has several is served from the first.
fn tokenizer_in(folder: &Path) -> Result<PathBuf, TokensError> {
    for name in ["tokenizer.json", "tekken.json"] {
        let path = folder.join(name);
        if path.exists() {
            return Ok(path);
        }
    }
    let failed = |source| TokensError::Read {
        path: folder.to_owned(),
        source,
    };
    let entries = std::fs::read_dir(folder).map_err(failed)?;
    // 1,000: a model's folder has some dozen files.
    let mut found: Vec<PathBuf> = entries
        .take(1_000)
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|end| end == "tiktoken"))
        .collect();
    found.sort();
    let first = found.into_iter().next();
    first.ok_or_else(|| TokensError::NoTokenizer(folder.to_owned()))
}

type Templates = (Option<ChatTemplate>, Option<ChatTemplate>);

/// The template that was asked for, else the folder's, else the one in the configuration.
fn templates(files: &ModelFiles, folder: &Path, config: &Json) -> Result<Templates, TokensError> {
    let own = folder.join("chat_template.jinja");
    let file = files
        .template
        .clone()
        .or_else(|| own.exists().then_some(own));
    if let Some(file) = file {
        let source = String::from_utf8(read(&file)?);
        let source = source.map_err(|_| TokensError::Template("it is not UTF-8".to_owned()))?;
        return Ok((Some(ChatTemplate::new(&source)?), None));
    }
    let (mut usual, mut tools) = (None, None);
    match config.get("chat_template") {
        Some(Json::String(source)) => usual = Some(ChatTemplate::new(source)?),
        Some(Json::Array(named)) => {
            for entry in named {
                let text = |name: &str| entry.get(name).and_then(Json::as_str);
                match (text("name"), text("template")) {
                    (Some("default"), Some(source)) => usual = Some(ChatTemplate::new(source)?),
                    (Some("tool_use"), Some(source)) => tools = Some(ChatTemplate::new(source)?),
                    _ => {}
                }
            }
        }
        _ => {}
    }
    Ok((usual, tools))
}

/// Special tokens by name: `bos_token` and its like, as strings or as objects with their content.
fn special(config: &Json) -> Vec<(String, String)> {
    let Json::Object(members) = config else {
        return Vec::new();
    };
    let token = |(name, value): &(String, Json)| {
        let text = value.as_str().or_else(|| value.get("content")?.as_str())?;
        name.ends_with("_token")
            .then(|| (name.clone(), text.to_owned()))
    };
    members.iter().filter_map(token).collect()
}

/// Tokens with their ids that a configuration adds.
fn added(config: &Json) -> Vec<(String, u32)> {
    let Some(Json::Object(members)) = config.get("added_tokens_decoder") else {
        return Vec::new();
    };
    let token = |(id, value): &(String, Json)| {
        let content = value.get("content")?.as_str()?.to_owned();
        Some((content, id.parse().ok()?))
    };
    members.iter().filter_map(token).collect()
}
