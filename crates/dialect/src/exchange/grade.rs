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
const FIELDS: [(&str, Grade); 43] = [
    ("additionalModelResponseFieldPaths", Grade::Hint),
    ("anthropic-beta", Grade::Tolerable),
    // It asks for markers where the provider likes.
    ("cache_control", Grade::Hint),
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
    ("messages.annotations", Grade::Hint),
    ("messages.cache_control", Grade::Hint),
    ("messages.citations", Grade::Hint),
    ("messages.detail", Grade::Hint),
    ("messages.encrypted_content", Grade::Hint),
    ("messages.id", Grade::Hint),
    ("messages.is_error", Grade::Tolerable),
    // A message that says nothing.
    ("messages.content", Grade::Hint),
    ("messages.name", Grade::Tolerable),
    ("messages.phase", Grade::Hint),
    ("messages.reasoning", Grade::Tolerable),
    ("messages.redacted", Grade::Hint),
    ("messages.role", Grade::Tolerable),
    ("messages.signature", Grade::Hint),
    ("messages.status", Grade::Hint),
    ("messages.ttl", Grade::Hint),
];

/// What is lost of a tool's definition.
const OF_TOOLS: [(&str, Grade); 7] = [
    ("tools.allowed_callers", Grade::Hint),
    ("tools.cache_control", Grade::Hint),
    ("tools.eager_input_streaming", Grade::Hint),
    ("tools.defer_loading", Grade::Hint),
    ("tools.response", Grade::Hint),
    ("tools.responseJsonSchema", Grade::Hint),
    ("tools.strict", Grade::Hint),
];

/// The grade of a loss of the field with that name, in the words of the exchange form.
pub(crate) fn grade_of(param: &str) -> Grade {
    if let Some(rest) = indexed(param, "messages[") {
        return of_message(rest);
    }
    if let Some(rest) = indexed(param, "tools[") {
        // A whole tool: refused only where it has to be called, which is seen elsewhere.
        return within(&OF_TOOLS, rest).map_or(Grade::Tolerable, |(_, grade)| grade);
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
    match within(&OF_PARTS, rest) {
        Some((_, grade)) => grade,
        // The whole of a message or of one of its parts: content that the model has to see.
        None if last(rest).is_empty() => Grade::Refused,
        None => Grade::Tolerable,
    }
}

/// The row of the list's element whose member the path ends in.
fn within(table: &[(&'static str, Grade)], rest: &str) -> Option<(&'static str, Grade)> {
    let name = last(rest);
    let is = |known: &str| known.rsplit('.').next() == Some(name);
    table.iter().find(|(known, _)| is(known)).copied()
}

/// Members that are merely tolerable, so that they need no row above, and that are counted by name.
const COUNTED: [&str; 35] = [
    "additionalModelRequestFields",
    // What of an answer the client's format has no place for.
    "answer",
    "container",
    "context_management",
    "frequency_penalty",
    "generationConfig",
    "inference_geo",
    "logit_bias",
    "logprobs",
    "max_tokens",
    "mcp_servers",
    "min_p",
    "n",
    "output_config",
    "parallel_tool_calls",
    "presence_penalty",
    "previous_response_id",
    "provider",
    "reasoning",
    "reasoning_effort",
    "repetition_penalty",
    "seed",
    "speed",
    "stop",
    "temperature",
    "text",
    "thinking",
    "toolConfig",
    "top_k",
    "top_logprobs",
    "top_p",
    "truncation",
    "verbosity",
    "web_search_options",
    "chat_template_kwargs",
];
/// The class of whatever a client made up.
const OTHER: &str = "other";

/// The class of a field, for metrics: a closed set.
pub(crate) fn class_of(param: &str) -> &'static str {
    for (list, table, whole) in [
        ("messages[", OF_PARTS.as_slice(), "messages"),
        ("tools[", OF_TOOLS.as_slice(), "tools"),
    ] {
        if let Some(rest) = indexed(param, list) {
            return match within(table, rest) {
                Some((class, _)) => class,
                None if last(rest).is_empty() => whole,
                None => OTHER,
            };
        }
    }
    // The whole name first, then what it stands in.
    let head = param.split(['.', '[']).next().unwrap_or_default();
    for name in [param, head] {
        let graded = FIELDS.iter().map(|(known, _)| *known);
        if let Some(class) = graded.chain(COUNTED).find(|known| *known == name) {
            return class;
        }
    }
    OTHER
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_classes_of_fields_are_a_closed_set() {
        let cases = [
            ("seed", "seed"),
            ("metadata.team", "metadata"),
            ("reasoning.effort", "reasoning"),
            ("reasoning.summary", "reasoning.summary"),
            ("tools[3]", "tools"),
            ("tools[3].strict", "tools.strict"),
            ("tools[3].made_up", "other"),
            ("messages[2].content[0]", "messages"),
            (
                "messages[2].content[0].cache_control",
                "messages.cache_control",
            ),
            ("messages[2].made_up", "other"),
            ("a_field_of_next_year", "other"),
            ("", "other"),
        ];
        for (param, class) in cases {
            assert_eq!(class_of(param), class, "{param}");
        }
    }

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
