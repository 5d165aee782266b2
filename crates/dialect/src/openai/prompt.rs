//! Reads the fields of a chat or completion request into the canonical prompt.

use std::borrow::Cow;

use super::request::RequestError;
use crate::canonical::{
    Field, Message, Needs, OpaquePart, Operation, Part, Prompt, Sampling, ToolCall,
};
use crate::json::{Kind, Shape, Span, Value, write_canonical};

/// The kind of the opaque part that holds a prompt of token ids.
pub(super) const TOKEN_IDS: &str = "token_ids";

/// All that a body says.
pub(super) struct Read {
    pub(super) prompt: Prompt,
    pub(super) stream: bool,
    pub(super) include_usage: bool,
    pub(super) needs: Needs,
    pub(super) places: Vec<Vec<Option<Span>>>,
}

/// What of a text part is typed.
const TEXT_PART: &Shape = &Shape {
    without: &["text"],
    inner: &[],
};
/// What of a function (or of the legacy `function_call`) is typed.
const FUNCTION: &Shape = &Shape {
    without: &["name", "arguments"],
    inner: &[],
};
/// What of a tool call is typed.
const CALL: &Shape = &Shape {
    without: &["id"],
    inner: &[("function", FUNCTION)],
};

pub(super) fn read(operation: Operation, root: Value<'_>) -> Result<Read, RequestError> {
    if root.kind() != Kind::Object {
        return Err(RequestError::wrong_type("body", "an object", root));
    }
    let mut reader = Reader {
        operation,
        model: None,
        messages: None,
        places: Vec::new(),
        tools: Vec::new(),
        sampling: Sampling::default(),
        extra: Vec::new(),
        stream: false,
        include_usage: false,
        needs: Needs::default(),
    };
    for (key, value) in root.members() {
        reader.member(&name_of(key), value)?;
    }
    reader.finish()
}

struct Reader {
    operation: Operation,
    model: Option<String>,
    messages: Option<Vec<Message>>,
    places: Vec<Vec<Option<Span>>>,
    tools: Vec<String>,
    sampling: Sampling,
    extra: Vec<Field>,
    stream: bool,
    include_usage: bool,
    needs: Needs,
}

impl Reader {
    fn finish(mut self) -> Result<Read, RequestError> {
        let missing = |name: &str| RequestError::Missing {
            param: name.to_owned(),
        };
        let model = self.model.ok_or_else(|| missing("model"))?;
        let messages = match (self.messages, self.operation) {
            (Some(messages), _) => messages,
            (None, Operation::Chat) => return Err(missing("messages")),
            // vLLM takes embeddings in the prompt's place.
            (None, Operation::Completion) if has(&self.extra, "prompt_embeds") => Vec::new(),
            (None, Operation::Completion) => return Err(missing("prompt")),
        };
        self.extra.sort_by(|left, right| left.name.cmp(&right.name));
        self.needs.streaming = self.stream;
        self.needs.multiple_choices |= self.sampling.n > 1;
        let prompt = Prompt {
            operation: self.operation,
            model,
            messages,
            tools: self.tools,
            sampling: self.sampling,
            extra: self.extra,
        };
        Ok(Read {
            prompt,
            stream: self.stream,
            include_usage: self.include_usage,
            needs: self.needs,
            places: self.places,
        })
    }

    fn member(&mut self, name: &str, value: Value<'_>) -> Result<(), RequestError> {
        match (name, self.operation) {
            ("model", _) => {
                self.model = Some(string(value, || name.to_owned())?.into_owned());
                return Ok(());
            }
            ("messages", Operation::Chat) => return self.messages(value),
            ("prompt", Operation::Completion) => return self.prompts(value),
            ("tools", Operation::Chat) => return self.tools(value),
            _ => self.note(name, value)?,
        }
        self.extra.push(field(name, value));
        Ok(())
    }

    /// Takes from a field what is typed; the field itself goes to `extra`.
    fn note(&mut self, name: &str, value: Value<'_>) -> Result<(), RequestError> {
        if value.is_null() {
            return Ok(());
        }
        let sampling = &mut self.sampling;
        match name {
            "stream" => self.stream = boolean(value, name)?,
            "stream_options" => {
                if value.kind() != Kind::Object {
                    return Err(RequestError::wrong_type(name, "an object", value));
                }
                let asked = value.get("include_usage").filter(|asked| !asked.is_null());
                if let Some(asked) = asked {
                    self.include_usage = boolean(asked, "stream_options.include_usage")?;
                }
            }
            "temperature" => sampling.temperature = Some(number(value, name)?),
            "top_p" => sampling.top_p = Some(number(value, name)?),
            "n" => {
                sampling.n = integer(value, name, "must be a whole number from 1 to 4294967295")?;
                if sampling.n == 0 {
                    return Err(invalid(name, "must be at least 1"));
                }
            }
            "max_completion_tokens" => {
                sampling.max_tokens = Some(integer(value, name, AT_LEAST_0)?);
            }
            "max_tokens" => {
                let cap = integer(value, name, AT_LEAST_0)?;
                // OpenAI's newer name wins, whichever comes first.
                if !has_value(&self.extra, "max_completion_tokens") {
                    sampling.max_tokens = Some(cap);
                }
            }
            "seed" => {
                sampling.seed = Some(integer(value, name, "must be a 64-bit signed integer")?);
            }
            "best_of" => {
                let wanted: u32 = integer(value, name, AT_LEAST_0)?;
                self.needs.multiple_choices |= wanted > 1;
            }
            "logprobs" | "top_logprobs" | "prompt_logprobs" => {
                self.needs.logprobs |= value.as_bool() != Some(false);
            }
            "functions" => self.needs.tools |= value.items().next().is_some(),
            "response_format" => {
                let kind = value.get("type");
                self.needs.json_schema |= kind.is_some_and(|kind| kind.is_str("json_schema"));
            }
            // vLLM's names for the same, old and new.
            "guided_json" | "structured_outputs" => self.needs.json_schema = true,
            "modalities" => {
                self.needs.audio |= value.items().any(|modality| modality.is_str("audio"));
            }
            "return_token_ids" => self.needs.token_ids |= value.as_bool() == Some(true),
            "prompt_embeds" => self.needs.token_ids = true,
            _ => {}
        }
        Ok(())
    }

    fn tools(&mut self, value: Value<'_>) -> Result<(), RequestError> {
        if value.kind() != Kind::Array && !value.is_null() {
            return Err(RequestError::wrong_type("tools", "an array", value));
        }
        for (position, tool) in value.items().enumerate() {
            if tool.kind() != Kind::Object {
                let param = format!("tools[{position}]");
                return Err(RequestError::wrong_type(param, "an object", tool));
            }
            self.tools.push(canonical(tool, Shape::WHOLE));
        }
        self.needs.tools |= !self.tools.is_empty();
        if self.tools.is_empty() {
            self.extra.push(field("tools", value));
        }
        Ok(())
    }

    fn messages(&mut self, value: Value<'_>) -> Result<(), RequestError> {
        if value.kind() != Kind::Array {
            return Err(RequestError::wrong_type("messages", "an array", value));
        }
        let mut messages = Vec::with_capacity(value.items().count());
        for (position, message) in value.items().enumerate() {
            let (message, places) = self.message(position, message)?;
            messages.push(message);
            self.places.push(places);
        }
        if messages.is_empty() {
            return Err(invalid("messages", "must have at least one message"));
        }
        self.messages = Some(messages);
        Ok(())
    }

    fn message(
        &mut self,
        position: usize,
        message: Value<'_>,
    ) -> Result<(Message, Vec<Option<Span>>), RequestError> {
        let path = |rest: &str| format!("messages[{position}]{rest}");
        if message.kind() != Kind::Object {
            return Err(RequestError::wrong_type(path(""), "an object", message));
        }
        let mut role = None;
        let mut extra = Vec::new();
        let mut content = Parts::default();
        let mut calls = Parts::default();
        let mut legacy = Parts::default();
        for (key, value) in message.members() {
            let name = name_of(key);
            match name.as_ref() {
                "role" => role = Some(string(value, || path(".role"))?.into_owned()),
                "content" => {
                    let form = self.content(value, || path(".content"), &mut content)?;
                    extra.extend(form.map(|value| Field {
                        name: "content".to_owned(),
                        value,
                    }));
                }
                "tool_calls" => {
                    let value = tool_calls(value, || path(".tool_calls"), &mut calls)?;
                    extra.push(Field {
                        name: "tool_calls".to_owned(),
                        value,
                    });
                }
                "function_call" if !value.is_null() => {
                    let at = || path(".function_call");
                    let call = function(value, None, &at, &mut legacy.places)?;
                    legacy.parts.push(Part::ToolCall(call));
                    let value = canonical(value, FUNCTION);
                    extra.push(Field {
                        name: "function_call".to_owned(),
                        value,
                    });
                }
                _ => extra.push(field(&name, value)),
            }
        }
        let role = role.ok_or_else(|| RequestError::Missing {
            param: path(".role"),
        })?;
        extra.sort_by(|left, right| left.name.cmp(&right.name));
        content.append(calls);
        content.append(legacy);
        Ok((
            Message {
                role,
                parts: content.parts,
                extra,
            },
            content.places,
        ))
    }

    /// Reads a message's content and gives its form where that is more than one text.
    fn content(
        &mut self,
        value: Value<'_>,
        path: impl Fn() -> String,
        content: &mut Parts,
    ) -> Result<Option<String>, RequestError> {
        match value.kind() {
            Kind::Null => Ok(Some("null".to_owned())),
            Kind::String => {
                content.text(value);
                Ok(None)
            }
            Kind::Array => {
                let mut form = String::from("[");
                for (position, part) in value.items().enumerate() {
                    if position > 0 {
                        form.push(',');
                    }
                    self.part(
                        part,
                        || format!("{}[{position}]", path()),
                        content,
                        &mut form,
                    )?;
                }
                form.push(']');
                Ok(Some(form))
            }
            _ => {
                let expected = "a string, null or an array of parts";
                Err(RequestError::wrong_type(path(), expected, value))
            }
        }
    }

    fn part(
        &mut self,
        part: Value<'_>,
        path: impl Fn() -> String,
        content: &mut Parts,
        form: &mut String,
    ) -> Result<(), RequestError> {
        if part.kind() != Kind::Object {
            return Err(RequestError::wrong_type(path(), "an object", part));
        }
        let kind = part.get("type").ok_or_else(|| RequestError::Missing {
            param: path() + ".type",
        })?;
        let kind = string(kind, || path() + ".type")?;
        if kind == "text" {
            let missing = || RequestError::Missing {
                param: path() + ".text",
            };
            let text = part.get("text").ok_or_else(missing)?;
            if text.kind() != Kind::String {
                return Err(RequestError::wrong_type(path() + ".text", "a string", text));
            }
            content.text(text);
            write_canonical(part, TEXT_PART, form);
        } else {
            self.needs.vision |= kind.contains("image") || kind.contains("video");
            self.needs.audio |= kind.contains("audio");
            content.opaque(&kind, part);
            form.push_str("null");
        }
        Ok(())
    }

    /// A completion's prompt: a text, texts, token ids, or several prompts of token ids.
    fn prompts(&mut self, value: Value<'_>) -> Result<(), RequestError> {
        const EXPECTED: &str = "a string, an array of strings or an array of token ids";
        let mut prompts = Vec::new();
        match value.kind() {
            Kind::Null => {
                self.extra.push(field("prompt", value));
                return Ok(());
            }
            Kind::String => prompts.push(text_prompt(value)),
            Kind::Array => {
                let first = value.items().next().map(Value::kind);
                if first == Some(Kind::Number) {
                    prompts.push(self.token_ids(value, || "prompt".to_owned())?);
                } else {
                    // Several prompts, even if there is only one of them.
                    self.extra.push(Field {
                        name: "prompt".to_owned(),
                        value: "[]".to_owned(),
                    });
                    for (position, prompt) in value.items().enumerate() {
                        let path = || format!("prompt[{position}]");
                        prompts.push(match prompt.kind() {
                            Kind::String => text_prompt(prompt),
                            Kind::Array => self.token_ids(prompt, path)?,
                            _ => return Err(RequestError::wrong_type(path(), EXPECTED, prompt)),
                        });
                    }
                }
            }
            _ => return Err(RequestError::wrong_type("prompt", EXPECTED, value)),
        }
        if prompts.is_empty() {
            return Err(invalid("prompt", "must have at least one prompt"));
        }
        self.needs.multiple_choices |= prompts.len() > 1;
        let (messages, places) = prompts.into_iter().map(Parts::into_message).unzip();
        self.messages = Some(messages);
        self.places = places;
        Ok(())
    }

    fn token_ids(
        &mut self,
        value: Value<'_>,
        path: impl Fn() -> String,
    ) -> Result<Parts, RequestError> {
        for (position, id) in value.items().enumerate() {
            let param = || format!("{}[{position}]", path());
            if id.kind() != Kind::Number {
                return Err(RequestError::wrong_type(param(), "a token id", id));
            }
            integer::<u32>(id, &param(), "must be a token id")?;
        }
        if value.items().next().is_none() {
            return Err(invalid(&path(), "must have at least one token id"));
        }
        self.needs.token_ids = true;
        let mut parts = Parts::default();
        parts.opaque(TOKEN_IDS, value);
        Ok(parts)
    }
}

/// Parts and where each of them stands.
#[derive(Default)]
struct Parts {
    parts: Vec<Part>,
    places: Vec<Option<Span>>,
}

impl Parts {
    fn text(&mut self, value: Value<'_>) {
        self.parts
            .push(Part::Text(value.as_str().unwrap_or_default().into_owned()));
        self.places.push(Some(value.span()));
    }

    fn opaque(&mut self, kind: &str, value: Value<'_>) {
        let json = canonical(value, Shape::WHOLE);
        self.parts.push(Part::Opaque(OpaquePart {
            kind: kind.to_owned(),
            json,
        }));
        self.places.push(Some(value.span()));
    }

    fn append(&mut self, mut other: Parts) {
        self.parts.append(&mut other.parts);
        self.places.append(&mut other.places);
    }

    fn into_message(self) -> (Message, Vec<Option<Span>>) {
        let message = Message {
            role: "user".to_owned(),
            parts: self.parts,
            extra: Vec::new(),
        };
        (message, self.places)
    }
}

fn text_prompt(value: Value<'_>) -> Parts {
    let mut parts = Parts::default();
    parts.text(value);
    parts
}

/// Reads `tool_calls` and gives what of it is not typed.
fn tool_calls(
    value: Value<'_>,
    path: impl Fn() -> String,
    calls: &mut Parts,
) -> Result<String, RequestError> {
    if value.is_null() {
        return Ok("null".to_owned());
    }
    if value.kind() != Kind::Array {
        return Err(RequestError::wrong_type(path(), "an array", value));
    }
    let mut form = String::from("[");
    for (position, call) in value.items().enumerate() {
        let path = || format!("{}[{position}]", path());
        if position > 0 {
            form.push(',');
        }
        if call.kind() != Kind::Object {
            return Err(RequestError::wrong_type(path(), "an object", call));
        }
        let kind = match call.get("type") {
            Some(kind) => string(kind, || path() + ".type")?,
            None => Cow::Borrowed("function"),
        };
        if kind == "function" {
            let missing = || RequestError::Missing {
                param: path() + ".function",
            };
            let called = call.get("function").ok_or_else(missing)?;
            let at = || path() + ".function";
            let id = match call.get("id").filter(|id| !id.is_null()) {
                Some(id) => Some(string(id, || path() + ".id")?.into_owned()),
                None => None,
            };
            calls.parts.push(Part::ToolCall(function(
                called,
                id,
                &at,
                &mut calls.places,
            )?));
            write_canonical(call, CALL, &mut form);
        } else {
            calls.opaque(&kind, call);
            form.push_str("null");
        }
    }
    form.push(']');
    Ok(form)
}

/// A function that was called: `{"name", "arguments"}`.
fn function(
    value: Value<'_>,
    id: Option<String>,
    path: &dyn Fn() -> String,
    places: &mut Vec<Option<Span>>,
) -> Result<ToolCall, RequestError> {
    if value.kind() != Kind::Object {
        return Err(RequestError::wrong_type(path(), "an object", value));
    }
    let name = value
        .get("name")
        .ok_or_else(|| RequestError::Missing {
            param: path() + ".name",
        })
        .and_then(|name| string(name, || path() + ".name"))?;
    let arguments = value
        .get("arguments")
        .filter(|arguments| !arguments.is_null());
    let text = match arguments {
        Some(arguments) => string(arguments, || path() + ".arguments")?,
        None => Cow::Borrowed(""),
    };
    places.push(arguments.map(Value::span));
    Ok(ToolCall {
        id: id.unwrap_or_default(),
        name: name.into_owned(),
        arguments: text.into_owned(),
    })
}

const AT_LEAST_0: &str = "must be a whole number of at least 0";

fn has(fields: &[Field], name: &str) -> bool {
    fields.iter().any(|field| field.name == name)
}

fn has_value(fields: &[Field], name: &str) -> bool {
    fields
        .iter()
        .any(|field| field.name == name && field.value != "null")
}

fn name_of(key: Value<'_>) -> Cow<'_, str> {
    key.as_str().unwrap_or_default()
}

fn field(name: &str, value: Value<'_>) -> Field {
    Field {
        name: name.to_owned(),
        value: canonical(value, Shape::WHOLE),
    }
}

fn canonical(value: Value<'_>, shape: &'static Shape) -> String {
    let mut out = String::with_capacity(value.raw().len());
    write_canonical(value, shape, &mut out);
    out
}

fn invalid(param: &str, reason: &'static str) -> RequestError {
    RequestError::InvalidValue {
        param: param.to_owned(),
        reason,
    }
}

fn string<'d>(value: Value<'d>, path: impl Fn() -> String) -> Result<Cow<'d, str>, RequestError> {
    value
        .as_str()
        .ok_or_else(|| RequestError::wrong_type(path(), "a string", value))
}

fn boolean(value: Value<'_>, path: &str) -> Result<bool, RequestError> {
    value
        .as_bool()
        .ok_or_else(|| RequestError::wrong_type(path, "a boolean", value))
}

fn number(value: Value<'_>, path: &str) -> Result<f64, RequestError> {
    let number = value.as_f64();
    let number = number.ok_or_else(|| RequestError::wrong_type(path, "a number", value))?;
    if number.is_finite() {
        Ok(number)
    } else {
        Err(invalid(path, "is too large for a number"))
    }
}

fn integer<T: TryFrom<i128>>(
    value: Value<'_>,
    path: &str,
    reason: &'static str,
) -> Result<T, RequestError> {
    if value.kind() != Kind::Number {
        return Err(RequestError::wrong_type(path, "an integer", value));
    }
    let integer = value
        .as_integer()
        .and_then(|integer| T::try_from(integer).ok());
    integer.ok_or_else(|| invalid(path, reason))
}
