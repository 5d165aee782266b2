//! `/v2/embed` as OpenAI's embeddings: texts in, vectors of numbers out.

use bytes::Bytes;

use crate::door::embedded::{Vectors, texts};
use crate::door::told::{Entered, Told};
use crate::fields::{invalid, missing, named, object, string};
use crate::json::{Document, Value, write};
use crate::request::RequestError;

pub(crate) fn embed(body: &Bytes, told: &mut Told) -> Result<Entered, RequestError> {
    let document = Document::parse(body)?;
    let root = document.root();
    object(root, "body")?;
    let mut body = String::with_capacity(body.len() + 64);
    let out = &mut body;
    write::open(out);
    let mut given = None;
    for (name, value) in named(root) {
        match name.as_ref() {
            "model" => told.model = string(value, "model")?.into_owned(),
            "texts" => given = Some(texts(value, "texts")?),
            "inputs" => given = Some(inputs(value)?),
            "images" if value.items().next().is_some() => {
                return Err(invalid("images", "only texts are embedded here"));
            }
            "images" => {}
            "embedding_types" => {
                if !value.items().all(|kind| kind.is_str("float")) {
                    return Err(invalid("embedding_types", "must be float"));
                }
            }
            "output_dimension" => write::raw(out, "dimensions", value.raw()),
            // `input_type` and `truncate` among them, which Cohere's own models are told.
            name => {
                write::raw(out, name, value.raw());
            }
        }
    }
    if told.model.is_empty() {
        return Err(missing("model"));
    }
    told.texts = given.ok_or_else(|| missing("texts"))?;
    write::text(out, "model", &told.model);
    write::some_texts(out, "input", &told.texts);
    write::text(out, "encoding_format", "float");
    write::close(out);
    Ok(Entered::Request(body.into()))
}

/// The texts of inputs that could also have images in them.
fn inputs(value: Value<'_>) -> Result<Vec<String>, RequestError> {
    let mut texts = Vec::new();
    for (at, input) in value.items().enumerate() {
        let content = input.each("content");
        let mut joined = String::new();
        for part in content {
            let text = part.text("text");
            let path = format!("inputs[{at}].content");
            let text = text.ok_or_else(|| invalid(&path, "only texts are embedded here"))?;
            joined.push_str(&text);
        }
        texts.push(joined);
    }
    Ok(texts)
}

pub(crate) fn embedded(vectors: &Vectors, told: &Told) -> Bytes {
    let body = write::document(|out| {
        write::text(out, "id", &told.id);
        write::object(out, "embeddings", |out| {
            vectors.write("float", out);
        });
        write::some_texts(out, "texts", &told.texts);
        write::object(out, "meta", |out| {
            write::raw(out, "api_version", "{\"version\":\"2\"}");
            write::object(out, "billed_units", |out| {
                write::number(out, "input_tokens", vectors.tokens);
            });
        });
        write::text(out, "response_type", "embeddings_by_type");
    });
    body.into()
}
