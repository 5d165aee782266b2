//! Schemas for models that read Google's own form only, a subset of OpenAPI 3.0: what it has no
//! words for is rewritten, or told in the description.

use serde_json::{Map, Value as Json, json};

/// Members that both forms have.
const KEPT: [&str; 15] = [
    "description",
    "example",
    "maxItems",
    "maxLength",
    "maxProperties",
    "maximum",
    "minItems",
    "minLength",
    "minProperties",
    "minimum",
    "nullable",
    "pattern",
    "propertyOrdering",
    "title",
    "type",
];
/// Formats that are not refused.
const FORMATS: [&str; 7] = [
    "date-time",
    "double",
    "enum",
    "float",
    "int32",
    "int64",
    "time",
];
/// How many references may stand within each other.
const MAX_REFERENCES: usize = 8;
/// How deep schemas may stand within each other, references included.
const MAX_DEPTH: usize = 48;
/// The most schemas that references may unfold into.
const MAX_SCHEMAS: usize = 4096;

/// A schema in Google's form. None where it takes no arguments, or is none.
pub(super) fn schema(json: &str) -> Option<String> {
    let root: Json = serde_json::from_str(json).ok()?;
    let mut lowering = Lowering {
        root: &root,
        references: 0,
        depth: 0,
        left: MAX_SCHEMAS,
    };
    let lowered = lowering.schema(&root);
    let is_empty =
        lowered["type"] == "object" && lowered["properties"].as_object().is_none_or(Map::is_empty);
    (!is_empty).then(|| lowered.to_string())
}

struct Lowering<'j> {
    root: &'j Json,
    references: usize,
    depth: usize,
    left: usize,
}

impl<'j> Lowering<'j> {
    fn schema(&mut self, schema: &'j Json) -> Json {
        let Some(members) = schema.as_object() else {
            return json!({"type": "string"});
        };
        if self.left == 0 || self.depth == MAX_DEPTH {
            return json!({"type": "object"});
        }
        self.left -= 1;
        self.depth += 1;
        let lowered = match members.get("$ref") {
            Some(Json::String(path)) => self.referred(path, members),
            _ => self.members(members),
        };
        self.depth -= 1;
        lowered
    }

    fn members(&mut self, members: &'j Map<String, Json>) -> Json {
        let mut out = Map::new();
        for (name, value) in members {
            if KEPT.contains(&name.as_str()) {
                out.insert(name.clone(), value.clone());
            }
        }
        if let Some(format) = members.get("format").and_then(Json::as_str)
            && FORMATS.contains(&format)
        {
            out.insert("format".into(), format.into());
        }
        types(&mut out);
        values(members, &mut out);
        self.inside(members, &mut out);
        self.choices(members, &mut out);
        Json::Object(out)
    }

    /// What a reference leads to. One that leads into itself ends as any object.
    fn referred(&mut self, path: &str, members: &Map<String, Json>) -> Json {
        let found = path.strip_prefix('#').and_then(|at| self.root.pointer(at));
        let mut out = match found.filter(|_| self.references < MAX_REFERENCES) {
            Some(found) => {
                self.references += 1;
                let out = self.schema(found);
                self.references -= 1;
                out
            }
            None => json!({"type": "object"}),
        };
        if let Some(about) = members.get("description") {
            out["description"] = about.clone();
        }
        out
    }

    fn inside(&mut self, members: &'j Map<String, Json>, out: &mut Map<String, Json>) {
        if let Some(Json::Object(properties)) = members.get("properties") {
            let lowered = properties.iter();
            let lowered: Map<String, Json> = lowered
                .map(|(name, schema)| (name.clone(), self.schema(schema)))
                .collect();
            if let Some(Json::Array(required)) = members.get("required") {
                let known = |name: &&Json| name.as_str().is_some_and(|n| lowered.contains_key(n));
                let required: Vec<Json> = required.iter().filter(known).cloned().collect();
                if !required.is_empty() {
                    out.insert("required".into(), required.into());
                }
            }
            out.insert("properties".into(), lowered.into());
            out.entry("type").or_insert_with(|| "object".into());
        }
        let items = members.get("items").map(|items| self.schema(items));
        if let Some(items) = items {
            out.entry("type").or_insert_with(|| "array".into());
            out.insert("items".into(), items);
        } else if out.get("type").is_some_and(|kind| kind == "array") {
            out.insert("items".into(), json!({"type": "string"}));
        }
    }

    fn choices(&mut self, members: &'j Map<String, Json>, out: &mut Map<String, Json>) {
        for word in ["anyOf", "oneOf"] {
            let Some(Json::Array(branches)) = members.get(word) else {
                continue;
            };
            let is_null = |branch: &&Json| branch["type"] == "null";
            if branches.iter().any(|branch| is_null(&branch)) {
                out.insert("nullable".into(), true.into());
            }
            let branches = branches.iter().filter(|branch| !is_null(branch));
            let mut branches: Vec<Json> = branches.map(|branch| self.schema(branch)).collect();
            match branches.len() {
                0 => {}
                1 => merge(out, branches.remove(0)),
                _ => _ = out.insert("anyOf".into(), branches.into()),
            }
        }
        if let Some(Json::Array(parts)) = members.get("allOf") {
            for part in parts {
                let part = self.schema(part);
                merge(out, part);
            }
        }
    }
}

/// A list of types becomes one, or a choice.
fn types(out: &mut Map<String, Json>) {
    let Some(Json::Array(kinds)) = out.get("type").cloned() else {
        return;
    };
    out.remove("type");
    if kinds.iter().any(|kind| kind == "null") {
        out.insert("nullable".into(), true.into());
    }
    let kinds: Vec<&Json> = kinds.iter().filter(|kind| *kind != "null").collect();
    match kinds.as_slice() {
        [] => {}
        [kind] => _ = out.insert("type".into(), (*kind).clone()),
        _ => {
            let branches: Vec<Json> = kinds.iter().map(|kind| json!({"type": kind})).collect();
            out.insert("anyOf".into(), branches.into());
        }
    }
}

/// Only texts may be listed; the description tells of others.
fn values(members: &Map<String, Json>, out: &mut Map<String, Json>) {
    let listed = match (members.get("enum"), members.get("const")) {
        (Some(Json::Array(listed)), _) => listed.clone(),
        (_, Some(only)) => vec![only.clone()],
        _ => return,
    };
    let (none, listed): (Vec<Json>, Vec<Json>) = listed.into_iter().partition(Json::is_null);
    if !none.is_empty() {
        out.insert("nullable".into(), true.into());
    }
    if listed.is_empty() {
        return;
    }
    if listed.iter().all(Json::is_string) {
        out.insert("type".into(), "string".into());
        out.insert("enum".into(), listed.into());
        return;
    }
    if !out.contains_key("type") {
        let kind = match &listed[0] {
            Json::Bool(_) => "boolean",
            Json::Number(number) if number.is_f64() => "number",
            Json::Number(_) => "integer",
            _ => "string",
        };
        out.insert("type".into(), kind.into());
    }
    let told: Vec<String> = listed.iter().map(Json::to_string).collect();
    let about = out.get("description").and_then(Json::as_str);
    let about = about.map_or(String::new(), |about| format!("{about} "));
    let about = format!("{about}One of: {}.", told.join(", "));
    out.insert("description".into(), about.into());
}

/// Members of another schema that this one does not have; properties of both.
fn merge(out: &mut Map<String, Json>, other: Json) {
    let Json::Object(other) = other else { return };
    for (name, value) in other {
        match (out.get_mut(&name), value) {
            (Some(Json::Object(known)), Json::Object(more)) if name == "properties" => {
                for (name, schema) in more {
                    known.entry(name).or_insert(schema);
                }
            }
            (Some(Json::Array(known)), Json::Array(more)) if name == "required" => {
                known.extend(more);
            }
            (Some(_), _) => {}
            (None, value) => _ = out.insert(name, value),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use serde_json::{Value as Json, json};

    use super::schema;

    #[test]
    fn what_the_older_form_has_no_words_for_is_rewritten() {
        let rows = [
            (
                json!({"type": ["string", "null"], "format": "uri"}),
                json!({"type": "string", "nullable": true}),
            ),
            (
                json!({"type": ["string", "integer"]}),
                json!({"anyOf": [{"type": "string"}, {"type": "integer"}]}),
            ),
            (
                json!({"const": "a"}),
                json!({"type": "string", "enum": ["a"]}),
            ),
            (
                json!({"enum": [1, 2], "description": "d"}),
                json!({"type": "integer", "description": "d One of: 1, 2."}),
            ),
            (
                json!({"enum": ["a", null]}),
                json!({"type": "string", "enum": ["a"], "nullable": true}),
            ),
            (
                json!({"anyOf": [{"type": "string"}, {"type": "null"}]}),
                json!({"type": "string", "nullable": true}),
            ),
            (
                json!({"oneOf": [{"const": "a"}, {"type": "integer"}]}),
                json!({"anyOf": [{"type": "string", "enum": ["a"]}, {"type": "integer"}]}),
            ),
            (
                json!({"type": "array"}),
                json!({"type": "array", "items": {"type": "string"}}),
            ),
            (
                json!({"allOf": [{"properties": {"b": {"type": "string"}}, "required": ["b"]}]}),
                json!({"type": "object", "properties": {"b": {"type": "string"}}, "required": ["b"]}),
            ),
            (
                json!({"$ref": "#/$defs/X", "description": "d"}),
                json!({"type": "integer", "description": "d"}),
            ),
            (
                json!({"type": "object", "additionalProperties": false, "properties": {"c": {"type": "string"}}, "required": ["c", "d"]}),
                json!({"type": "object", "properties": {"c": {"type": "string"}}, "required": ["c"]}),
            ),
        ];
        for (given, expected) in rows {
            let whole = json!({"$schema": "s", "$defs": {"X": {"type": "integer", "exclusiveMinimum": 0}},
                "type": "object", "properties": {"a": given}});
            let lowered: Json = serde_json::from_str(&schema(&whole.to_string()).unwrap()).unwrap();
            let expected = json!({"type": "object", "properties": {"a": expected}});
            assert_eq!(lowered, expected, "{given}");
        }
        assert_eq!(schema(r#"{"type": "object", "properties": {}}"#), None);
    }

    #[test]
    fn references_into_themselves_end() {
        let members: serde_json::Map<String, Json> = (0..40)
            .map(|at| (format!("p{at}"), json!({"$ref": "#/$defs/N"})))
            .collect();
        let whole = json!({"type": "object", "properties": members, "$defs": {"N": {"type": "object", "properties": members}}});
        assert!(schema(&whole.to_string()).unwrap().len() < 1_000_000);
    }
}
