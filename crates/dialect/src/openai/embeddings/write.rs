//! Writes an embeddings request in the form of another upstream.

use std::borrow::Cow;

use crate::body::BodyChange;
use crate::contract::embedding::EmbeddingForm;
use crate::contract::failure::TranslateError;
use crate::exchange::{Draft, Inexpressible, Losses, Lost, Profile, WriteOptions, Written};
use crate::fields::{canonical, integer, invalid, name_of, string};
use crate::json::write;
use crate::json::{Document, Kind, Shape, Value, json_string};
use crate::request::{Request, RequestError};

/// An embeddings request in the form of an upstream.
///
/// # Errors
///
/// When the upstream can't take the input at all (token ids, more texts than it documents), or
/// the client's request is at fault.
pub fn translate_embeddings(
    request: &Request,
    form: EmbeddingForm,
    options: &WriteOptions,
) -> Result<Written, TranslateError> {
    let document = Document::parse(&request.body).map_err(RequestError::from)?;
    write(request, document.root(), form, options)
}

/// What of a form differs from the others.
struct Shaped {
    /// How many texts it takes at once, as its vendor documents.
    most: usize,
    /// Further fields: (as a client may write it, as the form has it).
    fields: &'static [(&'static str, &'static str)],
    /// The name of `dimensions`.
    dimensions: &'static str,
}

fn shape(form: EmbeddingForm) -> Shaped {
    match form {
        EmbeddingForm::Titan => Shaped {
            most: 1,
            fields: &[("normalize", "normalize")],
            dimensions: "dimensions",
        },
        EmbeddingForm::Gemini => Shaped {
            most: 100,
            fields: &[
                ("task_type", "taskType"),
                ("taskType", "taskType"),
                ("title", "title"),
            ],
            dimensions: "outputDimensionality",
        },
        EmbeddingForm::Cohere | EmbeddingForm::BedrockCohere | EmbeddingForm::OpenAi => Shaped {
            most: 96,
            fields: &[
                ("input_type", "input_type"),
                ("truncate", "truncate"),
                ("max_tokens", "max_tokens"),
            ],
            dimensions: "output_dimension",
        },
    }
}

pub(super) fn write(
    request: &Request,
    root: Value<'_>,
    form: EmbeddingForm,
    options: &WriteOptions,
) -> Result<Written, TranslateError> {
    if form == EmbeddingForm::OpenAi {
        return Ok(pass_on(request, root, options));
    }
    let shaped = shape(form);
    let texts = texts(root)?;
    if texts.len() > shaped.most {
        let why = match shaped.most {
            1 => "this model takes one text a request".to_owned(),
            most => format!(
                "{} texts are over the limit of {most} a request",
                texts.len()
            ),
        };
        return Err(inexpressible("input", why));
    }
    let mut fields = Vec::new();
    let mut lost = Losses::default();
    for (key, value) in root.members().filter(|(_, value)| !value.is_null()) {
        let name = name_of(key);
        match name.as_ref() {
            "model" | "input" => {}
            "encoding_format" => {
                let reason = "must be float or base64";
                if !value.is_str("float") && !value.is_str("base64") {
                    return Err(invalid("encoding_format", reason).into());
                }
            }
            "dimensions" => {
                let count: u64 = integer(value, "dimensions", "must be a whole number above 0")?;
                fields.push((shaped.dimensions, count.to_string()));
            }
            "user" => lost.push("user", "this upstream has no field for the end user"),
            name => match shaped.fields.iter().find(|(asked, _)| *asked == name) {
                Some((_, ours)) => fields.push((*ours, canonical(value, Shape::WHOLE))),
                None => lost.push(name, "this upstream's embeddings have no such field"),
            },
        }
    }
    let members = match form {
        EmbeddingForm::Gemini => vec![("requests", gemini(&texts, &fields, &options.model))],
        EmbeddingForm::Titan => {
            let text = texts.first().map(|text| json_string(text));
            let mut members = vec![("inputText", text.unwrap_or_default())];
            members.append(&mut fields);
            members
        }
        _ => cohere(form, &texts, fields, &options.model),
    };
    let mut body = Draft::new(options, (), 256);
    for (name, value) in &members {
        body.raw(name, Some(value));
    }
    body.lost = lost;
    Ok(body.finish())
}

fn inexpressible(param: &str, why: String) -> TranslateError {
    Inexpressible {
        param: param.to_owned(),
        why,
    }
    .into()
}

/// The client's own body. Mistral has its own name for `dimensions` and knows no `user`.
fn pass_on(request: &Request, root: Value<'_>, options: &WriteOptions) -> Written {
    let mistral = options.profile == Profile::Mistral;
    let dimensions = root.some("dimensions");
    let mut set: Vec<(&str, &str)> = Vec::new();
    if let Some(dimensions) = dimensions.filter(|_| mistral) {
        set.push(("output_dimension", dimensions.raw()));
    }
    let ours = options.set.iter();
    set.extend(ours.map(|(name, value)| (name.as_str(), value.as_str())));
    let remove: &[&str] = if mistral {
        &["dimensions", "user"]
    } else {
        &[]
    };
    let lost = match root.get("user").filter(|_| mistral) {
        Some(_) => vec![Lost::new(
            "user",
            "Mistral's embeddings have no field for the end user",
        )],
        None => Vec::new(),
    };
    let body = request.upstream_body(&BodyChange {
        model: Some(&options.model),
        set: &set,
        remove,
        ..BodyChange::default()
    });
    Written {
        body,
        lost,
        back: Default::default(),
    }
}

fn texts(root: Value<'_>) -> Result<Vec<Cow<'_, str>>, TranslateError> {
    let input = root.some("input");
    let input = input.ok_or_else(|| {
        let why = "this upstream embeds texts, not conversations";
        inexpressible("messages", why.to_owned())
    })?;
    if let Some(text) = input.as_str() {
        return Ok(vec![text]);
    }
    let mut texts = Vec::with_capacity(input.items().count());
    for (position, text) in input.items().enumerate() {
        if matches!(text.kind(), Kind::Number | Kind::Array) {
            let why = "this upstream takes texts; only a server of the same model can read its \
                       token ids";
            return Err(inexpressible("input", why.to_owned()));
        }
        texts.push(string(text, || format!("input[{position}]"))?);
    }
    Ok(texts)
}

fn cohere(
    form: EmbeddingForm,
    texts: &[Cow<'_, str>],
    mut fields: Vec<(&'static str, String)>,
    model: &str,
) -> Vec<(&'static str, String)> {
    let mut members = Vec::new();
    if form == EmbeddingForm::Cohere {
        members.push(("model", json_string(model)));
    }
    let mut list = String::new();
    write::brackets(&mut list, |out| {
        for text in texts {
            write::string(out, text);
        }
    });
    members.push(("texts", list));
    if !fields.iter().any(|(name, _)| *name == "input_type") {
        // It must be told, and OpenAI's clients have no word for it: most texts that are
        // embedded are the ones to be found.
        members.push(("input_type", json_string("search_document")));
    }
    members.push(("embedding_types", r#"["float"]"#.to_owned()));
    members.append(&mut fields);
    members
}

fn gemini(texts: &[Cow<'_, str>], fields: &[(&'static str, String)], model: &str) -> String {
    let model = match model.contains('/') {
        true => json_string(model),
        false => json_string(&format!("models/{model}")),
    };
    let mut out = String::new();
    write::brackets(&mut out, |out| {
        for text in texts {
            write::braces(out, |out| {
                write::raw(out, "model", &model);
                write::object(out, "content", |out| {
                    write::list(out, "parts", |out| {
                        write::braces(out, |out| write::text(out, "text", text));
                    });
                });
                for (name, value) in fields {
                    write::raw(out, name, value);
                }
            });
        }
    });
    out
}
