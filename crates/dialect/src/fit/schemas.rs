//! Schemas of tools' arguments. The makers of models want an object at the root, and some no choice
//! between several there; servers of tools (MCP) write all of these, and Google's form of schemas.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value as Json};

use super::closed::is_closed;
use super::family::Family;
use super::{Aim, Fitted};
use crate::contract::ways::Makers;
use crate::exchange::{ChatRequest, Grade, Lost, OutputFormat, Profile};
use crate::gemini::schema::json_schema;
use crate::json::{Document, Value};

/// Words that choose between schemas, or join them.
const CHOICES: [&str; 3] = ["allOf", "anyOf", "oneOf"];
/// The longest condition that a description repeats.
const LONGEST: usize = 2048;
/// Definitions of one name that are compared.
const MOST_OF_A_NAME: usize = 4;

/// A tool that is declared twice, in the same words, is declared once: Anthropic and Google refuse
/// two of one name, which frameworks that gather tools from several servers send.
///
/// Where two of one name differ, nobody can say which of them the model would call: targets that
/// refuse them do so here.
pub(super) fn once(request: &mut ChatRequest<'_>, aim: &Aim<'_>, fitted: &mut Fitted) {
    let mut first: HashMap<Cow<'_, str>, Vec<usize>> = HashMap::new();
    let mut again = Vec::new();
    let refuses = matches!(
        aim.ways.makers,
        Makers::Anthropic | Makers::Google | Makers::Bedrock
    ) && aim.profile != Profile::Engine;
    for (at, tool) in request.tools.iter().enumerate() {
        let same = first.entry(tool.name.clone()).or_default();
        // One name has a few definitions at most; beyond that the rest stays as it is.
        match same.iter().any(|of| request.tools[*of] == *tool) {
            true => again.push(at),
            false => {
                if refuses && same.len() == 1 && tool.builtin.is_none() {
                    let was = fitted.tools.get(at).copied().unwrap_or(at);
                    fitted.lost.push(Lost {
                        param: format!("tools[{was}]"),
                        why: "another tool has the same name, and this target takes only one",
                        grade: Grade::Refused,
                    });
                }
                if same.len() < MOST_OF_A_NAME {
                    same.push(at);
                }
            }
        }
    }
    if again.is_empty() {
        return;
    }
    let mut keep = vec![true; request.tools.len()];
    again.into_iter().for_each(|at| keep[at] = false);
    let mut kept = keep.iter().copied();
    request.tools.retain(|_| kept.next().unwrap_or(true));
    let mut kept = keep.iter().copied();
    fitted.tools.retain(|_| kept.next().unwrap_or(true));
}

/// Schemas in Google's form are JSON schema for whoever reads them.
pub(super) fn spell(request: &mut ChatRequest<'_>) {
    let output = match &mut request.output {
        Some(OutputFormat::JsonSchema { schema, .. }) => Some(schema),
        _ => None,
    };
    let of_tools = request.tools.iter_mut();
    let of_tools = of_tools.filter_map(|tool| tool.parameters.as_mut());
    for schema in of_tools.chain(output).filter(|schema| is_googles(schema)) {
        if let Ok(document) = Document::parse(schema.as_bytes()) {
            *schema = Cow::Owned(json_schema(document.root()).into_owned());
        }
    }
}

pub(super) fn fit(request: &mut ChatRequest<'_>, aim: &Aim<'_>, fitted: &mut Fitted) {
    let flattens = matches!(aim.family, Family::Claude(_) | Family::OpenAi(_));
    let wants_object = aim.family != Family::Other && aim.profile != Profile::Engine;
    for (at, tool) in request.tools.iter_mut().enumerate() {
        let Some(schema) = tool.parameters.as_deref().filter(|_| wants_object) else {
            continue;
        };
        let was = fitted.tools.get(at).copied().unwrap_or(at);
        if !is_of_object(schema) {
            fitted.lost.push(Lost {
                param: format!("tools[{was}].parameters"),
                why: "this target accepts only an object at the root of a tool's schema",
                grade: Grade::Refused,
            });
        }
        let Some(flat) = flattens.then(|| flat(schema)).flatten() else {
            continue;
        };
        tool.parameters = Some(Cow::Owned(flat.schema));
        if let Some(condition) = flat.condition {
            let about = tool.description.take().unwrap_or_default();
            let about = format!("{about}\n\nThe arguments must also match: {condition}");
            tool.description = Some(Cow::Owned(about.trim_start().to_owned()));
            let why = "this target takes one object at a schema's root: its alternatives became \
                       one, and the description tells of them";
            fitted.lose(format!("tools[{was}].parameters"), why);
        }
    }
}

/// Tools are strict at models that keep to schemas, and where the schema is one of those that they
/// keep to. At others the word alone fails the request.
pub(super) fn strict(request: &mut ChatRequest<'_>, aim: &Aim<'_>, fitted: &mut Fitted) {
    let takes = match aim.family {
        Family::Claude(claude) => claude.formats,
        Family::Bedrock(model) => model.formats,
        Family::Nova => false,
        _ => return,
    };
    for (at, tool) in request.tools.iter_mut().enumerate() {
        let closed = || tool.parameters.as_deref().is_some_and(is_closed);
        if tool.strict.is_none() || (takes && tool.strict == Some(true) && closed()) {
            continue;
        }
        if tool.strict.take() == Some(true) {
            let was = fitted.tools.get(at).copied().unwrap_or(at);
            let why = "this model does not keep strictly to such a schema";
            fitted.lose(format!("tools[{was}].strict"), why);
        }
    }
}

/// A schema with one object at its root.
struct Flat {
    schema: String,
    /// What it doesn't say any more.
    condition: Option<String>,
}

/// What stands behind each `"type":`.
fn types(schema: &str) -> impl Iterator<Item = &str> {
    let behind = schema.split("\"type\"").skip(1);
    let values = behind.filter_map(|behind| behind.trim_start().strip_prefix(':'));
    values.map(str::trim_start)
}

/// Whether any value has several types: `"type": ["object", "null"]`.
fn lists_types(schema: &str) -> bool {
    types(schema).any(|kind| kind.starts_with('['))
}

/// Whether a type stands in capitals: `"type": "STRING"`.
fn is_googles(schema: &str) -> bool {
    let capital = |text: &str| text.starts_with(|first: char| first.is_ascii_uppercase());
    types(schema).any(|kind| kind.strip_prefix('"').is_some_and(capital))
}

/// Whether a schema may be one of an object.
fn is_of_object(schema: &str) -> bool {
    if schema.starts_with(r#"{"type":"object""#) {
        return true;
    }
    // What is no JSON its writer refuses.
    let Ok(document) = Document::parse(schema.as_bytes()) else {
        return true;
    };
    let is = |kind: Value<'_>| kind.is_str("object") || kind.items().any(|of| of.is_str("object"));
    document.root().get("type").is_none_or(is)
}

/// None where it is as it should be, or no schema of an object.
fn flat(schema: &str) -> Option<Flat> {
    let spells = |word: &&str| schema.contains(*word);
    let is_plain =
        schema.contains("\"type\"") && !CHOICES.iter().any(spells) && !lists_types(schema);
    if is_plain && !schema.contains("\"not\"") {
        return None;
    }
    let Ok(Json::Object(mut root)) = serde_json::from_str(schema) else {
        return None;
    };
    let is_object = match root.get("type") {
        None => true,
        Some(Json::Array(kinds)) => kinds.iter().any(|kind| kind == "object"),
        Some(kind) => kind == "object",
    };
    let odd = |root: &Map<String, Json>| {
        let said = |word: &&str| root.contains_key(*word);
        CHOICES.iter().any(said) || root.contains_key("not")
    };
    if !is_object || (!odd(&root) && root.get("type").is_some_and(Json::is_string)) {
        return None;
    }
    root.insert("type".to_owned(), Json::from("object"));
    let mut condition = Map::new();
    for word in CHOICES {
        if let Some(Json::Array(branches)) = root.remove(word) {
            join(&mut root, &branches, word == "allOf");
            condition.insert(word.to_owned(), Json::Array(branches));
        }
    }
    if let Some(not) = root.remove("not") {
        condition.insert("not".to_owned(), not);
    }
    let condition = (!condition.is_empty()).then(|| Json::Object(condition).to_string());
    Some(Flat {
        schema: Json::Object(root).to_string(),
        condition: condition.map(|mut condition| {
            let mut end = condition.len().min(LONGEST);
            while !condition.is_char_boundary(end) {
                end -= 1;
            }
            condition.truncate(end);
            condition
        }),
    })
}

/// Members of all branches become members of the root; required is what each of them requires,
/// or any of them where all hold.
fn join(root: &mut Map<String, Json>, branches: &[Json], all: bool) {
    let mut required: Option<Vec<Json>> = None;
    // What many branches refer to is joined once: more of it says nothing more.
    let mut referred = HashSet::new();
    for branch in branches {
        if let Some(Json::String(path)) = branch.get("$ref")
            && !referred.insert(path.as_str())
        {
            continue;
        }
        let branch = resolved(root, branch).clone();
        let wanted = match branch.get("required") {
            Some(Json::Array(names)) => names.clone(),
            _ => Vec::new(),
        };
        if let Some(Json::Object(members)) = branch.get("properties") {
            let known = root
                .entry("properties")
                .or_insert_with(|| Json::Object(Map::new()));
            if let Json::Object(known) = known {
                for (name, schema) in members {
                    known.entry(name.clone()).or_insert_with(|| schema.clone());
                }
            }
        }
        required = Some(match required.take() {
            None => wanted,
            Some(mut names) if all => {
                names.extend(wanted);
                names
            }
            Some(mut names) => {
                let wanted: HashSet<&Json> = wanted.iter().collect();
                names.retain(|name| wanted.contains(name));
                names
            }
        });
    }
    let mut names = match root.remove("required") {
        Some(Json::Array(names)) => names,
        _ => Vec::new(),
    };
    names.extend(required.unwrap_or_default());
    let mut known = HashSet::new();
    names.retain(|name| known.insert(name.clone()));
    if !names.is_empty() {
        root.insert("required".to_owned(), Json::Array(names));
    }
}

/// What a branch refers to, where that stands in the same schema.
fn resolved<'j>(root: &'j Map<String, Json>, branch: &'j Json) -> &'j Json {
    let Some(Json::String(path)) = branch.get("$ref") else {
        return branch;
    };
    let mut names = path.strip_prefix("#/").unwrap_or_default().split('/');
    let first = names.next().and_then(|name| root.get(name));
    let found = first.and_then(|first| names.try_fold(first, |at, name| at.get(name)));
    found.unwrap_or(branch)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use serde_json::{Value as Json, json};

    use super::flat;

    #[test]
    fn alternatives_at_the_root_become_one_object() {
        let read = |text: &str| serde_json::from_str::<Json>(text).unwrap();
        let schema = json!({"type": "object", "properties": {"c": {"type": "string"}}, "required": ["c"],
            "oneOf": [{"properties": {"a": {"type": "string"}, "b": {}}, "required": ["a", "b"]}, {"$ref": "#/$defs/X"}],
            "$defs": {"X": {"properties": {"a": {"type": "integer"}, "d": {}}, "required": ["a", "d"]}}});
        let flat = flat(&schema.to_string()).unwrap();
        let expected = json!({"type": "object", "required": ["c", "a"], "$defs": schema["$defs"],
            "properties": {"a": {"type": "string"}, "b": {}, "c": {"type": "string"}, "d": {}}});
        assert_eq!(read(&flat.schema), expected);
        let condition = read(&flat.condition.unwrap());
        assert_eq!(condition, json!({"oneOf": schema["oneOf"]}));
    }

    #[test]
    fn a_schema_that_is_as_it_should_be_stays() {
        let cases = [
            json!({"type": "object", "properties": {"a": {"anyOf": [{"type": "string"}, {"type": "null"}]}}}),
            json!({"type": "object"}),
            json!({"type": "array", "anyOf": []}),
            json!(true),
        ];
        for schema in cases {
            assert!(flat(&schema.to_string()).is_none(), "{schema}");
        }
        let untyped = flat("{\"properties\":{}}").unwrap();
        assert_eq!(untyped.schema, "{\"properties\":{},\"type\":\"object\"}");
        assert!(untyped.condition.is_none());
        let several = flat(r#"{"type" : ["object", "null"], "properties": {}}"#).unwrap();
        let read: Json = serde_json::from_str(&several.schema).unwrap();
        assert_eq!(read, json!({"type": "object", "properties": {}}));
        assert!(several.condition.is_none());
    }
}
