//! Errors as a client sees them: kind, source and retry, a status and a sentence.

use std::time::Duration;

/// Whose fault it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorSource {
    /// The client's.
    Client,
    /// A policy said no, or broke.
    Policy,
    /// The upstream's.
    Upstream,
    /// Ours.
    Internal,
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident => $code:literal, $status:literal, $type:literal, $source:ident, $retry:literal;)*) => {
        /// What went wrong: a closed set, the label of the error metric.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum ErrorKind { $($(#[$doc])* $name,)* }
        impl ErrorKind {
            /// Every kind, for metrics and documentation.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];
            /// The stable code, such as `invalid_api_key`.
            pub const fn code(self) -> &'static str { match self { $(Self::$name => $code,)* } }
            /// The status that goes out unless an upstream's own is passed on.
            pub const fn status(self) -> u16 { match self { $(Self::$name => $status,)* } }
            /// The `type` of OpenAI's error shape.
            pub const fn openai_type(self) -> &'static str { match self { $(Self::$name => $type,)* } }
            /// Whose fault it is.
            pub const fn source(self) -> ErrorSource { match self { $(Self::$name => ErrorSource::$source,)* } }
            /// Whether the same request may succeed later.
            pub const fn retryable(self) -> bool { match self { $(Self::$name => $retry,)* } }
        }
    };
}

kinds! {
    /// The body is no JSON, or not of the dialect's shape.
    InvalidRequest => "invalid_request", 400, "invalid_request_error", Client, false;
    /// No upstream that may serve the request can be told all of it.
    NotExpressible => "not_expressible", 400, "invalid_request_error", Client, false;
    /// No API key came.
    MissingKey => "missing_api_key", 401, "invalid_request_error", Client, false;
    /// The API key is unknown, expired or revoked.
    InvalidKey => "invalid_api_key", 401, "invalid_request_error", Client, false;
    /// The request came under a host name that this gateway does not answer to.
    HostNotAllowed => "host_not_allowed", 403, "invalid_request_error", Client, false;
    /// A web page of a site that is not allowed sent the request, or could have.
    OriginNotAllowed => "origin_not_allowed", 403, "invalid_request_error", Client, false;
    /// The key may not use this model.
    ModelNotAllowed => "model_not_allowed", 403, "invalid_request_error", Client, false;
    /// No upstream has this model.
    ModelNotFound => "model_not_found", 404, "invalid_request_error", Client, false;
    /// Every upstream that could serve the request costs more than its budget.
    Budget => "budget", 402, "insufficient_quota", Client, false;
    /// No such endpoint.
    NotFound => "not_found", 404, "invalid_request_error", Client, false;
    /// The endpoint exists, but not for this method.
    MethodNotAllowed => "method_not_allowed", 405, "invalid_request_error", Client, false;
    /// The request's head or body did not come in time.
    RequestTimeout => "request_timeout", 408, "invalid_request_error", Client, true;
    /// The body is over the limit.
    BodyTooLarge => "request_too_large", 413, "invalid_request_error", Client, false;
    /// The body's media type is not JSON.
    UnsupportedMedia => "unsupported_media_type", 415, "invalid_request_error", Client, false;
    /// The head is over the limit.
    HeadTooLarge => "headers_too_large", 431, "invalid_request_error", Client, false;
    /// Over the key's requests or tokens per minute.
    RateLimited => "rate_limit_exceeded", 429, "rate_limit_error", Client, true;
    /// `only-if-cached` and nothing is stored.
    NotCached => "not_cached", 504, "invalid_request_error", Client, false;
    /// `Last-Event-ID` names a stream that is gone.
    NotResumable => "stream_not_resumable", 409, "invalid_request_error", Client, false;
    /// A guardrail turned the prompt away.
    PromptDenied => "prompt_denied", 400, "content_policy_violation", Policy, false;
    /// A guardrail ended the answer.
    OutputDenied => "output_denied", 400, "content_policy_violation", Policy, false;
    /// No upstream may serve the request.
    NoUpstream => "no_upstream", 503, "service_unavailable", Policy, true;
    /// A policy trapped, ran too long or grew too large.
    PolicyFailed => "policy_failed", 500, "internal_error", Policy, true;
    /// The upstream could not be reached.
    UpstreamUnreachable => "upstream_unreachable", 502, "upstream_error", Upstream, true;
    /// The upstream's connection broke before the answer's end.
    UpstreamReset => "upstream_reset", 502, "upstream_error", Upstream, true;
    /// The upstream sent what is not of its dialect.
    UpstreamInvalid => "upstream_invalid_response", 502, "upstream_error", Upstream, true;
    /// The upstream answered with an error.
    UpstreamError => "upstream_error", 502, "upstream_error", Upstream, true;
    /// The upstream refused our own credentials.
    UpstreamAuth => "upstream_auth_failed", 502, "upstream_error", Upstream, false;
    /// The upstream did not answer, or stopped answering, in time.
    UpstreamTimeout => "upstream_timeout", 504, "upstream_error", Upstream, true;
    /// The client's own deadline passed first.
    DeadlineExceeded => "deadline_exceeded", 504, "invalid_request_error", Client, true;
    /// The stream ended without its terminal event.
    UpstreamTruncated => "upstream_truncated", 502, "upstream_error", Upstream, true;
    /// The client read too slowly and was cut.
    ClientTooSlow => "client_too_slow", 408, "invalid_request_error", Client, true;
    /// Past the limit of requests in flight, or shutting down.
    Overloaded => "overloaded", 503, "service_unavailable", Internal, true;
    /// A defect of ours.
    Internal => "internal_error", 500, "internal_error", Internal, true;
}

impl ErrorKind {
    /// The stage that ends a request with it: `enter`, `decide`, `store`, `route`, `upstream` or
    /// `reply`.
    pub const fn stage(self) -> &'static str {
        match self {
            Self::PromptDenied | Self::PolicyFailed => "decide",
            Self::NotCached | Self::NotResumable => "store",
            Self::NotExpressible | Self::Budget | Self::NoUpstream => "route",
            Self::OutputDenied | Self::ClientTooSlow => "reply",
            Self::DeadlineExceeded => "upstream",
            _ => match self.source() {
                ErrorSource::Upstream => "upstream",
                ErrorSource::Client | ErrorSource::Policy | ErrorSource::Internal => "enter",
            },
        }
    }
}

/// An error on its way to a client.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct GatewayError {
    /// What went wrong.
    pub kind: ErrorKind,
    /// The sentence the client reads.
    pub message: String,
    /// The field that is at fault, such as `messages[0].role`.
    pub param: Option<Box<str>>,
    /// A more precise code than the kind's, such as a guardrail rule's.
    pub code: Option<String>,
    /// The `type` of the dialect's shape, where an upstream's is passed on.
    pub error_type: Option<Box<str>>,
    /// The status, where it is not the kind's own.
    pub status: Option<u16>,
    /// When to try again.
    pub retry_after: Option<Duration>,
    /// What only an operator may know of it, such as the name of a file that can't be read.
    pub detail: Option<Box<str>>,
}

impl GatewayError {
    /// An error of this kind with this sentence.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            param: None,
            code: None,
            error_type: None,
            status: None,
            retry_after: None,
            detail: None,
        }
    }

    /// Names the field at fault.
    #[must_use]
    pub fn with_param(mut self, param: Option<&str>) -> Self {
        self.param = param.map(Into::into);
        self
    }

    /// Gives a more precise code.
    #[must_use]
    pub fn with_code(mut self, code: impl Into<String>) -> Self {
        self.code = Some(code.into());
        self
    }

    /// Says what only an operator may know.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into().into_boxed_str());
        self
    }

    /// Passes an upstream's status on.
    #[must_use]
    pub fn with_status(mut self, status: u16) -> Self {
        self.status = Some(status);
        self
    }

    /// Gives the error's `type` in the client's dialect.
    #[must_use]
    pub fn with_type(mut self, error_type: &str) -> Self {
        self.error_type = Some(error_type.into());
        self
    }

    /// Says when to try again.
    #[must_use]
    pub fn with_retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }

    /// The status that goes out.
    pub fn status(&self) -> u16 {
        self.status.unwrap_or(self.kind.status())
    }
}
