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
