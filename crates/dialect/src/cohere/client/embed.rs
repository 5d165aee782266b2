//! `/v2/embed` as OpenAI's embeddings: texts in, vectors of numbers out.

use bytes::Bytes;

use crate::door::embedded::{Vectors, texts};
use crate::door::told::{Entered, Told};
use crate::fields::{invalid, missing, named, object, string};
use crate::json::write::{List, Object};
use crate::json::{Document, Value, json_string};
use crate::request::RequestError;

pub(crate) fn embed(body: &Bytes, told: &mut Told) -> Result<Entered, RequestError> {
    let document = Document::parse(body)?;
    let root = document.root();
    object(root, "body")?;
    let mut out = String::with_capacity(body.len() + 64);
    let mut object = Object::open(&mut out);
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
            "output_dimension" => object.raw("dimensions", value.raw()),
            // `input_type` and `truncate` among them, which Cohere's own models are told.
            name => {
                let quoted = json_string(name);
                object.raw(&quoted[1..quoted.len() - 1], value.raw());
            }
        }
    }
    if told.model.is_empty() {
        return Err(missing("model"));
    }
    told.texts = given.ok_or_else(|| missing("texts"))?;
    object.text("model", &told.model);
    object.texts("input", &told.texts);
    object.text("encoding_format", "float");
    object.close();
    Ok(Entered::Request(out.into()))
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
    let mut out = String::new();
    let mut object = Object::open(&mut out);
    object.text("id", &told.id);
    object.object("embeddings", |by_type| {
        if let Some(out) = by_type.begin("float") {
            let mut list = List::open(out);
            for vector in &vectors.list {
                list.next().push_str(vector);
            }
            list.close();
        }
    });
    object.texts("texts", &told.texts);
    object.object("meta", |meta| {
        meta.raw("api_version", "{\"version\":\"2\"}");
        meta.object("billed_units", |units| {
            units.plain("input_tokens", Some(vectors.tokens));
        });
    });
    object.text("response_type", "embeddings_by_type");
    object.close();
    out.into()
}
