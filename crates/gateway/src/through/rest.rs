//! What of a form stands beside its fields and goes on with them: heads of parts, and the text around the
//! parts.

use http::{HeaderMap, header};

use super::form::invalid;
use crate::error::GatewayError;

/// What the head of a part says, a line each. A disposition that only says name and file name is left out:
/// those are read by themselves.
pub(super) fn beside(head: &HeaderMap) -> Vec<String> {
    let named = |value: &str| {
        let mut parameters = value.split(';').skip(1).map(str::trim);
        parameters.all(|one| one.starts_with("name=\"") || one.starts_with("filename=\""))
    };
    head.iter()
        .map(|(name, value)| (name, String::from_utf8_lossy(value.as_bytes())))
        .filter(|(name, value)| **name != header::CONTENT_DISPOSITION || !named(value))
        .map(|(name, value)| format!("{name}: {value}"))
        .collect()
}

/// Whether the head of a part names it once, in a way that all readers of forms agree on. Some take the
/// last of two names, undo backslashes, or know the extended forms of RFC 2231.
pub(super) fn has_one_name(head: &HeaderMap) -> bool {
    let mut lines = head.get_all(header::CONTENT_DISPOSITION).iter();
    let (Some(line), None) = (lines.next(), lines.next()) else {
        return false;
    };
    let Ok(line) = line.to_str() else {
        // Names of files may be in UTF-8.
        return has_one_name_in(&String::from_utf8_lossy(line.as_bytes()));
    };
    has_one_name_in(line)
}

fn has_one_name_in(line: &str) -> bool {
    let mut parameters = parameters(line);
    let kind = parameters.next().unwrap_or_default();
    let (mut names, mut files) = (0, 0);
    for parameter in parameters {
        let (key, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let key = key.to_ascii_lowercase();
        match key.split('*').next().unwrap_or_default().trim() {
            "name" if key == "name" && !value.contains('\\') => names += 1,
            "name" => return false,
            "filename" if key == "filename" => files += 1,
            _ => {}
        }
    }
    kind.eq_ignore_ascii_case("form-data") && names == 1 && files <= 1
}

/// The parameters of a header: a quoted one may have semicolons.
fn parameters(line: &str) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    let parts = line.split(move |c| {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            ';' => return !quoted,
            _ => {}
        }
        false
    });
    parts.map(str::trim)
}

/// Refuses text before the first part or behind the last: no reader of forms looks at it.
pub(super) fn bounded(body: &[u8], boundary: &str) -> Result<(), GatewayError> {
    let edge = format!("--{boundary}");
    let first = body.strip_prefix(b"\r\n").unwrap_or(body);
    let end = format!("{edge}--");
    let mut ends = memchr::memmem::find_iter(body, end.as_bytes());
    let begins_line =
        |at: &usize| *at == 0 || body.get(..*at).is_some_and(|b| b.ends_with(b"\r\n"));
    let behind = ends
        .find(begins_line)
        .and_then(|at| body.get(at + end.len()..));
    let is_bare = behind.is_none_or(|rest| rest.trim_ascii().is_empty());
    match is_bare && first.starts_with(edge.as_bytes()) {
        true => Ok(()),
        false => Err(invalid(
            "there is text before its first part or after its last".to_owned(),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_stands_around_the_parts() {
        let part = "--b\r\ncontent-disposition: form-data; name=\"a\"\r\n\r\nx--b--y\r\n";
        for (before, behind, fits) in [
            ("", "--b--\r\n", true),
            ("", "--b--", true),
            ("\r\n", "--b-- \r\n", true),
            ("word\r\n", "--b--\r\n", false),
            ("", "--b--\r\nword", false),
            ("", "--b--\r\nword\r\n--b--\r\n", false),
        ] {
            let body = format!("{before}{part}{behind}");
            assert_eq!(bounded(body.as_bytes(), "b").is_ok(), fits, "{body}");
        }
    }

    #[test]
    fn a_part_is_named_once() {
        for (line, fits) in [
            ("form-data; name=\"a\"", true),
            ("Form-Data; NAME=a", true),
            ("form-data; name=\"a\"; filename=\"b; name=c\"", true),
            ("form-data; name=\"a\"; filename=\"b\\\"; name=c\"", true),
            (
                "form-data; name=\"a\"; filename=\"b\"; filename*=UTF-8''b",
                true,
            ),
            ("form-data; name=\"a\"; note=\"x\"", true),
            ("form-data; name=\"a\"; name=\"model\"", false),
            ("form-data; name=\"a\"; Name=model", false),
            ("form-data; name=\"a\"; name*=UTF-8''model", false),
            ("form-data; name*0=\"mo\"; name*1=\"del\"", false),
            ("form-data; name=\"mo\\del\"", false),
            ("form-data; name=\"a\"; name =\"model\"", false),
            (
                "form-data; name=\"a\"; filename=\"b\"; filename=\"c\"",
                false,
            ),
            ("attachment; name=\"a\"", false),
            ("form-data", false),
        ] {
            assert_eq!(has_one_name_in(line), fits, "{line}");
        }
        let mut head = HeaderMap::new();
        assert!(!has_one_name(&head));
        head.append(
            header::CONTENT_DISPOSITION,
            "form-data; name=\"a\"".parse().unwrap(),
        );
        assert!(has_one_name(&head));
        head.append(
            header::CONTENT_DISPOSITION,
            "form-data; name=\"b\"".parse().unwrap(),
        );
        assert!(!has_one_name(&head));
    }

    #[test]
    fn what_a_parts_head_says_besides_is_told() {
        let mut head = HeaderMap::new();
        let mut said = |value: &'static str| {
            head.insert(header::CONTENT_DISPOSITION, value.parse().unwrap());
            beside(&head)
        };
        assert!(said("form-data; name=\"a\"; filename=\"b.txt\"").is_empty());
        assert_eq!(said("form-data; name=\"a\"; note=\"x\"").len(), 1);
        assert_eq!(said("form-data; name=\"a\"; filename*=UTF-8''x").len(), 1);
        head.insert(header::CONTENT_TYPE, "text/plain".parse().unwrap());
        head.insert("x-note", "word".parse().unwrap());
        let lines = beside(&head);
        assert!(lines.contains(&"x-note: word".to_owned()), "{lines:?}");
        assert!(lines.contains(&"content-type: text/plain".to_owned()));
    }
}
