//! A day of the calendar, without a time zone.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Serialize, Serializer};

/// A day: when a figure was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date {
    year: u16,
    month: u8,
    day: u8,
}

impl Date {
    /// The last day there is: with it as today, no date is in the future.
    pub const LAST: Self = Self {
        year: 9999,
        month: 12,
        day: 31,
    };

    /// A day of the years 2000 to 9999; `None` where there is no such day.
    pub fn new(year: u16, month: u8, day: u8) -> Option<Self> {
        let days = days_of(year, month)?;
        ((2000..=9999).contains(&year) && (1..=days).contains(&day)).then_some(Self {
            year,
            month,
            day,
        })
    }

    /// Reads `2026-11-25`.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let mut number = |digits: usize| {
            let part = parts.next()?;
            let plain = part.len() == digits && part.bytes().all(|b| b.is_ascii_digit());
            plain.then(|| part.parse::<u16>().ok()).flatten()
        };
        let (year, month, day) = (number(4)?, number(2)?, number(2)?);
        let none_left = parts.next().is_none();
        Self::new(year, u8::try_from(month).ok()?, u8::try_from(day).ok()?).filter(|_| none_left)
    }

    /// The latest date that it is anywhere on Earth (UTC+14) at `moment`: a file written on the
    /// other side of the date line is not from the future. [`LAST`](Self::LAST) if out of range.
    pub fn of(moment: SystemTime) -> Self {
        let ahead = Duration::from_secs(14 * 3600);
        moment
            .duration_since(UNIX_EPOCH)
            .ok()
            .and_then(|since| Self::from_days(since.saturating_add(ahead).as_secs() / 86_400))
            .unwrap_or(Self::LAST)
    }

    /// The date `days` after 1970-01-01.
    fn from_days(days: u64) -> Option<Self> {
        let mut left = days;
        for year in 1970..=9999 {
            for month in 1..=12 {
                let length = u64::from(days_of(year, month)?);
                if left < length {
                    return Self::new(year, month, u8::try_from(left + 1).ok()?);
                }
                left -= length;
            }
        }
        None
    }
}

fn days_of(year: u16, month: u8) -> Option<u8> {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        2 => Some(if leap { 29 } else { 28 }),
        4 | 6 | 9 | 11 => Some(30),
        1 | 3 | 5 | 7 | 8 | 10 | 12 => Some(31),
        _ => None,
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

impl Serialize for Date {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_days_that_exist_are_dates() {
        for (text, good) in [
            ("2026-11-25", true),
            ("2028-02-29", true),
            ("2026-02-29", false),
            ("2100-02-29", false),
            ("2026-13-01", false),
            ("2026-00-10", false),
            ("2026-1-5", false),
            ("26-11-25", false),
            ("2026-11-25-1", false),
            ("1999-01-01", false),
        ] {
            assert_eq!(Date::parse(text).is_some(), good, "{text}");
        }
    }

    #[test]
    fn a_moment_has_the_latest_date_on_earth() {
        let at = |secs| Date::of(UNIX_EPOCH + Duration::from_secs(secs)).to_string();
        // 2026-11-25T09:59:59Z and one second later, which is the 26th on Kiritimati.
        assert_eq!(at(1_795_600_799), "2026-11-25");
        assert_eq!(at(1_795_600_800), "2026-11-26");
        assert_eq!(at(951_782_400), "2000-02-29");
    }
}
