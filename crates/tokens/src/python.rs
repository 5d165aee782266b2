//! Values as Python writes them: what a template prints, and what `tojson` gives.

use std::fmt::Write as _;

use minijinja::value::ValueKind;
use minijinja::{Error, ErrorKind, Value};

/// The deepest nesting that is written out.
const MAX_DEPTH: usize = 64;

/// `str(value)`.
pub(crate) fn text(value: &Value, out: &mut String) {
    match value.kind() {
        ValueKind::String => out.push_str(value.as_str().unwrap_or_default()),
        ValueKind::Undefined => {}
        _ => repr(value, out, 0),
    }
}

/// `repr(value)`.
fn repr(value: &Value, out: &mut String, depth: usize) {
    if depth > MAX_DEPTH {
        return out.push_str("...");
    }
    match value.kind() {
        ValueKind::None => out.push_str("None"),
        ValueKind::Bool => out.push_str(if value.is_true() { "True" } else { "False" }),
        ValueKind::Number => number(value, out),
        ValueKind::String => quoted(value.as_str().unwrap_or_default(), out),
        ValueKind::Map => {
            out.push('{');
            for (at, key) in items(value).enumerate() {
                if at > 0 {
                    out.push_str(", ");
                }
                repr(&key, out, depth + 1);
                out.push_str(": ");
                repr(&value.get_item(&key).unwrap_or_default(), out, depth + 1);
            }
            out.push('}');
        }
        ValueKind::Seq => {
            let (open, close) = if value.is_tuple() {
                ('(', ")")
            } else {
                ('[', "]")
            };
            out.push(open);
            for (at, item) in items(value).enumerate() {
                if at > 0 {
                    out.push_str(", ");
                }
                repr(&item, out, depth + 1);
            }
            if value.is_tuple() && value.len() == Some(1) {
                out.push(',');
            }
            out.push_str(close);
        }
        _ => {
            let _ = write!(out, "{value}");
        }
    }
}

fn items(value: &Value) -> impl Iterator<Item = Value> {
    value.try_iter().into_iter().flatten()
}

fn number(value: &Value, out: &mut String) {
    match f64::try_from(value.clone()) {
        Ok(float) if !value.is_integer() => out.push_str(&float_text(float)),
        _ => {
            let _ = write!(out, "{value}");
        }
    }
}

/// Python's shortest form of a float: digits as they are from 1e-4 to 1e16, else an exponent of at
/// least two digits.
fn float_text(float: f64) -> String {
    if float.is_nan() {
        return "NaN".to_owned();
    }
    if float.is_infinite() {
        return if float > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    let scientific = format!("{float:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if float == 0.0 || (-4..16).contains(&exponent) {
        return format!("{float:?}");
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.abs())
}

/// A string in quotes: single ones, unless it has such and no double ones.
fn quoted(text: &str, out: &mut String) {
    let quote = if text.contains('\'') && !text.contains('"') {
        '"'
    } else {
        '\''
    };
    out.push(quote);
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c == quote => {
                out.push('\\');
                out.push(c);
            }
            c if c.is_control() => {
                let _ = write!(out, "\\x{:02x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push(quote);
}

/// The arguments of Python's `json.dumps` that templates use.
pub(crate) struct Dumps {
    pub(crate) ensure_ascii: bool,
    pub(crate) indent: Option<String>,
    pub(crate) separators: Option<(String, String)>,
    pub(crate) sort_keys: bool,
}

impl Dumps {
    /// `json.dumps(value, …)`.
    pub(crate) fn write(&self, value: &Value) -> Result<String, Error> {
        let mut out = String::new();
        self.value(value, &mut out, 0)?;
        Ok(out)
    }

    fn value(&self, value: &Value, out: &mut String, depth: usize) -> Result<(), Error> {
        if depth > MAX_DEPTH {
            return Err(invalid("a value that is nested too deeply"));
        }
        match value.kind() {
            ValueKind::None => out.push_str("null"),
            ValueKind::Bool => out.push_str(if value.is_true() { "true" } else { "false" }),
            ValueKind::Number => number(value, out),
            ValueKind::String => self.string(value.as_str().unwrap_or_default(), out),
            ValueKind::Map => {
                let mut keys: Vec<Value> = items(value).collect();
                if self.sort_keys {
                    keys.sort();
                }
                let members = keys.into_iter().map(|key| {
                    let item = value.get_item(&key).unwrap_or_default();
                    (Some(key), item)
                });
                self.container('{', '}', members, out, depth)?;
            }
            ValueKind::Seq | ValueKind::Iterable => {
                let members = items(value).map(|item| (None, item));
                self.container('[', ']', members, out, depth)?;
            }
            _ => return Err(invalid("a value that is not serializable as JSON")),
        }
        Ok(())
    }

    fn container(
        &self,
        open: char,
        close: char,
        members: impl Iterator<Item = (Option<Value>, Value)>,
        out: &mut String,
        depth: usize,
    ) -> Result<(), Error> {
        let usual = if self.indent.is_some() { "," } else { ", " };
        let (comma, colon) = match &self.separators {
            Some((comma, colon)) => (comma.as_str(), colon.as_str()),
            None => (usual, ": "),
        };
        out.push(open);
        let mut any = false;
        for (key, item) in members {
            if any {
                out.push_str(comma);
            }
            any = true;
            self.line(out, depth + 1);
            if let Some(key) = key {
                match key.as_str() {
                    Some(name) => self.string(name, out),
                    None => {
                        let mut name = String::new();
                        self.value(&key, &mut name, depth + 1)?;
                        self.string(&name, out);
                    }
                }
                out.push_str(colon);
            }
            self.value(&item, out, depth + 1)?;
        }
        if any {
            self.line(out, depth);
        }
        out.push(close);
        Ok(())
    }

    fn line(&self, out: &mut String, depth: usize) {
        if let Some(indent) = &self.indent {
            out.push('\n');
            for _ in 0..depth {
                out.push_str(indent);
            }
        }
    }

    fn string(&self, text: &str, out: &mut String) {
        out.push('"');
        for c in text.chars() {
            match c {
                '"' => out.push_str("\\\""),
                '\\' => out.push_str("\\\\"),
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                '\t' => out.push_str("\\t"),
                '\u{8}' => out.push_str("\\b"),
                '\u{c}' => out.push_str("\\f"),
                c if u32::from(c) < 0x20 || (self.ensure_ascii && u32::from(c) > 0x7e) => {
                    for unit in c.encode_utf16(&mut [0; 2]) {
                        let _ = write!(out, "\\u{unit:04x}");
                    }
                }
                c => out.push(c),
            }
        }
        out.push('"');
    }
}

fn invalid(what: &'static str) -> Error {
    Error::new(ErrorKind::InvalidOperation, what)
}

#[cfg(test)]
mod tests {
    use super::float_text;

    #[test]
    fn floats_are_written_as_python_writes_them() {
        for (float, expected) in [
            (1.0, "1.0"),
            (0.1, "0.1"),
            (-2.5, "-2.5"),
            (1e15, "1000000000000000.0"),
            (1e16, "1e+16"),
            (1.5e22, "1.5e+22"),
            (0.0001, "0.0001"),
            (0.000_01, "1e-05"),
            (1.25e-7, "1.25e-07"),
            (1e100, "1e+100"),
            (0.0, "0.0"),
        ] {
            assert_eq!(float_text(float), expected);
        }
    }
}
