//! The way of a request that passes through: who asks, may it, who has it, and the answer.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use forebay_dialect::{Request, Wire};
use http::{HeaderMap, HeaderValue, request};

use super::answer::{self, Ruled};
use super::judge::{Judged, guarded, judge};
use super::{Passage, Sent};
use crate::answer::before::refer;
use crate::answer::board::passed_on;
use crate::answer::lead;
use crate::answer::models::unknown_model;
use crate::config::Judging;
use crate::decide::{LARGE, maker};
use crate::enter::headers;
use crate::enter::identity::Identity;
use crate::enter::ticket::Ticket;
use crate::error::{ErrorKind, ErrorSource, GatewayError};
use crate::gateway::Gateway;
use crate::memory::{also_booked, read_json};
use crate::observe::Observation;
use crate::platform::{BoxFuture, Platform};
use crate::policy::{Caller, Demand, Hit, Policies, Reason};
use crate::receive::guard::{Guarded, policy_failed};
use crate::receive::words::{judge_head, words_of};
use crate::reply::Ready;
use crate::route::{
    Answer, Attempts, Outgoing, Places, Prefix, Ranked, View, Wish, first_eight, has_dot_segment,
    rank,
};
use crate::time::Deadline;
use crate::trail::Trail;

type GuardedOf<P> = Guarded<<<P as Platform>::Policies as Policies>::Guard>;
type SessionOf<P> = <<P as Platform>::Policies as Policies>::Session;

/// Serves one request. `in_path`: the model, where the path names it.
pub(crate) async fn serve<P: Platform>(
    gateway: &Arc<Gateway<P>>,
    passage: &'static Passage,
    in_path: Option<String>,
    head: &request::Parts,
    body: Bytes,
    ticket: &mut Ticket<P>,
) -> Result<Ready<P>, GatewayError> {
    let identity = gateway
        .keys()
        .identify_head(head, gateway.platform().wall())?;
    let caller = Caller {
        tenant: identity.key.tenant.clone(),
        key: identity.key.id.clone(),
        route: passage.path,
    };
    ticket.summary.caller = Some(caller.clone());
    ticket.summary.passage = Some(passage.name);
    ticket.charge.begin(gateway.account(&identity))?;
    let (body, only) = refer(gateway, head, body).await?;
    let mut sent = read(
        gateway,
        &caller.tenant,
        passage,
        in_path,
        &head.headers,
        body,
    )
    .await?;
    sent.only = only;
    ticket.summary.model = sent.model.clone().unwrap_or_default();
    ticket.summary.stream = sent.stream();
    check(gateway, &identity, &sent)?;
    ticket.input_tokens = sent.tokens();
    ticket.charge.reserve(ticket.input_tokens, 0)?;

    let began = gateway.platform().now();
    let (sent, session, judged) = decide(gateway, &caller, &identity, sent).await?;
    let now = gateway.platform().now();
    ticket.summary.policy_time = now.saturating_duration_since(began);
    ticket.summary.guard_hits.clone_from(&judged.0.hits);
    let (judged, denied) = judged;
    if let Some(reason) = denied {
        return Err(
            GatewayError::new(ErrorKind::PromptDenied, reason.detail).with_code(reason.code)
        );
    }
    let asking = Asking {
        gateway,
        identity: &identity,
        caller: &caller,
        head: &head.headers,
    };
    asking.ask(sent, session, judged, ticket).await
}

/// Reads a request.
pub(super) async fn read<P: Platform>(
    gateway: &Gateway<P>,
    tenant: &Arc<str>,
    passage: &'static Passage,
    in_path: Option<String>,
    head: &HeaderMap,
    body: Bytes,
) -> Result<Sent, GatewayError> {
    let bounds = gateway.config().bounds;
    let (head, platform) = (head.clone(), gateway.platform().clone());
    let large = body.len() >= LARGE;
    let read = move |body| Sent::read(passage, in_path, &head, body, &bounds);
    let reading: BoxFuture<'static, Result<Sent, GatewayError>> = match passage.takes_form() {
        // No tree is made of a form.
        true if large => {
            let (platform, tenant) = (platform.clone(), tenant.clone());
            Box::pin(async move { platform.aside(&tenant, async move { read(body) }).await })
        }
        true => Box::pin(std::future::ready(read(body))),
        false => read_json(&platform, tenant, &body, read),
    };
    let mut sent = reading.await?;
    sent.booking = also_booked(&*platform, sent.bytes_beside_body(), Bytes::new())?;
    Ok(sent)
}

/// Whether the key may use the model, and anybody has it.
pub(super) fn check<P: Platform>(
    gateway: &Gateway<P>,
    identity: &Identity,
    sent: &Sent,
) -> Result<(), GatewayError> {
    let passage = sent.passage;
    let model = sent.model.as_deref();
    match model {
        Some(model) if !identity.may_use(model) => {
            return Err(GatewayError::new(
                ErrorKind::ModelNotAllowed,
                "this API key may not use the model it asked for",
            )
            .with_param(Some("model")));
        }
        Some(model) if has_dot_segment(model) => {
            return Err(GatewayError::new(
                ErrorKind::InvalidRequest,
                "the model's name has a segment of dots, which a path can't carry",
            )
            .with_param(Some("model")));
        }
        // The lines of an uploaded batch are checked one by one; a store of files answers nothing.
        None if !identity.key.models.is_empty() && !super::objects::Thing::keeps(passage) => {
            return Err(GatewayError::new(
                ErrorKind::ModelNotAllowed,
                "this API key is limited to certain models, so the request must name a model",
            )
            .with_param(Some("model")));
        }
        _ => {}
    }
    let mut upstreams = gateway.all_upstreams().iter();
    if !upstreams
        .clone()
        .any(|upstream| upstream.passes(passage, None))
    {
        return Err(GatewayError::new(
            ErrorKind::NotFound,
            format!(
                "no upstream here has the endpoint \"{}\" ({})",
                passage.name, passage.path
            ),
        )
        .with_code("endpoint_not_available"));
    }
    match model {
        Some(model) if !upstreams.any(|upstream| upstream.passes(passage, Some(model))) => {
            Err(unknown_model(model))
        }
        _ => Ok(()),
    }
}

type Decided<P> = (Sent, SessionOf<P>, (Judged, Option<Reason>));

/// Asks the guardrails, unless they are off at this endpoint.
async fn decide<P: Platform>(
    gateway: &Arc<Gateway<P>>,
    caller: &Caller,
    identity: &Identity,
    mut sent: Sent,
) -> Result<Decided<P>, GatewayError> {
    let size = sent.size();
    let off = is_off(gateway, sent.passage);
    let (own, secret) = (gateway.clone(), identity.secret.clone());
    let (tenant, caller) = (caller.tenant.clone(), caller.clone());
    let work = async move {
        let session = own.policies().session(&caller, size).await;
        let mut session = session.map_err(|error| policy_failed(&error))?;
        let judged = match off {
            true => (Judged::default(), None),
            false => judge(&mut session, &caller, maker(&own, &secret), &mut sent).await?,
        };
        Ok((sent, session, judged))
    };
    if size < LARGE {
        work.await
    } else {
        gateway.platform().aside(&tenant, work).await
    }
}

/// Whether the guardrails are off at an endpoint.
pub(super) fn is_off<P: Platform>(gateway: &Gateway<P>, passage: &Passage) -> bool {
    let mut through = gateway.config().through.iter();
    through.any(|through| through.endpoint == passage.name && through.guard == Judging::Off)
}

/// A request that may go.
pub(super) struct Asking<'a, P: Platform> {
    pub(super) gateway: &'a Arc<Gateway<P>>,
    pub(super) identity: &'a Identity,
    pub(super) caller: &'a Caller,
    pub(super) head: &'a HeaderMap,
}

impl<P: Platform> Asking<'_, P> {
    async fn ask(
        &self,
        sent: Sent,
        session: SessionOf<P>,
        judged: Judged,
        ticket: &mut Ticket<P>,
    ) -> Result<Ready<P>, GatewayError> {
        let gateway = self.gateway;
        let passage = sent.passage;
        let deadline = self.deadline(ticket);
        let begun = self
            .begin(sent, (session, judged.guard_output), deadline, ticket)
            .await?;
        let ruled = Ruled {
            gateway,
            caller: self.caller,
            passage,
            judged,
            deadline,
        };
        let content = answer::read(ruled, begun, ticket).await?;
        ticket.charge.settle();
        Ok(Ready {
            headers: self.describe(ticket),
            content,
        })
    }

    /// The first upstream that begins to answer with success. Where rules for the output apply, the words
    /// of its error or of its head are judged.
    pub(super) async fn begin(
        &self,
        sent: Sent,
        (session, guard_output): (SessionOf<P>, bool),
        deadline: Deadline,
        ticket: &mut Ticket<P>,
    ) -> Result<Answer, GatewayError> {
        let gateway = self.gateway;
        let ranked = self.ranked(&sent, session, deadline, &ticket.trail).await?;
        let outgoing = self.outgoing(sent, deadline, ticket);
        ticket.summary.overhead = ticket.elapsed();
        let mut attempts = Attempts::new(gateway.sender(), outgoing, ranked.clone());
        ticket.asked();
        let answer = match attempts.next().await {
            Ok(answer) => answer,
            Err(error) => {
                ticket.nothing();
                return Err(match guard_output {
                    true => self.judge_error(error).await,
                    false => error,
                });
            }
        };
        attempts.answered(&answer);
        let mut begun = lead::head(&ranked, &answer);
        let now = gateway.platform().now();
        if guard_output {
            let mut guard = self.guard().await?;
            let judged = judge_head(&mut guard, &mut begun).await;
            self.report(guard.hits);
            judged?;
        }
        begun.waited = now.saturating_duration_since(answer.sent);
        ticket.answered_by(&begun);
        ticket.head = Some(begun);
        Ok(answer)
    }

    async fn guard(&self) -> Result<GuardedOf<P>, GatewayError> {
        let guard = self.gateway.policies().guard(self.caller).await;
        let guard = guard.map_err(|error| policy_failed(&error))?;
        Ok(guarded(guard, self.gateway.platform().random()))
    }

    /// An upstream's error as its client may read it.
    async fn judge_error(&self, error: GatewayError) -> GatewayError {
        if error.kind.source() != ErrorSource::Upstream {
            return error;
        }
        let mut guard = match self.guard().await {
            Ok(guard) => guard,
            Err(failed) => return failed,
        };
        let judged = words_of(error, &mut guard).await;
        self.report(guard.hits);
        judged
    }

    fn report(&self, hits: Vec<Hit>) {
        if !hits.is_empty() {
            let caller = self.caller.clone();
            let platform = self.gateway.platform();
            platform.observe(Observation::GuardHits { caller, hits });
        }
    }

    pub(super) fn deadline(&self, ticket: &Ticket<P>) -> Deadline {
        let total = self.gateway.config().timeouts.total.0;
        let own = headers::deadline(self.head).filter(|own| *own < total);
        Deadline {
            at: ticket.started + own.unwrap_or(total),
            own: own.is_some(),
        }
    }

    /// Who is to be asked.
    async fn ranked(
        &self,
        sent: &Sent,
        mut session: SessionOf<P>,
        deadline: Deadline,
        trail: &Trail,
    ) -> Result<Arc<Ranked>, GatewayError> {
        let gateway = self.gateway;
        let platform = gateway.platform();
        let now = platform.now();
        let model = sent.model.as_deref().unwrap_or_default();
        let left = deadline.left(now);
        let wish = Wish {
            caller: self.caller,
            wire: Wire::Chat,
            tenants: !gateway.is_open(),
            passage: Some(sent),
            only: sent.only.as_deref(),
            demand: Demand {
                model: model.to_owned(),
                // Texts of one request are read one by one: none has to fit with the others.
                input_tokens: 0,
                output_tokens: 0,
                needs: forebay_dialect::canonical::Needs::default(),
                residency: headers::residency(&self.identity.tenant.residency, self.head),
                budget_micro_usd: self.identity.tenant.budget_micro_usd,
                deadline_ms: u64::try_from(left.as_millis())
                    .ok()
                    .filter(|_| deadline.own),
            },
            view: View {
                model,
                chain: &[],
                tenant: 0,
                prefix: &Prefix::default(),
                random: 0,
                last_resort: false,
                explore: false,
                now,
            },
        };
        let random = first_eight(&platform.random());
        let ranked = rank(&mut session, &wish, gateway.all_upstreams(), random, trail).await;
        trail.took(now, platform.now());
        // Taking a sandbox apart costs time that the upstream can already work in.
        platform.spawn(async move { drop(session) });
        let took = platform.now().saturating_duration_since(now);
        Ok(Arc::new(Ranked { took, ..ranked? }))
    }

    fn outgoing(&self, sent: Sent, deadline: Deadline, ticket: &Ticket<P>) -> Outgoing {
        let mut key = DefaultHasher::new();
        self.identity.key.id.hash(&mut key);
        let model = sent.model.clone().unwrap_or_default();
        let stream = sent.stream();
        // Only Realtime's clients name betas that its upstream has to know.
        let wire = match sent.is_socket() {
            true => Wire::Chat,
            false => Wire::Embeddings,
        };
        Outgoing {
            request: Arc::new(Request::passing(model, stream, sent.original())),
            tenant: self.caller.tenant.clone(),
            cache_salt: String::new(),
            hints: Vec::new(),
            places: Places::default(),
            headers: passed_on(&self.identity.secret, wire, self.head, ticket),
            deadline,
            prefix: Prefix::default(),
            key: key.finish(),
            count: false,
            tenants: !self.gateway.is_open(),
            sent: Some(Arc::new(sent)),
            unread: false,
            made: false,
            trail: ticket.trail.clone(),
        }
    }

    /// The headers of the answer.
    pub(super) fn describe(&self, ticket: &Ticket<P>) -> HeaderMap {
        let mut out = HeaderMap::with_capacity(12);
        let summary = &ticket.summary;
        headers::put(&mut out, headers::REQUEST_ID, &summary.request_id);
        if let Some(upstream) = &summary.upstream {
            headers::put(&mut out, headers::UPSTREAM, upstream);
        }
        if summary.usage_estimated {
            out.insert(headers::ESTIMATE, HeaderValue::from_static("true"));
        }
        let (rank, waited) = ticket.head.as_ref().map_or_else(
            || (Duration::ZERO, Duration::ZERO),
            |head| (head.rank, head.waited),
        );
        headers::timing(
            &mut out,
            &[
                ("policy", summary.policy_time),
                ("rank", rank),
                ("upstream", waited),
            ],
        );
        if let Some(levels) = ticket.charge.levels() {
            headers::rate_limits(&mut out, levels);
        }
        if let Some(head) = &ticket.head {
            if ticket.explain {
                headers::put_text(&mut out, headers::ROUTE, &ticket.trail.told());
            }
            if let Some(id) = &head.request_id {
                headers::put(&mut out, headers::UPSTREAM_REQUEST_ID, id);
            }
            headers::upstream_rate_limits(&mut out, &head.rate_limits);
        }
        out
    }
}
