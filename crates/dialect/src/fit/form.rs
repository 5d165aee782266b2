//! Forms of answers that a target has no word for: the answer is then had as the arguments of a
//! tool that has to be called, and told as plain content.

use std::borrow::Cow;

use serde_json::{Map, Value as Json, json};

use super::aim::{Aim, Fitted};
use super::back::WRAPPED;
use super::family::{Family, Forces};
use crate::exchange::{ChatRequest, OutputFormat, Tool, ToolChoice};
use crate::wire::Wire;

/// The tool's name, unless the client has one of that name.
const NAME: &str = "answer_in_json";
const ABOUT: &str = "Gives the final answer. Its arguments are the answer: the JSON that was asked for, complete, and nothing besides.";

pub(super) fn fit(request: &mut ChatRequest<'_>, aim: &Aim<'_>, fitted: &mut Fitted) {
    let Some(output) = &request.output else {
        return;
    };
    if !needs_tool(output, request, aim) {
        note(request, aim);
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
        strict: None,
        cache: None,
        builtin: None,
        extra: Vec::new(),
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
    match (aim.to, aim.family) {
        (Wire::Messages | Wire::Converse, Family::Claude(claude)) => {
            let own = |schema| claude.formats && is_closed(schema) && !as_object(schema).1;
            !schema.is_some_and(own)
        }
        // An object at the root, or nothing.
        (Wire::Chat | Wire::Responses, Family::OpenAi(_)) => {
            schema.is_some_and(|schema| as_object(schema).1)
        }
        (Wire::Messages, _) => true,
        (Wire::Converse, Family::Nova) => true,
        (Wire::Converse, Family::Bedrock(model)) => {
            let own = schema.is_some() && model.formats;
            !own && model.forces != Forces::None
        }
        // Cohere takes no form beside tools.
        (Wire::Cohere, _) => {
            let functions = request.tools.iter().any(|tool| tool.builtin.is_none());
            let wrapped = schema.is_some_and(|schema| as_object(schema).1);
            wrapped || (functions && request.tool_choice != Some(ToolChoice::None))
        }
        // The second generation refuses a form beside functions.
        (Wire::Gemini, Family::Gemini(gemini)) => {
            let functions = request.tools.iter().any(|tool| tool.builtin.is_none());
            !gemini.third && functions && request.tool_choice != Some(ToolChoice::None)
        }
        _ => false,
    }
}

/// What a target's own form has no room for and the schema has: its description.
fn note(request: &mut ChatRequest<'_>, aim: &Aim<'_>) {
    if !matches!(aim.to, Wire::Messages | Wire::Gemini) {
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
    let rest = schema.trim_start().strip_prefix('{');
    if let Some(rest) = rest.filter(|_| !schema.contains("\"description\"")) {
        let comma = if rest.trim_start().starts_with('}') {
            ""
        } else {
            ","
        };
        let about = crate::json::json_string(&about);
        *schema = Cow::Owned(format!("{{\"description\":{about}{comma}{rest}"));
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

/// Words of JSON schema that Anthropic's own form of answers refuses.
const REFUSED: [&str; 12] = [
    "exclusiveMaximum",
    "exclusiveMinimum",
    "maxItems",
    "maxLength",
    "maxProperties",
    "maximum",
    "minLength",
    "minProperties",
    "minimum",
    "multipleOf",
    "patternProperties",
    "uniqueItems",
];
/// Deeper schemas go the other way.
const DEEPEST: usize = 32;

/// Whether Anthropic's own form takes a schema: each object says that it has no other members.
fn is_closed(schema: &str) -> bool {
    serde_json::from_str::<Json>(schema)
        .is_ok_and(|schema| schema.is_object() && closed(&schema, 0))
}

fn closed(schema: &Json, depth: usize) -> bool {
    match schema {
        Json::Object(members) if depth < DEEPEST => {
            let is_object = members.get("type").is_some_and(|kind| kind == "object")
                || members.get("properties").is_some_and(Json::is_object);
            let shut = members.get("additionalProperties") == Some(&Json::Bool(false));
            let refused = |name: &String| REFUSED.contains(&name.as_str());
            // Within `properties` the names are the client's own.
            let inner = |(name, value): (&String, &Json)| match (name.as_str(), value) {
                ("properties" | "$defs" | "definitions", Json::Object(named)) => {
                    named.values().all(|value| closed(value, depth + 1))
                }
                ("enum" | "const" | "default" | "examples", _) => true,
                (_, value) => closed(value, depth + 1),
            };
            (!is_object || shut) && !members.keys().any(refused) && members.iter().all(inner)
        }
        Json::Object(_) => false,
        Json::Array(items) => items.iter().all(|item| closed(item, depth + 1)),
        _ => true,
    }
}
