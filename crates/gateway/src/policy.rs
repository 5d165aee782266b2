//! What the gateway asks its policies, and what they answer: the Rust side of `wit/`.
//!
//! The host implements [`Policies`] over wasmtime, an edge over components it imports.
//! Field by field these types mirror the packages in `wit/`; see there for meanings.

use std::future::Future;

use forebay_dialect::canonical::{Channel, Field, Needs, Prompt, Usage};
use serde::{Deserialize, Serialize};

pub use forebay_dialect::place::{Place, PlaceKind};

use crate::platform::{MaybeSend, MaybeSync};

/// Who asks. Identifiers only, never a secret.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Caller {
    /// The tenant that owns the API key.
    pub tenant: std::sync::Arc<str>,
    /// The identifier of the API key.
    pub key: std::sync::Arc<str>,
    /// The path of the endpoint.
    pub route: &'static str,
}

/// A stable code for machines, a sentence for people. Never prompt text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// Kebab case.
    pub code: String,
    /// A sentence.
    pub detail: String,
}

/// The client's wishes about the cache.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Directives {
    /// Do not answer from the store.
    pub no_cache: bool,
    /// Do not put the answer into the store.
    pub no_store: bool,
    /// Answer from the store or not at all.
    pub only_if_cached: bool,
    /// The oldest acceptable answer, in seconds.
    pub max_age: Option<u32>,
    /// How stale an answer may be when the upstream fails, in seconds.
    pub stale_if_error: Option<u32>,
    /// This request may be cached although it samples.
    pub cache_sampled: bool,
}

/// The request as a whole, as the guardrails see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outline<'a> {
    /// What is asked for.
    pub operation: &'static str,
    /// The model as the client named it.
    pub model: &'a str,
    /// How many messages it has.
    pub messages: u32,
    /// How many tools it offers.
    pub tools: u32,
    /// Bytes of its largest message.
    pub largest_message: u64,
    /// Bytes of all messages, tools and fields together.
    pub bytes: u64,
}

/// Replace a stretch of one place by a mask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// Index of the place.
    pub place: u32,
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
    /// What kind of value it is, such as `EMAIL`.
    pub label: String,
}

/// What to do with a prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Let it through.
    Allow,
    /// Let it through with these stretches masked; sorted, not overlapping.
    Edit(Vec<Edit>),
    /// Turn it away.
    Deny(Reason),
    /// Ask for a second opinion first.
    Ask(Question),
}

/// A question for a second opinion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The name under which the service is configured.
    pub service: String,
    /// The places whose text it needs.
    pub places: Vec<u32>,
}

/// A second opinion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opinion {
    /// What was asked.
    pub question: Question,
    /// The answer, or why there is none.
    pub answer: Result<String, String>,
}

/// How often a rule matched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hit {
    /// The rule's name.
    pub rule: String,
    /// `allow`, `mask` or `deny`.
    pub action: String,
    /// Matches.
    pub count: u32,
    /// It only counted.
    pub shadow: bool,
}

/// The judgement on a prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// What to do.
    pub action: Action,
    /// Which rules matched.
    pub hits: Vec<Hit>,
    /// Whether rules for the output apply to this caller.
    pub guard_output: bool,
    /// Whether one of them can change or end an answer: without any, all only count.
    pub output_enforced: bool,
    /// Names the set of rules in force for this caller: part of every cache key.
    pub scope: String,
}

/// Who may share an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// All keys of the tenant.
    Tenant,
    /// Only the API key that asked.
    Key,
}

/// How long an entry lives, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Freshness {
    /// Until it is stale.
    pub ttl: u32,
    /// Since it was last read; 0 is without limit.
    pub idle: u32,
    /// Past `ttl`, when the upstream fails.
    pub stale_if_error: u32,
}

/// A block of the prompt's text: a hint for routing, not an identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block {
    /// XXH64 of this block and of all before it.
    pub hash: u64,
    /// Where it ends, in bytes of the rendered text.
    pub end: u32,
}

/// A place of a prompt behind which a provider's prompt cache can be told to cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Anchor {
    /// Behind the tools.
    Tools,
    /// Behind a part of a message.
    Part {
        /// Index of the message.
        message: u32,
        /// Index of the part within it.
        part: u32,
    },
}

/// Where a provider's prompt cache should keep what comes before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Breakpoint {
    /// The place.
    pub after: Anchor,
    /// Hash of everything before the place.
    pub prefix: u64,
    /// Bytes of text before the place.
    pub bytes: u32,
    /// How often the prefix must have been seen before it is marked; 0 is at once.
    pub after_uses: u32,
    /// The time to live to ask for, in seconds; 0 leaves it to the provider.
    pub ttl: u32,
}

/// What the cache means to do with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CachePlan {
    /// SHA-256 over every field that can change the answer.
    pub digest: [u8; 32],
    /// Who may share the entry.
    pub scope: Scope,
    /// Whether an entry may answer this request.
    pub lookup: bool,
    /// Whether the answer may become an entry.
    pub store: bool,
    /// Why not.
    pub why: Option<Reason>,
    /// How long the entry would live.
    pub freshness: Freshness,
    /// The prefix chain.
    pub chain: Vec<Block>,
    /// Fields to add for the provider's own prompt cache.
    pub hints: Vec<Field>,
    /// SHA-256 of each input of an embeddings request, in order; empty otherwise.
    pub inputs: Vec<[u8; 32]>,
    /// Where to mark the prompt for a provider's prompt cache.
    pub breakpoints: Vec<Breakpoint>,
}

/// How an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ending {
    /// With a finish reason and, in a stream, its terminal event.
    Complete,
    /// Cut at a token limit.
    Length,
    /// The connection ended early.
    Truncated,
    /// An error.
    Error,
    /// Refused by the model or a filter.
    Refused,
}

/// What is known when an answer has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// How it ended.
    pub ending: Ending,
    /// The upstream's status code.
    pub status: u16,
    /// The size of the recording, in bytes.
    pub bytes: u64,
    /// Whether a tool was called.
    pub tool_calls: bool,
    /// Tokens, where the upstream counted them.
    pub usage: Option<Usage>,
}

/// Whether an answer becomes an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admission {
    /// Store it.
    pub store: bool,
    /// How long it lives.
    pub freshness: Freshness,
    /// Labels under which it can be purged.
    pub tags: Vec<String>,
    /// Why it is not stored.
    pub why: Option<Reason>,
}

/// A piece of output as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delta {
    /// The choice's index.
    pub choice: u32,
    /// The channel.
    pub channel: Channel,
    /// The text.
    pub text: String,
}

/// What a call of the output guard lets go.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Releases {
    /// What may go to the client.
    pub released: Vec<Delta>,
    /// The output must end here.
    pub denied: Option<Reason>,
    /// Rules that matched since the last call.
    pub hits: Vec<Hit>,
}

/// What a request needs of an upstream.
#[derive(Debug, Clone, PartialEq)]
pub struct Demand {
    /// The model as the client named it.
    pub model: String,
    /// Estimated tokens of the prompt.
    pub input_tokens: u64,
    /// The most tokens the answer may have.
    pub output_tokens: u64,
    /// What the upstream must be able to do.
    pub needs: Needs,
    /// Regions or jurisdictions the prompt may go to; empty means anywhere.
    pub residency: Vec<String>,
    /// The most it may cost, in millionths of a US dollar.
    pub budget_micro_usd: Option<u64>,
    /// Milliseconds until the client's deadline.
    pub deadline_ms: Option<u64>,
}

/// Millionths of a US dollar per million tokens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// Tokens of the prompt.
    pub input: u64,
    /// Tokens of the prompt out of the upstream's cache.
    pub cached_input: u64,
    /// Tokens of the completion.
    pub output: u64,
}

impl Price {
    /// What these tokens cost, in millionths of a US dollar, rounded up.
    pub fn of(&self, usage: Usage) -> u64 {
        let cached = usage.cached_input.min(usage.input);
        let parts = [
            (usage.input - cached, self.input),
            (cached, self.cached_input),
            (usage.output, self.output),
        ];
        micro_usd(parts.into_iter())
    }

    /// What the upstream's prefix cache saved, in millionths of a US dollar.
    pub fn saved(&self, usage: Usage) -> u64 {
        let cached = usage.cached_input.min(usage.input);
        let each = self.input.saturating_sub(self.cached_input);
        micro_usd([(cached, each)].into_iter())
    }
}

/// Tokens at prices for a million.
fn micro_usd(parts: impl Iterator<Item = (u64, u64)>) -> u64 {
    let sum: u128 = parts
        .map(|(tokens, price)| u128::from(tokens) * u128::from(price))
        .sum();
    u64::try_from(sum.div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

/// How well it is known what a worker holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum IndexState {
    /// From the engine's own events, without a gap.
    Exact,
    /// From events with a gap, or not all replayed yet.
    Degraded,
    /// Guessed from the requests that were routed to it.
    Fallback,
}

/// One engine, or one data-parallel rank of an engine, of an upstream.
#[derive(Debug, Clone, PartialEq)]
pub struct Worker {
    /// Its name, stable while it lives.
    pub id: String,
    /// It passed its last health check and is not ejected.
    pub healthy: bool,
    /// Requests in flight from here.
    pub in_flight: u32,
    /// Tokens of prompts in flight that it neither holds nor has computed yet.
    pub queued_tokens: u64,
    /// Tokens of prompt a second; 0 is unknown.
    pub prefill_rate: f64,
    /// Tokens of output a second that one request gets; 0 is unknown.
    pub decode_rate: f64,
    /// Tokens of this prompt in its prefix cache.
    pub held_tokens: u64,
    /// How well that is known.
    pub index: IndexState,
    /// It served this session before.
    pub has_affinity: bool,
}

/// An upstream as it is now.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// The upstream's name.
    pub name: String,
    /// Its region.
    pub region: String,
    /// Its jurisdiction.
    pub jurisdiction: String,
    /// It passed its last health check and is not ejected.
    pub healthy: bool,
    /// What it can do.
    pub capabilities: Needs,
    /// Tokens of prompt and answer together; 0 is unknown.
    pub context_tokens: u64,
    /// What it costs.
    pub price: Option<Price>,
    /// Expected time to first token, in milliseconds.
    pub ttft_ms: f64,
    /// Expected tokens of output a second.
    pub tokens_per_second: f64,
    /// Requests in flight from here.
    pub in_flight: u32,
    /// How many it takes at once; 0 is unknown.
    pub capacity: u32,
    /// Tokens of this prompt probably in its prefix cache.
    pub warm_tokens: u64,
    /// The place in the configured order.
    pub order: u32,
    /// The engines behind it, where they are known one by one.
    pub workers: Vec<Worker>,
}

/// A candidate that may serve.
#[derive(Debug, Clone, PartialEq)]
pub struct Choice {
    /// Index into the candidates.
    pub candidate: u32,
    /// Lower is better.
    pub score: f64,
    /// What the score is made of.
    pub parts: Vec<(String, f64)>,
    /// Expected cost.
    pub cost_micro_usd: Option<u64>,
    /// Index into the candidate's workers, where the policy decided for one.
    pub worker: Option<u32>,
}

/// The order in which to try, and who is left out.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Ranking {
    /// Best first.
    pub order: Vec<Choice>,
    /// Index of the candidate, and the rule.
    pub excluded: Vec<(u32, Reason)>,
}

/// Why a policy gave no answer. The request fails closed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum PolicyError {
    /// The guest trapped.
    #[error("the {policy} policy trapped: {detail}")]
    Trap {
        /// Which component.
        policy: &'static str,
        /// The trap's name, without guest memory.
        detail: String,
    },
    /// The guest used up its time.
    #[error("the {policy} policy ran past its limit of {limit_ms} ms")]
    Deadline {
        /// Which component.
        policy: &'static str,
        /// The limit.
        limit_ms: u64,
    },
    /// The guest wanted more memory, or returned more, than it may.
    #[error("the {policy} policy went over its memory limit of {limit_bytes} bytes")]
    Memory {
        /// Which component.
        policy: &'static str,
        /// The limit.
        limit_bytes: u64,
    },
    /// The guest's answer makes no sense (a span outside the text, a digest of the wrong length).
    #[error("the {policy} policy answered nonsense: {detail}")]
    Nonsense {
        /// Which component.
        policy: &'static str,
        /// What is wrong.
        detail: String,
    },
    /// No sandbox was free in time.
    #[error("no sandbox was free: {limit} are in use")]
    Exhausted {
        /// The pool's size.
        limit: u32,
    },
}

/// The three policies, configured and ready.
pub trait Policies: MaybeSend + MaybeSync + 'static {
    /// One request's sandbox.
    type Session: PolicySession;
    /// One answer's output guard.
    type Guard: OutputGuard;

    /// SHA-256 over the components and their configuration: part of every cache key.
    fn digest(&self) -> &[u8; 32];

    /// A sandbox for a request of this caller. `prompt_bytes` sets its deadline.
    fn session(
        &self,
        caller: &Caller,
        prompt_bytes: usize,
    ) -> impl Future<Output = Result<Self::Session, PolicyError>> + MaybeSend;

    /// An output guard for an answer to this caller.
    fn guard(
        &self,
        caller: &Caller,
    ) -> impl Future<Output = Result<Self::Guard, PolicyError>> + MaybeSend;

    /// Whether an answer becomes an entry.
    fn admit(
        &self,
        caller: &Caller,
        plan: &CachePlan,
        outcome: &Outcome,
    ) -> impl Future<Output = Result<Admission, PolicyError>> + MaybeSend;
}

/// One request's sandbox. Dropping it gives it back or throws it away, as the isolation says.
pub trait PolicySession: MaybeSend + 'static {
    /// Judges a prompt by its places. `opinions` answers what was asked before.
    fn check_prompt(
        &mut self,
        caller: &Caller,
        outline: &Outline<'_>,
        places: &[Place<'_>],
        opinions: &[Opinion],
    ) -> impl Future<Output = Result<Verdict, PolicyError>> + MaybeSend;

    /// Plans what the cache does with a prompt.
    fn plan(
        &mut self,
        caller: &Caller,
        prompt: &Prompt,
        directives: &Directives,
    ) -> impl Future<Output = Result<CachePlan, PolicyError>> + MaybeSend;

    /// Ranks the candidates.
    fn rank(
        &mut self,
        caller: &Caller,
        demand: &Demand,
        candidates: &[Candidate],
    ) -> impl Future<Output = Result<Ranking, PolicyError>> + MaybeSend;
}

/// One answer's output guard.
pub trait OutputGuard: MaybeSend + 'static {
    /// Takes output in order.
    fn push(
        &mut self,
        deltas: Vec<Delta>,
    ) -> impl Future<Output = Result<Releases, PolicyError>> + MaybeSend;

    /// Ends one choice, or all.
    fn finish(
        &mut self,
        choice: Option<u32>,
    ) -> impl Future<Output = Result<Releases, PolicyError>> + MaybeSend;
}
