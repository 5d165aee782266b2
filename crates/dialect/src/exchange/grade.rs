//! How much a loss matters: one table, by the class of the field that is lost.

/// How much it matters that a target isn't told something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Grade {
    /// It can't change the answer: labels, cache markers, ids of the end user.
    Hint,
    /// It is left out or rewritten, and the client can see what became of it: settings of
    /// sampling, reasoning, fields that only one vendor knows.
    Tolerable,
    /// The answer would be wrong and nobody would notice: content that the model has to see, a
    /// tool or a form of answer that was demanded.
    Refused,
}

impl Grade {
    /// The name in logs, metrics and tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Grade::Hint => "hint",
            Grade::Tolerable => "tolerable",
            Grade::Refused => "refused",
        }
    }
}

/// Fields of the request's top level that are not merely tolerable.
const FIELDS: [(&str, Grade); 42] = [
    ("additionalModelResponseFieldPaths", Grade::Hint),
    ("anthropic-beta", Grade::Tolerable),
    // A prompt that is kept at Google: the model would not see it.
    ("cachedContent", Grade::Refused),
    ("cache_salt", Grade::Hint),
    ("client_metadata", Grade::Hint),
    ("audio", Grade::Refused),
    ("documents", Grade::Refused),
    ("guardrailConfig", Grade::Refused),
    ("guided_choice", Grade::Refused),
    ("guided_grammar", Grade::Refused),
    ("guided_json", Grade::Refused),
    ("guided_regex", Grade::Refused),
    ("include", Grade::Hint),
    ("include_reasoning", Grade::Hint),
    ("labels", Grade::Hint),
    ("metadata", Grade::Hint),
    ("modalities", Grade::Refused),
    ("prediction", Grade::Hint),
    ("priority", Grade::Hint),
    ("prompt_cache_key", Grade::Hint),
    ("prompt_cache_options", Grade::Hint),
    ("prompt_cache_retention", Grade::Hint),
    ("promptVariables", Grade::Refused),
    ("reasoning.generate_summary", Grade::Hint),
    ("reasoning.summary", Grade::Hint),
    ("request_id", Grade::Hint),
    ("requestMetadata", Grade::Hint),
    ("response_format", Grade::Refused),
    ("response_format.json_schema.name", Grade::Hint),
    ("response_format.json_schema.description", Grade::Hint),
    ("response_format.json_schema.strict", Grade::Hint),
    ("generationConfig.responseModalities", Grade::Refused),
    ("safety_identifier", Grade::Hint),
    ("service_tier", Grade::Hint),
    ("session_id", Grade::Hint),
    ("store", Grade::Hint),
    ("stream_options", Grade::Hint),
    ("structured_outputs", Grade::Refused),
    ("tool_choice", Grade::Refused),
    // Not declared where none of them may be called.
    ("tools", Grade::Hint),
    // How an answer is drawn, which no other vendor filters alike.
    ("safetySettings", Grade::Tolerable),
    ("user", Grade::Hint),
];

/// What is lost of a part of a message, by how the path ends.
const OF_PARTS: [(&str, Grade); 16] = [
    // What an earlier answer cited: no target reads it back.
    ("annotations", Grade::Hint),
    ("cache_control", Grade::Hint),
    ("citations", Grade::Hint),
    ("detail", Grade::Hint),
    ("encrypted_content", Grade::Hint),
    ("id", Grade::Hint),
    ("is_error", Grade::Tolerable),
    // A message that says nothing.
    ("content", Grade::Hint),
    ("name", Grade::Tolerable),
    ("phase", Grade::Hint),
    ("reasoning", Grade::Tolerable),
    ("redacted", Grade::Hint),
    ("role", Grade::Tolerable),
    ("signature", Grade::Hint),
    ("status", Grade::Hint),
    ("ttl", Grade::Hint),
];

/// What is lost of a tool's definition.
const OF_TOOLS: [(&str, Grade); 7] = [
    ("allowed_callers", Grade::Hint),
    ("cache_control", Grade::Hint),
    ("eager_input_streaming", Grade::Hint),
    ("defer_loading", Grade::Hint),
    ("response", Grade::Hint),
    ("responseJsonSchema", Grade::Hint),
    ("strict", Grade::Hint),
];

/// The grade of a loss of the field with that name, in the words of the exchange form.
pub(crate) fn grade_of(param: &str) -> Grade {
    if let Some(rest) = indexed(param, "messages[") {
        return of_message(rest);
    }
    if let Some(rest) = indexed(param, "tools[") {
        let known = OF_TOOLS.iter().find(|(name, _)| *name == last(rest));
        // A whole tool: refused only where it has to be called, which is seen elsewhere.
        return known.map_or(Grade::Tolerable, |(_, grade)| *grade);
    }
    let known = |name: &str| FIELDS.iter().find(|(field, _)| *field == name);
    let of_labels = ["metadata.", "labels.", "stream_options."];
    match known(param) {
        Some((_, grade)) => *grade,
        None if of_labels.iter().any(|labels| param.starts_with(labels)) => Grade::Hint,
        None => Grade::Tolerable,
    }
}

/// What follows `NAME[3]`.
fn indexed<'p>(param: &'p str, list: &str) -> Option<&'p str> {
    let (number, rest) = param.strip_prefix(list)?.split_once(']')?;
    (number.is_empty() || number.parse::<usize>().is_ok()).then_some(rest)
}

/// The last name of a path.
fn last(path: &str) -> &str {
    path.rsplit(['.', ']']).next().unwrap_or_default()
}

fn of_message(rest: &str) -> Grade {
    let name = last(rest);
    match OF_PARTS.iter().find(|(known, _)| *known == name) {
        Some((_, grade)) => *grade,
        // The whole of a message or of one of its parts: content that the model has to see.
        None if name.is_empty() => Grade::Refused,
        None => Grade::Tolerable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_class_of_a_field_decides() {
        let cases = [
            ("seed", Grade::Tolerable),
            ("context_management", Grade::Tolerable),
            ("a_field_of_next_year", Grade::Tolerable),
            ("user", Grade::Hint),
            ("metadata.team", Grade::Hint),
            ("response_format", Grade::Refused),
            ("tool_choice", Grade::Refused),
            // Not declared where none of them may be called.
            ("tools", Grade::Hint),
            // How an answer is drawn, which no other vendor filters alike.
            ("safetySettings", Grade::Tolerable),
            ("tool_choice.allowed_tools", Grade::Tolerable),
            ("tools[3]", Grade::Tolerable),
            ("tools[3].cache_control", Grade::Hint),
            ("messages[2].content[0]", Grade::Refused),
            ("messages[2].content[0].content[1]", Grade::Refused),
            ("messages[2]", Grade::Refused),
            ("messages[2].content[0].reasoning", Grade::Tolerable),
            ("messages[2].content[0].cache_control", Grade::Hint),
            ("messages[2].name", Grade::Tolerable),
            ("messages[2].content", Grade::Hint),
            ("messages[2].annotations", Grade::Hint),
        ];
        for (param, grade) in cases {
            assert_eq!(grade_of(param), grade, "{param}");
        }
    }
}
