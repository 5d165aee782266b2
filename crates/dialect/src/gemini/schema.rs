//! Google's own form of schemas (a subset of OpenAPI 3.0) as JSON schema, which all others take.

use std::borrow::Cow;

use super::names::{camel, name_of};
use crate::json::{Kind, Value, json_string};

/// A schema as JSON schema. What is JSON schema already stays as it stands.
pub(super) fn json_schema(schema: Value<'_>) -> Cow<'_, str> {
    if is_json_schema(schema) {
        return Cow::Borrowed(schema.raw());
    }
    let mut out = String::with_capacity(schema.raw().len());
    write(schema, &mut out);
    Cow::Owned(out)
}

/// What a member of Google's schema becomes.
enum Member {
    Type,
    /// A schema for each name.
    Named,
    /// A schema.
    Schema,
    /// Schemas.
    Schemas,
    /// A count that may stand in quotes.
    Count,
    /// A word about the type that JSON schema has no use for.
    Dropped,
    Example,
    /// The same in JSON schema.
    Kept,
}

fn member(name: &str, value: Value<'_>) -> Member {
    match name {
        "type" => Member::Type,
        "properties" | "defs" | "$defs" => Member::Named,
        "items" | "additionalProperties" if value.kind() == Kind::Object => Member::Schema,
        "anyOf" | "oneOf" | "allOf" | "prefixItems" => Member::Schemas,
        "minItems" | "maxItems" | "minLength" | "maxLength" | "minProperties" | "maxProperties" => {
            Member::Count
        }
        "nullable" | "propertyOrdering" => Member::Dropped,
        "format" if value.is_str("enum") => Member::Dropped,
        "example" => Member::Example,
        _ => Member::Kept,
    }
}

/// Recursion is bounded by the document's depth.
fn is_json_schema(schema: Value<'_>) -> bool {
    schema.members().all(|(key, value)| {
        let name = key.as_str().unwrap_or_default();
        match member(&camel(name.clone()), value) {
            Member::Type => value
                .as_str()
                .is_none_or(|kind| !kind.bytes().any(|byte| byte.is_ascii_uppercase())),
            Member::Named => value.members().all(|(_, inner)| is_json_schema(inner)),
            Member::Schema => is_json_schema(value),
            Member::Schemas => value.items().all(is_json_schema),
            Member::Count => value.kind() != Kind::String,
            Member::Dropped | Member::Example => false,
            Member::Kept => name.starts_with('$') || !name.contains('_'),
        }
    })
}

fn write(schema: Value<'_>, out: &mut String) {
    if schema.kind() != Kind::Object {
        out.push_str(schema.raw());
        return;
    }
    let nullable = schema.get("nullable").and_then(Value::as_bool) == Some(true);
    out.push('{');
    let start = out.len();
    for (key, value) in schema.members() {
        let name = name_of(key);
        let kind = member(&name, value);
        if matches!(kind, Member::Dropped) || value.is_str("TYPE_UNSPECIFIED") {
            continue;
        }
        if out.len() > start {
            out.push(',');
        }
        let name = match kind {
            Member::Example => "examples",
            _ if name == "defs" => "$defs",
            _ => name.as_ref(),
        };
        out.push_str(&json_string(name));
        out.push(':');
        write_member(kind, value, nullable, out);
    }
    out.push('}');
}

fn write_member(kind: Member, value: Value<'_>, nullable: bool, out: &mut String) {
    match kind {
        Member::Type => {
            let lower = value.raw().to_ascii_lowercase();
            match nullable && value.kind() == Kind::String {
                true => out.push_str(&format!("[{lower},\"null\"]")),
                false => out.push_str(&lower),
            }
        }
        Member::Named => {
            out.push('{');
            for (position, (name, inner)) in value.members().enumerate() {
                if position > 0 {
                    out.push(',');
                }
                out.push_str(name.raw());
                out.push(':');
                write(inner, out);
            }
            out.push('}');
        }
        Member::Schema => write(value, out),
        Member::Schemas => {
            out.push('[');
            for (position, inner) in value.items().enumerate() {
                if position > 0 {
                    out.push(',');
                }
                write(inner, out);
            }
            out.push(']');
        }
        Member::Count => match value.as_str().and_then(|text| text.parse::<u64>().ok()) {
            Some(count) => out.push_str(&count.to_string()),
            None => out.push_str(value.raw()),
        },
        Member::Example => {
            out.push('[');
            out.push_str(value.raw());
            out.push(']');
        }
        Member::Kept | Member::Dropped => out.push_str(value.raw()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::Document;

    fn converted(text: &str) -> String {
        let document = Document::parse(text.as_bytes()).unwrap();
        json_schema(document.root()).into_owned()
    }

    #[test]
    fn types_in_capitals_and_nullable_become_json_schema() {
        let schema = r#"{"type":"OBJECT","properties":{"TYPE":{"type":"STRING","nullable":true,"format":"enum","enum":["A"]},
            "l":{"type":"ARRAY","items":{"type":"INTEGER"},"min_items":"2"}},"required":["l"],"propertyOrdering":["l"]}"#;
        assert_eq!(
            converted(schema),
            r#"{"type":"object","properties":{"TYPE":{"type":["string","null"],"enum":["A"]},"l":{"type":"array","items":{"type":"integer"},"minItems":2}},"required":["l"]}"#
        );
    }

    #[test]
    fn what_is_json_schema_stays_byte_for_byte() {
        let schema = r#"{ "type": ["object", "null"], "properties": {"type": {"type":"string"}, "a_b": {"const": "X"}} }"#;
        assert_eq!(converted(schema), schema);
    }
}
