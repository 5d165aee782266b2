//! KV events on a ZMQ PUB socket in vLLM's framing: topic, 8-byte big-endian sequence, batch.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use zeromq::{PubSocket, Socket, SocketSend, ZmqMessage};

use super::kv_event::{KvEvent, encode_batch};

/// Batches that wait to be sent; vLLM's own `max_queue_size`. A batch beyond it is lost, and the
/// gap is not visible in the sequence, as when a PUB socket drops for a slow subscriber.
const QUEUE: usize = 100_000;

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

/// Binds the socket and starts sending; gives the queue and the endpoint as bound.
pub(crate) async fn start(
    endpoint: &str,
    topic: &str,
    cancel: CancellationToken,
) -> Result<(EventQueue, String), PublishError> {
    // vLLM writes a wildcard host as `*`, the socket here as an address.
    let address = endpoint.replace("://*", "://0.0.0.0");
    let mut socket = PubSocket::new();
    let bound = socket.bind(&address).await.map_err(|source| PublishError {
        endpoint: endpoint.to_owned(),
        source,
    })?;
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
            () = publish(socket, topic, receiver, sent) => {}
        }
    });
    Ok((queue, bound.to_string()))
}

async fn publish(
    mut socket: PubSocket,
    topic: Bytes,
    mut receiver: mpsc::Receiver<Vec<KvEvent>>,
    sent: Arc<AtomicU64>,
) {
    let mut sequence: u64 = 0;
    while let Some(events) = receiver.recv().await {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let batch = encode_batch(now.map_or(0.0, |since| since.as_secs_f64()), &events);
        let mut message = ZmqMessage::from(topic.clone());
        message.push_back(Bytes::copy_from_slice(&sequence.to_be_bytes()));
        message.push_back(Bytes::from(batch));
        if let Err(error) = socket.send(message).await {
            tracing::warn!(%error, sequence, "a batch of KV events was not sent");
        }
        sequence += 1;
        sent.store(sequence, Ordering::Release);
    }
}
