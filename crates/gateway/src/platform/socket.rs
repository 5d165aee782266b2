//! A WebSocket as the pipeline sees it (RFC 6455): whole messages in, whole messages out.

use bytes::Bytes;

use super::{BoxFuture, BoxStream, MaybeSend};

/// In a request's extensions: it opens a WebSocket. The platform adds the headers of the
/// handshake, and checks the answer to it.
#[derive(Debug, Clone, Copy)]
pub struct OpenSocket {
    /// The largest message that may come, in bytes.
    pub max_message: usize,
}

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// Text, which is UTF-8.
    Text(Bytes),
    /// Bytes.
    Binary(Bytes),
    /// A question whether the other side is there. The platform answers it.
    Ping,
    /// The answer to one.
    Pong,
    /// The other side ends the connection.
    Close(Option<Closing>),
}

/// Why a connection ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closing {
    /// The status code (RFC 6455, section 7.4).
    pub code: u16,
    /// A sentence of at most 123 bytes.
    pub reason: String,
}

/// Why nothing more can be read or sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SocketFault {
    /// The connection broke.
    #[error("the connection broke")]
    Gone,
    /// What came is not WebSocket.
    #[error("a frame is malformed")]
    Protocol,
    /// A text message is not UTF-8.
    #[error("a text message is not valid UTF-8")]
    Text,
    /// A message is over the limit.
    #[error("a message is too large")]
    TooLarge,
    /// There is no memory for the message.
    #[error("there is no memory left for messages (limits.memory)")]
    NoMemory,
}

/// An open WebSocket.
pub struct Socket {
    /// What comes.
    pub reader: BoxStream<'static, Result<Message, SocketFault>>,
    /// Where what goes out is put.
    pub writer: Box<dyn SocketWriter>,
}

/// The way out of a WebSocket.
pub trait SocketWriter: MaybeSend + 'static {
    /// Sends one message, and waits until the system has taken it.
    fn send(&mut self, message: Message) -> BoxFuture<'_, Result<(), SocketFault>>;
}
