//! Reads the fields of a request into the canonical prompt that policies see.
//!
//! Each item is a message: a call is one of the assistant's, an output one of a tool's. What a
//! message item says is typed; of other items what policies can read is.

use super::content::other_fields;
use super::said::Said;
use crate::canonical::{Field, Message, Needs, Operation, Part, Prompt, Sampling, ToolCall};
use crate::fields::{boolean, field, integer, invalid, name_of, number, string, tools};
use crate::json::{Kind, Span, Value};
use crate::request::{Read, RequestError};

pub(crate) fn read(root: Value<'_>) -> Result<Read, RequestError> {
    if root.kind() != Kind::Object {
        return Err(RequestError::wrong_type("body", "an object", root));
    }
    let mut reader = Reader {
        model: None,
        input: None,
        instructions: None,
        tools: Vec::new(),
        sampling: Sampling::default(),
        extra: Vec::new(),
        stream: false,
        needs: Needs::default(),
    };
    for (key, value) in root.members() {
        reader.member(&name_of(key), value)?;
    }
    reader.finish()
}

struct Reader<'d> {
    model: Option<String>,
    input: Option<Value<'d>>,
    instructions: Option<Value<'d>>,
    tools: Vec<String>,
    sampling: Sampling,
    extra: Vec<Field>,
    stream: bool,
    needs: Needs,
}

const AT_LEAST_0: &str = "must be a whole number of at least 0";

impl<'d> Reader<'d> {
    fn member(&mut self, name: &str, value: Value<'d>) -> Result<(), RequestError> {
        match name {
            "model" => {
                self.model = Some(string(value, || name.to_owned())?.into_owned());
                return Ok(());
            }
            "input" if !value.is_null() => {
                self.input = Some(value);
                return Ok(());
            }
            "instructions" if !value.is_null() => {
                string(value, || name.to_owned())?;
                self.instructions = Some(value);
                // So that it differs from a message of the system that says the same.
                self.extra.push(Field {
                    name: name.to_owned(),
                    value: "true".to_owned(),
                });
                return Ok(());
            }
            "tools" => return self.tools(value),
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
            "temperature" => sampling.temperature = Some(number(value, name)?),
            "top_p" => sampling.top_p = Some(number(value, name)?),
            "max_output_tokens" => {
                sampling.max_tokens = Some(integer(value, name, AT_LEAST_0)?);
            }
            "seed" => {
                sampling.seed = Some(integer(value, name, "must be a 64-bit signed integer")?);
            }
            "top_logprobs" => self.needs.logprobs |= value.as_integer() != Some(0),
            "include" => {
                self.needs.logprobs |= value
                    .items()
                    .any(|wanted| wanted.is_str("message.output_text.logprobs"));
            }
            "text" => {
                let kind = value.get("format").and_then(|format| format.get("type"));
                self.needs.json_schema |= kind.is_some_and(|kind| kind.is_str("json_schema"));
            }
            "structured_outputs" => self.needs.json_schema = true,
            _ => {}
        }
        Ok(())
    }

    fn tools(&mut self, value: Value<'_>) -> Result<(), RequestError> {
        self.tools = tools(value)?;
        self.needs.tools |= !self.tools.is_empty();
        if self.tools.is_empty() {
            self.extra.push(field("tools", value));
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Read, RequestError> {
        let missing = |name: &str| RequestError::Missing {
            param: name.to_owned(),
        };
        let model = self.model.ok_or_else(|| missing("model"))?;
        let mut messages = Vec::new();
        let mut places = Vec::new();
        if let Some(instructions) = self.instructions {
            let mut said = Said::new(&mut self.needs);
            said.said.text(instructions);
            said.finish("system".to_owned(), Vec::new(), &mut messages, &mut places);
        }
        match self.input {
            Some(text) if text.kind() == Kind::String => {
                let mut said = Said::new(&mut self.needs);
                said.said.text(text);
                said.finish("user".to_owned(), Vec::new(), &mut messages, &mut places);
            }
            Some(items) if items.kind() == Kind::Array => {
                if items.items().next().is_none() {
                    return Err(invalid("input", "must have at least one item"));
                }
                // Items, even if there is only one that says no more than a text.
                self.extra.push(Field {
                    name: "input".to_owned(),
                    value: "[]".to_owned(),
                });
                for (position, item) in items.items().enumerate() {
                    let path = |rest: &str| format!("input[{position}]{rest}");
                    read_item(item, &path, &mut self.needs, &mut messages, &mut places)?;
                }
            }
            Some(other) => {
                let expected = "a string or an array of items";
                return Err(RequestError::wrong_type("input", expected, other));
            }
            // What is kept at the server may say all.
            None if self.extra.iter().any(|extra| {
                matches!(
                    extra.name.as_str(),
                    "previous_response_id" | "conversation" | "prompt"
                ) && extra.value != "null"
            }) => {}
            None => return Err(missing("input")),
        }
        self.extra.sort_by(|left, right| left.name.cmp(&right.name));
        self.needs.streaming = self.stream;
        Ok(Read {
            prompt: Prompt {
                operation: Operation::Chat,
                model,
                messages,
                tools: self.tools,
                sampling: self.sampling,
                extra: self.extra,
            },
            stream: self.stream,
            // Usage always comes with the last event here.
            include_usage: self.stream,
            needs: self.needs,
            places,
        })
    }
}

/// Of an item: which member holds what policies read.
fn read_item(
    item: Value<'_>,
    path: &dyn Fn(&str) -> String,
    needs: &mut Needs,
    messages: &mut Vec<Message>,
    places: &mut Vec<Vec<Option<Span>>>,
) -> Result<(), RequestError> {
    if item.kind() != Kind::Object {
        return Err(RequestError::wrong_type(path(""), "an object", item));
    }
    let kind = match item.get("type").filter(|kind| !kind.is_null()) {
        Some(kind) => string(kind, || path(".type"))?,
        None if item.get("role").is_some() => "message".into(),
        None if item.get("id").is_some() => "item_reference".into(),
        None => {
            return Err(RequestError::Missing {
                param: path(".type"),
            });
        }
    };
    let need = |name: &str| {
        let at = || path(&format!(".{name}"));
        let value = item.get(name);
        value.ok_or_else(|| RequestError::Missing { param: at() })
    };
    let mut said = Said::new(needs);
    let (role, typed): (_, &[&str]) = match kind.as_ref() {
        "message" => {
            said.content("content", need("content")?, path)?;
            let role = string(need("role")?, || path(".role"))?.into_owned();
            (role, &["role", "content"])
        }
        "function_call" | "custom_tool_call" => {
            let arguments = match kind.as_ref() {
                "function_call" => "arguments",
                _ => "input",
            };
            let text = |name: &str| string(need(name)?, || path(&format!(".{name}")));
            let call = ToolCall {
                id: text("call_id")?.into_owned(),
                name: text("name")?.into_owned(),
                arguments: text(arguments)?.into_owned(),
            };
            said.said.push(Part::ToolCall(call), Some(need(arguments)?));
            let typed: &[&str] = match arguments {
                "arguments" => &["call_id", "name", "arguments"],
                _ => &["call_id", "name", "input"],
            };
            ("assistant".to_owned(), typed)
        }
        "function_call_output" | "custom_tool_call_output" => {
            said.content("output", need("output")?, path)?;
            ("tool".to_owned(), &["output"])
        }
        "reasoning" => {
            for name in ["summary", "content"] {
                let texts = item.get(name).filter(|texts| texts.kind() == Kind::Array);
                if let Some(texts) = texts {
                    said.content(name, texts, path)?;
                }
            }
            let typed: &[&str] = match said.forms.as_slice() {
                [_, _] => &["summary", "content"],
                [one] if one.name == "content" => &["content"],
                [_] => &["summary"],
                _ => &[],
            };
            ("assistant".to_owned(), typed)
        }
        kind => {
            said.needs.vision |= kind.contains("computer");
            said.needs.tools |= kind == "additional_tools";
            said.said.opaque(kind, item);
            said.finish("assistant".to_owned(), Vec::new(), messages, places);
            return Ok(());
        }
    };
    let mut extra = other_fields(item, typed);
    for (key, value) in item.members().filter(|(_, value)| value.is_null()) {
        if !typed.iter().any(|name| key.is_str(name)) {
            extra.push(field(&name_of(key), value));
        }
    }
    extra.append(&mut said.forms);
    said.finish(role, extra, messages, places);
    Ok(())
}
