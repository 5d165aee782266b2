//! Google's `embedContent` and `batchEmbedContents` as clients speak them: a door to OpenAI's
//! embeddings.

use bytes::Bytes;

use crate::door::embedded::Vectors;
use crate::door::told::{Entered, Told};
use crate::fields::{invalid, missing, name_of, named, string};
use crate::json::{Document, Kind, Value, write};
use crate::request::RequestError;

/// Members of one request under the names that the upstreams' writers know, in either spelling.
const NAMES: [(&str, &str); 6] = [
    ("taskType", "task_type"),
    ("task_type", "task_type"),
    ("title", "title"),
    ("outputDimensionality", "dimensions"),
    ("output_dimensionality", "dimensions"),
    ("autoTruncate", ""),
];

/// A request for one vector.
pub(crate) fn one(body: &Bytes, told: &mut Told) -> Result<Entered, RequestError> {
    let document = Document::parse(body)?;
    let asked = asked(document.root(), "")?;
    entered(&[asked], told)
}

/// A request for several, which must want the same of each.
pub(crate) fn batch(body: &Bytes, told: &mut Told) -> Result<Entered, RequestError> {
    let document = Document::parse(body)?;
    let root = document.root();
    if root.kind() != Kind::Object {
        return Err(RequestError::wrong_type("body", "an object", root));
    }
    let requests = root.get("requests").ok_or_else(|| missing("requests"))?;
    let requests = requests.items().enumerate();
    let all: Vec<Asked> = requests
        .map(|(at, request)| asked(request, &format!("requests[{at}].")))
        .collect::<Result<_, _>>()?;
    let Some(first) = all.first() else {
        return Err(invalid("requests", "must have at least one request"));
    };
    if all.iter().any(|asked| asked.more != first.more) {
        let reason = "must all have the same settings; send the others in a batch of their own";
        return Err(invalid("requests", reason));
    }
    // Nothing else is known here, and what is not known could not be judged.
    for (key, _) in root.members().filter(|(_, value)| !value.is_null()) {
        let name = name_of(key);
        if name != "requests" && name != "model" {
            return Err(invalid(&name, "is not known"));
        }
    }
    entered(&all, told)
}

/// One text, and what is wanted of its vector.
struct Asked {
    text: String,
    more: Vec<(String, String)>,
}

fn asked(request: Value<'_>, path: &str) -> Result<Asked, RequestError> {
    if request.kind() != Kind::Object {
        let path = if path.is_empty() { "body" } else { path };
        return Err(RequestError::wrong_type(path, "an object", request));
    }
    let mut asked = Asked {
        text: String::new(),
        more: Vec::new(),
    };
    let mut has_content = false;
    for (name, value) in named(request) {
        match name.as_ref() {
            // The path names it, and in a batch each request does again.
            "model" => {}
            "content" => {
                has_content = true;
                asked.text = content(value, &format!("{path}content"))?;
            }
            name => match NAMES.iter().find(|(theirs, _)| *theirs == name) {
                Some((_, "")) => {}
                Some((_, ours)) => asked
                    .more
                    .push(((*ours).to_owned(), value.raw().to_owned())),
                None => asked.more.push((name.to_owned(), value.raw().to_owned())),
            },
        }
    }
    if !has_content {
        return Err(missing(|| format!("{path}content")));
    }
    asked.more.sort();
    Ok(asked)
}

fn content(content: Value<'_>, path: &str) -> Result<String, RequestError> {
    let mut text = String::new();
    let parts = content.get("parts");
    for (at, part) in parts.into_iter().flat_map(Value::items).enumerate() {
        let path = format!("{path}.parts[{at}]");
        let said = part.some("text");
        let said = said.ok_or_else(|| invalid(&path, "only texts are embedded here"))?;
        text.push_str(&string(said, || format!("{path}.text"))?);
    }
    match parts {
        Some(_) => Ok(text),
        None => Err(missing(|| format!("{path}.parts"))),
    }
}

fn entered(all: &[Asked], told: &Told) -> Result<Entered, RequestError> {
    let body = write::document(|out| {
        write::text(out, "model", &told.model);
        write::texts(out, "input", all.iter().map(|asked| &asked.text));
        for (name, value) in all.first().into_iter().flat_map(|asked| &asked.more) {
            write::raw(out, name, value);
        }
        write::text(out, "encoding_format", "float");
    });
    Ok(Entered::Request(body.into()))
}

/// The vectors: all of them, or the one.
pub(crate) fn embedded(vectors: &Vectors, batch: bool) -> Option<Bytes> {
    let value = |vector: &String, out: &mut String| write::raw(out, "values", vector);
    let body = if batch {
        write::document(|out| {
            write::list(out, "embeddings", |out| {
                for vector in &vectors.list {
                    write::braces(out, |out| value(vector, out));
                }
            });
        })
    } else {
        let vector = vectors.list.first()?;
        write::document(|out| write::object(out, "embedding", |out| value(vector, out)))
    };
    Some(body.into())
}
