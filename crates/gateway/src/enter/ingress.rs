//! The door: which endpoint a request is for, in which format, and what its path says.

use forebay_dialect::door::Door;
use forebay_dialect::kept::Page;
use forebay_dialect::{Target, Wire};
use http::{Method, request};

use super::form::Form;
use super::routes::{Kind, nearest, rows};
use crate::answer::kept::Wanted;
use crate::error::{ErrorKind, GatewayError};
use crate::through::Passage;
use crate::through::objects::{Thing, Verb};

/// What a request is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Endpoint {
    /// Tokens or vectors.
    Generate(Target),
    /// How many tokens a prompt has.
    Count(Target),
    /// The list of models, or one of it.
    Models(Shelf),
    /// What passes through as it is, and the model where the path names it.
    Through(&'static Passage, Option<String>),
    /// A file or a batch that an upstream keeps, and its name where the path has it.
    Object(Thing, Verb, Option<String>),
    /// A kept response of this id, and what is wanted of it.
    Kept(String, Wanted),
    /// OpenAI's Realtime API, over a WebSocket.
    Realtime,
}

/// Which models are wanted, in whose form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Shelf {
    /// OpenAI's list, or one of it; Anthropic's where its client asks.
    OpenAi(Option<String>),
    /// Google's.
    Gemini(Option<String>),
    /// Ollama's list.
    OllamaTags,
    /// One of it, which the body names.
    OllamaShow,
    /// The version of Ollama's API.
    OllamaVersion,
}

/// A path as it was understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ingress {
    /// What is asked for.
    pub(crate) endpoint: Endpoint,
    /// The endpoint's path without what clients fill in: what policies and metrics see.
    pub(crate) route: &'static str,
    /// How body and answer differ from the format's own.
    pub(crate) form: Form,
    /// A client of Google's wants an array, not events.
    pub(crate) array: bool,
    /// A client of Bedrock's wants each event of a stream within a frame of AWS's.
    pub(crate) chunks: bool,
}

/// The format in which errors about a request are told: its path's own, as far as it shows.
pub(crate) fn wire_of(head: &request::Parts) -> Wire {
    let path = head.uri.path();
    let found = rows(path).next();
    found.map_or_else(|| nearest(path), |(row, _)| row.kind.wire())
}

/// The door whose format errors about a request are told in, as far as its path shows.
pub(crate) fn door_of(head: &request::Parts) -> Option<Door> {
    let path = head.uri.path();
    match rows(path).next() {
        Some((row, _)) => row.kind.door(),
        None => {
            let named = path.strip_prefix("/api/").unwrap_or_default();
            OLLAMAS.contains(&named).then_some(Door::OllamaChat)
        }
    }
}

/// What else Ollama has below `/api`: its clients are told in its words that there is no such thing.
const OLLAMAS: [&str; 6] = ["copy", "create", "delete", "ps", "pull", "push"];

/// Reads a request's method and path.
pub(crate) fn read(head: &request::Parts) -> Result<Ingress, GatewayError> {
    let path = head.uri.path();
    let mut takes = None;
    for (row, model) in rows(path) {
        let method = row.kind.method();
        // What can be got can be asked for its head alone (RFC 9110, section 9.3.2).
        let head_alone = head.method == Method::HEAD && method == Method::GET;
        if method == head.method || head_alone && row.kind != Kind::Realtime {
            let model = match model.map(decode) {
                None => None,
                Some(Some(model)) if !model.is_empty() => Some(model),
                Some(_) => return Err(not_found()),
            };
            return ingress(row.kind, model, head.uri.query());
        }
        // A verb that Google has not is no model's name.
        let verb = row.kind.is_model() && model.is_some_and(|model| model.contains(':'));
        if !verb {
            takes.get_or_insert(method);
        }
    }
    Err(match takes {
        Some(method) => GatewayError::new(
            ErrorKind::MethodNotAllowed,
            format!("this endpoint takes {method} only"),
        )
        .with_param(Some(method.as_str())),
        None => not_found(),
    })
}

fn ingress(
    kind: Kind,
    model: Option<String>,
    query: Option<&str>,
) -> Result<Ingress, GatewayError> {
    let events = query.is_some_and(|query| query.split('&').any(|pair| pair == "alt=sse"));
    let array = kind == Kind::Gemini { stream: true } && !events;
    let (endpoint, form) = match kind {
        Kind::Through(passage) => (Endpoint::Through(passage, model), Form::Own),
        Kind::Object(thing, verb) => (Endpoint::Object(thing, verb, model), Form::Own),
        Kind::Realtime => (Endpoint::Realtime, Form::Own),
        Kind::Models | Kind::Model => (Endpoint::Models(Shelf::OpenAi(model)), Form::Own),
        Kind::GeminiModels | Kind::GeminiModel => {
            (Endpoint::Models(Shelf::Gemini(model)), Form::Own)
        }
        Kind::OllamaTags => (Endpoint::Models(Shelf::OllamaTags), Form::Own),
        Kind::OllamaShow => (Endpoint::Models(Shelf::OllamaShow), Form::Own),
        Kind::OllamaVersion => (Endpoint::Models(Shelf::OllamaVersion), Form::Own),
        Kind::Response | Kind::ResponseDeletion | Kind::ResponseInput | Kind::ResponseCancel => {
            let wanted = match kind {
                Kind::ResponseDeletion => Wanted::Deletion,
                Kind::ResponseInput => Wanted::Input(page(query)?),
                Kind::ResponseCancel => Wanted::Cancellation,
                _ => Wanted::Whole,
            };
            (Endpoint::Kept(model.unwrap_or_default(), wanted), Form::Own)
        }
        Kind::MessagesCount | Kind::GeminiCount | Kind::PredictCount => {
            let (target, form) = kind.target(model);
            (Endpoint::Count(target), form)
        }
        _ => {
            let (target, form) = kind.target(model);
            (Endpoint::Generate(target), form)
        }
    };
    Ok(Ingress {
        endpoint,
        route: kind.route(),
        form,
        array,
        chunks: kind == Kind::Invoke { stream: true },
    })
}

/// The page of a list that a query asks for, in OpenAI's words.
fn page(query: Option<&str>) -> Result<Page, GatewayError> {
    let mut page = Page::default();
    let wrong = |name: &str, must: &str| {
        GatewayError::new(
            ErrorKind::InvalidRequest,
            format!("invalid value for '{name}': {must}"),
        )
        .with_param(Some(name))
        .with_code("invalid_value")
    };
    for pair in query.unwrap_or_default().split('&') {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        match name {
            "limit" => {
                let limit = value.parse().ok().filter(|limit| (1..=100).contains(limit));
                page.limit = limit.ok_or_else(|| wrong(name, "must be 1 to 100"))?;
            }
            "order" => {
                page.ascending = match value {
                    "asc" => true,
                    "desc" => false,
                    _ => return Err(wrong(name, "must be asc or desc")),
                }
            }
            "after" => page.after = decode(value),
            _ => {}
        }
    }
    Ok(page)
}

fn not_found() -> GatewayError {
    GatewayError::new(
        ErrorKind::NotFound,
        "no such endpoint; there are /v1/chat/completions, /v1/completions, /v1/responses, \
         /v1/responses/ID, /v1/embeddings, /v1/models, /v1/rerank, /v1/moderations, /v1/images, \
         /v1/audio, /v1/realtime, /v1/messages, /v1/messages/count_tokens, \
         /openai/deployments/MODEL/chat/completions, \
         /v1beta/models/MODEL:generateContent and :streamGenerateContent, \
         /api/chat, /api/generate, /api/embed, /v2/chat, /v2/embed, \
         /model/MODEL/converse, /converse-stream, /invoke and /invoke-with-response-stream",
    )
}

/// A segment of a path without its percent signs (RFC 3986). None where they are wrong.
pub(crate) fn decode(segment: &str) -> Option<String> {
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

    fn head(method: Method, uri: &str) -> request::Parts {
        let request = http::Request::builder().method(method).uri(uri);
        request.body(()).unwrap().into_parts().0
    }

    fn ask(method: Method, uri: &str) -> Result<Ingress, GatewayError> {
        read(&head(method, uri))
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
        let array = |path: &str| ask(Method::POST, path).unwrap().array;
        assert!(array("/v1beta/models/m:streamGenerateContent"));
        assert!(!array("/v1beta/models/m:generateContent"));
    }

    #[test]
    fn models_may_have_slashes_and_colons() {
        let found = ask(Method::GET, "/v1/models/meta/llama:8b").unwrap();
        assert_eq!(
            found.endpoint,
            Endpoint::Models(Shelf::OpenAi(Some("meta/llama:8b".into())))
        );
        let found = ask(Method::POST, "/model/arn%3Aaws%3Ax%2Fy/converse-stream").unwrap();
        assert_eq!(found.route, "/model/converse-stream");
    }

    /// What every path of a vendor's clients is understood as: its main path's route.
    #[test]
    fn every_home_of_an_endpoint_is_the_same_endpoint() {
        let homes = [
            "/v1",
            "",
            "/openai/v1",
            "/openai",
            "/v1beta/openai",
            "/api/v1",
        ];
        for (path, method) in [
            ("/chat/completions", Method::POST),
            ("/completions", Method::POST),
            ("/responses", Method::POST),
            ("/embeddings", Method::POST),
            ("/models", Method::GET),
            ("/models/a/b:c", Method::GET),
        ] {
            let main = ask(method.clone(), &format!("/v1{path}")).unwrap();
            for home in homes {
                let uri = format!("{home}{path}?api-version=2024-10-21");
                assert_eq!(ask(method.clone(), &uri).unwrap(), main, "{uri}");
                assert_eq!(wire_of(&head(method.clone(), &uri)), {
                    wire_of(&head(method.clone(), &format!("/v1{path}")))
                });
            }
        }
        for path in ["/messages", "/messages/count_tokens"] {
            let main = ask(Method::POST, &format!("/v1{path}")).unwrap();
            for home in ["/v1", "", "/anthropic/v1", "/api/v1"] {
                let uri = format!("{home}{path}?beta=true");
                assert_eq!(ask(Method::POST, &uri).unwrap(), main, "{uri}");
                assert_eq!(wire_of(&head(Method::POST, &uri)), Wire::Messages);
            }
        }
    }

    #[test]
    fn what_can_be_got_has_a_head() {
        for path in [
            "/v1/models",
            "/v1/models/m",
            "/v1/files",
            "/v1/responses/resp_1",
            "/api/tags",
        ] {
            assert_eq!(
                ask(Method::HEAD, path).unwrap(),
                ask(Method::GET, path).unwrap()
            );
        }
        for path in ["/v1/chat/completions", "/v1/realtime"] {
            let error = ask(Method::HEAD, path).unwrap_err();
            assert_eq!(error.kind, ErrorKind::MethodNotAllowed, "{path}");
        }
    }

    #[test]
    fn a_deployment_is_the_bodys_model() {
        for (verb, wire, route) in [
            ("chat/completions", Wire::Chat, "/v1/chat/completions"),
            ("completions", Wire::Completions, "/v1/completions"),
            ("embeddings", Wire::Embeddings, "/v1/embeddings"),
        ] {
            let uri = format!("/openai/deployments/my%20own/x/{verb}?api-version=x");
            let found = ask(Method::POST, &uri).unwrap();
            assert_eq!(found.endpoint, Endpoint::Generate(Target::new(wire)));
            assert_eq!(found.route, route);
            let model = Some("my own/x".to_owned());
            assert_eq!(found.form, Form::InPath { model });
        }
    }

    #[test]
    fn anthropics_messages_are_taken_at_aws_and_google() {
        let vertex = "/v1/projects/p/locations/eu/publishers/anthropic/models/";
        for (uri, model, stream, errors) in [
            (
                "/model/a.c%3A0/invoke".to_owned(),
                "a.c:0",
                false,
                Wire::Converse,
            ),
            (
                "/model/m/invoke-with-response-stream".to_owned(),
                "m",
                true,
                Wire::Converse,
            ),
            (
                format!("{vertex}c@1:rawPredict"),
                "c@1",
                false,
                Wire::Messages,
            ),
            (
                format!("{vertex}c:streamRawPredict"),
                "c",
                true,
                Wire::Messages,
            ),
        ] {
            let found = ask(Method::POST, &uri).unwrap();
            let target = Target::new(Wire::Messages);
            assert_eq!(found.endpoint, Endpoint::Generate(target), "{uri}");
            assert_eq!(found.route, "/v1/messages");
            let (model, stream) = (Some(model.to_owned()), Some(stream));
            assert_eq!(found.form, Form::Anthropic { model, stream });
            assert_eq!(wire_of(&head(Method::POST, &uri)), errors);
        }
        let found = ask(Method::POST, &format!("{vertex}count-tokens:rawPredict")).unwrap();
        assert!(matches!(found.endpoint, Endpoint::Count(_)));
    }

    #[test]
    fn what_is_no_endpoint_is_told_so() {
        for path in [
            "/",
            "/v1/chat",
            "/v2/chat/completions",
            "/openai/v1/messages",
            "/openai/deployments//chat/completions",
            "/openai/deployments/m/responses",
            "/anthropic/v1/responses",
            "/model//converse",
            "/v1beta/models/m:x",
            "/v1/models/m:x",
            "/model/%zz/converse",
        ] {
            assert_eq!(
                ask(Method::POST, path).unwrap_err().kind,
                ErrorKind::NotFound,
                "{path}"
            );
        }
    }

    #[test]
    fn another_method_is_told_which_one_there_is() {
        for (method, path) in [
            (Method::GET, "/v1/messages"),
            (Method::GET, "/openai/deployments/m/embeddings"),
            (Method::POST, "/v1/models"),
            (Method::POST, "/models/m"),
            (Method::GET, "/model/m/converse"),
        ] {
            let error = ask(method, path).unwrap_err();
            assert_eq!(error.kind, ErrorKind::MethodNotAllowed, "{path}");
        }
    }

    #[test]
    fn errors_are_told_in_the_paths_own_format() {
        for (path, wire) in [
            ("/v1/messages", Wire::Messages),
            ("/v1/messages/batches", Wire::Messages),
            ("/anthropic/v1/files", Wire::Messages),
            ("/v1beta/nothing", Wire::Gemini),
            ("/v1beta/openai/nothing", Wire::Chat),
            ("/v1/projects/p/publishers/google/models/m:x", Wire::Gemini),
            ("/model/m/converse", Wire::Converse),
            ("/model/m/nothing", Wire::Converse),
            ("/openai/deployments/m/nothing", Wire::Chat),
            ("/nothing", Wire::Chat),
        ] {
            assert_eq!(wire_of(&head(Method::POST, path)), wire, "{path}");
        }
    }
}
