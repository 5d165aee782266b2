//! When a replica that works on an answer is given up for another one.

use std::sync::Arc;
use std::time::Instant;

use super::Replica;
use super::endpoint::Standing;

/// The replicas that may still be asked for an answer, should the one that works on it be given up.
#[derive(Debug, Default)]
pub(crate) struct Others {
    model: Arc<str>,
    replicas: Vec<Arc<Replica>>,
}

impl Others {
    pub(super) fn new(model: &str, replicas: Vec<Arc<Replica>>) -> Self {
        Self {
            model: model.into(),
            replicas,
        }
    }

    /// Resolves when a replica goes out of use, and another one is there to be asked or requests fail
    /// there. A health page alone is no reason to throw away what nobody else can compute.
    pub(crate) async fn replace(&self, replica: &Replica, now: impl Fn() -> Instant) {
        loop {
            replica.goes_down().await;
            let now = now();
            let well = |other: &Arc<Replica>| {
                let standing = other.standing(&self.model, now);
                matches!(standing, Standing::Good | Standing::Trial)
            };
            if replica.is_ejected(now) || self.replicas.iter().any(well) {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::FutureExt as _;

    use super::super::endpoint::{Blame, Evidence, Health};
    use super::*;
    use crate::config::Retries;

    #[test]
    fn a_replica_is_given_up_for_another_one_or_once_requests_fail_there() {
        let now = Instant::now();
        let (one, other) = (Replica::new("http://a"), Arc::new(Replica::new("http://b")));
        let falls_ill = || {
            one.found(Health::Well);
            one.found(Health::Ill);
        };
        let alone = Others::new("m", Vec::new());
        let mut waiting = Box::pin(alone.replace(&one, || now));
        assert!(waiting.as_mut().now_or_never().is_none());
        falls_ill();
        assert!(waiting.as_mut().now_or_never().is_none(), "nobody else");
        let retries = Retries {
            eject_after: 1,
            eject_for: crate::config::Span(Duration::from_secs(1)),
            ..Retries::default()
        };
        one.failed(
            Blame::Transport,
            Evidence { key: 1, prompt: 1 },
            &retries,
            now,
        );
        assert!(waiting.as_mut().now_or_never().is_some(), "it fails");

        let others = Others::new("m", vec![other.clone()]);
        let mut waiting = Box::pin(others.replace(&one, || now));
        one.succeeded(now);
        assert!(waiting.as_mut().now_or_never().is_none());
        falls_ill();
        assert!(waiting.as_mut().now_or_never().is_some(), "another is well");
    }
}
