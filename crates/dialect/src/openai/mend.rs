//! What servers and clients of the chat format write otherwise than OpenAI's clients can read: calls
//! without numbers, ids or types, heads of calls that come again, arguments as objects, and an end
//! that does not say that tools were called.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;
use memchr::memmem;

use super::called::Called;
use crate::contract::context::AnswerContext;
use crate::contract::mend::MendStream;
use crate::fields::name_of;
use crate::json::{Document, Kind, Span, Splice, Value, json_string, splice, write};
use crate::payload;

/// Arguments that are an object, in the calls of a history, and results that are one.
pub(super) fn request(root: Value<'_>) -> Vec<Splice<'static>> {
    let mut mends = Vec::new();
    for message in root.each("messages") {
        let called = message.each("tool_calls").filter_map(|c| c.get("function"));
        for function in called.chain(message.get("function_call")) {
            mends.extend(as_text(function.get("arguments")));
        }
        if message.says("role", "tool") {
            mends.extend(as_text(message.get("content")));
        }
    }
    mends
}

/// An object as a string that holds it.
pub(crate) fn as_text(value: Option<Value<'_>>) -> Option<Splice<'static>> {
    let object = value.filter(|value| value.kind() == Kind::Object)?;
    Some(Splice::new(object.span(), json_string(object.raw())))
}

/// What was told of a call.
#[derive(Default)]
struct Told {
    /// Its number for the client.
    number: u32,
    head: bool,
    name: bool,
    /// Something of what it is given, or it is no function.
    given: bool,
}

/// The calls of a choice.
#[derive(Default)]
struct Choice {
    called: Called,
    /// In the order of their beginning.
    told: Vec<Told>,
    numbers: HashSet<u32>,
    /// Above all numbers so far.
    next: u32,
}

/// Mends a stream of chunks, or a whole answer.
pub(super) struct Mender {
    id: String,
    choices: HashMap<u32, Choice>,
}

impl Mender {
    pub(super) fn new(context: &AnswerContext) -> Self {
        Self {
            id: context.id.clone(),
            choices: HashMap::new(),
        }
    }

    fn choice(&mut self, choice: Value<'_>, mends: &mut Vec<Splice<'static>>) {
        let index = choice.get("index").and_then(number).unwrap_or_default();
        let calls = |of: &str| choice.get(of).map(|message| message.each("tool_calls"));
        let is_call = |call: &Value<'_>| call.kind() == Kind::Object;
        let pieces: Vec<Value<'_>> = calls("delta").into_iter().flatten().collect();
        let complete: Vec<Value<'_>> = calls("message").into_iter().flatten().collect();
        if pieces.is_empty() && complete.is_empty() && !self.choices.contains_key(&index) {
            return;
        }
        let state = self.choices.entry(index).or_default();
        for call in pieces.into_iter().filter(is_call) {
            mends.extend(state.piece(call, &self.id));
        }
        for (place, call) in complete.into_iter().filter(is_call).enumerate() {
            mends.extend(whole(call, format!("call_{}_{place}", self.id)));
        }
        let finish = choice.get("finish_reason");
        if finish.is_some_and(|why| !why.is_null() && !why.is_str("") && !why.is_str("length")) {
            mends.extend(state.without_arguments(choice));
        }
        if let Some(finish) = finish.filter(|finish| finish.is_str("stop")) {
            mends.push(Splice::new(finish.span(), json_string("tool_calls")));
        }
    }

    fn mend(&mut self, data: &Bytes) -> Option<Bytes> {
        let document = Document::parse(data).ok()?;
        let mut mends = Vec::new();
        for choice in document.root().each("choices") {
            self.choice(choice, &mut mends);
        }
        (!mends.is_empty()).then(|| splice(data, mends))
    }
}

impl MendStream for Mender {
    fn event(&mut self, data: &Bytes) -> Option<Bytes> {
        let has = |member: &[u8]| memmem::find(data, member).is_some();
        let ends = !self.choices.is_empty() && has(b"\"finish_reason\"");
        if !ends && !has(b"\"tool_calls\"") {
            return None;
        }
        self.mend(data)
    }
}

/// A whole answer.
pub(super) fn answer(body: &Bytes, context: &AnswerContext) -> Option<Bytes> {
    memmem::find(body, b"\"tool_calls\"")?;
    Mender::new(context).mend(body)
}

fn number(value: Value<'_>) -> Option<u32> {
    u32::try_from(value.as_integer()?).ok()
}

impl Choice {
    /// A piece of a call, where something is wrong with it.
    fn piece(&mut self, call: Value<'_>, answer: &str) -> Option<Splice<'static>> {
        let said = call.get("index");
        // A server that numbers in quotes means a number, too.
        let meant = said.and_then(|said| payload::index(said, "index").ok());
        let id = call.text("id").unwrap_or_default();
        let function = call.get("function");
        let has_name = |of: Value<'_>| of.text("name").is_some_and(|name| !name.is_empty());
        let named = function.is_some_and(has_name);
        let is_named = named || call.get("custom").is_some_and(has_name);
        let at = self.called.of(meant, &id, is_named);
        if at == self.told.len() {
            let number = self.number(meant);
            self.told.push(Told {
                number,
                ..Told::default()
            });
        }
        let told = &mut self.told[at];
        let index = told.number;
        let arguments = function.and_then(|function| function.get("arguments"));
        let is_blank = |said: Value<'_>| {
            said.is_null() || said.as_str().is_some_and(|text| text.trim().is_empty())
        };
        told.given |= function.is_none() || !arguments.is_none_or(is_blank);
        let tells_id = !id.is_empty();
        let mut head = Head {
            begins: named && !told.name,
            id_again: tells_id && std::mem::replace(&mut told.head, true),
            name_again: named && std::mem::replace(&mut told.name, true),
            new_id: None,
        };
        if head.begins && !std::mem::replace(&mut told.head, true) {
            head.new_id = Some(format!("call_{answer}_{index}"));
        }
        let misnumbered = said.and_then(number) != Some(index);
        if !misnumbered && !head.is_odd(call) {
            return None;
        }
        let mut out = String::new();
        write::braces(&mut out, |out| {
            write::number(out, "index", u64::from(index));
            head.write(call, &["index"], out);
        });
        Some(Splice::new(call.span(), out))
    }

    /// Gives calls that end without arguments the arguments `{}`, which is what clients parse.
    fn without_arguments(&mut self, choice: Value<'_>) -> Option<Splice<'static>> {
        let mut silent = Vec::new();
        for told in &mut self.told {
            if told.name && !std::mem::replace(&mut told.given, true) {
                silent.push(told.number);
            }
        }
        if silent.is_empty() {
            return None;
        }
        silent.sort_unstable();
        let mut pieces = String::new();
        for index in silent {
            write::braces(&mut pieces, |out| {
                write::number(out, "index", u64::from(index));
                write::object(out, "function", |out| write::text(out, "arguments", "{}"));
            });
        }
        // Just inside of the bracket, which is one byte.
        let inside = |at: u32| Span { start: at, end: at };
        let calls = |out: &mut String| {
            write::list(out, "tool_calls", |out| write::value(out, &pieces));
        };
        let delta = choice.get("delta");
        let listed = delta.and_then(|delta| delta.get("tool_calls"));
        let has = |value: Value<'_>| match value.kind() {
            Kind::Array => value.items().next().is_some(),
            _ => value.members().next().is_some(),
        };
        Some(match (delta, listed) {
            (_, Some(list)) if list.kind() == Kind::Array && has(list) => {
                Splice::new(inside(list.span().end - 1), format!(",{pieces}"))
            }
            (_, Some(list)) => Splice::new(list.span(), format!("[{pieces}]")),
            (Some(delta), None) if delta.kind() == Kind::Object => {
                Splice::new(delta.span(), write::with_member(delta, calls))
            }
            (Some(delta), None) => Splice::new(delta.span(), write::document(calls)),
            (None, None) => {
                let mut member = String::new();
                write::object(&mut member, "delta", calls);
                // The finish reason stands behind it.
                write::behind(&mut member);
                Splice::new(inside(choice.span().start + 1), member)
            }
        })
    }

    /// The number of a call that begins: its server's, unless another call has it.
    fn number(&mut self, said: Option<u32>) -> u32 {
        let free = said.filter(|said| !self.numbers.contains(said));
        let number = free.unwrap_or(self.next);
        self.numbers.insert(number);
        self.next = self.next.max(number.saturating_add(1));
        number
    }
}

/// What is wrong with the head of a call, or of a piece of one.
#[derive(Default)]
struct Head {
    /// The call begins.
    begins: bool,
    id_again: bool,
    name_again: bool,
    /// The id of a call that has none.
    new_id: Option<String>,
}

impl Head {
    fn lacks_type(&self, call: Value<'_>) -> bool {
        self.begins && call.some("type").is_none() && call.some("function").is_some()
    }

    fn is_odd(&self, call: Value<'_>) -> bool {
        let arguments = call.get("function").and_then(|f| f.get("arguments"));
        let is_object = arguments.is_some_and(|said| said.kind() == Kind::Object);
        let again = self.id_again || self.name_again;
        again || is_object || self.new_id.is_some() || self.lacks_type(call)
    }

    /// The call's members, but for those that its writer has written.
    fn write(&self, call: Value<'_>, written: &[&str], out: &mut String) {
        write::text_if(out, "id", self.new_id.as_deref());
        let lacks_type = self.lacks_type(call);
        if lacks_type {
            write::text(out, "type", "function");
        }
        for (key, value) in call.members() {
            let name = name_of(key);
            match name.as_ref() {
                name if written.contains(&name) => {}
                "id" if self.id_again || self.new_id.is_some() => {}
                "type" if lacks_type || self.name_again => {}
                "function" if value.kind() == Kind::Object => {
                    write::key(out, key);
                    function(value, self.name_again, out);
                }
                _ => write::kept(out, key, value.raw()),
            }
        }
    }
}

/// A function that is called, with its arguments as a string.
fn function(function: Value<'_>, name_again: bool, out: &mut String) {
    write::braces(out, |out| {
        for (key, value) in function.members() {
            match name_of(key).as_ref() {
                "name" if name_again => {}
                "arguments" if value.kind() == Kind::Object => {
                    write::text(out, "arguments", value.raw());
                }
                _ => write::kept(out, key, value.raw()),
            }
        }
    });
}

/// A call of a whole answer, where something is wrong with it.
fn whole(call: Value<'_>, id: String) -> Option<Splice<'static>> {
    let arguments = call.get("function").and_then(|f| f.get("arguments"));
    if let Some(said) = arguments.filter(|said| said.is_null() || said.is_str("")) {
        return Some(Splice::new(said.span(), json_string("{}")));
    }
    let head = Head {
        begins: true,
        new_id: call.text("id").is_none_or(|id| id.is_empty()).then_some(id),
        ..Head::default()
    };
    head.is_odd(call).then(|| {
        let mut out = String::new();
        write::braces(&mut out, |out| head.write(call, &[], out));
        Splice::new(call.span(), out)
    })
}
