//! Writes a request as a body of Cohere's chat, in Cohere's words or in Oracle's.

use super::loss::Losses;
use super::message::Writer;
use super::names::{COHERE, Names};
use crate::exchange::{
    ChatRequest, Draft, Effort, Inexpressible, OutputFormat, ToolChoice, WriteOptions, Written,
};
use crate::json::{Document, Kind, write};

/// A body in the making, and what it names things.
pub(crate) type Body<'o> = Draft<'o, &'static Names>;

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
    let mut body = Body::new(options, &COHERE, request.size());
    body.text("model", Some(&options.model));
    chat(request, &mut body)?;
    body.plain(COHERE.stream, Some(options.stream));
    body.lost.labels(request);
    unlabelled(request, &mut body.lost);
    Ok(body.finish())
}

/// Labels that neither Cohere nor Oracle's forms of it have a place for.
pub(crate) fn unlabelled(request: &ChatRequest<'_>, losses: &mut Losses) {
    if !request.metadata.is_empty() {
        losses.push("metadata", "Cohere keeps no labels");
    }
    if request.service_tier.is_some() {
        losses.push("service_tier", "Cohere has one tier");
    }
}

/// All that Cohere and Oracle's form of it have in common: everything but the model, the
/// stream, and the envelope around it.
pub(crate) fn chat(request: &ChatRequest<'_>, body: &mut Body<'_>) -> Result<(), Inexpressible> {
    let mut documents = Vec::new();
    if body.is_free("messages") {
        let mut writer = Writer::new(body);
        writer.write(&request.messages)?;
        documents = writer.documents;
    }
    let client_documents = client_documents(request);
    let has_documents = client_documents.is_some() || !documents.is_empty();
    if has_documents && body.is_free("documents") {
        write::list(&mut body.out, "documents", |out| {
            for document in client_documents.iter().flatten() {
                write::value(out, document);
            }
            for document in &documents {
                write::braces(out, |out| document.write(out));
            }
        });
    }
    let has_tools = tools(request, body);
    tool_choice(request, has_tools, body);
    output(request, has_tools || has_documents, body);
    sampling(request, body);
    thinking(request, body);
    let own = body.about.own;
    for (name, here) in own {
        let field = request.extra.iter().find(|field| field.name == name);
        body.raw(here, field.map(|field| &*field.value));
    }
    body.lost.extra(request, |name| {
        own.iter().any(|(own, _)| *own == name)
            || (name == "documents" && client_documents.is_some())
    });
    Ok(())
}

/// Cohere's own `documents`, which vLLM takes too: each a string or an object with `data`, as
/// JSON. None where there are none or they look otherwise.
fn client_documents(request: &ChatRequest<'_>) -> Option<Vec<String>> {
    let mut extra = request.extra.iter();
    let field = extra.find(|field| field.name == "documents")?;
    let document = Document::parse(field.value.as_bytes()).ok()?;
    let root = document.root();
    let is_object = |data: crate::json::Value<'_>| data.kind() == Kind::Object;
    let fits = |item: crate::json::Value<'_>| {
        item.kind() == Kind::String || item.get("data").is_some_and(is_object)
    };
    (root.kind() == Kind::Array && root.items().all(fits))
        .then(|| root.items().map(|item| item.raw().to_owned()).collect())
}

/// Writes the tools, and tells whether there are any.
fn tools(request: &ChatRequest<'_>, body: &mut Body<'_>) -> bool {
    let tools = &request.tools;
    let names = body.about;
    let mut written = false;
    let strict = tools.iter().filter(|tool| tool.strict == Some(true));
    let strict = strict.count();
    if !tools.is_empty() && body.is_free("tools") {
        write::list(body, "tools", |body| {
            for (at, tool) in tools.iter().enumerate() {
                body.lost.tool(at, tool);
                if tool.builtin.is_some() {
                    let why = "Cohere's tools are functions of the client";
                    body.lose(format!("tools[{at}]"), why);
                    continue;
                }
                if tool.strict == Some(true) && strict < tools.len() {
                    let why = "Cohere keeps to the schemas of all tools or of none";
                    body.lose(format!("tools[{at}].strict"), why);
                }
                written = true;
                write::typed(&mut body.out, names.function, |out| {
                    write::object(out, "function", |out| {
                        write::text(out, "name", &tool.name);
                        write::text_if(out, "description", tool.description.as_deref());
                        let parameters = tool.parameters.as_deref();
                        write::raw(out, "parameters", parameters.unwrap_or(NO_PARAMETERS));
                    });
                });
            }
        });
    }
    if written && strict == tools.len() {
        body.raw(names.strict_tools, Some("true"));
    }
    written
}

fn tool_choice(request: &ChatRequest<'_>, has_tools: bool, body: &mut Body<'_>) {
    let tools = &request.tools;
    let only = |name: &str| matches!(tools.as_slice(), [tool] if tool.name == name);
    let (word, exact) = match &request.tool_choice {
        None | Some(ToolChoice::Auto) => (None, true),
        Some(ToolChoice::None) => (Some("NONE"), true),
        Some(ToolChoice::Required) => (Some("REQUIRED"), has_tools),
        Some(ToolChoice::Tool(name)) => (Some("REQUIRED"), has_tools && only(name)),
        Some(ToolChoice::Allowed(allowed, required)) => {
            let all = tools.iter().all(|tool| allowed.contains(&tool.name));
            (required.then_some("REQUIRED"), all)
        }
    };
    body.text(body.about.tool_choice, word.filter(|_| has_tools));
    let why = "Cohere can require a tool, not which one";
    body.lost.lose_if(!exact, "tool_choice", why);
    body.lost.lose_if(
        request.parallel_tool_calls == Some(false) && has_tools,
        "parallel_tool_calls",
        "Cohere can't be kept to one call at a time",
    );
}

fn output(request: &ChatRequest<'_>, crowded: bool, body: &mut Body<'_>) {
    let schema = match &request.output {
        None | Some(OutputFormat::Text) => return,
        Some(OutputFormat::JsonObject) => None,
        Some(OutputFormat::JsonSchema {
            description,
            schema,
            ..
        }) => {
            body.lost.described(description.is_some());
            Some(schema)
        }
    };
    let names = body.about;
    if crowded {
        let why = "Cohere takes no response_format beside tools or documents";
        body.lose("response_format", why);
    } else if body.begin(names.response_format) {
        write::typed(&mut body.out, names.json_object, |out| {
            if let Some(schema) = schema {
                write::raw(out, names.schema, schema);
            }
        });
    }
}

fn sampling(request: &ChatRequest<'_>, body: &mut Body<'_>) {
    let sampling = &request.sampling;
    let names = body.about;
    body.plain(names.max_tokens, sampling.max_tokens);
    body.plain("temperature", sampling.temperature);
    body.plain(names.top_p, sampling.top_p.map(|p| p.clamp(P.0, P.1)));
    let p_fits = sampling.top_p.is_none_or(|p| (P.0..=P.1).contains(&p));
    let why = "Cohere's p lies between 0.01 and 0.99";
    body.lost.lose_if(!p_fits, "top_p", why);
    body.plain(names.top_k, sampling.top_k.map(|k| k.min(MAX_K)));
    let k_fits = sampling.top_k.is_none_or(|k| k <= MAX_K);
    body.lost
        .lose_if(!k_fits, "top_k", "Cohere's k ends at 500");
    body.plain("seed", sampling.seed.filter(|seed| *seed >= 0));
    let seed_fits = sampling.seed.is_none_or(|seed| seed >= 0);
    body.lost
        .lose_if(!seed_fits, "seed", "Cohere's seeds are not negative");
    let stop = &sampling.stop;
    body.texts(names.stop, &stop[..stop.len().min(MAX_STOP)]);
    let stop_fits = stop.len() <= MAX_STOP;
    body.lost
        .lose_if(!stop_fits, "stop", "Cohere takes five stop sequences");
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
        body.plain(here, penalty.map(|penalty| penalty.clamp(0.0, 1.0)));
        let fits = penalty.is_none_or(|penalty| (0.0..=1.0).contains(&penalty));
        let why = "Cohere's penalties lie between 0 and 1";
        body.lost.lose_if(!fits, name, why);
    }
    body.raw(names.logprobs, sampling.logprobs.then_some("true"));
    let top = sampling.top_logprobs.is_some_and(|top| top > 0);
    let biased = sampling.logit_bias.is_some();
    let several = sampling.n.is_some_and(|n| n > 1);
    for (asked, name, why) in [
        (top, "top_logprobs", "Cohere returns no alternative tokens"),
        (sampling.min_p.is_some(), "min_p", "Cohere has no min_p"),
        (biased, "logit_bias", "Cohere has no logit_bias"),
        (several, "n", "Cohere returns only one answer"),
    ] {
        body.lost.lose_if(asked, name, why);
    }
}

fn thinking(request: &ChatRequest<'_>, body: &mut Body<'_>) {
    let Some(reasoning) = &request.reasoning else {
        return;
    };
    let budget = match (reasoning.budget, reasoning.effort) {
        (Some(budget), _) => Some(budget),
        (None, Some(effort)) => Some(effort.budget()),
        (None, None) if reasoning.adaptive => None,
        (None, None) => return,
    };
    let names = body.about;
    let off = budget == Some(0) || reasoning.effort == Some(Effort::None);
    let kind = if off { names.disabled } else { names.enabled };
    if body.begin("thinking") {
        write::typed(&mut body.out, kind, |out| {
            write::plain_if(out, names.token_budget, budget.filter(|_| !off));
        });
    }
}
