//! The response object, whole or as a stream's events carry it.

use crate::canonical::Usage;
use crate::contract::context::AnswerContext;
use crate::exchange::Finish;
use crate::json::write;
use crate::json::write::{number, raw, text};

/// What stays the same in every response object of one answer.
#[derive(Debug, Default)]
pub(super) struct Head {
    /// With its prefix `resp_`.
    pub(super) id: String,
    model: String,
    created: u64,
    /// See [`super::echo::members`].
    echoed: String,
}

impl Head {
    /// What the upstream says counts; the context stands in where it says nothing, and for ids of
    /// other formats: servers may number several answers alike, and clients tell turns by it.
    pub(super) fn new(
        id: &str,
        model: &str,
        created: Option<u64>,
        context: &AnswerContext,
    ) -> Self {
        let pick = |said: &str, else_: &str| match said {
            "" => else_.to_owned(),
            said => said.to_owned(),
        };
        Self {
            id: match id.starts_with("resp_") {
                true => id.to_owned(),
                false => format!("resp_{}", context.id),
            },
            model: pick(model, &context.model),
            created: created.unwrap_or(context.created),
            echoed: super::echo::members(&context.echo),
        }
    }

    /// The id without its prefix, from which the items' ids are made.
    pub(super) fn base(&self) -> &str {
        self.id.strip_prefix("resp_").unwrap_or(&self.id)
    }

    /// An item's id: `msg_…_0`.
    pub(super) fn item_id(&self, prefix: &str, index: usize) -> String {
        format!("{prefix}_{}_{index}", self.base())
    }
}

/// How far a response is.
#[derive(Debug, Clone, Copy)]
pub(super) enum State<'a> {
    InProgress,
    Ended(Option<&'a Finish>),
    Failed { code: &'a str, message: &'a str },
}

impl State<'_> {
    /// The word in `status`, which is also that of the event that brings the object.
    pub(super) fn status(self) -> &'static str {
        match self {
            State::InProgress => "in_progress",
            State::Failed { .. } => "failed",
            State::Ended(finish) => match finish.and_then(reason) {
                Some(_) => "incomplete",
                None => "completed",
            },
        }
    }
}

/// The reason in `incomplete_details`, for an answer that did not end by itself.
fn reason(finish: &Finish) -> Option<&str> {
    match finish {
        Finish::Stop | Finish::StopSequence(_) | Finish::ToolCalls => None,
        Finish::Length => Some("max_output_tokens"),
        Finish::Refused => Some("content_filter"),
        Finish::Other(reason) => Some(reason),
    }
}

/// Appends a response object. `output` is the items' JSON with commas between.
pub(super) fn write(
    out: &mut String,
    head: &Head,
    state: State<'_>,
    output: &str,
    usage: Option<&Usage>,
) {
    let details = match state {
        State::Ended(finish) => finish.and_then(reason),
        _ => None,
    };
    write::braces(out, |out| {
        text(out, "id", &head.id);
        text(out, "object", "response");
        number(out, "created_at", head.created);
        text(out, "status", state.status());
        match state {
            State::Failed { code, message } => write::object(out, "error", |out| {
                text(out, "code", code);
                text(out, "message", message);
            }),
            _ => raw(out, "error", "null"),
        }
        match details {
            Some(reason) => {
                write::object(out, "incomplete_details", |out| text(out, "reason", reason));
            }
            None => raw(out, "incomplete_details", "null"),
        }
        text(out, "model", &head.model);
        write::list(out, "output", |out| out.push_str(output));
        write::value(out, &head.echoed);
        match usage {
            Some(usage) => write_usage(out, usage),
            None => raw(out, "usage", "null"),
        }
    });
}

fn write_usage(out: &mut String, usage: &Usage) {
    write::object(out, "usage", |out| {
        number(out, "input_tokens", usage.input);
        write::object(out, "input_tokens_details", |out| {
            number(out, "cached_tokens", usage.cached_input);
            number(out, "cache_write_tokens", usage.cache_write);
        });
        number(out, "output_tokens", usage.output);
        write::object(out, "output_tokens_details", |out| {
            number(out, "reasoning_tokens", usage.reasoning);
        });
        let total = usage.input.saturating_add(usage.output);
        number(out, "total_tokens", total);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_id_of_this_format_stays_one() {
        let context = AnswerContext {
            id: "7".into(),
            ..AnswerContext::default()
        };
        let cases = [
            ("resp_1", "resp_1"),
            ("chatcmpl-5", "resp_7"),
            ("msg_5", "resp_7"),
            ("", "resp_7"),
        ];
        for (id, told) in cases {
            assert_eq!(Head::new(id, "m", None, &context).id, told);
        }
    }
}
