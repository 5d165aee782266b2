//! Writes a stream. The format tells each text again when it is complete, and all of them at
//! the end, so what was said is kept until then: as long as the answer, and as JSON.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::object::{self, Head, State};
use super::parts_out::{self, Called};
use super::stream_part::{Kind, Message, Open, joined, write_part};
use crate::canonical::Usage;
use crate::contract::context::AnswerContext;
use crate::contract::stream::WriteStream;
use crate::exchange::{ChatAnswer, Delta, Finish, Media, PartKind, Source, StreamEvent, replay};
use crate::fit::split_namespace;
use crate::json::write::{self, name, number, text};
use crate::payload::UpstreamErrorBody;

/// Writes a stream. Only the first choice is told: the format has no others.
#[derive(Default)]
pub(crate) struct StreamWriter {
    context: AnswerContext,
    head: Option<Head>,
    sequence: u64,
    /// Items begun so far.
    items: usize,
    /// The message item that further text joins.
    message: Option<Message>,
    /// Parts that have begun and not ended, by number.
    open: BTreeMap<u32, Open>,
    /// Complete items with their places.
    done: Vec<(usize, String)>,
    finish: Option<Finish>,
    usage: Option<Usage>,
    ended: bool,
    /// Only the response at the end is wanted, not its events.
    silent: bool,
}

/// A whole answer: the response that a stream of it ends with.
pub(crate) fn write_answer(answer: &ChatAnswer<'_>, context: &AnswerContext) -> Bytes {
    let mut writer = StreamWriter::new(context);
    writer.silent = true;
    let mut events = Vec::new();
    for step in replay(answer)
        .iter()
        .filter(|step| **step != StreamEvent::End)
    {
        writer.write(step, &mut events);
    }
    let output = writer.output(&mut events);
    let mut out = String::with_capacity(1024 + output.len());
    if let Some(head) = &writer.head {
        let state = State::Ended(writer.finish.as_ref());
        object::write(&mut out, head, state, &output, writer.usage.as_ref());
    }
    out.into()
}

impl StreamWriter {
    pub(crate) fn new(context: &AnswerContext) -> Self {
        Self {
            context: context.clone(),
            ..Self::default()
        }
    }

    /// An event.
    fn event(&mut self, kind: &str, room: usize, members: impl FnOnce(&mut String)) -> Bytes {
        if self.silent {
            return Bytes::new();
        }
        let mut out = String::with_capacity(room);
        write::typed(&mut out, kind, |out| {
            number(out, "sequence_number", self.sequence);
            members(out);
        });
        self.sequence += 1;
        out.into()
    }

    /// An event with the response object.
    fn response(&mut self, kind: &str, state: State<'_>, output: &str, out: &mut Vec<Bytes>) {
        let (head, usage) = (self.head.take(), self.usage);
        out.push(self.event(kind, 1024 + output.len(), |event| {
            if let Some(head) = &head {
                name(event, "response");
                object::write(event, head, state, output, usage.as_ref());
            }
        }));
        self.head = head;
    }

    fn begin(&mut self, id: &str, model: &str, created: Option<u64>, out: &mut Vec<Bytes>) {
        if self.head.is_some() {
            return;
        }
        self.head = Some(Head::new(id, model, created, &self.context));
        let usage = self.usage.take();
        self.response("response.created", State::InProgress, "", out);
        self.response("response.in_progress", State::InProgress, "", out);
        self.usage = usage;
    }

    fn item_id(&self, prefix: &str, index: usize) -> String {
        let head = self.head.as_ref();
        head.map(|head| head.item_id(prefix, index))
            .unwrap_or_default()
    }

    fn item_event(
        &mut self,
        kind: &str,
        index: usize,
        out: &mut Vec<Bytes>,
        item: impl FnOnce(&mut String),
    ) {
        out.push(self.event(kind, 256, |event| {
            number(event, "output_index", index as u64);
            name(event, "item");
            item(event);
        }));
    }

    /// An image that the model has drawn: an item of its own.
    fn drawn(&mut self, media: &Media<'_>, out: &mut Vec<Bytes>) {
        if !media.is_image() || !matches!(media.source, Source::Base64(_)) {
            return;
        }
        self.close_message(out);
        let index = self.items;
        self.items += 1;
        let id = self.item_id("ig", index);
        self.item_event("response.output_item.added", index, out, |event| {
            parts_out::image(event, &id, "in_progress", None);
        });
        let kind = "response.image_generation_call.completed";
        out.push(self.event(kind, 128, |event| {
            text(event, "item_id", &id);
            number(event, "output_index", index as u64);
        }));
        let mut item = String::new();
        parts_out::image(&mut item, &id, "completed", Some(media));
        self.item_done(index, item, out);
    }

    fn part_start(&mut self, part: u32, kind: &PartKind, out: &mut Vec<Bytes>) {
        let (kind, prefix) = match kind {
            PartKind::Media(media) => return self.drawn(media, out),
            PartKind::Opaque { .. } => return,
            PartKind::Text => (Kind::Text, "msg"),
            PartKind::Refusal => (Kind::Refusal, "msg"),
            PartKind::Reasoning => (Kind::Reasoning, "rs"),
            PartKind::ToolCall { id, name, custom } => (
                Kind::Call(Called {
                    call_id: id.clone(),
                    name: name.clone(),
                    custom: *custom,
                }),
                if *custom { "ctc" } else { "fc" },
            ),
        };
        let in_message = prefix == "msg";
        if !in_message {
            self.close_message(out);
        }
        let (index, id, content) = match &mut self.message {
            Some(message) if in_message => {
                let content = message.begun;
                message.begun += 1;
                message.open += 1;
                (message.index, message.id.clone(), content)
            }
            _ => {
                let index = self.items;
                self.items += 1;
                let id = self.item_id(prefix, index);
                self.item_event(
                    "response.output_item.added",
                    index,
                    out,
                    |event| match &kind {
                        Kind::Text | Kind::Refusal => {
                            parts_out::message(event, &id, "in_progress", "");
                        }
                        Kind::Reasoning => parts_out::reasoning(event, &id, "", ""),
                        Kind::Call(called) => {
                            parts_out::call(event, &id, "in_progress", called, "");
                        }
                    },
                );
                if in_message {
                    self.message = Some(Message {
                        index,
                        id: id.clone(),
                        begun: 1,
                        open: 1,
                        parts: Vec::new(),
                    });
                }
                (index, id, 0)
            }
        };
        let open = Open {
            kind,
            index,
            content,
            id,
            said: String::new(),
            annotations: String::new(),
            annotation_count: 0,
            logprobs: String::new(),
            signature: String::new(),
            redacted: String::new(),
        };
        if in_message {
            self.part_event("response.content_part.added", &open, out, |event| {
                write_part(event, &open);
            });
        }
        self.open.insert(part, open);
    }

    /// An event about a part of an item, with what it is.
    fn part_event(
        &mut self,
        kind: &str,
        open: &Open,
        out: &mut Vec<Bytes>,
        part: impl FnOnce(&mut String),
    ) {
        out.push(self.event(kind, 256 + open.said.len(), |event| {
            open.place(event);
            name(event, "part");
            part(event);
        }));
    }

    fn delta(&mut self, part: u32, delta: &Delta, out: &mut Vec<Bytes>) {
        // Taken out so that the sequence can be counted meanwhile.
        let Some(mut open) = self.open.remove(&part) else {
            return;
        };
        match delta {
            Delta::Text(piece) => self.piece(&mut open, piece, out),
            Delta::Logprobs(items) => {
                let inside = items.trim().trim_start_matches('[').trim_end_matches(']');
                if matches!(open.kind, Kind::Text) && !inside.is_empty() {
                    write::value(&mut open.logprobs, inside);
                    let kind = "response.output_text.delta";
                    out.push(self.event(kind, 256 + items.len(), |event| {
                        open.place(event);
                        text(event, "delta", "");
                        write::list(event, "logprobs", |event| event.push_str(inside));
                    }));
                }
            }
            Delta::Citation(citation) => {
                let mut written = String::new();
                if matches!(open.kind, Kind::Text) {
                    parts_out::annotation(&mut written, citation);
                }
                if !written.is_empty() {
                    let kind = "response.output_text.annotation.added";
                    out.push(self.event(kind, 256 + written.len(), |event| {
                        open.place(event);
                        number(event, "annotation_index", open.annotation_count);
                        write::raw(event, "annotation", &written);
                    }));
                    open.annotation_count += 1;
                    write::value(&mut open.annotations, &written);
                }
            }
            Delta::Signature(piece) => open.signature.push_str(piece),
            Delta::Redacted(piece) => open.redacted.push_str(piece),
        }
        self.open.insert(part, open);
    }

    fn piece(&mut self, open: &mut Open, piece: &str, out: &mut Vec<Bytes>) {
        if piece.is_empty() {
            return;
        }
        if matches!(open.kind, Kind::Reasoning) && open.said.is_empty() {
            let kind = "response.reasoning_summary_part.added";
            self.part_event(kind, open, out, |event| {
                parts_out::plain(event, "summary_text", "text", "");
            });
        }
        let start = open.said.len();
        parts_out::escape(piece, &mut open.said);
        let (kind, _, _) = open.kind.events();
        let piece = &open.said[start..];
        out.push(
            self.event(kind, 192 + open.id.len() + piece.len(), |event| {
                open.place(event);
                write::escaped(event, "delta", piece);
                if matches!(open.kind, Kind::Text) {
                    write::list(event, "logprobs", |_| {});
                }
            }),
        );
    }

    fn part_end(&mut self, part: u32, out: &mut Vec<Bytes>) {
        let Some(mut open) = self.open.remove(&part) else {
            return;
        };
        if let Kind::Call(called) = &open.kind
            && !called.custom
            && open.said.is_empty()
        {
            // Clients parse what they get, and nothing is no JSON.
            self.piece(&mut open, "{}", out);
        }
        let (_, whole, member) = open.kind.events();
        let silent = matches!(open.kind, Kind::Reasoning) && open.said.is_empty();
        if !silent {
            let room = 192 + open.said.len() + open.logprobs.len();
            out.push(self.event(whole, room, |event| {
                open.place(event);
                write::escaped(event, member, &open.said);
                match &open.kind {
                    Kind::Text => write::list(event, "logprobs", |event| {
                        event.push_str(&open.logprobs);
                    }),
                    Kind::Call(called) => {
                        text(event, "name", split_namespace(&called.name).1);
                    }
                    _ => {}
                }
            }));
        }
        let mut item = String::with_capacity(192 + open.said.len());
        match &open.kind {
            Kind::Text | Kind::Refusal => {
                self.part_event("response.content_part.done", &open, out, |event| {
                    write_part(event, &open);
                });
                write_part(&mut item, &open);
                if let Some(message) = &mut self.message {
                    message.open -= 1;
                    message.parts.push((open.content, item));
                }
                return;
            }
            Kind::Reasoning => {
                if !silent {
                    let kind = "response.reasoning_summary_part.done";
                    self.part_event(kind, &open, out, |event| {
                        parts_out::plain(event, "summary_text", "text", &open.said);
                    });
                }
                let sealed = parts_out::sealed(&open.signature, &open.redacted);
                parts_out::reasoning(&mut item, &open.id, &open.said, &sealed);
            }
            Kind::Call(called) => {
                parts_out::call(&mut item, &open.id, "completed", called, &open.said);
            }
        }
        self.item_done(open.index, item, out);
    }

    fn item_done(&mut self, index: usize, item: String, out: &mut Vec<Bytes>) {
        self.item_event("response.output_item.done", index, out, |event| {
            event.push_str(&item);
        });
        self.done.push((index, item));
    }

    /// Closes the message item, if none of its parts goes on.
    fn close_message(&mut self, out: &mut Vec<Bytes>) {
        let Some(mut message) = self.message.take_if(|message| message.open == 0) else {
            return;
        };
        message.parts.sort_by_key(|(content, _)| *content);
        let mut item = String::new();
        parts_out::message(&mut item, &message.id, "completed", &joined(&message.parts));
        self.item_done(message.index, item, out);
    }

    fn close_all(&mut self, out: &mut Vec<Bytes>) {
        while let Some((&part, _)) = self.open.first_key_value() {
            self.part_end(part, out);
        }
        self.close_message(out);
    }

    /// All items, in order; those that go on end here.
    fn output(&mut self, out: &mut Vec<Bytes>) -> String {
        self.close_all(out);
        self.done.sort_by_key(|(index, _)| *index);
        joined(&self.done)
    }

    fn end(&mut self, out: &mut Vec<Bytes>) {
        let output = self.output(out);
        let finish = self.finish.take();
        let state = State::Ended(finish.as_ref());
        let kind = match state.status() {
            "incomplete" => "response.incomplete",
            _ => "response.completed",
        };
        self.response(kind, state, &output, out);
        self.ended = true;
    }

    /// What was said before stays said; the response object says what went wrong.
    fn fail(&mut self, error: &UpstreamErrorBody, out: &mut Vec<Bytes>) {
        let code = error.code.as_deref().or(error.kind.as_deref());
        let state = State::Failed {
            code: code.unwrap_or("server_error"),
            message: &error.message,
        };
        self.done.sort_by_key(|(index, _)| *index);
        let output = joined(&self.done);
        self.response("response.failed", state, &output, out);
        self.ended = true;
    }
}

impl WriteStream for StreamWriter {
    fn write(&mut self, event: &StreamEvent, out: &mut Vec<Bytes>) {
        if self.ended {
            return;
        }
        if let StreamEvent::Start {
            id,
            model,
            created,
            usage,
        } = event
        {
            self.usage = usage.or(self.usage);
            self.begin(id, model, *created, out);
            return;
        }
        self.begin("", "", None, out);
        match event {
            StreamEvent::PartStart { choice, part, kind } if *choice == 0 => {
                self.part_start(*part, kind, out);
            }
            StreamEvent::PartDelta {
                choice,
                part,
                delta,
            } if *choice == 0 => self.delta(*part, delta, out),
            StreamEvent::PartEnd { choice, part } if *choice == 0 => self.part_end(*part, out),
            StreamEvent::Finish { choice, finish } if *choice == 0 => {
                self.close_all(out);
                self.finish = Some(finish.clone());
            }
            StreamEvent::Usage(usage) => self.usage = Some(*usage),
            StreamEvent::Error(error) => self.fail(error, out),
            StreamEvent::End => self.end(out),
            _ => {}
        }
    }
}
