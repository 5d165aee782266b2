//! Reads a payload of an answer by the format's table, and writes the events that a guard lets
//! go later.

use bytes::Bytes;

use super::candidate::{is_blocked, write_head};
use super::emit::{content, text_part};
use super::error::read_error;
use super::grammar::ANSWER;
use super::names::name_of;
use crate::canonical::{Channel, FinishKind};
use crate::grammar::WHOLE;
use crate::grammar::payload::read as read_by;
use crate::json::{Value, write};
use crate::payload::{Payload, PayloadError, by_stretch};

pub(crate) fn read(payload: &mut Payload, root: Value<'_>) -> Result<(), PayloadError> {
    payload.error = read_error(root);
    let candidates = read_by(payload, &ANSWER, name_of, 0, root)?;
    if candidates == 0 && is_blocked(root) {
        payload.finished.push((0, FinishKind::Refused));
        payload.closed.push(0);
    }
    Ok(())
}

/// An event of the same stream that carries these texts and nothing else. What is whole in its
/// own payload has nothing left to carry.
pub(crate) fn synthesise(payload: &Payload, texts: &[(u32, Channel, String)]) -> Vec<Bytes> {
    let carried = texts.iter().filter(|(choice, channel, _)| {
        *choice < WHOLE && !channel.is_label() && !matches!(channel, Channel::ToolArguments(_))
    });
    let choices = by_stretch(carried);
    if choices.is_empty() {
        return Vec::new();
    }
    let mut out = String::new();
    write::braces(&mut out, |out| {
        write::list(out, "candidates", |out| {
            for (choice, texts) in &choices {
                write::braces(out, |out| {
                    write::name(out, "content");
                    content(out, true, |out| {
                        for (channel, text) in texts {
                            text_part(out, text, *channel == Channel::Reasoning, None);
                        }
                    });
                    write::number(out, "index", (*choice).into());
                });
            }
        });
        let (id, model) = (payload.id(), payload.model());
        write_head(id.unwrap_or_default(), model.unwrap_or_default(), None, out);
    });
    vec![out.into()]
}
