//! Signals: SIGHUP reloads, SIGTERM and SIGINT drain.

use std::io;

use tokio::signal::unix::{SignalKind, signal};

use super::policies::PolicyLoader;
use super::serve::Running;

/// Serves until told to stop, then drains. A second signal ends at once.
pub async fn run_until_told_to_stop<L: PolicyLoader>(running: Running<L>) -> io::Result<()> {
    let (mut hangup, mut terminate, mut interrupt) = (
        signal(SignalKind::hangup())?,
        signal(SignalKind::terminate())?,
        signal(SignalKind::interrupt())?,
    );
    {
        // Beside each other: one reload may wait for the other, and a signal to stop for neither.
        let hung_up = async {
            while hangup.recv().await.is_some() {
                running.reload_and_log("SIGHUP").await;
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            () = hung_up => {}
            () = running.reload_on_change() => {}
        }
    }
    tracing::info!("draining: no new connections, open requests finish");
    tokio::select! {
        cut = running.drain() => match cut {
            0 => tracing::info!("drained"),
            cut => tracing::warn!(connections = cut, "the limit of server.drain has passed; the rest was cut"),
        },
        _ = terminate.recv() => tracing::warn!("told twice; ending at once"),
        _ = interrupt.recv() => tracing::warn!("told twice; ending at once"),
    }
    Ok(())
}
