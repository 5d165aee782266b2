//! Where in the file stands what a policy refuses: its words name rules, settings and values, and the
//! configuration that it got is the file's.

use std::ops::Range;

use forebay_gateway::UpstreamConfigError;
use serde_json::{Map, Value};

use super::diagnose::{ConfigError, Problem};
use super::load::{Source, nearest, unknown_field};
use super::plain;
use super::sections::{Config, PoliciesConfig};
use crate::listener::TlsError;

/// How deep a policy's configuration is searched: rules in lists of tables are three deep.
const MAX_DEPTH: usize = 8;

/// The refusal of a policy as an error about the file; none where no policy is named.
pub fn refused_policy(
    source: &Source,
    policies: &PoliciesConfig,
    refusal: &str,
) -> Option<ConfigError> {
    let sections = [
        ("guardrails", "guardrails", &policies.guardrails),
        ("prefix-cache", "prefix_cache", &policies.prefix_cache),
        ("cloud-selector", "cloud_selector", &policies.cloud_selector),
    ];
    let (name, section, policy) = sections
        .into_iter()
        .find(|(name, ..)| refusal.contains(&format!("the {name} ")))?;
    let words = Words::of(refusal);
    let component = refusal.contains(&format!("the {name} component "));
    let own = if component { "component" } else { "config" };
    let mut path: Vec<String> = ["policies", section, own].map(str::to_owned).to_vec();
    if !component {
        path.extend(place(&policy.config, &words));
    }
    let setting = path
        .iter()
        .rfind(|step| step.parse::<usize>().is_err())
        .cloned();
    // The file may spell a part of it in another way, such as a table in dots: then what is around it.
    let mut span = None;
    while span.is_none() && path.len() > 1 {
        let steps: Vec<&str> = path.iter().map(String::as_str).collect();
        span = source.locate(&steps);
        path.pop();
    }
    // Positions are in the JSON that the component got, which nobody sees.
    let message = refusal.split(" at line 1 column").next().unwrap_or(refusal);
    Some(source.error(vec![plainly(
        message,
        &format!("{name} configuration: "),
        &setting.unwrap_or_default(),
        span?,
    )]))
}

/// What the component's reader of JSON says, in the words for what the TOML parser says.
fn plainly(message: &str, prefix: &str, setting: &str, span: Range<usize>) -> Problem {
    let Some((start, said)) = message.split_once(prefix) else {
        return Problem::at(Some(span), message);
    };
    let mut problem = match unknown_field(said) {
        Some((unknown, known)) => {
            let problem = Problem::at(Some(span), format!("unknown key `{unknown}`"));
            match nearest(&unknown, &known) {
                Some(near) => problem.hint(format!("did you mean `{near}`?")),
                None => problem.hint(format!("use one of {}", known.join(", "))),
            }
        }
        None => plain::problem(said, setting, Some(span)),
    };
    problem.message = format!("{start}{}", problem.message);
    problem
}

/// An upstream that can't be made of its configuration, as an error about the file.
pub fn refused_upstream(
    source: &Source,
    config: &Config,
    error: &UpstreamConfigError,
) -> ConfigError {
    let (name, field, item) = match error {
        UpstreamConfigError::Options { name, .. } => (name, "options", None),
        UpstreamConfigError::Wire { name, .. } => (name, "speaks", None),
        UpstreamConfigError::Url { name, .. } => (name, "urls", None),
        UpstreamConfigError::Header { name, header } => (name, "headers", Some(header.as_str())),
    };
    let position = config.upstreams.iter().position(|it| it.name == *name);
    let position = position.unwrap_or_default().to_string();
    let mut path = vec!["upstreams", position.as_str(), field];
    path.extend(item);
    let span = source.locate(&path).or_else(|| source.locate(&path[..3]));
    // A header's value may be a secret.
    source.error(vec![Problem::at(span, error.to_string()).hide()])
}

/// A certificate or key that can't be used, as an error about the file.
pub fn refused_tls(source: &Source, error: &TlsError) -> ConfigError {
    let field = match error {
        TlsError::File { what, .. } if what.contains("key") => "key",
        TlsError::File { .. } | TlsError::Mismatch { .. } => "cert",
    };
    let at = source.locate(&["server", "tls", field]);
    source.error(vec![Problem::at(
        at,
        format!("{error} (server.tls.{field})"),
    )])
}

/// What a sentence names: what stands in quotes, and its bare words.
struct Words<'a> {
    quoted: Vec<&'a str>,
    bare: Vec<&'a str>,
}

impl<'a> Words<'a> {
    fn of(text: &'a str) -> Self {
        let quoted = ['"', '`'].into_iter().flat_map(|mark| {
            let parts = text.split(mark);
            parts.skip(1).step_by(2)
        });
        let bare = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        Self {
            quoted: quoted.collect(),
            bare: bare.filter(|word| word.len() > 2).collect(),
        }
    }

    fn quotes(&self, value: &Value) -> bool {
        value
            .as_str()
            .is_some_and(|text| !text.is_empty() && self.quoted.contains(&text))
    }

    fn names(&self, key: &str) -> bool {
        self.quoted.contains(&key) || self.bare.contains(&key)
    }
}

/// The way to what the words name: a table by its `name` and then a setting of it, else a setting or a
/// value anywhere, else nothing.
fn place(config: &Map<String, Value>, words: &Words<'_>) -> Vec<String> {
    let whole = Value::Object(config.clone());
    let named = find(&whole, MAX_DEPTH, &|value| {
        value.get("name").is_some_and(|name| words.quotes(name))
    });
    if let Some((mut path, table)) = named {
        let inside = setting(table, words, 2).unwrap_or_else(|| vec!["name".to_owned()]);
        path.extend(inside);
        return path;
    }
    setting(&whole, words, MAX_DEPTH).unwrap_or_default()
}

/// A value in quotes, or else a key that is named.
fn setting(within: &Value, words: &Words<'_>, depth: usize) -> Option<Vec<String>> {
    let quoted = |value: &Value| words.quotes(value);
    let own_name = |path: &[String]| path.last().is_some_and(|last| last == "name");
    let by_value = find(within, depth, &quoted).map(|(path, _)| path);
    let by_value = by_value.filter(|path| !path.is_empty() && !own_name(path));
    by_value.or_else(|| key(within, words, depth))
}

fn key(within: &Value, words: &Words<'_>, depth: usize) -> Option<Vec<String>> {
    if depth == 0 {
        return None;
    }
    let inner = |step: String, value: &Value| {
        key(value, words, depth - 1).map(|rest| [vec![step], rest].concat())
    };
    match within {
        Value::Object(members) => {
            let named = members
                .keys()
                .find(|key| words.names(key) && *key != "name");
            named.map(|key| vec![key.clone()]).or_else(|| {
                let mut members = members.iter();
                members.find_map(|(step, value)| inner(step.clone(), value))
            })
        }
        Value::Array(items) => {
            let mut items = items.iter().enumerate();
            items.find_map(|(n, value)| inner(n.to_string(), value))
        }
        _ => None,
    }
}

/// The first value that fits, and the way to it.
fn find<'a>(
    value: &'a Value,
    depth: usize,
    fits: &dyn Fn(&Value) -> bool,
) -> Option<(Vec<String>, &'a Value)> {
    if fits(value) {
        return Some((Vec::new(), value));
    }
    if depth == 0 {
        return None;
    }
    let inner = |step: String, value: &'a Value| {
        let (rest, found) = find(value, depth - 1, fits)?;
        Some(([vec![step], rest].concat(), found))
    };
    match value {
        Value::Object(members) => members
            .iter()
            .find_map(|(step, value)| inner(step.clone(), value)),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .find_map(|(n, value)| inner(n.to_string(), value)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    const TEXT: &str = r#"[policies.guardrails.config]
colour = "red"

[[policies.guardrails.config.rules]]
name = "first"
kind = "secrets"

[[policies.guardrails.config.rules]]
name = "ids"
kind = "regex"
pattern = "(["

[policies.cloud_selector.config]
strategy = "best"
"#;

    fn told(refusal: &str) -> String {
        let source = Source {
            path: Some("forebay.toml".into()),
            text: TEXT.to_owned(),
            base: ".".into(),
        };
        let config: Config = toml::from_str(TEXT).unwrap();
        refused_policy(&source, &config.policies, refusal)
            .map(|error| error.to_string())
            .unwrap_or_default()
    }

    #[test]
    fn a_refusal_points_at_the_line_of_what_it_names() {
        let cases = [
            (
                "the guardrails policy refuses its configuration: guardrails configuration: rule \"ids\": pattern \"([\": unclosed class",
                "forebay.toml:11:",
            ),
            (
                "the guardrails policy refuses its configuration: guardrails configuration: rule \"first\": terms is missing",
                "forebay.toml:5:",
            ),
            (
                "the guardrails policy refuses its configuration: guardrails configuration: unknown field `colour`, expected one of `rules` at line 1 column 9",
                "forebay.toml:2:",
            ),
            (
                "the cloud-selector policy refuses its configuration: cloud-selector configuration: unknown variant `best`, expected `score`",
                "forebay.toml:14:",
            ),
        ];
        for (refusal, place) in cases {
            let said = told(refusal);
            assert!(said.contains(place), "{place}\n{said}");
            assert!(!said.contains("column 9"), "{said}");
        }
        assert_eq!(told("the policies could not be composed: x"), "");
    }
}
