//! Writes a request as a body of Cohere's chat, in Cohere's words or in Oracle's.

use super::loss::Losses;
use super::message::Writer;
use super::names::{COHERE, Names};
use crate::exchange::{
    ChatRequest, Effort, Inexpressible, OutputFormat, Tool, ToolChoice, WriteOptions, Written,
};
use crate::json::write::{List, Object};
use crate::json::{Document, Kind};

/// At most so many stop sequences are taken (`stop_sequences` in Cohere's reference).
const MAX_STOP: usize = 5;
/// What `k` and `p` may be.
const MAX_K: u64 = 500;
const P: (f64, f64) = (0.01, 0.99);
/// A tool without parameters still has a schema.
pub(crate) const NO_PARAMETERS: &str = r#"{"type":"object","properties":{}}"#;

pub(crate) fn write_request(
    request: &ChatRequest<'_>,
    options: &WriteOptions,
) -> Result<Written, Inexpressible> {
    let mut losses = Losses::default();
    let mut out = String::with_capacity(1024);
    let mut top = Object::open_with(&mut out, &options.set);
    top.text("model", &options.model);
    chat(request, &COHERE, &mut top, &mut losses)?;
    top.plain(COHERE.stream, Some(options.stream));
    top.close();
    losses.labels(request);
    unlabelled(request, &mut losses);
    Ok(Written {
        body: out.into(),
        lost: losses.0,
        back: Default::default(),
    })
}

/// Labels that neither Cohere nor Oracle's forms of it have a place for.
pub(crate) fn unlabelled(request: &ChatRequest<'_>, losses: &mut Losses) {
    if !request.metadata.is_empty() {
        losses.lose("metadata", "Cohere keeps no labels");
    }
    if request.service_tier.is_some() {
        losses.lose("service_tier", "Cohere has one tier");
    }
}

/// All that Cohere and Oracle's form of it have in common: everything but the model, the
/// stream, and the envelope around it.
pub(crate) fn chat(
    request: &ChatRequest<'_>,
    names: &'static Names,
    object: &mut Object<'_>,
    losses: &mut Losses,
) -> Result<(), Inexpressible> {
    let mut documents = Vec::new();
    if let Some(out) = object.begin("messages") {
        let mut writer = Writer::new(names, losses);
        writer.write(&request.messages, out)?;
        documents = writer.documents;
    }
    let client_documents = client_documents(request);
    if (client_documents.is_some() || !documents.is_empty())
        && let Some(out) = object.begin("documents")
    {
        let mut list = List::open(out);
        for document in client_documents.iter().flatten() {
            list.next().push_str(document);
        }
        for document in &documents {
            list.object(|object| document.write(object));
        }
        list.close();
    }
    let has_tools = tools(&request.tools, names, object, losses);
    tool_choice(request, has_tools, names, object, losses);
    let crowded = has_tools || client_documents.is_some() || !documents.is_empty();
    output(request, crowded, names, object, losses);
    sampling(request, names, object, losses);
    thinking(request, names, object);
    for (name, here) in names.own {
        if let Some(field) = request.extra.iter().find(|field| field.name == name) {
            object.raw(here, &field.value);
        }
    }
    losses.extra(request, |name| {
        names.own.iter().any(|(own, _)| *own == name)
            || (name == "documents" && client_documents.is_some())
    });
    Ok(())
}

/// Cohere's own `documents`, which vLLM takes too: each a string or an object with `data`, as
/// JSON. None where there are none or they look otherwise.
fn client_documents(request: &ChatRequest<'_>) -> Option<Vec<String>> {
    let field = request
        .extra
        .iter()
        .find(|field| field.name == "documents")?;
    let document = Document::parse(field.value.as_bytes()).ok()?;
    let root = document.root();
    let fits = |item: crate::json::Value<'_>| {
        item.kind() == Kind::String
            || item
                .get("data")
                .is_some_and(|data| data.kind() == Kind::Object)
    };
    (root.kind() == Kind::Array && root.items().all(fits))
        .then(|| root.items().map(|item| item.raw().to_owned()).collect())
}

/// Writes the tools, and tells whether there are any.
fn tools(tools: &[Tool<'_>], names: &Names, object: &mut Object<'_>, losses: &mut Losses) -> bool {
    let mut written = 0;
    let strict = tools
        .iter()
        .filter(|tool| tool.strict == Some(true))
        .count();
    if !tools.is_empty()
        && let Some(out) = object.begin("tools")
    {
        let mut list = List::open(out);
        for (at, tool) in tools.iter().enumerate() {
            losses.tool(at, tool);
            if tool.builtin.is_some() {
                let why = "Cohere's tools are functions of the client";
                losses.lose(format!("tools[{at}]"), why);
                continue;
            }
            if tool.strict == Some(true) && strict < tools.len() {
                let why = "Cohere keeps to the schemas of all tools or of none";
                losses.lose(format!("tools[{at}].strict"), why);
            }
            written += 1;
            list.object(|object| {
                object.text("type", names.function);
                object.object("function", |function| {
                    function.text("name", &tool.name);
                    if let Some(description) = &tool.description {
                        function.text("description", description);
                    }
                    let parameters = tool.parameters.as_deref();
                    function.raw("parameters", parameters.unwrap_or(NO_PARAMETERS));
                });
            });
        }
        list.close();
    }
    if written > 0 && strict == tools.len() {
        object.raw(names.strict_tools, "true");
    }
    written > 0
}

fn tool_choice(
    request: &ChatRequest<'_>,
    has_tools: bool,
    names: &Names,
    object: &mut Object<'_>,
    losses: &mut Losses,
) {
    let only = |name: &str| matches!(request.tools.as_slice(), [tool] if tool.name == name);
    let all = |allowed: &[std::borrow::Cow<'_, str>]| {
        request
            .tools
            .iter()
            .all(|tool| allowed.contains(&tool.name))
    };
    let (word, exact) = match &request.tool_choice {
        None | Some(ToolChoice::Auto) => (None, true),
        Some(ToolChoice::None) => (Some("NONE"), true),
        Some(ToolChoice::Required) => (Some("REQUIRED"), has_tools),
        Some(ToolChoice::Tool(name)) => (Some("REQUIRED"), has_tools && only(name)),
        Some(ToolChoice::Allowed(allowed, required)) => {
            (required.then_some("REQUIRED"), all(allowed))
        }
    };
    if let Some(word) = word.filter(|_| has_tools) {
        object.text(names.tool_choice, word);
    }
    if !exact {
        losses.lose("tool_choice", "Cohere can require a tool, not which one");
    }
    losses.lose_if(
        request.parallel_tool_calls == Some(false) && has_tools,
        "parallel_tool_calls",
        "Cohere can't be kept to one call at a time",
    );
}

fn output(
    request: &ChatRequest<'_>,
    crowded: bool,
    names: &Names,
    object: &mut Object<'_>,
    losses: &mut Losses,
) {
    let schema = match &request.output {
        None | Some(OutputFormat::Text) => return,
        Some(OutputFormat::JsonObject) => None,
        Some(OutputFormat::JsonSchema {
            description,
            schema,
            ..
        }) => {
            losses.lose_if(
                description.is_some(),
                "response_format.json_schema.description",
                "Cohere's schemas are not described beside themselves",
            );
            Some(schema)
        }
    };
    if crowded {
        let why = "Cohere takes no response_format beside tools or documents";
        losses.lose("response_format", why);
        return;
    }
    object.object(names.response_format, |format| {
        format.text("type", names.json_object);
        if let Some(schema) = schema {
            format.raw(names.schema, schema);
        }
    });
}

fn sampling(
    request: &ChatRequest<'_>,
    names: &Names,
    object: &mut Object<'_>,
    losses: &mut Losses,
) {
    let sampling = &request.sampling;
    object.plain(names.max_tokens, sampling.max_tokens);
    object.plain("temperature", sampling.temperature);
    object.plain(names.top_p, sampling.top_p.map(|p| p.clamp(P.0, P.1)));
    let p_fits = sampling.top_p.is_none_or(|p| (P.0..=P.1).contains(&p));
    losses.lose_if(!p_fits, "top_p", "Cohere's p lies between 0.01 and 0.99");
    object.plain(names.top_k, sampling.top_k.map(|k| k.min(MAX_K)));
    let k_fits = sampling.top_k.is_none_or(|k| k <= MAX_K);
    losses.lose_if(!k_fits, "top_k", "Cohere's k ends at 500");
    object.plain("seed", sampling.seed.filter(|seed| *seed >= 0));
    let seed_fits = sampling.seed.is_none_or(|seed| seed >= 0);
    losses.lose_if(!seed_fits, "seed", "Cohere's seeds are not negative");
    let stop = &sampling.stop;
    object.texts(names.stop, &stop[..stop.len().min(MAX_STOP)]);
    let stop_fits = stop.len() <= MAX_STOP;
    losses.lose_if(!stop_fits, "stop", "Cohere takes five stop sequences");
    for (name, here, penalty) in [
        (
            "frequency_penalty",
            names.frequency_penalty,
            sampling.frequency_penalty,
        ),
        (
            "presence_penalty",
            names.presence_penalty,
            sampling.presence_penalty,
        ),
    ] {
        object.plain(here, penalty.map(|penalty| penalty.clamp(0.0, 1.0)));
        let fits = penalty.is_none_or(|penalty| (0.0..=1.0).contains(&penalty));
        losses.lose_if(!fits, name, "Cohere's penalties lie between 0 and 1");
    }
    if sampling.logprobs {
        object.raw(names.logprobs, "true");
    }
    let top = sampling.top_logprobs.is_some_and(|top| top > 0);
    for (asked, name, why) in [
        (top, "top_logprobs", "Cohere returns no alternative tokens"),
        (sampling.min_p.is_some(), "min_p", "Cohere has no min_p"),
        (
            sampling.logit_bias.is_some(),
            "logit_bias",
            "Cohere has no logit_bias",
        ),
        (
            sampling.n.is_some_and(|n| n > 1),
            "n",
            "Cohere returns only one answer",
        ),
    ] {
        losses.lose_if(asked, name, why);
    }
}

fn thinking(request: &ChatRequest<'_>, names: &Names, object: &mut Object<'_>) {
    let Some(reasoning) = &request.reasoning else {
        return;
    };
    let budget = match (reasoning.budget, reasoning.effort) {
        (Some(budget), _) => Some(budget),
        (None, Some(effort)) => Some(effort.budget()),
        (None, None) if reasoning.adaptive => None,
        (None, None) => return,
    };
    let off = budget == Some(0) || reasoning.effort == Some(Effort::None);
    object.object("thinking", |thinking| {
        thinking.text("type", if off { names.disabled } else { names.enabled });
        if !off {
            thinking.plain(names.token_budget, budget);
        }
    });
}
