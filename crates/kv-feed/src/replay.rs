//! Asks an engine's replay socket for batches that were missed.

use std::ops::Range;
use std::time::Duration;

use bytes::Bytes;
use zeromq::{DealerSocket, Socket as _, SocketRecv as _, SocketSend as _, ZmqMessage};

use crate::message::Message;

/// vLLM keeps its last 10,000 batches; more are not read.
const MAX_BATCHES: usize = 10_000;

/// Bytes of a replay that are kept: 10,000 batches of 8,192 tokens each would be more, but no
/// engine computes for minutes while its events are lost.
const MAX_BYTES: usize = 256 * 1024 * 1024;

/// How long a replay may take: new events wait for it.
const TIMEOUT: Duration = Duration::from_secs(2);

/// The number of the message that ends a replay: -1.
const END: [u8; 8] = [0xff; 8];

/// The missing batches, as far as the engine still has them and sends them in time.
pub(crate) async fn fetch(endpoint: &str, missing: Range<u64>) -> Vec<Message> {
    let mut messages = Vec::new();
    let asked = ask(endpoint, missing, &mut messages);
    match tokio::time::timeout(TIMEOUT, asked).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(endpoint, %error, "replaying KV events failed"),
        Err(_) => tracing::warn!(endpoint, "replaying KV events timed out"),
    }
    messages
}

async fn ask(
    endpoint: &str,
    missing: Range<u64>,
    messages: &mut Vec<Message>,
) -> Result<(), zeromq::ZmqError> {
    let mut socket = DealerSocket::new();
    socket.connect(endpoint).await?;
    // As a REQ socket would: an empty frame before the question.
    let mut question = ZmqMessage::from(Bytes::new());
    question.push_back(Bytes::copy_from_slice(&missing.start.to_be_bytes()));
    socket.send(question).await?;
    let (mut bytes, mut unread) = (0, 0_u64);
    while messages.len() < MAX_BATCHES && bytes < MAX_BYTES {
        let mut frames = socket.recv().await?.into_vec();
        if frames.first().is_some_and(Bytes::is_empty) {
            frames.remove(0);
        }
        let [number, batch] = &frames[..] else {
            continue;
        };
        if number[..] == END {
            break;
        }
        bytes += batch.len();
        let frames = [Bytes::new(), number.clone(), batch.clone()];
        match Message::decode(&frames) {
            // Batches come in order: those after the gap arrive by themselves.
            Ok(message) if message.number >= missing.end => break,
            Ok(message) => messages.push(message),
            Err(error) => {
                unread += 1;
                if unread.is_power_of_two() {
                    tracing::warn!(endpoint, %error, unread, "replayed KV events can't be used");
                }
            }
        }
    }
    Ok(())
}
