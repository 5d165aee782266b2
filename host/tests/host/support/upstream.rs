//! An OpenAI-compatible upstream that does as it is told: it answers at once, or streams an event
//! whenever the test lets it, and tells when its client has left.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

/// An upstream on a free port.
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    pub(crate) requests: Arc<AtomicU32>,
    /// Streams wait for what is sent here; closing it ends them.
    pub(crate) events: mpsc::UnboundedSender<Bytes>,
    /// Told when a stream's client has left.
    pub(crate) left: mpsc::UnboundedReceiver<()>,
}

impl Upstream {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(AtomicU32::new(0));
        let (events, feed) = mpsc::unbounded_channel();
        let (gone, left) = mpsc::unbounded_channel();
        let feed = Arc::new(tokio::sync::Mutex::new(Some(feed)));
        let count = requests.clone();
        tokio::spawn(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else {
                    return;
                };
                let (feed, gone, count) = (feed.clone(), gone.clone(), count.clone());
                let service = service_fn(move |request| {
                    answer(request, feed.clone(), gone.clone(), count.clone())
                });
                tokio::spawn(async move {
                    let _ = auto::Builder::new(TokioExecutor::new())
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Self {
            address,
            requests,
            events,
            left,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn asked(&self) -> u32 {
        self.requests.load(SeqCst)
    }
}

/// One event of a chat stream.
pub(crate) fn event(text: &str) -> Bytes {
    format!(
        "data: {{\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{text}\"}},\"finish_reason\":null}}]}}\n\n"
    )
    .into()
}

/// How a chat stream ends.
pub(crate) fn ending() -> Bytes {
    Bytes::from_static(
        b"data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n",
    )
}

const WHOLE: &str = r#"{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"hello"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}"#;

type Feed = Arc<tokio::sync::Mutex<Option<mpsc::UnboundedReceiver<Bytes>>>>;

async fn answer(
    request: Request<Incoming>,
    feed: Feed,
    gone: mpsc::UnboundedSender<()>,
    count: Arc<AtomicU32>,
) -> Result<Response<Reply>, Infallible> {
    use http_body_util::BodyExt as _;
    let body = request
        .into_body()
        .collect()
        .await
        .map(http_body_util::Collected::to_bytes)
        .unwrap_or_default();
    count.fetch_add(1, SeqCst);
    let streamed = String::from_utf8_lossy(&body).contains("\"stream\":true");
    let (kind, reply) = if streamed {
        (
            "text/event-stream",
            Reply::Stream {
                feed: feed.lock().await.take(),
                gone,
            },
        )
    } else {
        ("application/json", Reply::Whole(Some(WHOLE.into())))
    };
    Ok(Response::builder()
        .header("content-type", kind)
        .body(reply)
        .unwrap())
}

enum Reply {
    Whole(Option<Bytes>),
    Stream {
        feed: Option<mpsc::UnboundedReceiver<Bytes>>,
        gone: mpsc::UnboundedSender<()>,
    },
}

impl Body for Reply {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match &mut *self {
            Self::Whole(body) => Poll::Ready(body.take().map(|body| Ok(Frame::data(body)))),
            Self::Stream {
                feed: Some(feed), ..
            } => feed
                .poll_recv(cx)
                .map(|event| event.map(|event| Ok(Frame::data(event)))),
            Self::Stream { feed: None, .. } => Poll::Ready(None),
        }
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        if let Self::Stream { gone, .. } = self {
            let _ = gone.send(());
        }
    }
}
