//! Cohere's first form, `COHERE` (`CohereChatRequest`): one message, a history, a preamble.

use super::arguments::{is_object, object_of};
use super::schema;
use crate::cohere::{Calls, unlabelled};
use crate::exchange::{
    ChatRequest, Content, Draft, Effort, Inexpressible, Message, OutputFormat, Part, Role,
    ToolCall, ToolChoice,
};
use crate::json::write::{self, Sink};

pub(super) fn write(request: &ChatRequest<'_>, body: &mut Draft<'_>) -> Result<(), Inexpressible> {
    body.text("apiFormat", Some("COHERE"));
    let messages = request.messages.as_slice();
    let operator = |message: &Message<'_>| matches!(message.role, Role::System | Role::Developer);
    let preamble = messages
        .iter()
        .take_while(|message| operator(message))
        .count();
    let last_results = messages
        .iter()
        .rev()
        .take_while(|message| message.role == Role::Tool);
    let (now, user_speaks) = match last_results.count() {
        0 => (messages.len().saturating_sub(1).max(preamble), true),
        results => (messages.len() - results, false),
    };
    let last = messages.last().map(|message| message.role);
    if !matches!(last, Some(Role::User | Role::Tool)) {
        return Err(Inexpressible::new(
            "messages",
            "the last one must be the user's or a tool's result",
        ));
    }
    let mut writer = Writer {
        body: &mut *body,
        calls: Calls::default(),
    };
    let mut spoken = String::new();
    for (at, message) in messages.iter().enumerate().take(preamble) {
        writer.text(at, message, "\n\n", &mut spoken);
    }
    if preamble > 0 {
        write::text(&mut writer.body.out, "preambleOverride", &spoken);
    }
    write::list(&mut writer, "chatHistory", |writer| {
        writer.history(preamble, &messages[preamble..now])
    })?;
    spoken.clear();
    if user_speaks {
        for (at, message) in messages.iter().enumerate().skip(now) {
            writer.text(at, message, "\n", &mut spoken);
        }
    } else {
        writer.results(now, &messages[now..])?;
    }
    body.text("message", Some(&spoken));
    tools(request, body);
    sampling(request, body);
    unlabelled(request, &mut body.lost);
    body.lost.extra(request, |_| false);
    Ok(())
}

struct Writer<'w, 'o, 'r> {
    body: &'w mut Draft<'o>,
    calls: Calls<'r>,
}

impl Sink for Writer<'_, '_, '_> {
    fn out(&mut self) -> &mut String {
        &mut self.body.out
    }
}

impl<'r> Writer<'_, '_, 'r> {
    /// What a message says, with `between` between its texts and before, where something is.
    fn text(&mut self, at: usize, message: &Message<'_>, between: &str, out: &mut String) {
        self.body.lost.message(at, message);
        self.body.lost.speaker(at, message);
        self.parts(at, message.role, &message.parts, between, out);
    }

    fn parts(
        &mut self,
        at: usize,
        role: Role,
        parts: &[Part<'_>],
        between: &str,
        out: &mut String,
    ) {
        for (position, part) in parts.iter().enumerate() {
            self.body.lost.part(at, position, part);
            let why = match &part.content {
                Content::Text { text, .. } | Content::Refusal(text) => {
                    if !out.is_empty() {
                        out.push_str(between);
                    }
                    out.push_str(text);
                    continue;
                }
                Content::ToolCall(call) if role == Role::Assistant && !call.custom => {
                    continue;
                }
                Content::Reasoning(_) => {
                    let param = format!("messages[{at}].content[{position}].reasoning");
                    let why = "Cohere's first form has no reasoning";
                    self.body.lose(param, why);
                    continue;
                }
                Content::ToolCall(_) => "Cohere's tools are functions, whose arguments are JSON",
                _ => "Cohere's first form takes text only",
            };
            self.body.lost.whole_part(at, position, why);
        }
    }

    fn history(&mut self, first: usize, messages: &'r [Message<'r>]) -> Result<(), Inexpressible> {
        let mut at = first;
        // Results of one turn stand in one message.
        let joins = |one: &Message<'_>, next: &Message<'_>| {
            one.role == Role::Tool && next.role == Role::Tool
        };
        for run in messages.chunk_by(joins) {
            write::braces(self, |this| match run {
                [message] if message.role != Role::Tool => this.said(at, message),
                _ => {
                    write::text(&mut this.body.out, "role", "TOOL");
                    this.results(at, run)
                }
            })?;
            at += run.len();
        }
        Ok(())
    }

    /// The members of a message of the history.
    fn said(&mut self, at: usize, message: &'r Message<'r>) -> Result<(), Inexpressible> {
        let mut text = String::new();
        self.text(at, message, "\n", &mut text);
        write::text(&mut self.body.out, "role", role(message.role));
        // Oracle refuses messages of the assistant without text.
        let silent = text.is_empty() && message.role == Role::Assistant;
        let text = if silent { " " } else { &text };
        write::text(&mut self.body.out, "message", text);
        if message.parts.iter().all(|part| part.call().is_none()) {
            return Ok(());
        }
        write::list(self, "toolCalls", |this| {
            for call in message.parts.iter().filter_map(Part::call) {
                this.calls.note(call, !call.custom);
                if !call.custom {
                    write_call(call, at, &mut this.body.out)?;
                }
            }
            Ok(())
        })
    }

    /// The member `toolResults`.
    fn results(&mut self, first: usize, messages: &'r [Message<'r>]) -> Result<(), Inexpressible> {
        write::list(self, "toolResults", |this| {
            for (at, message) in (first..).zip(messages) {
                this.body.lost.message(at, message);
                for (position, part) in message.parts.iter().enumerate() {
                    this.result(at, position, part)?;
                }
            }
            Ok(())
        })
    }

    fn result(&mut self, at: usize, position: usize, part: &Part<'_>) -> Result<(), Inexpressible> {
        self.body.lost.part(at, position, part);
        let Some(result) = part.result() else {
            let why = "tools only give results";
            self.body.lost.whole_part(at, position, why);
            return Ok(());
        };
        let Some(call) = self.calls.of(result, at)? else {
            let why = "its call can't be expressed in Cohere's format";
            self.body.lost.whole_part(at, position, why);
            return Ok(());
        };
        if result.is_error {
            let why = "Cohere's results have no mark of failure";
            self.body.lose(format!("messages[{at}].is_error"), why);
        }
        let mut said = String::new();
        self.parts(at, Role::Tool, &result.parts, "\n", &mut said);
        write::braces(&mut self.body.out, |out| {
            write::name(out, "call");
            write_call(call, at, out)?;
            write::list(out, "outputs", |out| match is_object(&said) {
                true => write::value(out, &said),
                false => write::braces(out, |out| write::text(out, "output", &said)),
            });
            Ok(())
        })
    }
}

fn role(role: Role) -> &'static str {
    match role {
        Role::System | Role::Developer => "SYSTEM",
        Role::User => "USER",
        Role::Assistant => "CHATBOT",
        Role::Tool => "TOOL",
    }
}

/// Writes a call as the next value.
fn write_call(call: &ToolCall<'_>, at: usize, out: &mut String) -> Result<(), Inexpressible> {
    let arguments = object_of(&call.arguments).ok_or_else(|| {
        Inexpressible::new(
            format!("messages[{at}].tool_calls"),
            "the arguments of a call are not a JSON object",
        )
    })?;
    write::braces(out, |out| {
        write::text(out, "name", &call.name);
        write::raw(out, "parameters", arguments);
    });
    Ok(())
}

fn tools(request: &ChatRequest<'_>, body: &mut Draft<'_>) {
    if !request.tools.is_empty() {
        write::list(body, "tools", |body| {
            for (at, tool) in request.tools.iter().enumerate() {
                body.lost.tool(at, tool);
                if tool.builtin.is_some() {
                    let why = "Cohere's tools are functions of the client";
                    body.lose(format!("tools[{at}]"), why);
                    continue;
                }
                let param = format!("tools[{at}].strict");
                let why = "Cohere's first form has no strict tools";
                body.lost.lose_if(tool.strict == Some(true), &param, why);
                write::braces(body, |body| {
                    let out = &mut body.out;
                    write::text(out, "name", &tool.name);
                    let description = tool.description.as_deref().unwrap_or_default();
                    write::text(out, "description", description);
                    let Some(schema) = &tool.parameters else {
                        return;
                    };
                    write::name(out, "parameterDefinitions");
                    if !schema::parameters(schema, out) {
                        let why =
                            "Cohere's first form knows of parameters only type and description";
                        body.lose(format!("tools[{at}].parameters"), why);
                    }
                });
            }
        });
    }
    let choice = !matches!(request.tool_choice, None | Some(ToolChoice::Auto));
    let one = request.parallel_tool_calls == Some(false) && !request.tools.is_empty();
    for (asked, name) in [(choice, "tool_choice"), (one, "parallel_tool_calls")] {
        let why = "Cohere's first form leaves it to the model which tools it calls";
        body.lost.lose_if(asked, name, why);
    }
}

fn sampling(request: &ChatRequest<'_>, body: &mut Draft<'_>) {
    let sampling = &request.sampling;
    body.plain("maxTokens", sampling.max_tokens);
    body.plain("temperature", sampling.temperature);
    body.plain("topP", sampling.top_p);
    body.plain("topK", sampling.top_k);
    body.plain("frequencyPenalty", sampling.frequency_penalty);
    body.plain("presencePenalty", sampling.presence_penalty);
    body.plain("seed", sampling.seed);
    body.texts("stopSequences", &sampling.stop);
    let schema = match &request.output {
        Some(OutputFormat::JsonSchema {
            schema,
            description,
            ..
        }) => {
            body.lost.described(description.is_some());
            Some(schema)
        }
        _ => None,
    };
    if !matches!(request.output, None | Some(OutputFormat::Text)) {
        write::name(&mut body.out, "responseFormat");
        write::typed(&mut body.out, "JSON_OBJECT", |out| {
            if let Some(schema) = schema {
                write::raw(out, "schema", schema);
            }
        });
    }
    let thinks = request.reasoning.as_ref().is_some_and(|reasoning| {
        reasoning.effort != Some(Effort::None) && reasoning.budget != Some(0)
    });
    for (asked, name) in [
        (sampling.min_p.is_some(), "min_p"),
        (sampling.n.is_some_and(|n| n > 1), "n"),
        (sampling.logprobs, "logprobs"),
        (sampling.logit_bias.is_some(), "logit_bias"),
        (thinks, "reasoning_effort"),
    ] {
        let why = "Cohere's first form has no such thing";
        body.lost.lose_if(asked, name, why);
    }
}
