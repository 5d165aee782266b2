//! Reads what a request asks for beside its messages: limits, tools, form, reasoning, labels.

use std::borrow::Cow;

use super::grammar::DRAWN;
use super::names::OWN_FIELDS;
use super::read_blocks::{cache_point, union};
use crate::canonical::Field;
use crate::exchange::{ChatRequest, Effort, OutputFormat, Reasoning, Tool, ToolChoice};
use crate::fields::{
    array, boolean, field, integer, named, need, need_text, object, rest, schema, string,
};
use crate::fields::{invalid, text_of};
use crate::grammar::asked::labels;
use crate::grammar::drawn::AT_LEAST_0;
use crate::json::{Document, Value};
use crate::request::RequestError;

/// Objects whose members are options.
const OBJECTS: [&str; 4] = [
    "inferenceConfig",
    "toolConfig",
    "additionalModelRequestFields",
    "outputConfig",
];

/// One member of the body beyond `system` and `messages`.
pub(super) fn member<'d>(
    name: &str,
    value: Value<'d>,
    request: &mut ChatRequest<'d>,
) -> Result<(), RequestError> {
    match name {
        _ if OBJECTS.contains(&name) => {
            for (key, value) in named(object(value, name)?) {
                let at = format!("{name}.{key}");
                if !option((name, &key, &at), value, request)? {
                    request.extra.push(field(&at, value));
                }
            }
        }
        "requestMetadata" => request.metadata = labels(value, name)?,
        "serviceTier" => {
            request.service_tier = Some(need_text(value, "type", || name.to_owned())?);
        }
        _ => request.extra.push(field(name, value)),
    }
    Ok(())
}

/// A member of one of those objects. False where nobody else has anything like it.
fn option<'d>(
    (object, key, at): (&str, &str, &str),
    value: Value<'d>,
    request: &mut ChatRequest<'d>,
) -> Result<bool, RequestError> {
    match (object, key) {
        ("inferenceConfig", _) => return DRAWN.read(&mut request.sampling, key, value),
        ("additionalModelRequestFields", _) => return additional(key, at, value, request),
        ("toolConfig", "tools") => tools(at, value, request)?,
        ("toolConfig", "toolChoice") => {
            let (kind, inner) = union(value, &|| at.to_owned())?;
            request.tool_choice = Some(match kind.as_ref() {
                "auto" => ToolChoice::Auto,
                "any" => ToolChoice::Required,
                "tool" => ToolChoice::Tool(need_text(inner, "name", || format!("{at}.tool"))?),
                _ => return Ok(false),
            });
        }
        ("outputConfig", "textFormat") => request.output = Some(text_format(value, at)?),
        ("outputConfig", "effort") => {
            let effort = Effort::parse(&string(value, at)?);
            let Some(effort) = effort.filter(|effort| *effort != Effort::None) else {
                return Ok(false);
            };
            request.reasoning.get_or_insert_default().effort = Some(effort);
        }
        _ => return Ok(false),
    }
    Ok(true)
}

fn tools<'d>(
    at: &str,
    value: Value<'d>,
    request: &mut ChatRequest<'d>,
) -> Result<(), RequestError> {
    array(value, at)?;
    for (position, item) in value.items().enumerate() {
        let path = || format!("{at}[{position}]");
        let (name, inner) = union(item, &path)?;
        let unmarked = request.tools.last_mut().filter(|tool| tool.cache.is_none());
        if let (Some(before), Some(marker)) = (unmarked, cache_point(&name, inner)) {
            before.cache = Some(marker);
            continue;
        }
        request.tools.push(match name.as_ref() {
            "toolSpec" => tool_spec(inner, &|| format!("{}.toolSpec", path()))?,
            _ => own_tool(&name, inner, item),
        });
    }
    Ok(())
}

fn tool_spec<'d>(value: Value<'d>, path: &dyn Fn() -> String) -> Result<Tool<'d>, RequestError> {
    let given = need(value, "inputSchema", path)?;
    let given = need(given, "json", || format!("{}.inputSchema", path()))?;
    let strict = value.some("strict");
    let strict = strict.map(|strict| boolean(strict, &format!("{}.strict", path())));
    Ok(Tool {
        name: need_text(value, "name", path)?,
        description: text_of(value, "description", path)?,
        parameters: schema(given, || format!("{}.inputSchema.json", path()))?,
        strict: strict.transpose()?,
        extra: rest(value, &["name", "description", "inputSchema", "strict"]),
        ..Tool::default()
    })
}

/// A tool that the provider runs, or one of a kind that came later than this.
fn own_tool<'d>(kind: &str, inner: Value<'d>, whole: Value<'d>) -> Tool<'d> {
    let name = inner.text("name");
    Tool {
        name: name.unwrap_or_default(),
        builtin: Some((Cow::Owned(kind.to_owned()), Cow::Borrowed(whole.raw()))),
        ..Tool::default()
    }
}

/// Fields of the model's own: those of Claude that have counterparts elsewhere, and the rest.
fn additional<'d>(
    key: &str,
    at: &str,
    value: Value<'d>,
    request: &mut ChatRequest<'d>,
) -> Result<bool, RequestError> {
    let understood = match key {
        "top_k" => {
            request.sampling.top_k = Some(integer(value, at, AT_LEAST_0)?);
            true
        }
        "thinking" => thinking(value, request.reasoning.get_or_insert_default()),
        // How calls are kept to one at a time where Converse itself has no word for it.
        "tool_choice" => {
            let parallel = one_at_a_time(value).map(|one| !one);
            request.parallel_tool_calls = parallel.or(request.parallel_tool_calls);
            parallel.is_some()
        }
        _ => false,
    };
    request.reasoning = request
        .reasoning
        .take()
        .filter(|asked| *asked != Reasoning::default());
    Ok(understood)
}

/// Reads Claude's `thinking`; false where it is of a form that is not known here.
fn thinking<'d>(value: Value<'d>, reasoning: &mut Reasoning<'d>) -> bool {
    let text = |name: &str| value.text(name);
    let budget = value.get("budget_tokens").and_then(Value::whole);
    let known = ["type", "budget_tokens", "display"];
    let mut members = value.members();
    let all_known = members.all(|(key, _)| known.iter().any(|name| key.is_str(name)));
    match (text("type").as_deref(), budget) {
        (Some("enabled"), Some(budget)) if all_known => reasoning.budget = Some(budget),
        (Some("disabled"), None) if all_known => reasoning.budget = Some(0),
        (Some("adaptive"), None) if all_known => reasoning.adaptive = true,
        _ => return false,
    }
    reasoning.summary = text("display");
    true
}

fn one_at_a_time(value: Value<'_>) -> Option<bool> {
    let is_auto = value.says("type", "auto");
    let one = value.get("disable_parallel_tool_use")?.as_bool()?;
    (is_auto && value.members().count() == 2).then_some(one)
}

/// `{"type":"json_schema","structure":{"jsonSchema":{"schema":"<JSON in a string>",…}}}`.
fn text_format<'d>(value: Value<'d>, at: &str) -> Result<OutputFormat<'d>, RequestError> {
    let path = || at.to_owned();
    if need_text(value, "type", path)? != "json_schema" {
        return Err(invalid(&format!("{at}.type"), "must be 'json_schema'"));
    }
    let structure = need(value, "structure", path)?;
    let path = || format!("{at}.structure");
    let definition = need(structure, "jsonSchema", path)?;
    let path = || format!("{at}.structure.jsonSchema");
    let schema = need_text(definition, "schema", path)?;
    if Document::parse(schema.as_bytes()).is_err() {
        let param = format!("{}.schema", path());
        return Err(invalid(&param, "must be a JSON schema in a string"));
    }
    Ok(OutputFormat::JsonSchema {
        name: text_of(definition, "name", path)?.unwrap_or(Cow::Borrowed("response")),
        description: text_of(definition, "description", path)?,
        schema,
        strict: None,
    })
}

/// Fields that are this dialect's own, by the object that they stand in; the empty one is the body.
pub(super) fn own_field(field: &Field) -> Option<(&'static str, &str)> {
    if OWN_FIELDS.contains(&field.name.as_str()) {
        return Some(("", &field.name));
    }
    let (object, name) = field.name.split_once('.')?;
    let object = OBJECTS.into_iter().find(|known| *known == object)?;
    // Google's requests have an object of that name, too.
    (object != "toolConfig" || name == "toolChoice").then_some((object, name))
}
