//! The component: one exchange of an app, its rules and its masks.

use std::cell::RefCell;

use bindings::exports::forebay::mask::mask::{Guest, GuestExchange};
use bindings::forebay::guardrails::guardrails::{
    Action, Channel, Delta, Outline, OutputGuard, Place, PlaceKind, Releases, check_prompt,
};
use bindings::forebay::types::types::{Caller, Reason};

use crate::stream::Stream;
use crate::table::{self, Table};

#[allow(missing_docs, unsafe_code, unreachable_pub, clippy::all)]
mod bindings {
    wit_bindgen::generate!({
        path: ["../../wit/deps/types", "../../wit/deps/guardrails", "../../wit/mask"],
        world: "forebay:mask/masks",
        generate_all,
    });
}

/// The shortest secret, in bytes.
const LEAST_SECRET: usize = 16;

struct Component;

struct Exchange {
    caller: Caller,
    secret: Vec<u8>,
    state: RefCell<State>,
}

#[derive(Default)]
struct State {
    table: Table,
    /// The caller has rules for the output.
    guarded: bool,
    /// The text that is being streamed, and its guard.
    stream: Stream,
    guard: Option<OutputGuard>,
}

impl Guest for Component {
    type Exchange = Exchange;
}

impl GuestExchange for Exchange {
    fn new(caller: Caller, secret: Vec<u8>) -> Self {
        Self {
            caller,
            secret,
            state: RefCell::default(),
        }
    }

    fn mask(&self, texts: Vec<String>) -> Result<Vec<String>, Reason> {
        if self.secret.len() < LEAST_SECRET {
            return Err(reason(
                "short-secret",
                format!(
                    "the secret has {} bytes; at least {LEAST_SECRET} are needed",
                    self.secret.len()
                ),
            ));
        }
        let verdict = check_prompt(&self.caller, &outline(&texts), &places(&texts), &[]);
        let mut state = self.state.borrow_mut();
        state.guarded = verdict.guard_output;
        match verdict.action {
            Action::Allow => Ok(texts),
            Action::Deny(reason) => Err(reason),
            Action::Ask(question) => Err(reason(
                "no-second-opinion",
                format!(
                    "the rules use the service {}, which this app does not provide",
                    question.service
                ),
            )),
            Action::Edit(edits) => {
                let edits: Vec<_> = edits
                    .into_iter()
                    .map(|edit| table::Edit {
                        text: edit.span.place as usize,
                        range: edit.span.start as usize..edit.span.end as usize,
                        label: edit.label,
                    })
                    .collect();
                state
                    .table
                    .mask(&self.secret, &texts, &edits)
                    .map_err(|error| reason("unmaskable", error.to_string()))
            }
        }
    }

    fn restore(&self, text: String) -> Result<String, Reason> {
        let state = self.state.borrow();
        if !state.guarded {
            return Ok(state.table.restore(&text));
        }
        let guard = OutputGuard::new(&self.caller);
        let begun = released(guard.push(&[delta(text)]))?;
        let ended = released(guard.finish(None))?;
        Ok(state.table.restore(&(begun + &ended)))
    }

    fn push(&self, text: String) -> Result<String, Reason> {
        let state = &mut *self.state.borrow_mut();
        let text = match state.guarded {
            false => text,
            true => {
                let guard = state
                    .guard
                    .get_or_insert_with(|| OutputGuard::new(&self.caller));
                released(guard.push(&[delta(text)]))?
            }
        };
        Ok(state.stream.push(&state.table, &text))
    }

    fn finish(&self) -> Result<String, Reason> {
        let state = &mut *self.state.borrow_mut();
        let held = match state.guard.take() {
            None => String::new(),
            Some(guard) => released(guard.finish(None))?,
        };
        let rest = state.stream.push(&state.table, &held);
        Ok(rest + &state.stream.finish())
    }
}

fn outline(texts: &[String]) -> Outline {
    let bytes = |text: &String| text.len() as u64;
    Outline {
        operation: "chat".to_owned(),
        model: String::new(),
        messages: u32::try_from(texts.len()).unwrap_or(u32::MAX),
        tools: 0,
        largest_message: texts.iter().map(bytes).max().unwrap_or(0),
        bytes: texts.iter().map(bytes).sum(),
    }
}

fn places(texts: &[String]) -> Vec<Place> {
    let place = |(n, text): (usize, &String)| Place {
        kind: PlaceKind::Text,
        role: "user".to_owned(),
        path: format!("texts[{n}]"),
        text: text.clone(),
        joins_next: false,
    };
    texts.iter().enumerate().map(place).collect()
}

fn delta(text: String) -> Delta {
    Delta {
        choice: 0,
        channel: Channel::Content,
        text,
    }
}

/// What a guard let go, or why nothing more may go out.
fn released(releases: Releases) -> Result<String, Reason> {
    match releases.denied {
        Some(reason) => Err(reason),
        None => Ok(releases
            .released
            .into_iter()
            .map(|release| release.text)
            .collect()),
    }
}

fn reason(code: &str, detail: String) -> Reason {
    Reason {
        code: code.to_owned(),
        detail,
    }
}

#[allow(unsafe_code, missing_docs)]
mod exported {
    use super::{Component, bindings};
    bindings::export!(Component with_types_in bindings);
}
