//! What the pipeline needs of the place it runs in: tasks, timers, one HTTP client call, a store.
//!
//! On tokio futures are `Send`; on WASI they need not be. [`MaybeSend`] says which.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use forebay_dialect::Request;
use forebay_dialect::exchange::Fetched;
use futures_core::Stream;

use crate::config::MediaConfig;
use crate::memo::Remembered;
use crate::observe::Observation;
use crate::policy::Policies;
use crate::state::{MemoryStates, States};
use crate::store::Store;

mod socket;

pub use socket::{Closing, Message, OpenSocket, Socket, SocketFault, SocketWriter};

#[cfg(not(target_family = "wasm"))]
mod bounds {
    /// `Send` where the platform has threads.
    pub trait MaybeSend: Send {}
    impl<T: Send + ?Sized> MaybeSend for T {}
    /// `Sync` where the platform has threads.
    pub trait MaybeSync: Sync {}
    impl<T: Sync + ?Sized> MaybeSync for T {}
    /// A boxed future.
    pub type BoxFuture<'a, T> = std::pin::Pin<Box<dyn Future<Output = T> + Send + 'a>>;
    /// A boxed stream.
    pub type BoxStream<'a, T> = std::pin::Pin<Box<dyn futures_core::Stream<Item = T> + Send + 'a>>;
}
#[cfg(target_family = "wasm")]
mod bounds {
    /// `Send` where the platform has threads.
    pub trait MaybeSend {}
    impl<T: ?Sized> MaybeSend for T {}
    /// `Sync` where the platform has threads.
    pub trait MaybeSync {}
    impl<T: ?Sized> MaybeSync for T {}
    /// A boxed future.
    pub type BoxFuture<'a, T> = std::pin::Pin<Box<dyn Future<Output = T> + 'a>>;
    /// A boxed stream.
    pub type BoxStream<'a, T> = std::pin::Pin<Box<dyn futures_core::Stream<Item = T> + 'a>>;
}
pub use bounds::{BoxFuture, BoxStream, MaybeSend, MaybeSync};

/// The system's monotonic clock, for platforms that have no other.
#[allow(clippy::disallowed_methods, reason = "it is the one place")]
pub(crate) fn system_clock() -> Instant {
    Instant::now()
}

/// The system's wall clock, for platforms that have no other, and for stores, which know no platform.
#[allow(clippy::disallowed_methods, reason = "it is the one place")]
pub(crate) fn system_wall() -> SystemTime {
    SystemTime::now()
}

/// One place the gateway runs in.
pub trait Platform: MaybeSend + MaybeSync + Sized + 'static {
    /// The policies' runtime.
    type Policies: Policies;
    /// Where recordings rest.
    type Store: Store;

    /// Whether it can hand an upstream's body to a client as it is ([`NativeBody`]).
    fn passes_bodies(&self) -> bool {
        false
    }

    /// Whether it can carry WebSockets ([`OpenSocket`]).
    fn carries_sockets(&self) -> bool {
        false
    }

    /// Runs a task to its end, detached. It may outlive the request that started it.
    fn spawn(&self, task: impl Future<Output = ()> + MaybeSend + 'static);

    /// Resolves after `duration`.
    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + MaybeSend + 'static;

    /// The monotonic clock, which all limits of time go by. Tests turn it.
    fn now(&self) -> Instant {
        system_clock()
    }

    /// The wall clock, for what is stored and told.
    fn wall(&self) -> SystemTime {
        system_wall()
    }

    /// Whether requests are traced: then each gets a span of its own, which upstreams are told as
    /// their parent.
    fn traces(&self) -> bool {
        false
    }

    /// 128 random bits, for identifiers.
    fn random(&self) -> [u8; 16];

    /// Sends one request and resolves when the response's head has come. With the extension
    /// [`FreshConnection`] it goes over a connection of its own, with [`OpenSocket`] it opens a
    /// WebSocket. It follows no redirects, sends no header that it was not given but `host` and framing, and
    /// dropping the future or the body cancels the exchange at once.
    fn send(
        &self,
        request: http::Request<Bytes>,
        upstream: &UpstreamTransport,
    ) -> impl Future<Output = Result<http::Response<UpstreamBody>, TransportError>> + MaybeSend + 'static;

    /// Fetches a medium that a prompt names by URL, for an upstream that takes bytes only. It
    /// follows no redirect, and goes only where `rules` allow: the host by name, and then every
    /// address that the name stands for. The error is a sentence for the client.
    fn fetch_media(
        &self,
        url: &str,
        rules: &MediaConfig,
    ) -> impl Future<Output = Result<Fetched, String>> + MaybeSend + 'static {
        let _ = (url, rules);
        std::future::ready(Err(
            "this platform can't fetch media that prompts name by URL".to_owned(),
        ))
    }

    /// The tokens of a prompt, as the engines of an upstream will read it; `model` is the name
    /// that the upstream knows. None where they are not known exactly: then the prompt is compared
    /// in blocks of text. It is asked once for each upstream whose engines' caches are followed,
    /// before one is ranked. Never for token ids: those are the prompt. `tenant` is whose prompt it is,
    /// as in [`Platform::aside`].
    fn prompt_tokens(
        &self,
        tenant: &Arc<str>,
        upstream: &Arc<str>,
        model: &str,
        request: &Arc<Request>,
    ) -> impl Future<Output = Option<Arc<[u32]>>> + MaybeSend + 'static {
        let _ = (tenant, upstream, model, request);
        std::future::ready(None)
    }

    /// Does work that keeps a core busy for long, apart from what must answer soon. Where a platform
    /// has threads, some of them are kept for it; how many of these works run at once is bounded, and
    /// tenants that wait take turns.
    fn aside<T: MaybeSend + 'static>(
        &self,
        tenant: &Arc<str>,
        work: impl Future<Output = T> + MaybeSend + 'static,
    ) -> impl Future<Output = T> + MaybeSend + 'static {
        let _ = tenant;
        work
    }

    /// A share of the memory that bodies may take, for an answer that is gathered whole. Where a platform
    /// counts no memory it has no end.
    fn share(&self) -> Box<dyn MemoryShare> {
        Box::new(Endless)
    }

    /// Where limits, budgets, rests and ejections are kept; asked once. By default each gateway has its
    /// own.
    fn states(&self) -> Arc<dyn States> {
        Arc::new(MemoryStates::default())
    }

    /// Takes note of what happened: metrics, logs, traces. Must not block.
    fn observe(&self, observation: Observation);

    /// Whether it has a memo of decisions. Where it has none, requests get no name in it.
    fn has_memo(&self) -> bool {
        true
    }

    /// A remembered decision, where the platform has a memo.
    fn recall(&self, id: &[u8; 32]) -> Option<Arc<Remembered>> {
        let _ = id;
        None
    }

    /// Remembers a decision, where the platform has a memo. The memo is bounded.
    fn remember(&self, id: [u8; 32], decision: Arc<Remembered>) {
        let _ = (id, decision);
    }
}

/// A share of the memory that bodies may take: it grows with what is gathered, and goes with its last copy.
pub trait MemoryShare: MaybeSend + 'static {
    /// Takes so many bytes more. False where there is no room: then nothing more may be gathered.
    fn grow(&mut self, bytes: usize) -> bool;
    /// Gives so many bytes back.
    fn shrink(&mut self, bytes: usize);
    /// Whether there is room for what nobody waits for: at most half of all memory is taken. The rest is
    /// for bodies without which a request can't go on.
    fn is_spare(&self) -> bool;
    /// The body, which has the share from now on.
    fn seal(self: Box<Self>, body: Bytes) -> Bytes;
}

/// A share without an end.
struct Endless;

impl MemoryShare for Endless {
    fn grow(&mut self, _: usize) -> bool {
        true
    }

    fn shrink(&mut self, _: usize) {}

    fn is_spare(&self) -> bool {
        true
    }

    fn seal(self: Box<Self>, body: Bytes) -> Bytes {
        body
    }
}

/// In a request's extensions: it goes over a connection of its own. It failed before, perhaps over
/// one that had been kept too long, or it is to find out whether connections can be made.
#[derive(Debug, Clone, Copy)]
pub struct FreshConnection;

/// How connections to one upstream are made. Two upstreams share a connection only when this is equal.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct UpstreamTransport {
    /// How long establishing a connection may take.
    pub connect_timeout: Duration,
    /// How long a connection is used: a request that finds it older is its last.
    pub connection_age: Duration,
    /// Speak HTTP/2 without TLS from the first byte.
    pub h2c: bool,
    /// A file of certificates to trust instead of the system's, in PEM.
    pub ca_file: Option<String>,
    /// The gateway's own certificate, where the upstream asks for one.
    pub client_tls: Option<crate::config::ClientTls>,
}

/// The body of an upstream's response: pieces, or what the platform itself has, until it is read.
pub struct UpstreamBody(Source);

enum Source {
    Pieces(BoxStream<'static, Result<Bytes, TransportError>>),
    Native(Option<Box<dyn NativeBody>>),
    Socket(Option<Socket>),
}

/// A platform's own body. Taken as it is, it goes to the client without a copy through this program.
pub trait NativeBody: MaybeSend + 'static {
    /// Reads it after all.
    fn read(self: Box<Self>) -> BoxStream<'static, Result<Bytes, TransportError>>;
    /// For the platform to find its own type again.
    fn into_any(self: Box<Self>) -> Box<dyn Any>;
}

impl UpstreamBody {
    /// A body that comes in pieces.
    pub fn new(pieces: BoxStream<'static, Result<Bytes, TransportError>>) -> Self {
        Self(Source::Pieces(pieces))
    }

    /// A body of the platform's.
    pub fn native(body: Box<dyn NativeBody>) -> Self {
        Self(Source::Native(Some(body)))
    }

    /// The WebSocket that an upstream has opened: what stands for the body of its 101.
    pub fn socket(socket: Socket) -> Self {
        Self(Source::Socket(Some(socket)))
    }

    /// The WebSocket, where it is one.
    pub fn into_socket(self) -> Option<Socket> {
        match self.0 {
            Source::Socket(socket) => socket,
            _ => None,
        }
    }

    /// The platform's body, unless it has been read.
    pub fn into_native(self) -> Result<Box<dyn Any>, Self> {
        match self.0 {
            Source::Native(Some(body)) => Ok(body.into_any()),
            other => Err(Self(other)),
        }
    }
}

impl fmt::Debug for UpstreamBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UpstreamBody")
    }
}

impl Stream for UpstreamBody {
    type Item = Result<Bytes, TransportError>;
    fn poll_next(
        mut self: Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        if let Source::Native(body) = &mut self.0 {
            let Some(body) = body.take() else {
                return std::task::Poll::Ready(None);
            };
            self.0 = Source::Pieces(body.read());
        }
        match &mut self.0 {
            Source::Pieces(pieces) => pieces.as_mut().poll_next(cx),
            Source::Native(_) | Source::Socket(_) => std::task::Poll::Ready(None),
        }
    }
}

/// Where in an exchange the transport failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TransportFailure {
    /// No connection: refused, unreachable, name not found, TLS handshake.
    Connect,
    /// The connection broke before the response's head.
    Reset,
    /// Nothing was answered, and the upstream need not be at fault: a kept connection had closed, or
    /// took no more requests. It may be sent again at once as a [`FreshConnection`].
    Stale,
    /// The connection broke within the response's body.
    Body,
    /// What came is no HTTP.
    Protocol,
    /// The gateway's own side is not in order, such as a certificate's file. The detail is for the
    /// operator alone.
    Setup,
}

/// The transport failed.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{detail}")]
pub struct TransportError {
    /// Where.
    pub failure: TransportFailure,
    /// What, without addresses of peers' peers or secrets.
    pub detail: String,
}
