//! What ends a connection that may not go on: its key, its time, the end of the process.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::talk::{End, Note, Talk};
use crate::gateway::Gateway;
use crate::platform::{BoxFuture, MaybeSend, MaybeSync, Platform};

/// How often it is looked: a revoked key and a shutdown are noticed well within a second.
const LOOK: Duration = Duration::from_millis(250);
/// Signs of life that a client may leave unanswered.
const UNANSWERED: u32 = 3;

impl<P: Platform> Talk<P> {
    /// Looks after the connection until it has to end. A client that is sent nothing for long gets a
    /// ping; one that answers none is gone.
    pub(super) async fn watch(
        &self,
        current: &(impl Fn() -> BoxFuture<'static, Option<Arc<Gateway<P>>>> + MaybeSend + MaybeSync),
        notes: &mpsc::Sender<Note>,
    ) -> End {
        let platform = self.gateway.platform();
        let config = self.gateway.config();
        let (limits, quiet) = (&config.realtime, config.streams.keep_alive.0);
        let mut asked = self.times().told;
        loop {
            platform.sleep(LOOK).await;
            let Some(gateway) = current().await else {
                return End::new(1001, "the gateway is shutting down");
            };
            if let Some(end) = self.barred(&gateway) {
                return end;
            }
            let (now, times) = (platform.now(), self.times());
            let since = |then| now.saturating_duration_since(then);
            if since(times.began) > limits.total.0 {
                return End::new(
                    1001,
                    "the connection has reached its time limit (realtime.total)",
                );
            }
            if since(times.moved) > limits.idle.0 {
                return End::new(1001, "no event arrived within the limit (realtime.idle)");
            }
            if since(times.heard) > quiet * (UNANSWERED + 1) {
                return End::gone();
            }
            if since(asked.max(times.told)) >= quiet || since(asked.max(times.heard)) >= quiet {
                asked = now;
                // A full queue says by itself that something is on its way.
                let _ = notes.try_send(Note::Ping);
            }
        }
    }

    /// Whether the client may no longer be here.
    fn barred(&self, gateway: &Gateway<P>) -> Option<End> {
        let now = gateway.platform().wall();
        let identity = match gateway.keys().identify_head(&self.head, now) {
            Ok(identity) if identity.key.tenant == self.identity.key.tenant => identity,
            _ => {
                return Some(End::new(
                    1008,
                    "the API key is not known, expired or revoked",
                ));
            }
        };
        let allowed = match self.model.as_deref() {
            Some(model) => identity.may_use(model),
            None => identity.key.models.is_empty(),
        };
        (!allowed).then(|| End::new(1008, "the API key may no longer use this model"))
    }
}
