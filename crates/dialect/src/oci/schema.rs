//! A tool's JSON schema as the flat list of parameters that Cohere's first form takes
//! (`CohereParameterDefinition`: a Python type, a description, whether it is required).

use crate::json::write;
use crate::json::{Document, Kind, Value};

/// JSON's types in Python.
const TYPES: [(&str, &str); 6] = [
    ("string", "str"),
    ("integer", "int"),
    ("number", "float"),
    ("boolean", "bool"),
    ("array", "list"),
    ("object", "dict"),
];
/// What of a schema the list says.
const TOLD: [&str; 6] = [
    "type",
    "properties",
    "required",
    "title",
    "$schema",
    "description",
];
/// What of a parameter's schema the list says.
const TOLD_OF_ONE: [&str; 3] = ["type", "description", "title"];

/// Writes the parameters to `out`, and tells whether that is all that the schema says.
pub(super) fn parameters(schema: &str, out: &mut String) -> bool {
    let Ok(document) = Document::parse(schema.as_bytes()) else {
        write::braces(out, |_| {});
        return false;
    };
    let root = document.root();
    let mut complete = root.members().all(|(name, value)| {
        TOLD.iter().any(|told| name.is_str(told))
            || (name.is_str("additionalProperties") && value.as_bool() == Some(false))
    });
    let properties = root.get("properties");
    write::braces(out, |out| {
        for (name, property) in properties.into_iter().flat_map(Value::members) {
            let name = name.as_str().unwrap_or_default();
            let required = root.each("required");
            let required = required.into_iter().any(|item| item.is_str(&name));
            write::name(out, &name);
            complete &= parameter(property, required, out);
        }
    });
    complete
}

fn parameter(property: Value<'_>, required: bool, out: &mut String) -> bool {
    let kind = property
        .get("type")
        .filter(|kind| kind.kind() == Kind::String);
    let kind = TYPES
        .iter()
        .find(|(json, _)| kind.is_some_and(|kind| kind.is_str(json)));
    let told = |name: Value<'_>| TOLD_OF_ONE.iter().any(|told| name.is_str(told));
    let complete = kind.is_some() && property.members().all(|(name, _)| told(name));
    write::braces(out, |out| {
        write::text_if(out, "description", property.text("description"));
        write::text(out, "type", kind.map_or("Any", |(_, python)| python));
        write::plain(out, "isRequired", required);
    });
    complete
}
