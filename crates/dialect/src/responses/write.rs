//! Writes a request for an upstream that speaks this format.

use super::{tools, write_items};
use crate::exchange::{
    ChatRequest, Content, Effort, Inexpressible, Lost, OutputFormat, Profile, WriteOptions, Written,
};
use crate::json::write::{self, item, name, raw, text};
use crate::json::write_json_string;

pub(crate) fn write_request(
    request: &ChatRequest<'_>,
    options: &WriteOptions,
) -> Result<Written, Inexpressible> {
    let mut writer = Writer {
        out: String::with_capacity(2048),
        lost: Vec::new(),
        request,
        options,
    };
    writer.conversation()?;
    writer.tools();
    writer.sampling();
    writer.form();
    writer.reasoning();
    writer.labels();
    writer.extra();
    for (name, json) in &options.set {
        raw(&mut writer.out, name, json);
    }
    writer.out.push('}');
    Ok(Written {
        body: writer.out.into(),
        lost: writer.lost,
        back: Default::default(),
    })
}

struct Writer<'r, 'a> {
    out: String,
    lost: Vec<Lost>,
    request: &'r ChatRequest<'a>,
    options: &'r WriteOptions,
}

/// Fields of chat completions or of this format that mean the same in both.
const SHARED: [&str; 7] = [
    "max_tool_calls",
    "moderation",
    "prompt_cache_options",
    "prompt_cache_retention",
    "store",
    "truncation",
    "context_management",
];

/// Fields that vLLM adds to this format, under the names that it also has in chat completions.
const ENGINE: [&str; 10] = [
    "cache_salt",
    "chat_template_kwargs",
    "ignore_eos",
    "include_stop_str_in_output",
    "mm_processor_kwargs",
    "priority",
    "repetition_penalty",
    "skip_special_tokens",
    "structured_outputs",
    "vllm_xargs",
];

/// `input` where no message had anything to write.
const NO_ITEMS: &str = "[]";

impl Writer<'_, '_> {
    /// Whether a member is ours to write: the configuration has not set it.
    fn free(&self, name: &str) -> bool {
        !self.options.set.iter().any(|(set, _)| set == name)
    }

    fn lose(&mut self, param: impl Into<String>, why: &'static str) {
        self.lost.push(Lost::new(param, why));
    }

    fn number(&mut self, name: &str, value: Option<impl std::fmt::Display>) {
        if let Some(value) = value.filter(|_| self.free(name)) {
            raw(&mut self.out, name, &value.to_string());
        }
    }

    fn text(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value.filter(|_| self.free(name)) {
            text(&mut self.out, name, value);
        }
    }

    fn conversation(&mut self) -> Result<(), Inexpressible> {
        self.out.push('{');
        if self.free("model") {
            text(&mut self.out, "model", &self.options.model);
        }
        let mut instructions = write_items::Messages::instructions(self.request);
        if self.free("input") {
            let mut input = self.input(usize::from(instructions.is_some()))?;
            // What follows the system prompt may be lost whole, and an input needs an item.
            if input == NO_ITEMS && instructions.take().is_some() {
                input = self.input(0)?;
            }
            if input == NO_ITEMS {
                return Err(Inexpressible {
                    param: "messages".to_owned(),
                    why: "nothing is left of them that this upstream could take".to_owned(),
                });
            }
            if let Some(instructions) = instructions.filter(|_| self.free("instructions")) {
                text(&mut self.out, "instructions", instructions);
            }
            raw(&mut self.out, "input", &input);
        } else if let Some(instructions) = instructions.filter(|_| self.free("instructions")) {
            text(&mut self.out, "instructions", instructions);
        }
        if self.options.stream && self.free("stream") {
            raw(&mut self.out, "stream", "true");
        }
        // Absent would mean that the answer is kept at OpenAI, which no other format asks for.
        if self.free("store") && !self.request.extra.iter().any(|extra| extra.name == "store") {
            raw(&mut self.out, "store", "false");
        }
        Ok(())
    }

    /// The value of `input`, without the first `skip` messages. What the last try lost is forgotten.
    fn input(&mut self, skip: usize) -> Result<String, Inexpressible> {
        let mut input = String::with_capacity(1024);
        self.lost.clear();
        let mut messages = write_items::Messages {
            out: &mut input,
            lost: &mut self.lost,
            profile: self.options.profile,
        };
        messages.input(self.request, skip)?;
        Ok(input)
    }

    fn tools(&mut self) {
        let request = self.request;
        if !request.tools.is_empty() && self.free("tools") {
            name(&mut self.out, "tools");
            self.out.push('[');
            let profile = self.options.profile;
            tools::write(&request.tools, profile, &mut self.out, &mut self.lost);
            self.out.push(']');
        }
        if let Some(choice) = &request.tool_choice
            && self.free("tool_choice")
        {
            name(&mut self.out, "tool_choice");
            tools::write_choice(choice, &request.tools, &mut self.out);
        }
        self.number("parallel_tool_calls", request.parallel_tool_calls);
    }

    fn sampling(&mut self) {
        let sampling = &self.request.sampling;
        self.number("max_output_tokens", sampling.max_tokens);
        self.number("temperature", sampling.temperature);
        self.number("top_p", sampling.top_p);
        self.number("top_logprobs", sampling.top_logprobs);
        if sampling.n.is_some_and(|n| n > 1) {
            self.lose("n", "this upstream gives one answer");
        }
        if self.options.profile == Profile::Engine {
            self.number("top_k", sampling.top_k);
            self.number("min_p", sampling.min_p);
            self.number("seed", sampling.seed);
            self.number("frequency_penalty", sampling.frequency_penalty);
            self.number("presence_penalty", sampling.presence_penalty);
            if let Some(bias) = sampling.logit_bias.as_deref()
                && self.free("logit_bias")
            {
                raw(&mut self.out, "logit_bias", bias);
            }
            if !sampling.stop.is_empty() && self.free("stop") {
                name(&mut self.out, "stop");
                self.out.push('[');
                for sequence in &sampling.stop {
                    item(&mut self.out);
                    write_json_string(sequence, &mut self.out);
                }
                self.out.push(']');
            }
            return;
        }
        let absent = [
            ("top_k", sampling.top_k.is_some()),
            ("min_p", sampling.min_p.is_some()),
            ("seed", sampling.seed.is_some()),
            ("frequency_penalty", is_set(sampling.frequency_penalty)),
            ("presence_penalty", is_set(sampling.presence_penalty)),
            ("logit_bias", sampling.logit_bias.is_some()),
            ("stop", !sampling.stop.is_empty()),
        ];
        for (name, _) in absent.into_iter().filter(|(_, asked)| *asked) {
            self.lose(name, "OpenAI's responses have no such field");
        }
    }

    /// `text`: the answer's form and its verbosity.
    fn form(&mut self) {
        let verbosity = self.request.extra.iter().find(|e| e.name == "verbosity");
        if (self.request.output.is_none() && verbosity.is_none()) || !self.free("text") {
            return;
        }
        let out = &mut self.out;
        name(out, "text");
        out.push('{');
        if let Some(output) = &self.request.output {
            name(out, "format");
            write_output(output, out);
        }
        if let Some(verbosity) = verbosity {
            raw(out, "verbosity", &verbosity.value);
        }
        out.push('}');
    }

    fn reasoning(&mut self) {
        let profile = self.options.profile;
        let seals = matches!(profile, Profile::OpenAi | Profile::Azure);
        if let Some(asked) = &self.request.reasoning
            && self.free("reasoning")
        {
            let effort = asked.effort.or(asked.budget.map(Effort::of_budget));
            let summary = asked.summary.as_deref().and_then(summary);
            if effort.is_some() || summary.is_some() {
                name(&mut self.out, "reasoning");
                self.out.push('{');
                if let Some(effort) = effort {
                    text(&mut self.out, "effort", effort.as_str());
                }
                if let Some(summary) = summary {
                    text(&mut self.out, "summary", summary);
                }
                self.out.push('}');
            }
        }
        if !self.free("include") {
            return;
        }
        // Models that don't reason refuse to be asked for it.
        let seals = seals && (self.request.reasoning.is_some() || has_sealed(self.request));
        let wanted = [
            (
                "message.output_text.logprobs",
                self.request.sampling.logprobs,
            ),
            ("reasoning.encrypted_content", seals),
        ];
        if wanted.iter().any(|(_, asked)| *asked) {
            name(&mut self.out, "include");
            self.out.push('[');
            for (what, _) in wanted.iter().filter(|(_, asked)| *asked) {
                item(&mut self.out);
                write_json_string(what, &mut self.out);
            }
            self.out.push(']');
        }
    }

    fn labels(&mut self) {
        let request = self.request;
        if !request.metadata.is_empty() && self.free("metadata") {
            name(&mut self.out, "metadata");
            self.out.push('{');
            for (label, value) in &request.metadata {
                text(&mut self.out, label, value);
            }
            self.out.push('}');
        }
        // OpenAI is phasing the older name out; nobody else knows the newer one.
        let user = match self.options.profile {
            Profile::OpenAi => "safety_identifier",
            _ => "user",
        };
        self.text(user, request.user.as_deref());
        self.text("service_tier", request.service_tier.as_deref());
        self.text("prompt_cache_key", request.prompt_cache_key.as_deref());
    }

    fn extra(&mut self) {
        let engine = self.options.profile == Profile::Engine;
        for extra in &self.request.extra {
            let name = extra.name.as_str();
            if name == "verbosity" {
                continue;
            }
            if SHARED.contains(&name) || (engine && ENGINE.contains(&name)) {
                if self.free(name) {
                    raw(&mut self.out, name, &extra.value);
                }
            } else {
                self.lose(name, "OpenAI's responses have no such field");
            }
        }
    }
}

/// Whether a penalty does anything.
fn is_set(penalty: Option<f64>) -> bool {
    penalty.is_some_and(|penalty| penalty != 0.0)
}

/// OpenAI's word for how reasoning is shown; none: not at all.
fn summary(wanted: &str) -> Option<&str> {
    match wanted {
        "auto" | "concise" | "detailed" => Some(wanted),
        "omitted" | "none" | "false" => None,
        _ => Some("auto"),
    }
}

fn has_sealed(request: &ChatRequest<'_>) -> bool {
    let mut parts = request.messages.iter().flat_map(|message| &message.parts);
    parts.any(|part| {
        let content = &part.content;
        matches!(content, Content::Reasoning { signature, .. } if signature.is_some())
    })
}

fn write_output(output: &OutputFormat<'_>, out: &mut String) {
    match output {
        OutputFormat::Text => out.push_str("{\"type\":\"text\"}"),
        OutputFormat::JsonObject => out.push_str("{\"type\":\"json_object\"}"),
        OutputFormat::JsonSchema {
            name,
            description,
            schema,
            strict,
        } => {
            write::tagged(out, "json_schema");
            text(out, "name", name);
            if let Some(description) = description {
                text(out, "description", description);
            }
            raw(out, "schema", schema);
            if let Some(strict) = strict {
                raw(out, "strict", if *strict { "true" } else { "false" });
            }
            out.push('}');
        }
    }
}
