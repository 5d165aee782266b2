//! Text in base64 (RFC 4648) and in quoted-printable (RFC 2045, section 6.7) within a text, for rules that
//! ask for it: decoded, with what leads a stretch of it back to the text.

use std::ops::Range;

/// The shortest run that is taken for base64: nine bytes. Shorter ones are words.
const SHORTEST: usize = 12;

/// A stretch of a text that is written in another way.
pub(crate) struct Encoded {
    /// What it means.
    pub(crate) text: String,
    place: Place,
}

enum Place {
    /// No stretch of it stands for itself: in its place all of this does.
    Whole(Range<usize>),
    /// Where each of its bytes comes from, and where it ends.
    Bytes(Vec<u32>),
}

impl Encoded {
    /// Where a stretch of it lies in the text.
    pub(crate) fn origin(&self, range: &Range<usize>) -> Range<usize> {
        match &self.place {
            Place::Whole(all) => all.clone(),
            Place::Bytes(places) => {
                let of = |at: usize| places.get(at).map_or(0, |place| *place as usize);
                of(range.start)..of(range.end)
            }
        }
    }
}

/// All that is written so in a text.
pub(crate) fn encoded(text: &str) -> Vec<Encoded> {
    let mut out: Vec<Encoded> = runs(text.as_bytes())
        .filter_map(|run| base64(text.get(run.clone())?, run))
        .collect();
    out.extend(quoted_printable(text));
    out
}

/// The runs of base64's letters. Lines of them are one: mail breaks each at 76.
fn runs(bytes: &[u8]) -> impl Iterator<Item = Range<usize>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            at += bytes.get(at..)?.iter().position(|b| value(*b).is_some())?;
            let start = at;
            let mut end = at;
            while let Some(byte) = bytes.get(at) {
                match byte {
                    b'\r' | b'\n' => {}
                    byte if value(*byte).is_some() => end = at + 1,
                    _ => break,
                }
                at += 1;
            }
            let padding = bytes.get(end..).unwrap_or_default().iter();
            end += padding.take(2).take_while(|b| **b == b'=').count();
            at = at.max(end);
            if end - start >= SHORTEST {
                return Some(start..end);
            }
        }
    })
}

/// The six bits of a letter, in either alphabet.
fn value(letter: u8) -> Option<u32> {
    Some(u32::from(match letter {
        b'A'..=b'Z' => letter - b'A',
        b'a'..=b'z' => letter - b'a' + 26,
        b'0'..=b'9' => letter - b'0' + 52,
        b'+' | b'-' => 62,
        b'/' | b'_' => 63,
        _ => return None,
    }))
}

/// A run as text, where it is text.
fn base64(run: &str, place: Range<usize>) -> Option<Encoded> {
    let mut out = Vec::with_capacity(run.len() / 4 * 3 + 3);
    let (mut bits, mut count) = (0_u32, 0);
    for six in run.bytes().filter_map(value) {
        bits = bits << 6 | six;
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count) as u8);
            bits &= (1 << count) - 1;
        }
    }
    let text = String::from_utf8(out).ok()?;
    let shows = |c: char| !c.is_control() || matches!(c, '\t' | '\n' | '\r');
    let place = Place::Whole(place);
    text.chars().all(shows).then_some(Encoded { text, place })
}

/// A text without its quoted-printable, where it has some.
fn quoted_printable(text: &str) -> Option<Encoded> {
    let bytes = text.as_bytes();
    memchr::memchr(b'=', bytes)?;
    let hex = |at: usize| char::from(*bytes.get(at)?).to_digit(16);
    let mut out = Vec::with_capacity(bytes.len());
    let mut places = Vec::with_capacity(bytes.len() + 1);
    let place = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
    let (mut at, mut any) = (0, false);
    while let Some(byte) = bytes.get(at) {
        let rest = bytes.get(at + 1..).unwrap_or_default();
        let (meant, len) = match (byte, rest) {
            // A line that goes on.
            (b'=', [b'\r', b'\n', ..]) => (None, 3),
            (b'=', [b'\n', ..]) => (None, 2),
            (b'=', _) => match hex(at + 1).zip(hex(at + 2)) {
                Some((high, low)) => (Some((high * 16 + low) as u8), 3),
                None => (Some(b'='), 1),
            },
            (byte, _) => (Some(*byte), 1),
        };
        any |= len > 1;
        if let Some(byte) = meant {
            out.push(byte);
            places.push(place(at));
        }
        at += len;
    }
    places.push(place(bytes.len()));
    let text = String::from_utf8(out).ok().filter(|_| any)?;
    Some(Encoded {
        text,
        place: Place::Bytes(places),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(text: &str) -> Vec<(String, String)> {
        let all = encoded(text).into_iter();
        all.map(|encoded| {
            let from = encoded.origin(&(0..encoded.text.len()));
            (encoded.text, text[from].to_owned())
        })
        .collect()
    }

    #[test]
    fn text_is_found_in_base64() {
        for (text, meant, from) in [
            (
                "see Z2VoZWltZXMgV29ydA== now",
                "geheimes Wort",
                "Z2VoZWltZXMgV29ydA==",
            ),
            (
                "see Z2VoZWltZXMgV29ydA now",
                "geheimes Wort",
                "Z2VoZWltZXMgV29ydA",
            ),
            (
                "Z2Vo\r\nZWltZXMg\nV29ydA== ",
                "geheimes Wort",
                "Z2Vo\r\nZWltZXMg\nV29ydA==",
            ),
            ("a:w7xiZXI_Pz4-", "über??>>", "w7xiZXI_Pz4-"),
        ] {
            assert_eq!(seen(text), [(meant.to_owned(), from.to_owned())], "{text}");
        }
        for text in [
            "",
            "an ordinary sentence",
            "incomprehensibilities",
            "Z2VoZWlt",
            "////////////////",
        ] {
            assert_eq!(seen(text), [], "{text}");
        }
    }

    #[test]
    fn text_is_found_in_quoted_printable() {
        let text = "so =67=65h=\r\neim=C3=A4 is";
        let all = encoded(text);
        let [found] = &all[..] else { panic!() };
        assert_eq!(found.text, "so geheimä is");
        let at = found.text.find("geheim").unwrap();
        assert_eq!(&text[found.origin(&(at..at + 6))], "=67=65h=\r\neim");
        for text in ["a = b", "a=b&c=d", "x == y"] {
            assert_eq!(seen(text), [], "{text}");
        }
    }
}
