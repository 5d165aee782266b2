//! A client as plain as it gets: one HTTP/1.1 connection, one request after another.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// A connection to `host:port`.
pub(crate) struct Connection {
    authority: String,
    sender: SendRequest<Full<Bytes>>,
}

impl Connection {
    /// Connects to the host of a URL such as `http://127.0.0.1:8080`.
    pub(crate) async fn open(url: &str) -> Result<Self> {
        let authority = url
            .strip_prefix("http://")
            .context("the rig speaks plain HTTP")?
            .trim_end_matches('/');
        let stream = TcpStream::connect(authority)
            .await
            .with_context(|| format!("no connection to {authority}"))?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Self {
            authority: authority.into(),
            sender,
        })
    }

    /// Asks for a page and returns the response's head; its body follows.
    pub(crate) async fn get(&mut self, path: &str) -> Result<Response<Incoming>> {
        let request = Request::get(path)
            .header("host", &self.authority)
            .body(Full::default())?;
        self.sender.ready().await?;
        Ok(self.sender.send_request(request).await?)
    }

    /// Sends a chat completion and returns the response's head; its body follows.
    pub(crate) async fn chat(&mut self, body: String) -> Result<Response<Incoming>> {
        let request = Request::post("/v1/chat/completions")
            .header("host", &self.authority)
            .header("content-type", "application/json")
            .header("authorization", "Bearer sk-test")
            .body(Full::new(Bytes::from(body)))?;
        self.sender.ready().await?;
        Ok(self.sender.send_request(request).await?)
    }
}

/// A chat prompt of 2 KB; `mark` makes it distinct.
pub(crate) fn prompt(mark: &str, stream: bool) -> String {
    let padding = "The quick brown fox jumps over the lazy dog. ".repeat(44);
    format!(
        r#"{{"model":"mock","messages":[{{"role":"system","content":"{padding}"}},{{"role":"user","content":"q {mark}"}}],"temperature":0,"max_tokens":16,"stream":{stream}}}"#
    )
}

/// An answer to a single request.
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// The `Cache-Status` header, empty where there is none.
    pub(crate) cache: String,
    pub(crate) body: Bytes,
}

/// One request on a connection of its own.
pub(crate) async fn ask(url: &str, body: String) -> Result<Answer> {
    let response = Connection::open(url).await?.chat(body).await?;
    let cache = response
        .headers()
        .get("cache-status")
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let (status, cache) = (response.status().as_u16(), cache.to_owned());
    Ok(Answer {
        status,
        cache,
        body: response.into_body().collect().await?.to_bytes(),
    })
}

/// Waits until a server answers a chat completion with 200.
pub(crate) async fn ready(url: &str, limit: Duration) -> Result<()> {
    let end = Instant::now() + limit;
    let mut last = String::from("it was never asked");
    while Instant::now() < end {
        match tokio::time::timeout(Duration::from_secs(5), ask(url, prompt("ready", false))).await {
            Ok(Ok(answer)) if answer.status == 200 => return Ok(()),
            Ok(Ok(answer)) => {
                last = format!(
                    "{} {}",
                    answer.status,
                    String::from_utf8_lossy(&answer.body)
                )
            }
            Ok(Err(error)) => last = format!("{error:#}"),
            Err(_) => last = "no answer within 5 s".into(),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    bail!("{url} was not ready after {} s: {last}", limit.as_secs())
}
