//! Texts to be embedded, and the vectors of OpenAI's answers.

use bytes::Bytes;

use crate::fields::string;
use crate::json::{Document, Kind, Value, write};
use crate::request::RequestError;

/// Vectors in the order of their texts, each a JSON array, and the tokens they took.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Vectors {
    pub(crate) list: Vec<String>,
    pub(crate) tokens: u64,
}

impl Vectors {
    /// The vectors, as a list under this name.
    pub(crate) fn write(&self, name: &str, out: &mut String) {
        write::list(out, name, |out| {
            self.list
                .iter()
                .for_each(|vector| write::value(out, vector));
        });
    }
}

/// The vectors of an answer. None where they are none, or no numbers.
pub(crate) fn vectors(body: &Bytes) -> Option<Vectors> {
    let document = Document::parse(body).ok()?;
    let root = document.root();
    let mut list = Vec::new();
    for (place, item) in root.get("data")?.items().enumerate() {
        let vector = item.get("embedding").filter(|v| v.kind() == Kind::Array)?;
        let index = item.get("index").and_then(Value::as_integer);
        let index = index.map_or(Some(place), |index| usize::try_from(index).ok())?;
        list.push((index, vector.raw().to_owned()));
    }
    list.sort_by_key(|(index, _)| *index);
    let usage = root.get("usage");
    let tokens = usage.and_then(|usage| usage.get("prompt_tokens")?.whole());
    Some(Vectors {
        list: list.into_iter().map(|(_, vector)| vector).collect(),
        tokens: tokens.unwrap_or(0),
    })
}

/// A text, or a list of texts.
pub(crate) fn texts(value: Value<'_>, path: &str) -> Result<Vec<String>, RequestError> {
    match value.kind() {
        Kind::String => Ok(vec![string(value, path)?.into_owned()]),
        Kind::Array => value
            .items()
            .enumerate()
            .map(|(at, text)| Ok(string(text, || format!("{path}[{at}]"))?.into_owned()))
            .collect(),
        _ => Err(RequestError::wrong_type(
            path,
            "a string or an array of strings",
            value,
        )),
    }
}
