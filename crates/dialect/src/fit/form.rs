//! Forms of answers that a target has no word for: the answer is then had as the arguments of a
//! tool that has to be called, and told as plain content.

use std::borrow::Cow;

use serde_json::{Map, Value as Json, json};

use super::aim::{Aim, Fitted};
use super::back::WRAPPED;
use super::closed::is_closed;
use super::family::{Family, Forces};
use crate::contract::ways::Forms;
use crate::exchange::{ChatRequest, Message, OutputFormat, Part, Role, Tool, ToolChoice};
use crate::json::{Document, Kind, write};

/// The tool's name, unless the client has one of that name.
const NAME: &str = "answer_in_json";
const ABOUT: &str = "Gives the final answer. Its arguments are the answer: the JSON that was asked for, complete, and nothing besides.";

pub(super) fn fit(request: &mut ChatRequest<'_>, aim: &Aim<'_>, fitted: &mut Fitted) {
    let Some(output) = &request.output else {
        return;
    };
    if !needs_tool(output, request, aim) {
        note(request, aim);
        if aim.profile.is_openai() && request.output == Some(OutputFormat::JsonObject) {
            say_json(request, aim, fitted);
        }
        return;
    }
    // The client demands a call of its own: then nothing is said whose form would matter.
    if matches!(
        request.tool_choice,
        Some(ToolChoice::Required | ToolChoice::Tool(_) | ToolChoice::Allowed(_, true))
    ) && !request.tools.is_empty()
    {
        request.output = None;
        return;
    }
    let (schema, about, wrapped) = match request.output.take() {
        Some(OutputFormat::JsonSchema {
            schema,
            description,
            ..
        }) => {
            let about = description.map(|about| format!("{ABOUT}\n\n{about}"));
            let (schema, wrapped) = as_object(&schema);
            (schema, about.unwrap_or_else(|| ABOUT.to_owned()), wrapped)
        }
        _ => {
            let any = "{\"type\":\"object\",\"additionalProperties\":true}".to_owned();
            (any, ABOUT.to_owned(), false)
        }
    };
    let mut name = NAME.to_owned();
    while request.tools.iter().any(|tool| tool.name == name) {
        name.push('_');
    }
    let alone = request.tools.is_empty() || request.tool_choice == Some(ToolChoice::None);
    fitted.tools.push(usize::MAX);
    request.tools.push(Tool {
        name: Cow::Owned(name.clone()),
        description: Some(about.into()),
        parameters: Some(schema.into()),
        ..Tool::default()
    });
    request.tool_choice = Some(match alone {
        true => ToolChoice::Tool(Cow::Owned(name.clone())),
        false => ToolChoice::Required,
    });
    // Others at Bedrock have no word for it; a second answer is dropped.
    if alone && !matches!(aim.family, Family::Nova | Family::Bedrock(_)) {
        request.parallel_tool_calls = Some(false);
    }
    fitted.back.output(name, wrapped);
}

/// Whether the target's own form of answers can't say it.
fn needs_tool(output: &OutputFormat<'_>, request: &ChatRequest<'_>, aim: &Aim<'_>) -> bool {
    let schema = match output {
        OutputFormat::Text => return false,
        OutputFormat::JsonObject => None,
        OutputFormat::JsonSchema { schema, .. } => Some(schema.as_ref()),
    };
    let chosen = request.tool_choice != Some(ToolChoice::None);
    let functions = chosen && request.tools.iter().any(|tool| tool.builtin.is_none());
    match aim.family {
        Family::Claude(claude) => {
            let own = |schema| claude.formats && is_closed(schema) && !as_object(schema).1;
            !schema.is_some_and(own)
        }
        // An object at the root, or nothing.
        Family::OpenAi(_) => schema.is_some_and(|schema| as_object(schema).1),
        Family::Nova => true,
        Family::Bedrock(model) => {
            let own = schema.is_some() && model.formats;
            !own && model.forces != Forces::None
        }
        // The second generation refuses a form beside functions.
        Family::Gemini(gemini) => !gemini.third && functions,
        Family::Other => match aim.ways.forms {
            Forms::Unknown => true,
            Forms::WithoutTools => functions || schema.is_some_and(|schema| as_object(schema).1),
            Forms::Known => false,
        },
    }
}

/// OpenAI refuses to answer with some object unless the conversation has the word JSON in it. Other
/// vendors' clients need not say it.
fn say_json(request: &mut ChatRequest<'_>, aim: &Aim<'_>, fitted: &mut Fitted) {
    let apart = aim.ways.instructed;
    let says = |part: &Part<'_>| {
        let said = part.said().unwrap_or_default();
        said.as_bytes()
            .windows(4)
            .any(|word| word.eq_ignore_ascii_case(b"json"))
    };
    let counts = |message: &&Message<'_>| !(apart && message.role == Role::System);
    let mut messages = request.messages.iter().filter(counts);
    if messages.any(|message| message.parts.iter().any(says)) {
        return;
    }
    let is_operator = |m: &&Message<'_>| matches!(m.role, Role::System | Role::Developer);
    let leading = request.messages.iter().take_while(is_operator).count();
    let role = if apart { Role::Developer } else { Role::System };
    let asked = Message::new(role, vec![Part::text("Answer in JSON.")]);
    request.messages.insert(leading, asked);
    fitted.messages.insert(leading, usize::MAX);
}

/// What a target's own form has no room for and the schema has: its description.
fn note(request: &mut ChatRequest<'_>, aim: &Aim<'_>) {
    if aim.ways.describes_forms {
        return;
    }
    let Some(OutputFormat::JsonSchema {
        schema,
        description,
        ..
    }) = &mut request.output
    else {
        return;
    };
    let Some(about) = description.take() else {
        return;
    };
    if !schema.contains("\"description\"")
        && let Ok(document) = Document::parse(schema.as_bytes())
        && document.root().kind() == Kind::Object
    {
        let described = |out: &mut String| write::text(out, "description", &about);
        *schema = Cow::Owned(write::with_member(document.root(), described));
    }
}

/// A schema of an object, and whether the answer had to be put into one.
fn as_object(schema: &str) -> (String, bool) {
    let Ok(Json::Object(mut members)) = serde_json::from_str(schema) else {
        return ("{\"type\":\"object\"}".to_owned(), false);
    };
    let is_object = match members.get("type") {
        Some(kind) => kind == "object",
        None => members.contains_key("properties"),
    };
    if is_object {
        return (schema.to_owned(), false);
    }
    if members.is_empty() {
        return ("{\"type\":\"object\"}".to_owned(), false);
    }
    let mut outer = Map::new();
    // References point to the root.
    for definitions in ["$defs", "definitions"] {
        if let Some(known) = members.remove(definitions) {
            outer.insert(definitions.to_owned(), known);
        }
    }
    outer.insert("type".to_owned(), json!("object"));
    outer.insert("properties".to_owned(), json!({ WRAPPED: members }));
    outer.insert("required".to_owned(), json!([WRAPPED]));
    (Json::Object(outer).to_string(), true)
}
