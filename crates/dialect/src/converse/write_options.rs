//! Writes what a request asks for beside its messages: limits, tools, form, labels; and lists
//! what Converse has no word for.

use super::object::Open;
use super::read_options::own_field;
use super::write::Losses;
use super::write_model;
use crate::exchange::{ChatRequest, Inexpressible, OutputFormat, WriteOptions};
use crate::json::write_json_string;

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
    pub(super) fn write(&mut self, body: &mut Open, out: &mut String) -> Result<(), Inexpressible> {
        let inference = self.inference();
        self.member("inferenceConfig", &inference, body, out);
        let (tools, offers_tools) = self.tools()?;
        self.member("toolConfig", &tools, body, out);
        let output = self.output();
        self.member("outputConfig", &output, body, out);
        let mut additional = String::new();
        let mut object = Open::object(&mut additional);
        write_model::fields(self, offers_tools, &mut object, &mut additional);
        self.own("additionalModelRequestFields", &mut object, &mut additional);
        let additional = close(object, additional);
        self.member("additionalModelRequestFields", &additional, body, out);
        self.labels(body, out);
        for field in &self.request.extra {
            match own_field(field) {
                Some(("", name)) => self.member(name, &field.value, body, out),
                Some(_) => {}
                None => self.losses.add(
                    field.name.as_str(),
                    "this field has no known meaning for Converse",
                ),
            }
        }
        self.unsaid();
        Ok(())
    }

    /// A member of the body that is neither empty nor set by the options.
    fn member(&self, name: &str, json: &str, body: &mut Open, out: &mut String) {
        let is_set = self.options.set.iter().any(|(set, _)| set == name);
        if !json.is_empty() && !is_set {
            body.json(name, json, out);
        }
    }

    /// Fields of this dialect's own that stood in that object.
    pub(super) fn own(&self, object: &str, into: &mut Open, out: &mut String) {
        for field in &self.request.extra {
            if let Some((of, name)) = own_field(field)
                && of == object
            {
                into.json(name, &field.value, out);
            }
        }
    }

    fn inference(&mut self) -> String {
        let sampling = &self.request.sampling;
        let mut out = String::new();
        let mut config = Open::object(&mut out);
        match sampling.max_tokens {
            None => {}
            Some(0) => self
                .losses
                .add("max_tokens", "Converse's maxTokens is at least 1"),
            Some(tokens) => config.plain("maxTokens", tokens, &mut out),
        }
        let shares = [
            ("temperature", "temperature", sampling.temperature),
            ("topP", "top_p", sampling.top_p),
        ];
        for (name, param, share) in shares {
            match share {
                None => {}
                Some(share) if (0.0..=1.0).contains(&share) => config.plain(name, share, &mut out),
                Some(_) => self.losses.add(param, "Converse's goes from 0 to 1"),
            }
        }
        if sampling.stop.iter().any(|stop| stop.is_empty()) {
            self.losses
                .add("stop", "Converse's stop sequences are not empty");
        }
        if sampling.stop.len() > MAX_STOPS {
            self.losses
                .add("stop", "Converse takes 2,500 stop sequences");
        }
        let stops = sampling.stop.iter().filter(|stop| !stop.is_empty());
        for (position, stop) in stops.take(MAX_STOPS).enumerate() {
            if position == 0 {
                config.key("stopSequences", &mut out);
                out.push('[');
            } else {
                out.push(',');
            }
            write_json_string(stop, &mut out);
        }
        if sampling.stop.iter().any(|stop| !stop.is_empty()) {
            out.push(']');
        }
        self.own("inferenceConfig", &mut config, &mut out);
        close(config, out)
    }

    fn output(&mut self) -> String {
        let mut out = String::new();
        let mut config = Open::object(&mut out);
        match &self.request.output {
            None | Some(OutputFormat::Text) => {}
            Some(OutputFormat::JsonObject) => self.losses.add(
                "response_format",
                "Converse has JSON of a schema, not JSON of any form",
            ),
            Some(OutputFormat::JsonSchema {
                name,
                description,
                schema,
                strict,
            }) => {
                config.key("textFormat", &mut out);
                out.push_str("{\"type\":\"json_schema\",\"structure\":{\"jsonSchema\":");
                let mut definition = Open::object(&mut out);
                // The schema is JSON within a string.
                definition.text("schema", schema, &mut out);
                definition.text("name", name, &mut out);
                if let Some(description) = description {
                    definition.text("description", description, &mut out);
                }
                definition.close(&mut out);
                out.push_str("}}");
                if *strict == Some(false) {
                    let why = "Converse always keeps to the schema strictly";
                    self.losses.add("response_format.json_schema.strict", why);
                }
            }
        }
        write_model::effort(self, &mut config, &mut out);
        self.own("outputConfig", &mut config, &mut out);
        close(config, out)
    }

    fn labels(&mut self, body: &mut Open, out: &mut String) {
        let request = self.request;
        let mut json = String::new();
        let mut labels = Open::object(&mut json);
        for (position, (key, value)) in request.metadata.iter().enumerate() {
            // Shapes RequestMetadata, RequestMetadataKeyString and RequestMetadataValueString.
            if position < 16 && (1..=256).contains(&key.len()) && is_label(key) && is_label(value) {
                labels.text(key, value, &mut json);
            } else {
                let why = "Converse's requestMetadata has 16 labels of up to 256 plain characters";
                self.losses.add(format!("metadata.{key}"), why);
            }
        }
        let json = close(labels, json);
        self.member("requestMetadata", &json, body, out);
        match request.service_tier.as_deref() {
            None => {}
            Some(tier @ ("default" | "flex" | "priority" | "reserved")) => {
                let json = format!("{{\"type\":\"{tier}\"}}");
                self.member("serviceTier", &json, body, out);
            }
            Some(_) => {
                let why = "Converse's tiers are default, flex, priority and reserved";
                self.losses.add("service_tier", why);
            }
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
            losses.add(*param, "Converse has no such field");
        }
        if user.is_some() {
            losses.add("user", "Converse has no field for the end user");
        }
        if prompt_cache_key.is_some() {
            losses.add("prompt_cache_key", "Converse's caches have no keys");
        }
    }
}

const MAX_STOPS: usize = 2500;
/// The pattern of requestMetadata's keys and values.
fn is_label(text: &str) -> bool {
    let plain = |byte: u8| {
        byte.is_ascii_alphanumeric() || byte.is_ascii_whitespace() || b":_@$#=/+,-.".contains(&byte)
    };
    text.len() <= 256 && text.bytes().all(plain)
}

/// The object, or nothing where it is empty.
pub(super) fn close(object: Open, mut out: String) -> String {
    if object.is_empty() {
        return String::new();
    }
    object.close(&mut out);
    out
}
