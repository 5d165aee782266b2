//! A socket of one's own, for what no HTTP library would send, and for seeing how it is answered.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use crate::wait::within;

/// A connection.
#[derive(Debug)]
pub struct Raw {
    socket: TcpStream,
    seen: Vec<u8>,
}

/// A response, or what came instead.
#[derive(Debug, Clone)]
pub struct RawReply {
    /// Its status; 0 where the connection ended without one.
    pub status: u16,
    /// The head as text.
    pub head: String,
    /// The body as text.
    pub body: String,
}

impl Raw {
    /// Connects.
    pub async fn connect(addr: SocketAddr) -> Self {
        let socket = TcpStream::connect(addr).await.expect("the gateway accepts");
        socket
            .set_nodelay(true)
            .expect("an option that every socket has");
        Self {
            socket,
            seen: Vec::new(),
        }
    }

    /// Connects from an address of this machine's own, such as 127.0.0.2.
    pub async fn connect_from(addr: SocketAddr, from: &str) -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        let from = SocketAddr::new(from.parse().expect("an address"), 0);
        socket.bind(from).expect("an address of loopback");
        let socket = socket.connect(addr).await.expect("the gateway accepts");
        Self {
            socket,
            seen: Vec::new(),
        }
    }

    /// Sends HTTP/2 PINGs, each after the answer to the last, until the other side closes.
    pub async fn pings_until_closed(&mut self) {
        let pinging = async {
            let mut pace = tokio::time::interval(std::time::Duration::from_millis(10));
            loop {
                pace.tick().await;
                self.send(b"\x00\x00\x08\x06\x00\x00\x00\x00\x00forebay!")
                    .await;
                if !self.more().await {
                    return;
                }
            }
        };
        within("the end of a connection that only pings", pinging).await;
    }

    /// Sends bytes. That the other side has closed is no error here.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.socket.write_all(bytes.as_ref()).await;
    }

    /// Closes its own half: nothing more is sent, what comes is still read.
    pub async fn finish_sending(&mut self) {
        let _ = self.socket.shutdown().await;
    }

    /// Sends a chat request whole.
    pub async fn post(&mut self, body: &str) {
        let head = format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        self.send(head + body).await;
    }

    /// Reads one response: by its length, or to the end of the connection.
    pub async fn reply(&mut self) -> RawReply {
        within("a response on a raw connection", self.read_reply()).await
    }

    async fn read_reply(&mut self) -> RawReply {
        let none = RawReply {
            status: 0,
            head: String::new(),
            body: String::new(),
        };
        let head = loop {
            if let Some(at) = self.seen.windows(4).position(|w| w == b"\r\n\r\n") {
                let rest = self.seen.split_off(at + 4);
                break std::mem::replace(&mut self.seen, rest);
            }
            if !self.more().await {
                return none;
            }
        };
        let head = String::from_utf8_lossy(&head).into_owned();
        let status = head
            .split(' ')
            .nth(1)
            .and_then(|code| code.parse().ok())
            .unwrap_or(0);
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length")
                .then(|| value.trim().parse::<usize>().ok())?
        });
        while length.is_none_or(|length| self.seen.len() < length) && self.more().await {}
        let rest = self
            .seen
            .split_off(length.unwrap_or(self.seen.len()).min(self.seen.len()));
        let body = std::mem::replace(&mut self.seen, rest);
        RawReply {
            status,
            head,
            body: String::from_utf8_lossy(&body).into_owned(),
        }
    }

    /// Reads until `text` has come.
    pub async fn read_until(&mut self, text: &str) {
        let reading = async {
            while !self.seen.windows(text.len()).any(|w| w == text.as_bytes()) {
                assert!(self.more().await, "the connection ended before \"{text}\"");
            }
        };
        within(text, reading).await;
    }

    /// Reads one frame of HTTP/2, as its kind and its payload; none where the connection has ended.
    pub async fn frame(&mut self) -> Option<(u8, Vec<u8>)> {
        let reading = async {
            loop {
                if let [a, b, c, kind, ..] = self.seen[..] {
                    let end = 9 + u32::from_be_bytes([0, a, b, c]) as usize;
                    if self.seen.len() >= end {
                        let rest = self.seen.split_off(end);
                        let frame = std::mem::replace(&mut self.seen, rest);
                        return Some((kind, frame[9..].to_vec()));
                    }
                }
                if !self.more().await {
                    return None;
                }
            }
        };
        within("a frame of HTTP/2", reading).await
    }

    /// Waits until the other side has closed.
    pub async fn closed(&mut self) {
        within("the end of a connection", async {
            while self.more().await {}
        })
        .await;
    }

    async fn more(&mut self) -> bool {
        let mut piece = [0; 16 << 10];
        match self.socket.read(&mut piece).await {
            Ok(n) if n > 0 => {
                self.seen.extend_from_slice(&piece[..n]);
                true
            }
            _ => false,
        }
    }
}
