//! Fragments of tool calls as steps of the calls that they belong to.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::call_ids::MADE_UP;
use crate::exchange::{PartKind, PartTracker, StreamEvent};
use crate::fields::said as text;
use crate::json::{Kind, Value};
use crate::openai::called::Called;
use crate::payload::{PayloadError, index, string, wrong_type};

/// How many bytes of arguments may come before their tool's name. No server is known to send
/// any; one that never names its tool must not make us gather its whole answer.
const MAX_UNNAMED: usize = 64 * 1024;

/// A piece of a call.
#[derive(Debug)]
pub(super) struct Fragment<'d> {
    index: Option<u32>,
    id: Option<Cow<'d, str>>,
    name: Option<Cow<'d, str>>,
    pub(super) arguments: Cow<'d, str>,
    custom: bool,
}

impl<'d> Fragment<'d> {
    /// An item of `tool_calls`.
    pub(super) fn read(call: Value<'d>) -> Result<Self, PayloadError> {
        if call.kind() != Kind::Object {
            return Err(wrong_type("tool_calls[]", "an object", call));
        }
        let number = call.some("index");
        let number = number.map(|number| index(number, "tool_calls[].index"));
        let number = number.transpose()?;
        let mut fragment = match (call.some("function"), call.some("custom")) {
            (None, Some(custom)) => Self::called(custom, "input")?,
            (Some(function), _) => Self::called(function, "arguments")?,
            (None, None) => Self::called(call, "arguments")?,
        };
        fragment.index = number;
        fragment.id = text(call, "id");
        Ok(fragment)
    }

    /// What is called: a function, or a custom tool.
    pub(super) fn called(value: Value<'d>, arguments: &str) -> Result<Self, PayloadError> {
        let said = match value.some(arguments) {
            None => Cow::Borrowed(""),
            Some(object) if object.kind() == Kind::Object => Cow::Borrowed(object.raw()),
            Some(said) => string(said, "tool_calls[].function.arguments")?,
        };
        Ok(Self {
            index: None,
            id: None,
            name: text(value, "name"),
            arguments: said,
            custom: arguments == "input",
        })
    }

    /// The whole call as what it begins as: its id, or else one made of its position.
    pub(super) fn kind(&self, position: usize) -> PartKind {
        let id = self.id.as_deref().map(str::to_owned);
        PartKind::ToolCall {
            id: id.unwrap_or_else(|| format!("{MADE_UP}{position}")),
            name: self.name.as_deref().unwrap_or_default().to_owned(),
            custom: self.custom,
        }
    }
}

#[derive(Debug)]
struct Call {
    /// Our number in the choice: its place among the choice's calls.
    slot: u32,
    custom: bool,
    /// Arguments that came before the name, until it has begun.
    unnamed: Option<String>,
}

/// The calls of a stream, by choice.
#[derive(Debug, Default)]
pub(super) struct Calls(HashMap<u32, Choice>);

/// The calls of a choice, in the order of their beginning.
#[derive(Debug, Default)]
struct Choice {
    called: Called,
    calls: Vec<Call>,
}

impl Calls {
    pub(super) fn push(
        &mut self,
        choice: u32,
        fragment: Fragment<'_>,
        tracker: &mut PartTracker,
        out: &mut Vec<StreamEvent>,
    ) {
        let Choice { called, calls } = self.0.entry(choice).or_default();
        let id = fragment.id.as_deref().unwrap_or_default();
        let at = called.of(fragment.index, id, fragment.name.is_some());
        if at == calls.len() {
            calls.push(Call {
                slot: at as u32,
                custom: fragment.custom,
                unnamed: Some(String::new()),
            });
        }
        let call = &mut calls[at];
        let arguments = match call.unnamed.as_mut() {
            None => fragment.arguments.into_owned(),
            Some(unnamed) => {
                unnamed.push_str(&fragment.arguments);
                if fragment.name.is_none() && unnamed.len() <= MAX_UNNAMED {
                    return;
                }
                let name = fragment.name.unwrap_or_default().into_owned();
                call.begin(choice, (called.id(at), name), tracker, out)
            }
        };
        if !arguments.is_empty() {
            tracker.arguments(choice, call.slot, arguments, out);
        }
    }

    /// A choice ends: calls that were never named begin all the same.
    pub(super) fn flush(
        &mut self,
        choice: u32,
        tracker: &mut PartTracker,
        out: &mut Vec<StreamEvent>,
    ) {
        let Some(Choice { called, calls }) = self.0.get_mut(&choice) else {
            return;
        };
        for (at, call) in calls.iter_mut().enumerate() {
            if call.unnamed.is_some() {
                let head = (called.id(at), String::new());
                let arguments = call.begin(choice, head, tracker, out);
                tracker.arguments(choice, call.slot, arguments, out);
            }
        }
    }

    pub(super) fn has_any(&self, choice: u32) -> bool {
        self.0.contains_key(&choice)
    }
}

impl Call {
    /// Begins the call and gives the arguments that have come.
    fn begin(
        &mut self,
        choice: u32,
        (id, name): (&str, String),
        tracker: &mut PartTracker,
        out: &mut Vec<StreamEvent>,
    ) -> String {
        let id = match id.is_empty() {
            true => format!("{MADE_UP}{}", self.slot),
            false => id.to_owned(),
        };
        let custom = self.custom;
        let kind = PartKind::ToolCall { id, name, custom };
        tracker.call(choice, self.slot, kind, out);
        self.unnamed.take().unwrap_or_default()
    }
}
