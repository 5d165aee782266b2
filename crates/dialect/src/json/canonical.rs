//! One text for all JSON texts that mean the same: members sorted by their names' bytes, no
//! insignificant white space, strings escaped in one way.
//!
//! Numbers keep their text. Readers differ in what they tell apart (`1` and `1.0`, integers
//! beyond 2^53, the sign of zero), and two requests that some engine reads differently must
//! not become one. Unicode is not normalised for the same reason.

use super::check::JsonError;
use super::document::{Document, Kind, Span, Value};
use super::text::write_json_string;

/// What to leave out of an object because it is kept elsewhere, typed.
///
/// A member is left out only when it is a string with content, which is what typed fields
/// hold: null, empty and absent stay different in what is left.
#[derive(Debug)]
pub(crate) struct Shape {
    pub(crate) without: &'static [&'static str],
    pub(crate) inner: &'static [(&'static str, &'static Shape)],
}

impl Shape {
    /// Everything.
    pub(crate) const WHOLE: &'static Shape = &Shape {
        without: &[],
        inner: &[],
    };

    fn of_member(&self, name: &str) -> &'static Shape {
        self.inner
            .iter()
            .find(|(inner, _)| *inner == name)
            .map_or(Shape::WHOLE, |(_, shape)| *shape)
    }

    fn leaves_out(&self, name: &str, value: Value<'_>) -> bool {
        value.kind() == Kind::String && !value.is_str("") && self.without.contains(&name)
    }
}

/// A string value: where its content stands in the canonical text and in the original.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StringPlace {
    pub(crate) canonical: Span,
    pub(crate) raw: Span,
}

/// A JSON text in canonical form.
///
/// # Errors
///
/// When the text is no acceptable JSON, see [`JsonError`].
pub fn canonical_json(text: &str) -> Result<String, JsonError> {
    let document = Document::parse(text.as_bytes())?;
    let mut out = String::with_capacity(text.len());
    write_canonical(document.root(), Shape::WHOLE, &mut out);
    Ok(out)
}

/// Appends a value's canonical form, without what `shape` leaves out.
pub(crate) fn write_canonical(value: Value<'_>, shape: &'static Shape, out: &mut String) {
    write(value, shape, out, &mut |_| {});
}

/// The same for a whole value, and tells where each string went.
pub(crate) fn write_canonical_with_places(value: Value<'_>, out: &mut String) -> Vec<StringPlace> {
    let mut places = Vec::new();
    write(value, Shape::WHOLE, out, &mut |place| places.push(place));
    places
}

/// Recursion is bounded by the document's depth.
fn write(
    value: Value<'_>,
    shape: &'static Shape,
    out: &mut String,
    placed: &mut dyn FnMut(StringPlace),
) {
    match value.kind() {
        Kind::Null | Kind::Bool | Kind::Number => out.push_str(value.raw()),
        Kind::String => {
            let start = out.len() as u32 + 1;
            write_string(value, out);
            let canonical = Span {
                start,
                end: out.len() as u32 - 1,
            };
            placed(StringPlace {
                canonical,
                raw: value.span().inside(),
            });
        }
        Kind::Array => {
            out.push('[');
            for (position, item) in value.items().enumerate() {
                if position > 0 {
                    out.push(',');
                }
                write(item, shape, out, placed);
            }
            out.push(']');
        }
        Kind::Object => {
            let mut members: Vec<_> = value
                .members()
                .filter_map(|(key, value)| Some((key.as_str()?, key, value)))
                .filter(|(name, _, value)| !shape.leaves_out(name, *value))
                .collect();
            members.sort_by(|(left, ..), (right, ..)| left.cmp(right));
            out.push('{');
            for (position, (name, key, value)) in members.into_iter().enumerate() {
                if position > 0 {
                    out.push(',');
                }
                write_string(key, out);
                out.push(':');
                write(value, shape.of_member(&name), out, placed);
            }
            out.push('}');
        }
    }
}

fn write_string(value: Value<'_>, out: &mut String) {
    match value.as_str() {
        // Escapes are written in one way; a string without any is already so.
        Some(text) if value.is_escaped() => write_json_string(&text, out),
        _ => out.push_str(value.raw()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::json::json_string;

    #[test]
    fn members_are_sorted_and_white_space_is_gone() {
        let text = " { \"b\" : [ 1 , {\"z\":null,\"a\":true} ] ,\n\"a\":\"x y\"} ";
        assert_eq!(
            canonical_json(text).unwrap(),
            r#"{"a":"x y","b":[1,{"a":true,"z":null}]}"#
        );
    }

    #[test]
    fn strings_are_escaped_in_one_way() {
        let text = r#"["\u0041\/\u00e9\ud83d\ude00\u000a\u001F"]"#;
        assert_eq!(canonical_json(text).unwrap(), "[\"A/é😀\\n\\u001f\"]");
    }

    #[test]
    fn numbers_that_a_reader_tells_apart_stay_apart() {
        let numbers = "[1,1.0,1e0,-0,0,9007199254740993,9007199254740992,18446744073709551617]";
        assert_eq!(canonical_json(numbers).unwrap(), numbers);
    }

    #[test]
    fn composed_and_decomposed_characters_stay_apart() {
        assert_ne!(
            canonical_json("\"\u{e9}\"").unwrap(),
            canonical_json("\"e\u{301}\"").unwrap()
        );
    }

    /// A value, written with members in order and tight, and again reversed and loose.
    fn two_ways() -> impl Strategy<Value = (String, String)> {
        let leaf = prop_oneof![
            Just(("null".to_owned(), "null".to_owned())),
            any::<i64>().prop_map(|n| (n.to_string(), n.to_string())),
            any::<String>().prop_map(|s| {
                let escaped = s.encode_utf16().map(|unit| format!("\\u{unit:04X}"));
                (
                    json_string(&s),
                    format!("\"{}\"", escaped.collect::<String>()),
                )
            }),
        ];
        leaf.prop_recursive(4, 32, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(|items| {
                    let (tight, loose): (Vec<_>, Vec<_>) = items.into_iter().unzip();
                    (
                        format!("[{}]", tight.join(",")),
                        format!("[ {} ]", loose.join(" ,\n")),
                    )
                }),
                prop::collection::btree_map("[a-z\n\"é]{0,4}", inner, 0..20).prop_map(|members| {
                    let member = |(key, value): (&String, &String)| json_string(key) + ":" + value;
                    let tight = members.iter().map(|(k, v)| member((k, &v.0)));
                    let loose = members.iter().rev().map(|(k, v)| member((k, &v.1)));
                    (
                        format!("{{{}}}", tight.collect::<Vec<_>>().join(",")),
                        format!("\t{{ {} }} ", loose.collect::<Vec<_>>().join(" , ")),
                    )
                }),
            ]
        })
    }

    proptest! {
        #[test]
        fn order_white_space_and_escapes_do_not_matter((one, other) in two_ways()) {
            let canonical = canonical_json(&one).unwrap();
            prop_assert_eq!(&canonical, &canonical_json(&other).unwrap());
            prop_assert_eq!(&canonical, &canonical_json(&canonical).unwrap());
            let meant: serde_json::Value = serde_json::from_str(&one).unwrap();
            prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&canonical).unwrap(), meant);
        }
    }
}
