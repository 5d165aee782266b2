//! Prometheus metrics: GenAI's names where there are any, ours under `forebay_`.
//! Every label comes from a closed set or from the configuration.

use std::sync::Arc;

use forebay_gateway::error::ErrorKind;
use forebay_gateway::observe::{CacheResult, Observation, Summary};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::histograms::{
    Histograms, OWN_SECONDS, duration, first_token, per_token, seconds, tokens,
};
use super::labels;
use super::labels::{Answerer, Known, Lost};
use super::prompt_cache::PromptCache;
use super::spenders::Spenders;

/// Labels of the GenAI conventions.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct GenAi {
    gen_ai_operation_name: &'static str,
    gen_ai_provider_name: Arc<str>,
    gen_ai_request_model: Arc<str>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Ended {
    gen_ai_operation_name: &'static str,
    gen_ai_provider_name: Arc<str>,
    gen_ai_request_model: Arc<str>,
    /// Empty where it ended well.
    error_type: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Tokens {
    gen_ai_operation_name: &'static str,
    gen_ai_provider_name: Arc<str>,
    gen_ai_request_model: Arc<str>,
    gen_ai_token_type: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Request {
    operation: &'static str,
    status: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Cache {
    result: &'static str,
    tier: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Kind {
    kind: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Guard {
    rule: String,
    action: String,
    shadow: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Upstream {
    upstream: Arc<str>,
    outcome: &'static str,
}

/// The most guardrail rules that are told apart; rules are configured, but a component names them.
const MAX_RULES: usize = 512;

/// All metrics of the process.
pub struct Metrics {
    registry: Registry,
    known: Known,
    spenders: Spenders,
    rules: std::sync::Mutex<std::collections::HashSet<String>>,
    requests: Family<Request, Counter>,
    duration: Histogram,
    cache: Family<Cache, Counter>,
    joined: Counter,
    flights: Counter,
    flights_cancelled: Counter,
    policy: Histogram,
    overhead: Histogram,
    guard: Family<Guard, Counter>,
    errors: Family<Kind, Counter>,
    attempts: Family<Upstream, Counter>,
    losses: Family<Lost, Counter>,
    unknown_finishes: Family<Answerer, Counter>,
    prompt_cache: PromptCache,
    token_checks: Family<Upstream, Counter>,
    retries: Counter,
    clients_gone: Counter,
    bytes_out: Counter,
    /// Connections of clients that were turned away because there were too many.
    pub connections_refused: Counter,
    /// Reloads that took effect.
    pub reloads: Counter,
    /// Reloads that were rejected.
    pub reloads_failed: Counter,
    estimated: Counter,
    token_usage: Histograms<Tokens>,
    client_duration: Histograms<Ended>,
    server_duration: Histograms<Ended>,
    first_token: Histograms<GenAi>,
    per_token: Histograms<GenAi>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// All at zero; every kind of error is there from the start, so that a rate has a beginning.
    pub fn new() -> Self {
        let new = Self {
            registry: Registry::default(),
            known: Known::default(),
            spenders: Spenders::default(),
            rules: std::sync::Mutex::default(),
            requests: Family::default(),
            duration: seconds(),
            cache: Family::default(),
            joined: Counter::default(),
            flights: Counter::default(),
            flights_cancelled: Counter::default(),
            policy: Histogram::new(OWN_SECONDS),
            overhead: Histogram::new(OWN_SECONDS),
            guard: Family::default(),
            errors: Family::default(),
            attempts: Family::default(),
            losses: Family::default(),
            unknown_finishes: Family::default(),
            prompt_cache: PromptCache::default(),
            token_checks: Family::default(),
            retries: Counter::default(),
            clients_gone: Counter::default(),
            bytes_out: Counter::default(),
            connections_refused: Counter::default(),
            reloads: Counter::default(),
            reloads_failed: Counter::default(),
            token_usage: Family::new_with_constructor(tokens as fn() -> Histogram),
            client_duration: Family::new_with_constructor(duration as fn() -> Histogram),
            server_duration: Family::new_with_constructor(duration as fn() -> Histogram),
            first_token: Family::new_with_constructor(first_token as fn() -> Histogram),
            per_token: Family::new_with_constructor(per_token as fn() -> Histogram),
            estimated: Counter::default(),
        };
        for kind in ErrorKind::ALL {
            let _ = new.errors.get_or_create(&Kind { kind: kind.code() });
        }
        new.registered()
    }

    #[allow(
        clippy::too_many_lines,
        reason = "one list: every metric with its help"
    )]
    fn registered(mut self) -> Self {
        let r = &mut self.registry;
        self.spenders.register(r);
        r.register(
            "gen_ai_client_token_usage",
            "Tokens per request, as counted by the upstream or estimated",
            self.token_usage.clone(),
        );
        r.register(
            "gen_ai_client_operation_duration",
            "Seconds from asking the upstreams to the last byte out",
            self.client_duration.clone(),
        );
        r.register(
            "gen_ai_server_request_duration",
            "Seconds from a request's head to the last byte out, of requests that an upstream was asked for",
            self.server_duration.clone(),
        );
        r.register(
            "gen_ai_server_time_to_first_token",
            "Seconds from request to first token out, of streams",
            self.first_token.clone(),
        );
        r.register(
            "gen_ai_server_time_per_output_token",
            "Seconds per output token after the first",
            self.per_token.clone(),
        );
        r.register(
            "forebay_requests",
            "Requests that ended, by operation and class of status",
            self.requests.clone(),
        );
        r.register(
            "forebay_request_duration_seconds",
            "From a request's head to its last byte out",
            self.duration.clone(),
        );
        r.register(
            "forebay_cache_results",
            "Cache results, by tier",
            self.cache.clone(),
        );
        r.register(
            "forebay_flights_joined",
            "Requests answered from a flight that another had started",
            self.joined.clone(),
        );
        r.register(
            "forebay_flights_ended",
            "Flights that ended",
            self.flights.clone(),
        );
        r.register(
            "forebay_flights_cancelled",
            "Flights cancelled because no client was waiting",
            self.flights_cancelled.clone(),
        );
        r.register(
            "forebay_policy_seconds",
            "Time in policies per request",
            self.policy.clone(),
        );
        r.register(
            "forebay_overhead_seconds",
            "Time in the gateway before the upstream was asked or the answer found",
            self.overhead.clone(),
        );
        r.register(
            "forebay_guard_actions",
            "Matches of guardrail rules",
            self.guard.clone(),
        );
        r.register(
            "forebay_errors",
            "Errors that went out, by kind",
            self.errors.clone(),
        );
        r.register(
            "forebay_upstream_attempts",
            "Tries of upstreams, by outcome",
            self.attempts.clone(),
        );
        r.register(
            "forebay_losses",
            "Request fields that were not sent to the upstream, by class and grade",
            self.losses.clone(),
        );
        r.register(
            "forebay_unknown_finishes",
            "Answers with an unknown finish reason",
            self.unknown_finishes.clone(),
        );
        self.prompt_cache.register(r);
        r.register(
            "forebay_tokenizer_checks",
            "Prompts whose tokens were compared with those of the upstream's engine, by outcome",
            self.token_checks.clone(),
        );
        r.register(
            "forebay_upstream_retries",
            "Tries of upstreams that came after the first of a request",
            self.retries.clone(),
        );
        r.register(
            "forebay_clients_gone",
            "Requests whose client disconnected before the end",
            self.clients_gone.clone(),
        );
        r.register(
            "forebay_tokens_estimated",
            "Answers whose tokens were estimated because the upstream did not count them",
            self.estimated.clone(),
        );
        r.register(
            "forebay_response_bytes",
            "Bytes of body out",
            self.bytes_out.clone(),
        );
        r.register(
            "forebay_connections_refused",
            "Connections beyond limits.connections",
            self.connections_refused.clone(),
        );
        r.register(
            "forebay_reloads",
            "Reloads that took effect",
            self.reloads.clone(),
        );
        r.register(
            "forebay_reloads_failed",
            "Reloads that were rejected",
            self.reloads_failed.clone(),
        );
        self
    }

    /// How many models that are not configured may get a label of their own.
    pub fn set_served_limit(&self, limit: usize) {
        self.known.set_served_limit(limit);
    }

    /// How many keys get labels of their own.
    pub fn set_key_limit(&self, limit: usize) {
        self.spenders.set_limit(limit);
    }

    /// The models that get a label of their own.
    pub fn set_models(&self, models: impl Iterator<Item = Arc<str>>) {
        self.known.set_models(models);
    }

    /// Everything as Prometheus' text, with gauges read at this moment.
    pub fn encode(&self, gauges: &[(&str, &str, u64)]) -> Result<String, std::fmt::Error> {
        let mut out = String::new();
        // Gauges first: the registry's text ends with the end-of-file mark.
        for (name, help, value) in gauges {
            use std::fmt::Write as _;
            write!(
                out,
                "# HELP {name} {help}.\n# TYPE {name} gauge\n{name} {value}\n"
            )?;
        }
        prometheus_client::encoding::text::encode(&mut out, &self.registry)?;
        Ok(out)
    }

    pub(super) fn observe(&self, observation: &Observation) {
        match observation {
            Observation::Finished(summary) => self.finished(summary),
            Observation::Attempt(attempt) => {
                let outcome = match (attempt.failure, attempt.status) {
                    (Some(kind), _) => kind.code(),
                    (None, Some(status)) => labels::status_class(status),
                    (None, None) => labels::OTHER,
                };
                self.attempts
                    .get_or_create(&Upstream {
                        upstream: attempt.upstream.clone(),
                        outcome,
                    })
                    .inc();
                self.retries.inc_by(u64::from(attempt.again));
            }
            Observation::FlightEnded { cancelled, .. } => {
                self.flights.inc();
                self.flights_cancelled.inc_by(u64::from(*cancelled));
            }
            Observation::GuardHits { hits, .. } => hits.iter().for_each(|hit| self.guard_hit(hit)),
            Observation::Lost { upstream, fields } => {
                for field in fields.iter() {
                    let labels = Lost {
                        upstream: upstream.clone(),
                        field: field.class,
                        grade: field.grade.as_str(),
                    };
                    self.losses.get_or_create(&labels).inc();
                }
            }
            Observation::UnknownFinish { upstream, .. } => {
                let upstream = upstream.clone();
                self.unknown_finishes
                    .get_or_create(&Answerer { upstream })
                    .inc();
            }
            Observation::TokenCheck { upstream, check } => {
                let labels = Upstream {
                    upstream: upstream.clone(),
                    outcome: check.as_str(),
                };
                self.token_checks.get_or_create(&labels).inc();
            }
            Observation::PromptCache { upstream, saving } => {
                self.prompt_cache.count(upstream.clone(), saving);
            }
            Observation::Health { .. } | Observation::Warning(_) => {}
        }
    }

    fn finished(&self, summary: &Summary) {
        let operation = labels::asked(summary);
        self.requests
            .get_or_create(&Request {
                operation,
                status: labels::status_class(summary.status),
            })
            .inc();
        self.spenders.finished(summary);
        self.duration.observe(summary.duration.as_secs_f64());
        self.policy.observe(summary.policy_time.as_secs_f64());
        self.overhead.observe(summary.overhead.as_secs_f64());
        self.estimated.inc_by(u64::from(summary.usage_estimated));
        self.bytes_out.inc_by(summary.bytes_out);
        self.clients_gone.inc_by(u64::from(summary.client_gone));
        if let Some(kind) = summary.error {
            self.errors.get_or_create(&Kind { kind: kind.code() }).inc();
        }
        for hit in &summary.guard_hits {
            self.guard_hit(hit);
        }
        if summary.operation.is_none() && summary.passage.is_none() {
            return;
        }
        let tier = match summary.cache {
            CacheResult::Hit | CacheResult::Stale => "memory",
            CacheResult::Joined => "flight",
            CacheResult::Miss | CacheResult::Bypass => "none",
        };
        self.cache
            .get_or_create(&Cache {
                result: labels::cache(summary.cache),
                tier,
            })
            .inc();
        self.joined
            .inc_by(u64::from(summary.cache == CacheResult::Joined));
        // A stored answer cost no tokens and no time of an upstream: the GenAI metrics are about upstreams.
        if !matches!(
            summary.cache,
            CacheResult::Hit | CacheResult::Stale | CacheResult::Joined
        ) {
            self.generated(summary, operation);
        }
    }

    fn generated(&self, summary: &Summary, operation: &'static str) {
        // Where none answered, the last that was asked.
        let asked = summary.way.attempts.last().map(|last| &last.upstream);
        let Some(upstream) = summary.upstream.as_ref().or(asked) else {
            return;
        };
        let model = self.known.model(&summary.model, summary.model_listed);
        let ended = Ended {
            gen_ai_operation_name: operation,
            gen_ai_provider_name: upstream.clone(),
            gen_ai_request_model: model.clone(),
            error_type: summary.error.map_or("", |kind| kind.code()),
        };
        let outside = summary.duration.saturating_sub(summary.overhead);
        self.client_duration
            .get_or_create(&ended)
            .observe(outside.as_secs_f64());
        self.server_duration
            .get_or_create(&ended)
            .observe(summary.duration.as_secs_f64());
        let usage = summary.usage.unwrap_or_default();
        for (count, kind) in [(usage.input, "input"), (usage.output, "output")] {
            if summary.usage.is_some() {
                let labels = Tokens {
                    gen_ai_operation_name: operation,
                    gen_ai_provider_name: upstream.clone(),
                    gen_ai_request_model: model.clone(),
                    gen_ai_token_type: kind,
                };
                #[allow(
                    clippy::cast_precision_loss,
                    reason = "a bucket's border is no place for 2^53"
                )]
                self.token_usage
                    .get_or_create(&labels)
                    .observe(count as f64);
            }
        }
        let labels = GenAi {
            gen_ai_operation_name: operation,
            gen_ai_provider_name: upstream.clone(),
            gen_ai_request_model: model,
        };
        // An answer that came whole says nothing about its first token.
        let Some(first) = summary.first_token.filter(|_| summary.stream) else {
            return;
        };
        self.first_token
            .get_or_create(&labels)
            .observe(first.as_secs_f64());
        if usage.output > 1 {
            #[allow(
                clippy::cast_precision_loss,
                reason = "token counts are far below 2^53"
            )]
            let per_token =
                summary.duration.saturating_sub(first).as_secs_f64() / (usage.output - 1) as f64;
            self.per_token.get_or_create(&labels).observe(per_token);
        }
    }

    fn guard_hit(&self, hit: &forebay_gateway::policy::Hit) {
        let known = {
            let mut rules = self
                .rules
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            rules.contains(&hit.rule) || (rules.len() < MAX_RULES && rules.insert(hit.rule.clone()))
        };
        let action = if ["allow", "mask", "deny"].contains(&hit.action.as_str()) {
            hit.action.as_str()
        } else {
            labels::OTHER
        };
        let labels = Guard {
            rule: if known {
                hit.rule.clone()
            } else {
                labels::OTHER.to_owned()
            },
            action: action.to_owned(),
            shadow: if hit.shadow { "true" } else { "false" },
        };
        self.guard.get_or_create(&labels).inc_by(hit.count.into());
    }
}
