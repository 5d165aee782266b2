//! Times as RFC 3339 writes them, in seconds since 1970.

use std::fmt::Write as _;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// The last second of the year 9999, beyond which the format has no times.
const LAST: i64 = 253_402_300_799;

/// The seconds of a time such as `2026-05-31T14:46:47.123Z`, in UTC or with an offset, which
/// Oracle writes without a colon too. None where it is none, or before 1970.
pub(crate) fn seconds(text: &str) -> Option<u64> {
    let parsed = match text
        .len()
        .checked_sub(5)
        .map(|at| text.split_at_checked(at))
    {
        Some(Some((time, offset))) if offset.starts_with(['+', '-']) && !offset.contains(':') => {
            let (hours, minutes) = offset.split_at_checked(3)?;
            OffsetDateTime::parse(&format!("{time}{hours}:{minutes}"), &Rfc3339)
        }
        _ => OffsetDateTime::parse(text, &Rfc3339),
    };
    u64::try_from(parsed.ok()?.unix_timestamp()).ok()
}

/// Appends the time of these seconds, in UTC; the last of the year 9999 where it is later.
pub(crate) fn write(seconds: u64, out: &mut String) {
    let seconds = i64::try_from(seconds).map_or(LAST, |seconds| seconds.min(LAST));
    let at = OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let (year, month, day) = (at.year(), u8::from(at.month()), at.day());
    let (hour, minute, second) = at.to_hms();
    let _ = write!(
        out,
        "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z"
    );
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
        let mut out = String::new();
        write(u64::MAX, &mut out);
        assert_eq!(out, "9999-12-31T23:59:59Z");
    }

    #[test]
    fn offsets_and_fractions_are_read_and_other_texts_are_none() {
        for (text, wanted) in [
            ("2026-05-31T14:46:47.123456Z", Some(1_780_238_807)),
            ("2026-09-18T19:22:24.776Z", Some(1_789_759_344)),
            ("2026-09-18T21:22:24.776+02:00", Some(1_789_759_344)),
            ("2026-09-18T21:22:24.776000+0200", Some(1_789_759_344)),
            ("1969-12-31T23:59:59Z", None),
            ("2026-09-18", None),
            ("2026-13-18T21:22:24Z", None),
            ("yesterday", None),
            ("é+0200", None),
            ("nonsense that is long enough", None),
        ] {
            assert_eq!(seconds(text), wanted, "{text}");
        }
    }
}
