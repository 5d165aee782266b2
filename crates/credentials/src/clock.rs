//! How far this machine's clock is from a provider's, as its `Date` header tells.

use std::time::{Duration, SystemTime};

use http::HeaderMap;
use http::header::DATE;

/// Below this a difference is travel time and rounding, not a wrong clock.
const TOLERANCE: Duration = Duration::from_secs(60);

/// A clock that is off. Positive: this machine's clock is ahead of the provider's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Skew {
    /// Seconds ahead; negative: behind.
    pub seconds: i64,
}

impl Skew {
    /// The skew that an answer received at `now` shows; `None` within a minute, or without `Date`.
    pub(crate) fn of(headers: &HeaderMap, now: SystemTime) -> Option<Self> {
        let date = headers.get(DATE)?.to_str().ok()?;
        let theirs = httpdate::parse_http_date(date).ok()?;
        let (distance, ahead) = match now.duration_since(theirs) {
            Ok(ahead) => (ahead, true),
            Err(behind) => (behind.duration(), false),
        };
        if distance <= TOLERANCE {
            return None;
        }
        let seconds = i64::try_from(distance.as_secs()).unwrap_or(i64::MAX);
        Some(Self {
            seconds: if ahead { seconds } else { -seconds },
        })
    }
}

impl std::fmt::Display for Skew {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let seconds = self.seconds.unsigned_abs();
        let (amount, unit) = match seconds {
            0..120 => (seconds, "s"),
            120..7200 => ((seconds + 30) / 60, "min"),
            _ => ((seconds + 1800) / 3600, "h"),
        };
        let side = if self.seconds < 0 {
            "behind"
        } else {
            "ahead of"
        };
        write!(f, "this machine's clock is {amount} {unit} {side}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn skew(offset: i64) -> Option<String> {
        let theirs = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let now = theirs
            .checked_add_signed(offset)
            .unwrap_or(SystemTime::UNIX_EPOCH);
        let mut headers = HeaderMap::new();
        headers.insert(DATE, httpdate::fmt_http_date(theirs).parse().unwrap());
        Skew::of(&headers, now).map(|s| s.to_string())
    }

    trait Signed {
        fn checked_add_signed(self, seconds: i64) -> Option<SystemTime>;
    }
    impl Signed for SystemTime {
        fn checked_add_signed(self, seconds: i64) -> Option<SystemTime> {
            let distance = Duration::from_secs(seconds.unsigned_abs());
            if seconds < 0 {
                self.checked_sub(distance)
            } else {
                self.checked_add(distance)
            }
        }
    }

    #[test]
    fn minutes_are_named_and_seconds_are_not() {
        assert_eq!(skew(30), None);
        assert_eq!(
            skew(431).as_deref(),
            Some("this machine's clock is 7 min ahead of")
        );
        assert_eq!(
            skew(-7300).as_deref(),
            Some("this machine's clock is 2 h behind")
        );
    }
}
