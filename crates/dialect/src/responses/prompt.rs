//! Reads the fields of a request into the canonical prompt that policies see.
//!
//! Each item is a message: a call is one of the assistant's, an output one of a tool's. What a
//! message item says is typed; of other items what policies can read is.

use super::grammar::{CONTENT_OF, DRAWN};
use crate::canonical::{Field, Operation, Part, ToolCall};
use crate::fields::{field, has_value, invalid, missing, name_of, object, string};
use crate::grammar::prompt::{self, Parts};
use crate::grammar::request::{Member, Reading, Top};
use crate::json::{Kind, Value};
use crate::request::{Read, RequestError};

static TOP: Top = Top {
    names: name_of,
    members: &[&[
        ("model", Member::Model),
        ("input", Member::Own(input)),
        (
            "instructions",
            Member::Own(|read, value| {
                string(value, "instructions")?;
                // So that it differs from a message of the system that says the same.
                read.form("instructions", "true");
                read.system = Some(text(value).into_message("system"));
                Ok(())
            }),
        ),
        ("tools", Member::Tools),
        ("stream", Member::Stream),
        (
            "include",
            Member::Needs(|needs, value| {
                const PROBABILITIES: &str = "message.output_text.logprobs";
                needs.logprobs |= value.items().any(|wanted| wanted.is_str(PROBABILITIES));
            }),
        ),
        (
            "text",
            Member::Needs(|needs, value| {
                let format = value.get("format");
                needs.json_schema |= format.is_some_and(|f| f.says("type", "json_schema"));
            }),
        ),
        (
            "structured_outputs",
            Member::Needs(|needs, _| needs.json_schema = true),
        ),
    ]],
    drawn: &DRAWN,
};

pub(crate) fn read(root: Value<'_>) -> Result<Read, RequestError> {
    let mut read = Reading::of(&TOP, Operation::Chat, None, root)?;
    // What is kept at the server may say all.
    let kept = ["previous_response_id", "conversation", "prompt"];
    let is_kept = kept.iter().any(|name| has_value(&read.extra, name));
    // Usage always comes with the last event here.
    read.include_usage = read.stream;
    read.finish(Some("input").filter(|_| !is_kept))
}

fn text(value: Value<'_>) -> Parts {
    let mut parts = Parts::default();
    parts.text(value);
    parts
}

fn input<'d>(read: &mut Reading<'d>, value: Value<'d>) -> Result<(), RequestError> {
    match value.kind() {
        Kind::String => read.say("user".to_owned(), text(value), Vec::new()),
        Kind::Array if value.items().next().is_none() => {
            return Err(invalid("input", "must have at least one item"));
        }
        Kind::Array => {
            // Items, even if there is only one that says no more than a text.
            read.form("input", "[]");
            for (position, one) in value.items().enumerate() {
                item(read, one, &|rest| format!("input[{position}]{rest}"))?;
            }
        }
        _ => {
            let expected = "a string or an array of items";
            return Err(RequestError::wrong_type("input", expected, value));
        }
    }
    Ok(())
}

/// Of an item: which members hold what policies read.
fn item(
    read: &mut Reading<'_>,
    item: Value<'_>,
    path: &dyn Fn(&str) -> String,
) -> Result<(), RequestError> {
    let kind = match object(item, || path(""))?.some("type") {
        Some(kind) => string(kind, || path(".type"))?,
        None if item.get("role").is_some() => "message".into(),
        None if item.get("id").is_some() => "item_reference".into(),
        None => return Err(missing(|| path(".type"))),
    };
    let at = |name: &str| path(&format!(".{name}"));
    let need = |name: &str| item.get(name).ok_or_else(|| missing(|| at(name)));
    let text = |name: &str| Ok::<_, RequestError>(string(need(name)?, || at(name))?.into_owned());
    let mut parts = Parts::default();
    let mut contents: &[&str] = &[];
    let (role, typed): (_, &[&str]) = match kind.as_ref() {
        "message" => {
            contents = &["content"];
            need("content")?;
            (text("role")?, &["role"])
        }
        "function_call" | "custom_tool_call" => {
            let (arguments, typed): (_, &[&str]) = match kind.as_ref() {
                "function_call" => ("arguments", &["call_id", "name", "arguments"]),
                _ => ("input", &["call_id", "name", "input"]),
            };
            let call = ToolCall {
                custom: arguments == "input",
                ..ToolCall::function(text("call_id")?, text("name")?, text(arguments)?)
            };
            parts.push(Part::ToolCall(call), Some(need(arguments)?));
            ("assistant".to_owned(), typed)
        }
        "function_call_output" | "custom_tool_call_output" => {
            contents = &["output"];
            need("output")?;
            ("tool".to_owned(), &[])
        }
        "reasoning" => {
            contents = &["summary", "content"];
            ("assistant".to_owned(), &[])
        }
        kind => {
            read.needs.vision |= kind.contains("computer");
            read.needs.tools |= kind == "additional_tools";
            parts.opaque(kind, item);
            read.say("assistant".to_owned(), parts, Vec::new());
            return Ok(());
        }
    };
    let mut extra = Vec::new();
    let mut read_contents = Vec::new();
    for name in contents {
        // A reasoning item may have either, or none that can be read.
        let listed = |value: &Value<'_>| kind != "reasoning" || value.kind() == Kind::Array;
        if let Some(value) = item.get(name).filter(listed) {
            let needs = &mut read.needs;
            let form = prompt::content(&CONTENT_OF, needs, value, &|| at(name), &mut parts)?;
            extra.extend(form.map(|form| Field::new(*name, form)));
            read_contents.push(*name);
        }
    }
    for (key, value) in item.members() {
        let name = name_of(key);
        if !typed.contains(&name.as_ref()) && !read_contents.contains(&name.as_ref()) {
            extra.push(field(&name, value));
        }
    }
    read.say(role, parts, extra);
    Ok(())
}
