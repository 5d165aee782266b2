//! A request's messages and tools, in the form in which vLLM hands them to a chat template.

use crate::error::TokensError;
use crate::json::Json;

/// How a template wants a message's content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// As one string: several parts are joined by line breaks.
    String,
    /// As a list of parts.
    Parts,
}

impl Content {
    /// What a template asks for: one that loops over a message's content wants parts.
    pub(crate) fn of_template(source: &str) -> Self {
        let is_content = |expression: &str| {
            let expression = expression.split('|').next().unwrap_or_default().trim();
            [".content", "['content']", "[\"content\"]"]
                .iter()
                .any(|end| expression.ends_with(end))
        };
        let mut names: Vec<&str> = Vec::new();
        let mut parts = false;
        for tag in tags(source) {
            if let Some((name, value)) = tag.strip_prefix("set ").and_then(|s| s.split_once('=')) {
                let value = value.split(" if ").next().unwrap_or_default();
                if is_content(value) {
                    names.push(name.trim());
                }
            } else if let Some((_, over)) = tag
                .strip_prefix("for ")
                .and_then(|rest| rest.split_once(" in "))
            {
                let over = over.split(" if ").next().unwrap_or_default().trim();
                parts |= is_content(over) || names.contains(&over);
            }
        }
        if parts {
            Content::Parts
        } else {
            Content::String
        }
    }
}

/// The statements of a template, without their braces.
fn tags(source: &str) -> impl Iterator<Item = &str> {
    source.split("{%").skip(1).filter_map(|rest| {
        let (tag, _) = rest.split_once("%}")?;
        Some(tag.trim_matches(['-', '+']).trim())
    })
}

/// A conversation to render.
#[derive(Debug, Clone, PartialEq)]
pub struct Conversation {
    said: Vec<Json>,
    bytes: usize,
    pub(crate) tools: Option<Vec<Json>>,
    pub(crate) documents: Option<Vec<Json>>,
    pub(crate) add_generation_prompt: bool,
    continues: bool,
    /// `chat_template_kwargs` and what else of the request templates see.
    pub(crate) arguments: Vec<(String, Json)>,
}

impl Conversation {
    /// Reads the body of a request to `/v1/chat/completions` or `/tokenize`.
    ///
    /// # Errors
    ///
    /// When the body is no such request, or has what is not rendered here as the engine does it:
    /// images and other media.
    pub fn of_chat(body: &[u8]) -> Result<Self, TokensError> {
        let body =
            Json::parse(body).map_err(|_| TokensError::Unsupported("the body is not JSON"))?;
        let flag = |name: &str| match body.get(name) {
            Some(Json::Bool(set)) => Some(*set),
            _ => None,
        };
        let messages = body.get("messages").map(Json::items).unwrap_or_default();
        if messages.is_empty() {
            return Err(TokensError::Unsupported("the request has no messages"));
        }
        for message in messages {
            check(message)?;
        }
        let continues = flag("continue_final_message").unwrap_or(false);
        let list = |name: &str| match body.get(name) {
            Some(Json::Array(items)) => Some(items.clone()),
            _ => None,
        };
        let tools = list("tools").filter(|tools| !tools.is_empty());
        let no_tools = body.get("tool_choice").and_then(Json::as_str) == Some("none");
        let mut arguments = Vec::new();
        if let Some(effort) = body
            .get("reasoning_effort")
            .filter(|effort| !effort.is_null())
        {
            arguments.push(("reasoning_effort".to_owned(), effort.clone()));
        }
        if let Some(Json::Object(members)) = body.get("chat_template_kwargs") {
            arguments.extend(members.iter().cloned());
        }
        if body.get("chat_template").is_some_and(|own| !own.is_null()) {
            return Err(TokensError::Unsupported(
                "the request brings a template of its own",
            ));
        }
        let tools = tools.filter(|_| !no_tools);
        let tools = tools.map(|tools| tools.iter().map(tool).collect());
        Ok(Self {
            bytes: messages.iter().map(size).sum::<usize>()
                + tools.iter().flatten().map(size).sum::<usize>(),
            said: messages.to_vec(),
            tools,
            documents: list("documents"),
            add_generation_prompt: flag("add_generation_prompt").unwrap_or(!continues),
            continues,
            arguments,
        })
    }

    /// About how many bytes of text it has.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The messages for a template that wants its content so.
    pub(crate) fn messages(&self, content: Content) -> Vec<Json> {
        let said = self.said.iter();
        said.map(|message| shown(message, content)).collect()
    }

    /// Cuts what the template wrote after the last message, where the model is to continue it.
    pub(crate) fn finish(&self, mut text: String) -> Result<String, TokensError> {
        if !self.continues {
            return Ok(text);
        }
        let last = self.said.last();
        let last = last.map(|message| joined(message.get("content")));
        let last = last.unwrap_or_default();
        let bare = last.trim();
        let Some(at) = text.rfind(bare).filter(|_| !bare.is_empty()) else {
            return Err(TokensError::Unsupported(
                "the template does not repeat the message that is to be continued",
            ));
        };
        // A template that keeps the message's space at its end is followed, one that trims too.
        let kept = match text
            .get(at..)
            .is_some_and(|rest| rest.starts_with(last.trim_start()))
        {
            true => last.trim_start().len(),
            false => bare.len(),
        };
        text.truncate(at + kept);
        Ok(text)
    }
}

/// Whether a message is one that is rendered here as the engine does it.
fn check(message: &Json) -> Result<(), TokensError> {
    let Json::Object(_) = message else {
        return Err(TokensError::Unsupported("a message is not an object"));
    };
    if message.get("role").and_then(Json::as_str).is_none() {
        return Err(TokensError::Unsupported("a message has no role"));
    }
    for part in message.get("content").map(Json::items).unwrap_or_default() {
        let kind = part.get("type").and_then(Json::as_str);
        if part.as_str().is_none() && !kind.is_some_and(|kind| TEXTS.contains(&kind)) {
            return Err(TokensError::Unsupported(
                "a message has a part that is not text",
            ));
        }
    }
    Ok(())
}

/// Parts that are text to the engine.
const TEXTS: [&str; 5] = ["text", "input_text", "output_text", "refusal", "thinking"];

fn text_of(part: &Json) -> Option<&str> {
    if let Some(text) = part.as_str() {
        return Some(text);
    }
    let name = match part.get("type").and_then(Json::as_str)? {
        "refusal" => "refusal",
        "thinking" => "thinking",
        _ => "text",
    };
    part.get(name).and_then(Json::as_str)
}

/// A message's text, its parts joined by line breaks.
fn joined(content: Option<&Json>) -> String {
    match content {
        Some(Json::String(text)) => text.clone(),
        Some(Json::Array(parts)) => {
            let texts: Vec<&str> = parts.iter().filter_map(text_of).collect();
            texts.join("\n")
        }
        _ => String::new(),
    }
}

/// A message as vLLM gives it to the template: role and content first, and of the rest what it
/// passes on.
fn shown(message: &Json, content: Content) -> Json {
    let role = message
        .get("role")
        .and_then(Json::as_str)
        .unwrap_or_default();
    let said = message.get("content");
    let wrap = |text: &str| {
        Json::Object(vec![
            ("type".to_owned(), "text".into()),
            ("text".to_owned(), text.into()),
        ])
    };
    let content = match (content, said) {
        (Content::Parts, Some(Json::String(text))) if role != "tool" => {
            Json::Array(vec![wrap(text)])
        }
        (Content::Parts, _) if role != "tool" => {
            let parts = said.map(Json::items).unwrap_or_default();
            Json::Array(parts.iter().filter_map(text_of).map(wrap).collect())
        }
        _ => Json::String(joined(said)),
    };
    let mut out = Json::Object(vec![
        ("role".to_owned(), role.into()),
        ("content".to_owned(), content),
    ]);
    if role == "assistant" {
        let calls = message
            .get("tool_calls")
            .map(Json::items)
            .unwrap_or_default();
        if !calls.is_empty() {
            out.set("tool_calls", Json::Array(calls.iter().map(call).collect()));
        }
        let reasoning = message.get("reasoning").filter(|said| !said.is_null());
        if let Some(reasoning) = reasoning {
            out.set("reasoning", reasoning.clone());
            out.set("reasoning_content", reasoning.clone());
        }
    }
    let own: &[&str] = match role {
        "tool" => &["tool_call_id", "name"],
        "developer" => &["name", "tools"],
        _ => &["name"],
    };
    for name in own {
        if let Some(value) = message.get(name).filter(|value| !value.is_null()) {
            out.set(name, value.clone());
        }
    }
    out
}

/// A call with its arguments as an object, which is what templates expect.
fn call(call: &Json) -> Json {
    let mut call = call.clone();
    let Some(mut function) = call.get("function").cloned() else {
        return call;
    };
    let arguments = match function.get("arguments") {
        Some(Json::String(text)) => Json::parse(text.as_bytes()).unwrap_or(Json::Object(vec![])),
        Some(given @ (Json::Object(_) | Json::Array(_))) => given.clone(),
        _ => Json::Object(Vec::new()),
    };
    function.set("arguments", arguments);
    call.set("function", function);
    call
}

/// A tool as vLLM's types write it: the members in their order, absent ones as null.
fn tool(tool: &Json) -> Json {
    let Some(function) = tool.get("function") else {
        return tool.clone();
    };
    let member = |name: &str| function.get(name).cloned().unwrap_or(Json::Null);
    let mut written = Json::Object(vec![
        ("name".to_owned(), member("name")),
        ("description".to_owned(), member("description")),
        ("parameters".to_owned(), member("parameters")),
    ]);
    if let Json::Object(members) = function {
        for (name, value) in members {
            if !matches!(name.as_str(), "name" | "description" | "parameters") {
                written.set(name, value.clone());
            }
        }
    }
    Json::Object(vec![
        ("type".to_owned(), "function".into()),
        ("function".to_owned(), written),
    ])
}

/// About how many bytes a value has.
fn size(json: &Json) -> usize {
    match json {
        Json::String(text) => text.len(),
        Json::Array(items) => items.iter().map(size).sum::<usize>() + 2,
        Json::Object(members) => {
            members
                .iter()
                .map(|(k, v)| k.len() + size(v) + 6)
                .sum::<usize>()
                + 2
        }
        _ => 8,
    }
}
