//! What the pipeline tells its platform about a request: the source of metrics, access log and traces.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use forebay_dialect::canonical::{Operation, Usage};
use forebay_dialect::exchange::{Grade, Lost};

use crate::error::ErrorKind;
use crate::policy::{Caller, Hit, Reason};

/// Something that happened.
#[derive(Debug, Clone)]
pub enum Observation {
    /// A request has ended: its last byte went out, or its client left.
    Finished(Box<Summary>),
    /// An upstream was tried.
    Attempt(Attempt),
    /// A flight has ended, whoever still waited for it.
    FlightEnded {
        /// Clients it served.
        clients: u32,
        /// Whether its upstream was cancelled because nobody waited any more.
        cancelled: bool,
    },
    /// An endpoint's health changed.
    Health {
        /// The upstream's name.
        upstream: Arc<str>,
        /// The endpoint's URL without credentials.
        endpoint: Arc<str>,
        /// Whether requests go there now.
        healthy: bool,
        /// What changed it.
        change: HealthChange,
    },
    /// Guardrail rules matched in an answer.
    GuardHits {
        /// The caller.
        caller: Caller,
        /// The rules.
        hits: Vec<Hit>,
    },
    /// An upstream that answers was not told fields of the request.
    Lost {
        /// The upstream's name.
        upstream: Arc<str>,
        /// The fields.
        fields: Arc<[LostField]>,
    },
    /// A prompt's tokens were compared with those of the upstream's engine.
    TokenCheck {
        /// The upstream's name.
        upstream: Arc<str>,
        /// What came of it.
        check: TokenCheck,
    },
    /// What a provider's prompt cache did for an answer.
    PromptCache {
        /// The upstream's name.
        upstream: Arc<str>,
        /// What it did.
        saving: CacheSaving,
    },
    /// An answer ended for a reason in a word that nobody knows; clients got the nearest one.
    UnknownFinish {
        /// The upstream's name.
        upstream: Arc<str>,
        /// The word.
        word: String,
    },
    /// Something an operator should read. Never prompt text, never a secret.
    Warning(String),
}

/// Why an endpoint is used again, or no longer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HealthChange {
    /// Its health page answered, or failed so often in a row.
    Check {
        /// Failed checks in a row.
        failures: u32,
    },
    /// A request failed there, and it is not asked for a while.
    Ejected {
        /// The request that failed last.
        request_id: Arc<str>,
        /// Exchanges that broke since the last success.
        broken: u32,
        /// Answers with errors since the last success, each request once.
        errors: u32,
        /// How long it is not asked.
        pause: Duration,
    },
    /// A request succeeded there after an ejection.
    Recovered {
        /// That request.
        request_id: Arc<str>,
    },
}

/// What came of comparing a prompt's tokens with an engine's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TokenCheck {
    /// They are the same.
    Agrees,
    /// They are not.
    Differs,
    /// The engine did not tell.
    Unanswered,
}

impl TokenCheck {
    /// The word in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            TokenCheck::Agrees => "agrees",
            TokenCheck::Differs => "differs",
            TokenCheck::Unanswered => "unanswered",
        }
    }
}

/// What a provider's prompt cache did for one answer: tokens as the provider counted them, money in
/// US dollars where the model's prices are known, else 0.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct CacheSaving {
    /// Tokens read from the cache.
    pub read_tokens: u64,
    /// Tokens written into it.
    pub written_tokens: u64,
    /// What the tokens read would have cost more as plain ones.
    pub saved_usd: f64,
    /// What the tokens written cost more than plain ones.
    pub premium_usd: f64,
    /// What was expected to be saved when the request was sent.
    pub predicted_usd: f64,
}

/// A field of a request that its upstream was not told. Its name, never its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LostField {
    /// The field as the client knows it, cut at 64 bytes.
    pub name: String,
    /// Its class: one of a closed set.
    pub class: &'static str,
    /// How much it matters.
    pub grade: Grade,
}

impl LostField {
    pub(crate) fn new(lost: &Lost) -> Self {
        // 64: a client may call a field what it likes.
        let cut = lost.param.floor_char_boundary(64);
        Self {
            name: lost.param[..cut].to_owned(),
            class: lost.class(),
            grade: lost.grade,
        }
    }
}

/// What the cache said, in the words of RFC 9211.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum CacheResult {
    /// Answered from the store.
    Hit,
    /// Answered from a flight that another request had started.
    Joined,
    /// Answered from the store although stale, since the upstream failed.
    Stale,
    /// Nothing stored.
    Miss,
    /// The cache was not asked.
    #[default]
    Bypass,
}

/// One request, from first byte in to last byte out.
#[derive(Debug, Clone)]
pub struct Summary {
    /// The request's identifier, as in `x-request-id`.
    pub request_id: String,
    /// The W3C `traceparent` of the client, where one came.
    pub traceparent: Option<String>,
    /// The trace and span of this request, where requests are traced: the `traceparent` that
    /// upstreams got.
    pub span: Option<String>,
    /// Who asked; none when the key was not accepted.
    pub caller: Option<Caller>,
    /// The endpoint; none for an unknown path.
    pub operation: Option<Operation>,
    /// The endpoint that it passed through, where it is none of a format.
    pub passage: Option<&'static str>,
    /// The path as requested, cut at 64 bytes.
    pub path: String,
    /// The model as the client named it; empty where unknown.
    pub model: String,
    /// An upstream lists the model, or the configuration names it: a client did not make it up.
    pub model_listed: bool,
    /// The model that answered.
    pub response_model: Option<String>,
    /// Whether the client asked for a stream.
    pub stream: bool,
    /// The status that went out.
    pub status: u16,
    /// The error, where one went out (in the head or within the stream).
    pub error: Option<ErrorKind>,
    /// What the cache said.
    pub cache: CacheResult,
    /// The tier that answered: `memory`, `disk`, `shared`, or empty.
    pub cache_tier: &'static str,
    /// Why the cache was bypassed or the answer not stored.
    pub cache_why: Option<Reason>,
    /// The upstream that answered.
    pub upstream: Option<Arc<str>>,
    /// What it was not told, at most 16.
    pub lost: Arc<[LostField]>,
    /// Tokens, where counted or estimated.
    pub usage: Option<Usage>,
    /// The upstream did not count: `usage` is made from the bytes of prompt and answer.
    pub usage_estimated: bool,
    /// Guardrail rules that matched.
    pub guard_hits: Vec<Hit>,
    /// Whether a guardrail turned the prompt or the answer away.
    pub denied: bool,
    /// When the request's head had come.
    pub started: SystemTime,
    /// From then to the last byte out.
    pub duration: Duration,
    /// From then to the first token out, for answers with tokens.
    pub first_token: Option<Duration>,
    /// In guests: prompt check, plan, rank.
    pub policy_time: Duration,
    /// Spent in the gateway itself before the upstream was asked or the answer was found.
    pub overhead: Duration,
    /// The code of the error as the client got it, where it says more than `error`: a rule's.
    pub code: Option<String>,
    /// How the request came to its answer.
    pub way: Way,
    /// What the answer cost, in millionths of a US dollar, where the price is known.
    pub cost_micro_usd: u64,
    /// What it would have cost if nothing stored had answered, in millionths of a US dollar.
    pub saved_by_cache_micro_usd: u64,
    /// What the upstream's prefix cache saved, in millionths of a US dollar.
    pub saved_by_prefix_micro_usd: u64,
    /// Whether the client left before the end.
    pub client_gone: bool,
    /// Bytes of body out.
    pub bytes_out: u64,
}

impl Default for Summary {
    fn default() -> Self {
        Self {
            request_id: String::new(),
            traceparent: None,
            span: None,
            caller: None,
            operation: None,
            passage: None,
            path: String::new(),
            model: String::new(),
            model_listed: false,
            response_model: None,
            stream: false,
            status: 0,
            error: None,
            cache: CacheResult::Bypass,
            cache_tier: "",
            cache_why: None,
            upstream: None,
            lost: Arc::default(),
            usage: None,
            usage_estimated: false,
            guard_hits: Vec::new(),
            denied: false,
            started: SystemTime::UNIX_EPOCH,
            duration: Duration::ZERO,
            first_token: None,
            policy_time: Duration::ZERO,
            overhead: Duration::ZERO,
            code: None,
            way: Way::default(),
            cost_micro_usd: 0,
            saved_by_cache_micro_usd: 0,
            saved_by_prefix_micro_usd: 0,
            client_gone: false,
            bytes_out: 0,
        }
    }
}

/// How a request came to its answer: names, reasons and times, never what the prompt or the answer
/// says.
#[derive(Debug, Clone, Default)]
pub struct Way {
    /// The request that the flight was started for, where it was another one.
    pub led_by: Option<Arc<str>>,
    /// Stages with their beginnings, counted from the request's head.
    pub stages: Vec<Stage>,
    /// Upstreams that were to be asked, best first, at most 16.
    pub order: Vec<Placed>,
    /// Upstreams that were left out, at most 16.
    pub excluded: Vec<Excluded>,
    /// Upstreams that were asked, at most 16.
    pub attempts: Vec<Attempt>,
    /// Output rules that matched, at most 32.
    pub output_hits: Vec<Hit>,
}

/// A stage of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stage {
    /// `enter`, `decide`, `store`, `route`, `upstream` or `reply`.
    pub name: &'static str,
    /// When it began, counted from the request's head.
    pub start: Duration,
    /// How long it took.
    pub took: Duration,
}

/// An upstream's place in the order.
#[derive(Debug, Clone, PartialEq)]
pub struct Placed {
    /// The upstream's name.
    pub upstream: Arc<str>,
    /// The selector's score; lower is better.
    pub score: f64,
    /// What the selector expects it to cost, in millionths of a US dollar.
    pub cost_micro_usd: Option<u64>,
}

/// An upstream that was left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excluded {
    /// The upstream's name.
    pub upstream: Arc<str>,
    /// The reason.
    pub why: Reason,
}

/// One try of an upstream.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// The request that it was made for.
    pub request_id: Arc<str>,
    /// When it began, counted from that request's head.
    pub start: Duration,
    /// The upstream's name.
    pub upstream: Arc<str>,
    /// The replica's URL without credentials.
    pub endpoint: Arc<str>,
    /// What only an operator may know of the failure, such as a file that can't be read.
    pub detail: Option<String>,
    /// Its status; none when the transport failed.
    pub status: Option<u16>,
    /// The failure.
    pub failure: Option<ErrorKind>,
    /// To the response's head.
    pub head: Duration,
    /// Whether it came after another try of the same request, told for the first time.
    pub again: bool,
    /// Whether another try follows where one is left.
    pub retried: bool,
}
