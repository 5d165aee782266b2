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
use crate::payload::{Payload, PayloadError};

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
    let mut choices: Vec<u32> = Vec::new();
    let carried = |choice: u32, channel: Channel| {
        choice < WHOLE && !channel.is_label() && !matches!(channel, Channel::ToolArguments(_))
    };
    for (choice, channel, _) in texts {
        if carried(*choice, *channel) && !choices.contains(choice) {
            choices.push(*choice);
        }
    }
    if choices.is_empty() {
        return Vec::new();
    }
    let mut out = String::new();
    write::braces(&mut out, |out| {
        write::list(out, "candidates", |out| {
            for choice in choices {
                write::braces(out, |out| {
                    write::name(out, "content");
                    content(out, true, |out| {
                        let of_choice = texts
                            .iter()
                            .filter(|(of, channel, _)| *of == choice && carried(choice, *channel));
                        write_texts(of_choice, out);
                    });
                    write::number(out, "index", choice.into());
                });
            }
        });
        let (id, model) = (payload.id(), payload.model());
        write_head(id.unwrap_or_default(), model.unwrap_or_default(), None, out);
    });
    vec![out.into()]
}

/// A part for each channel, with all of its texts.
fn write_texts<'t>(
    texts: impl Iterator<Item = &'t (u32, Channel, String)> + Clone,
    out: &mut String,
) {
    let mut written: Vec<Channel> = Vec::new();
    for (_, channel, _) in texts.clone() {
        if written.contains(channel) {
            continue;
        }
        written.push(*channel);
        let of_channel = texts.clone().filter(|(_, other, _)| other == channel);
        let joined: String = of_channel.map(|(_, _, text)| text.as_str()).collect();
        text_part(out, &joined, *channel == Channel::Reasoning, None);
    }
}
