//! Reads a payload of an answer: which strings are output, which values can't be read as text.
//!
//! Pieces belong to the stretch of their part (see [`Stretch`]); what an event tells again as a
//! whole is a stretch of its own, complete at once. What is neither on the lists here nor null
//! counts as unreadable: a new field must not carry output past a guard.

use super::answer;
use super::error::read_error;
use super::listed::{PLACE, Place, RESPONSE, SHAPE, TEXTS};
use super::stretch::{RESTATED, Stretch};
pub(crate) use super::synthesise::synthesise;
use crate::canonical::{Channel, FinishKind};
use crate::exchange::Finish;
use crate::json::{Kind, Value};
use crate::payload::{Payload, PayloadError, TextDelta, wrong_type};

pub(crate) fn read(payload: &mut Payload, root: Value<'_>) -> Result<(), PayloadError> {
    let kind = root.get("type").and_then(Value::as_str).unwrap_or_default();
    payload.error = read_error(root);
    let mut reader = Reader {
        payload,
        restated: None,
    };
    if let Some((_, member, place, whole)) = TEXTS.iter().find(|(name, ..)| *name == kind) {
        return reader.text_event(root, member, *place, *whole);
    }
    let is_whole = kind.is_empty() && root.get("output").is_some_and(|o| o.kind() == Kind::Array);
    if is_whole
        || root
            .get("object")
            .is_some_and(|object| object.is_str("response"))
    {
        reader.response(root)?;
        let mut closed: Vec<u32> = reader
            .payload
            .texts
            .iter()
            .map(|text| text.choice)
            .collect();
        closed.dedup();
        reader.payload.closed = closed;
        return Ok(());
    }
    match kind.as_ref() {
        "response.created" | "response.in_progress" | "response.queued" => {
            reader.payload.has_structure = true;
            reader.tells_again(root);
            reader.event_with(root, "response", Reader::response)?;
        }
        "response.completed" | "response.incomplete" | "response.failed" | "response.cancelled" => {
            reader.payload.terminal = true;
            reader.tells_again(root);
            reader.event_with(root, "response", Reader::response)?;
        }
        "response.output_item.added" | "response.output_item.done" => {
            let item = index_of(root, "output_index");
            reader.payload.has_structure = true;
            if kind.ends_with("done") {
                reader.tells_again(root);
            }
            reader.event_with(root, "item", |reader, value| reader.item(value, item))?;
        }
        "response.content_part.added"
        | "response.content_part.done"
        | "response.reasoning_part.added"
        | "response.reasoning_part.done"
        | "response.reasoning_summary_part.added"
        | "response.reasoning_summary_part.done" => {
            let summary = kind.contains("summary");
            let stretch = Stretch {
                item: index_of(root, "output_index"),
                part: index_of(
                    root,
                    if summary {
                        "summary_index"
                    } else {
                        "content_index"
                    },
                ),
                summary,
                custom: false,
            };
            reader.payload.has_structure = true;
            if kind.ends_with("done") {
                reader.tells_again(root);
            }
            reader.event_with(root, "part", |reader, part| reader.part(part, stretch))?;
        }
        "error" => reader.payload.terminal = true,
        _ => {
            reader.payload.has_structure = reader.payload.error.is_none();
            let failed = reader.payload.error.is_some();
            reader.unlisted(root, |name| {
                PLACE.contains(&name) || (failed && name == "error")
            });
        }
    }
    Ok(())
}

struct Reader<'p> {
    payload: &'p mut Payload,
    /// The next stretch of a text that is told again; none while texts are new.
    restated: Option<u32>,
}

impl Reader<'_> {
    /// From here on texts are told again. Their stretches are unlike those of other events:
    /// they are counted from the event's own number.
    fn tells_again(&mut self, root: Value<'_>) {
        let number = index_of(root, "sequence_number");
        self.restated = Some(RESTATED | number.wrapping_mul(64) & !RESTATED);
    }

    fn text_event(
        &mut self,
        root: Value<'_>,
        member: &str,
        place: Place,
        whole: bool,
    ) -> Result<(), PayloadError> {
        let item = index_of(root, "output_index");
        let part = |name| index_of(root, name);
        let (channel, stretch) = match place {
            Place::Content(channel) => (
                channel,
                Stretch {
                    item,
                    part: part("content_index"),
                    ..Stretch::default()
                },
            ),
            Place::Summary => (
                Channel::Reasoning,
                Stretch {
                    item,
                    part: part("summary_index"),
                    summary: true,
                    custom: false,
                },
            ),
            Place::Arguments | Place::Input => {
                self.payload.has_tool_calls = true;
                (
                    Channel::ToolArguments(item),
                    Stretch {
                        item,
                        custom: matches!(place, Place::Input),
                        ..Stretch::default()
                    },
                )
            }
        };
        if whole {
            self.payload.has_structure = true;
            self.tells_again(root);
        }
        for (key, value) in root.members().filter(|(_, value)| !value.is_null()) {
            let name = key.as_str().unwrap_or_default();
            if name == member {
                self.text(stretch, channel, value, &name)?;
            } else if !PLACE.contains(&name.as_ref()) && !is_empty_list(value) {
                self.unreadable(value);
            }
        }
        Ok(())
    }

    /// An event whose content stands in one member.
    fn event_with(
        &mut self,
        root: Value<'_>,
        member: &str,
        read: impl FnOnce(&mut Self, Value<'_>) -> Result<(), PayloadError>,
    ) -> Result<(), PayloadError> {
        self.unlisted(root, |name| PLACE.contains(&name) || name == member);
        match root.get(member).filter(|value| !value.is_null()) {
            Some(value) if value.kind() == Kind::Object => read(self, value),
            Some(value) => Err(wrong_type(member, "an object", value)),
            None => Ok(()),
        }
    }

    fn response(&mut self, response: Value<'_>) -> Result<(), PayloadError> {
        let text = |name: &str| {
            let value = response.get(name).and_then(Value::as_str);
            value.map(std::borrow::Cow::into_owned)
        };
        self.payload.id = text("id");
        self.payload.model = text("model");
        self.payload.usage = answer::usage(response)?;
        if let Some(output) = response.get("output").filter(|output| !output.is_null()) {
            if output.kind() != Kind::Array {
                return Err(wrong_type("output", "an array", output));
            }
            for (index, item) in (0..).zip(output.items()) {
                if item.kind() != Kind::Object {
                    return Err(wrong_type(format!("output[{index}]"), "an object", item));
                }
                self.item(item, index)?;
            }
        }
        self.unlisted(response, |name| {
            name == "output" || RESPONSE.contains(&name)
        });
        if self.payload.error.is_none() {
            let finish = answer::finish(response, self.payload.has_tool_calls);
            self.payload
                .finished
                .extend(finish.map(|finish| (0, finish_kind(finish))));
        }
        Ok(())
    }

    fn item(&mut self, item: Value<'_>, index: u32) -> Result<(), PayloadError> {
        self.payload.has_structure = true;
        let kind = item.get("type").and_then(Value::as_str).unwrap_or_default();
        let at = |part: u32, summary: bool, custom: bool| Stretch {
            item: index,
            part,
            summary,
            custom,
        };
        for (key, value) in item.members().filter(|(_, value)| !value.is_null()) {
            let name = key.as_str().unwrap_or_default();
            match (kind.as_ref(), name.as_ref()) {
                ("message" | "reasoning", "content") | ("reasoning", "summary") => {
                    let summary = name == "summary";
                    for (part, value) in (0..).zip(value.items()) {
                        self.part(value, at(part, summary, false))?;
                    }
                    if value.kind() != Kind::Array {
                        self.unreadable(value);
                    }
                }
                ("function_call", "arguments") | ("custom_tool_call", "input") => {
                    self.payload.has_tool_calls = true;
                    let stretch = at(0, false, kind == "custom_tool_call");
                    self.text(stretch, Channel::ToolArguments(index), value, &name)?;
                }
                (_, name) if SHAPE.contains(&name) && value.kind() == Kind::String => {}
                _ if is_empty_list(value) => {}
                _ => self.unreadable(value),
            }
        }
        Ok(())
    }

    fn part(&mut self, part: Value<'_>, stretch: Stretch) -> Result<(), PayloadError> {
        let kind = part.get("type").and_then(Value::as_str).unwrap_or_default();
        for (key, value) in part.members().filter(|(_, value)| !value.is_null()) {
            let name = key.as_str().unwrap_or_default();
            let channel = match (kind.as_ref(), name.as_ref()) {
                ("output_text", "text") => Channel::Content,
                ("refusal", "refusal") => Channel::Refusal,
                ("reasoning_text" | "summary_text", "text") => Channel::Reasoning,
                (_, "type") => continue,
                _ => {
                    // Annotations and log probabilities, most of the time none.
                    if !is_empty_list(value) {
                        self.unreadable(value);
                    }
                    continue;
                }
            };
            self.text(stretch, channel, value, &name)?;
        }
        Ok(())
    }

    fn text(
        &mut self,
        stretch: Stretch,
        channel: Channel,
        value: Value<'_>,
        field: &str,
    ) -> Result<(), PayloadError> {
        let text = value
            .as_str()
            .ok_or_else(|| wrong_type(field, "a string", value))?;
        let choice = match &mut self.restated {
            None => stretch.id(),
            Some(next) => {
                let own = *next;
                *next = RESTATED | own.wrapping_add(1) & !RESTATED;
                // Its pieces have all come, too.
                for closed in [stretch.id(), own] {
                    self.payload.closed.push(closed);
                }
                own
            }
        };
        self.payload.texts.push(TextDelta {
            choice,
            channel,
            text: text.into_owned(),
            span: value.span(),
            twin: None,
            raw: false,
        });
        Ok(())
    }

    /// Members that nobody listed.
    fn unlisted(&mut self, of: Value<'_>, listed: impl Fn(&str) -> bool) {
        for (key, value) in of.members() {
            let name = key.as_str().unwrap_or_default();
            if !value.is_null() && !listed(&name) && !is_empty_list(value) {
                self.unreadable(value);
            }
        }
    }

    fn unreadable(&mut self, value: Value<'_>) {
        self.payload.unreadable.push(value.span());
    }
}

fn is_empty_list(value: Value<'_>) -> bool {
    value.kind() == Kind::Array && value.items().next().is_none()
}

fn finish_kind(finish: Finish) -> FinishKind {
    match finish {
        Finish::Stop | Finish::StopSequence(_) => FinishKind::Stop,
        Finish::Length => FinishKind::Length,
        Finish::ToolCalls => FinishKind::ToolCalls,
        Finish::Refused => FinishKind::Refused,
        Finish::Other(other) => FinishKind::Other(other),
    }
}

/// A place or a number; 0 where it is absent.
pub(super) fn index_of(root: Value<'_>, name: &str) -> u32 {
    let index = root.get(name).and_then(Value::as_integer);
    index
        .and_then(|index| u32::try_from(index).ok())
        .unwrap_or_default()
}
