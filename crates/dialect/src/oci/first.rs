//! Cohere's first form, `COHERE` (`CohereChatRequest`): one message, a history, a preamble.

use super::arguments::{is_object, object_of};
use super::schema;
use crate::cohere::{Calls, Losses, unlabelled};
use crate::exchange::{
    ChatRequest, Content, Effort, Inexpressible, Message, OutputFormat, Part, Role, ToolCall,
    ToolChoice,
};
use crate::json::write::{List, Object};

pub(super) fn write(
    request: &ChatRequest<'_>,
    object: &mut Object<'_>,
    losses: &mut Losses,
) -> Result<(), Inexpressible> {
    object.text("apiFormat", "COHERE");
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
        losses,
        calls: Calls::default(),
    };
    let mut spoken = String::new();
    for (at, message) in messages.iter().enumerate().take(preamble) {
        writer.text(at, message, "\n\n", &mut spoken);
    }
    if preamble > 0 {
        object.text("preambleOverride", &spoken);
    }
    if let Some(out) = object.begin("chatHistory") {
        let mut list = List::open(out);
        writer.history(preamble, &messages[preamble..now], &mut list)?;
        list.close();
    }
    spoken.clear();
    if user_speaks {
        for (at, message) in messages.iter().enumerate().skip(now) {
            writer.text(at, message, "\n", &mut spoken);
        }
    } else if let Some(out) = object.begin("toolResults") {
        let mut list = List::open(out);
        writer.results(now, &messages[now..], &mut list)?;
        list.close();
    }
    object.text("message", &spoken);
    tools(request, object, losses);
    sampling(request, object, losses);
    unlabelled(request, losses);
    losses.extra(request, |_| false);
    Ok(())
}

struct Writer<'w, 'r> {
    losses: &'w mut Losses,
    calls: Calls<'r>,
}

impl<'r> Writer<'_, 'r> {
    /// What a message says, with `between` between its texts and before, where something is.
    fn text(&mut self, at: usize, message: &Message<'_>, between: &str, out: &mut String) {
        self.losses.message(at, message);
        self.losses.speaker(at, message);
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
            self.losses.part(at, position, part);
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
                    self.losses.lose(param, why);
                    continue;
                }
                Content::ToolCall(_) => "Cohere's tools are functions, whose arguments are JSON",
                _ => "Cohere's first form takes text only",
            };
            self.losses.whole_part(at, position, why);
        }
    }

    fn history(
        &mut self,
        first: usize,
        messages: &'r [Message<'r>],
        list: &mut List<'_>,
    ) -> Result<(), Inexpressible> {
        let mut at = 0;
        while let Some(message) = messages.get(at) {
            if message.role == Role::Tool {
                // Results of one turn stand in one message.
                let run = messages[at..]
                    .iter()
                    .take_while(|next| next.role == Role::Tool);
                let run = run.count();
                let mut object = Object::open(list.next());
                object.text("role", "TOOL");
                if let Some(out) = object.begin("toolResults") {
                    let mut list = List::open(out);
                    self.results(first + at, &messages[at..at + run], &mut list)?;
                    list.close();
                }
                object.close();
                at += run;
                continue;
            }
            let mut text = String::new();
            self.text(first + at, message, "\n", &mut text);
            let mut object = Object::open(list.next());
            object.text("role", role(message.role));
            let has_calls = message.parts.iter().any(|part| call(part).is_some());
            // Oracle refuses messages of the assistant without text.
            let silent = text.is_empty() && message.role == Role::Assistant;
            object.text("message", if silent { " " } else { &text });
            if has_calls && let Some(out) = object.begin("toolCalls") {
                let mut list = List::open(out);
                for call in message.parts.iter().filter_map(call) {
                    self.calls.note(call, !call.custom);
                    if !call.custom {
                        write_call(call, first + at, list.next())?;
                    }
                }
                list.close();
            }
            object.close();
            at += 1;
        }
        Ok(())
    }

    fn results(
        &mut self,
        first: usize,
        messages: &'r [Message<'r>],
        list: &mut List<'_>,
    ) -> Result<(), Inexpressible> {
        for (at, message) in (first..).zip(messages) {
            self.losses.message(at, message);
            for (position, part) in message.parts.iter().enumerate() {
                self.losses.part(at, position, part);
                let Content::ToolResult(result) = &part.content else {
                    self.losses
                        .whole_part(at, position, "tools only give results");
                    continue;
                };
                let Some(call) = self.calls.of(result, at)? else {
                    let why = "its call can't be expressed in Cohere's format";
                    self.losses.whole_part(at, position, why);
                    continue;
                };
                let param = format!("messages[{at}].is_error");
                let why = "Cohere's results have no mark of failure";
                self.losses.lose_if(result.is_error, &param, why);
                let mut said = String::new();
                self.parts(at, Role::Tool, &result.parts, "\n", &mut said);
                let mut object = Object::open(list.next());
                if let Some(out) = object.begin("call") {
                    write_call(call, at, out)?;
                }
                if let Some(out) = object.begin("outputs") {
                    let mut list = List::open(out);
                    if is_object(&said) {
                        list.next().push_str(&said);
                    } else {
                        list.object(|output| output.text("output", &said));
                    }
                    list.close();
                }
                object.close();
            }
        }
        Ok(())
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

fn call<'r>(part: &'r Part<'r>) -> Option<&'r ToolCall<'r>> {
    match &part.content {
        Content::ToolCall(call) => Some(call),
        _ => None,
    }
}

fn write_call(call: &ToolCall<'_>, at: usize, out: &mut String) -> Result<(), Inexpressible> {
    let arguments = object_of(&call.arguments).ok_or_else(|| {
        Inexpressible::new(
            format!("messages[{at}].tool_calls"),
            "the arguments of a call are not a JSON object",
        )
    })?;
    let mut object = Object::open(out);
    object.text("name", &call.name);
    object.raw("parameters", arguments);
    object.close();
    Ok(())
}

fn tools(request: &ChatRequest<'_>, object: &mut Object<'_>, losses: &mut Losses) {
    if !request.tools.is_empty()
        && let Some(out) = object.begin("tools")
    {
        let mut list = List::open(out);
        for (at, tool) in request.tools.iter().enumerate() {
            losses.tool(at, tool);
            if tool.builtin.is_some() {
                let why = "Cohere's tools are functions of the client";
                losses.lose(format!("tools[{at}]"), why);
                continue;
            }
            let param = format!("tools[{at}].strict");
            let why = "Cohere's first form has no strict tools";
            losses.lose_if(tool.strict == Some(true), &param, why);
            let mut object = Object::open(list.next());
            object.text("name", &tool.name);
            object.text(
                "description",
                tool.description.as_deref().unwrap_or_default(),
            );
            if let Some(schema) = &tool.parameters
                && let Some(out) = object.begin("parameterDefinitions")
                && !schema::parameters(schema, out)
            {
                let why = "Cohere's first form knows of parameters only type and description";
                losses.lose(format!("tools[{at}].parameters"), why);
            }
            object.close();
        }
        list.close();
    }
    let choice = !matches!(request.tool_choice, None | Some(ToolChoice::Auto));
    let one = request.parallel_tool_calls == Some(false) && !request.tools.is_empty();
    for (asked, name) in [(choice, "tool_choice"), (one, "parallel_tool_calls")] {
        let why = "Cohere's first form leaves it to the model which tools it calls";
        losses.lose_if(asked, name, why);
    }
}

fn sampling(request: &ChatRequest<'_>, object: &mut Object<'_>, losses: &mut Losses) {
    let sampling = &request.sampling;
    object.plain("maxTokens", sampling.max_tokens);
    object.plain("temperature", sampling.temperature);
    object.plain("topP", sampling.top_p);
    object.plain("topK", sampling.top_k);
    object.plain("frequencyPenalty", sampling.frequency_penalty);
    object.plain("presencePenalty", sampling.presence_penalty);
    object.plain("seed", sampling.seed);
    object.texts("stopSequences", &sampling.stop);
    match &request.output {
        None | Some(OutputFormat::Text) => {}
        Some(OutputFormat::JsonObject) => {
            object.raw("responseFormat", r#"{"type":"JSON_OBJECT"}"#);
        }
        Some(OutputFormat::JsonSchema {
            schema,
            description,
            ..
        }) => {
            object.object("responseFormat", |format| {
                format.text("type", "JSON_OBJECT");
                format.raw("schema", schema);
            });
            losses.lose_if(
                description.is_some(),
                "response_format.json_schema.description",
                "Cohere's schemas are not described beside themselves",
            );
        }
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
        losses.lose_if(asked, name, "Cohere's first form has no such thing");
    }
}
