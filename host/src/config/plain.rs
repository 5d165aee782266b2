//! The messages of the TOML parser, in plain words: what is wrong with which key, and the way out.

use std::ops::Range;

use super::diagnose::Problem;
use super::load::nearest;

/// How kinds of values are called where they are expected.
const EXPECTED: [(&str, &str); 8] = [
    ("a string", "text in quotes"),
    ("a boolean", "true or false"),
    ("a sequence", "a list in [ ]"),
    ("a map", "a table such as { \"name\" = \"value\" }"),
    ("usize", "a whole number of at least 0"),
    ("i64", "a whole number"),
    ("f64", "a number"),
    ("f32", "a number"),
];

/// A problem at the value or the key of this name.
pub(super) fn problem(message: &str, key: &str, span: Option<Range<usize>>) -> Problem {
    let at = |text: String| Problem::at(span.clone(), text);
    if let Some((found, expected)) = mismatch(message) {
        let said = at(format!("`{key}` must be {expected}, not {found}"));
        let number = found.starts_with(|c: char| c.is_ascii_digit());
        return match number && expected == EXPECTED[0].1 {
            true => said.hint(
                "put it in quotes; a duration or a size needs a unit, such as \"5s\" or \"8 MiB\"",
            ),
            false => said,
        };
    }
    if let Some(rest) = message.strip_prefix("missing field `") {
        let missing = rest.split('`').next().unwrap_or_default();
        return at(format!("the key `{missing}` is missing"));
    }
    if message == "duplicate key" {
        return at(format!("the key `{key}` is set twice")).hint("remove one of them");
    }
    if let Some((unknown, known)) = unknown_value(message) {
        let said = at(format!("\"{unknown}\" is not a value of `{key}`"));
        return match nearest(&unknown, &known) {
            Some(near) => said.hint(format!("did you mean \"{near}\"?")),
            None => said.hint(format!("use one of {}", known.join(", "))),
        };
    }
    let problem = at(message.to_owned());
    match provider(message) {
        Some(near) => problem.hint(format!("did you mean \"{near}\"?")),
        None => problem,
    }
}

/// "invalid type: integer `5`, expected a string" as what was found and what is expected.
fn mismatch(message: &str) -> Option<(String, String)> {
    let rest = message
        .strip_prefix("invalid type: ")
        .or_else(|| message.strip_prefix("invalid value: "))?;
    let (found, expected) = rest.rsplit_once(", expected ")?;
    let found = match found {
        "sequence" => "a list".to_owned(),
        "map" => "a table".to_owned(),
        _ => match found.split_once(' ') {
            Some(("string", text)) => text.to_owned(),
            Some((_, value)) if value.contains('`') => {
                value.split('`').nth(1).unwrap_or(value).to_owned()
            }
            _ => found.to_owned(),
        },
    };
    let unsigned = expected
        .strip_prefix('u')
        .is_some_and(|bits| bits.parse::<u8>().is_ok());
    let expected = match EXPECTED.iter().find(|(theirs, _)| *theirs == expected) {
        Some((_, ours)) => (*ours).to_owned(),
        None if unsigned => "a whole number of at least 0".to_owned(),
        None if expected.starts_with("struct ") => "a table".to_owned(),
        None => expected.to_owned(),
    };
    Some((found, expected))
}

/// "unknown variant `a`, expected one of `b`, `c`" as its parts.
fn unknown_value(message: &str) -> Option<(String, Vec<String>)> {
    let (unknown, rest) = message.strip_prefix("unknown variant `")?.split_once('`')?;
    let known = rest.split('`').skip(1).step_by(2).map(str::to_owned);
    Some((unknown.to_owned(), known.collect()))
}

/// The provider that was probably meant, of the list in the message.
fn provider(message: &str) -> Option<String> {
    let (unknown, rest) = message.split_once("\" is not a known provider; write one of ")?;
    let list = rest.split(", or `").next()?;
    let known: Vec<String> = list.split(", ").map(str::to_owned).collect();
    nearest(unknown.trim_start_matches('"'), &known).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_name_the_key_the_value_and_the_way_out() {
        for (message, said, hint) in [
            (
                "invalid type: integer `5`, expected a string",
                "`k` must be text in quotes, not 5",
                Some("needs a unit"),
            ),
            (
                "invalid type: string \"many\", expected usize",
                "`k` must be a whole number of at least 0, not \"many\"",
                None,
            ),
            (
                "invalid value: integer `-1`, expected u32",
                "`k` must be a whole number of at least 0, not -1",
                None,
            ),
            (
                "invalid type: sequence, expected a map",
                "`k` must be a table such as { \"name\" = \"value\" }, not a list",
                None,
            ),
            ("missing field `name`", "the key `name` is missing", None),
            (
                "duplicate key",
                "the key `k` is set twice",
                Some("remove one"),
            ),
            (
                "unknown variant `jsn`, expected `text` or `json`",
                "\"jsn\" is not a value of `k`",
                Some("did you mean \"json\"?"),
            ),
            (
                "\"opena\" is not a known provider; write one of azure, openai, or `compatible` with the address in urls",
                "\"opena\" is not a known provider",
                Some("did you mean \"openai\"?"),
            ),
            ("something else", "something else", None),
        ] {
            let problem = problem(message, "k", None);
            assert!(
                problem.message.starts_with(said),
                "{message}: {}",
                problem.message
            );
            let got = problem.hint.as_deref();
            match hint {
                Some(hint) => assert!(
                    got.is_some_and(|it| it.contains(hint)),
                    "{message}: {got:?}"
                ),
                None => assert_eq!(got, None, "{message}"),
            }
        }
    }
}
