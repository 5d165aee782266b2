//! Cohere's messages as OpenAI's. Its documents become text: OpenAI's form has no place for them.

use crate::fields::{array, invalid, missing, named, object, string};
use crate::json::{Kind, Value, write};
use crate::request::RequestError;

/// Documents beside the messages, each as text.
pub(super) fn documents(list: Value<'_>) -> Result<Vec<String>, RequestError> {
    array(list, "documents")?;
    let documents = list.items().enumerate();
    documents
        .map(|(at, document)| text_of(document, &format!("documents[{at}]")))
        .collect()
}

/// A document's text: it is a string, or has its content in `data`.
fn text_of(document: Value<'_>, path: &str) -> Result<String, RequestError> {
    match document.kind() {
        Kind::String => Ok(string(document, path)?.into_owned()),
        Kind::Object => {
            let data = document.get("data").unwrap_or(document);
            Ok(match data.as_str() {
                Some(text) => text.into_owned(),
                None => data.raw().to_owned(),
            })
        }
        _ => Err(RequestError::wrong_type(
            path,
            "a string or an object",
            document,
        )),
    }
}

/// The messages; the last of the user's has the documents ahead of what it says.
pub(super) fn write_messages(
    messages: Value<'_>,
    documents: &[String],
    out: &mut String,
) -> Result<(), RequestError> {
    array(messages, "messages")?;
    let is_users = |message: Value<'_>| message.says("role", "user");
    let last = messages.items().enumerate();
    let last = last
        .filter(|(_, message)| is_users(*message))
        .map(|(at, _)| at)
        .last();
    if !documents.is_empty() && last.is_none() {
        return Err(invalid("documents", "need a message of the user's"));
    }
    write::list(out, "messages", |out| {
        let mut messages = messages.items().enumerate();
        messages.try_for_each(|(at, message)| {
            let ahead = if Some(at) == last { documents } else { &[] };
            write_message(at, message, ahead, out)
        })
    })
}

fn write_message(
    at: usize,
    message: Value<'_>,
    documents: &[String],
    out: &mut String,
) -> Result<(), RequestError> {
    let path = |rest: &str| format!("messages[{at}]{rest}");
    object(message, || path(""))?;
    write::open(out);
    let mut thought = String::new();
    let content = message.some("content");
    match content {
        Some(text) if text.kind() == Kind::String && documents.is_empty() => {
            write::raw(out, "content", text.raw());
        }
        Some(said) => {
            let spoken = message.says("role", "assistant");
            let blocks = Blocks {
                path: path(".content"),
                spoken,
            };
            blocks.write(said, documents, &mut thought, out)?;
        }
        None => write::raw(out, "content", "null"),
    }
    for (name, value) in named(message) {
        match name.as_ref() {
            "content" => {}
            "tool_plan" => thought.push_str(&string(value, || path(".tool_plan"))?),
            // What was cited stands in the text.
            "citations" => {}
            "tool_calls" if value.items().next().is_none() => {}
            name => {
                write::raw(out, name, value.raw());
            }
        }
    }
    if !thought.is_empty() {
        write::text(out, "reasoning_content", &thought);
    }
    write::close(out);
    Ok(())
}

/// The content of a message, in blocks.
struct Blocks {
    path: String,
    /// The assistant said it: what it thought stands beside.
    spoken: bool,
}

impl Blocks {
    fn write(
        &self,
        said: Value<'_>,
        documents: &[String],
        thought: &mut String,
        out: &mut String,
    ) -> Result<(), RequestError> {
        write::list(out, "content", |out| {
            let begin = out.len();
            for document in documents {
                text(out, &format!("Document:\n{document}"));
            }
            match said.kind() {
                Kind::String => text(out, &string(said, || self.path.clone())?),
                Kind::Array => {
                    for (at, block) in said.items().enumerate() {
                        let path = format!("{}[{at}]", self.path);
                        self.block(block, &path, thought, out)?;
                    }
                }
                _ => {
                    let expected = "a string or an array of content blocks";
                    return Err(RequestError::wrong_type(&*self.path, expected, said));
                }
            }
            if out.len() == begin {
                text(out, "");
            }
            Ok(())
        })
    }

    fn block(
        &self,
        block: Value<'_>,
        path: &str,
        thought: &mut String,
        out: &mut String,
    ) -> Result<(), RequestError> {
        let need = |name: &str| {
            let value = block.some(name);
            value.ok_or_else(|| missing(|| format!("{path}.{name}")))
        };
        let kind = string(need("type")?, || format!("{path}.type"))?;
        match kind.as_ref() {
            "thinking" if self.spoken => {
                let said = string(need("thinking")?, || format!("{path}.thinking"))?;
                thought.push_str(&said);
            }
            "document" => {
                let path = format!("{path}.document");
                text(out, &text_of(need("document")?, &path)?);
            }
            // OpenAI's blocks are the same; what neither knows is left to their reader.
            _ => write::value(out, block.raw()),
        }
        Ok(())
    }
}

fn text(out: &mut String, text: &str) {
    write::typed(out, "text", |out| write::text(out, "text", text));
}
