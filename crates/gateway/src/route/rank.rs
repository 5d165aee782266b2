//! Who is to be asked, in which order: the selector's word on the upstreams as they are now.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use forebay_dialect::Wire;
use forebay_dialect::canonical::Needs;

use super::{Replica, Upstream, View};
use crate::error::{ErrorKind, GatewayError};
use crate::policy::{Caller, Candidate, Demand, PolicySession, Ranking};
use crate::receive::guard::policy_failed;
use crate::through::Sent;
use crate::trail::Trail;

/// One request in so many shows an upstream that was idle as it is expected to be, so that one
/// that was slow once is measured again.
const EXPLORE: u64 = 16;

/// Who is to be asked.
#[derive(Debug, Clone)]
pub(crate) struct Ranked {
    /// Best first; at least one.
    pub(crate) order: Vec<Arc<Upstream>>,
    /// The replica that the selector chose in each, where it did.
    pub(crate) advised: Vec<Option<Arc<Replica>>>,
    /// Time the ranking took.
    pub(crate) took: Duration,
    /// Nobody is well: those that are ejected are asked all the same.
    pub(crate) last_resort: bool,
}

/// What is wanted of an upstream.
pub(crate) struct Wish<'a> {
    /// Who asks.
    pub(crate) caller: &'a Caller,
    /// The client's format.
    pub(crate) wire: Wire,
    /// What the selector is told. Its deadline is the client's own, if it has one:
    /// `timeouts.total` is a safety net, not a wish, and excluding by it would take a slow engine
    /// out whose only fault is that the client allowed a long answer.
    pub(crate) demand: Demand,
    /// The endpoint that the request passes through to, where it is none of a format.
    pub(crate) passage: Option<&'a Sent>,
    /// The only upstream that may be asked: it keeps what the request refers to.
    pub(crate) only: Option<&'a str>,
    /// Tenants share the upstreams: one that can't keep them apart is not asked.
    pub(crate) tenants: bool,
    /// How upstreams are looked at.
    pub(crate) view: View<'a>,
}

/// Tokens that an answer gets at least, where the limit that was asked for fits no context.
const LEAST_ANSWER: u64 = 1024;

/// The upstreams that serve what is asked for: who names the model comes before who takes any, else
/// the configured order stands.
fn serving<'u>(
    wish: &Wish<'_>,
    all: &'u [Arc<Upstream>],
) -> Result<Vec<&'u Arc<Upstream>>, GatewayError> {
    let model = wish.view.model;
    let serves = |upstream: &&Arc<Upstream>| match wish.passage {
        Some(sent) => {
            let serves = |model: &String| upstream.model_name(model).is_some();
            upstream.passes(sent.passage, sent.model.as_deref()) && sent.models.iter().all(serves)
        }
        None => upstream.takes(wish.wire, model),
    };
    let kept = |upstream: &&Arc<Upstream>| wish.only.is_none_or(|only| *upstream.name == *only);
    let mut upstreams: Vec<_> = all.iter().filter(kept).filter(serves).collect();
    if wish.tenants && upstreams.iter().any(|upstream| upstream.shares()) {
        upstreams.retain(|upstream| !upstream.shares());
        if upstreams.is_empty() {
            let why =
                "every upstream for this model refuses `cache_salt`, which keeps tenants apart";
            return Err(GatewayError::new(ErrorKind::NoUpstream, why));
        }
    }
    if upstreams.is_empty() {
        return Err(nobody_has(wish));
    }
    upstreams.sort_by_key(|upstream| !upstream.names(model));
    Ok(upstreams)
}

/// No upstream has what is asked for, before anyone was ranked.
fn nobody_has(wish: &Wish<'_>) -> GatewayError {
    let what = match (wish.passage, wish.view.model) {
        (Some(sent), "") => format!("the endpoint \"{}\"", sent.passage.name),
        (Some(sent), model) => {
            format!(
                "the endpoint \"{}\" for the model \"{model}\"",
                sent.passage.name
            )
        }
        (None, model) => format!("the model \"{model}\" for requests of this format"),
    };
    match wish.only {
        // What it refers to will not move: no later try finds it elsewhere.
        Some(only) => GatewayError::new(
            ErrorKind::NotExpressible,
            format!(
                "no upstream may serve this request: what it refers to is kept at upstream \"{only}\", which does not have {what}"
            ),
        ),
        None => GatewayError::new(
            ErrorKind::NoUpstream,
            format!("no upstream may serve this request: none has {what}"),
        ),
    }
}

/// What is asked for, less what nobody has and an answer is useful without: the client is told so.
fn attainable<'d>(
    demand: &'d Demand,
    upstreams: &[&Arc<Upstream>],
    model: &str,
) -> Cow<'d, Demand> {
    let mut demand = Cow::Borrowed(demand);
    let can = |able: fn(&Needs) -> bool| {
        let mut upstreams = upstreams.iter();
        upstreams.any(|upstream| able(&upstream.capabilities(model)))
    };
    if demand.needs.logprobs && !can(|able| able.logprobs) {
        demand.to_mut().needs.logprobs = false;
    }
    if demand.needs.multiple_choices && !can(|able| able.multiple_choices) {
        demand.to_mut().needs.multiple_choices = false;
    }
    demand
}

/// Asks the selector for the order in which to try.
///
/// # Errors
///
/// When no upstream may serve the request: [`ErrorKind::RateLimited`]'s status with the time of
/// the first to come back where all rest, else [`ErrorKind::NoUpstream`],
/// [`ErrorKind::Budget`] or [`ErrorKind::NotExpressible`].
pub(crate) async fn rank<S: PolicySession>(
    session: &mut S,
    wish: &Wish<'_>,
    all: &[Arc<Upstream>],
    random: u64,
    trail: &Trail,
) -> Result<Ranked, GatewayError> {
    let model = wish.view.model;
    let upstreams = serving(wish, all)?;
    let mut view = View {
        explore: random.is_multiple_of(EXPLORE),
        random,
        ..wish.view
    };
    let mut demand = attainable(&wish.demand, &upstreams, model);
    loop {
        let candidates: Vec<_> = (0..)
            .zip(&upstreams)
            .map(|(order, upstream)| upstream.candidate(view, order))
            .collect();
        let ranking = session
            .rank(wish.caller, &demand, &candidates)
            .await
            .map_err(|e| policy_failed(&e))?;
        let chosen = ranking.order.iter().filter_map(|choice| {
            let place = choice.candidate as usize;
            let upstream = *upstreams.get(place)?;
            let workers = &candidates.get(place)?.workers;
            let worker = choice
                .worker
                .and_then(|worker| workers.get(worker as usize));
            let advised = worker.and_then(|worker| upstream.endpoint(&worker.id));
            Some((upstream.clone(), advised))
        });
        let (order, advised): (Vec<_>, Vec<_>) = chosen.unzip();
        trail.ranked(&ranking, &candidates);
        if !order.is_empty() {
            return Ok(Ranked {
                order,
                advised,
                took: Duration::ZERO,
                last_resort: view.last_resort,
            });
        }
        let too_long = unable(&ranking) && excluded(&ranking, &["context"]);
        if too_long && demand.output_tokens > LEAST_ANSWER {
            // A limit is what an answer may have, not what it needs.
            demand.to_mut().output_tokens = LEAST_ANSWER;
            continue;
        }
        let ill = excluded(&ranking, &["health"]);
        if ill && !view.last_resort {
            // What only failed before is better than nobody.
            view.last_resort = true;
            continue;
        }
        let rests = ill.then(|| {
            let until = upstreams
                .iter()
                .filter_map(|u| u.rests_until(model, view.now));
            until.min()
        });
        let route = route_of(&ranking, &candidates);
        return Err(nobody(&ranking, &route, rests.flatten(), view.now));
    }
}

/// Whether some upstream was excluded for one of these reasons.
fn excluded(ranking: &Ranking, codes: &[&str]) -> bool {
    let mut reasons = ranking.excluded.iter().map(|(_, why)| why.code.as_str());
    reasons.any(|code| codes.contains(&code))
}

/// Whether no upstream is able to serve the request, whatever its state.
fn unable(ranking: &Ranking) -> bool {
    let able = |why: &str| !matches!(why, "capability" | "context");
    !ranking.excluded.is_empty() && !ranking.excluded.iter().any(|(_, why)| able(&why.code))
}

fn nobody(
    ranking: &Ranking,
    route: &str,
    rests_until: Option<Instant>,
    now: Instant,
) -> GatewayError {
    if let Some(until) = rests_until {
        return resting(until.saturating_duration_since(now));
    }
    // Money is the client's to offer; what is ill or busy now may be cheap enough in a moment.
    let too_dear = excluded(ranking, &["budget"]) && !excluded(ranking, &["health", "capacity"]);
    let error = GatewayError::new(
        // What no upstream is able to do, none will be in a moment.
        if unable(ranking) {
            ErrorKind::NotExpressible
        } else if too_dear {
            ErrorKind::Budget
        } else {
            ErrorKind::NoUpstream
        },
        format!("no upstream may serve this request: {route}"),
    );
    if excluded(ranking, &["health", "capacity"]) {
        error.with_retry_after(Duration::from_secs(1))
    } else {
        error
    }
}

/// The error when every upstream has asked to be left alone.
pub(super) fn resting(wait: Duration) -> GatewayError {
    GatewayError::new(
        ErrorKind::UpstreamError,
        format!(
            "every upstream that may serve this request has reached its rate limit; try again in {:.1} s",
            wait.as_secs_f64()
        ),
    )
    .with_status(429)
    .with_retry_after(wait)
}

/// `eu-1 (0.31), us-1 excluded: residency (…)`.
fn route_of(ranking: &Ranking, candidates: &[Candidate]) -> String {
    let name = |index: u32| {
        candidates
            .get(index as usize)
            .map_or("?", |c| c.name.as_str())
    };
    let ranked = ranking
        .order
        .iter()
        .map(|c| format!("{} ({:.3})", name(c.candidate), c.score));
    let excluded = ranking
        .excluded
        .iter()
        .map(|(index, why)| format!("{} excluded: {} ({})", name(*index), why.code, why.detail));
    ranked.chain(excluded).collect::<Vec<_>>().join(", ")
}
