//! The words of the formats themselves: members' names that no upstream chooses, and values out of
//! closed lists. They are no output, so no output rule is asked about them.

/// Names of members of answers, of all formats; sorted.
#[rustfmt::skip]
const NAMES: &[&str] = &[
    "accepted_prediction_tokens", "access_programs", "additionalModelResponseFields", "annotation",
    "annotation_index", "annotations", "args", "arguments", "audio", "audio_tokens", "avgLogprobs", "background",
    "blockReason", "blockReasonMessage", "blocked", "bytes", "cacheDetails", "cacheReadInputTokens",
    "cacheTokensDetails", "cacheWriteInputTokens", "cache_creation", "cache_creation_input_tokens",
    "cache_read_input_tokens", "cache_write_tokens", "cachedContentTokenCount", "cached_tokens", "call_id", "caller",
    "candidates", "candidatesTokenCount", "candidatesTokensDetails", "category", "choices", "chosenCandidates",
    "citation", "citationMetadata", "citationSources", "citations", "citationsContent", "cited_text", "code",
    "codeExecutionResult", "completed_at", "completion_time", "completion_tokens", "completion_tokens_details",
    "confidenceScores", "container", "container_id", "content", "contentBlockDelta", "contentBlockIndex",
    "contentBlockStart", "contentBlockStop", "content_block", "content_index", "context", "context_management",
    "conversation", "createTime", "created", "created_at", "custom", "data", "delta", "detail", "diagnostics",
    "documentChar", "documentChunk", "documentIndex", "documentPage", "document_index", "document_title", "domain",
    "effort", "embedding", "encrypted_content", "encrypted_index", "end", "endIndex", "end_block_index",
    "end_char_index", "end_index", "end_page_number", "ephemeral_1h_input_tokens", "ephemeral_5m_input_tokens",
    "error", "errors", "executableCode", "expires_at", "explanation", "fileData", "fileUri", "file_id", "filename",
    "finishMessage", "finishReason", "finish_reason", "format", "frequency_penalty", "function", "functionCall",
    "functionResponse", "function_call", "generate_summary", "groundingAttributions", "groundingChunkIndices",
    "groundingChunks", "groundingMetadata", "groundingSupports", "guardrail", "id", "image", "incomplete_details",
    "index", "inference_geo", "inlineData", "input", "inputTokens", "input_tokens", "input_tokens_details",
    "instructions", "invokedModelId", "item", "item_id", "kv_transfer_params", "language", "latency", "latencyMs",
    "license", "location", "logProbability", "logprob", "logprobs", "logprobsResult", "matched_stop",
    "max_output_tokens", "max_tool_calls", "message", "messageStart", "messageStop", "message_start", "metadata",
    "metrics", "mimeType", "modality", "model", "modelStatus", "modelVersion", "name", "num_reasoning_tokens",
    "obfuscation", "object", "outcome", "output", "outputTokens", "output_index", "output_text", "output_tokens",
    "output_tokens_details", "p", "parallel_tool_calls", "param", "part", "partIndex", "partial_json", "parts",
    "performanceConfig", "phase", "presence_penalty", "previous_response_id", "probability", "probabilityScore",
    "prompt", "promptFeedback", "promptRouter", "promptTokenCount", "promptTokensDetails", "prompt_cache_key",
    "prompt_cache_options", "prompt_cache_retention", "prompt_logprobs", "prompt_time", "prompt_token_ids",
    "prompt_tokens", "prompt_tokens_details", "publicationDate", "query", "queue_time", "reason", "reasoning",
    "reasoningContent", "reasoningText", "reasoning_content", "reasoning_tokens", "redactedContent", "refusal",
    "rejected_prediction_tokens", "renderedContent", "request_id", "response", "responseId", "retrievalMetadata",
    "retrievedUrl", "role", "safetyRatings", "safety_identifier", "searchEntryPoint", "search_result_index",
    "segment", "sequence_number", "server_tool_use", "serviceTier", "service_tier", "severity", "severityScore",
    "signature", "source", "sourceContent", "start", "startIndex", "start_block_index", "start_char_index",
    "start_index", "start_page_number", "status", "stopReason", "stop_details", "stop_reason", "stop_sequence",
    "store", "summary", "summary_index", "summary_text", "system_fingerprint", "temperature", "text", "text_offset",
    "thinking", "thought", "thoughtSignature", "thoughtsTokenCount", "timeCreated", "title", "token", "tokenCount",
    "tokenId", "token_ids", "token_logprobs", "tokens", "toolResult", "toolUse", "toolUseId",
    "toolUsePromptTokenCount", "toolUsePromptTokensDetails", "tool_calls", "tool_choice", "tool_use_id", "tools",
    "toolset_name", "topCandidates", "top_logprobs", "top_p", "totalTokenCount", "totalTokens", "total_time",
    "total_tokens", "trace", "trafficType", "truncation", "ttl", "type", "uri", "url", "urlContextMetadata",
    "urlMetadata", "urlRetrievalStatus", "url_citation", "usage", "usageMetadata", "usage_metadata", "user",
    "verbosity", "web", "webSearchQueries", "web_fetch_requests", "web_search_requests", "willContinue", "x_groq",
];

/// Values out of closed lists, of all formats; sorted.
#[rustfmt::skip]
const WORDS: &[&str] = &[
    "BLOCKLIST", "FINISH_REASON_UNSPECIFIED", "HARM_CATEGORY_CIVIC_INTEGRITY", "HARM_CATEGORY_DANGEROUS_CONTENT",
    "HARM_CATEGORY_HARASSMENT", "HARM_CATEGORY_HATE_SPEECH", "HARM_CATEGORY_SEXUALLY_EXPLICIT", "HIGH",
    "IMAGE_SAFETY", "LANGUAGE", "LOW", "MALFORMED_FUNCTION_CALL", "MAX_TOKENS", "MEDIUM", "NEGLIGIBLE", "OTHER",
    "OUTCOME_DEADLINE_EXCEEDED", "OUTCOME_FAILED", "OUTCOME_OK", "PROHIBITED_CONTENT", "PYTHON", "RECITATION",
    "SAFETY", "SPII", "STOP", "TOO_MANY_TOOL_CALLS", "UNEXPECTED_TOOL_CALL", "assistant", "auto", "batch",
    "cancelled", "char_location", "chat.completion", "chat.completion.chunk", "citations_delta", "commentary",
    "completed", "container_file_citation", "content_block_delta", "content_block_location", "content_block_start",
    "content_block_stop", "content_filter", "content_filtered", "custom", "custom_tool_call", "default", "developer",
    "embedding", "end_turn", "error", "failed", "file_citation", "file_path", "final_answer", "flex", "function",
    "function_call", "guardrail_intervened", "in_progress", "incomplete", "input_json_delta", "length", "list",
    "max_output_tokens", "max_tokens", "message", "message_delta", "message_start", "message_stop", "model",
    "model_context_window_exceeded", "output_text", "page_location", "pause_turn", "ping", "priority", "queued",
    "reasoning", "reasoning_text", "redacted_thinking", "refusal", "response", "response.cancelled",
    "response.completed", "response.content_part.added", "response.content_part.done", "response.created",
    "response.custom_tool_call_input.delta", "response.custom_tool_call_input.done", "response.done", "response.failed",
    "response.function_call_arguments.delta", "response.function_call_arguments.done", "response.in_progress",
    "response.incomplete", "response.output_item.added", "response.output_item.done",
    "response.output_text.annotation.added", "response.output_text.delta", "response.output_text.done",
    "response.queued", "response.reasoning_part.added", "response.reasoning_part.done",
    "response.reasoning_summary_part.added", "response.reasoning_summary_part.done",
    "response.reasoning_summary_text.delta", "response.reasoning_summary_text.done", "response.reasoning_text.delta",
    "response.reasoning_text.done", "response.refusal.delta", "response.refusal.done", "scale",
    "search_result_location", "server_tool_use", "signature_delta", "standard", "stop", "stop_sequence", "success",
    "summary_text", "system", "text", "text_completion", "text_delta", "thinking", "thinking_delta", "tool",
    "tool_calls", "tool_use", "url_citation", "user", "web_search_result_location",
];

/// Members whose values come out of closed lists.
const WORDED: [&str; 17] = [
    "type",
    "role",
    "object",
    "status",
    "phase",
    "finish_reason",
    "stop_reason",
    "finishReason",
    "stopReason",
    "blockReason",
    "reason",
    "category",
    "probability",
    "severity",
    "service_tier",
    "language",
    "outcome",
];

/// Whether it is the name of a member of some format's answers.
pub(crate) fn is_grammar_name(name: &str) -> bool {
    NAMES.binary_search(&name).is_ok()
}

/// Whether the value of that member is a word of some format, such as a role.
pub(crate) fn is_grammar_word(member: &str, value: &str) -> bool {
    WORDED.contains(&member) && WORDS.binary_search(&value).is_ok()
}

/// Whether a member of that name holds an identifier.
pub(crate) fn is_id(member: &str) -> bool {
    member == "id" || member.ends_with("_id") || member.ends_with("Id")
}

/// From this length on a signature is taken for what it says it is: shorter ones are judged.
const SEALED: usize = 64;

/// What a provider signed or encrypted, and takes back only byte for byte. Its bytes say nothing
/// that a rule could find, and a chance match would break the conversation.
pub(crate) fn is_sealed(member: &str, text: &str) -> bool {
    const MEMBERS: [&str; 6] = [
        "signature",
        "data",
        "thoughtSignature",
        "encrypted_content",
        "encrypted_index",
        "redactedContent",
    ];
    let base64 = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'-' | b'_' | b'=');
    MEMBERS.contains(&member) && text.len() >= SEALED && text.bytes().all(base64)
}

/// Names of members of requests that are not among those of answers; sorted.
#[rustfmt::skip]
const ASKED: &[&str] = &[
    "add_generation_prompt", "add_special_tokens", "additionalModelRequestFields",
    "additionalModelResponseFieldPaths", "additionalProperties", "additional_drop_params", "allOf",
    "allowed_token_ids", "allowed_tools", "anthropic_beta", "anthropic_version", "anyOf", "any_of", "audio_url",
    "bad_words", "beam_width", "best_of", "cache", "cachePoint", "cache_control", "cache_salt", "cachedContent",
    "cachedContents", "cached_content", "chat_template", "chat_template_kwargs", "client_metadata", "content_type",
    "contents", "continue_final_message", "default", "defer_loading", "definitions", "defs", "description",
    "dimensions", "disable_parallel_tool_use", "do_sample", "document", "documents", "dry_multiplier", "echo",
    "encoding_format", "enum", "examples", "extra_body", "extra_headers", "extra_query", "file", "file_data", "files",
    "frequencyPenalty", "functionCallingConfig", "function_declarations", "functions", "generationConfig",
    "generation_config", "guardContent", "guardrailConfig", "guided_choice", "guided_grammar", "guided_json",
    "guided_regex", "ignore_eos", "image_url", "include", "include_reasoning", "include_stop_str_in_output",
    "inferenceConfig", "inputJson", "inputSchema", "input_audio", "input_file", "input_image", "input_schema",
    "input_text", "inputs", "is_async", "is_error", "items", "json", "json_schema", "keep_alive", "labels",
    "length_penalty", "logit_bias", "logits_processors", "max_completion_tokens", "max_tokens", "maximum",
    "mcp_servers", "media_type", "min_completion_tokens", "min_p", "min_tokens", "minimum", "mm_processor_kwargs",
    "modalities", "n", "nullable", "num_ctx", "oneOf", "options", "outputConfig", "output_config", "output_dimension",
    "parameters", "pattern", "plugins", "prediction", "presencePenalty", "priority", "promptVariables",
    "prompt_embeds", "prompts", "properties", "provider", "reasoning_effort", "ref", "repetition_penalty",
    "requestMetadata", "required", "responseMimeType", "response_format", "safetySettings", "safety_settings",
    "schema", "seed", "service_tiers", "session_id", "skip_special_tokens", "spaces_between_special_tokens", "speed",
    "stop", "stopSequences", "stop_sequences", "stop_token_ids", "stream", "streamOptions", "stream_options",
    "strict", "structured_outputs", "suffix", "system", "systemInstruction", "system_instruction", "taskType",
    "task_type", "team", "thinking_budget", "thinking_config", "toolConfig", "toolSpec", "tool_call_id",
    "tool_config", "topK", "topP", "top_k", "transforms", "truncate", "truncate_prompt_tokens", "use_beam_search",
    "video", "video_url", "web_search_options",
];

/// The names of members of all formats' requests.
pub(crate) fn request_names() -> impl Iterator<Item = &'static &'static str> {
    NAMES.iter().chain(ASKED)
}

/// Whether it is the name of a member of some format's requests.
pub fn is_request_name(name: &str) -> bool {
    is_grammar_name(name) || ASKED.binary_search(&name).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lists_are_sorted_and_every_word_is_found() {
        for list in [NAMES, WORDS, ASKED] {
            assert!(list.windows(2).all(|pair| pair[0] < pair[1]));
        }
        assert!(is_grammar_name("choices") && !is_grammar_name("choice of mine"));
        assert!(is_grammar_word("role", "assistant") && !is_grammar_word("id", "assistant"));
    }
}
