//! A message of Ollama's as one of OpenAI's. Calls have arguments as objects and often no ids
//! there: they get ids, and results go to the call of their tool.

use std::collections::{HashMap, VecDeque};

use super::request::{array, content, copy, object};
use crate::fields::{invalid, missing, named, string};
use crate::json::{Kind, Value, write};
use crate::request::RequestError;

/// The calls that wait for results, in their order.
#[derive(Debug, Default)]
pub(super) struct Calls {
    /// Ids; none where a result has come.
    open: Vec<Option<String>>,
    /// Where the calls of a tool are, and the call of an id.
    of_name: HashMap<String, VecDeque<usize>>,
    of_id: HashMap<String, usize>,
    /// Before this one none is open.
    first: usize,
    made: usize,
}

impl Calls {
    fn id(&mut self) -> String {
        self.made += 1;
        format!("call_{}", self.made)
    }

    fn begin(&mut self, id: String, name: String) {
        let at = self.open.len();
        self.of_name.entry(name).or_default().push_back(at);
        self.of_id.insert(id.clone(), at);
        self.open.push(Some(id));
    }

    /// A result has come that names its call.
    fn end(&mut self, id: &str) {
        if let Some(at) = self.of_id.get(id) {
            self.open[*at] = None;
        }
    }

    /// The id of the call that a result of this tool belongs to: the oldest of its name, else
    /// the oldest. Each call is passed by once.
    fn answered(&mut self, name: Option<&str>) -> Option<String> {
        let mut named = name.and_then(|name| self.of_name.get_mut(name));
        while let Some(at) = named.as_mut().and_then(|named| named.pop_front()) {
            if let Some(id) = self.open[at].take() {
                return Some(id);
            }
        }
        while let Some(open) = self.open.get_mut(self.first) {
            self.first += 1;
            if let Some(id) = open.take() {
                return Some(id);
            }
        }
        None
    }
}

pub(super) fn write_message(
    at: usize,
    message: Value<'_>,
    calls: &mut Calls,
    out: &mut String,
) -> Result<(), RequestError> {
    let path = |rest: &str| format!("messages[{at}]{rest}");
    object(message, &path(""))?;
    let text = |name: &str| {
        let value = message.some(name);
        value
            .map(|value| string(value, || path(&format!(".{name}"))))
            .transpose()
    };
    write::open(out);
    let said = text("content")?;
    let images = message.some("images");
    match images.filter(|images| images.items().next().is_some()) {
        Some(images) => {
            let said = said.as_deref().unwrap_or_default();
            content(said, images, &path(".images"), out)?;
        }
        None => write::text(out, "content", said.as_deref().unwrap_or_default()),
    }
    if let Some(thought) = text("thinking")?.filter(|thought| !thought.is_empty()) {
        write::text(out, "reasoning_content", &thought);
    }
    let is_result = message.says("role", "tool");
    if is_result {
        let name = text("tool_name")?.or(text("name")?);
        let id = match text("tool_call_id")?.filter(|id| !id.is_empty()) {
            Some(id) => {
                calls.end(&id);
                Some(id.into_owned())
            }
            None => calls.answered(name.as_deref()),
        };
        let reason = "is a tool's result without a call before it";
        let id = id.ok_or_else(|| invalid(&path(""), reason))?;
        write::text(out, "tool_call_id", &id);
    }
    for (name, value) in named(message) {
        match name.as_ref() {
            "content" | "images" | "thinking" => {}
            "tool_name" | "name" | "tool_call_id" if is_result => {}
            "tool_calls" => {
                let list = array(value, &path(".tool_calls"))?;
                write::some_list(out, "tool_calls", |out| {
                    write_calls(list, &path(".tool_calls"), calls, out)
                })?;
            }
            name => copy(name, value, out),
        }
    }
    write::close(out);
    Ok(())
}

fn write_calls(
    list: Value<'_>,
    path: &str,
    calls: &mut Calls,
    out: &mut String,
) -> Result<(), RequestError> {
    for (at, call) in list.items().enumerate() {
        let path = |rest: &str| format!("{path}[{at}]{rest}");
        let missing = |rest: &str| missing(|| path(rest));
        let function = object(call, &path(""))?.get("function");
        let function = function.ok_or_else(|| missing(".function"))?;
        let name = object(function, &path(".function"))?.get("name");
        let name = name.ok_or_else(|| missing(".function.name"))?;
        let name = string(name, || path(".function.name"))?.into_owned();
        let id = call.get("id").filter(|id| !id.is_null() && !id.is_str(""));
        let id = match id {
            Some(id) => string(id, || path(".id"))?.into_owned(),
            None => calls.id(),
        };
        write::braces(out, |out| {
            write::text(out, "id", &id);
            write::text(out, "type", "function");
            write::object(out, "function", |out| {
                write::text(out, "name", &name);
                match function.some("arguments") {
                    // Some clients send it as OpenAI has it.
                    Some(text) if text.kind() == Kind::String => {
                        write::raw(out, "arguments", text.raw());
                    }
                    Some(object) => write::text(out, "arguments", object.raw()),
                    None => write::text(out, "arguments", "{}"),
                }
            });
        });
        calls.begin(id, name);
    }
    Ok(())
}

/// A picture's URL: Ollama has bytes in base64, which tell what they are by how they begin.
pub(super) fn picture(base64: &str) -> String {
    if base64.starts_with("data:") {
        return base64.to_owned();
    }
    const KINDS: [(&str, &str); 3] = [
        ("/9j/", "image/jpeg"),
        ("R0lGOD", "image/gif"),
        ("UklGR", "image/webp"),
    ];
    let known = KINDS.iter().find(|(begin, _)| base64.starts_with(begin));
    let media = known.map_or("image/png", |(_, media)| *media);
    format!("data:{media};base64,{base64}")
}
