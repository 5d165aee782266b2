//! Writes a conversation as Cohere's messages, in Cohere's words or in Oracle's.

use super::calls::Calls;
use super::media;
use super::names::Names;
use super::write::Body;
use crate::data_url::decoded_len;
use crate::exchange::{Content, Inexpressible, Media, Message, Part, Role, Source};
use crate::json::write::{self, Sink};

/// A plain text that stands in the place of a document: Cohere takes those beside the messages.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Document<'r> {
    pub(crate) name: Option<&'r str>,
    pub(crate) text: &'r str,
}

impl Document<'_> {
    /// Its `data`: what of it the model reads.
    pub(crate) fn write(&self, out: &mut String) {
        write::object(out, "data", |out| {
            write::text_if(out, "title", self.name);
            write::text(out, "text", self.text);
        });
    }
}

/// Writes messages one after another.
pub(crate) struct Writer<'w, 'o, 'r> {
    pub(super) body: &'w mut Body<'o>,
    pub(super) names: &'static Names,
    /// The documents met so far.
    pub(crate) documents: Vec<Document<'r>>,
    pub(super) calls: Calls<'r>,
    images: usize,
    image_bytes: usize,
}

impl Sink for Writer<'_, '_, '_> {
    fn out(&mut self) -> &mut String {
        &mut self.body.out
    }
}

impl<'w, 'o, 'r> Writer<'w, 'o, 'r> {
    pub(crate) fn new(body: &'w mut Body<'o>) -> Self {
        Self {
            names: body.about,
            body,
            documents: Vec::new(),
            calls: Calls::default(),
            images: 0,
            image_bytes: 0,
        }
    }

    /// Writes the whole list.
    pub(crate) fn write(&mut self, messages: &'r [Message<'r>]) -> Result<(), Inexpressible> {
        write::list(self, "messages", |this| {
            for (at, message) in messages.iter().enumerate() {
                this.body.lost.message(at, message);
                this.body.lost.speaker(at, message);
                if message.role != Role::Tool {
                    write::braces(this, |this| this.message(at, message))?;
                    continue;
                }
                for (position, part) in message.parts.iter().enumerate() {
                    this.body.lost.part(at, position, part);
                    match &part.content {
                        Content::ToolResult(result) => this.result(at, result)?,
                        _ => this.whole_part(at, position, "tools only give results"),
                    }
                }
            }
            Ok(())
        })
    }

    pub(super) fn whole_part(&mut self, at: usize, position: usize, why: &'static str) {
        self.body.lost.whole_part(at, position, why);
    }

    fn message(&mut self, at: usize, message: &'r Message<'r>) -> Result<(), Inexpressible> {
        write::text(&mut self.body.out, "role", self.names.role(message.role));
        let is_call = |part: &Part<'_>| part.call().is_some();
        let calls = message.role == Role::Assistant && message.parts.iter().any(is_call);
        // Beside calls the model's templates know reasoning as the plan.
        let planned = |part: &Part<'_>| match part.content {
            Content::Reasoning(_) => calls,
            Content::ToolCall(_) => true,
            _ => false,
        };
        let speaks = !message.parts.iter().all(planned);
        if speaks || !calls || self.names.needs_content {
            self.content(at, message, calls)?;
        }
        if calls {
            self.plan(at, message);
            self.calls(at, message);
        }
        Ok(())
    }

    fn content(
        &mut self,
        at: usize,
        message: &'r Message<'r>,
        calls: bool,
    ) -> Result<(), Inexpressible> {
        if let ([part], true) = (message.parts.as_slice(), self.names.bare_text)
            && let Some(text) = part.said()
        {
            self.body.lost.part(at, 0, part);
            write::text(&mut self.body.out, "content", text);
            return Ok(());
        }
        let before = self.body.out.len();
        let is_empty = write::list(self, "content", |this| {
            for (position, part) in message.parts.iter().enumerate() {
                match &part.content {
                    Content::ToolCall(_) | Content::Reasoning(_) if calls => {}
                    _ => this.block(at, position, message.role, part)?,
                }
            }
            let is_empty = this.body.out.ends_with('[');
            if is_empty && this.names.needs_content {
                // Oracle refuses messages of the assistant without content.
                this.text(if calls { " " } else { "" });
            }
            Ok(is_empty)
        })?;
        if is_empty && self.names.bare_text {
            self.body.out.truncate(before);
            write::text(&mut self.body.out, "content", "");
        }
        Ok(())
    }

    fn block(
        &mut self,
        at: usize,
        position: usize,
        role: Role,
        part: &'r Part<'r>,
    ) -> Result<(), Inexpressible> {
        self.body.lost.part(at, position, part);
        let why = match (&part.content, role) {
            // What the assistant refused with is what it said.
            (Content::Text { text, .. } | Content::Refusal(text), _) => {
                self.text(text);
                return Ok(());
            }
            (Content::Image(image), Role::User) => return self.image(at, position, image),
            (Content::File(file), Role::User) => match document(file) {
                Some(document) => {
                    self.documents.push(document);
                    return Ok(());
                }
                None => "Cohere takes documents only as text",
            },
            (Content::Reasoning(thought), Role::Assistant) => {
                if !thought.text.is_empty() {
                    write::typed(&mut self.body.out, self.names.thinking, |out| {
                        write::text(out, "thinking", &thought.text);
                    });
                }
                if thought.redacted.is_some() {
                    self.body.lost.hidden(at, position);
                }
                return Ok(());
            }
            (Content::Image(_) | Content::File(_), _) => {
                "Cohere takes images and documents only from the user"
            }
            (Content::Audio(_) | Content::Video(_), _) => "Cohere takes text and images only",
            _ => "Cohere's messages have no such part",
        };
        self.whole_part(at, position, why);
        Ok(())
    }

    /// A block of text.
    pub(super) fn text(&mut self, text: &str) {
        write::typed(&mut self.body.out, self.names.text, |out| {
            write::text(out, "text", text)
        });
    }

    fn image(
        &mut self,
        at: usize,
        position: usize,
        image: &Media<'_>,
    ) -> Result<(), Inexpressible> {
        let path = || format!("messages[{at}].content[{position}]");
        let mut url = String::new();
        if !media::url(image, path, &mut url)? {
            let why = "the image is stored at another provider, under that provider's own id";
            self.whole_part(at, position, why);
            return Ok(());
        }
        self.images += 1;
        self.image_bytes += match &image.source {
            Source::Base64(bytes) => decoded_len(bytes).unwrap_or_default(),
            _ => 0,
        };
        if let Some((count, bytes)) = self.names.image_limits
            && (self.images > count || self.image_bytes > bytes)
        {
            return Err(Inexpressible::new(
                path(),
                format!(
                    "with it the request has {} images of {} bytes, over Cohere's limits of {count} and {bytes}",
                    self.images, self.image_bytes
                ),
            ));
        }
        let (kind, member) = self.names.image;
        let detail = image.detail.as_deref().and_then(|detail| {
            let known = self.names.details.iter().find(|(word, _)| *word == detail);
            known.map(|(_, word)| *word)
        });
        write::typed(&mut self.body.out, kind, |out| {
            write::object(out, member, |out| {
                write::text(out, "url", &url);
                write::text_if(out, "detail", detail);
            });
        });
        Ok(())
    }

    /// Reasoning that led to calls.
    fn plan(&mut self, at: usize, message: &Message<'_>) {
        let mut plan = String::new();
        for (position, part) in message.parts.iter().enumerate() {
            if let Content::Reasoning(thought) = &part.content {
                self.body.lost.part(at, position, part);
                plan.push_str(&thought.text);
                if thought.redacted.is_some() {
                    self.body.lost.hidden(at, position);
                }
            }
        }
        let plan = Some(plan).filter(|plan| !plan.is_empty());
        write::text_if(&mut self.body.out, self.names.tool_plan, plan);
    }

    fn calls(&mut self, at: usize, message: &'r Message<'r>) {
        let name = self.names.tool_calls;
        write::list(self, name, |this| {
            for (position, part) in message.parts.iter().enumerate() {
                let Some(call) = part.call() else {
                    continue;
                };
                this.body.lost.part(at, position, part);
                this.calls.note(call, !call.custom);
                if call.custom {
                    let why = "Cohere's tools are functions, whose arguments are JSON";
                    this.whole_part(at, position, why);
                    continue;
                }
                let none = call.arguments.trim().is_empty();
                write::braces(&mut this.body.out, |out| {
                    write::text(out, "id", &call.id);
                    write::text(out, "type", this.names.function);
                    write::object(out, "function", |out| {
                        write::text(out, "name", &call.name);
                        let arguments = if none { "{}" } else { &call.arguments };
                        write::text(out, "arguments", arguments);
                    });
                });
            }
        });
    }
}

/// A file that is plain text.
pub(super) fn document<'r>(file: &'r Media<'r>) -> Option<Document<'r>> {
    match &file.source {
        Source::Text(text) => Some(Document {
            name: file.name.as_deref(),
            text,
        }),
        _ => None,
    }
}
