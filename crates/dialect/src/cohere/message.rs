//! Writes a conversation as Cohere's messages, in Cohere's words or in Oracle's.

use super::calls::Calls;
use super::loss::Losses;
use super::media;
use super::names::Names;
use crate::data_url::decoded_len;
use crate::exchange::{Content, Inexpressible, Media, Message, Part, Role, Source};
use crate::json::write::{self, List, Object};
use crate::json::write_json_string;

/// A plain text that stands in the place of a document: Cohere takes those beside the messages.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Document<'r> {
    pub(crate) name: Option<&'r str>,
    pub(crate) text: &'r str,
}

impl Document<'_> {
    /// Its `data`: what of it the model reads.
    pub(crate) fn write(&self, object: &mut Object<'_>) {
        object.object("data", |data| {
            if let Some(name) = self.name {
                data.text("title", name);
            }
            data.text("text", self.text);
        });
    }
}

/// Writes messages one after another.
#[derive(Debug)]
pub(crate) struct Writer<'w, 'r> {
    pub(crate) names: &'static Names,
    pub(crate) losses: &'w mut Losses,
    /// The documents met so far.
    pub(crate) documents: Vec<Document<'r>>,
    pub(super) calls: Calls<'r>,
    images: usize,
    image_bytes: usize,
}

impl<'w, 'r> Writer<'w, 'r> {
    pub(crate) fn new(names: &'static Names, losses: &'w mut Losses) -> Self {
        Self {
            names,
            losses,
            documents: Vec::new(),
            calls: Calls::default(),
            images: 0,
            image_bytes: 0,
        }
    }

    /// Writes the whole list.
    pub(crate) fn write(
        &mut self,
        messages: &'r [Message<'r>],
        out: &mut String,
    ) -> Result<(), Inexpressible> {
        let mut list = List::open(out);
        for (at, message) in messages.iter().enumerate() {
            self.losses.message(at, message);
            self.losses.speaker(at, message);
            if message.role == Role::Tool {
                for (position, part) in message.parts.iter().enumerate() {
                    self.losses.part(at, position, part);
                    match &part.content {
                        Content::ToolResult(result) => self.result(at, result, &mut list)?,
                        _ => self
                            .losses
                            .whole_part(at, position, "tools only give results"),
                    }
                }
            } else {
                self.message(at, message, list.next())?;
            }
        }
        list.close();
        Ok(())
    }

    fn message(
        &mut self,
        at: usize,
        message: &'r Message<'r>,
        out: &mut String,
    ) -> Result<(), Inexpressible> {
        let mut object = Object::open(out);
        object.text("role", self.names.role(message.role));
        let is_call = |part: &Part<'_>| matches!(part.content, Content::ToolCall(_));
        let calls = message.role == Role::Assistant && message.parts.iter().any(is_call);
        // Beside calls the model's templates know reasoning as the plan.
        let planned = |part: &&Part<'_>| match part.content {
            Content::Reasoning(_) => calls,
            Content::ToolCall(_) => true,
            _ => false,
        };
        let speaks = message.parts.iter().any(|part| !planned(&part));
        if (speaks || !calls || self.names.needs_content)
            && let Some(out) = object.begin("content")
        {
            self.content(at, message, calls, out)?;
        }
        if calls {
            self.plan(at, message, &mut object);
            self.calls(at, message, &mut object);
        }
        object.close();
        Ok(())
    }

    fn content(
        &mut self,
        at: usize,
        message: &'r Message<'r>,
        calls: bool,
        out: &mut String,
    ) -> Result<(), Inexpressible> {
        if let ([part], true) = (message.parts.as_slice(), self.names.bare_text)
            && let Content::Text { text, .. } = &part.content
        {
            self.losses.part(at, 0, part);
            write_json_string(text, out);
            return Ok(());
        }
        let start = out.len();
        let mut list = List::open(out);
        for (position, part) in message.parts.iter().enumerate() {
            match &part.content {
                Content::ToolCall(_) if calls => {}
                Content::Reasoning(_) if calls => {}
                _ => self.block(at, position, message.role, part, &mut list)?,
            }
        }
        let is_empty = list.is_empty();
        if is_empty && self.names.needs_content {
            // Oracle refuses messages of the assistant without content.
            list.object(|block| {
                block.text("type", self.names.text);
                block.text("text", if calls { " " } else { "" });
            });
        }
        list.close();
        if is_empty && self.names.bare_text {
            out.truncate(start);
            write::string(out, "");
        }
        Ok(())
    }

    fn block(
        &mut self,
        at: usize,
        position: usize,
        role: Role,
        part: &'r Part<'r>,
        list: &mut List<'_>,
    ) -> Result<(), Inexpressible> {
        self.losses.part(at, position, part);
        let why = match (&part.content, role) {
            // What the assistant refused with is what it said.
            (Content::Text { text, .. } | Content::Refusal(text), _) => {
                self.text(text, list);
                return Ok(());
            }
            (Content::Image(image), Role::User) => return self.image(at, position, image, list),
            (Content::File(file), Role::User) => match document(file) {
                Some(document) => {
                    self.documents.push(document);
                    return Ok(());
                }
                None => "Cohere takes documents only as text",
            },
            (Content::Reasoning(thought), Role::Assistant) => {
                if !thought.text.is_empty() {
                    list.object(|block| {
                        block.text("type", self.names.thinking);
                        block.text("thinking", &thought.text);
                    });
                }
                if thought.redacted.is_some() {
                    self.losses.hidden(at, position);
                }
                return Ok(());
            }
            (Content::Image(_) | Content::File(_), _) => {
                "Cohere takes images and documents only from the user"
            }
            (Content::Audio(_) | Content::Video(_), _) => "Cohere takes text and images only",
            _ => "Cohere's messages have no such part",
        };
        self.losses.whole_part(at, position, why);
        Ok(())
    }

    pub(super) fn text(&self, text: &str, list: &mut List<'_>) {
        list.object(|block| {
            block.text("type", self.names.text);
            block.text("text", text);
        });
    }

    fn image(
        &mut self,
        at: usize,
        position: usize,
        image: &Media<'_>,
        list: &mut List<'_>,
    ) -> Result<(), Inexpressible> {
        let path = || format!("messages[{at}].content[{position}]");
        let mut url = String::new();
        if !media::url(image, path, &mut url)? {
            let why = "the image is stored at another provider, under that provider's own id";
            self.losses.whole_part(at, position, why);
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
        list.object(|block| {
            block.text("type", kind);
            block.object(member, |image| {
                image.text("url", &url);
                if let Some(detail) = detail {
                    image.text("detail", detail);
                }
            });
        });
        Ok(())
    }

    /// Reasoning that led to calls.
    fn plan(&mut self, at: usize, message: &Message<'_>, object: &mut Object<'_>) {
        let mut plan = String::new();
        for (position, part) in message.parts.iter().enumerate() {
            if let Content::Reasoning(thought) = &part.content {
                self.losses.part(at, position, part);
                plan.push_str(&thought.text);
                if thought.redacted.is_some() {
                    self.losses.hidden(at, position);
                }
            }
        }
        if !plan.is_empty() {
            object.text(self.names.tool_plan, &plan);
        }
    }

    fn calls(&mut self, at: usize, message: &'r Message<'r>, object: &mut Object<'_>) {
        let Some(out) = object.begin(self.names.tool_calls) else {
            return;
        };
        let mut list = List::open(out);
        for (position, part) in message.parts.iter().enumerate() {
            let Content::ToolCall(call) = &part.content else {
                continue;
            };
            self.losses.part(at, position, part);
            self.calls.note(call, !call.custom);
            if call.custom {
                let why = "Cohere's tools are functions, whose arguments are JSON";
                self.losses.whole_part(at, position, why);
                continue;
            }
            list.object(|object| {
                object.text("id", &call.id);
                object.text("type", self.names.function);
                object.object("function", |function| {
                    function.text("name", &call.name);
                    let none = call.arguments.trim().is_empty();
                    function.text("arguments", if none { "{}" } else { &call.arguments });
                });
            });
        }
        list.close();
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
