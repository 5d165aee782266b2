//! Takes connections, up to a limit, until told to stop; then lets those that are open finish.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::connection;
use super::guest::Guest;
use super::peers::{self, Kind};
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

/// What a client beyond a limit gets: it did not cost more than this.
fn refusal(setting: &str) -> String {
    let body = format!(
        "{{\"error\":{{\"message\":\"too many connections ({setting}); try again shortly\",\
         \"type\":\"service_unavailable\",\"code\":\"overloaded\"}}}}"
    );
    format!(
        "HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

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
            turn_away(&stream, tls.is_some(), "limits.connections");
            continue;
        };
        let generation = front.current();
        let open = generation.gateway.is_open();
        let share = peers::share(&generation.config.limits, Kind::Strangers, open);
        let Some(stranger) = front.peers().hold(peer.ip(), Kind::Strangers, share) else {
            front.metrics().connections_refused.inc();
            turn_away(&stream, tls.is_some(), "limits.connections_per_address");
            continue;
        };
        let guest = Guest::new(peer.ip(), stranger);
        keep_watch(&stream);
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
            connection::serve(stream, guest, tls.as_deref(), &front, &closing, &cut).await;
        });
    }
}

/// Has the system ask whether a silent client is still there: within about a minute one that has
/// vanished is found, also while nothing is being sent to it.
pub(super) fn keep_watch(stream: &TcpStream) {
    let probes = TcpKeepalive::new()
        .with_time(Duration::from_secs(30))
        .with_interval(Duration::from_secs(10));
    // A system that can't do it leaves connections to the other limits.
    let _ = SockRef::from(stream).set_tcp_keepalive(&probes);
}

/// Answers without a task of its own: whatever does not fit into the socket's buffer is not said.
fn turn_away(stream: &TcpStream, tls: bool, setting: &str) {
    if tls {
        return;
    }
    // What the client has sent is read, since closing over unread bytes resets the connection.
    let mut scratch = [0; 4096];
    let _ = stream.try_read(&mut scratch);
    let _ = stream.try_write(refusal(setting).as_bytes());
}

/// Out of file descriptors: accepting again at once would spin. A client that left is no reason to wait.
pub(super) async fn pause_if_exhausted(error: &io::Error) {
    if matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
    ) {
        return;
    }
    tracing::warn!(%error, "accepting a connection failed");
    // 50 ms: long enough for some connection to end, short enough not to be noticed.
    tokio::time::sleep(Duration::from_millis(50)).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_to_one_too_many_is_a_whole_response() {
        let text = refusal("limits.connections");
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(
            head.ends_with(&format!("content-length: {}", body.len())),
            "{head}"
        );
        serde_json::from_str::<serde_json::Value>(body).unwrap();
    }
}
