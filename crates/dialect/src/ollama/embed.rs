//! `/api/embed`, and the older `/api/embeddings`, as OpenAI's embeddings.

use bytes::Bytes;

use super::request::{copy, model, object, parsed};
use crate::door::embedded::{Vectors, texts};
use crate::door::told::{Entered, Told};
use crate::fields::{missing, name_of};
use crate::json::write::{self, List, Object};
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
    let mut out = String::with_capacity(body.len() + 64);
    let mut written = Object::open(&mut out);
    let mut has_input = false;
    for (key, value) in root.members().filter(|(_, value)| !value.is_null()) {
        let name = name_of(key);
        if name == input {
            has_input = true;
            written.texts("input", &texts(value, input)?);
        } else if !SERVER.contains(&name.as_ref()) {
            copy(&name, value, &mut written);
        }
    }
    if !has_input {
        return Err(missing(input));
    }
    written.text("encoding_format", "float");
    written.close();
    Ok(Entered::Request(out.into()))
}

pub(crate) fn embedded(vectors: &Vectors, told: &Told) -> Option<Bytes> {
    let mut out = String::new();
    let mut object = Object::open(&mut out);
    object.text("model", &told.model);
    let mut list = List::open(object.begin("embeddings")?);
    for vector in &vectors.list {
        list.next().push_str(vector);
    }
    list.close();
    object.plain("prompt_eval_count", Some(vectors.tokens));
    object.close();
    Some(out.into())
}

pub(crate) fn embedded_one(vectors: &Vectors) -> Option<Bytes> {
    let mut out = String::new();
    let vector = vectors.list.first()?;
    write::braces(&mut out, |out| write::raw(out, "embedding", vector));
    Some(out.into())
}
