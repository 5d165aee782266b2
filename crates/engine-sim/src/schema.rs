//! JSON that is valid for a JSON schema, filled in deterministically. It knows types, enumerations,
//! constants, properties, items, lengths, ranges, common formats, alternatives and local
//! references; it does not know `pattern`, `not` and conditions.

use serde_json::{Map, Number, Value, json};

use crate::dice::Dice;
use crate::prose;

/// Nesting beyond this is filled with null; schemas that refer to themselves end here.
const MAX_DEPTH: usize = 16;

/// Values made in all, so that a schema that branches into itself stays small.
const MAX_VALUES: usize = 1_000;

/// One value for `schema`.
pub(crate) fn fill(schema: &Value, dice: &mut Dice) -> Value {
    let mut filler = Filler {
        root: schema,
        dice,
        left: MAX_VALUES,
    };
    filler.value(schema, 0)
}

struct Filler<'a> {
    root: &'a Value,
    dice: &'a mut Dice,
    left: usize,
}

impl Filler<'_> {
    fn value(&mut self, schema: &Value, depth: usize) -> Value {
        if depth > MAX_DEPTH || self.left == 0 {
            return Value::Null;
        }
        self.left -= 1;
        if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
            let target = reference.strip_prefix('#');
            let target = target.and_then(|path| self.root.pointer(path)).cloned();
            return target.map_or(Value::Null, |target| self.value(&target, depth + 1));
        }
        if let Some(constant) = schema.get("const") {
            return constant.clone();
        }
        if let Some(choices) = schema.get("enum").and_then(Value::as_array) {
            let place = self.dice.below(choices.len());
            return choices.get(place).cloned().unwrap_or(Value::Null);
        }
        for key in ["anyOf", "oneOf"] {
            if let Some(first) = schema.pointer(&format!("/{key}/0")) {
                return self.value(&first.clone(), depth + 1);
            }
        }
        if let Some(parts) = schema.get("allOf").and_then(Value::as_array) {
            return self.value(&merged(schema, parts), depth + 1);
        }
        match kind(schema) {
            "object" => self.object(schema, depth),
            "array" => self.array(schema, depth),
            "string" => Value::String(self.string(schema)),
            "integer" => self.number(schema, true),
            "number" => self.number(schema, false),
            "boolean" => Value::Bool(self.dice.below(2) == 1),
            _ => Value::Null,
        }
    }

    fn object(&mut self, schema: &Value, depth: usize) -> Value {
        let mut object = Map::new();
        let empty = Map::new();
        let properties = schema
            .get("properties")
            .and_then(Value::as_object)
            .unwrap_or(&empty);
        let required: Vec<&str> = schema
            .get("required")
            .and_then(Value::as_array)
            .map(|names| names.iter().filter_map(Value::as_str).collect())
            .unwrap_or_default();
        for (name, property) in properties {
            // Optional members beyond the middle of the depth are left out, so recursion ends.
            if depth < MAX_DEPTH / 2 || required.contains(&name.as_str()) {
                object.insert(name.clone(), self.value(property, depth + 1));
            }
        }
        for name in required {
            if !object.contains_key(name) {
                object.insert(name.to_owned(), Value::String(self.words(2)));
            }
        }
        Value::Object(object)
    }

    fn array(&mut self, schema: &Value, depth: usize) -> Value {
        let bound = |key| schema.get(key).and_then(Value::as_u64);
        let least = bound("minItems").unwrap_or(0);
        let most = bound("maxItems").unwrap_or(least.max(2));
        let count = least.max(most.min(2)).min(MAX_VALUES as u64);
        let any = json!({"type": "string"});
        let items = schema.get("items").filter(|items| items.is_object());
        let items = items.unwrap_or(&any);
        if depth >= MAX_DEPTH / 2 && least == 0 {
            return Value::Array(Vec::new());
        }
        (0..count).map(|_| self.value(items, depth + 1)).collect()
    }

    fn string(&mut self, schema: &Value) -> String {
        match schema.get("format").and_then(Value::as_str) {
            Some("date") => return "2026-01-15".to_owned(),
            Some("date-time") => return "2026-01-15T09:30:00Z".to_owned(),
            Some("time") => return "09:30:00Z".to_owned(),
            Some("email") => return "sim@example.com".to_owned(),
            Some("uri" | "url") => return "https://example.com/sim".to_owned(),
            Some("uuid") => return "123e4567-e89b-42d3-a456-426614174000".to_owned(),
            _ => {}
        }
        let bound = |key| schema.get(key).and_then(Value::as_u64);
        let least = bound("minLength").unwrap_or(0).min(4_096) as usize;
        let mut text = self.words(3);
        while text.chars().count() < least {
            text.push('.');
        }
        match bound("maxLength") {
            Some(most) => text.chars().take(most as usize).collect(),
            None => text,
        }
    }

    fn words(&mut self, tokens: usize) -> String {
        let pieces = prose::sentences(self.dice, tokens);
        let text: String = pieces.into_iter().map(|(_, piece)| piece).collect();
        text.split(' ').take(tokens).collect::<Vec<_>>().join(" ")
    }

    fn number(&mut self, schema: &Value, whole: bool) -> Value {
        let bound = |key| schema.get(key).and_then(Value::as_f64);
        let step = bound("multipleOf").filter(|step| *step > 0.0);
        let above = bound("exclusiveMinimum").map(|least| least + if whole { 1.0 } else { 0.5 });
        let below = bound("exclusiveMaximum").map(|most| most - if whole { 1.0 } else { 0.5 });
        let least = bound("minimum").or(above);
        let most = bound("maximum").or(below);
        let start = least.or(most.map(|most| most - 100.0)).unwrap_or(0.0);
        let end = most.unwrap_or(start + 100.0).max(start);
        let mut value = start + (end - start) * self.dice.below(100) as f64 / 100.0;
        if whole {
            value = value.ceil().min(end.floor());
        }
        if let Some(step) = step {
            value = (start / step).ceil() * step;
        }
        if whole {
            return Value::from(value as i64);
        }
        Number::from_f64(value).map_or(Value::Null, Value::Number)
    }
}

fn kind(schema: &Value) -> &str {
    match schema.get("type") {
        Some(Value::String(kind)) => kind,
        Some(Value::Array(kinds)) => kinds.first().and_then(Value::as_str).unwrap_or("null"),
        _ if schema.get("properties").is_some() => "object",
        _ if schema.get("items").is_some() => "array",
        _ => "string",
    }
}

/// One object schema out of all parts: members of `properties` and `required` add up.
fn merged(schema: &Value, parts: &[Value]) -> Value {
    let mut sum = schema.clone();
    let Some(target) = sum.as_object_mut() else {
        return sum;
    };
    target.remove("allOf");
    for (key, value) in parts.iter().filter_map(Value::as_object).flatten() {
        match (target.get_mut(key), value) {
            (Some(Value::Object(into)), Value::Object(from)) => into.extend(from.clone()),
            (Some(Value::Array(into)), Value::Array(from)) => into.extend(from.clone()),
            _ => {
                target.insert(key.clone(), value.clone());
            }
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(schema: Value) -> Value {
        fill(&schema, &mut Dice::new(&[7], 0, 0))
    }

    #[test]
    fn every_member_has_its_type_and_bounds() {
        let value = filled(json!({
            "type": "object",
            "properties": {
                "city": {"type": "string", "maxLength": 5},
                "unit": {"enum": ["C", "F"]},
                "days": {"type": "integer", "minimum": 3, "maximum": 4},
                "exact": {"type": "boolean"},
                "tags": {"type": "array", "items": {"type": "number"}, "minItems": 3},
                "when": {"$ref": "#/$defs/when"}
            },
            "required": ["city", "extra"],
            "$defs": {"when": {"type": "string", "format": "date"}}
        }));
        assert!(value["city"].as_str().unwrap().len() <= 5);
        assert!(["C", "F"].contains(&value["unit"].as_str().unwrap()));
        assert!((3..=4).contains(&value["days"].as_i64().unwrap()));
        assert!(value["exact"].is_boolean());
        assert_eq!(value["tags"].as_array().unwrap().len(), 3);
        assert!(value["tags"][0].is_number());
        assert_eq!(value["when"], "2026-01-15");
        assert!(value["extra"].is_string());
    }

    #[test]
    fn a_schema_that_contains_itself_ends() {
        let node = json!({"$ref": "#"});
        let value = filled(json!({
            "type": "object",
            "properties": {"left": node, "right": node, "many": {"type": "array", "items": node}}
        }));
        assert!(value.is_object());
    }
}
