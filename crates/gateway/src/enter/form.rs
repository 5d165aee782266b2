//! How bodies at other doors of a format differ from the format's own. Such a request is made the
//! format's own before anything reads it, so that it is judged, named, counted and sent like one
//! that came by the main path.

use bytes::Bytes;
use forebay_dialect::door::Door;
use forebay_dialect::{json_string, set_members, string_list};
use http::header::{HeaderMap, HeaderName, HeaderValue};

/// How body and answer differ from the format's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Form {
    /// Not at all.
    Own,
    /// What the path says stands in the body by the main path.
    InPath {
        /// The model's name.
        model: Option<String>,
    },
    /// A format that only clients speak: it is another one's from the door on.
    Door {
        /// Which one.
        door: Door,
        /// The model's name, where the path has it.
        model: Option<String>,
    },
    /// Anthropic's messages as AWS and Google take them: the path says model and stream, the
    /// body what Anthropic's own API has in headers.
    Anthropic {
        /// The model's name.
        model: Option<String>,
        /// Whether a stream is asked for.
        stream: Option<bool>,
    },
}

/// A request in the format's own form.
pub(crate) struct Composed {
    pub(crate) body: Bytes,
    /// Headers that it has then.
    pub(crate) headers: HeaderMap,
}

const VERSION: HeaderName = HeaderName::from_static("anthropic-version");
/// A list: its lines add up.
pub(crate) const BETA: HeaderName = HeaderName::from_static("anthropic-beta");
/// Anthropic's members for its two headers.
const BODY_VERSION: &str = "anthropic_version";
const BODY_BETA: &str = "anthropic_beta";
/// The most of a list of betas that becomes a header: the list stays in the body beyond that.
const MAX_BETAS: usize = 4096;

impl Form {
    /// Whether requests are the format's own.
    pub(crate) fn is_own(&self) -> bool {
        *self == Form::Own
    }

    /// Whether answers are the format's own, streams too.
    pub(crate) fn passes_answers(&self) -> bool {
        matches!(self, Form::Own | Form::InPath { .. })
    }

    /// The request in the format's own form. A body that is no JSON object stays as it is: its
    /// reader says what is wrong.
    pub(crate) fn compose(&self, body: Bytes) -> Composed {
        let mut headers = HeaderMap::new();
        let body = match self {
            Form::Own | Form::Door { .. } => body,
            Form::InPath { model } => with(&body, model.as_deref(), None, &[]).unwrap_or(body),
            Form::Anthropic { model, stream } => {
                headers.insert(VERSION, version(&body));
                let mut remove = vec![BODY_VERSION];
                if *stream == Some(false) {
                    remove.push("stream");
                }
                if let Some(betas) = betas(&body) {
                    remove.push(BODY_BETA);
                    headers.extend(betas.map(|betas| (BETA, betas)));
                }
                let stream = stream.filter(|stream| *stream);
                with(&body, model.as_deref(), stream, &remove).unwrap_or(body)
            }
        };
        Composed { body, headers }
    }
}

fn with(body: &Bytes, model: Option<&str>, stream: Option<bool>, remove: &[&str]) -> Option<Bytes> {
    let model = model.map(json_string);
    let mut set: Vec<(&str, &str)> = Vec::new();
    set.extend(model.iter().map(|model| ("model", &**model)));
    set.extend(stream.map(|stream| ("stream", if stream { "true" } else { "false" })));
    set_members(body, &set, remove)
}

/// The version that a body names, as the header has it. AWS's and Google's own names for it
/// (`bedrock-2023-05-31`, `vertex-2023-10-16`) mean the version that its own API had then.
fn version(body: &Bytes) -> HeaderValue {
    let named = string_list(body, BODY_VERSION).and_then(|named| named.into_iter().next());
    let is_date = |text: &String| {
        text.len() == "2023-06-01".len() && text.bytes().all(|b| b.is_ascii_digit() || b == b'-')
    };
    let date = named
        .filter(is_date)
        .and_then(|date| HeaderValue::from_str(&date).ok());
    date.unwrap_or(HeaderValue::from_static("2023-06-01"))
}

/// The betas that a body names, as the header has them; an empty list is no header. None where
/// the body has no such list, or one that can't be a header.
fn betas(body: &Bytes) -> Option<Option<HeaderValue>> {
    let names = string_list(body, BODY_BETA)?;
    if names.is_empty() {
        return Some(None);
    }
    let joined = names.join(",");
    if joined.len() > MAX_BETAS {
        return None;
    }
    HeaderValue::from_str(&joined).ok().map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn anthropic(stream: Option<bool>, body: &str) -> Composed {
        let model = Some("m".to_owned());
        Form::Anthropic { model, stream }.compose(Bytes::copy_from_slice(body.as_bytes()))
    }

    #[test]
    fn a_body_for_aws_becomes_anthropics_own() {
        let body = r#"{"anthropic_version":"bedrock-2023-05-31","anthropic_beta":["a","b"],"max_tokens":5,"stream":true}"#;
        let whole = anthropic(Some(false), body);
        assert_eq!(whole.body, r#"{"max_tokens":5,"model":"m"}"#);
        assert_eq!(whole.headers[BETA], "a,b");
        assert_eq!(whole.headers[VERSION], "2023-06-01");
        let streamed = anthropic(Some(true), r#"{"max_tokens":5}"#);
        assert_eq!(
            streamed.body,
            r#"{"max_tokens":5,"model":"m","stream":true}"#
        );
        assert!(!streamed.headers.contains_key(BETA));
    }

    #[test]
    fn a_version_is_a_date_or_a_clouds_name_for_one() {
        for (named, header) in [
            (r#""bedrock-2023-05-31""#, "2023-06-01"),
            (r#""vertex-2023-10-16""#, "2023-06-01"),
            (r#""2026-10-21""#, "2026-10-21"),
            (r#""2026-10-21x""#, "2023-06-01"),
            ("7", "2023-06-01"),
        ] {
            let composed = anthropic(None, &format!(r#"{{"anthropic_version":{named}}}"#));
            assert_eq!(composed.headers[VERSION], header, "{named}");
            assert_eq!(composed.body, r#"{"model":"m"}"#);
        }
    }

    #[test]
    fn betas_that_are_no_header_stay_where_they_are() {
        let long = format!(r#"["{}"]"#, "x".repeat(MAX_BETAS + 1));
        for betas in ["7", "[1]", "[\"a\\nb\"]", &long] {
            let composed = anthropic(None, &format!(r#"{{"anthropic_beta":{betas}}}"#));
            assert!(!composed.headers.contains_key(BETA), "{betas}");
            let body = std::str::from_utf8(&composed.body).unwrap();
            assert!(body.contains("anthropic_beta"), "{betas}");
        }
        let none = anthropic(None, r#"{"anthropic_beta":[]}"#);
        assert_eq!(none.body, r#"{"model":"m"}"#);
    }

    #[test]
    fn what_is_no_object_is_left_to_its_reader() {
        for body in ["", "{", "[]", r#"{"a":1,"a":2}"#] {
            assert_eq!(anthropic(Some(true), body).body, body);
        }
    }
}
