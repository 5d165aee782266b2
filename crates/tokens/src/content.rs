//! How a template wants a message's content, read from its source by the rules of vLLM's
//! `--chat-template-content-format auto`.

use std::collections::BTreeSet;

/// How a template wants a message's content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// As one string: several parts are joined by line breaks.
    String,
    /// As a list of parts.
    Parts,
}

impl Content {
    /// What a template asks for: one that loops over a message's content wants parts, be it in a
    /// loop over the messages or in a macro that gets the content.
    pub(crate) fn of_template(source: &str) -> Self {
        let source = without_comments(source);
        let tags: Vec<&str> = tags(&source).collect();
        let messages = names_of(&tags, "messages");
        let message: BTreeSet<&str> = loops(&tags)
            .filter(|(_, over)| messages.contains(bare(over)))
            .map(|(name, _)| name)
            .collect();
        let is_content = |expression: &str| {
            let expression = bare(expression);
            [".content", "['content']", "[\"content\"]"]
                .iter()
                .filter_map(|end| expression.strip_suffix(end))
                .any(|owner| message.contains(owner))
        };
        let mut given: BTreeSet<&str> = BTreeSet::new();
        let mut within = false;
        for tag in &tags {
            if let Some(rest) = tag.strip_prefix("macro ") {
                within = true;
                given = given_content(&source, rest, &is_content);
            } else if *tag == "endmacro" {
                within = false;
            } else if let Some((_, over)) = loop_of(tag) {
                let over_name = bare(over);
                let over_parts = match within {
                    true => given.contains(over_name),
                    false => over_name == "content",
                };
                if over_parts || is_content(over) {
                    return Content::Parts;
                }
            }
        }
        Content::String
    }
}

fn without_comments(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    while let Some((before, comment)) = rest.split_once("{#") {
        out.push_str(before);
        rest = comment.split_once("#}").map_or("", |(_, after)| after);
    }
    out.push_str(rest);
    out
}

/// The statements of a template, without their braces.
fn tags(source: &str) -> impl Iterator<Item = &str> {
    source.split("{%").skip(1).filter_map(|rest| {
        let (tag, _) = rest.split_once("%}")?;
        Some(tag.trim_matches(['-', '+']).trim())
    })
}

/// A loop's variable, and what it runs over.
fn loop_of(tag: &str) -> Option<(&str, &str)> {
    let (name, over) = tag.strip_prefix("for ")?.split_once(" in ")?;
    let over = over.split(" if ").next().unwrap_or_default();
    let over = over.strip_suffix(" recursive").unwrap_or(over);
    Some((name.trim(), over.trim()))
}

fn loops<'t>(tags: &'t [&'t str]) -> impl Iterator<Item = (&'t str, &'t str)> {
    tags.iter().filter_map(|tag| loop_of(tag))
}

/// A name, and the names that it or a part of it was given.
fn names_of<'t>(tags: &'t [&'t str], first: &'t str) -> BTreeSet<&'t str> {
    let mut names = BTreeSet::from([first]);
    let sets: Vec<(&str, &str)> = tags
        .iter()
        .filter_map(|tag| tag.strip_prefix("set ")?.split_once('='))
        .map(|(name, value)| (name.trim(), value.trim()))
        .collect();
    loop {
        let more: Vec<&str> = sets
            .iter()
            .filter(|(name, value)| !names.contains(name) && names.contains(bare(value)))
            .map(|(name, _)| *name)
            .collect();
        if more.is_empty() {
            return names;
        }
        names.extend(more);
    }
}

/// An expression without its filters, its test and its slices.
fn bare(expression: &str) -> &str {
    let mut expression = expression.split('|').next().unwrap_or_default().trim();
    if let Some((value, _)) = expression.split_once(" is ") {
        expression = value.trim();
    }
    while let Some((value, slice)) = expression
        .strip_suffix(']')
        .and_then(|inner| inner.rsplit_once('['))
    {
        if !slice.contains(':') || slice.contains(['\'', '"']) {
            break;
        }
        expression = value.trim();
    }
    expression
}

/// The parameters of a macro that some call gives a message's content. `head` is the macro's
/// declaration, as in `render(content, last=false)`.
fn given_content<'t>(
    source: &str,
    head: &'t str,
    is_content: &impl Fn(&str) -> bool,
) -> BTreeSet<&'t str> {
    let Some((name, rest)) = head.split_once('(') else {
        return BTreeSet::new();
    };
    let name = name.trim();
    let parameters: Vec<&str> = arguments(rest)
        .into_iter()
        .map(|parameter| parameter.split('=').next().unwrap_or_default().trim())
        .collect();
    let mut given = BTreeSet::new();
    let call = format!("{name}(");
    for (at, _) in source.match_indices(&call) {
        let before = source.get(..at).unwrap_or_default();
        let word = |c: char| c.is_alphanumeric() || c == '_';
        if before.ends_with(word) || before.trim_end().ends_with("macro") {
            continue;
        }
        let rest = source.get(at + call.len()..).unwrap_or_default();
        for (place, argument) in arguments(rest).into_iter().enumerate() {
            if is_content(argument) {
                given.extend(parameters.get(place));
            } else if let Some((key, value)) = argument.split_once('=') {
                let key = parameters.iter().find(|name| **name == key.trim());
                given.extend(key.filter(|_| is_content(value)));
            }
        }
    }
    given
}

/// The arguments of a call, up to its closing parenthesis.
fn arguments(rest: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let (mut depth, mut from) = (0_usize, 0);
    // 4096: no declaration and no call of a template is longer.
    for (at, c) in rest.char_indices().take(4096) {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' if depth == 0 => {
                found.extend(rest.get(from..at));
                break;
            }
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                found.extend(rest.get(from..at));
                from = at + 1;
            }
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::Content;

    #[test]
    fn a_template_that_loops_over_a_messages_content_wants_parts() {
        let rows = [
            (
                "{% for m in messages %}{{ m.content }}{% endfor %}",
                Content::String,
            ),
            (
                "{% for m in messages %}{% for p in m.content %}x{% endfor %}{% endfor %}",
                Content::Parts,
            ),
            (
                "{% for m in messages[1:] %}{% for p in m['content'] | list %}x{% endfor %}{% endfor %}",
                Content::Parts,
            ),
            (
                "{% set rest = messages[1:] %}{% for m in rest %}{% for p in m.content %}x{% endfor %}{% endfor %}",
                Content::Parts,
            ),
            (
                "{% for m in messages %}{% set content = m.content %}{% for p in content %}x{% endfor %}{% endfor %}",
                Content::Parts,
            ),
            // Only a message of a loop is known to be one.
            (
                "{% for p in messages[0].content %}x{% endfor %}",
                Content::String,
            ),
            (
                "{# {% for p in content %} #}{% for m in messages %}{{ m.content }}{% endfor %}",
                Content::String,
            ),
            (
                "{% macro show(content) %}{% for p in content %}x{% endfor %}{% endmacro %}{% for m in messages %}{{ show(m.content) }}{% endfor %}",
                Content::Parts,
            ),
            (
                "{% macro show(last, body=none) %}{% for p in body %}x{% endfor %}{% endmacro %}{% for m in messages[::-1] %}{{ show(true, body=m['content']) }}{% endfor %}",
                Content::Parts,
            ),
            (
                "{% macro show(content) %}{% for p in content %}x{% endfor %}{% endmacro %}{% for m in messages %}{{ show(m.name) }}{% endfor %}",
                Content::String,
            ),
        ];
        for (template, expected) in rows {
            assert_eq!(Content::of_template(template), expected, "{template}");
        }
    }
}
