//! KV events on a ZMQ PUB socket in vLLM's framing: topic, 8-byte big-endian sequence, batch.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use zeromq::{PubSocket, RouterSocket, Socket, SocketRecv, SocketSend, ZmqMessage};

use super::kv_event::{KvEvent, encode_batch};

/// Batches that wait to be sent; vLLM's own `max_queue_size`. A batch beyond it is lost, and the
/// gap is not visible in the sequence, as when a PUB socket drops for a slow subscriber.
const QUEUE: usize = 100_000;

/// Batches that can be replayed; vLLM's own `buffer_steps`.
const REPLAYED: usize = 10_000;

/// The number of the message that ends a replay: -1.
const END: [u8; 8] = [0xff; 8];

/// The batches that were sent last, by number.
type Sent = Arc<Mutex<VecDeque<(u64, Bytes)>>>;

/// The publisher as started.
pub(crate) struct Started {
    pub(crate) queue: EventQueue,
    /// Where it publishes, as bound.
    pub(crate) events: String,
    /// Where it replays, as bound.
    pub(crate) replay: Option<String>,
}

/// Why events cannot be published.
#[derive(Debug, thiserror::Error)]
#[error("KV events cannot be published on {endpoint}: {source}")]
pub struct PublishError {
    endpoint: String,
    source: zeromq::ZmqError,
}

/// The scheduler's end of the publisher.
pub(crate) struct EventQueue {
    sender: mpsc::Sender<Vec<KvEvent>>,
    sent: Arc<AtomicU64>,
}

impl EventQueue {
    /// Queues what one step changed, if anything.
    pub(crate) fn push(&self, events: Vec<KvEvent>) {
        if !events.is_empty() && self.sender.try_send(events).is_err() {
            tracing::warn!(
                limit = QUEUE,
                "KV events lost: the publisher's queue is full"
            );
        }
    }

    /// Batches handed to the socket so far.
    pub(crate) fn batches(&self) -> u64 {
        self.sent.load(Ordering::Acquire)
    }
}

/// Binds the sockets and starts sending.
pub(crate) async fn start(
    endpoint: &str,
    replay: Option<&str>,
    topic: &str,
    cancel: CancellationToken,
) -> Result<Started, PublishError> {
    let mut socket = PubSocket::new();
    let events = bind(&mut socket, endpoint).await?;
    let kept = Sent::default();
    let replay = match replay {
        Some(endpoint) => {
            let mut socket = RouterSocket::new();
            let bound = bind(&mut socket, endpoint).await?;
            let (kept, cancel) = (Arc::clone(&kept), cancel.clone());
            tokio::spawn(async move {
                tokio::select! {
                    () = cancel.cancelled() => {}
                    () = answer_replays(socket, kept) => {}
                }
            });
            Some(bound)
        }
        None => None,
    };
    let (sender, receiver) = mpsc::channel(QUEUE);
    let sent = Arc::new(AtomicU64::new(0));
    let queue = EventQueue {
        sender,
        sent: Arc::clone(&sent),
    };
    let topic = Bytes::copy_from_slice(topic.as_bytes());
    tokio::spawn(async move {
        tokio::select! {
            () = cancel.cancelled() => {}
            () = publish(socket, topic, receiver, sent, kept) => {}
        }
    });
    Ok(Started {
        queue,
        events,
        replay,
    })
}

async fn bind(socket: &mut impl Socket, endpoint: &str) -> Result<String, PublishError> {
    // vLLM writes a wildcard host as `*`, the socket here as an address.
    let address = endpoint.replace("://*", "://0.0.0.0");
    let bound = socket.bind(&address).await;
    let bound = bound.map_err(|source| PublishError {
        endpoint: endpoint.to_owned(),
        source,
    })?;
    Ok(bound.to_string())
}

/// Answers each question, a number of eight bytes, with all kept batches from that number on.
async fn answer_replays(mut socket: RouterSocket, kept: Sent) {
    while let Ok(question) = socket.recv().await {
        let frames = question.into_vec();
        let (Some(peer), Some(number)) = (frames.first(), frames.last()) else {
            continue;
        };
        let Ok(number) = <[u8; 8]>::try_from(&number[..]) else {
            continue;
        };
        let from = u64::from_be_bytes(number);
        let batches: Vec<(u64, Bytes)> = {
            let kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
            let after = kept.iter().filter(|(number, _)| *number >= from);
            after.cloned().collect()
        };
        let answers = batches
            .into_iter()
            .map(|(number, batch)| (number.to_be_bytes(), batch))
            .chain([(END, Bytes::new())]);
        for (number, batch) in answers {
            let mut message = ZmqMessage::from(peer.clone());
            message.push_back(Bytes::new());
            message.push_back(Bytes::copy_from_slice(&number));
            message.push_back(batch);
            if let Err(error) = socket.send(message).await {
                tracing::warn!(%error, "KV events were not replayed");
                break;
            }
        }
    }
}

async fn publish(
    mut socket: PubSocket,
    topic: Bytes,
    mut receiver: mpsc::Receiver<Vec<KvEvent>>,
    sent: Arc<AtomicU64>,
    kept: Sent,
) {
    let mut sequence: u64 = 0;
    while let Some(events) = receiver.recv().await {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let batch = encode_batch(now.map_or(0.0, |since| since.as_secs_f64()), &events);
        let mut message = ZmqMessage::from(topic.clone());
        message.push_back(Bytes::copy_from_slice(&sequence.to_be_bytes()));
        let batch = Bytes::from(batch);
        {
            let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
            if kept.len() == REPLAYED {
                kept.pop_front();
            }
            kept.push_back((sequence, batch.clone()));
        }
        message.push_back(batch);
        if let Err(error) = socket.send(message).await {
            tracing::warn!(%error, sequence, "a batch of KV events was not sent");
        }
        sequence += 1;
        sent.store(sequence, Ordering::Release);
    }
}
