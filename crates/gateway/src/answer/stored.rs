//! What answers a request without asking anyone: an entry of the store, or the rest of a stream
//! whose connection broke.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;

use crate::decide::Decision;
use crate::error::{ErrorKind, GatewayError};
use crate::gateway::Gateway;
use crate::observe::Observation;
use crate::platform::Platform;
use crate::reply::body::Feed;
use crate::reply::resume;
use crate::store::{Entry, Store};

/// What the store has for a request.
pub(crate) enum Found {
    Fresh(Arc<Entry>, &'static str),
    Stale(Arc<Entry>, &'static str),
    Nothing,
}

pub(crate) async fn find<P: Platform>(gateway: &Arc<Gateway<P>>, decision: &Decision<P>) -> Found {
    let (entry, tier) = match gateway.store().get(&decision.key).await {
        Ok(Some(found)) => found,
        Ok(None) => return Found::Nothing,
        Err(error) => {
            gateway
                .platform()
                .observe(Observation::Warning(error.to_string()));
            return Found::Nothing;
        }
    };
    if !may_serve(gateway, decision, &entry) {
        return Found::Nothing;
    }
    if is_fresh(gateway, decision, &entry) {
        return Found::Fresh(entry, tier);
    }
    let age = entry.age(gateway.platform().wall());
    let grace = decision
        .directives
        .stale_if_error
        .unwrap_or(entry.freshness.stale_if_error);
    let limit = u64::from(entry.freshness.ttl) + u64::from(grace);
    if age <= Duration::from_secs(limit) {
        Found::Stale(entry, tier)
    } else {
        Found::Nothing
    }
}

/// A hit passes the same checks as a new request: the tenant is in the key, the model's allow-list
/// was checked; where the answer was made must be allowed still.
pub(crate) fn may_serve<P: Platform>(
    gateway: &Gateway<P>,
    decision: &Decision<P>,
    entry: &Entry,
) -> bool {
    let resident = decision.residency.is_empty()
        || gateway
            .upstream(&entry.recording.upstream)
            .is_some_and(|u| u.resides_in(&decision.residency));
    resident && entry.tenant == decision.caller.tenant
}

/// Whether an entry is as young as it has to be and as this request wants it.
pub(crate) fn is_fresh<P: Platform>(
    gateway: &Gateway<P>,
    decision: &Decision<P>,
    entry: &Entry,
) -> bool {
    let now = gateway.platform().wall();
    let wanted = decision.directives.max_age;
    let too_old = wanted.is_some_and(|max| entry.age(now) > Duration::from_secs(max.into()));
    !entry.is_stale(now) && !too_old
}

/// The rest of a stream whose connection broke.
pub(crate) async fn resumed<P: Platform>(
    gateway: &Arc<Gateway<P>>,
    decision: &Decision<P>,
    id: &HeaderValue,
) -> Result<Feed, GatewayError> {
    let gone = || {
        GatewayError::new(
            ErrorKind::NotResumable,
            "the stream of this Last-Event-ID is gone or belongs to another request; send the request without it",
        )
    };
    let (stream, last) = id.to_str().ok().and_then(resume::parse).ok_or_else(gone)?;
    let from = last.saturating_add(1);
    let flights = &gateway.shared().flights;
    let flight = flights
        .find(decision.key, stream)
        .or_else(|| flights.resumable(stream, decision.key));
    if let Some(reader) = flight.and_then(|flight| flight.join(from)) {
        return Ok(Feed::Live(reader));
    }
    if let Found::Fresh(entry, _) | Found::Stale(entry, _) = find(gateway, decision).await
        && entry.recording.id == stream
    {
        return Feed::stored(entry.recording.clone(), from).ok_or_else(gone);
    }
    Err(gone())
}
