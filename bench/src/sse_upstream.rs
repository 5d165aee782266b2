//! An engine that does nothing but pace: the first event at once, the others at a fixed interval.

use std::convert::Infallible;
use std::time::Duration;

use anyhow::Result;
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

/// How the engine streams.
#[derive(clap::Args, Clone)]
pub(crate) struct Options {
    /// Where it listens.
    #[arg(long)]
    listen: String,
    /// Content events of a stream.
    #[arg(long, default_value_t = 8)]
    events: u64,
    /// Milliseconds between two of them.
    #[arg(long, default_value_t = 1)]
    every_ms: u64,
}

/// Serves until it is killed.
pub(crate) async fn serve(options: Options) -> Result<()> {
    let listener = TcpListener::bind(&options.listen).await?;
    loop {
        let (socket, _) = listener.accept().await?;
        socket.set_nodelay(true)?;
        let options = options.clone();
        let service = service_fn(move |request| answer(options.clone(), request));
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(socket), service));
    }
}

async fn answer(
    options: Options,
    request: Request<Incoming>,
) -> Result<Response<BoxBody<Bytes, Infallible>>, hyper::Error> {
    let body = request.into_body().collect().await?.to_bytes();
    let streams = body.windows(13).any(|word| word == b"\"stream\":true")
        || body.windows(14).any(|word| word == b"\"stream\": true");
    let (kind, body) = if streams {
        ("text/event-stream", events(&options))
    } else {
        (
            "application/json",
            Full::new(Bytes::from_static(COMPLETION)).boxed(),
        )
    };
    let mut response = Response::new(body);
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    Ok(response)
}

const COMPLETION: &[u8] = br#"{"id":"chatcmpl-1","object":"chat.completion","created":1700000000,"model":"mock","choices":[{"index":0,"message":{"role":"assistant","content":"x"},"finish_reason":"stop","logprobs":null}],"usage":{"prompt_tokens":10,"completion_tokens":1,"total_tokens":11}}"#;

/// What the next frame of a stream is.
enum Next {
    Content(u64),
    Finish,
    Done,
}

fn events(options: &Options) -> BoxBody<Bytes, Infallible> {
    let (last, pause) = (options.events, Duration::from_millis(options.every_ms));
    let frames = stream::unfold(Some(Next::Content(0)), move |next| async move {
        let (text, next) = match next? {
            Next::Content(number) => {
                if number > 0 {
                    tokio::time::sleep(pause).await;
                }
                let delta = if number == 0 {
                    r#"{"role":"assistant","content":"tok"}"#
                } else {
                    r#"{"content":" tok"}"#
                };
                (
                    chunk(delta, "null"),
                    if number + 1 < last {
                        Next::Content(number + 1)
                    } else {
                        Next::Finish
                    },
                )
            }
            Next::Finish => (chunk("{}", "\"stop\""), Next::Done),
            Next::Done => return Some((String::from("data: [DONE]\n\n"), None)),
        };
        Some((text, Some(next)))
    });
    BoxBody::new(StreamBody::new(
        frames.map(|text| Ok(Frame::data(Bytes::from(text)))),
    ))
}

fn chunk(delta: &str, finish: &str) -> String {
    format!(
        "data: {{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,\"model\":\"mock\",\
         \"choices\":[{{\"index\":0,\"delta\":{delta},\"logprobs\":null,\"finish_reason\":{finish}}}]}}\n\n"
    )
}
