//! Checks of personal data: check digits, lengths by country, and numbers that were never given out.

/// The digits of a candidate, without separators.
fn digits(bytes: &[u8]) -> impl DoubleEndedIterator<Item = u32> + Clone {
    bytes
        .iter()
        .filter(|b| b.is_ascii_digit())
        .map(|b| u32::from(b - b'0'))
}

/// Luhn's check digit (ISO/IEC 7812-1, annex B).
fn luhn(bytes: &[u8]) -> bool {
    let sum: u32 = digits(bytes)
        .rev()
        .enumerate()
        .map(|(i, d)| match (i % 2, d) {
            (0, d) => d,
            (_, d) if d > 4 => d * 2 - 9,
            (_, d) => d * 2,
        })
        .sum();
    sum.is_multiple_of(10)
}

/// Check digit, and a length that the issuer named by the first digits gives out.
pub(crate) fn credit_card(bytes: &[u8]) -> bool {
    let len = digits(bytes).count();
    let first = |n: usize| digits(bytes).take(n).fold(0, |sum, d| sum * 10 + d);
    let issued = match first(2) {
        40..=49 => matches!(len, 13 | 16 | 19),
        34 | 37 => len == 15,
        51..=55 => len == 16,
        22..=27 => len == 16 && (2221..=2720).contains(&first(4)),
        30 | 36 | 38 | 39 => (14..=19).contains(&len),
        35 => len >= 16 && (3528..=3589).contains(&first(4)),
        60 => len >= 16 && first(4) == 6011,
        62 | 65 => len >= 16,
        64 => len >= 16 && first(3) >= 644,
        50 | 56..=58 | 63 | 67 => true,
        _ => false,
    };
    issued && luhn(bytes)
}

/// Lengths by country, from the SWIFT registry of IBAN formats (release 99).
const IBAN_LENGTHS: &[(&[u8; 2], usize)] = &[
    (b"AD", 24),
    (b"AE", 23),
    (b"AL", 28),
    (b"AT", 20),
    (b"AZ", 28),
    (b"BA", 20),
    (b"BE", 16),
    (b"BG", 22),
    (b"BH", 22),
    (b"BI", 27),
    (b"BR", 29),
    (b"BY", 28),
    (b"CH", 21),
    (b"CR", 22),
    (b"CY", 28),
    (b"CZ", 24),
    (b"DE", 22),
    (b"DJ", 27),
    (b"DK", 18),
    (b"DO", 28),
    (b"EE", 20),
    (b"EG", 29),
    (b"ES", 24),
    (b"FI", 18),
    (b"FK", 18),
    (b"FO", 18),
    (b"FR", 27),
    (b"GB", 22),
    (b"GE", 22),
    (b"GI", 23),
    (b"GL", 18),
    (b"GR", 27),
    (b"GT", 28),
    (b"HN", 28),
    (b"HR", 21),
    (b"HU", 28),
    (b"IE", 22),
    (b"IL", 23),
    (b"IQ", 23),
    (b"IS", 26),
    (b"IT", 27),
    (b"JO", 30),
    (b"KW", 30),
    (b"KZ", 20),
    (b"LB", 28),
    (b"LC", 32),
    (b"LI", 21),
    (b"LT", 20),
    (b"LU", 20),
    (b"LV", 21),
    (b"LY", 25),
    (b"MC", 27),
    (b"MD", 24),
    (b"ME", 22),
    (b"MK", 19),
    (b"MN", 20),
    (b"MR", 27),
    (b"MT", 31),
    (b"MU", 30),
    (b"NI", 28),
    (b"NL", 18),
    (b"NO", 15),
    (b"OM", 23),
    (b"PK", 24),
    (b"PL", 28),
    (b"PS", 29),
    (b"PT", 25),
    (b"QA", 29),
    (b"RO", 24),
    (b"RS", 22),
    (b"RU", 33),
    (b"SA", 24),
    (b"SC", 31),
    (b"SD", 18),
    (b"SE", 24),
    (b"SI", 19),
    (b"SK", 24),
    (b"SM", 27),
    (b"SO", 23),
    (b"ST", 25),
    (b"SV", 28),
    (b"TL", 23),
    (b"TN", 24),
    (b"TR", 26),
    (b"UA", 29),
    (b"VA", 22),
    (b"VG", 24),
    (b"XK", 20),
    (b"YE", 30),
];

/// The country's length and the check digits modulo 97 (ISO 13616, ISO 7064).
pub(crate) fn iban(bytes: &[u8]) -> bool {
    let plain = || bytes.iter().filter(|b| **b != b' ');
    let len = plain().count();
    let known = IBAN_LENGTHS
        .iter()
        .any(|(country, wanted)| bytes.starts_with(*country) && *wanted == len);
    let remainder = plain()
        .skip(4)
        .chain(plain().take(4))
        .fold(0_u32, |rest, b| match b {
            b'0'..=b'9' => (rest * 10 + u32::from(b - b'0')) % 97,
            b'A'..=b'Z' => (rest * 100 + u32::from(b - b'A') + 10) % 97,
            _ => rest,
        });
    known && remainder == 1
}

/// Numbers that the Social Security Administration can have given out.
pub(crate) fn us_ssn(bytes: &[u8]) -> bool {
    let number = digits(bytes).fold(0, |sum, d| sum * 10 + d);
    let (area, group, serial) = (number / 1_000_000, number / 10_000 % 100, number % 10_000);
    let given = !matches!(area, 0 | 666 | 900..) && group != 0 && serial != 0;
    // Printed on sample cards and never valid.
    let sample = matches!(number, 78_051_120 | 219_099_999);
    given && !sample && bytes.get(3) == bytes.get(6)
}

/// Eight to fifteen digits, not all alike, brackets in pairs, and not a piece of a longer number.
pub(crate) fn phone(text: &[u8], start: usize, end: usize) -> bool {
    let value = &text[start..end];
    let count = digits(value).count();
    let mut rest = digits(value);
    let first = rest.next();
    let varied = rest.any(|d| Some(d) != first);
    let opened = value.iter().filter(|b| **b == b'(').count();
    let closed = value.iter().filter(|b| **b == b')').count();
    (8..=15).contains(&count) && varied && opened == closed && stands_apart(text, start)
}

/// Not the rest of a longer number, whose digits go on before a `.`, `-` or `,`.
fn stands_apart(text: &[u8], start: usize) -> bool {
    let before = |n: usize| start.checked_sub(n).and_then(|i| text.get(i));
    !(matches!(before(1), Some(b'.' | b'-' | b',')) && before(2).is_some_and(u8::is_ascii_digit))
}

/// The polynomial check of Bech32 (BIP 173) and Bech32m (BIP 350), lower case.
pub(crate) fn bech32(bytes: &[u8]) -> bool {
    const ALPHABET: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
    const GENERATOR: [u32; 5] = [
        0x3b6a_57b2,
        0x2650_8e6d,
        0x1ea1_19fa,
        0x3d42_33dd,
        0x2a14_62b3,
    ];
    let step = |sum: u32, value: u32| {
        let top = sum >> 25;
        let shifted = ((sum & 0x01ff_ffff) << 5) ^ value;
        (0..5)
            .filter(|i| top >> i & 1 == 1)
            .fold(shifted, |sum, i| sum ^ GENERATOR[i])
    };
    // The human-readable part `bc`, expanded.
    let mut sum = [3, 3, 0, 2, 3].into_iter().fold(1, step);
    for byte in bytes.get(3..).unwrap_or_default() {
        match ALPHABET.iter().position(|a| a == byte) {
            Some(value) => sum = step(sum, u32::try_from(value).unwrap_or(0)),
            None => return false,
        }
    }
    matches!(sum, 1 | 0x2bc8_30a3)
}
