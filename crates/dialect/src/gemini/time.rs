//! Seconds since 1970 as RFC 3339 has them in UTC, and back, for an answer's `createTime`.

use std::fmt::Write as _;

/// The seconds of a time such as `2026-05-31T14:46:47.123Z`; none where it is none.
pub(super) fn seconds(text: &str) -> Option<u64> {
    let field = |at: usize, len: usize| text.get(at..at + len)?.parse::<i64>().ok();
    let (year, month, day) = (field(0, 4)?, field(5, 2)?, field(8, 2)?);
    let (hour, minute, second) = (field(11, 2)?, field(14, 2)?, field(17, 2)?);
    if !text.ends_with('Z') || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let days = days_before(year, month) + day - 1;
    u64::try_from(days * 86_400 + hour * 3600 + minute * 60 + second).ok()
}

/// Appends the time of these seconds; nothing beyond the year 9999.
pub(crate) fn write(seconds: u64, out: &mut String) {
    let days = (seconds / 86_400).min(2_932_896) as i64;
    let mut year = 1970 + days / 366;
    while days_before(year + 1, 1) <= days {
        year += 1;
    }
    let month = (1..=12)
        .rev()
        .find(|month| days_before(year, *month) <= days);
    let month = month.unwrap_or(1);
    let day = days - days_before(year, month) + 1;
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    let _ = write!(
        out,
        "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z"
    );
}

/// Days from 1970 to the first of a month, in the Gregorian calendar.
fn days_before(year: i64, month: i64) -> i64 {
    const BEFORE: [i64; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
    let leap_days = |year: i64| year / 4 - year / 100 + year / 400;
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let in_year = BEFORE.get(month as usize - 1).copied().unwrap_or_default();
    (year - 1970) * 365 + leap_days(year - 1) - leap_days(1969)
        + in_year
        + i64::from(is_leap && month > 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_leap_and_other_years_go_there_and_back() {
        let known = [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_709_251_199, "2024-02-29T23:59:59Z"),
            (1_735_689_599, "2024-12-31T23:59:59Z"),
            (1_780_238_807, "2026-05-31T14:46:47Z"),
        ];
        for (at, text) in known {
            let mut out = String::new();
            write(at, &mut out);
            assert_eq!(out, text);
            assert_eq!(seconds(text), Some(at));
        }
        assert_eq!(seconds("2026-05-31T14:46:47.123456Z"), Some(1_780_238_807));
        assert_eq!(seconds("yesterday"), None);
    }
}
