//! Tools and the choice among them, read and written. Functions stand flat here, where chat
//! completions wrap them.

use std::borrow::Cow;

use crate::exchange::{Losses, Profile, Tool, ToolChoice};
use crate::fields::{
    boolean, field, invalid, missing, name_of, named, need, need_text, schema, string,
};
use crate::json::write::{self, name, raw, text};
use crate::json::{Document, Kind, Value};
use crate::request::RequestError;

pub(super) fn read<'d>(
    tool: Value<'d>,
    path: &dyn Fn() -> String,
) -> Result<Tool<'d>, RequestError> {
    let at = |name: &str| format!("{}.{name}", path());
    let kind = need_text(tool, "type", path)?;
    let mut read = Tool::default();
    let ours = kind == "function" || kind == "custom";
    for (name, value) in named(tool) {
        match name.as_ref() {
            "name" => read.name = string(value, || at("name"))?,
            "description" => read.description = Some(string(value, || at("description"))?),
            "parameters" if kind == "function" => {
                read.parameters = schema(value, || at("parameters"))?;
            }
            "strict" if kind == "function" => {
                read.strict = Some(boolean(value, &at("strict"))?);
            }
            "type" => {}
            "format" if kind == "custom" => {}
            name if ours => read.extra.push(field(name, value)),
            _ => {}
        }
    }
    if read.name.is_empty() {
        if ours {
            return Err(missing(|| at("name")));
        }
        read.name.clone_from(&kind);
    }
    if kind != "function" {
        read.builtin = Some((kind, Cow::Borrowed(tool.raw())));
    }
    Ok(read)
}

/// The choice; none where it is one that only OpenAI's own tools know.
pub(super) fn read_choice<'d>(value: Value<'d>) -> Result<Option<ToolChoice<'d>>, RequestError> {
    if let Some(word) = value.as_str() {
        return match word.as_ref() {
            "auto" => Ok(Some(ToolChoice::Auto)),
            "none" => Ok(Some(ToolChoice::None)),
            "required" => Ok(Some(ToolChoice::Required)),
            _ => Err(invalid(
                "tool_choice",
                "must be auto, none, required or an object",
            )),
        };
    }
    if value.kind() != Kind::Object {
        let expected = "a string or an object";
        return Err(RequestError::wrong_type("tool_choice", expected, value));
    }
    let kind = need(value, "type", || "tool_choice".to_owned())?;
    if kind.is_str("function") || kind.is_str("custom") {
        let name = need_text(value, "name", || "tool_choice".to_owned())?;
        return Ok(Some(ToolChoice::Tool(name)));
    }
    if !kind.is_str("allowed_tools") {
        return Ok(None);
    }
    let required = value.says("mode", "required");
    let mut names = Vec::new();
    for tool in value.each("tools") {
        // A tool that is told by its type alone runs at OpenAI.
        let Some(name) = tool.text("name") else {
            return Ok(None);
        };
        names.push(name);
    }
    Ok(Some(ToolChoice::Allowed(names, required)))
}

/// Writes `tools`' elements.
pub(super) fn write(tools: &[Tool<'_>], profile: Profile, out: &mut String, lost: &mut Losses) {
    for (position, tool) in tools.iter().enumerate() {
        write_one(position, tool, profile, out, lost);
    }
}

fn write_one(
    position: usize,
    tool: &Tool<'_>,
    profile: Profile,
    out: &mut String,
    lost: &mut Losses,
) {
    let path = |name: &str| format!("tools[{position}]{name}");
    match &tool.builtin {
        None => {}
        Some((kind, json)) if kind == "custom" => {
            if !write_custom(tool, json, out) {
                lost.push(path(""), "this custom tool's definition can't be read");
            }
            return;
        }
        Some(_) => {
            lost.push(path(""), "a tool that another provider runs");
            return;
        }
    }
    let openai = profile.is_openai();
    write::typed(out, "function", |out| {
        text(out, "name", &tool.name);
        write::text_if(out, "description", tool.description.as_deref());
        raw(
            out,
            "parameters",
            tool.parameters.as_deref().unwrap_or("null"),
        );
        // Absent means true here, while it means false everywhere else.
        write::plain(out, "strict", tool.strict.unwrap_or(false));
        let known = ["defer_loading", "allowed_callers", "output_schema", "async"];
        let known = |name: &str| openai && known.contains(&name);
        let why = "tools have no such field at this upstream";
        lost.known(&tool.extra, known, || path(""), why, out);
    });
    if tool.cache.is_some() {
        let why = "this upstream caches prompts by itself";
        lost.push(path(".cache_control"), why);
    }
}

/// A custom tool, flat as here or wrapped as in chat completions.
fn write_custom(tool: &Tool<'_>, json: &str, out: &mut String) -> bool {
    let Ok(document) = Document::parse(json.as_bytes()) else {
        return false;
    };
    let root = document.root();
    let wrapped = root.get("custom");
    let declared = wrapped.unwrap_or(root);
    if wrapped.is_none()
        && declared
            .get("name")
            .is_some_and(|name| name.is_str(&tool.name))
    {
        write::value(out, json);
        return true;
    }
    let description = tool.description.clone();
    let description = description.or_else(|| declared.text("description"));
    write::typed(out, "custom", |out| {
        text(out, "name", &tool.name);
        write::text_if(out, "description", description);
        if let Some(format) = declared.some("format") {
            match format.get("grammar").filter(|_| is(format, "grammar")) {
                Some(grammar) => {
                    name(out, "format");
                    write::typed(out, "grammar", |out| {
                        for (key, value) in grammar.members() {
                            raw(out, &name_of(key), value.raw());
                        }
                    });
                }
                None => raw(out, "format", format.raw()),
            }
        }
    });
    true
}

fn is(value: Value<'_>, kind: &str) -> bool {
    value.get("type").is_some_and(|word| word.is_str(kind))
}

/// Writes the choice's value.
pub(super) fn write_choice(choice: &ToolChoice<'_>, tools: &[Tool<'_>], out: &mut String) {
    match choice {
        ToolChoice::Auto => write::string(out, "auto"),
        ToolChoice::None => write::string(out, "none"),
        ToolChoice::Required => write::string(out, "required"),
        ToolChoice::Tool(name) => write_named(name, tools, out),
        ToolChoice::Allowed(names, required) => write::typed(out, "allowed_tools", |out| {
            text(out, "mode", if *required { "required" } else { "auto" });
            write::list(out, "tools", |out| {
                for name in names {
                    write_named(name, tools, out);
                }
            });
        }),
    }
}

fn write_named(wanted: &str, tools: &[Tool<'_>], out: &mut String) {
    let is_custom = tools
        .iter()
        .any(|tool| tool.name == wanted && tool.builtin.is_some());
    let kind = if is_custom { "custom" } else { "function" };
    write::typed(out, kind, |out| text(out, "name", wanted));
}
