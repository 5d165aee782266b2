//! Fits a request to its target before it is written, and its answer to the client after it was
//! read. What every writer would have to know, and would then know differently, stands here once:
//! names of tools, results that failed or hold images, forms of answers that a target has no
//! word for, and what the families of models refuse.
//!
//! [`fit`] changes the typed request and says what the client should know of; [`Back`] is what has
//! to be undone in the answer, and [`Undo`] undoes it, step by step.

mod aim;
pub(crate) mod back;
mod bedrock;
mod calls;
mod claude;
mod closed;
mod custom;
mod drawn;
mod family;
mod form;
mod free_text;
mod gemini;
mod hosted;
mod keys;
mod lengths;
mod markers;
mod media;
mod names;
mod namespaces;
mod openai;
mod paired;
mod renamed;
mod results;
mod room;
mod schemas;
pub(crate) mod signed;
mod turns;
mod unanswered;
mod undo;

pub(crate) use aim::{Aim, Fitted};
pub use back::is_known_ending;
pub(crate) use family::{reads_json_schema, takes_effort, takes_system_messages};
pub(crate) use hosted::is_hosted;
pub(crate) use namespaces::{join as join_namespace, split as split_namespace};
pub(crate) use signed::maker_of;
pub(crate) use turns::BILLING;
pub use turns::unbilled;
pub(crate) use undo::Undo;

use crate::exchange::{ChatRequest, ToolChoice};
use family::Family;

/// Fits a request to where it goes.
pub(crate) fn fit(request: &mut ChatRequest<'_>, aim: &Aim<'_>) -> Fitted {
    let mut fitted = Fitted {
        messages: (0..request.messages.len()).collect(),
        tools: (0..request.tools.len()).collect(),
        ..Fitted::default()
    };
    defaults(request);
    turns::without_billing(request, aim, &mut fitted);
    user(request, aim, &mut fitted);
    signed::fit(request, aim, &mut fitted);
    if aim.native.as_ref() != Some(&aim.maker) {
        fitted.back.made_by(aim.maker.clone(), aim.ahead);
    }
    room::fit(request, aim, &mut fitted);
    namespaces::flatten(request, aim, &mut fitted);
    custom::bridge(request, aim, &mut fitted);
    hosted::leave_out(request, aim, &mut fitted);
    hosted::forget(request, aim, &mut fitted);
    calls::fit(request, aim, &mut fitted);
    paired::fit(request, aim, &mut fitted);
    lengths::fit(request, aim, &mut fitted);
    unanswered::fit(request, aim, &mut fitted);
    drawn::fit(request, aim, &mut fitted);
    results::fit(request, aim, &mut fitted);
    turns::fit(request, aim, &mut fitted);
    schemas::spell(request);
    form::fit(request, aim, &mut fitted);
    schemas::once(request, aim, &mut fitted);
    schemas::fit(request, aim, &mut fitted);
    schemas::strict(request, aim, &mut fitted);
    media::fit(request);
    match aim.family {
        Family::Claude(claude) => claude::fit(request, aim, claude, &mut fitted),
        Family::Gemini(gemini) => gemini::fit(request, gemini, &mut fitted),
        Family::OpenAi(model) => {
            openai::fit(request, model, &mut fitted);
            openai::beside_tools(request, aim, &mut fitted);
        }
        Family::Bedrock(model) => bedrock::fit(request, model, &mut fitted),
        _ => {}
    }
    if !aim.ways.names_tool
        && let Some(ToolChoice::Tool(name)) = &request.tool_choice
        && request.tools.iter().any(|tool| tool.name == *name)
    {
        let name = name.clone().into_owned();
        bedrock::only(request, &name, &mut fitted);
    }
    markers::fit(request, aim);
    // Last, so that tools that were added have their names too.
    names::fit(request, aim, &mut fitted);
    keys::fit(request, aim, &mut fitted);
    fitted
}

/// An id of the end user that is longer than the target takes says nothing there.
fn user(request: &mut ChatRequest<'_>, aim: &Aim<'_>, fitted: &mut Fitted) {
    let most = match aim.family {
        Family::Claude(_) => 256,
        // Shortened there: see `lengths`.
        _ if aim.profile.is_openai() => return,
        // OpenRouter's.
        _ => 128,
    };
    if request
        .user
        .take_if(|user| user.chars().count() > most)
        .is_some()
    {
        fitted.lose("user", "it is longer than this target takes");
    }
}

/// An empty container asks for nothing, whatever it would hold.
fn defaults(request: &mut ChatRequest<'_>) {
    let empty = |json: &str| matches!(json, "[]" | "{}" | "\"\"");
    request.extra.retain(|field| {
        let text_only = field.name == "generationConfig.responseModalities"
            && field.value.eq_ignore_ascii_case("[\"text\"]");
        !empty(&field.value) && !text_only
    });
    for part in request.parts_mut() {
        part.extra.retain(|field| !empty(&field.value));
    }
    for tool in &mut request.tools {
        tool.extra
            .retain(|field| !empty(&field.value) && field.value != "false");
    }
    let none = |json: &str| {
        json.trim_matches(['{', '}', ' ', '\n', '\t', '\r'])
            .is_empty()
    };
    request.sampling.logit_bias.take_if(|bias| none(bias));
}

#[cfg(test)]
mod tests;
