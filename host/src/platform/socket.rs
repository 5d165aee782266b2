//! WebSockets: the handshake with upstreams, and messages over a connection whose handshake is done.
//!
//! What has come of a message counts against `limits.memory` until the message is dealt with.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use forebay_gateway::platform::{
    BoxFuture, Closing, MemoryShare as _, Message, OpenSocket, Socket, SocketFault, SocketWriter,
    TransportError, TransportFailure, UpstreamBody,
};
use futures_util::stream::SplitSink;
use futures_util::{SinkExt as _, Stream, StreamExt as _};
use http::header::{
    CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::{HeaderValue, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{self, Utf8Bytes};

use super::share::Share;
use super::transport::Pool;
use super::{body, failure};
use crate::listener::Held;

/// What a server adds to a key before it hashes it (RFC 6455, section 1.3).
const SALT: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// What is read at a time. Most events are smaller, and a connection keeps its buffer for life.
const BUFFER: usize = 8 << 10;

/// The answer to the key of a handshake.
pub(crate) fn accept(key: &[u8]) -> String {
    let mut hash = ring::digest::Context::new(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY);
    hash.update(key);
    hash.update(SALT);
    STANDARD.encode(hash.finish())
}

/// Opens a WebSocket at an upstream. Any answer but 101 is handed on as it is.
pub(super) async fn open(
    client: &Pool,
    mut request: http::Request<Bytes>,
    wish: OpenSocket,
    held: Arc<Held>,
) -> Result<http::Response<UpstreamBody>, TransportError> {
    let key = STANDARD.encode(rand::random::<[u8; 16]>());
    let headers = request.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
    if let Ok(key) = HeaderValue::from_str(&key) {
        headers.insert(SEC_WEBSOCKET_KEY, key);
    }
    let response = client.request(request.map(Into::into)).await;
    let mut response = response.map_err(|error| failure::of_request(&error))?;
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        return Ok(body::upstream_response(response, None));
    }
    let answer = response.headers().get(SEC_WEBSOCKET_ACCEPT);
    if answer.is_none_or(|answer| answer.as_bytes() != accept(key.as_bytes()).as_bytes()) {
        return Err(no_socket("sec-websocket-accept does not fit the key"));
    }
    let upgraded = hyper::upgrade::on(&mut response).await;
    let upgraded = upgraded.map_err(|_| no_socket("the connection could not be taken over"))?;
    let io = TokioIo::new(upgraded);
    let socket = socket(io, Role::Client, wish.max_message, held).await;
    let (head, _) = response.into_parts();
    Ok(http::Response::from_parts(
        head,
        UpstreamBody::socket(socket),
    ))
}

fn no_socket(why: &str) -> TransportError {
    TransportError {
        failure: TransportFailure::Protocol,
        detail: format!("the WebSocket handshake failed: {why}"),
    }
}

/// The server's side of a WebSocket whose handshake is done.
pub(crate) async fn serve(
    io: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    max_message: usize,
    held: Arc<Held>,
) -> Socket {
    socket(io, Role::Server, max_message, held).await
}

async fn socket<T: AsyncRead + AsyncWrite + Send + Unpin + 'static>(
    io: T,
    role: Role,
    max_message: usize,
    held: Arc<Held>,
) -> Socket {
    let held = Arc::new(Mutex::new(Coming {
        share: Share::of(&held),
        held,
    }));
    let config = WebSocketConfig::default()
        .read_buffer_size(BUFFER)
        .write_buffer_size(0)
        .max_message_size(Some(max_message))
        .max_frame_size(Some(max_message));
    let io = Counted {
        io,
        coming: held.clone(),
    };
    let (writer, reader) = WebSocketStream::from_raw_socket(io, role, Some(config))
        .await
        .split();
    let reader = Reader {
        messages: Box::pin(reader),
        coming: held,
        came: false,
    };
    Socket {
        reader: Box::pin(reader),
        writer: Box::new(Writer(writer)),
    }
}

/// What has come of the next message.
struct Coming {
    share: Share,
    held: Arc<Held>,
}

/// A connection whose bytes are counted as they come.
struct Counted<T> {
    io: T,
    coming: Arc<Mutex<Coming>>,
}

impl<T: AsyncRead + Unpin> AsyncRead for Counted<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.io).poll_read(cx, buf))?;
        let came = buf.filled().len() - before;
        let mut coming = self.coming.lock().unwrap_or_else(PoisonError::into_inner);
        match coming.share.grow(came) {
            true => Poll::Ready(Ok(())),
            false => Poll::Ready(Err(io::ErrorKind::OutOfMemory.into())),
        }
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Counted<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

type Messages = dyn Stream<Item = Result<tungstenite::Message, tungstenite::Error>> + Send;

struct Reader {
    messages: Pin<Box<Messages>>,
    coming: Arc<Mutex<Coming>>,
    /// A message was given out: it is dealt with when the next is asked for.
    came: bool,
}

impl Stream for Reader {
    type Item = Result<Message, SocketFault>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if std::mem::take(&mut self.came) {
            let mut coming = self.coming.lock().unwrap_or_else(PoisonError::into_inner);
            coming.share = Share::of(&coming.held);
        }
        loop {
            let Some(message) = ready!(self.messages.as_mut().poll_next(cx)) else {
                return Poll::Ready(None);
            };
            let message = match message {
                Ok(message) => message,
                Err(error) => return Poll::Ready(Some(Err(fault(&error)))),
            };
            self.came = true;
            return Poll::Ready(Some(Ok(match message {
                tungstenite::Message::Text(text) => Message::Text(text.into()),
                tungstenite::Message::Binary(bytes) => Message::Binary(bytes),
                tungstenite::Message::Ping(_) => Message::Ping,
                tungstenite::Message::Pong(_) => Message::Pong,
                tungstenite::Message::Close(frame) => Message::Close(frame.map(|frame| Closing {
                    code: frame.code.into(),
                    reason: frame.reason.to_string(),
                })),
                tungstenite::Message::Frame(_) => continue,
            })));
        }
    }
}

fn fault(error: &tungstenite::Error) -> SocketFault {
    use tungstenite::Error;
    match error {
        Error::Io(error) if error.kind() == io::ErrorKind::OutOfMemory => SocketFault::NoMemory,
        Error::Capacity(_) => SocketFault::TooLarge,
        Error::Utf8(_) => SocketFault::Text,
        // A connection that ends without taking leave is told as a violation of the protocol.
        Error::Protocol(tungstenite::error::ProtocolError::ResetWithoutClosingHandshake) => {
            SocketFault::Gone
        }
        Error::Protocol(_) => SocketFault::Protocol,
        _ => SocketFault::Gone,
    }
}

struct Writer<T>(SplitSink<WebSocketStream<T>, tungstenite::Message>);

impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> SocketWriter for Writer<T> {
    fn send(&mut self, message: Message) -> BoxFuture<'_, Result<(), SocketFault>> {
        Box::pin(async move {
            let message = match message {
                Message::Text(text) => {
                    let text = Utf8Bytes::try_from(text).map_err(|_| SocketFault::Text)?;
                    tungstenite::Message::Text(text)
                }
                Message::Binary(bytes) => tungstenite::Message::Binary(bytes),
                Message::Ping => tungstenite::Message::Ping(Bytes::new()),
                Message::Pong => tungstenite::Message::Pong(Bytes::new()),
                Message::Close(closing) => tungstenite::Message::Close(closing.and_then(frame)),
            };
            self.0.send(message).await.map_err(|error| fault(&error))
        })
    }
}

/// A frame that ends a connection. Codes that only programs tell each other about themselves, such
/// as "no code came", are none of a frame's.
fn frame(closing: Closing) -> Option<CloseFrame> {
    let code = tungstenite::protocol::frame::coding::CloseCode::from(closing.code);
    code.is_allowed().then(|| CloseFrame {
        code,
        reason: closing.reason.into(),
    })
}
