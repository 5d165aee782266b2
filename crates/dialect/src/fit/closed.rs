//! Whether a schema is one that Anthropic's models keep to: for their own form of answers, and for
//! strict tools (Anthropic's page on structured outputs, limitations).

use std::collections::{HashMap, HashSet};

use serde_json::Value as Json;

/// Words of JSON schema that are refused.
const REFUSED: [&str; 22] = [
    "contains",
    "dependentRequired",
    "dependentSchemas",
    "else",
    "exclusiveMaximum",
    "exclusiveMinimum",
    "if",
    "maxItems",
    "maxLength",
    "maxProperties",
    "maximum",
    "minLength",
    "minProperties",
    "minimum",
    "multipleOf",
    "not",
    "patternProperties",
    "prefixItems",
    "propertyNames",
    "then",
    "unevaluatedProperties",
    "uniqueItems",
];
/// Formats of texts that are known.
const FORMATS: [&str; 10] = [
    "date",
    "date-time",
    "duration",
    "email",
    "hostname",
    "ipv4",
    "ipv6",
    "time",
    "uri",
    "uuid",
];
/// What patterns can't look for: what stands around, where words end, what was found before.
const LOOKS: [&str; 5] = ["(?", "\\b", "\\B", "\\1", "\\k"];
/// Deeper schemas go the other way.
const DEEPEST: usize = 32;

/// Whether each object says that it has no other members, and nothing is said that is refused.
pub(super) fn is_closed(schema: &str) -> bool {
    serde_json::from_str::<Json>(schema)
        .is_ok_and(|schema| schema.is_object() && closed(&schema, 0) && !is_recursive(&schema))
}

fn closed(schema: &Json, depth: usize) -> bool {
    match schema {
        Json::Object(members) if depth < DEEPEST => {
            let is_object = members.get("type").is_some_and(|kind| kind == "object")
                || members.get("properties").is_some_and(Json::is_object);
            let shut = members.get("additionalProperties") == Some(&Json::Bool(false));
            let refused = |name: &String| REFUSED.contains(&name.as_str());
            (!is_object || shut)
                && !members.keys().any(refused)
                && members
                    .iter()
                    .all(|(name, value)| member(name, value, depth))
        }
        Json::Object(_) => false,
        Json::Array(items) => items.iter().all(|item| closed(item, depth + 1)),
        _ => true,
    }
}

fn member(name: &str, value: &Json, depth: usize) -> bool {
    match (name, value) {
        // Their names are the client's own.
        ("properties" | "$defs" | "definitions", Json::Object(named)) => {
            named.values().all(|value| closed(value, depth + 1))
        }
        ("enum", Json::Array(values)) => !values.iter().any(|v| v.is_object() || v.is_array()),
        ("const" | "default" | "examples", _) => true,
        ("minItems", least) => least.as_u64().is_some_and(|least| least <= 1),
        ("format", Json::String(format)) => FORMATS.contains(&format.as_str()),
        ("pattern", Json::String(pattern)) => !LOOKS.iter().any(|look| pattern.contains(look)),
        ("$ref", Json::String(to)) => to.starts_with("#/"),
        (_, value) => closed(value, depth + 1),
    }
}

/// Whether a definition refers to itself, over others or at once.
fn is_recursive(schema: &Json) -> bool {
    let lists = ["$defs", "definitions"].map(|list| schema.get(list).and_then(Json::as_object));
    let mut open: HashMap<&str, HashSet<&str>> = HashMap::new();
    for (name, definition) in lists.into_iter().flatten().flatten() {
        let mut to = HashSet::new();
        references(definition, &mut to);
        open.insert(name, to);
    }
    let mut users: HashMap<&str, Vec<&str>> = HashMap::new();
    for (name, to) in &mut open {
        to.iter()
            .for_each(|to| users.entry(to).or_default().push(name));
    }
    // Definitions whose references are all known to end are taken away, until none is left.
    let known: HashSet<&str> = open.keys().copied().collect();
    open.values_mut()
        .for_each(|to| to.retain(|to| known.contains(to)));
    let ends = open.iter().filter(|(_, to)| to.is_empty());
    let mut ready: Vec<&str> = ends.map(|(name, _)| *name).collect();
    while let Some(name) = ready.pop() {
        open.remove(name);
        for user in users.get(name).into_iter().flatten() {
            if let Some(to) = open.get_mut(user)
                && to.remove(name)
                && to.is_empty()
            {
                ready.push(user);
            }
        }
    }
    !open.is_empty()
}

/// The names of the definitions that it refers to. `serde_json` bounds the depth.
fn references<'j>(schema: &'j Json, to: &mut HashSet<&'j str>) {
    match schema {
        Json::Object(members) => {
            if let Some(Json::String(path)) = members.get("$ref")
                && let Some((_, name)) = path.rsplit_once('/')
            {
                to.insert(name);
            }
            members.values().for_each(|value| references(value, to));
        }
        Json::Array(items) => items.iter().for_each(|item| references(item, to)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_anthropics_models_do_not_keep_to_goes_another_way() {
        let of = |property: Json| json!({"type": "object", "properties": {"a": property}, "required": ["a"], "additionalProperties": false});
        let text = json!({"type": "string"});
        let with = |definitions: Json| {
            let mut schema = of(json!({"$ref": "#/$defs/N"}));
            schema["$defs"] = definitions;
            schema
        };
        let shut = |property: Json| json!({"type": "object", "properties": {"b": property}, "additionalProperties": false});
        let kept = [
            of(text.clone()),
            of(json!({"type": "array", "minItems": 1, "items": text})),
            of(json!({"type": "string", "format": "date-time", "pattern": "^[a-z]+$"})),
            of(json!({"enum": ["a", 1, null]})),
            with(json!({"N": shut(json!({"$ref": "#/$defs/M"})), "M": shut(text.clone())})),
        ];
        let not = [
            json!({"type": "object", "properties": {"a": text}}),
            of(json!({"type": "array", "minItems": 2, "items": text})),
            of(json!({"type": "string", "format": "phone"})),
            of(json!({"type": "string", "pattern": "(?=a)"})),
            of(json!({"enum": [{"a": 1}]})),
            of(json!({"type": "integer", "minimum": 1})),
            of(json!({"$ref": "https://example.org/schema"})),
            of(json!({"$ref": "#"})),
            with(json!({"N": shut(json!({"$ref": "#/$defs/N"}))})),
            with(
                json!({"N": shut(json!({"$ref": "#/$defs/M"})), "M": shut(json!({"$ref": "#/$defs/N"}))}),
            ),
            json!(true),
        ];
        for schema in kept {
            assert!(is_closed(&schema.to_string()), "{schema}");
        }
        for schema in not {
            assert!(!is_closed(&schema.to_string()), "{schema}");
        }
    }
}
