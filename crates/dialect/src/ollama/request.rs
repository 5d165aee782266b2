//! Requests to `/api/chat` and `/api/generate` as OpenAI's chat completions.

use bytes::Bytes;

use super::answer::loaded;
use super::message::{Calls, picture, write_message};
use super::options;
use crate::door::told::{Entered, Told};
pub(super) use crate::fields::{array, object};
use crate::fields::{boolean, invalid, missing, named, string};
use crate::json::{Document, Kind, Value, write};
use crate::request::RequestError;

/// What concerns a server that holds models, and no model.
const SERVER: [&str; 3] = ["keep_alive", "truncate", "shift"];

pub(crate) fn chat(body: &Bytes, told: &mut Told) -> Result<Entered, RequestError> {
    let document = parsed(body)?;
    let root = object(document.root(), "body")?;
    model(root, told)?;
    let messages = root.some("messages");
    let messages = messages.map(|list| array(list, "messages")).transpose()?;
    let Some(messages) = messages.filter(|list| list.items().next().is_some()) else {
        return Ok(Entered::Answer(loaded(told, root, false)));
    };
    let mut out = String::with_capacity(body.len() + 256);
    write::braces(&mut out, |out| {
        let mut calls = Calls::default();
        write::list(out, "messages", |out| {
            let mut messages = messages.items().enumerate();
            messages.try_for_each(|(at, message)| write_message(at, message, &mut calls, out))
        })?;
        members(root, &["messages"], out)
    })?;
    Ok(Entered::Request(out.into()))
}

pub(crate) fn generate(body: &Bytes, told: &mut Told) -> Result<Entered, RequestError> {
    let document = parsed(body)?;
    let root = object(document.root(), "body")?;
    model(root, told)?;
    let text = |name: &str| {
        let value = root.some(name);
        value.map_or(Ok("".into()), |value| string(value, name))
    };
    for (name, reason) in [
        ("suffix", "text can't be filled in before a suffix here"),
        ("template", "the template is the model's own here"),
    ] {
        if !text(name)?.is_empty() {
            return Err(invalid(name, reason));
        }
    }
    let some = |name: &str| root.some(name);
    if some("context").is_some_and(|context| context.items().next().is_some()) {
        let reason =
            "token ids mean nothing to another server; use /api/chat and send the messages";
        return Err(invalid("context", reason));
    }
    if some("raw").map_or(Ok(false), |raw| boolean(raw, "raw"))? {
        return Err(invalid(
            "raw",
            "prompts go through the model's template here",
        ));
    }
    let prompt = text("prompt")?;
    let images = some("images").filter(|images| images.items().next().is_some());
    if prompt.is_empty() && images.is_none() {
        return Ok(Entered::Answer(loaded(told, root, true)));
    }
    let mut out = String::with_capacity(body.len() + 256);
    let known = [
        "prompt", "system", "images", "suffix", "template", "context", "raw",
    ];
    let system = text("system")?;
    write::braces(&mut out, |out| {
        write::list(out, "messages", |out| {
            if !system.is_empty() {
                write::braces(out, |out| {
                    write::text(out, "role", "system");
                    write::text(out, "content", &system);
                });
            }
            write::braces(out, |out| {
                write::text(out, "role", "user");
                if let Some(images) = images {
                    return content(&prompt, images, "images", out);
                }
                write::text(out, "content", &prompt);
                Ok(())
            })
        })?;
        members(root, &known, out)
    })?;
    Ok(Entered::Request(out.into()))
}

/// A text with pictures, as OpenAI's parts.
pub(super) fn content(
    text: &str,
    images: Value<'_>,
    path: &str,
    out: &mut String,
) -> Result<(), RequestError> {
    write::list(out, "content", |out| {
        if !text.is_empty() {
            write::typed(out, "text", |out| write::text(out, "text", text));
        }
        for (at, image) in array(images, path)?.items().enumerate() {
            let url = picture(&string(image, || format!("{path}[{at}]"))?);
            write::wrapped(out, "image_url", |out| write::text(out, "url", &url));
        }
        Ok(())
    })
}

/// All but the conversation.
fn members(root: Value<'_>, known: &[&str], out: &mut String) -> Result<(), RequestError> {
    let mut streams = true;
    for (name, value) in named(root) {
        match name.as_ref() {
            name if known.contains(&name) || SERVER.contains(&name) => {}
            "stream" => streams = boolean(value, "stream")?,
            "options" => options::write(value, out)?,
            "format" => options::format(value, out)?,
            "think" => options::think(value, out)?,
            "tools" if value.items().next().is_none() && value.kind() == Kind::Array => {}
            _ => copy(&name, value, out),
        }
    }
    write::plain(out, "stream", streams);
    if streams {
        write::raw(out, "stream_options", "{\"include_usage\":true}");
    }
    Ok(())
}

/// A member as it is. Its name is the client's.
pub(super) fn copy(name: &str, value: Value<'_>, out: &mut String) {
    write::raw(out, name, value.raw());
}

pub(super) fn model(root: Value<'_>, told: &mut Told) -> Result<(), RequestError> {
    let model = root.get("model").ok_or_else(|| missing("model"))?;
    told.model = string(model, "model")?.into_owned();
    Ok(())
}

pub(super) fn parsed(body: &Bytes) -> Result<Document<'_>, RequestError> {
    Ok(Document::parse(body)?)
}
