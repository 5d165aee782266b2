//! References in the bodies of other requests to what upstreams keep: a tenant may name its own, under the names
//! that it was given, and the request then goes to the upstream that keeps them.

use bytes::Bytes;
use forebay_dialect::passing::{Member, Passing, Table};
use std::borrow::Cow;

use super::id::{Thing, open_any};
use crate::error::{ErrorKind, GatewayError};

/// The members that name a file, in any format.
const NAMING: [&str; 5] = [
    "file_id",
    "file_ids",
    "input_file_id",
    "training_file",
    "validation_file",
];
/// The members that name another thing: the last part of a path where that is unmistakable, else the
/// whole path. `[]` is any element.
const OTHERS: [(&str, Thing); 8] = [
    ("vector_store_id", Thing::VectorStore),
    ("vector_store_ids", Thing::VectorStore),
    ("container_id", Thing::Container),
    ("container.id", Thing::Container),
    ("container", Thing::Container),
    ("tools[].container", Thing::Container),
    ("tools[].container.id", Thing::Container),
    ("cached_content", Thing::CachedContent),
];
/// Those of them that name a thing wherever they stand.
const ANYWHERE: [&str; 3] = ["vector_store_id", "vector_store_ids", "container_id"];
/// What stands before members that are a tool's or the client's own, in any format: what they name
/// is no matter of the upstream's. Names in camel case are not told.
const FREE: [&str; 7] = [
    ".content[].input.",
    ".content[].(unnamed).input.",
    ".content[].(unnamed).content[].json.",
    ".parts[].(unnamed).args.",
    ".parts[].(unnamed).response.",
    ".parts[].function_call.args.",
    ".parts[].function_response.response.",
];
/// Nothing is listed: every string is read.
pub(super) const ALL: Table = &[("", Member::Tree)];

/// What a body that names what an upstream keeps has somewhere: the ends of members' names, and the
/// beginnings of the names that tenants are given.
const SIGNS: [&str; 11] = [
    "file_id",
    "ing_file",
    "ion_file",
    "vector_store",
    "container_id",
    "cachedContent",
    "cached_content",
    Thing::File.before(),
    Thing::Batch.before(),
    Thing::VectorStore.before(),
    Thing::Container.before(),
];

/// The bytes that signs are looked for by: each has one of them, and text has few.
const RARE: [u8; 3] = [b'_', b'-', b'C'];

/// Whether a body may name files. It may say so falsely.
pub(crate) fn references(body: &[u8]) -> bool {
    let has = |text: &str| memchr::memmem::find(body, text.as_bytes()).is_some();
    let [a, b, c] = RARE;
    // Every request is asked this, so it is one pass for all signs.
    memchr::memchr3_iter(a, b, c, body).any(|at| is_sign(body, at))
        || has("\"container\"")
        // ASCII is escaped by nobody but who has something to hide.
        || has("\\u00")
}

/// Whether the rare byte at this place belongs to a sign.
fn is_sign(body: &[u8], at: usize) -> bool {
    SIGNS.iter().any(|sign| {
        let rare = sign.bytes().position(|byte| RARE.contains(&byte));
        let from = rare.and_then(|rare| at.checked_sub(rare));
        from.and_then(|from| body.get(from..))
            .is_some_and(|rest| rest.starts_with(sign.as_bytes()))
    })
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
        let named = named(&said.path);
        match open_any(secret, &said.text) {
            Some((thing, upstream, own)) => {
                let own = match thing {
                    Thing::CachedContent => format!("cachedContents/{own}"),
                    _ => own,
                };
                if at.as_ref().is_some_and(|at| *at != upstream) {
                    let error = "the request refers to objects at different upstreams";
                    return Err(GatewayError::new(ErrorKind::InvalidRequest, error));
                }
                texts.push((place, own));
                at = Some(upstream);
            }
            None if everyone => {}
            None => match named {
                // A tool's settings for a container that is made for the request.
                Some(Thing::Container) if said.text == "auto" => {}
                Some(thing) => return Err(missing(thing, &said.path)),
                None => {}
            },
        }
    }
    if !everyone && names_cached(body).is_some_and(|name| open_any(secret, &name).is_none()) {
        return Err(missing(Thing::CachedContent, "cachedContent"));
    }
    Ok((Cow::Owned(read.with(&texts, None)), at))
}

/// Whether a body that is said to be JSON may name what an upstream keeps in a way that is not read
/// here: a member twice, another encoding. Other readers take more for JSON than this one.
pub(crate) fn is_hidden(body: &Bytes) -> bool {
    let encoded = body.starts_with(b"\xef\xbb\xbf") || memchr::memchr(0, body).is_some();
    (encoded || references(body)) && Passing::read_answer(body.clone(), ALL).is_err()
}

/// Whether a path ends in this member, or in an element of it.
fn names(path: &str, member: &str) -> bool {
    let path = match path.rsplit_once('[') {
        Some((list, at)) if at.ends_with(']') => list,
        _ => path,
    };
    path.rsplit('.').next() == Some(member)
}

/// What a member of this path names.
fn named(path: &str) -> Option<Thing> {
    let plain = plain(path);
    if plain.starts_with("metadata.") || FREE.iter().any(|before| plain.contains(before)) {
        return None;
    }
    if NAMING.iter().any(|name| names(path, name)) {
        return Some(Thing::File);
    }
    let fits = |(name, _): &(&str, Thing)| match ANYWHERE.contains(name) {
        true => names(path, name),
        false => plain == *name,
    };
    OTHERS.iter().find(|row| fits(row)).map(|(_, thing)| *thing)
}

/// A path without the places of elements: `tools[].container`.
pub(super) fn plain(path: &str) -> String {
    let mut plain = String::with_capacity(path.len());
    let mut within = false;
    for c in path.chars() {
        match c {
            '[' => {
                plain.push_str("[]");
                within = true;
            }
            ']' => within = false,
            c if !within => plain.push(c),
            _ => {}
        }
    }
    plain
}

/// What Gemini's body says of what is cached. Its reader finds what is no JSON.
fn names_cached(body: &[u8]) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Root {
        #[serde(rename = "cachedContent", default)]
        cached: Option<serde_json::Value>,
    }
    memchr::memmem::find(body, b"ached")?;
    match serde_json::from_slice::<Root>(body) {
        Ok(root) => root.cached?.as_str().map(str::to_owned),
        // Said twice: whichever is read, it is not known here.
        Err(error) => error.is_data().then(String::new),
    }
}

fn missing(thing: Thing, path: &str) -> GatewayError {
    let (what, code) = match thing {
        Thing::VectorStore => ("vector store", "vector_store_not_found"),
        Thing::Container => ("container", "container_not_found"),
        Thing::CachedContent => ("cached content", "cached_content_not_found"),
        Thing::File | Thing::Batch => ("file", "file_not_found"),
    };
    GatewayError::new(
        ErrorKind::NotFound,
        format!("{path} names a {what} that does not exist here"),
    )
    .with_code(code)
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

    #[test]
    fn what_is_named_by_whom() {
        for (path, thing) in [
            ("messages[0].content[1].source.file_id", Some(Thing::File)),
            ("input[0].content[1].file_id", Some(Thing::File)),
            ("input[0].output.file_id", Some(Thing::File)),
            ("prompt.variables.content.input.file_id", Some(Thing::File)),
            ("tools[0].environment.container_id", Some(Thing::Container)),
            ("input[3].container_id", Some(Thing::Container)),
            ("tools[0].container.id", Some(Thing::Container)),
            ("messages[0].container.id", None),
            ("messages[0].content[1].input.file_id", None),
            ("messages[0].content[1].(unnamed).input.a.file_ids[2]", None),
            (
                "messages[0].content[1].(unnamed).content[0].json.file_id",
                None,
            ),
            ("contents[0].parts[1].(unnamed).args.container_id", None),
            (
                "contents[0].parts[1].function_response.response.file_id",
                None,
            ),
            ("metadata.file_id", None),
        ] {
            assert_eq!(named(path), thing, "{path}");
        }
        let input = |block: &str| {
            let block = format!(r#"{{{block}:{{"input":{{"file_id":"1"}}}}}}"#);
            let body = format!(r#"{{"messages":[{{"content":[{block}]}}]}}"#);
            resolve(&Bytes::from(body), &[3; 32], false).map(|_| ())
        };
        assert!(input("\"toolUse\"").is_ok());
        assert!(input("\"source\"").is_err());
    }

    #[test]
    fn what_others_may_read_is_not_taken_for_other_than_json() {
        let wide: Vec<u8> = "{\"a\":1}"
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect();
        for (body, hidden) in [
            (&br#"{"file_id":"a","file_id":"b"}"#[..], true),
            (&b"\xef\xbb\xbf{\"a\":1}"[..], true),
            (&wide[..], true),
            (&br#"{"file_id":"a"}"#[..], false),
            (&br#"{"a":1,"a":2}"#[..], false),
            (&b"as it is"[..], false),
        ] {
            let shown = String::from_utf8_lossy(body).into_owned();
            assert_eq!(is_hidden(&Bytes::copy_from_slice(body)), hidden, "{shown}");
        }
    }

    #[test]
    fn every_sign_is_found_wherever_it_stands() {
        let before = Thing::ALL.iter().map(|thing| thing.before());
        let others = ["\"container\"", "\\u00", "file_ids", "input_file_id"];
        let own = NAMING.into_iter().chain(others).chain(SIGNS).chain(before);
        for sign in own {
            for around in ["", "_", "C-_", "file", "cachedConten", "\"contain"] {
                let body = format!("{around}{sign}{around}");
                assert!(references(body.as_bytes()), "{body}");
                // A letter less is no sign, unless what is left has another.
                let cut = &sign[..sign.len() - 1];
                let left = SIGNS.iter().any(|other| cut.contains(other));
                assert_eq!(references(cut.as_bytes()), left, "{cut}");
            }
        }
        assert!(!references(b"the_quick-brown Cat file-name file_name vs_f"));
    }
}
