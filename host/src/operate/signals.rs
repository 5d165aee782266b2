//! Signals: SIGHUP reloads, SIGTERM and SIGINT drain.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::policies::PolicyLoader;
use super::serve::Running;

/// The signals that the host answers to. Listen before the gateway says that it is ready: until
/// then a signal does what the system does by default, and a SIGHUP ends the program.
#[derive(Debug)]
pub struct Signals {
    hangup: Signal,
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Starts to listen. What comes from now on waits until it is asked for.
    pub fn listen() -> io::Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Resolves when told to stop.
    pub async fn stop(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Serves until told to stop, then drains. A second signal ends at once.
pub async fn run_until_told_to_stop<L: PolicyLoader>(running: Running<L>, signals: Signals) {
    let Signals {
        mut hangup,
        mut terminate,
        mut interrupt,
    } = signals;
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
    tracing::info!("draining: new connections are refused, open requests finish");
    tokio::select! {
        cut = running.drain() => match cut {
            0 => tracing::info!("drained"),
            cut => tracing::warn!(connections = cut, "server.drain has passed; the remaining connections were cut"),
        },
        _ = terminate.recv() => tracing::warn!("second signal received, exiting now"),
        _ = interrupt.recv() => tracing::warn!("second signal received, exiting now"),
    }
}
