//! Writes tools, which of them must be called, and the form that the answer is to have.

use super::answer_write::called;
use super::object::{Body, UNKNOWN};
use crate::exchange::{ChatRequest, OutputFormat, Tool, ToolChoice};
use crate::fields::said as text;
use crate::json::Document;
use crate::json::write;

const CACHES_BY_ITSELF: &str = "the target caches prompts by itself";

/// `tools`, `tool_choice` and `parallel_tool_calls`. The latter two only beside tools: OpenAI
/// refuses them alone.
pub(super) fn tools(request: &ChatRequest<'_>, body: &mut Body<'_>) {
    let only = match &request.tool_choice {
        // A target that can't be told of a selection is told of nothing else.
        Some(ToolChoice::Allowed(names, _)) if !body.about.allowed_tools => Some(names),
        _ => None,
    };
    let room = request.tools.iter().map(Tool::size).sum();
    let mut written = String::with_capacity(room);
    for (position, tool) in request.tools.iter().enumerate() {
        if only.is_none_or(|names| names.contains(&tool.name)) {
            one(position, tool, &mut written, body);
        }
    }
    if written.is_empty() {
        let demanded = request
            .tool_choice
            .as_ref()
            .filter(|choice| !matches!(choice, ToolChoice::Auto | ToolChoice::None));
        if demanded.is_some() {
            body.lose("tool_choice", "there is no tool to choose");
        }
        return;
    }
    if body.is_free("tools") {
        write::list(&mut body.out, "tools", |out| out.push_str(&written));
    }
    if let Some(choice) = &request.tool_choice {
        tool_choice(choice, &request.tools, body);
    }
    body.plain("parallel_tool_calls", request.parallel_tool_calls);
}

fn one(position: usize, tool: &Tool<'_>, out: &mut String, body: &mut Body<'_>) {
    let param = || format!("tools[{position}]");
    if tool.cache.is_some() {
        body.lose(param() + ".cache_control", CACHES_BY_ITSELF);
    }
    if let Some((kind, json)) = &tool.builtin {
        if kind != "custom" || !body.about.custom_tools || !custom(tool, json, out) {
            let why = "chat completions at this target have no such tool";
            body.lose(param(), why);
        }
        return;
    }
    write::wrapped(out, "function", |out| {
        write::text(out, "name", &tool.name);
        write::text_if(out, "description", tool.description.as_deref());
        match tool.parameters.as_deref() {
            Some(parameters) => write::raw(out, "parameters", parameters),
            None if body.about.parameters_required => write::object(out, "parameters", |out| {
                write::text(out, "type", "object");
                write::object(out, "properties", |_| {});
            }),
            None => {}
        }
        write::plain_if(out, "strict", tool.strict);
    });
    body.lost.unknown(&tool.extra, param, UNKNOWN);
}

/// A custom tool in chat's form: as it stands, or made of the flat form that responses have, under
/// the name that it goes by here. False where it is neither.
fn custom(tool: &Tool<'_>, json: &str, out: &mut String) -> bool {
    let Ok(document) = Document::parse(json.as_bytes()) else {
        return false;
    };
    let root = document.root();
    let wrapped = root.get("custom");
    let declared = wrapped.unwrap_or(root);
    let Some(name) = text(declared, "name") else {
        return false;
    };
    if wrapped.is_some() && name == tool.name {
        write::value(out, json);
        return true;
    }
    write::wrapped(out, "custom", |out| {
        write::text(out, "name", &tool.name);
        let description = tool.description.clone();
        write::text_if(
            out,
            "description",
            description.or_else(|| text(declared, "description")),
        );
        if let Some(format) = declared.some("format") {
            let grammar = (text(format, "syntax"), text(format, "definition"));
            match (wrapped, grammar) {
                (None, (Some(syntax), Some(definition))) => {
                    write::name(out, "format");
                    write::wrapped(out, "grammar", |out| {
                        write::text(out, "syntax", &syntax);
                        write::text(out, "definition", &definition);
                    });
                }
                _ => write::raw(out, "format", format.raw()),
            }
        }
    });
    true
}

fn tool_choice(choice: &ToolChoice<'_>, tools: &[Tool<'_>], body: &mut Body<'_>) {
    let traits = body.about;
    let required = |required: bool| if required { traits.required } else { "auto" };
    match choice {
        ToolChoice::Auto => body.text("tool_choice", Some("auto")),
        ToolChoice::None => body.text("tool_choice", Some("none")),
        ToolChoice::Required => body.text("tool_choice", Some(traits.required)),
        ToolChoice::Allowed(_, must) if !traits.allowed_tools => {
            body.text("tool_choice", Some(required(*must)));
        }
        ToolChoice::Tool(name) => {
            if body.begin("tool_choice") {
                named_tool(name, tools, &mut body.out);
            }
        }
        ToolChoice::Allowed(names, must) => {
            if body.begin("tool_choice") {
                write::wrapped(&mut body.out, "allowed_tools", |out| {
                    write::text(out, "mode", required(*must));
                    write::list(out, "tools", |out| {
                        for name in names {
                            named_tool(name, tools, out);
                        }
                    });
                });
            }
        }
    }
}

fn named_tool(name: &str, tools: &[Tool<'_>], out: &mut String) {
    let tool = tools.iter().find(|tool| tool.name == name);
    let custom = tool.is_some_and(|tool| tool.builtin.is_some());
    write::wrapped(out, called(custom).0, |out| write::text(out, "name", name));
}

/// `response_format`.
pub(super) fn output(output: Option<&OutputFormat<'_>>, body: &mut Body<'_>) {
    let Some(output) = output else {
        return;
    };
    if !body.begin("response_format") {
        return;
    }
    let out = &mut body.out;
    match output {
        OutputFormat::Text => write::typed(out, "text", |_| {}),
        OutputFormat::JsonObject => write::typed(out, "json_object", |_| {}),
        OutputFormat::JsonSchema { .. } => write::wrapped(out, "json_schema", |out| {
            schema(output, out);
        }),
    }
}

/// The members of a JSON schema that an answer is to keep to; chat and responses have the same.
pub(crate) fn schema(output: &OutputFormat<'_>, out: &mut String) {
    if let OutputFormat::JsonSchema {
        name,
        description,
        schema,
        strict,
    } = output
    {
        write::text(out, "name", name);
        write::text_if(out, "description", description.as_deref());
        write::raw(out, "schema", schema);
        write::plain_if(out, "strict", *strict);
    }
}
