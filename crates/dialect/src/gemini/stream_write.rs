//! Writes a stream: each event is an answer that holds what came since the last. The reasons
//! to finish and the tokens go into the last one, as Google sends them.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::answer::{named, write_media, written_arguments};
use super::candidate::{finish_reason, write_head, write_usage};
use super::emit::{SIGNATURE, call_part, content, text_part};
use super::error::error_body;
use super::logprobs::write_logprobs;
use super::sources::write_citations;
use crate::canonical::Usage;
use crate::contract::context::AnswerContext;
use crate::contract::refusal::ErrorParts;
use crate::contract::stream::WriteStream;
use crate::exchange::{Delta, Finish, PartKind, StreamEvent, ToolCall};
use crate::json::write;
use crate::payload::UpstreamErrorBody;

/// Writes a stream.
#[derive(Default)]
pub(crate) struct StreamWriter {
    context: AnswerContext,
    id: String,
    model: String,
    created: Option<u64>,
    usage: Option<Usage>,
    /// Parts that have begun and not ended, by choice and number.
    parts: BTreeMap<(u32, u32), Open>,
    candidates: BTreeMap<u32, Candidate>,
}

/// A part that has begun and not ended.
struct Open {
    kind: PartKind,
    /// A call's arguments so far: Google's format has no fragments of them, so those of one
    /// call, and of nothing else, are gathered until it is complete.
    arguments: String,
    /// A reasoning part's signature so far, which goes out with what comes after.
    signature: String,
}

#[derive(Default)]
struct Candidate {
    /// A signature that waits for the part that carries it.
    pending: Option<String>,
    /// A call's arguments were no object: Google's clients can't be given it.
    malformed: bool,
    finish: Option<Finish>,
}

impl StreamWriter {
    pub(crate) fn new(context: &AnswerContext) -> Self {
        Self {
            context: context.clone(),
            ..Self::default()
        }
    }
}

impl WriteStream for StreamWriter {
    fn write(&mut self, event: &StreamEvent, out: &mut Vec<Bytes>) {
        match event {
            StreamEvent::Start {
                id,
                model,
                created,
                usage,
            } => {
                self.id.clone_from(id);
                self.model.clone_from(model);
                self.created = *created;
                self.usage = usage.or(self.usage);
            }
            StreamEvent::PartStart {
                choice,
                kind: PartKind::Media(media),
                ..
            } => {
                let pending = self.candidate(*choice).pending.take();
                out.push(self.content(*choice, |out| {
                    write::braces(out, |out| {
                        write_media(media, out);
                        write::text_if(out, SIGNATURE, pending.as_deref());
                    });
                }));
            }
            StreamEvent::PartStart {
                choice,
                kind: PartKind::Opaque { json, .. },
                ..
            } => out.push(self.content(*choice, |out| write::value(out, json))),
            StreamEvent::PartStart { choice, part, kind } => {
                let open = Open {
                    kind: kind.clone(),
                    arguments: String::new(),
                    signature: String::new(),
                };
                self.parts.insert((*choice, *part), open);
            }
            StreamEvent::PartDelta {
                choice,
                part,
                delta,
            } => self.delta(*choice, *part, delta, out),
            StreamEvent::PartEnd { choice, part } => self.part_end(*choice, *part, out),
            StreamEvent::Finish { choice, finish } => {
                self.candidate(*choice).finish = Some(finish.clone());
            }
            StreamEvent::Usage(usage) => self.usage = Some(*usage),
            StreamEvent::Error(error) => out.push(error_event(error)),
            StreamEvent::End => out.push(self.last()),
        }
    }
}

impl StreamWriter {
    fn candidate(&mut self, choice: u32) -> &mut Candidate {
        self.candidates.entry(choice).or_default()
    }

    fn delta(&mut self, choice: u32, part: u32, delta: &Delta, out: &mut Vec<Bytes>) {
        match delta {
            Delta::Logprobs(items) => {
                let about = |out: &mut String| write_logprobs(items, out);
                out.push(self.chunk(choice, about));
                return;
            }
            Delta::Citation(citation) => {
                // Google counts bytes of the whole text, which is not kept here.
                let mut citation = citation.clone();
                citation.range = None;
                let about = |out: &mut String| write_citations(&[citation], out);
                out.push(self.chunk(choice, about));
                return;
            }
            // Another's hidden reasoning means nothing to Google's clients.
            Delta::Redacted(_) | Delta::Text(_) | Delta::Signature(_) => {}
        }
        let Some(open) = self.parts.get_mut(&(choice, part)) else {
            return;
        };
        let Delta::Text(more) = delta else {
            if let Delta::Signature(more) = delta {
                open.signature.push_str(more);
            }
            return;
        };
        let thought = match open.kind {
            PartKind::ToolCall { .. } => {
                open.arguments.push_str(more);
                return;
            }
            PartKind::Reasoning => true,
            _ => false,
        };
        if more.is_empty() {
            return;
        }
        let pending = self.candidate(choice).pending.take();
        let more = |out: &mut String| {
            let mut carried = pending.as_deref();
            // A signature is no proof of the thoughts after it.
            if let Some(unused) = carried.take_if(|_| thought) {
                text_part(out, "", false, Some(unused));
            }
            text_part(out, more, thought, carried);
        };
        out.push(self.content(choice, more));
    }

    fn part_end(&mut self, choice: u32, part: u32, out: &mut Vec<Bytes>) {
        let Some(open) = self.parts.remove(&(choice, part)) else {
            return;
        };
        match open.kind {
            PartKind::Reasoning if !open.signature.is_empty() => {
                let unused = self.candidate(choice).pending.replace(open.signature);
                if let Some(unused) = unused {
                    let carrier = |out: &mut String| text_part(out, "", false, Some(&unused));
                    out.push(self.content(choice, carrier));
                }
            }
            PartKind::ToolCall { id, name, custom } => {
                let call = ToolCall {
                    id: id.into(),
                    name: name.into(),
                    arguments: open.arguments.into(),
                    custom,
                };
                let Some(arguments) = written_arguments(&call) else {
                    self.candidate(choice).malformed = true;
                    return;
                };
                let pending = self.candidate(choice).pending.take();
                let pending = pending.as_deref();
                let part =
                    |out: &mut String| call_part(out, &call.id, &call.name, &arguments, pending);
                out.push(self.content(choice, part));
            }
            _ => {}
        }
    }

    /// An event with a candidate of these parts.
    fn content(&self, choice: u32, parts: impl FnOnce(&mut String)) -> Bytes {
        self.chunk(choice, |out| {
            write::name(out, "content");
            content(out, true, parts);
        })
    }

    fn chunk(&self, choice: u32, candidate: impl FnOnce(&mut String)) -> Bytes {
        self.event(None, |out| {
            write::braces(out, |out| {
                candidate(out);
                write::number(out, "index", choice.into());
            });
        })
    }

    /// An event with these candidates, and with the tokens where they are counted.
    fn event(&self, usage: Option<&Usage>, candidates: impl FnOnce(&mut String)) -> Bytes {
        let mut out = String::with_capacity(256);
        write::braces(&mut out, |out| {
            write::list(out, "candidates", candidates);
            if let Some(usage) = usage {
                write_usage(usage, out);
            }
            let (id, model) = named(&self.id, &self.model, &self.context);
            write_head(id, model, self.created, out);
        });
        out.into()
    }

    /// The last event: why each candidate has ended, and the tokens.
    fn last(&self) -> Bytes {
        self.event(self.usage.as_ref(), |out| {
            for (choice, candidate) in &self.candidates {
                let reason = match (candidate.malformed, &candidate.finish) {
                    (true, _) => "MALFORMED_FUNCTION_CALL",
                    (false, finish) => finish.as_ref().map_or("STOP", finish_reason),
                };
                write::braces(out, |out| {
                    write::name(out, "content");
                    content(out, true, |out| {
                        text_part(out, "", false, candidate.pending.as_deref());
                    });
                    write::text(out, "finishReason", reason);
                    write::number(out, "index", (*choice).into());
                });
            }
        })
    }
}

fn error_event(error: &UpstreamErrorBody) -> Bytes {
    let told = error.code.as_deref().and_then(|code| code.parse().ok());
    error_body(&ErrorParts {
        status: told
            .filter(|status| (400..600).contains(status))
            .unwrap_or(500),
        message: &error.message,
        kind: error.kind.as_deref().unwrap_or_default(),
        param: error.param.as_deref(),
        code: None,
        sequence: 0,
    })
}
