//! Names of tools' arguments as Anthropic takes them. Servers of tools (MCP) have others, such as
//! `filter[id]` and `$top`, and one of them fails the whole request.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use super::aim::{Aim, Fitted};
use super::family::Family;
use super::renamed::{Names, spliced, with_names};
use crate::contract::ways::ToolNames;
use crate::exchange::{ChatRequest, Content};
use crate::json::{Document, Splice, Value, json_string};

/// What Anthropic's validation takes: `^[a-zA-Z0-9_.-]{1,64}$`.
const RULE: ToolNames = ToolNames {
    most: 64,
    marks: "_.-",
    letter_first: false,
};

pub(super) fn fit(request: &mut ChatRequest<'_>, aim: &Aim<'_>, fitted: &mut Fitted) {
    if !matches!(aim.family, Family::Claude(_)) {
        return;
    }
    let mut renamed: BTreeMap<String, Names> = BTreeMap::new();
    for tool in &mut request.tools {
        let schema = tool.parameters.as_deref();
        let Some((names, schema)) = schema.and_then(fitting) else {
            continue;
        };
        let back = names.iter().map(|(from, to)| (to.clone(), from.clone()));
        fitted.back.rename_arguments(&tool.name, back.collect());
        tool.parameters = Some(Cow::Owned(schema));
        renamed.insert(tool.name.clone().into_owned(), names);
    }
    if renamed.is_empty() {
        return;
    }
    for part in request.parts_mut() {
        if let Content::ToolCall(call) = &mut part.content
            && let Some(names) = renamed.get(call.name.as_ref())
            && let Some(arguments) = with_names(&call.arguments, names)
        {
            call.arguments = Cow::Owned(arguments);
        }
    }
}

/// The names that don't fit with those that stand for them, and the schema with the latter.
fn fitting(schema: &str) -> Option<(Names, String)> {
    let document = Document::parse(schema.as_bytes()).ok()?;
    let root = document.root();
    let properties = root.get("properties")?;
    let odd = |key: Value<'_>| Some(key.as_str()?.into_owned()).filter(|name| !RULE.fits(name));
    if properties.members().all(|(key, _)| odd(key).is_none()) {
        return None;
    }
    let told = properties.members().filter_map(|(key, _)| key.as_str());
    let mut taken: BTreeSet<String> = told.map(Cow::into_owned).collect();
    let mut names = Names::new();
    let mut splices = Vec::new();
    for (key, _) in properties.members() {
        let Some(name) = odd(key) else { continue };
        let mut attempt = 0;
        let mut fresh = RULE.fitted(&name, attempt);
        // Two that collide are 64 bits apart from the next attempt.
        while !taken.insert(fresh.clone()) {
            attempt += 1;
            fresh = RULE.fitted(&name, attempt);
        }
        splices.push(Splice::new(key.span(), json_string(&fresh)));
        names.insert(name, fresh);
    }
    for required in root.each("required") {
        let fresh = required.as_str().and_then(|name| names.get(name.as_ref()));
        splices.extend(fresh.map(|fresh| Splice::new(required.span(), json_string(fresh))));
    }
    Some((names, spliced(schema, splices)?))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use serde_json::json;

    use super::*;

    #[test]
    fn names_that_do_not_fit_are_the_same_in_each_request_and_go_back() {
        let long = "n".repeat(70);
        let schema = json!({"type": "object", "required": ["$top", "a", "filter[id]"],
            "properties": {"$top": {"type": "integer"}, "filter[id]": {"$ref": "#/$defs/X"}, "a": {}, (long.as_str()): {}}, "$defs": {"X": {"type": "string"}}});
        let (names, fitted) = fitting(&schema.to_string()).unwrap();
        assert_eq!(
            names.keys().collect::<Vec<_>>(),
            ["$top", "filter[id]", &long]
        );
        assert_eq!(fitting(&schema.to_string()).unwrap().0, names);
        let fitted: serde_json::Value = serde_json::from_str(&fitted).unwrap();
        let properties = fitted["properties"].as_object().unwrap();
        assert!(properties.keys().all(|name| RULE.fits(name)), "{fitted}");
        let required = fitted["required"].as_array().unwrap();
        let declared = |name: &serde_json::Value| properties.contains_key(name.as_str().unwrap());
        assert!(required.iter().all(declared), "{fitted}");
        let arguments = r#"{ "$top": 1.50, "a": {"$top": 2}, "filter[id]": "x" }"#;
        let there = with_names(arguments, &names).unwrap();
        let back = names.iter().map(|(from, to)| (to.clone(), from.clone()));
        assert_eq!(with_names(&there, &back.collect()).unwrap(), arguments);
        assert!(fitting(r#"{"type":"object","properties":{"a.b-c_1":{}}}"#).is_none());
        assert!(with_names(r#"{"a": 1}"#, &names).is_none());
    }
}
