//! Python's `strftime` for what chat templates ask of it: the date, sometimes the time.

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = [
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
];

/// Writes a time, in seconds since 1970 and in UTC. A directive that is not known stays as it is.
pub(crate) fn strftime(format: &str, seconds: i64) -> String {
    let time = Civil::of(seconds);
    let mut out = String::new();
    let mut chars = format.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('-') => match chars.next() {
                Some(directive) => {
                    let text = time.directive(directive);
                    let bare = text.trim_start_matches(['0', ' ']);
                    out.push_str(if bare.is_empty() { "0" } else { bare });
                }
                None => out.push_str("%-"),
            },
            Some(directive) => out.push_str(&time.directive(directive)),
            None => out.push('%'),
        }
    }
    out
}

struct Civil {
    year: i64,
    month: usize,
    day: i64,
    weekday: usize,
    yearday: i64,
    second: i64,
}

impl Civil {
    /// The calendar's day (Howard Hinnant's algorithm, public domain).
    fn of(seconds: i64) -> Self {
        let days = seconds.div_euclid(86_400);
        let z = days + 719_468;
        let era = z.div_euclid(146_097);
        let doe = z.rem_euclid(146_097);
        let yoe = (doe - doe / 1_460 + doe / 36_524 - doe / 146_096) / 365;
        let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
        let mp = (5 * doy + 2) / 153;
        let month = if mp < 10 { mp + 3 } else { mp - 9 };
        let year = yoe + era * 400 + i64::from(month <= 2);
        let leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
        let before = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
        let day = doy - (153 * mp + 2) / 5 + 1;
        let month = usize::try_from(month - 1).unwrap_or(0);
        Self {
            year,
            month,
            day,
            weekday: usize::try_from((days + 4).rem_euclid(7)).unwrap_or(0),
            yearday: before[month] + day + i64::from(leap && month > 1),
            second: seconds.rem_euclid(86_400),
        }
    }

    fn directive(&self, directive: char) -> String {
        let (hour, minute, second) = (self.second / 3_600, self.second / 60 % 60, self.second % 60);
        let month = MONTHS[self.month];
        let day = DAYS[self.weekday];
        let number = self.month + 1;
        match directive {
            'Y' => self.year.to_string(),
            'y' => format!("{:02}", self.year.rem_euclid(100)),
            'm' => format!("{number:02}"),
            'd' => format!("{:02}", self.day),
            'e' => format!("{:2}", self.day),
            'B' => month.to_owned(),
            'b' | 'h' => month[..3].to_owned(),
            'A' => day.to_owned(),
            'a' => day[..3].to_owned(),
            'H' => format!("{hour:02}"),
            'I' => format!("{:02}", (hour + 11) % 12 + 1),
            'M' => format!("{minute:02}"),
            'S' => format!("{second:02}"),
            'p' => if hour < 12 { "AM" } else { "PM" }.to_owned(),
            'j' => format!("{:03}", self.yearday),
            'F' => format!("{}-{number:02}-{:02}", self.year, self.day),
            'T' => format!("{hour:02}:{minute:02}:{second:02}"),
            '%' => "%".to_owned(),
            other => format!("%{other}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::strftime;

    #[test]
    fn dates_are_written_as_python_writes_them() {
        // datetime.fromtimestamp(1709210096, UTC) and 0.
        for (seconds, format, expected) in [
            (1_709_210_096, "%d %b %Y", "29 Feb 2024"),
            (
                1_709_210_096,
                "%A, %B %-d, %Y %H:%M:%S %p %j",
                "Thursday, February 29, 2024 12:34:56 PM 060",
            ),
            (0, "%Y-%m-%d %a %I", "1970-01-01 Thu 12"),
            (-1, "%F %T", "1969-12-31 23:59:59"),
            (1_735_689_599, "%j 100%% %", "366 100% %"),
        ] {
            assert_eq!(strftime(format, seconds), expected);
        }
    }
}
