//! A request's messages and tools, in the form in which vLLM hands them to a chat template.

use crate::content::Content;
use crate::error::TokensError;
use crate::json::Json;

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
        let arguments = arguments(&body);
        if body.get("chat_template").is_some_and(|own| !own.is_null()) {
            return Err(TokensError::Unsupported(
                "the request brings a template of its own",
            ));
        }
        // Also with `tool_choice: "none"`: the engine shows them to the model all the same.
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
    ///
    /// A template that knows no `developer` gets such messages as the system's, and all of the
    /// system's as one, in the first place: many templates take none elsewhere.
    pub(crate) fn messages(&self, content: Content, knows_developer: bool) -> Vec<Json> {
        let said = self.said.iter();
        let messages: Vec<Json> = said.map(|message| shown(message, content)).collect();
        if knows_developer || !messages.iter().any(|message| role(message) == "developer") {
            return messages;
        }
        as_system(messages)
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

/// What templates see of a request beside its messages and tools: its `chat_template_kwargs`, and
/// over them the members that OpenAI's API has for the same. An effort switches thinking on or off
/// where the request does not say itself.
fn arguments(body: &Json) -> Vec<(String, Json)> {
    let mut arguments = match body.get("chat_template_kwargs") {
        Some(Json::Object(members)) => members.clone(),
        _ => Vec::new(),
    };
    let effort = body.get("reasoning_effort");
    if let Some(effort) = effort.filter(|effort| !effort.is_null()) {
        if !arguments.iter().any(|(name, _)| name == "enable_thinking") {
            let thinks = effort.as_str() != Some("none");
            arguments.push(("enable_thinking".to_owned(), Json::Bool(thinks)));
        }
        arguments.retain(|(name, _)| name != "reasoning_effort");
        arguments.push(("reasoning_effort".to_owned(), effort.clone()));
    }
    arguments
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

fn role(message: &Json) -> &str {
    let role = message.get("role").and_then(Json::as_str);
    role.unwrap_or_default()
}

fn as_system(mut messages: Vec<Json>) -> Vec<Json> {
    for message in &mut messages {
        if role(message) == "developer" {
            message.set("role", "system".into());
            message.remove("tools");
        }
    }
    let late = |(at, message): (usize, &Json)| at > 0 && role(message) == "system";
    if !messages.iter().enumerate().any(late) {
        return messages;
    }
    let (system, others): (Vec<Json>, Vec<Json>) = messages
        .into_iter()
        .partition(|message| role(message) == "system");
    let texts = system.iter().map(|message| joined(message.get("content")));
    let texts: Vec<String> = texts.filter(|text| !text.is_empty()).collect();
    let one = Json::Object(vec![
        ("role".to_owned(), "system".into()),
        ("content".to_owned(), texts.join("\n\n").as_str().into()),
    ]);
    std::iter::once(one).chain(others).collect()
}

/// Begins the line with which Claude Code tells of itself in a system prompt. It differs with every
/// request; the engine leaves it out.
const BILLING: &str = "x-anthropic-billing-header";

/// A system message without that line.
fn without_billing(content: &Json) -> Json {
    let rest = |text: &str| -> Option<String> {
        if !text.starts_with(BILLING) {
            return Some(text.to_owned());
        }
        let (_, rest) = text.split_once('\n')?;
        (!rest.is_empty()).then(|| rest.to_owned())
    };
    let text = |text: &str| rest(text).map(|text| Json::from(text.as_str()));
    match content {
        Json::String(said) => text(said).unwrap_or_else(|| Json::Array(Vec::new())),
        Json::Array(parts) => {
            let parts = parts.iter().filter_map(|part| match part {
                Json::String(said) => text(said),
                Json::Object(_) if part.get("type").and_then(Json::as_str) == Some("text") => {
                    let said = part.get("text").and_then(Json::as_str);
                    let mut part = part.clone();
                    part.set("text", text(said.unwrap_or_default())?);
                    Some(part)
                }
                _ => Some(part.clone()),
            });
            Json::Array(parts.collect())
        }
        other => other.clone(),
    }
}

/// A message as vLLM gives it to the template: role and content first, and of the rest what it
/// passes on.
fn shown(message: &Json, content: Content) -> Json {
    let role = role(message);
    let said = message.get("content");
    let told = said.filter(|_| role == "system").map(without_billing);
    let said = told.as_ref().or(said);
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
        let said = |name: &str| message.get(name).filter(|said| !said.is_null());
        let reasoning = said("reasoning").or_else(|| said("reasoning_content"));
        if let Some(reasoning) = reasoning {
            out.set("reasoning", reasoning.clone());
            out.set("reasoning_content", reasoning.clone());
        }
    }
    let own: &[&str] = match role {
        "tool" => &["tool_call_id", "name", "task"],
        "developer" => &["name", "task", "tools"],
        _ => &["name", "task"],
    };
    for name in own {
        if let Some(value) = message.get(name).filter(|value| !value.is_null()) {
            out.set(name, value.clone());
        }
    }
    out
}

/// A call as the engine's types write it: the members in their order, the arguments as an object,
/// which is what templates expect.
fn call(call: &Json) -> Json {
    let Some(function) = call.get("function") else {
        return call.clone();
    };
    let arguments = match function.get("arguments") {
        Some(Json::String(text)) => Json::parse(text.as_bytes()).unwrap_or(Json::Object(vec![])),
        Some(given @ (Json::Object(_) | Json::Array(_))) => given.clone(),
        _ => Json::Object(Vec::new()),
    };
    let given = |name: &str| {
        function
            .get(name)
            .map(|value| (name.to_owned(), value.clone()))
    };
    let function = std::iter::once(("arguments".to_owned(), arguments)).chain(given("name"));
    let mut written = Vec::new();
    if let Some(id) = call.get("id") {
        written.push(("id".to_owned(), id.clone()));
    }
    written.push(("function".to_owned(), Json::Object(function.collect())));
    if let Some(kind) = call.get("type") {
        written.push(("type".to_owned(), kind.clone()));
    }
    Json::Object(written)
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
