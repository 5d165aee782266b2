//! How a value is written where its placeholder stood: so that it stays one string there, and begins or
//! ends nothing. Within JSON it is escaped as often as the JSON is nested, within URLs and the destinations
//! of Markdown's links it is percent-encoded.

use std::borrow::Cow;

use forebay_dialect::canonical::Channel;

/// How much of what stands before a placeholder is looked at: URLs and JSON strings longer than this are
/// taken for what their last part looks like.
pub(super) const LOOKED_AT: usize = 4 << 10;

/// How deep JSON within JSON is followed: escapes double with each level.
const NESTED: usize = 4;

/// Where a value goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Context {
    /// Text.
    Plain,
    /// Behind the scheme of a URL.
    Url,
    /// At the beginning of the destination of a link.
    Destination,
}

/// A value as it is written behind `before`.
pub(super) fn written<'v>(channel: Channel, before: &str, value: &'v str) -> Cow<'v, str> {
    let before = &before[before.floor_char_boundary(before.len().saturating_sub(LOOKED_AT))..];
    #[cfg(test)]
    super::growth::work(before.len());
    let value = match context(before) {
        Context::Plain => Cow::Borrowed(value),
        // It was found in a URL, in the form that URLs have.
        Context::Url if is_encoded(value) => Cow::Borrowed(value),
        Context::Url => encoded(value, |c| c.is_ascii_alphanumeric() || b"-._~".contains(&c)),
        Context::Destination => encoded(value, |c| {
            c.is_ascii_graphic() && !b"()<>\"'\\`".contains(&c) || c >= 0x80
        }),
    };
    match channel {
        Channel::ToolArguments(_) => {
            let mut out = value;
            for _ in 0..levels(before) {
                let quoted = forebay_dialect::json_string(&out);
                out = Cow::Owned(quoted[1..quoted.len() - 1].to_owned());
            }
            out
        }
        _ => value,
    }
}

fn context(before: &str) -> Context {
    let ends = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '`' | '<' | '>' | '\\');
    let word = before.rfind(ends).map_or(before, |at| {
        let next = before.ceil_char_boundary(at + 1);
        &before[next..]
    });
    let destination = word.rfind("](").map(|at| &word[at + 2..]);
    let word = destination.unwrap_or(word);
    match word.rfind("://") {
        _ if word.contains(')') => Context::Plain,
        Some(_) => Context::Url,
        None if destination.is_some() => Context::Destination,
        None => Context::Plain,
    }
}

/// How often a value is escaped: once in a string of JSON, once more in a string of JSON in that string.
/// A quotation mark of the nth level has 2ⁿ - 1 backslashes before it.
fn levels(before: &str) -> usize {
    let bytes = before.as_bytes();
    let slashes = |at: usize| {
        let before = bytes[..at].iter().rev();
        before.take_while(|byte| **byte == b'\\').count()
    };
    let Some(nearest) = before.rfind('"') else {
        return 1;
    };
    let depth = (slashes(nearest) + 1).ilog2() as usize;
    // Quoted words are no JSON: what is begins with a brace or a bracket.
    let opens = |at: &usize| slashes(*at) == 0;
    let outer = before.rmatch_indices('"').map(|(at, _)| at).find(opens);
    let is_json = outer.is_none_or(|at| before[at + 1..].trim_start().starts_with(['{', '[']));
    match is_json {
        true => (depth + 1).min(NESTED),
        false => 1,
    }
}

/// Whether a value is percent-encoded (RFC 3986, section 2.1) and nothing in it needs to be.
fn is_encoded(value: &str) -> bool {
    let mut pieces = value.split('%');
    let plain = |text: &str| {
        let stays = |c: u8| c.is_ascii_alphanumeric() || b"-._~".contains(&c);
        text.bytes().all(stays)
    };
    let first = pieces.next().is_some_and(plain);
    let digits = |text: &str| text.bytes().take(2).filter(u8::is_ascii_hexdigit).count() == 2;
    let mut rest = pieces.peekable();
    first && rest.peek().is_some() && rest.all(|text| digits(text) && plain(text))
}

fn encoded(value: &str, stays: impl Fn(u8) -> bool) -> Cow<'_, str> {
    if value.bytes().all(&stays) {
        return Cow::Borrowed(value);
    }
    let mut out: Vec<u8> = Vec::with_capacity(value.len() * 3);
    for byte in value.bytes() {
        match stays(byte) {
            true => out.push(byte),
            false => out.extend(format!("%{byte:02X}").bytes()),
        }
    }
    Cow::Owned(String::from_utf8_lossy(&out).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    const NASTY: &str = "a\"b\\c\n) <d> & e=ü";

    #[test]
    fn text_takes_a_value_as_it_is() {
        for before in [
            "",
            "write to ",
            "see https://x.org/ and ",
            "[a](https://x.org)",
            "(so) ",
        ] {
            assert_eq!(written(Channel::Content, before, NASTY), NASTY, "{before}");
        }
    }

    #[test]
    fn a_url_takes_it_as_one_piece() {
        for before in [
            "https://x.org/?q=",
            "see [it](https://x.org/?q=",
            "<http://u:",
        ] {
            let said = written(Channel::Content, before, NASTY);
            let plain = |c: char| c.is_ascii_alphanumeric() || "-._~%".contains(c);
            assert!(said.chars().all(plain), "{before}: {said}");
        }
        for (value, said) in [
            ("bob@mail.org", "bob%40mail.org"),
            ("bob%40mail.org", "bob%40mail.org"),
            ("bob%4", "bob%254"),
            ("b b%40", "b%20b%2540"),
        ] {
            assert_eq!(written(Channel::Content, "https://x.org/", value), said);
        }
    }

    #[test]
    fn a_link_has_one_destination() {
        let said = written(Channel::Content, "[mail](", "x) [evil](https://evil.org");
        assert!(!said.contains([')', ' ', '(']), "{said}");
        assert_eq!(
            written(Channel::Content, "[mail](", "https://x.org/a?b=c"),
            "https://x.org/a?b=c"
        );
        assert_eq!(
            written(Channel::Content, "[mail](mailto:", "bob@mail.org"),
            "bob@mail.org"
        );
    }

    /// Puts a value into arguments at a depth, and reads it again level by level.
    fn through(levels: usize, prose: &str) -> String {
        let mut text = format!("{prose}HERE");
        for _ in 0..levels {
            text = serde_json::json!({"to": text, "n": 1}).to_string();
        }
        let (before, after) = text.split_once("HERE").unwrap();
        let said = written(Channel::ToolArguments(0), before, NASTY);
        let mut text = format!("{before}{said}{after}");
        for _ in 0..levels {
            let value: Value = serde_json::from_str(&text).unwrap();
            assert_eq!(value["n"], 1);
            text = value["to"].as_str().unwrap().to_owned();
        }
        text
    }

    #[test]
    fn json_takes_it_as_one_string_however_deep_it_is() {
        for levels in 1..=3 {
            assert_eq!(through(levels, ""), NASTY, "{levels}");
            assert_eq!(
                through(levels, "dear "),
                format!("dear {NASTY}"),
                "{levels}"
            );
        }
        let said = through(1, "he said \"hi\" and ");
        assert_eq!(said, format!("he said \"hi\" and {NASTY}"));
    }
}
