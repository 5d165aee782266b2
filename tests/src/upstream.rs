//! Upstreams that do just what a test tells them, byte by byte: the ones that no server would be.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Semaphore;

use crate::config::Config;
use crate::wait::eventually;

/// An upstream that hands each request to a script.
#[derive(Debug)]
pub struct Scripted {
    addr: SocketAddr,
    received: Arc<Mutex<Vec<Received>>>,
    gone: Arc<AtomicUsize>,
    accepting: tokio::task::JoinHandle<()>,
}

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Received {
    /// Its head, in lower case.
    pub head: String,
    /// Its body.
    pub body: Vec<u8>,
}

/// A request and the socket on which to answer it. Dropping it closes the connection.
#[derive(Debug)]
pub struct Call {
    /// The request.
    pub request: Received,
    /// Its number, from 0.
    pub number: usize,
    socket: TcpStream,
    gone: Arc<AtomicUsize>,
}

impl Scripted {
    /// Starts one. Each connection carries one request.
    pub async fn start<F: Future<Output = ()> + Send + 'static>(
        script: impl Fn(Call) -> F + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let addr = listener.local_addr().expect("an address");
        let received = Arc::new(Mutex::new(Vec::new()));
        let gone = Arc::new(AtomicUsize::new(0));
        let (log, left, script) = (Arc::clone(&received), Arc::clone(&gone), Arc::new(script));
        let accepting = tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                let (log, left, script) =
                    (Arc::clone(&log), Arc::clone(&left), Arc::clone(&script));
                tokio::spawn(async move {
                    let Some(request) = read_request(&mut socket).await else {
                        return;
                    };
                    let number = {
                        let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
                        log.push(request.clone());
                        log.len() - 1
                    };
                    script(Call {
                        request,
                        number,
                        socket,
                        gone: left,
                    })
                    .await;
                });
            }
        });
        Self {
            addr,
            received,
            gone,
            accepting,
        }
    }

    /// One that answers every request with these bytes and closes.
    pub async fn saying(bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = Arc::new(bytes.into());
        Self::start(move |mut call| {
            let bytes = Arc::clone(&bytes);
            async move { call.send(bytes.as_slice()).await }
        })
        .await
    }

    /// Its base URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// A configuration with it as the only upstream, named `scripted`.
    #[must_use]
    pub fn behind(&self, text: &str) -> Config {
        Config::new(text).upstream("scripted", &self.url(), "")
    }

    /// Every request so far.
    #[must_use]
    pub fn received(&self) -> Vec<Received> {
        self.received
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// How many there were.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.received().len()
    }

    /// Waits for so many requests.
    pub async fn called(&self, times: usize) {
        let what = format!("{times} requests to an upstream");
        eventually(&what, || async { (self.calls() >= times).then_some(()) }).await;
    }

    /// Waits until so many clients have left before their answer's end (see [`Call::until_gone`]).
    pub async fn cancelled(&self, times: usize) {
        let what = format!("{times} cancelled requests at an upstream");
        eventually(&what, || async {
            (self.gone.load(SeqCst) >= times).then_some(())
        })
        .await;
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Received {
    /// The body as JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("upstreams get JSON")
    }

    /// A header, in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(':'));
        lines
            .find(|(found, _)| *found == name)
            .map(|(_, value)| value.trim())
    }
}

impl Call {
    /// Sends bytes.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.socket.write_all(bytes.as_ref()).await;
    }

    /// A whole answer.
    pub async fn answer(&mut self, status: &str, media: &str, body: &str) {
        self.send(response(status, media, body)).await;
    }

    /// The head of an event stream that ends with the connection.
    pub async fn begin_stream(&mut self) {
        self.send(
            "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n",
        )
        .await;
    }

    /// Resets the connection.
    pub fn reset(self) {
        #[allow(
            deprecated,
            reason = "a linger of zero never blocks, it is how a reset is made"
        )]
        let _ = self.socket.set_linger(Some(Duration::ZERO));
    }

    /// Waits until the other side has closed, which counts as a cancelled request.
    pub async fn until_gone(mut self) {
        let mut piece = [0; 1024];
        while self.socket.read(&mut piece).await.is_ok_and(|n| n > 0) {}
        self.gone.fetch_add(1, SeqCst);
    }
}

/// A response with its length.
#[must_use]
pub fn response(status: &str, media: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: {media}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
}

/// An event stream of these pieces, whole.
#[must_use]
pub fn stream_of(pieces: &[String]) -> String {
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n{}",
        pieces.concat()
    )
}

async fn read_request(socket: &mut TcpStream) -> Option<Received> {
    let mut seen = Vec::new();
    let mut piece = [0; 16 << 10];
    loop {
        let n = socket.read(&mut piece).await.ok().filter(|n| *n > 0)?;
        seen.extend_from_slice(&piece[..n]);
        let Some(at) = seen.windows(4).position(|w| w == b"\r\n\r\n") else {
            continue;
        };
        let head = String::from_utf8_lossy(&seen[..at]).to_lowercase();
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length:"));
        let length = length
            .and_then(|v| v.trim().parse::<usize>().ok())
            .unwrap_or(0);
        if seen.len() >= at + 4 + length {
            let body = seen[at + 4..at + 4 + length].to_vec();
            return Some(Received { head, body });
        }
    }
}

/// Lets a script go on one step at a time.
#[derive(Debug, Clone)]
pub struct Gate(Arc<Semaphore>);

impl Default for Gate {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(0)))
    }
}

impl Gate {
    /// Lets so many steps through.
    pub fn open(&self, steps: usize) {
        self.0.add_permits(steps);
    }

    /// Waits to be let through.
    pub async fn pass(&self) {
        if let Ok(permit) = self.0.acquire().await {
            permit.forget();
        }
    }
}

/// An address that refuses connections for as long as the socket lives: bound, but not listening.
///
/// # Panics
/// If there is no free port.
#[must_use]
pub fn refused() -> (String, TcpSocket) {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket
        .bind(SocketAddr::from(([127, 0, 0, 1], 0)))
        .expect("a free port");
    let url = format!("http://{}", socket.local_addr().expect("an address"));
    (url, socket)
}
