//! Puts fragments of tool calls to the calls they belong to. Servers differ: most number them,
//! some give every fragment the call's id, some neither; some give all parallel calls the
//! number 0, or send an id with each fragment of one call.

use std::borrow::Cow;

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
    choice: u32,
    /// The server's number.
    index: Option<u32>,
    /// The server's id; empty where it gave none.
    id: String,
    /// Our number in the choice.
    slot: u32,
    custom: bool,
    /// Arguments that came before the name, until it has begun.
    unnamed: Option<String>,
}

/// The calls of a stream.
#[derive(Debug, Default)]
pub(super) struct Calls(Vec<Call>);

impl Calls {
    pub(super) fn push(
        &mut self,
        choice: u32,
        fragment: Fragment<'_>,
        tracker: &mut PartTracker,
        out: &mut Vec<StreamEvent>,
    ) {
        let at = self.of(choice, &fragment);
        let Some(call) = self.0.get_mut(at) else {
            return;
        };
        let arguments = match call.unnamed.as_mut() {
            None => fragment.arguments.into_owned(),
            Some(unnamed) => {
                unnamed.push_str(&fragment.arguments);
                if fragment.name.is_none() && unnamed.len() <= MAX_UNNAMED {
                    return;
                }
                call.begin(fragment.name.unwrap_or_default().into_owned(), tracker, out)
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
        for call in self.0.iter_mut().filter(|call| call.choice == choice) {
            if call.unnamed.is_some() {
                let arguments = call.begin(String::new(), tracker, out);
                tracker.arguments(choice, call.slot, arguments, out);
            }
        }
    }

    pub(super) fn has_any(&self, choice: u32) -> bool {
        self.0.iter().any(|call| call.choice == choice)
    }

    /// The call that a fragment belongs to, a new one where it begins one.
    fn of(&mut self, choice: u32, fragment: &Fragment<'_>) -> usize {
        let last = |wanted: &dyn Fn(&Call) -> bool| {
            self.0
                .iter()
                .rposition(|call| call.choice == choice && wanted(call))
        };
        let id = fragment.id.as_deref().unwrap_or_default();
        let same_id = last(&|call| {
            let agree = fragment.index.is_none() || call.index == fragment.index;
            !id.is_empty() && call.id == id && agree
        });
        let found = same_id.or_else(|| match fragment.index {
            Some(_) => last(&|call| call.index == fragment.index).filter(|at| {
                let other_id = !id.is_empty() && !self.0[*at].id.is_empty();
                // Another id and a name: another call under the same number.
                !(other_id && fragment.name.is_some())
            }),
            None if !id.is_empty() => None,
            None => last(&|_| true)
                .filter(|at| fragment.name.is_none() || self.0[*at].unnamed.is_some()),
        });
        found.unwrap_or_else(|| {
            let slot = self.0.iter().filter(|call| call.choice == choice).count() as u32;
            self.0.push(Call {
                choice,
                index: fragment.index,
                id: id.to_owned(),
                slot,
                custom: fragment.custom,
                unnamed: Some(String::new()),
            });
            self.0.len() - 1
        })
    }
}

impl Call {
    /// Begins the call and gives the arguments that have come.
    fn begin(
        &mut self,
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
        tracker.call(self.choice, self.slot, kind, out);
        self.unnamed.take().unwrap_or_default()
    }
}
