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

/// The TOML parser's words for what people often write, in ours, and the way out.
const SYNTAX: [(&str, &str, &str); 5] = [
    (
        "key with no value, expected `=`",
        "a key has no value",
        "write NAME = VALUE; a table begins with [NAME]",
    ),
    (
        "invalid basic string, expected `\"`",
        "the text is not closed",
        "end it with a quotation mark",
    ),
    (
        "invalid literal string, expected `'`",
        "the text is not closed",
        "end it with a quotation mark",
    ),
    (
        ", expected nothing",
        "the value is not valid",
        "put text in quotes",
    ),
    (
        "string values must be quoted",
        "the value is not valid",
        "put text in quotes",
    ),
];

/// Members of a price.
const PRICES: [&str; 4] = ["input", "output", "cached_input", "cache_write"];

/// A problem at the value or the key of this name.
pub(super) fn problem(message: &str, key: &str, span: Option<Range<usize>>) -> Problem {
    let at = |text: String| Problem::at(span.clone(), text);
    let syntax = SYNTAX.iter().find(|(theirs, ..)| message.contains(theirs));
    if let Some((_, ours, hint)) = syntax {
        return at((*ours).to_owned()).hint(*hint);
    }
    if let Some((found, expected)) = mismatch(message) {
        if key.starts_with('[') && found == "a table" {
            let name = key.trim_matches(['[', ']']);
            return at(format!("`{name}` is a list of tables"))
                .hint(format!("write [[{name}]] before each of them"));
        }
        let said = at(format!("`{key}` must be {expected}, not {found}"));
        return match way_out(key, &found, &expected) {
            Some(hint) => said.hint(hint),
            None => said,
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
    match choice(message) {
        Some((said, hint)) => at(said).hint(hint),
        None => at(message.to_owned()),
    }
}

/// What to write in place of a value of another kind.
fn way_out(key: &str, found: &str, expected: &str) -> Option<String> {
    let number: Option<f64> = found.trim_matches('"').parse().ok();
    if PRICES.contains(&key)
        && let Some(dollars) = number.filter(|it| (0.0..1e6).contains(it))
    {
        let price = (dollars * 1e6).round();
        return Some(format!(
            "prices are in millionths of a US dollar per million tokens: ${dollars} is {price}"
        ));
    }
    if expected == EXPECTED[0].1 && number.is_some() {
        return Some(
            "put it in quotes; a duration or a size needs a unit, such as \"5s\" or \"8 MiB\""
                .to_owned(),
        );
    }
    let one = expected == EXPECTED[2].1 && found.starts_with('"');
    one.then(|| format!("write {key} = [{found}]"))
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

/// `"a" is not a format; use one of b, c` as what is wrong and the way out: the one that was probably meant, or else
/// all of them.
pub(super) fn choice(message: &str) -> Option<(String, String)> {
    let (said, list) = ["; write one of ", "; use one of "]
        .iter()
        .find_map(|mark| message.split_once(mark))?;
    let unknown = said.split('"').nth(1)?;
    let names = list.split(", or `").next()?;
    let known: Vec<String> = names.split(", ").map(str::to_owned).collect();
    let hint = match nearest(unknown, &known) {
        Some(near) => format!("did you mean \"{near}\"?"),
        None => format!("use one of {list}"),
    };
    Some((said.to_owned(), hint))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_price_in_dollars_a_list_of_one_and_a_single_table_show_what_to_write() {
        for (message, key, hint) in [
            (
                "invalid type: floating point `0.15`, expected u64",
                "input",
                "$0.15 is 150000",
            ),
            (
                "invalid type: string \"http://x\", expected a sequence",
                "urls",
                "write urls = [\"http://x\"]",
            ),
            (
                "invalid type: map, expected a sequence",
                "[upstreams]",
                "write [[upstreams]]",
            ),
        ] {
            let got = problem(message, key, None).hint.unwrap_or_default();
            assert!(got.contains(hint), "{message}: {got}");
        }
    }

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
            (
                "\"OpenAI\" is not a known provider; write one of azure, openai, or `compatible` with the address in urls",
                "\"OpenAI\" is not a known provider",
                Some("did you mean \"openai\"?"),
            ),
            (
                "\"x\" is not a known format; use one of chat, messages",
                "\"x\" is not a known format",
                Some("use one of chat, messages"),
            ),
            (
                "key with no value, expected `=`",
                "a key has no value",
                Some("write NAME = VALUE"),
            ),
            (
                "invalid float, expected nothing",
                "the value is not valid",
                Some("put text in quotes"),
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
