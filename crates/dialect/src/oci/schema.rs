//! A tool's JSON schema as the flat list of parameters that Cohere's first form takes
//! (`CohereParameterDefinition`: a Python type, a description, whether it is required).

use crate::json::write::Object;
use crate::json::{Document, Kind, Value, write_json_string};

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
        out.push_str("{}");
        return false;
    };
    let root = document.root();
    let mut complete = root.members().all(|(name, value)| {
        TOLD.iter().any(|told| name.is_str(told))
            || (name.is_str("additionalProperties") && value.as_bool() == Some(false))
    });
    out.push('{');
    let properties = root.get("properties");
    let members = properties.into_iter().flat_map(Value::members);
    for (position, (name, property)) in members.enumerate() {
        if position > 0 {
            out.push(',');
        }
        let name = name.as_str().unwrap_or_default();
        write_json_string(&name, out);
        out.push(':');
        let required = root.get("required").into_iter().flat_map(Value::items);
        let required = required.into_iter().any(|item| item.is_str(&name));
        complete &= parameter(property, required, out);
    }
    out.push('}');
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
    let mut object = Object::open(out);
    if let Some(description) = property.get("description").and_then(Value::as_str) {
        object.text("description", &description);
    }
    object.text("type", kind.map_or("Any", |(_, python)| python));
    object.plain("isRequired", Some(required));
    object.close();
    complete
}
