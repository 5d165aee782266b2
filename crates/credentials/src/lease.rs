//! How long a token may be used, and when it is time for the next: bounded whatever the provider says.

use std::time::{Duration, SystemTime};

use serde::Deserialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// The longest a token is kept, whatever its lifetime: Azure's managed identities give a day.
const MAX_LIFETIME: Duration = Duration::from_secs(24 * 3600);
/// The lifetime of a token whose provider names none.
pub(crate) const UNKNOWN_LIFETIME: Duration = Duration::from_secs(300);
/// Refresh this long before the end. Google's and Azure's metadata services hand out a new token
/// from five minutes before the old one's end.
const EARLY: Duration = Duration::from_secs(300);
/// Up to this much earlier, at random, so that replicas do not ask in step.
const MAX_JITTER: Duration = Duration::from_secs(60);
/// A token is not sent in its last seconds: it has to arrive valid.
const LAST_SECONDS: Duration = Duration::from_secs(10);

/// A value with an end.
pub(crate) struct Lease<T> {
    pub(crate) value: T,
    pub(crate) expires: SystemTime,
}

/// The moments of a token's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Schedule {
    /// From here on a new one is asked for.
    pub(crate) refresh: SystemTime,
    /// From here on it is not used.
    pub(crate) end: SystemTime,
}

impl Schedule {
    /// The schedule of a token obtained at `now`; `None` if it has already ended.
    pub(crate) fn new(now: SystemTime, expires: SystemTime) -> Option<Self> {
        let lifetime = expires.duration_since(now).ok()?.min(MAX_LIFETIME);
        if lifetime.is_zero() {
            return None;
        }
        let jitter = MAX_JITTER.min(lifetime / 10).mul_f64(fastrand::f64());
        let early = EARLY.min(lifetime / 4) + jitter;
        let end = now + lifetime.saturating_sub(LAST_SECONDS.min(lifetime / 20));
        let refresh = now + lifetime.saturating_sub(early);
        Some(Self {
            refresh: refresh.min(end),
            end,
        })
    }
}

/// Seconds, as a number or as a text: Azure's metadata service writes `"86399"`.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(crate) enum Seconds {
    /// As a number.
    Number(f64),
    /// As a text.
    Text(String),
}

impl Seconds {
    /// The duration, at most [`MAX_LIFETIME`]; `None` if it is no positive number.
    pub(crate) fn duration(self) -> Option<Duration> {
        let seconds = match self {
            Seconds::Number(n) => n,
            Seconds::Text(t) => t.parse().ok()?,
        };
        let bounded = seconds.min(MAX_LIFETIME.as_secs_f64());
        (seconds.is_finite() && bounded > 0.0).then(|| Duration::from_secs_f64(bounded))
    }
}

/// A moment of RFC 3339, as AWS and Google write ends: `2026-01-31T12:00:00Z`.
pub(crate) fn moment(text: &str) -> Option<SystemTime> {
    OffsetDateTime::parse(text, &Rfc3339).ok().map(Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_refreshed_before_its_end_and_never_kept_for_more_than_a_day() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        for lifetime in [1, 5, 60, 300, 3600, 86_400, 10_000_000] {
            let schedule = Schedule::new(now, now + Duration::from_secs(lifetime)).unwrap();
            assert!(schedule.refresh <= schedule.end, "{lifetime}");
            assert!(schedule.end <= now + MAX_LIFETIME);
            assert!(schedule.end <= now + Duration::from_secs(lifetime));
            if lifetime >= 3600 {
                let end = now + Duration::from_secs(lifetime).min(MAX_LIFETIME);
                assert!(schedule.refresh <= end - EARLY);
                assert!(schedule.refresh >= end - EARLY - MAX_JITTER);
            }
        }
        assert_eq!(Schedule::new(now, now), None);
        assert_eq!(Schedule::new(now, now - Duration::from_secs(1)), None);
    }

    #[test]
    fn ends_far_outside_of_time_are_survived() {
        assert_eq!(Seconds::Number(1e300).duration(), Some(MAX_LIFETIME));
        assert_eq!(Seconds::Text("NaN".into()).duration(), None);
        assert_eq!(
            Seconds::Text("86399".into()).duration().unwrap().as_secs(),
            86_399
        );
        assert_eq!(Seconds::Text("-5".into()).duration(), None);
        assert!(moment("2026-01-31T12:00:00Z").is_some());
        assert!(moment("tomorrow").is_none());
    }
}
