//! Writes a request for an upstream that speaks this format.

use super::{tools, write_items};
use crate::exchange::{
    ChatRequest, Content, Draft, Effort, Inexpressible, OutputFormat, Profile, WriteOptions,
    Written,
};
use crate::json::write::{self, name, raw, text};
use crate::openai;

pub(crate) fn write_request(
    request: &ChatRequest<'_>,
    options: &WriteOptions,
) -> Result<Written, Inexpressible> {
    let mut writer = Writer {
        body: Draft::new(options, (), 2048),
        request,
    };
    writer.conversation()?;
    writer.tools();
    writer.sampling();
    writer.form();
    writer.reasoning();
    writer.labels();
    writer.extra();
    Ok(writer.body.finish())
}

struct Writer<'r, 'a> {
    body: Draft<'r>,
    request: &'r ChatRequest<'a>,
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

impl Writer<'_, '_> {
    fn conversation(&mut self) -> Result<(), Inexpressible> {
        let options = self.body.options;
        self.body.text("model", Some(&options.model));
        let mut instructions = write_items::Messages::instructions(self.request);
        let mut input = None;
        if self.body.is_free("input") {
            let mut items = self.input(usize::from(instructions.is_some()))?;
            // What follows the system prompt may be lost whole, and an input needs an item.
            if items.is_empty() && instructions.take().is_some() {
                items = self.input(0)?;
            }
            if items.is_empty() {
                return Err(Inexpressible::new(
                    "messages",
                    "nothing is left of them that this upstream could take",
                ));
            }
            input = Some(items);
        }
        self.body.text("instructions", instructions);
        if let Some(input) = input {
            write::list(&mut self.body.out, "input", |out| out.push_str(&input));
        }
        self.body.plain("stream", options.stream.then_some(true));
        // Absent would mean that the answer is kept at OpenAI, which no other format asks for.
        let said = self.request.extra.iter().any(|extra| extra.name == "store");
        self.body.plain("store", (!said).then_some(false));
        Ok(())
    }

    /// The items of `input`, without the first `skip` messages. What the last try lost is forgotten.
    fn input(&mut self, skip: usize) -> Result<String, Inexpressible> {
        let mut input = String::with_capacity(1024);
        self.body.lost.0.clear();
        let mut messages = write_items::Messages {
            out: &mut input,
            lost: &mut self.body.lost,
            profile: self.body.options.profile,
        };
        messages.input(self.request, skip)?;
        Ok(input)
    }

    fn tools(&mut self) {
        let request = self.request;
        let body = &mut self.body;
        if !request.tools.is_empty() && body.is_free("tools") {
            let profile = body.options.profile;
            write::list(&mut body.out, "tools", |out| {
                tools::write(&request.tools, profile, out, &mut body.lost);
            });
        }
        if let Some(choice) = &request.tool_choice
            && body.begin("tool_choice")
        {
            tools::write_choice(choice, &request.tools, &mut body.out);
        }
        body.plain("parallel_tool_calls", request.parallel_tool_calls);
    }

    fn sampling(&mut self) {
        let sampling = &self.request.sampling;
        let body = &mut self.body;
        body.plain("max_output_tokens", sampling.max_tokens);
        body.plain("temperature", sampling.temperature);
        body.plain("top_p", sampling.top_p);
        body.plain("top_logprobs", sampling.top_logprobs);
        if sampling.n.is_some_and(|n| n > 1) {
            body.lose("n", "this upstream returns only one answer");
        }
        if body.options.profile == Profile::Engine {
            body.plain("top_k", sampling.top_k);
            body.plain("min_p", sampling.min_p);
            body.plain("seed", sampling.seed);
            body.plain("frequency_penalty", sampling.frequency_penalty);
            body.plain("presence_penalty", sampling.presence_penalty);
            body.raw("logit_bias", sampling.logit_bias.as_deref());
            body.texts("stop", &sampling.stop);
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
            body.lose(name, "OpenAI's responses have no such field");
        }
    }

    /// `text`: the answer's form and its verbosity.
    fn form(&mut self) {
        let verbosity = self.request.extra.iter().find(|e| e.name == "verbosity");
        if !self.body.is_free("text") {
            return;
        }
        write::some_object(&mut self.body.out, "text", |out| {
            if let Some(output) = &self.request.output {
                name(out, "format");
                write_output(output, out);
            }
            if let Some(verbosity) = verbosity {
                raw(out, "verbosity", &verbosity.value);
            }
        });
    }

    fn reasoning(&mut self) {
        let body = &mut self.body;
        if let Some(asked) = &self.request.reasoning
            && body.is_free("reasoning")
        {
            let effort = asked.effort.or(asked.budget.map(Effort::of_budget));
            write::some_object(&mut body.out, "reasoning", |out| {
                write::text_if(out, "effort", effort.map(Effort::as_str));
                write::text_if(out, "summary", asked.summary.as_deref().and_then(summary));
            });
        }
        if !body.is_free("include") {
            return;
        }
        // Models that don't reason refuse to be asked for it.
        let seals = body.options.profile.is_openai()
            && (self.request.reasoning.is_some() || has_sealed(self.request));
        write::some_list(&mut body.out, "include", |out| {
            if self.request.sampling.logprobs {
                write::string(out, "message.output_text.logprobs");
            }
            if seals {
                write::string(out, "reasoning.encrypted_content");
            }
        });
    }

    fn labels(&mut self) {
        let request = self.request;
        let body = &mut self.body;
        if body.is_free("metadata") {
            write::some_object(&mut body.out, "metadata", |out| {
                for (label, value) in &request.metadata {
                    text(out, label, value);
                }
            });
        }
        // OpenAI is phasing the older name out; nobody else knows the newer one.
        let user = match body.options.profile {
            Profile::OpenAi => "safety_identifier",
            _ => "user",
        };
        body.text(user, request.user.as_deref());
        body.text("service_tier", request.service_tier.as_deref());
        body.text("prompt_cache_key", request.prompt_cache_key.as_deref());
    }

    fn extra(&mut self) {
        let engine = self.body.options.profile == Profile::Engine;
        for extra in &self.request.extra {
            let name = extra.name.as_str();
            if name == "verbosity" {
                continue;
            }
            if SHARED.contains(&name) || (engine && ENGINE.contains(&name)) {
                self.body.raw(name, Some(&extra.value));
            } else {
                self.body
                    .lose(name, "OpenAI's responses have no such field");
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
        matches!(content, Content::Reasoning(thought) if thought.signature.is_some())
    })
}

fn write_output(output: &OutputFormat<'_>, out: &mut String) {
    match output {
        OutputFormat::Text => write::typed(out, "text", |_| {}),
        OutputFormat::JsonObject => write::typed(out, "json_object", |_| {}),
        OutputFormat::JsonSchema { .. } => write::typed(out, "json_schema", |out| {
            openai::exchange::schema(output, out);
        }),
    }
}
