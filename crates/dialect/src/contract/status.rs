//! The HTTP status that the words of an upstream's error stand for.

/// AWS's exceptions by the status that the service model gives them; the first of a status is written.
pub(crate) const EXCEPTIONS: [(u16, &str); 12] = [
    (400, "ValidationException"),
    (403, "AccessDeniedException"),
    (404, "ResourceNotFoundException"),
    (408, "ModelTimeoutException"),
    (424, "ModelErrorException"),
    (429, "ThrottlingException"),
    (500, "InternalServerException"),
    (503, "ServiceUnavailableException"),
    (400, "ConflictException"),
    (400, "ServiceQuotaExceededException"),
    (424, "ModelStreamErrorException"),
    (429, "ModelNotReadyException"),
];

/// The status that an error's code or type stands for, those of OpenAI, Anthropic, Google and
/// AWS; 500 where they say nothing.
pub(crate) fn status_of(code: Option<&str>, kind: Option<&str>) -> u16 {
    for word in [code, kind].into_iter().flatten() {
        if let Ok(status @ 400..600) = word.parse() {
            return status;
        }
        let known = EXCEPTIONS
            .iter()
            .find(|(_, name)| name.eq_ignore_ascii_case(word));
        if let Some((status, _)) = known {
            return *status;
        }
        match word {
            "rate_limit_error"
            | "rate_limit_exceeded"
            | "RESOURCE_EXHAUSTED"
            | "insufficient_quota"
            | "too_many_requests" => return 429,
            "overloaded_error" | "overloaded" | "server_overloaded" | "UNAVAILABLE" => return 503,
            "invalid_request_error" | "INVALID_ARGUMENT" | "context_length_exceeded" => return 400,
            "timeout_error" | "DEADLINE_EXCEEDED" => return 408,
            _ => {}
        }
    }
    500
}
