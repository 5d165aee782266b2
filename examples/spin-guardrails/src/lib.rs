//! A proxy of chat completions that is not Forebay: private values leave it as placeholders and come
//! back as what they were, whole or streamed.
#![cfg(target_family = "wasm")]

mod chat;
mod stream;

use bytes::Bytes;
use futures::StreamExt as _;
use serde_json::{Value, json};
use spin_sdk::http::body::IncomingBodyExt as _;
use spin_sdk::http::{
    BoxBody, FullBody, IntoResponse, Method, Request, Response, StatusCode, box_body, send,
};
use spin_sdk::{http_service, variables};

use forebay::mask::mask::Exchange;
use forebay::types::types::{Caller, Reason};

// What `spin_sdk::dependencies!()` makes of the manifest after `spin build`, written out so that
// cargo alone builds it too.
#[allow(missing_docs, unsafe_code, unreachable_pub, clippy::all)]
mod bindings {
    spin_sdk::wit_bindgen::generate!({
        path: ["../../wit/deps/types", "../../wit/deps/guardrails", "../../wit/mask"],
        inline: "package app:guarded; world app { import forebay:mask/mask@0.2.0; }",
        world: "app:guarded/app",
        runtime_path: "::spin_sdk::wit_bindgen::rt",
        generate_all,
    });
}
use bindings::forebay;

/// The largest prompt, and the largest answer that is not streamed, in bytes.
const LIMIT: usize = 4 << 20;

#[http_service]
async fn handle(request: Request) -> impl IntoResponse {
    proxy(request).await.unwrap_or_else(|refused| refused)
}

/// The answer, or the refusal that is sent instead.
async fn proxy(request: Request) -> Result<Response<BoxBody>, Response<BoxBody>> {
    if request.method() != Method::POST {
        return Err(error(StatusCode::METHOD_NOT_ALLOWED, "use POST", None));
    }
    let path = request.uri().path().to_owned();
    let body = read(request.into_body().stream()).await?;
    let mut body: Value = serde_json::from_slice(&body).map_err(|_| not_a_chat())?;

    let exchange = exchange_for(&path).await?;
    let mut places = chat::places(&mut body).ok_or_else(not_a_chat)?;
    let texts: Vec<String> = places.iter().map(|text| (**text).clone()).collect();
    let masked = exchange.mask(&texts).map_err(refusal)?;
    for (place, text) in places.iter_mut().zip(masked) {
        **place = text;
    }
    drop(places);

    let streamed = body["stream"] == json!(true);
    let answer = ask(&path, &body).await?;
    if !answer.status().is_success() {
        let (head, body) = answer.into_parts();
        let body = read(body.stream()).await?;
        return Ok(response(head.status, "application/json", body));
    }
    if streamed {
        let body = stream::restored(answer.into_body().stream(), exchange);
        return Ok(with_type(StatusCode::OK, "text/event-stream", body));
    }
    let body = read(answer.into_body().stream()).await?;
    let mut whole: Value = serde_json::from_slice(&body).map_err(|_| bad_gateway())?;
    for text in chat::answers(&mut whole) {
        *text = exchange.restore(text).map_err(refusal)?;
    }
    Ok(response(
        StatusCode::OK,
        "application/json",
        whole.to_string().into(),
    ))
}

/// One request and its answer. The rules see the tenant `app`, and the path as the route.
async fn exchange_for(path: &str) -> Result<Exchange, Response<BoxBody>> {
    let secret = variables::get("mask_secret").await.unwrap_or_default();
    let caller = Caller {
        tenant: "app".to_owned(),
        key: "app".to_owned(),
        route: path.to_owned(),
    };
    Ok(Exchange::new(&caller, secret.as_bytes()))
}

async fn ask(path: &str, body: &Value) -> Result<Response, Response<BoxBody>> {
    let upstream = variables::get("upstream").await.unwrap_or_default();
    let body = Bytes::from(body.to_string());
    let request = Request::builder()
        .method(Method::POST)
        .uri(format!("{upstream}{path}"))
        .header("content-type", "application/json")
        // Not every model takes a body in chunks.
        .header("content-length", body.len())
        .body(FullBody::new(body))
        .map_err(|_| {
            error(
                StatusCode::INTERNAL_SERVER_ERROR,
                "the upstream is not set up",
                None,
            )
        })?;
    send(request).await.map_err(|why| {
        eprintln!("the model can't be asked: {why}");
        bad_gateway()
    })
}

/// A whole body, as long as it is within the limit.
async fn read<S, E>(mut pieces: S) -> Result<Bytes, Response<BoxBody>>
where
    S: futures::Stream<Item = Result<Bytes, E>> + Unpin,
{
    let mut body = Vec::new();
    while let Some(piece) = pieces.next().await {
        let piece =
            piece.map_err(|_| error(StatusCode::BAD_REQUEST, "the body broke off", None))?;
        if body.len() + piece.len() > LIMIT {
            return Err(error(
                StatusCode::PAYLOAD_TOO_LARGE,
                "the body is too large",
                None,
            ));
        }
        body.extend_from_slice(&piece);
    }
    Ok(body.into())
}

/// What the rules turn away. A secret that is too short is this app's own mistake.
fn refusal(reason: Reason) -> Response<BoxBody> {
    let status = match &*reason.code {
        "short-secret" => StatusCode::INTERNAL_SERVER_ERROR,
        _ => StatusCode::BAD_REQUEST,
    };
    error(status, &reason.detail, Some(&reason.code))
}

fn not_a_chat() -> Response<BoxBody> {
    error(
        StatusCode::BAD_REQUEST,
        "the body is not a chat request for one choice",
        None,
    )
}

fn bad_gateway() -> Response<BoxBody> {
    error(StatusCode::BAD_GATEWAY, "the model can't be reached", None)
}

fn error(status: StatusCode, message: &str, code: Option<&str>) -> Response<BoxBody> {
    let kind = match status.is_server_error() {
        true => "server_error",
        false => "invalid_request_error",
    };
    let body = json!({"error": {"message": message, "type": kind, "param": null, "code": code}});
    response(status, "application/json", body.to_string().into())
}

fn response(status: StatusCode, kind: &'static str, body: Bytes) -> Response<BoxBody> {
    with_type(status, kind, box_body(FullBody::new(body)))
}

fn with_type(status: StatusCode, kind: &'static str, body: BoxBody) -> Response<BoxBody> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let kind = spin_sdk::http::HeaderValue::from_static(kind);
    response.headers_mut().insert("content-type", kind);
    response
}
