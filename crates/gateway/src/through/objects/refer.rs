//! References to files in the bodies of other requests: a tenant may name its own, under the names
//! that it was given, and the request then goes to the upstream that keeps them.

use bytes::Bytes;
use forebay_dialect::passing::{Member, Passing, Table};
use std::borrow::Cow;

use super::id::{FILE, Thing, open};
use crate::error::{ErrorKind, GatewayError};

/// The members that name a file, in any format.
const NAMING: [&str; 5] = [
    "file_id",
    "file_ids",
    "input_file_id",
    "training_file",
    "validation_file",
];
/// Nothing is listed: every string is read.
const ALL: Table = &[("", Member::Tree)];

/// Whether a body may name files. It may say so falsely.
pub(crate) fn references(body: &[u8]) -> bool {
    let has = |text: &str| memchr::memmem::find(body, text.as_bytes()).is_some();
    // ASCII is escaped by nobody but who has something to hide.
    has("file_id") || has("ing_file") || has("ion_file") || has(FILE) || has("\\u00")
}

/// A body with the upstream's own names of the files that it refers to, and the upstream.
///
/// # Errors
///
/// A 404 for a name that the tenant was not given. `open`: nobody else could have made the file.
pub(crate) fn resolve<'b>(
    body: &'b Bytes,
    secret: &[u8; 32],
    everyone: bool,
) -> Result<(Cow<'b, Bytes>, Option<String>), GatewayError> {
    if !references(body) {
        return Ok((Cow::Borrowed(body), None));
    }
    // What is no JSON is told so by its own reader.
    let Ok(read) = Passing::read_answer(body.clone(), ALL) else {
        return Ok((Cow::Borrowed(body), None));
    };
    let mut at: Option<String> = None;
    let mut texts = Vec::new();
    for (place, said) in read.said().iter().enumerate() {
        if said.member != Member::Text {
            continue;
        }
        let named = NAMING.iter().any(|name| names(&said.path, name));
        match open(secret, Thing::File, &said.text) {
            Some((upstream, own)) => {
                if at.as_ref().is_some_and(|at| *at != upstream) {
                    let error = "the files of one request are at different upstreams";
                    return Err(GatewayError::new(ErrorKind::InvalidRequest, error));
                }
                texts.push((place, own));
                at = Some(upstream);
            }
            None if named && !everyone => return Err(no_file(&said.path)),
            None => {}
        }
    }
    Ok((Cow::Owned(read.with(&texts, None)), at))
}

/// Whether a path ends in this member, or in an element of it.
fn names(path: &str, member: &str) -> bool {
    let path = match path.rsplit_once('[') {
        Some((list, at)) if at.ends_with(']') => list,
        _ => path,
    };
    path.rsplit('.').next() == Some(member)
}

fn no_file(path: &str) -> GatewayError {
    GatewayError::new(
        ErrorKind::NotFound,
        format!("{path} names a file that does not exist here"),
    )
    .with_code("file_not_found")
    .with_param(Some(path))
}

#[cfg(test)]
mod tests {
    use super::super::id::seal;
    use super::*;

    #[test]
    fn a_file_of_ones_own_is_named_as_its_upstream_knows_it() {
        let secret = [3; 32];
        let name = seal(&secret, Thing::File, "openai", "file-1");
        let body = |name: &str| {
            let part = format!(r#"{{"type":"file","file":{{"file_id":"{name}"}}}}"#);
            Bytes::from(format!(
                r#"{{"messages":[{{"content":[{part}]}}],"n":1.0}}"#
            ))
        };
        let mine = body(&name);
        let (sent, at) = resolve(&mine, &secret, false).unwrap();
        assert_eq!(
            (sent.as_ref(), at.as_deref()),
            (&body("file-1"), Some("openai"))
        );
        for wrong in [mine.clone(), body("file-1")] {
            let error = resolve(&wrong, &[4; 32], false).unwrap_err();
            assert_eq!(error.status(), 404, "{error}");
        }
        // Where nobody has a key, everything is everybody's.
        assert!(resolve(&body("file-1"), &[4; 32], true).is_ok());
        let ids = Bytes::from_static(br#"{"tools":[{"file_ids":["file-1"]}]}"#);
        assert!(resolve(&ids, &secret, false).is_err());
    }
}
