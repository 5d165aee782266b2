//! Namespaces of tools (Codex wraps each MCP server's tools into one): flattened into functions
//! whose names begin with the namespace's, for targets that know none.

use std::borrow::Cow;

use super::aim::{Aim, Fitted};
use super::names::rename_all;
use crate::exchange::{ChatRequest, Tool};
use crate::json::{Document, Kind, Value};

/// Between a namespace and a name in the exchange form, where both are one text: the unit
/// separator, which no tool's name holds.
const BETWEEN: char = '\u{1f}';

/// A name in a namespace as the exchange form has it.
pub(crate) fn join<'a>(namespace: Option<&str>, name: Cow<'a, str>) -> Cow<'a, str> {
    match namespace.filter(|namespace| !namespace.is_empty()) {
        Some(namespace) => Cow::Owned(format!("{namespace}{BETWEEN}{name}")),
        None => name,
    }
}

/// The namespace, where there is one, and the name in it.
pub(crate) fn split(name: &str) -> (Option<&str>, &str) {
    match name.split_once(BETWEEN) {
        Some((namespace, name)) => (Some(namespace), name),
        None => (None, name),
    }
}

/// The name without a namespace beside it.
fn flat(name: &str) -> Option<String> {
    let (namespace, name) = split(name);
    let namespace = namespace?;
    let between = match namespace.ends_with("__") {
        true => "",
        false => "__",
    };
    Some(format!("{namespace}{between}{name}"))
}

pub(super) fn flatten(request: &mut ChatRequest<'_>, _aim: &Aim<'_>, fitted: &mut Fitted) {
    if request.tools.iter().any(is_namespace) {
        let tools = std::mem::take(&mut request.tools);
        let numbers = std::mem::take(&mut fitted.tools);
        for (tool, number) in tools.into_iter().zip(numbers) {
            let inner = match &tool.builtin {
                Some((kind, json)) if kind == "namespace" => inner_tools(json),
                _ => None,
            };
            match inner {
                Some(inner) => {
                    fitted.tools.extend(inner.iter().map(|_| number));
                    request.tools.extend(inner);
                }
                None => {
                    fitted.tools.push(number);
                    request.tools.push(tool);
                }
            }
        }
    }
    rename_all(
        request,
        |_| true,
        |name| {
            if let Some(flat) = flat(name) {
                fitted.back.rename(flat.clone(), name);
                *name = Cow::Owned(flat);
            }
        },
    );
}

fn is_namespace(tool: &Tool<'_>) -> bool {
    matches!(&tool.builtin, Some((kind, _)) if kind == "namespace")
}

/// The functions and custom tools of a namespace; none where it is of another form.
fn inner_tools(json: &str) -> Option<Vec<Tool<'static>>> {
    let document = Document::parse(json.as_bytes()).ok()?;
    let root = document.root();
    let text = |of: Value<'_>, name: &str| {
        let text = of.text(name);
        text.map(Cow::into_owned)
    };
    let namespace = text(root, "name")?;
    let about = text(root, "description").unwrap_or_default();
    let mut tools = Vec::new();
    for inner in root.get("tools")?.items() {
        let inner = inner.get("function").unwrap_or(inner);
        let Some(name) = text(inner, "name") else {
            continue;
        };
        let schema = inner
            .get("parameters")
            .or_else(|| inner.get("input_schema"));
        let custom = inner.says("type", "custom");
        let description = text(inner, "description").unwrap_or_default();
        // What a namespace is for is told with its first tool: the model reads it once.
        let description = match tools.is_empty() && !about.is_empty() {
            true => format!("{description}\n\n({namespace}: {about})"),
            false => description,
        };
        tools.push(Tool {
            name: join(Some(&namespace), name.into()),
            description: Some(description.trim().to_owned().into())
                .filter(|d: &Cow<'_, str>| !d.is_empty()),
            parameters: schema
                .filter(|schema| schema.kind() == Kind::Object)
                .map(|schema| schema.raw().to_owned().into()),
            strict: inner.get("strict").and_then(Value::as_bool),
            builtin: custom.then(|| ("custom".into(), inner.raw().to_owned().into())),
            ..Tool::default()
        });
    }
    Some(tools)
}
