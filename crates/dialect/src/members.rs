//! A body with some of its top members set or left out, before anything has read it.

use bytes::Bytes;

use crate::json::{Document, Kind, write};

/// The body with these members, whatever it had under their names, and without those. Values
/// are JSON, which the caller answers for. What is not named keeps its bytes; where nothing
/// differs it is the same body. None where it is no JSON object.
pub fn set_members(body: &Bytes, set: &[(&str, &str)], remove: &[&str]) -> Option<Bytes> {
    let document = Document::parse(body).ok()?;
    let root = document.root();
    if root.kind() != Kind::Object {
        return None;
    }
    let mut out = String::with_capacity(body.len() + 64);
    let mut differs = false;
    let mut present = vec![false; set.len()];
    write::open(&mut out);
    for (key, value) in root.members() {
        let name = key.as_str().unwrap_or_default();
        if remove.contains(&name.as_ref()) {
            differs = true;
            continue;
        }
        let place = set.iter().position(|(set, _)| *set == name);
        let with = match place {
            Some(place) => {
                present[place] = true;
                set[place].1
            }
            None => value.raw(),
        };
        differs |= with != value.raw();
        write::kept(&mut out, key, with);
    }
    for ((name, value), present) in set.iter().zip(present) {
        if !present {
            differs = true;
            write::raw(&mut out, name, value);
        }
    }
    if !differs {
        return Some(body.clone());
    }
    write::close(&mut out);
    Some(out.into())
}

/// The strings of a list that is one of a body's top members, or its one string. None where there
/// is none, or something else.
pub fn string_list(body: &Bytes, name: &str) -> Option<Vec<String>> {
    let document = Document::parse(body).ok()?;
    let list = document.root().get(name)?;
    if let Some(one) = list.as_str() {
        return Some(vec![one.into_owned()]);
    }
    if list.kind() != Kind::Array {
        return None;
    }
    let strings = list.items().map(|item| Some(item.as_str()?.into_owned()));
    strings.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_named_keeps_its_bytes() {
        let body = Bytes::from_static(br#"{ "a\u0062": 1.50, "model":"x", "c":[ 1 ] }"#);
        type Case = (
            &'static [(&'static str, &'static str)],
            &'static [&'static str],
            &'static str,
        );
        let cases: [Case; 6] = [
            (
                &[],
                &["none"],
                r#"{ "a\u0062": 1.50, "model":"x", "c":[ 1 ] }"#,
            ),
            (
                &[("model", "\"x\"")],
                &[],
                r#"{ "a\u0062": 1.50, "model":"x", "c":[ 1 ] }"#,
            ),
            (
                &[("model", "\"y\"")],
                &[],
                r#"{"a\u0062":1.50,"model":"y","c":[ 1 ]}"#,
            ),
            (
                &[("d", "true")],
                &["ab"],
                r#"{"model":"x","c":[ 1 ],"d":true}"#,
            ),
            (&[], &["ab", "model", "c"], "{}"),
            (&[("d", "1")], &["ab", "model", "c"], r#"{"d":1}"#),
        ];
        for (set, remove, expected) in cases {
            assert_eq!(set_members(&body, set, remove).unwrap(), expected);
        }
    }

    #[test]
    fn what_is_no_object_is_left_to_its_reader() {
        for body in ["", "[]", "null", "{", "{\"a\":1,\"a\":2}"] {
            assert!(set_members(&Bytes::from(body), &[("m", "1")], &[]).is_none());
        }
    }
}
