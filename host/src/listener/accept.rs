//! Takes connections, up to a limit, until told to stop; then lets those that are open finish.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::connection;
use super::tls::TlsKeys;
use crate::operate::Front;
use crate::platform::NativePolicies;

/// How open connections are told to end.
#[derive(Debug, Clone, Default)]
pub struct Doors {
    /// No new connections; open ones end after the requests they carry.
    pub closing: CancellationToken,
    /// Open connections end now.
    pub cut: CancellationToken,
    /// All open connections.
    pub open: TaskTracker,
}

/// What a client beyond the limit gets: it did not cost more than this.
const FULL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\nconnection: close\r\n\
    content-type: application/json\r\ncontent-length: 133\r\n\r\n\
    {\"error\":{\"message\":\"too many connections (limits.connections); try again shortly\",\
    \"type\":\"service_unavailable\",\"code\":\"overloaded\"}}";

/// Accepts until the doors close.
pub async fn accept<P: NativePolicies>(
    listener: TcpListener,
    tls: Option<Arc<TlsKeys>>,
    front: Arc<Front<P>>,
    doors: Doors,
    limit: usize,
) {
    let places = Arc::new(Semaphore::new(limit.min(Semaphore::MAX_PERMITS)));
    loop {
        let (stream, peer) = tokio::select! {
            () = doors.closing.cancelled() => return,
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    pause_if_exhausted(&error).await;
                    continue;
                }
            },
        };
        let Ok(place) = places.clone().try_acquire_owned() else {
            front.metrics().connections_refused.inc();
            turn_away(&stream, tls.is_some());
            continue;
        };
        // An error here means that the client has left; the connection then ends by itself.
        let _ = stream.set_nodelay(true);
        let (front, tls, closing, cut) = (
            front.clone(),
            tls.clone(),
            doors.closing.child_token(),
            doors.cut.child_token(),
        );
        doors.open.spawn(async move {
            let _place: OwnedSemaphorePermit = place;
            connection::serve(stream, peer.ip(), tls.as_deref(), &front, &closing, &cut).await;
        });
    }
}

/// Answers without a task of its own: whatever does not fit into the socket's buffer is not said.
fn turn_away(stream: &TcpStream, tls: bool) {
    if tls {
        return;
    }
    // What the client has sent is read, since closing over unread bytes resets the connection.
    let mut scratch = [0; 4096];
    let _ = stream.try_read(&mut scratch);
    let _ = stream.try_write(FULL);
}

/// Out of file descriptors: accepting again at once would spin. A client that left is no reason to wait.
async fn pause_if_exhausted(error: &io::Error) {
    if matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
    ) {
        return;
    }
    tracing::warn!(%error, "a connection can't be accepted");
    // 50 ms: long enough for some connection to end, short enough not to be noticed.
    tokio::time::sleep(Duration::from_millis(50)).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_to_one_too_many_has_the_length_it_claims() {
        let text = std::str::from_utf8(FULL).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(
            head.contains(&format!("content-length: {}\r\n", body.len()))
                || head.ends_with(&format!("content-length: {}", body.len())),
            "{}",
            body.len()
        );
        serde_json::from_str::<serde_json::Value>(body).unwrap();
    }
}
