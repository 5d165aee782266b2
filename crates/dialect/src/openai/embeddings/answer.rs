//! Vectors: what policies and meters see of them, and other upstreams' as OpenAI's.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use memchr::memmem;

use crate::contract::context::AnswerContext;
use crate::contract::embedding::EmbeddingForm;
use crate::json::write;
use crate::json::{Document, Kind, Splice, Value, json_string, splice};
use crate::openai::payload::{error_of, usage_of};
use crate::payload::{Payload, PayloadError, usage_in, wrong_type};

/// Vectors are no text, and no guard reads them: nothing of them is dropped. They are told in the
/// order of their inputs: many clients pair them by place, and some servers send them as they come.
pub(super) fn read_payload(payload: &mut Payload, root: Value<'_>) -> Result<(), PayloadError> {
    payload.error = error_of(root);
    payload.has_structure = true;
    payload.raw = by_index(&payload.raw, root);
    let text = |name: &str| {
        let value = root.text(name);
        value.map(std::borrow::Cow::into_owned)
    };
    payload.id = text("id");
    payload.model = text("model");
    if let Some(usage) = usage_in(root) {
        payload.usage = Some(usage_of(usage)?);
    }
    Ok(())
}

/// The body with its vectors in the order of their numbers. The same bytes where they are, or where
/// one has no number.
fn by_index(body: &Bytes, root: Value<'_>) -> Bytes {
    let Some(data) = root.get("data").filter(|data| data.kind() == Kind::Array) else {
        return body.clone();
    };
    let mut vectors = Vec::new();
    for vector in data.items() {
        match vector.get("index").and_then(Value::as_integer) {
            Some(index) => vectors.push((index, vector.raw())),
            None => return body.clone(),
        }
    }
    if vectors.is_sorted_by_key(|(index, _)| *index) {
        return body.clone();
    }
    vectors.sort_by_key(|(index, _)| *index);
    let mut list = String::with_capacity(data.raw().len());
    write::brackets(&mut list, |out| {
        for (_, vector) in &vectors {
            write::value(out, vector);
        }
    });
    splice(body, vec![Splice::new(data.span(), list)])
}

/// An upstream's vectors as OpenAI's, as numbers or, where `base64` says so, as base64 of
/// little-endian 32-bit floats (which OpenAI's Python client asks for unless told otherwise).
/// The context names the model.
///
/// # Errors
///
/// When the body is no answer of that form.
pub fn translate_embeddings_answer(
    form: EmbeddingForm,
    body: &Bytes,
    context: &AnswerContext,
    base64: bool,
) -> Result<Bytes, PayloadError> {
    let document = Document::parse(body)?;
    let root = document.root();
    if root.kind() != Kind::Object {
        return Err(wrong_type("payload", "an object", root));
    }
    if form == EmbeddingForm::OpenAi {
        return in_place(body, root, base64);
    }
    let (vectors, tokens) = match form {
        EmbeddingForm::Titan => (
            vec![need(root, "embedding")?],
            count(root, &["inputTextTokenCount"]),
        ),
        EmbeddingForm::Gemini => (
            need(root, "embeddings")?
                .items()
                .map(|embedding| need(embedding, "values"))
                .collect::<Result<_, _>>()?,
            count(root, &["usageMetadata", "promptTokenCount"]),
        ),
        _ => {
            let embeddings = need(root, "embeddings")?;
            // By type, or, where no types were asked for, all in one list.
            let floats = match embeddings.kind() {
                Kind::Object => need(embeddings, "float")?,
                _ => embeddings,
            };
            let tokens = count(root, &["meta", "tokens", "input_tokens"])
                .or_else(|| count(root, &["meta", "billed_units", "input_tokens"]));
            (floats.items().collect(), tokens)
        }
    };
    let mut out = String::with_capacity(body.len() + 256);
    write::braces(&mut out, |out| {
        write::text(out, "object", "list");
        write::list(out, "data", |out| {
            for (index, vector) in (0..).zip(vectors) {
                write::braces(out, |out| {
                    write::text(out, "object", "embedding");
                    write::number(out, "index", index);
                    match base64 {
                        true => write::text(out, "embedding", &encoded(vector)?),
                        false => write::raw(out, "embedding", array(vector)?.raw()),
                    }
                    Ok::<_, PayloadError>(())
                })?;
            }
            Ok::<_, PayloadError>(())
        })?;
        write::text(out, "model", &context.model);
        // Bedrock counts Cohere's tokens in a header only; 0 is then what the body says.
        let tokens = tokens.unwrap_or_default();
        write::object(out, "usage", |out| {
            write::number(out, "prompt_tokens", tokens);
            write::number(out, "total_tokens", tokens);
        });
        Ok::<_, PayloadError>(())
    })?;
    Ok(out.into())
}

/// Which of Bedrock's forms a body has: Titan gives one vector.
pub(super) fn bedrock_form(body: &Bytes) -> Result<EmbeddingForm, PayloadError> {
    let document = Document::parse(body)?;
    Ok(match document.root().get("embedding") {
        Some(_) => EmbeddingForm::Titan,
        None => EmbeddingForm::BedrockCohere,
    })
}

/// OpenAI's own form, where the first vector is not in the encoding that was asked for. None where
/// it is, or where they can't be read.
pub(super) fn recoded(body: &Bytes, base64: bool) -> Option<Bytes> {
    const NAME: &[u8] = b"\"embedding\"";
    // The word is a value, too (`object`).
    let first = memmem::find_iter(body, NAME).find_map(|at| {
        let rest = body.get(at + NAME.len()..)?.trim_ascii_start();
        rest.strip_prefix(b":")?.trim_ascii_start().first().copied()
    })?;
    let other = if base64 { b'[' } else { b'"' };
    if first != other {
        return None;
    }
    let document = Document::parse(body).ok()?;
    in_place(body, document.root(), base64).ok()
}

/// OpenAI's own form: numbers become base64 where the server knows no base64, and the other way round.
fn in_place(body: &Bytes, root: Value<'_>, base64: bool) -> Result<Bytes, PayloadError> {
    let mut splices = Vec::new();
    let data = root.each("data");
    for embedding in data.filter_map(|item| item.get("embedding")) {
        let with = match (base64, embedding.kind()) {
            (true, Kind::Array) => json_string(&encoded(embedding)?),
            (false, Kind::String) => decoded(embedding)?,
            _ => continue,
        };
        splices.push(Splice::new(embedding.span(), with));
    }
    Ok(splice(body, splices))
}

/// The numbers of a vector in base64, as a list.
fn decoded(vector: Value<'_>) -> Result<String, PayloadError> {
    let wrong = || wrong_type("embedding", "32-bit floats in base64", vector);
    let text = vector.as_str().ok_or_else(wrong)?;
    let bytes = STANDARD.decode(text.as_bytes()).map_err(|_| wrong())?;
    let (floats, rest) = bytes.as_chunks::<4>();
    let floats = floats.iter().map(|bytes| f32::from_le_bytes(*bytes));
    if !rest.is_empty() || floats.clone().any(|float| !float.is_finite()) {
        return Err(wrong());
    }
    let mut out = String::with_capacity(bytes.len() * 3);
    write::brackets(&mut out, |out| {
        for float in floats {
            write::value(out, &float.to_string());
        }
    });
    Ok(out)
}

fn encoded(vector: Value<'_>) -> Result<String, PayloadError> {
    let mut bytes = Vec::with_capacity(4 * 1024);
    for number in array(vector)?.items() {
        let float: Option<f32> = match number.kind() {
            Kind::Number => number.raw().parse().ok(),
            _ => None,
        };
        let float = float.ok_or_else(|| wrong_type("embedding", "numbers", number))?;
        bytes.extend_from_slice(&float.to_le_bytes());
    }
    Ok(STANDARD.encode(&bytes))
}

fn array(value: Value<'_>) -> Result<Value<'_>, PayloadError> {
    match value.kind() {
        Kind::Array => Ok(value),
        _ => Err(wrong_type("embedding", "an array", value)),
    }
}

fn need<'d>(of: Value<'d>, name: &str) -> Result<Value<'d>, PayloadError> {
    of.get(name)
        .ok_or_else(|| wrong_type(name, "a value there", of))
}

/// A count at the end of a path; Cohere writes counts as floats.
fn count(root: Value<'_>, path: &[&str]) -> Option<u64> {
    let mut at = root;
    for name in path {
        at = at.get(name)?;
    }
    at.whole()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use crate::wire::Wire;

    #[test]
    fn vectors_come_in_the_order_of_their_inputs_and_nothing_else_changes() {
        let cases = [
            (
                r#"{"data":[{"index":1,"embedding":[2.0]}, {"index":0,"embedding":[1.50]}],"x":1.0,"usage":{"prompt_tokens":2}}"#,
                r#"{"data":[{"index":0,"embedding":[1.50]},{"index":1,"embedding":[2.0]}],"x":1.0,"usage":{"prompt_tokens":2}}"#,
            ),
            (
                r#"{"data":[{"index":0,"embedding":"AAA="}, {"index":1,"embedding":"AAB="}]}"#,
                r#"{"data":[{"index":0,"embedding":"AAA="}, {"index":1,"embedding":"AAB="}]}"#,
            ),
            (
                r#"{"data":[{"index":1},{"embedding":[1]}]}"#,
                r#"{"data":[{"index":1},{"embedding":[1]}]}"#,
            ),
        ];
        for (sent, told) in cases {
            let payload = Payload::parse(Wire::Embeddings, sent.into()).unwrap();
            assert_eq!(payload.raw, told);
        }
    }
}
