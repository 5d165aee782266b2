//! Where in an answer's text a value is put back: in JSON, in JSON within JSON, in a URL. There
//! it is escaped, so that it stays one string.

use std::fmt::Write as _;

/// JSON within JSON is followed this deep: agents nest twice.
const DEPTH: usize = 4;

/// What stands around the next byte of a text.
#[derive(Debug, Clone, Default)]
pub(super) struct Context {
    /// The text itself, and the content of the string that it is in, and so on.
    levels: [Level; DEPTH],
    /// The last bytes outside of a URL, to see one begin.
    last: [u8; 3],
    link: Link,
    /// Backticks in a row: three begin or end a block of code.
    ticks: u8,
    in_code: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq)]
enum Link {
    #[default]
    None,
    /// A URL in running text: it ends at white space.
    Url,
    /// The destination of a Markdown link: it ends with its bracket.
    Destination,
}

#[derive(Debug, Clone, Copy, Default)]
struct Level {
    form: Form,
    in_string: bool,
    escape: Escape,
}

#[derive(Debug, Clone, Copy, Default, PartialEq)]
enum Form {
    /// Nothing but white space so far.
    #[default]
    Empty,
    /// A bracket, which may begin a list or a word in brackets.
    Bracket,
    Json,
    Text,
}

#[derive(Debug, Clone, Copy, Default)]
enum Escape {
    #[default]
    None,
    Begun,
    Hex(u8, u32),
}

impl Context {
    /// In text of any form.
    pub(super) fn of_text() -> Self {
        Self::default()
    }

    /// In a call's arguments, which are JSON.
    pub(super) fn of_json() -> Self {
        let mut context = Self::default();
        context.levels[0].form = Form::Json;
        context
    }

    /// Goes on over text as it is written.
    pub(super) fn pass(&mut self, text: &str) {
        for letter in text.chars() {
            self.letter(letter);
            self.level(0, letter);
        }
    }

    fn letter(&mut self, letter: char) {
        let byte = u8::try_from(letter).unwrap_or(b'x');
        let ends = match self.link {
            Link::None => false,
            Link::Url => letter.is_whitespace() || matches!(byte, b'"' | b'<' | b'>' | b'`'),
            Link::Destination => byte == b')' || letter == '\n',
        };
        if ends {
            self.link = Link::None;
        }
        self.last = [self.last[1], self.last[2], byte];
        if self.link == Link::None {
            self.link = match self.last {
                [b':', b'/', b'/'] => Link::Url,
                [_, b']', b'('] => Link::Destination,
                _ => Link::None,
            };
        }
        self.ticks = if byte == b'`' { self.ticks + 1 } else { 0 };
        if self.ticks == 3 {
            self.ticks = 0;
            self.in_code = !self.in_code;
            // What follows is read anew: a block of code may be JSON, after its language's name.
            self.levels = <[Level; DEPTH]>::default();
            if !self.in_code {
                self.levels[0].form = Form::Text;
            }
        }
    }

    fn level(&mut self, depth: usize, letter: char) {
        let in_code = self.in_code && depth == 0;
        let Some(level) = self.levels.get_mut(depth) else {
            return;
        };
        match level.form {
            Form::Empty => {
                level.form = match letter {
                    '{' => Form::Json,
                    '[' => Form::Bracket,
                    '`' => Form::Empty,
                    _ if letter.is_whitespace() => Form::Empty,
                    // The name of the code's language.
                    _ if in_code && letter.is_ascii_alphanumeric() => Form::Empty,
                    _ => Form::Text,
                };
                return;
            }
            Form::Bracket if letter.is_whitespace() => return,
            Form::Bracket => {
                let begins_value = matches!(letter, '{' | '[' | '"');
                level.form = match begins_value {
                    true => Form::Json,
                    false => Form::Text,
                };
            }
            Form::Json | Form::Text => {}
        }
        if level.form == Form::Text {
            return;
        }
        if !level.in_string {
            if letter == '"' {
                level.in_string = true;
                level.escape = Escape::None;
                if let Some(inner) = self.levels.get_mut(depth + 1) {
                    *inner = Level::default();
                }
            }
            return;
        }
        let decoded = match level.escape {
            Escape::None => match letter {
                '\\' => {
                    level.escape = Escape::Begun;
                    return;
                }
                '"' => {
                    level.in_string = false;
                    return;
                }
                other => other,
            },
            Escape::Begun => {
                level.escape = Escape::None;
                match letter {
                    'n' => '\n',
                    'r' => '\r',
                    't' => '\t',
                    'u' => {
                        level.escape = Escape::Hex(0, 0);
                        return;
                    }
                    other => other,
                }
            }
            Escape::Hex(count, code) => {
                let code = code * 16 + letter.to_digit(16).unwrap_or_default();
                if count < 3 {
                    level.escape = Escape::Hex(count + 1, code);
                    return;
                }
                level.escape = Escape::None;
                // Halves of a pair say nothing of the form.
                char::from_u32(code).unwrap_or('x')
            }
        };
        self.level(depth + 1, decoded);
    }

    /// Whether the last letter was a tilde.
    pub(super) fn follows_tilde(&self) -> bool {
        self.last[2] == b'~'
    }

    /// How often a value is to be escaped as JSON here.
    fn strings(&self) -> usize {
        let mut levels = self.levels.iter();
        let inside = |level: &&Level| level.form == Form::Json && level.in_string;
        levels.by_ref().take_while(inside).count()
    }

    /// A value as it is written here.
    pub(super) fn written(&self, value: &str, in_url: bool) -> String {
        let mut out = match self.link {
            Link::None if !in_url => value.to_owned(),
            _ => percent_encoded(value),
        };
        for _ in 0..self.strings() {
            let quoted = forebay_dialect::json_string(&out);
            out = quoted[1..quoted.len() - 1].to_owned();
        }
        out
    }
}

/// A value as a part of a URL (RFC 3986, section 2). `@` and `:` may stand in paths and queries.
fn percent_encoded(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for byte in value.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'@' | b':' => {
                out.push(char::from(byte));
            }
            // Writing to a string can't fail.
            _ => drop(write!(out, "%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(mut context: Context, text: &str, value: &str) -> String {
        context.pass(text);
        context.written(value, false)
    }

    #[test]
    fn json_is_escaped_once_for_each_string_around() {
        let value = "a\"b";
        assert_eq!(after(Context::of_json(), r#"{"to":""#, value), r#"a\"b"#);
        assert_eq!(
            after(Context::of_json(), r#"{"to":"{\"x\":\""#, value),
            r#"a\\\"b"#
        );
        assert_eq!(
            after(Context::of_json(), r#"{"to":"say \"hi\" "#, value),
            r#"a\"b"#
        );
        assert_eq!(after(Context::of_text(), r#" {"to":""#, value), r#"a\"b"#);
        assert_eq!(
            after(Context::of_text(), "As JSON:\n```json\n{\"to\":\"", value),
            r#"a\"b"#
        );
        assert_eq!(
            after(Context::of_text(), "```json\n{}\n```\nand \"", value),
            value
        );
        assert_eq!(after(Context::of_text(), "[1] He said \"", value), value);
    }

    #[test]
    fn urls_and_destinations_are_percent_encoded() {
        let value = "a b)&c@d";
        let encoded = "a%20b%29%26c@d";
        assert_eq!(
            after(Context::of_text(), "see https://h/?q=", value),
            encoded
        );
        assert_eq!(after(Context::of_text(), "[mail](mailto:", value), encoded);
        assert_eq!(
            after(Context::of_text(), "see https://h/ and ", value),
            value
        );
        assert_eq!(after(Context::of_text(), "[mail](mailto:x) ", value), value);
        assert_eq!(
            after(Context::of_json(), r#"{"u":"https://h/"#, value),
            encoded
        );
    }
}
