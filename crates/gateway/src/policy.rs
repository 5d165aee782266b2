//! What the gateway asks its policies, and what they answer: the Rust side of `wit/`.
//!
//! The host implements [`Policies`] over wasmtime, an edge over components it imports.
//! Field by field these types mirror the packages in `wit/`; see there for meanings.

mod cache;
mod selector;

use std::future::Future;

use forebay_dialect::canonical::{Channel, Prompt};
use serde::{Deserialize, Serialize};

pub use cache::{
    Admission, Anchor, Block, Breakpoint, CachePlan, Ending, Freshness, Outcome, Scope,
};
pub use selector::{Candidate, Choice, Demand, IndexState, Price, Ranking, Worker};

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
    #[error("the {policy} policy exceeded its time limit of {limit_ms} ms")]
    Deadline {
        /// Which component.
        policy: &'static str,
        /// The limit.
        limit_ms: u64,
    },
    /// The guest wanted more memory, or returned more, than it may.
    #[error("the {policy} policy exceeded its memory limit of {limit_bytes} bytes")]
    Memory {
        /// Which component.
        policy: &'static str,
        /// The limit.
        limit_bytes: u64,
    },
    /// The guest's answer makes no sense (a span outside the text, a digest of the wrong length).
    #[error("the {policy} policy returned an invalid result: {detail}")]
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
