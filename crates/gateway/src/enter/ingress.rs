//! The door: which endpoint a path is, in which format, and what the path says of the request.

use forebay_dialect::{Target, Wire};
use http::{Method, request};

use crate::error::{ErrorKind, GatewayError};

/// What a request is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Endpoint {
    /// Tokens or vectors.
    Generate(Target),
    /// How many tokens a prompt has.
    Count(Target),
    /// The list of models, or one of it.
    Models(Option<String>),
}

/// A path as it was understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ingress {
    /// What is asked for.
    pub(crate) endpoint: Endpoint,
    /// The endpoint's path without what clients fill in: what policies and metrics see.
    pub(crate) route: &'static str,
    /// A client of Google's wants an array, not events.
    pub(crate) array: bool,
}

/// The endpoints whose bodies say all.
const PLAIN: [(&str, Wire); 6] = [
    ("/v1/chat/completions", Wire::Chat),
    ("/v1/completions", Wire::Completions),
    ("/v1/responses", Wire::Responses),
    ("/v1/embeddings", Wire::Embeddings),
    ("/v1/messages", Wire::Messages),
    ("/v1/messages/count_tokens", Wire::Messages),
];

/// The format in which errors about this path are told: the path's own, as far as it shows.
pub(crate) fn wire_of(path: &str) -> Wire {
    if path.starts_with("/v1/messages") {
        Wire::Messages
    } else if path.starts_with("/v1beta/") || google(path).is_some() {
        Wire::Gemini
    } else if path.starts_with("/model/") {
        Wire::Converse
    } else {
        Wire::Chat
    }
}

/// Reads a request's method and path.
pub(crate) fn read(head: &request::Parts) -> Result<Ingress, GatewayError> {
    let path = head.uri.path();
    let found = plain(path)
        .or_else(|| gemini(path, head.uri.query()))
        .or_else(|| bedrock(path))
        .or_else(|| models(path))
        .ok_or_else(not_found)?;
    let method = match found.endpoint {
        Endpoint::Models(_) => Method::GET,
        _ => Method::POST,
    };
    if head.method != method {
        return Err(GatewayError::new(
            ErrorKind::MethodNotAllowed,
            format!("this endpoint takes {method} only"),
        )
        .with_param(Some(method.as_str())));
    }
    Ok(found)
}

fn not_found() -> GatewayError {
    GatewayError::new(
        ErrorKind::NotFound,
        "no such endpoint; there are /v1/chat/completions, /v1/completions, /v1/responses, \
         /v1/embeddings, /v1/models, /v1/messages, /v1/messages/count_tokens, \
         /v1beta/models/MODEL:generateContent and :streamGenerateContent, \
         /model/MODEL/converse and /converse-stream",
    )
}

fn plain(path: &str) -> Option<Ingress> {
    let (route, wire) = PLAIN.into_iter().find(|(known, _)| *known == path)?;
    let mut target = Target::new(wire);
    Some(Ingress {
        endpoint: if route.ends_with("/count_tokens") {
            // Not an answer is asked for, so no limit of one has to be named.
            target.stream = Some(false);
            Endpoint::Count(target)
        } else {
            Endpoint::Generate(target)
        },
        route,
        array: false,
    })
}

fn models(path: &str) -> Option<Ingress> {
    let route = "/v1/models";
    let wanted = match path.strip_prefix(route)? {
        "" => None,
        rest => Some(decode(rest.strip_prefix('/').filter(|id| !id.is_empty())?)?),
    };
    Some(Ingress {
        endpoint: Endpoint::Models(wanted),
        route,
        array: false,
    })
}

/// `/v1beta/models/MODEL:VERB`, and `/v1/…` alike: the model's name, percent-decoded, and the verb.
fn google(path: &str) -> Option<(&str, &str)> {
    let rest = path
        .strip_prefix("/v1beta/models/")
        .or_else(|| path.strip_prefix("/v1/models/"))
        // The vendor's client in its Vertex mode.
        .or_else(|| {
            let (_, rest) = path.split_once("/publishers/google/models/")?;
            Some(rest)
        })?;
    let (model, verb) = rest.rsplit_once(':')?;
    let known = matches!(
        verb,
        "generateContent" | "streamGenerateContent" | "countTokens"
    );
    (known && !model.is_empty()).then_some((model, verb))
}

fn gemini(path: &str, query: Option<&str>) -> Option<Ingress> {
    let (model, verb) = google(path)?;
    let stream = verb == "streamGenerateContent";
    let target = Target {
        wire: Wire::Gemini,
        model: Some(decode(model)?),
        stream: Some(stream),
    };
    let events = query.is_some_and(|query| query.split('&').any(|pair| pair == "alt=sse"));
    let (endpoint, route) = match verb {
        "countTokens" => (Endpoint::Count(target), "/v1beta/models:countTokens"),
        "generateContent" => (Endpoint::Generate(target), "/v1beta/models:generateContent"),
        _ => (
            Endpoint::Generate(target),
            "/v1beta/models:streamGenerateContent",
        ),
    };
    Some(Ingress {
        endpoint,
        route,
        array: stream && !events,
    })
}

fn bedrock(path: &str) -> Option<Ingress> {
    let (model, verb) = path.strip_prefix("/model/")?.rsplit_once('/')?;
    let (stream, route) = match verb {
        "converse" => (false, "/model/converse"),
        "converse-stream" => (true, "/model/converse-stream"),
        _ => return None,
    };
    let model = decode(model).filter(|model| !model.is_empty())?;
    Some(Ingress {
        endpoint: Endpoint::Generate(Target {
            wire: Wire::Converse,
            model: Some(model),
            stream: Some(stream),
        }),
        route,
        array: false,
    })
}

/// A segment of a path without its percent signs (RFC 3986). None where they are wrong.
fn decode(segment: &str) -> Option<String> {
    let mut out = Vec::with_capacity(segment.len());
    let mut bytes = segment.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
        let (high, low) = (digit(bytes.next())?, digit(bytes.next())?);
        out.push(u8::try_from(high * 16 + low).ok()?);
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(method: Method, uri: &str) -> Result<Ingress, GatewayError> {
        let request = http::Request::builder()
            .method(method)
            .uri(uri)
            .body(())
            .unwrap();
        read(&request.into_parts().0)
    }

    #[test]
    fn a_path_may_name_the_model_and_the_stream() {
        let found = ask(
            Method::POST,
            "/v1beta/models/gemini-3-pro:streamGenerateContent?alt=sse",
        )
        .unwrap();
        assert!(!found.array);
        let target = Target {
            wire: Wire::Gemini,
            model: Some("gemini-3-pro".into()),
            stream: Some(true),
        };
        assert_eq!(found.endpoint, Endpoint::Generate(target));
        let found = ask(Method::POST, "/model/anthropic.claude-x%3A0/converse").unwrap();
        let target = Target {
            wire: Wire::Converse,
            model: Some("anthropic.claude-x:0".into()),
            stream: Some(false),
        };
        assert_eq!(found.endpoint, Endpoint::Generate(target));
    }

    #[test]
    fn googles_streams_are_arrays_unless_events_are_asked_for() {
        assert!(
            ask(Method::POST, "/v1beta/models/m:streamGenerateContent")
                .unwrap()
                .array
        );
        assert!(
            !ask(Method::POST, "/v1beta/models/m:generateContent")
                .unwrap()
                .array
        );
    }

    #[test]
    fn models_may_have_slashes_and_colons() {
        let found = ask(Method::GET, "/v1/models/meta/llama:8b").unwrap();
        assert_eq!(
            found.endpoint,
            Endpoint::Models(Some("meta/llama:8b".into()))
        );
        let found = ask(Method::POST, "/model/arn%3Aaws%3Ax%2Fy/converse-stream").unwrap();
        assert_eq!(found.route, "/model/converse-stream");
    }

    #[test]
    fn what_is_no_endpoint_is_told_so() {
        for path in [
            "/",
            "/v1/chat",
            "/model//converse",
            "/model/m/invoke",
            "/v1beta/models/m:x",
            "/model/%zz/converse",
        ] {
            assert_eq!(
                ask(Method::POST, path).unwrap_err().kind,
                ErrorKind::NotFound,
                "{path}"
            );
        }
        let error = ask(Method::GET, "/v1/messages").unwrap_err();
        assert_eq!(error.kind, ErrorKind::MethodNotAllowed);
    }

    #[test]
    fn errors_are_told_in_the_paths_own_format() {
        assert_eq!(wire_of("/v1/messages"), Wire::Messages);
        assert_eq!(wire_of("/v1beta/nothing"), Wire::Gemini);
        assert_eq!(wire_of("/model/m/converse"), Wire::Converse);
        assert_eq!(wire_of("/nothing"), Wire::Chat);
    }
}
