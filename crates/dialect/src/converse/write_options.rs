//! Writes what a request asks for beside its messages: limits, tools, form, labels; and lists
//! what Converse has no word for.

use super::read_options::own_field;
use super::write_model;
use crate::exchange::{ChatRequest, Inexpressible, Losses, OutputFormat, WriteOptions};
use crate::json::write;

pub(super) struct Options<'o> {
    pub(super) request: &'o ChatRequest<'o>,
    pub(super) options: &'o WriteOptions,
    /// The target is one of Anthropic's models.
    pub(super) claude: bool,
    /// The conversation has calls, so that tools must be declared.
    pub(super) has_calls: bool,
    pub(super) losses: &'o mut Losses,
}

impl Options<'_> {
    pub(super) fn write(&mut self, out: &mut String) -> Result<(), Inexpressible> {
        if self.is_free("inferenceConfig") {
            write::some_object(out, "inferenceConfig", |out| self.inference(out));
        }
        let (tools, offers_tools) = self.tools()?;
        if !tools.is_empty() {
            self.member("toolConfig", &tools, out);
        }
        if self.is_free("outputConfig") {
            write::some_object(out, "outputConfig", |out| self.output(out));
        }
        if self.is_free(ADDITIONAL) {
            write::some_object(out, ADDITIONAL, |out| {
                write_model::fields(self, offers_tools, out);
                self.own(ADDITIONAL, out);
            });
        }
        self.labels(out);
        for field in &self.request.extra {
            match own_field(field) {
                Some(("", name)) => self.member(name, &field.value, out),
                Some(_) => {}
                None => self.losses.push(
                    field.name.as_str(),
                    "this field has no known meaning for Converse",
                ),
            }
        }
        self.unsaid();
        Ok(())
    }

    /// Whether a member is the writer's: the options have not set it.
    fn is_free(&self, name: &str) -> bool {
        !self.options.set.iter().any(|(set, _)| set == name)
    }

    fn member(&self, name: &str, json: &str, out: &mut String) {
        if self.is_free(name) {
            write::raw(out, name, json);
        }
    }

    /// Fields of this dialect's own that stood in that object.
    pub(super) fn own(&self, object: &str, out: &mut String) {
        for field in &self.request.extra {
            if let Some((of, name)) = own_field(field)
                && of == object
            {
                write::raw(out, name, &field.value);
            }
        }
    }

    fn inference(&mut self, out: &mut String) {
        let sampling = &self.request.sampling;
        match sampling.max_tokens {
            None => {}
            Some(0) => self
                .losses
                .push("max_tokens", "Converse's maxTokens is at least 1"),
            Some(tokens) => write::plain(out, "maxTokens", tokens),
        }
        let shares = [
            ("temperature", "temperature", sampling.temperature),
            ("topP", "top_p", sampling.top_p),
        ];
        for (name, param, share) in shares {
            match share {
                None => {}
                Some(share) if (0.0..=1.0).contains(&share) => write::plain(out, name, share),
                Some(_) => self.losses.push(param, "Converse's goes from 0 to 1"),
            }
        }
        if sampling.stop.iter().any(|stop| stop.is_empty()) {
            self.losses
                .push("stop", "Converse's stop sequences are not empty");
        }
        if sampling.stop.len() > MAX_STOPS {
            self.losses
                .push("stop", "Converse takes 2,500 stop sequences");
        }
        let stops = sampling.stop.iter().filter(|stop| !stop.is_empty());
        write::some_list(out, "stopSequences", |out| {
            stops
                .take(MAX_STOPS)
                .for_each(|stop| write::string(out, stop));
        });
        self.own("inferenceConfig", out);
    }

    fn output(&mut self, out: &mut String) {
        match &self.request.output {
            None | Some(OutputFormat::Text) => {}
            Some(OutputFormat::JsonObject) => self.losses.push(
                "response_format",
                "Converse has JSON of a schema, not JSON of any form",
            ),
            Some(OutputFormat::JsonSchema {
                name,
                description,
                schema,
                strict,
            }) => {
                write::object(out, "textFormat", |out| {
                    write::text(out, "type", "json_schema");
                    write::object(out, "structure", |out| {
                        write::object(out, "jsonSchema", |out| {
                            // The schema is JSON within a string.
                            write::text(out, "schema", schema);
                            write::text(out, "name", name);
                            write::text_if(out, "description", description.as_deref());
                        });
                    });
                });
                if *strict == Some(false) {
                    let why = "Converse always keeps to the schema strictly";
                    self.losses.push("response_format.json_schema.strict", why);
                }
            }
        }
        write_model::effort(self, out);
        self.own("outputConfig", out);
    }

    fn labels(&mut self, out: &mut String) {
        let request = self.request;
        let mut labels = String::new();
        for (position, (key, value)) in request.metadata.iter().enumerate() {
            // Shapes RequestMetadata, RequestMetadataKeyString and RequestMetadataValueString.
            if position < 16 && (1..=256).contains(&key.len()) && is_label(key) && is_label(value) {
                write::text(&mut labels, key, value);
            } else {
                let why = "Converse's requestMetadata has 16 labels of up to 256 plain characters";
                self.losses.push(format!("metadata.{key}"), why);
            }
        }
        if self.is_free("requestMetadata") {
            write::some_object(out, "requestMetadata", |out| out.push_str(&labels));
        }
        match request.service_tier.as_deref() {
            Some(tier) if !TIERS.contains(&tier) => {
                let why = "Converse's tiers are default, flex, priority and reserved";
                self.losses.push("service_tier", why);
            }
            Some(tier) if self.is_free("serviceTier") => {
                write::object(out, "serviceTier", |out| write::text(out, "type", tier));
            }
            _ => {}
        }
    }

    /// What no model of Bedrock's is told through Converse.
    fn unsaid(&mut self) {
        let ChatRequest {
            sampling,
            user,
            prompt_cache_key,
            ..
        } = self.request;
        let losses = &mut *self.losses;
        let unsaid = [
            ("n", sampling.n.is_some_and(|n| n > 1)),
            ("seed", sampling.seed.is_some()),
            ("min_p", sampling.min_p.is_some()),
            (
                "frequency_penalty",
                sampling.frequency_penalty.is_some_and(|p| p != 0.0),
            ),
            (
                "presence_penalty",
                sampling.presence_penalty.is_some_and(|p| p != 0.0),
            ),
            (
                "logprobs",
                sampling.logprobs || sampling.top_logprobs.is_some(),
            ),
            ("logit_bias", sampling.logit_bias.is_some()),
        ];
        for (param, _) in unsaid.iter().filter(|(_, said)| *said) {
            losses.push(*param, "Converse has no such field");
        }
        if user.is_some() {
            losses.push("user", "Converse has no field for the end user");
        }
        if prompt_cache_key.is_some() {
            losses.push("prompt_cache_key", "Converse's caches have no keys");
        }
    }
}

const MAX_STOPS: usize = 2500;
const TIERS: [&str; 4] = ["default", "flex", "priority", "reserved"];
const ADDITIONAL: &str = "additionalModelRequestFields";
/// The pattern of requestMetadata's keys and values.
fn is_label(text: &str) -> bool {
    let plain = |byte: u8| {
        byte.is_ascii_alphanumeric() || byte.is_ascii_whitespace() || b":_@$#=/+,-.".contains(&byte)
    };
    text.len() <= 256 && text.bytes().all(plain)
}
