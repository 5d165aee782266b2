//! Reads a chat completion request: its fields into what they mean, the rest into `extra`.

use std::borrow::Cow;

use super::read_message::Messages;
use super::read_tools;
use crate::exchange::{ChatRequest, Effort, Reasoning};
use crate::fields::{
    boolean, by_name, canonical, field, integer, invalid, missing, named, object, string,
};
use crate::grammar::asked::{effort, unnamed};
use crate::grammar::drawn::AT_LEAST_0;
use crate::json::{Kind, Shape, Value};
use crate::openai::grammar::DRAWN;
use crate::request::RequestError;

/// What these fields say when they are left out: saying it is saying nothing.
const DEFAULTS: [(&str, &str); 9] = [
    ("add_generation_prompt", "true"),
    ("continue_final_message", "false"),
    ("echo", "false"),
    ("ignore_eos", "false"),
    ("include_reasoning", "true"),
    ("modalities", "[\"text\"]"),
    ("skip_special_tokens", "true"),
    ("store", "false"),
    ("verbosity", "\"medium\""),
];

pub(crate) fn read_request<'d>(root: Value<'d>) -> Result<ChatRequest<'d>, RequestError> {
    object(root, "body")?;
    let mut reader = Reader::default();
    for (name, value) in named(root) {
        reader.member(&name, value)?;
    }
    reader.finish(root)
}

#[derive(Default)]
struct Reader<'d> {
    request: ChatRequest<'d>,
    reasoning: Reasoning<'d>,
}

impl<'d> Reader<'d> {
    fn finish(mut self, root: Value<'d>) -> Result<ChatRequest<'d>, RequestError> {
        for name in ["model", "messages"] {
            if root.some(name).is_none() {
                return Err(missing(name));
            }
        }
        let request = &mut self.request;
        let asked = self.reasoning.effort.is_some() || self.reasoning.budget.is_some();
        // A switch beside a measure says nothing more.
        self.reasoning.adaptive &= !asked;
        if asked || self.reasoning.adaptive {
            request.reasoning = Some(self.reasoning);
        }
        by_name(&mut request.extra);
        Ok(self.request)
    }

    fn member(&mut self, name: &str, value: Value<'d>) -> Result<(), RequestError> {
        let request = &mut self.request;
        match name {
            "model" => request.model = string(value, name)?,
            "messages" => request.messages = Messages::default().read(value)?,
            "tools" => request.tools = read_tools::tools(value)?,
            "functions" if request.tools.is_empty() => {
                request.tools = read_tools::functions(value)?;
            }
            "tool_choice" => request.tool_choice = Some(read_tools::tool_choice(value)?),
            "function_call" if request.tool_choice.is_none() => {
                request.tool_choice = Some(read_tools::function_call(value)?);
            }
            "parallel_tool_calls" => request.parallel_tool_calls = Some(boolean(value, name)?),
            "stream" => request.stream = boolean(value, name)?,
            // How much is told of usage is between the gateway and each side.
            "stream_options" => {}
            "response_format" => match read_tools::response_format(value)? {
                Some(output) => request.output = Some(output),
                None => self.other(name, value),
            },
            "guided_json" => self.schema(name, value, value)?,
            "structured_outputs" => match only_member(value, "json") {
                Some(schema) => self.schema(name, value, schema)?,
                None => self.other(name, value),
            },
            "user" if request.user.is_none() => {
                request.user = Some(string(value, name)?);
            }
            "user" => self.differing_user(string(value, name)?),
            "safety_identifier" => {
                let known = request.user.replace(string(value, name)?);
                known.into_iter().for_each(|user| self.differing_user(user));
            }
            "service_tier" => {
                let tier = string(value, name)?;
                request.service_tier = Some(tier).filter(|tier| tier != "auto");
            }
            "prompt_cache_key" => {
                request.prompt_cache_key = Some(string(value, name)?);
            }
            "metadata" => self.metadata(value),
            "reasoning_effort"
            | "reasoning"
            | "chat_template_kwargs"
            | "thinking"
            | "thinking_token_budget" => self.reasoning(name, value)?,
            _ if DRAWN.read(&mut request.sampling, name, value)? => {}
            _ => self.other(name, value),
        }
        Ok(())
    }

    fn other(&mut self, name: &str, value: Value<'d>) {
        let field = field(name, value);
        let says_nothing = DEFAULTS
            .iter()
            .any(|(default, said)| *default == name && *said == field.value);
        if !says_nothing {
            self.request.extra.push(field);
        }
    }

    fn differing_user(&mut self, user: Cow<'d, str>) {
        if self.request.user.as_ref() != Some(&user) {
            self.request.extra.push(crate::canonical::Field::new(
                "user",
                crate::json::json_string(&user),
            ));
        }
    }

    /// A schema under one of vLLM's names; OpenAI's `response_format` wins.
    fn schema(
        &mut self,
        name: &str,
        whole: Value<'d>,
        schema: Value<'d>,
    ) -> Result<(), RequestError> {
        let said = match schema.kind() {
            Kind::Object => Cow::Borrowed(schema.raw()),
            Kind::String => schema.as_str().unwrap_or_default(),
            _ => return Err(RequestError::wrong_type(name, "a JSON schema", schema)),
        };
        if crate::json::Document::parse(said.as_bytes()).is_err() {
            return Err(invalid(name, "must be a JSON schema"));
        }
        if self.request.output.is_some() {
            self.other(name, whole);
        } else {
            self.request.output = Some(unnamed(said));
        }
        Ok(())
    }

    fn metadata(&mut self, value: Value<'d>) {
        let labels: Option<Vec<_>> = named(value)
            .map(|(name, label)| label.as_str().map(|label| (name, label)))
            .collect();
        match labels.filter(|_| value.kind() == Kind::Object) {
            Some(labels) => self.request.metadata = labels,
            // Labels of other kinds are Mistral's alone.
            None => self.other("metadata", value),
        }
    }

    fn reasoning(&mut self, name: &str, value: Value<'d>) -> Result<(), RequestError> {
        let reasoning = &mut self.reasoning;
        match (name, value.kind()) {
            ("reasoning_effort", _) => {
                reasoning.effort = Some(effort(value, name)?);
            }
            ("thinking_token_budget", _) => {
                reasoning.budget = Some(integer(value, name, AT_LEAST_0)?);
            }
            // OpenRouter's object.
            ("reasoning", Kind::Object) => {
                for (member, value) in named(value) {
                    let path = format!("reasoning.{member}");
                    match member.as_ref() {
                        "effort" => reasoning.effort = Some(effort(value, &path)?),
                        "max_tokens" => reasoning.budget = Some(integer(value, &path, AT_LEAST_0)?),
                        "enabled" => switch(reasoning, boolean(value, &path)?),
                        _ => self.request.extra.push(field(&path, value)),
                    }
                }
            }
            ("thinking", Kind::Object) => self.thinking(value)?,
            ("chat_template_kwargs", Kind::Object) => {
                let mut rest = false;
                for (member, value) in named(value) {
                    match (THINKING.contains(&member.as_ref()), value.as_bool()) {
                        (true, Some(on)) => switch(reasoning, on),
                        _ => rest = true,
                    }
                }
                if rest {
                    self.request
                        .extra
                        .push(crate::canonical::Field::new(name, without_switches(value)));
                }
            }
            _ => self.other(name, value),
        }
        Ok(())
    }
}

impl<'d> Reader<'d> {
    /// Anthropic's object, as gateways take it in chat; DeepSeek, GLM and Kimi have the same without
    /// a budget.
    fn thinking(&mut self, value: Value<'d>) -> Result<(), RequestError> {
        let reasoning = &mut self.reasoning;
        let budget = value.some("budget_tokens");
        match (value.text("type").as_deref(), budget) {
            (Some("enabled"), Some(budget)) => {
                reasoning.budget = Some(integer(budget, "thinking.budget_tokens", AT_LEAST_0)?);
            }
            (Some("enabled" | "adaptive"), _) => switch(reasoning, true),
            (Some("disabled"), _) => switch(reasoning, false),
            _ => {
                self.other("thinking", value);
                return Ok(());
            }
        }
        if let Some(display) = value.some("display") {
            reasoning.summary = Some(string(display, "thinking.display")?);
        }
        for (name, value) in named(value) {
            if !["type", "budget_tokens", "display"].contains(&name.as_ref()) {
                self.other(&format!("thinking.{name}"), value);
            }
        }
        Ok(())
    }
}

/// What templates of engines call the switch for reasoning (Qwen's and most, DeepSeek's and
/// Granite's).
const THINKING: [&str; 2] = ["enable_thinking", "thinking"];

fn switch(reasoning: &mut Reasoning<'_>, on: bool) {
    if on {
        reasoning.adaptive = true;
    } else if reasoning.effort.is_none() {
        reasoning.effort = Some(Effort::None);
    }
}

/// `chat_template_kwargs` as canonical JSON without what is read of it.
fn without_switches(kwargs: Value<'_>) -> String {
    let mut rest: Vec<_> = named(kwargs)
        .filter(|(name, value)| !(THINKING.contains(&name.as_ref()) && value.as_bool().is_some()))
        .collect();
    rest.sort_by(|(left, _), (right, _)| left.cmp(right));
    let members: Vec<_> = rest
        .into_iter()
        .map(|(name, value)| {
            let value = canonical(value, Shape::WHOLE);
            format!("{}:{value}", crate::json::json_string(&name))
        })
        .collect();
    format!("{{{}}}", members.join(","))
}

/// The member of that name, if the object has no other.
fn only_member<'d>(object: Value<'d>, name: &str) -> Option<Value<'d>> {
    let mut members = named(object);
    let (only, value) = members.next()?;
    (only == name && members.next().is_none()).then_some(value)
}
