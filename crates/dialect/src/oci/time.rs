//! Oracle's times (RFC 3339, such as `2026-09-18T19:22:24.776Z`) in seconds since 1970.

/// The seconds, where the text is such a time in UTC or with an offset, after 1970.
pub(super) fn seconds(text: &str) -> Option<u64> {
    let number = |range: std::ops::Range<usize>| text.get(range)?.parse::<i64>().ok();
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    let (hour, minute, second) = (number(11..13)?, number(14..16)?, number(17..19)?);
    if !(1..=12).contains(&month) {
        return None;
    }
    let rest = text.get(19..)?.trim_start_matches('.');
    let zone = rest.trim_start_matches(|digit: char| digit.is_ascii_digit());
    let offset = match zone.as_bytes().first()? {
        b'Z' | b'z' => 0,
        sign @ (b'+' | b'-') => {
            let part = |range: std::ops::Range<usize>| zone.get(range)?.parse::<i64>().ok();
            let minutes = part(1..3)? * 60 + part(zone.len() - 2..zone.len())?;
            minutes * if *sign == b'+' { 60 } else { -60 }
        }
        _ => return None,
    };
    let at = days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - offset;
    u64::try_from(at).ok()
}

/// Days since 1970-01-01 in the Gregorian calendar, counted in years that begin in March, so
/// that the leap day is a year's last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let month = (month + 9) % 12;
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    year * 365 + leap_days + (month * 153 + 2) / 5 + day - 1 - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_counted_from_1970() {
        for (text, wanted) in [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("2000-02-29T12:00:00.000Z", Some(951_825_600)),
            ("2026-09-18T19:22:24.776Z", Some(1_789_759_344)),
            ("2026-09-18T21:22:24.776+02:00", Some(1_789_759_344)),
            ("2026-09-18T21:22:24.776000+0200", Some(1_789_759_344)),
            ("1969-12-31T23:59:59Z", None),
            ("2026-09-18", None),
            ("2026-13-18T21:22:24Z", None),
            ("nonsense that is long enough", None),
        ] {
            assert_eq!(seconds(text), wanted, "{text}");
        }
    }
}
