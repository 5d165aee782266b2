//! Puts fragments of tool calls to the calls they belong to. Servers differ: most number them,
//! some give every fragment the call's id, some neither; some give all parallel calls the
//! number 0, or send an id with each fragment of one call.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::call_ids::MADE_UP;
use crate::exchange::{PartKind, PartTracker, StreamEvent};
use crate::fields::said as text;
use crate::json::{Kind, Value};
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
    /// The server's id; empty where it gave none.
    id: String,
    /// Our number in the choice: its place among the choice's calls.
    slot: u32,
    custom: bool,
    /// Arguments that came before the name, until it has begun.
    unnamed: Option<String>,
}

/// The calls of a stream, by choice.
#[derive(Debug, Default)]
pub(super) struct Calls(HashMap<u32, Called>);

/// The calls of a choice. An upstream may send very many, so each is found by what names it.
#[derive(Debug, Default)]
struct Called {
    calls: Vec<Call>,
    /// The last call of each of the server's numbers; none: without one.
    by_index: HashMap<Option<u32>, usize>,
    /// The last call of each of the server's ids.
    by_id: HashMap<String, usize>,
    /// The last call of each id and number.
    by_both: HashMap<(String, Option<u32>), usize>,
}

impl Calls {
    pub(super) fn push(
        &mut self,
        choice: u32,
        fragment: Fragment<'_>,
        tracker: &mut PartTracker,
        out: &mut Vec<StreamEvent>,
    ) {
        let called = self.0.entry(choice).or_default();
        let at = called.of(&fragment);
        let Some(call) = called.calls.get_mut(at) else {
            return;
        };
        let arguments = match call.unnamed.as_mut() {
            None => fragment.arguments.into_owned(),
            Some(unnamed) => {
                unnamed.push_str(&fragment.arguments);
                if fragment.name.is_none() && unnamed.len() <= MAX_UNNAMED {
                    return;
                }
                let name = fragment.name.unwrap_or_default().into_owned();
                call.begin(choice, name, tracker, out)
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
        let calls = self.0.get_mut(&choice).into_iter();
        for call in calls.flat_map(|called| &mut called.calls) {
            if call.unnamed.is_some() {
                let arguments = call.begin(choice, String::new(), tracker, out);
                tracker.arguments(choice, call.slot, arguments, out);
            }
        }
    }

    pub(super) fn has_any(&self, choice: u32) -> bool {
        self.0.contains_key(&choice)
    }
}

impl Called {
    /// The call that a fragment belongs to, a new one where it begins one.
    fn of(&mut self, fragment: &Fragment<'_>) -> usize {
        let id = fragment.id.as_deref().unwrap_or_default();
        let index = fragment.index;
        let same_id = match (id.is_empty(), index) {
            (true, _) => None,
            (false, None) => self.by_id.get(id).copied(),
            (false, Some(_)) => self.by_both.get(&(id.to_owned(), index)).copied(),
        };
        let found = same_id.or_else(|| match index {
            Some(_) => self.by_index.get(&index).copied().filter(|at| {
                let other_id = !id.is_empty() && !self.calls[*at].id.is_empty();
                // Another id and a name: another call under the same number.
                !(other_id && fragment.name.is_some())
            }),
            None if !id.is_empty() => None,
            None => (self.calls.len().checked_sub(1))
                .filter(|at| fragment.name.is_none() || self.calls[*at].unnamed.is_some()),
        });
        found.unwrap_or_else(|| {
            let at = self.calls.len();
            self.by_index.insert(index, at);
            if !id.is_empty() {
                self.by_id.insert(id.to_owned(), at);
                self.by_both.insert((id.to_owned(), index), at);
            }
            self.calls.push(Call {
                id: id.to_owned(),
                slot: at as u32,
                custom: fragment.custom,
                unnamed: Some(String::new()),
            });
            at
        })
    }
}

impl Call {
    /// Begins the call and gives the arguments that have come.
    fn begin(
        &mut self,
        choice: u32,
        name: String,
        tracker: &mut PartTracker,
        out: &mut Vec<StreamEvent>,
    ) -> String {
        let id = match self.id.is_empty() {
            true => format!("{MADE_UP}{}", self.slot),
            false => self.id.clone(),
        };
        let custom = self.custom;
        let kind = PartKind::ToolCall { id, name, custom };
        tracker.call(choice, self.slot, kind, out);
        self.unnamed.take().unwrap_or_default()
    }
}
