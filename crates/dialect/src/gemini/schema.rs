//! Google's own form of schemas (a subset of OpenAPI 3.0) as JSON schema, which all others take.

use std::borrow::Cow;

use super::names::{camel, name_of};
use crate::json::{Kind, Value, write};

/// A schema as JSON schema. What is JSON schema already stays as it stands.
pub(crate) fn json_schema(schema: Value<'_>) -> Cow<'_, str> {
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

/// Writes a schema as the next value.
fn write(schema: Value<'_>, out: &mut String) {
    if schema.kind() != Kind::Object {
        write::value(out, schema.raw());
        return;
    }
    let nullable = schema.get("nullable").and_then(Value::as_bool) == Some(true);
    write::braces(out, |out| {
        for (key, value) in schema.members() {
            let name = name_of(key);
            let kind = member(&name, value);
            if matches!(kind, Member::Dropped) || value.is_str("TYPE_UNSPECIFIED") {
                continue;
            }
            let name = match kind {
                Member::Example => "examples",
                _ if name == "defs" => "$defs",
                _ => name.as_ref(),
            };
            write::name(out, name);
            write_member(kind, value, nullable, out);
        }
    });
}

fn write_member(kind: Member, value: Value<'_>, nullable: bool, out: &mut String) {
    match kind {
        Member::Type => {
            let lower = value.raw().to_ascii_lowercase();
            match nullable && value.kind() == Kind::String {
                true => write::brackets(out, |out| {
                    write::value(out, &lower);
                    write::string(out, "null");
                }),
                false => write::value(out, &lower),
            }
        }
        Member::Named => write::braces(out, |out| {
            for (name, inner) in value.members() {
                write::key(out, name);
                write(inner, out);
            }
        }),
        Member::Schema => write(value, out),
        Member::Schemas => write::brackets(out, |out| {
            value.items().for_each(|inner| write(inner, out));
        }),
        Member::Count => match value.as_str().and_then(|text| text.parse::<u64>().ok()) {
            Some(count) => write::value(out, &count.to_string()),
            None => write::value(out, value.raw()),
        },
        Member::Example => write::brackets(out, |out| write::value(out, value.raw())),
        Member::Kept | Member::Dropped => write::value(out, value.raw()),
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
