//! Writes what a request asks for beside its messages: limits, tools, form, labels; and lists
//! what Converse has no word for.

use super::object::Open;
use super::read_options::own_field;
use super::write::Losses;
use super::write_blocks::{TOOL_NAME, cache_point, is_object, is_tool_name, refuse};
use super::write_model;
use crate::exchange::{ChatRequest, Inexpressible, OutputFormat, Tool, ToolChoice, WriteOptions};
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
                    "nothing is known of what this field means to Converse",
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
    fn own(&self, object: &str, into: &mut Open, out: &mut String) {
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

    /// `toolConfig`, and whether it leaves the model free to call what it likes.
    fn tools(&mut self) -> Result<(String, bool), Inexpressible> {
        let request = self.request;
        let mut choice = request.tool_choice.as_ref();
        let mut allowed: Option<&[std::borrow::Cow<'_, str>]> = None;
        match choice {
            Some(ToolChoice::None) if self.has_calls => {
                let why = "Converse can't forbid calls where the conversation has some";
                self.losses.add("tool_choice", why);
                choice = None;
            }
            Some(ToolChoice::None) => {
                if !request.tools.is_empty() {
                    let why = "Converse forbids calls by declaring no tools, so the model is not told of them";
                    self.losses.add("tools", why);
                }
                return Ok((String::new(), false));
            }
            Some(ToolChoice::Allowed(names, _)) => {
                let why = "Converse restricts calls by declaring fewer tools, so the model is not told of the others";
                self.losses.add("tool_choice.allowed_tools", why);
                allowed = Some(names);
            }
            _ => {}
        }
        let mut out = String::new();
        let mut config = Open::object(&mut out);
        let mut list = String::new();
        let mut array = Open::array(&mut list);
        for (position, tool) in request.tools.iter().enumerate() {
            let is_allowed = allowed.is_none_or(|names| names.contains(&tool.name));
            if is_allowed {
                self.tool(position, tool, &mut array, &mut list)?;
            }
        }
        let offers = !array.is_empty();
        if offers {
            array.close(&mut list);
            config.json("tools", &list, &mut out);
        }
        let free = match choice {
            _ if !offers => {
                if matches!(choice, Some(ToolChoice::Required | ToolChoice::Tool(_))) {
                    self.losses.add("tool_choice", "there is no tool to choose");
                }
                return Ok((String::new(), false));
            }
            None => true,
            // Claude is then told by its own field, and not twice.
            Some(_) if self.one_at_a_time(choice) => true,
            Some(ToolChoice::Auto | ToolChoice::Allowed(_, false) | ToolChoice::None) => {
                config.json("toolChoice", "{\"auto\":{}}", &mut out);
                true
            }
            Some(ToolChoice::Required | ToolChoice::Allowed(_, true)) => {
                config.json("toolChoice", "{\"any\":{}}", &mut out);
                false
            }
            Some(ToolChoice::Tool(name)) => {
                config.key("toolChoice", &mut out);
                out.push_str("{\"tool\":{\"name\":");
                write_json_string(name, &mut out);
                out.push_str("}}");
                false
            }
        };
        self.own("toolConfig", &mut config, &mut out);
        Ok((close(config, out), free))
    }

    fn one_at_a_time(&self, choice: Option<&ToolChoice<'_>>) -> bool {
        self.claude
            && self.request.parallel_tool_calls == Some(false)
            && matches!(
                choice,
                Some(ToolChoice::Auto | ToolChoice::Allowed(_, false))
            )
    }

    fn tool(
        &mut self,
        position: usize,
        tool: &Tool<'_>,
        array: &mut Open,
        out: &mut String,
    ) -> Result<(), Inexpressible> {
        let path = || format!("tools[{position}]");
        match &tool.builtin {
            Some((kind, json)) if OWN_TOOLS.contains(&kind.as_ref()) && is_object(json) => {
                array.item(out);
                out.push_str(json);
            }
            Some(_) => {
                self.losses.add(path(), "Converse has no tool of this type");
                return Ok(());
            }
            None => {
                if !is_tool_name(&tool.name) {
                    return refuse(format!("{}.name", path()), TOOL_NAME);
                }
                let schema = tool.parameters.as_deref().unwrap_or(NO_ARGUMENTS).trim();
                if !is_object(schema) {
                    return refuse(format!("{}.parameters", path()), "it is no JSON object");
                }
                array.item(out);
                out.push_str("{\"toolSpec\":");
                let mut spec = Open::object(out);
                spec.text("name", &tool.name, out);
                let description = tool.description.as_deref();
                if let Some(description) = description.filter(|text| !text.is_empty()) {
                    spec.text("description", description, out);
                }
                spec.key("inputSchema", out);
                out.push_str("{\"json\":");
                out.push_str(schema);
                out.push('}');
                if let Some(strict) = tool.strict {
                    spec.plain("strict", strict, out);
                }
                spec.close(out);
                out.push('}');
            }
        }
        for field in &tool.extra {
            let param = format!("{}.{}", path(), field.name);
            self.losses
                .add(param, "Converse's tools have no such field");
        }
        if let Some(marker) = &tool.cache {
            array.item(out);
            cache_point(marker, out, self.losses, &path);
        }
        Ok(())
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
                    self.losses
                        .harmless("response_format.json_schema.strict", why);
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
                self.losses.harmless(format!("metadata.{key}"), why);
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
                self.losses.harmless("service_tier", why);
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
            losses.harmless("user", "Converse is not told of the end user");
        }
        if prompt_cache_key.is_some() {
            losses.harmless("prompt_cache_key", "Converse's caches have no keys");
        }
    }
}

const MAX_STOPS: usize = 2500;
const NO_ARGUMENTS: &str = "{\"type\":\"object\",\"properties\":{}}";
/// Tools that only Converse has.
const OWN_TOOLS: [&str; 2] = ["systemTool", "cachePoint"];

/// The pattern of requestMetadata's keys and values.
fn is_label(text: &str) -> bool {
    let plain = |byte: u8| {
        byte.is_ascii_alphanumeric() || byte.is_ascii_whitespace() || b":_@$#=/+,-.".contains(&byte)
    };
    text.len() <= 256 && text.bytes().all(plain)
}

/// The object, or nothing where it is empty.
fn close(object: Open, mut out: String) -> String {
    if object.is_empty() {
        return String::new();
    }
    object.close(&mut out);
    out
}
