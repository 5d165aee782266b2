//! `/api/embed`, and the older `/api/embeddings`, as OpenAI's embeddings.

use bytes::Bytes;

use super::request::{copy, model, object, parsed};
use crate::door::embedded::{Vectors, texts};
use crate::door::told::{Entered, Told};
use crate::fields::{missing, name_of};
use crate::json::write;
use crate::request::RequestError;

/// What concerns the server that holds the model.
const SERVER: [&str; 3] = ["keep_alive", "options", "truncate"];

/// The request; its texts stand under `input`.
pub(crate) fn embed(
    body: &Bytes,
    told: &mut Told,
    input: &'static str,
) -> Result<Entered, RequestError> {
    let document = parsed(body)?;
    let root = object(document.root(), "body")?;
    model(root, told)?;
    let mut body = String::with_capacity(body.len() + 64);
    let out = &mut body;
    write::open(out);
    let mut has_input = false;
    for (key, value) in root.members().filter(|(_, value)| !value.is_null()) {
        let name = name_of(key);
        if name == input {
            has_input = true;
            write::some_texts(out, "input", &texts(value, input)?);
        } else if !SERVER.contains(&name.as_ref()) {
            copy(&name, value, out);
        }
    }
    if !has_input {
        return Err(missing(input));
    }
    write::text(out, "encoding_format", "float");
    write::close(out);
    Ok(Entered::Request(body.into()))
}

pub(crate) fn embedded(vectors: &Vectors, told: &Told) -> Option<Bytes> {
    let body = write::document(|out| {
        write::text(out, "model", &told.model);
        vectors.write("embeddings", out);
        write::number(out, "prompt_eval_count", vectors.tokens);
    });
    Some(body.into())
}

pub(crate) fn embedded_one(vectors: &Vectors) -> Option<Bytes> {
    let vector = vectors.list.first()?;
    Some(write::document(|out| write::raw(out, "embedding", vector)).into())
}
