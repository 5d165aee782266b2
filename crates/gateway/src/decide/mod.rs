//! The decision about a request: the memo's, or the guests': verdict, masks, plan and the entry's name.

pub(crate) mod directives;
#[cfg(test)]
mod growth;
mod key;
pub(crate) mod masks;
pub mod memo;
pub(crate) mod places;
mod putback;

use std::sync::Arc;

use bytes::Bytes;
use forebay_dialect::canonical::Operation;
use forebay_dialect::{Request, RequestError, Swap, Target, TextEdit, Wire};
use http::request;

use crate::answer::models::unknown_model;
use crate::answer::stability::Cause;
use crate::decide::key::Named;
use crate::decide::masks::{Maker, MaskError, MaskTable};
use crate::decide::places::{Places, outline};
use crate::enter::ticket::Ticket;
use crate::error::{ErrorKind, GatewayError};
use crate::gateway::Gateway;
use crate::headers;
use crate::identity::Identity;
use crate::memo::{Remembered, memo_id};
use crate::memory::{booked, hold, read_json};
use crate::platform::{BoxFuture, MaybeSend, Platform};
use crate::policy::{
    Action, CachePlan, Caller, Directives, Policies, PolicyError, PolicySession, Question, Reason,
    Scope,
};
use crate::receive::guard::policy_failed;
use crate::route::{Upstream, counted, has_dot_segment};
use crate::store::CacheKey;

/// What was decided about a request.
pub(crate) struct Decision<P: Platform> {
    pub(crate) identity: Identity,
    /// The format, and what the path says.
    pub(crate) target: Target,
    pub(crate) caller: Caller,
    pub(crate) directives: Directives,
    pub(crate) residency: Vec<String>,
    /// The client's own deadline, from the request's arrival.
    pub(crate) deadline: Option<std::time::Duration>,
    pub(crate) facts: Arc<Remembered>,
    pub(crate) plan: Arc<CachePlan>,
    pub(crate) key: CacheKey,
    pub(crate) masks: MaskTable,
    /// What keeps its beginning from being the one of the prompt before.
    pub(crate) unstable: Option<Cause>,
    /// The only upstream that may be asked: it keeps a file that the request refers to.
    pub(crate) only: Option<String>,
    /// Its answer is stored in parts, by input: not as a whole.
    pub(crate) by_input: bool,
    /// The parsed request, masks in place; none when the decision was remembered.
    pub(crate) request: Option<Request>,
    /// The sandbox that decided, for the ranking; none when the decision was remembered.
    pub(crate) session: Option<<P::Policies as Policies>::Session>,
}

/// Decides, or says why not. Its lines are the phases: who asks, what it is, whether they may, what
/// it may cost, what the policies say.
pub(crate) async fn decide<P: Platform>(
    gateway: &Arc<Gateway<P>>,
    target: &Target,
    route: &'static str,
    request_head: &request::Parts,
    body: &Bytes,
    ticket: &mut Ticket<P>,
) -> Result<Decision<P>, GatewayError> {
    let (identity, caller) = identify(gateway, target, route, request_head, ticket)?;
    let head = &request_head.headers;
    let asked = Asked {
        own_headers: headers::of_dialect(target.wire, head),
        directives: directives::parse(head),
        target,
        body,
    };
    let mut read = read(gateway, &caller, &asked).await?;
    admit(gateway, &identity, target, &read.facts, ticket)?;
    count(gateway, &caller.tenant, &mut read, ticket).await;
    reserve(gateway, &caller, target.wire, &read.facts, ticket)?;
    let decision = Decision {
        plan: Arc::new(no_plan()),
        key: CacheKey([0; 32]),
        residency: headers::residency(&identity.tenant.residency, head),
        identity,
        target: target.clone(),
        caller,
        directives: asked.directives,
        deadline: headers::deadline(head),
        facts: read.facts,
        masks: MaskTable::default(),
        request: read.request,
        session: None,
        by_input: false,
        unstable: None,
        only: None,
    };
    let decision = match decision.request {
        Some(_) => judged(gateway, decision, asked, read.id, ticket).await?,
        None => decision,
    };
    allowed(gateway, decision, ticket)
}

/// What a request asks, besides who asks it.
struct Asked<'a> {
    target: &'a Target,
    body: &'a Bytes,
    directives: Directives,
    /// Headers that belong to its dialect.
    own_headers: String,
}

/// What a request is: remembered, or read now.
struct Read {
    /// Its name in the memo; none where the platform has no memo.
    id: Option<[u8; 32]>,
    facts: Arc<Remembered>,
    /// None where it is remembered.
    request: Option<Request>,
}

/// Who asks. Whatever comes of it, it is a request: a loop of failures is limited too.
fn identify<P: Platform>(
    gateway: &Gateway<P>,
    target: &Target,
    route: &'static str,
    head: &request::Parts,
    ticket: &mut Ticket<P>,
) -> Result<(Identity, Caller), GatewayError> {
    let wall = gateway.platform().wall();
    let identity = gateway.keys().identify_head(head, wall)?;
    let caller = Caller {
        tenant: identity.key.tenant.clone(),
        key: identity.key.id.clone(),
        route,
    };
    ticket.summary.caller = Some(caller.clone());
    ticket.summary.operation = Some(target.wire.operation());
    ticket.charge.begin(gateway.account(&identity))?;
    headers::require_json(&head.headers)?;
    Ok((identity, caller))
}

/// What it is.
async fn read<P: Platform>(
    gateway: &Gateway<P>,
    caller: &Caller,
    asked: &Asked<'_>,
) -> Result<Read, GatewayError> {
    let Asked { target, body, .. } = asked;
    let platform = gateway.platform();
    let id = match platform.has_memo() {
        true => Some(memo_name(gateway, caller, asked).await),
        false => None,
    };
    if let Some(facts) = id.as_ref().and_then(|id| platform.recall(id)) {
        return Ok(Read {
            id,
            facts,
            request: None,
        });
    }
    let request = parse(gateway, &caller.tenant, target, body).await?;
    Ok(Read {
        id,
        facts: Arc::new(facts_of(&request)),
        request: Some(request),
    })
}

/// The name in the memo. All of the body is hashed, which takes as long as its length says.
async fn memo_name<P: Platform>(
    gateway: &Gateway<P>,
    caller: &Caller,
    asked: &Asked<'_>,
) -> [u8; 32] {
    let digest = *gateway.policies().digest();
    let directives = asked.directives;
    if asked.body.len() < LARGE {
        let own = &asked.own_headers;
        return memo_id(caller, asked.target, own, &directives, &digest, asked.body);
    }
    let (tenant, caller) = (caller.tenant.clone(), caller.clone());
    let target = asked.target.clone();
    let (own, body) = (asked.own_headers.clone(), asked.body.clone());
    let work = async move { memo_id(&caller, &target, &own, &directives, &digest, &body) };
    aside(gateway, &tenant, asked.body.len(), work).await
}

/// Whether they may ask for this model.
fn admit<P: Platform>(
    gateway: &Gateway<P>,
    identity: &Identity,
    target: &Target,
    facts: &Remembered,
    ticket: &mut Ticket<P>,
) -> Result<(), GatewayError> {
    ticket.summary.model = facts.model.to_string();
    ticket.summary.stream = facts.stream;
    let taken = |upstream: &Arc<Upstream>| upstream.takes(target.wire, &facts.model);
    if has_dot_segment(&facts.model)
        && (target.model.is_some() || !gateway.all_upstreams().iter().any(taken))
    {
        return Err(GatewayError::new(
            ErrorKind::InvalidRequest,
            "the model's name has a segment of dots, which a path can't carry",
        )
        .with_param(Some("model")));
    }
    check_model(gateway, identity, &facts.model)
}

/// Counts the prompt's tokens as an engine that may get it does, where a limit goes by them and a
/// tokenizer is known. Else the estimate stays.
async fn count<P: Platform>(
    gateway: &Gateway<P>,
    tenant: &Arc<str>,
    read: &mut Read,
    ticket: &Ticket<P>,
) {
    let upstreams = gateway.all_upstreams();
    let known = || upstreams.iter().any(|upstream| upstream.knows_tokens());
    if !ticket.charge.limits_tokens() || !known() {
        return;
    }
    let Some(request) = read.request.take().map(Arc::new) else {
        return;
    };
    let counted = counted(gateway.platform(), tenant, upstreams, &request).await;
    if let Some(tokens) = counted {
        Arc::make_mut(&mut read.facts).input_tokens = tokens;
    }
    read.request = Some(Arc::unwrap_or_clone(request));
}

/// What it may cost: set aside until it is known what it did.
fn reserve<P: Platform>(
    gateway: &Gateway<P>,
    caller: &Caller,
    wire: Wire,
    facts: &Remembered,
    ticket: &mut Ticket<P>,
) -> Result<(), GatewayError> {
    ticket.input_tokens = facts.input_tokens;
    let output = likely_output(gateway, caller, wire, facts);
    ticket.charge.reserve(facts.input_tokens, output)
}

/// What the policies say. It is remembered, unless there are masks.
async fn judged<P: Platform>(
    gateway: &Arc<Gateway<P>>,
    decision: Decision<P>,
    asked: Asked<'_>,
    id: Option<[u8; 32]>,
    ticket: &mut Ticket<P>,
) -> Result<Decision<P>, GatewayError> {
    let platform = gateway.platform();
    let (began, bytes) = (platform.now(), asked.body.len());
    let tenant = decision.caller.tenant.clone();
    let work = judge(gateway.clone(), decision, asked.own_headers, bytes);
    let (decision, judged) = if bytes < LARGE {
        work.await
    } else {
        platform.aside(&tenant, work).await
    };
    ticket.summary.policy_time = platform.now().saturating_duration_since(began);
    judged?;
    if let (true, Some(id)) = (decision.masks.is_empty(), id) {
        platform.remember(id, decision.facts.clone());
    }
    Ok(decision)
}

/// The decision, unless it is a denial.
fn allowed<P: Platform>(
    gateway: &Gateway<P>,
    mut decision: Decision<P>,
    ticket: &mut Ticket<P>,
) -> Result<Decision<P>, GatewayError> {
    ticket.summary.guard_hits.clone_from(&decision.facts.hits);
    if let Some(reason) = &decision.facts.denied {
        return Err(
            GatewayError::new(ErrorKind::PromptDenied, reason.detail.clone())
                .with_code(reason.code.clone()),
        );
    }
    if let (Some(plan), Some(key)) = (&decision.facts.plan, decision.facts.cache_key) {
        decision.plan = plan.clone();
        let names = gateway.other_names(&decision.facts.model);
        decision.key = key::mapped(key, &decision.identity.secret, &names);
    }
    Ok(decision)
}

/// From this size on a body is read and judged aside. 128 KiB take about a millisecond: as long as
/// anybody else may be made to wait.
pub(crate) const LARGE: usize = 128 << 10;

/// Does the work on a body of this size: where it keeps nobody waiting, if it is large.
pub(crate) fn aside<P: Platform, T: MaybeSend + 'static>(
    gateway: &Gateway<P>,
    tenant: &Arc<str>,
    size: usize,
    work: impl Future<Output = T> + MaybeSend + 'static,
) -> BoxFuture<'static, T> {
    if size < LARGE {
        return Box::pin(work);
    }
    let (platform, tenant) = (gateway.platform().clone(), tenant.clone());
    Box::pin(async move { platform.aside(&tenant, work).await })
}

/// Reads a body.
pub(crate) async fn parse<P: Platform>(
    gateway: &Gateway<P>,
    tenant: &Arc<str>,
    target: &Target,
    body: &Bytes,
) -> Result<Request, GatewayError> {
    let target = target.clone();
    let read = |body| Request::parse(target, body).map_err(|error| invalid_request(&error));
    let mut request = read_json(gateway.platform(), tenant, body, read).await?;
    match gateway.config().bounds.exceeded(request.extent()) {
        None => {
            hold(&**gateway.platform(), &mut request)?;
            Ok(request)
        }
        Some((what, has, limit, setting)) => Err(GatewayError::new(
            ErrorKind::InvalidRequest,
            format!("the request has {has} {what}, over the limit of {limit} ({setting})"),
        )
        .with_code("request_too_complex")),
    }
}

/// Judges, and gives the decision back whatever comes of it.
async fn judge<P: Platform>(
    gateway: Arc<Gateway<P>>,
    mut decision: Decision<P>,
    own_headers: String,
    prompt_bytes: usize,
) -> (Decision<P>, Result<(), GatewayError>) {
    let judged = ask_guests(&gateway, &mut decision, &own_headers, prompt_bytes).await;
    (decision, judged)
}

/// Asks the guests: verdict first, then the plan of the prompt with its masks in place.
async fn ask_guests<P: Platform>(
    gateway: &Arc<Gateway<P>>,
    decision: &mut Decision<P>,
    own_headers: &str,
    prompt_bytes: usize,
) -> Result<(), GatewayError> {
    let failed = |error| policy_failed(&error);
    let Some(request) = &mut decision.request else {
        return Ok(());
    };
    let caller = &decision.caller;
    let mut session = gateway
        .policies()
        .session(caller, prompt_bytes)
        .await
        .map_err(failed)?;
    let mut places = Places::of(&request.prompt);
    places.headers(own_headers);
    let verdict = session
        .check_prompt(caller, &outline(&request.prompt), &places.list, &[])
        .await
        .map_err(failed)?;
    let mut facts = Remembered {
        hits: verdict.hits,
        guard_output: verdict.guard_output,
        output_enforced: verdict.output_enforced,
        ..(*decision.facts).clone()
    };
    let maker = maker(gateway, &decision.identity.secret);
    let masked = match verdict.action {
        Action::Deny(reason) => Err(reason),
        Action::Ask(question) => Err(no_opinion(&question)),
        Action::Edit(edits) if !edits.is_empty() => match places.edits(&edits) {
            Ok(masking) => {
                let built =
                    MaskTable::build(maker, &request.prompt, &masking.parts, &masking.values);
                let (masks, edits, swaps) = built.map_err(|error| not_masked(&error))?;
                let original = request.body.clone();
                let put = put_in(request, &edits, &swaps)?;
                let masked = std::mem::take(&mut request.body);
                request.body = booked(&**gateway.platform(), &original, masked)?;
                hold(&**gateway.platform(), request)?;
                put.map(|()| masks)
            }
            Err(reason) => Err(reason),
        },
        Action::Allow | Action::Edit(_) => Ok(MaskTable::default()),
    };
    match masked {
        Ok(masks) => decision.masks = masks,
        Err(reason) => {
            facts.denied = Some(reason);
            decision.facts = Arc::new(facts);
            return Ok(());
        }
    }
    let plan = session
        .plan(caller, &request.prompt, &decision.directives)
        .await
        .map_err(failed)?;
    facts.cache_key = Some(key::of(&Named {
        identity: &decision.identity,
        caller: &decision.caller,
        target: &decision.target,
        headers: own_headers,
        plan: &plan,
        policy: gateway.policies().digest(),
        rules: &verdict.scope,
    }));
    facts.rules = verdict.scope;
    facts.plan = Some(Arc::new(plan));
    decision.facts = Arc::new(facts);
    decision.session = Some(session);
    Ok(())
}

/// What makes a tenant's placeholders.
pub(crate) fn maker<'s, P: Platform>(gateway: &Gateway<P>, secret: &'s [u8; 32]) -> Maker<'s> {
    Maker {
        secret,
        by: gateway.config().masks.placeholders,
    }
}

/// Puts masks into a request; or the reason to deny it, where one has no place there.
fn put_in(
    request: &mut Request,
    edits: &[TextEdit],
    swaps: &[Swap],
) -> Result<Result<(), Reason>, GatewayError> {
    request.edit(edits).map_err(|error| {
        policy_failed(&PolicyError::Nonsense {
            policy: "guardrails",
            detail: error.to_string(),
        })
    })?;
    Ok(request.swap(swaps).map_err(|error| Reason {
        code: "unmaskable".to_owned(),
        detail: error.to_string(),
    }))
}

fn not_masked(error: &MaskError) -> GatewayError {
    match error {
        MaskError::TooMany => GatewayError::new(ErrorKind::InvalidRequest, error.to_string())
            .with_code("too_many_masks"),
        MaskError::Policy(error) => policy_failed(error),
    }
}

/// What an answer will likely take: what those before it took, at most what the client allows.
/// Vectors take no tokens of output.
fn likely_output<P: Platform>(
    gateway: &Gateway<P>,
    caller: &Caller,
    wire: Wire,
    facts: &Remembered,
) -> u64 {
    if wire.operation() == Operation::Embedding {
        return 0;
    }
    let history = &gateway.shared().history;
    let first = gateway.config().rate.default_max_tokens.unwrap_or(1024);
    let likely = history.likely(&caller.tenant, &facts.model);
    likely
        .unwrap_or(first.into())
        .min(facts.max_tokens.unwrap_or(u64::MAX))
        .saturating_mul(facts.n.into())
}

fn check_model<P: Platform>(
    gateway: &Gateway<P>,
    identity: &Identity,
    model: &str,
) -> Result<(), GatewayError> {
    if !identity.may_use(model) {
        return Err(GatewayError::new(
            ErrorKind::ModelNotAllowed,
            "this API key may not use the model it asked for",
        )
        .with_param(Some("model")));
    }
    if gateway
        .all_upstreams()
        .iter()
        .any(|u| u.model_name(model).is_some())
    {
        return Ok(());
    }
    Err(unknown_model(model))
}

fn facts_of(request: &Request) -> Remembered {
    Remembered {
        model: request.prompt.model.as_str().into(),
        stream: request.stream,
        include_usage: request.include_usage,
        needs: request.needs(),
        input_tokens: request.estimated_input_tokens(),
        max_tokens: request.prompt.sampling.max_tokens,
        n: request.prompt.sampling.n.unwrap_or(1),
        hits: Vec::new(),
        denied: None,
        guard_output: false,
        output_enforced: false,
        rules: String::new(),
        plan: None,
        cache_key: None,
    }
}

fn no_plan() -> CachePlan {
    CachePlan {
        digest: [0; 32],
        scope: Scope::Tenant,
        lookup: false,
        store: false,
        why: Some(Reason {
            code: "no-plan".into(),
            detail: "the cache was not used".into(),
        }),
        freshness: crate::policy::Freshness {
            ttl: 0,
            idle: 0,
            stale_if_error: 0,
        },
        chain: Vec::new(),
        hints: Vec::new(),
        inputs: Vec::new(),
        breakpoints: Vec::new(),
    }
}

/// A guardrail asks a service that this host does not have: the prompt is not judged, so it fails.
pub(crate) fn no_opinion(question: &Question) -> Reason {
    Reason {
        code: "opinion-missing".into(),
        detail: format!(
            "the guardrails ask for an opinion of \"{}\", which is not configured",
            question.service
        ),
    }
}

pub(crate) fn invalid_request(error: &RequestError) -> GatewayError {
    GatewayError::new(ErrorKind::InvalidRequest, error.to_string())
        .with_param(error.param())
        .with_code(error.code())
}
