//! Follows one engine's KV events: subscribes, fills gaps from the engine's replay socket, sees
//! restarts, and applies what arrives to an [`Index`].
//!
//! ```no_run
//! use std::sync::{Arc, RwLock};
//! use forebay_kv_feed::{Source, follow};
//! use forebay_prefix_index::{Index, Naming};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let mut index = Index::new(Naming::Routed { block_size: 16, scope: 7 });
//! let worker = index.add_worker(None)?;
//! let source = Source {
//!     events: "tcp://10.0.0.7:5557".to_owned(),
//!     replay: Some("tcp://10.0.0.7:5558".to_owned()),
//!     topic: String::new(),
//!     idle: forebay_kv_feed::IDLE,
//! };
//! // Runs until it is dropped.
//! tokio::spawn(follow(source, Arc::new(RwLock::new(index)), worker));
//! # Ok(())
//! # }
//! ```

mod message;
mod replay;
mod stream;

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use forebay_prefix_index::{Index, WorkerId};
use futures_util::StreamExt as _;
use zeromq::{Socket as _, SocketEvent, SocketRecv as _, SubSocket};

pub use message::{Message, MessageError};
use stream::Stream;

/// Before the second attempt to connect, and between later ones at most. An engine loads its model
/// for minutes; nobody waits for the first event after that.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(5);

/// Where an engine publishes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The PUB socket: `tcp://HOST:PORT`. vLLM: the port of `--kv-events-config`, plus the
    /// data-parallel rank.
    pub events: String,
    /// The ROUTER socket that replays, if there is one.
    pub replay: Option<String>,
    /// The topic. Empty: all.
    pub topic: String,
    /// After so long without an event the connection is made anew: an engine that went away without
    /// a word leaves one that looks alive. Nothing is lost by it where there is a replay. See
    /// [`IDLE`].
    pub idle: Duration,
}

/// The usual [`Source::idle`]: an engine in use stores blocks more often, and one that is not has
/// nothing to miss.
pub const IDLE: Duration = Duration::from_secs(30);

/// Follows an engine until dropped. Nothing that an engine sends or does not send ends it: what is
/// wrong shows in the worker's state.
pub async fn follow(source: Source, index: Arc<RwLock<Index>>, worker: WorkerId) {
    let mut stream = Stream::new(worker);
    let mut pause = BACKOFF.0;
    loop {
        match tokio::time::timeout(CONNECT, subscribe(&source)).await {
            Ok(Ok(socket)) => {
                pause = BACKOFF.0;
                receive(socket, &source, &index, &mut stream).await;
                stream.interrupted();
            }
            Ok(Err(error)) => {
                tracing::debug!(endpoint = source.events, %error, "no KV events");
                stream.interrupted();
                write(&index).unreachable(worker);
            }
            Err(_) => {
                tracing::debug!(endpoint = source.events, "no KV events: timed out");
                stream.interrupted();
                write(&index).unreachable(worker);
            }
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(BACKOFF.1);
    }
}

async fn subscribe(source: &Source) -> Result<SubSocket, zeromq::ZmqError> {
    let mut socket = SubSocket::new();
    socket.connect(&source.events).await?;
    socket.subscribe(&source.topic).await?;
    Ok(socket)
}

/// Takes messages until the socket fails.
async fn receive(
    mut socket: SubSocket,
    source: &Source,
    index: &RwLock<Index>,
    stream: &mut Stream,
) {
    // The socket connects again by itself: only its monitor tells that it had to.
    let mut monitor = socket.monitor();
    loop {
        let received = tokio::select! {
            received = tokio::time::timeout(source.idle, socket.recv()) => received,
            Some(event) = monitor.next() => {
                told(&event, stream, index);
                continue;
            }
        };
        let frames = match received {
            Err(_) => return,
            Ok(Ok(message)) => message.into_vec(),
            Ok(Err(error)) => {
                tracing::debug!(endpoint = source.events, %error, "KV events interrupted");
                return;
            }
        };
        let message = match Message::decode(&frames) {
            Ok(message) => message,
            Err(error) => {
                let count = stream.malformed(&mut write(index));
                // A peer of another version sends nothing else: a line for each would fill the log.
                if count.is_power_of_two() {
                    tracing::warn!(endpoint = source.events, %error, count, "KV events can't be used");
                }
                continue;
            }
        };
        let before = stream.last();
        let Some(mut missing) = stream.arrived(&message, &mut write(index)) else {
            continue;
        };
        // The socket keeps what arrives meanwhile; a replay is bounded in time and size.
        let mut replayed = Vec::new();
        if let Some(endpoint) = &source.replay {
            // The last batch before the gap is asked for too: a new engine has another under its
            // number.
            let from = before.map_or(missing.start, |(number, _)| number.min(missing.start));
            replayed = replay::fetch(endpoint, from..missing.end).await;
            if stream::is_another_engine(before, &replayed) {
                write(index).begins(stream.worker());
                missing.start = 0;
                replayed = replay::fetch(endpoint, missing.clone()).await;
            }
        }
        stream.replayed(missing, replayed, message, &mut write(index));
    }
}

/// Takes note of a connection that was lost.
fn told(event: &SocketEvent, stream: &mut Stream, index: &RwLock<Index>) {
    if matches!(event, SocketEvent::Disconnected(_)) {
        stream.interrupted();
        write(index).unreachable(stream.worker());
    }
}

fn write(index: &RwLock<Index>) -> std::sync::RwLockWriteGuard<'_, Index> {
    // Applying a batch does not panic; if something did, the index is still a valid hint.
    index.write().unwrap_or_else(PoisonError::into_inner)
}
