//! A request's ticket: from the moment it counts as in flight to its last byte out, or its client's leaving.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Instant, SystemTime};

use forebay_dialect::Wire;

use crate::error::ErrorKind;
use crate::flight::Head;
use crate::gateway::Gateway;
use crate::ingress::wire_of;
use crate::limits::{Levels, Reservation};
use crate::observe::{Observation, Summary};
use crate::platform::Platform;

/// When and from where a request came.
#[derive(Debug, Clone, Copy)]
pub struct Arrival {
    /// The client's address, where known.
    pub peer: Option<IpAddr>,
    /// When its head had come.
    pub started: Instant,
    /// The same by the wall clock.
    pub started_at: SystemTime,
}

impl Arrival {
    /// Now, from this peer.
    pub fn now(peer: Option<IpAddr>) -> Self {
        Self {
            peer,
            started: Instant::now(),
            started_at: SystemTime::now(),
        }
    }
}

/// Counts one request as in flight. Given out by [`Gateway::enter`].
pub struct Permit<P: Platform> {
    pub(crate) gateway: Arc<Gateway<P>>,
    pub(crate) arrival: Arrival,
    live: bool,
}

impl<P: Platform> Permit<P> {
    pub(crate) fn new(gateway: Arc<Gateway<P>>, arrival: Arrival) -> Self {
        Self {
            gateway,
            arrival,
            live: true,
        }
    }
}

impl<P: Platform> Drop for Permit<P> {
    fn drop(&mut self) {
        if self.live {
            self.gateway.shared().in_flight.fetch_sub(1, Relaxed);
        }
    }
}

/// What becomes of a permit once the request is being handled: it gathers the summary and
/// hands it in when dropped.
pub(crate) struct Ticket<P: Platform> {
    pub(crate) gateway: Arc<Gateway<P>>,
    pub(crate) started: Instant,
    pub(crate) summary: Box<Summary>,
    /// The client's format, in which it is told of errors.
    pub(crate) wire: Wire,
    /// The flight's beginning, where the answer comes from one.
    pub(crate) head: Option<Head>,
    reservation: Option<Reservation>,
    levels: Option<Levels>,
    complete: bool,
}

impl<P: Platform> Ticket<P> {
    pub(crate) fn new(mut permit: Permit<P>, path: &str, request_id: String) -> Self {
        permit.live = false;
        let arrival = permit.arrival;
        // 64: enough to tell endpoints apart; the rest is the client's to fill.
        let cut = (0..=path.len().min(64))
            .rev()
            .find(|&i| path.is_char_boundary(i))
            .unwrap_or(0);
        let summary = Box::new(Summary {
            request_id,
            path: path[..cut].to_owned(),
            started: arrival.started_at,
            ..Summary::default()
        });
        Self {
            gateway: permit.gateway.clone(),
            started: arrival.started,
            summary,
            reservation: None,
            levels: None,
            wire: wire_of(path),
            head: None,
            complete: false,
        }
    }

    pub(crate) fn reserve(&mut self, reservation: Option<Reservation>) {
        self.levels = reservation.as_ref().map(Reservation::levels);
        self.reservation = reservation;
    }

    /// Tells what the limits of a key stand at that just refused it.
    pub(crate) fn refused(&mut self, levels: Option<Levels>) {
        self.levels = levels;
    }

    /// What the key's limits stand at; none where it has none.
    pub(crate) fn levels(&self) -> Option<&Levels> {
        self.levels.as_ref()
    }

    /// Replaces the reserved tokens by those used. Without it the reservation stays spent.
    pub(crate) fn settle(&mut self, used: u64) {
        if let Some(reservation) = self.reservation.take() {
            self.levels = Some(reservation.settle(used));
        }
    }

    pub(crate) fn failed(&mut self, kind: ErrorKind) {
        self.summary.error = Some(kind);
        self.summary.denied |= matches!(kind, ErrorKind::PromptDenied | ErrorKind::OutputDenied);
    }

    /// The last byte went out.
    pub(crate) fn complete(&mut self) {
        self.complete = true;
    }

    pub(crate) fn token_out(&mut self) {
        if self.summary.first_token.is_none() {
            self.summary.first_token = Some(self.started.elapsed());
        }
    }
}

impl<P: Platform> Drop for Ticket<P> {
    fn drop(&mut self) {
        self.summary.duration = self.started.elapsed();
        self.summary.client_gone = !self.complete;
        self.gateway.shared().in_flight.fetch_sub(1, Relaxed);
        let summary = std::mem::take(&mut self.summary);
        self.gateway
            .platform()
            .observe(Observation::Finished(summary));
    }
}
