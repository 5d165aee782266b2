//! The gateway: one immutable value that a reload replaces, over state that outlives reloads.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use bytes::Bytes;
use http::Response;

use crate::answer::explain::{Explanation, explain};
use crate::answer::flight::{FlightBounds, Flights};
use crate::answer::generate;
use crate::answer::stability::Stability;
use crate::config::GatewayConfig;
use crate::enter::charge::History;
use crate::enter::headers;
use crate::enter::identity::{Identity, KeyRing};
use crate::enter::limits::{Account, Limits};
use crate::enter::ticket::{Arrival, Permit, Ticket};
use crate::error::{ErrorKind, GatewayError};
use crate::platform::Platform;
use crate::reply::{ReplyBody, error_reply};
use crate::route::{
    KvSource, RetryBudget, Sender, Upstream, UpstreamConfigError, UpstreamStatus, first_eight,
    run_health_checks, run_token_checks,
};
use crate::state::Ledger;

/// The pipeline with all that it needs.
pub struct Gateway<P: Platform> {
    platform: Arc<P>,
    policies: Arc<P::Policies>,
    store: Arc<P::Store>,
    config: Arc<GatewayConfig>,
    keys: Arc<KeyRing>,
    upstreams: Vec<Arc<Upstream>>,
    shared: Arc<Shared>,
}

/// What a reload carries over.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) flights: Flights,
    pub(crate) limits: Arc<Limits>,
    /// What answers took: what is reserved for the next.
    pub(crate) history: Arc<History>,
    /// How many repeats upstreams may be asked.
    pub(crate) retries: Arc<RetryBudget>,
    /// What limits, budgets, rests and ejections stand at.
    ledger: Ledger,
    /// Beginnings of prompts, for the advice on those that change needlessly.
    pub(crate) stability: Arc<Stability>,
    pub(crate) in_flight: Arc<AtomicU32>,
    pub(crate) draining: AtomicBool,
}

impl Shared {
    fn of<P: Platform>(platform: &P) -> Self {
        let ledger = Ledger::new(platform);
        Self {
            flights: Flights::default(),
            limits: Arc::new(Limits::kept_in(&ledger)),
            history: Arc::default(),
            retries: Arc::new(RetryBudget::kept_in(&ledger)),
            ledger,
            stability: Arc::default(),
            in_flight: Arc::default(),
            draining: AtomicBool::new(false),
        }
    }

    /// The same with flights of its own, and all that goes with them.
    fn apart(&self) -> Self {
        Self {
            flights: Flights::default(),
            limits: self.limits.clone(),
            history: self.history.clone(),
            retries: self.retries.clone(),
            ledger: self.ledger.clone(),
            stability: Arc::default(),
            in_flight: Arc::default(),
            draining: AtomicBool::new(false),
        }
    }
}

impl<P: Platform> Gateway<P> {
    /// A gateway. With `carry` it takes over flights, rate limits and what was measured of
    /// upstreams of the same name.
    pub fn new(
        platform: Arc<P>,
        policies: Arc<P::Policies>,
        store: Arc<P::Store>,
        config: GatewayConfig,
        keys: Arc<KeyRing>,
        carry: Option<&Self>,
    ) -> Result<Arc<Self>, UpstreamConfigError> {
        let shared = carry.map_or_else(
            || Arc::new(Shared::of(&*platform)),
            |old| old.shared.clone(),
        );
        let mut upstreams = Vec::with_capacity(config.upstreams.len());
        for upstream in &config.upstreams {
            let name = &*upstream.config.name;
            let old = carry.and_then(|c| c.upstreams.iter().find(|u| *u.name == *name));
            upstreams.push(Arc::new(Upstream::new(
                upstream.clone(),
                &config.timeouts,
                old.map(|old| &**old),
                &shared.ledger,
                first_eight(&platform.random()),
            )?));
        }
        Ok(Arc::new(Self {
            platform,
            policies,
            store,
            config: Arc::new(config),
            keys,
            upstreams,
            shared,
        }))
    }

    /// The same gateway with flights of its own. A platform whose requests can't wait on each
    /// other's input and output makes one for each request: then nothing is joined or resumed
    /// across requests, while rate limits, upstreams and store are shared.
    pub fn apart(&self) -> Arc<Self> {
        Arc::new(Self {
            platform: self.platform.clone(),
            policies: self.policies.clone(),
            store: self.store.clone(),
            config: self.config.clone(),
            keys: self.keys.clone(),
            upstreams: self.upstreams.clone(),
            shared: Arc::new(self.shared.apart()),
        })
    }

    /// A request that is not counted as in flight: one that is refused by its head alone, however
    /// slowly its client reads the refusal.
    pub fn visit(self: &Arc<Self>, arrival: Arrival) -> Permit<P> {
        Permit::uncounted(self.clone(), arrival)
    }

    /// Checks all that a request's head decides: endpoint, method, API key, media type. Ask it
    /// before the body is read: a client without a key then costs no memory.
    ///
    /// # Errors
    ///
    /// As [`Gateway::handle`] would answer; hand it to [`Gateway::refuse`].
    pub fn check_head(&self, head: &http::request::Parts) -> Result<(), GatewayError> {
        let asked = crate::enter::ingress::read(head);
        let raw = crate::through::raw::find(&self.config.raw, head);
        if asked.is_err() && raw.is_some() {
            return self.keys.check_head(head, self.platform.wall());
        }
        let asked = asked?;
        self.keys.check_head(head, self.platform.wall())?;
        match asked.endpoint {
            crate::enter::ingress::Endpoint::Models(_)
            | crate::enter::ingress::Endpoint::Kept(..)
            | crate::enter::ingress::Endpoint::Realtime => Ok(()),
            crate::enter::ingress::Endpoint::Through(passage, _) => {
                passage.check_head(&head.headers)
            }
            crate::enter::ingress::Endpoint::Object(thing, verb, _) => {
                crate::through::objects::check_head(verb, thing, &head.headers)
            }
            _ => headers::require_json(&head.headers),
        }
    }

    /// Whether a request that [`Self::check_head`] let in comes by an API key, or needs none. One that
    /// is signed has shown nothing yet.
    pub fn comes_by_key(&self, head: &http::request::Parts) -> bool {
        self.keys.comes_by_key(head, self.platform.wall())
    }

    /// Whether a request's body is a form with files, which may be larger than others.
    pub fn takes_form(&self, head: &http::request::Parts) -> bool {
        match crate::enter::ingress::read(head).map(|asked| asked.endpoint) {
            Ok(crate::enter::ingress::Endpoint::Through(passage, _)) => passage.takes_form(),
            Ok(crate::enter::ingress::Endpoint::Object(thing, verb, _)) => {
                verb == crate::through::objects::Verb::Create && thing.passage().takes_form()
                    || crate::through::objects::adds_file(thing, verb, &head.headers)
            }
            _ => false,
        }
    }

    /// Whether a request is for an endpoint that is a WebSocket: [`crate::realtime::open`] opens it.
    pub fn takes_socket(&self, head: &http::request::Parts) -> bool {
        let asked = crate::enter::ingress::read(head);
        asked.is_ok_and(|asked| asked.endpoint == crate::enter::ingress::Endpoint::Realtime)
    }

    /// Whether everyone may come in: no API keys are configured.
    pub fn is_open(&self) -> bool {
        self.keys.is_open()
    }

    /// Counts a request as in flight, or gives the 503 of a gateway that is full or shutting down.
    /// Ask it before the body is read.
    #[allow(
        clippy::result_large_err,
        reason = "the answer is moved once, on the rare path"
    )]
    pub fn enter(self: &Arc<Self>, arrival: Arrival) -> Result<Permit<P>, Response<ReplyBody<P>>> {
        let limit = self.config.max_in_flight.max(1);
        let now = self.shared.in_flight.fetch_add(1, Relaxed);
        let permit = Permit::new(self.clone(), arrival);
        let error = if self.shared.draining.load(Relaxed) {
            GatewayError::new(ErrorKind::Overloaded, "the gateway is shutting down")
        } else if now >= limit {
            GatewayError::new(
                ErrorKind::Overloaded,
                format!("{limit} requests are in flight (limits.requests); try again shortly"),
            )
        } else {
            return Ok(permit);
        };
        let ticket = Ticket::new(permit, "", headers::request_id(&*self.platform, None));
        Err(error_reply(
            ticket,
            error.with_retry_after(Duration::from_secs(1)),
        ))
    }

    /// Handles one request, whole body in hand. It never fails: errors are answers too.
    pub async fn handle(
        permit: Permit<P>,
        request: http::Request<Bytes>,
    ) -> Response<ReplyBody<P>> {
        // Boxed: a connection holds a place for this future, and most of its life it waits.
        Box::pin(generate::handle(permit, request)).await
    }

    /// Answers a request whose body could not be read, in the client's dialect.
    pub fn refuse(
        permit: Permit<P>,
        head: &http::request::Parts,
        error: GatewayError,
    ) -> Response<ReplyBody<P>> {
        let id = headers::request_id(&*permit.gateway.platform.clone(), Some(&head.headers));
        let mut ticket = Ticket::new(permit, head.uri.path(), id);
        ticket.wire = crate::enter::ingress::wire_of(head);
        ticket.explain = headers::flag(&head.headers, &headers::EXPLAIN);
        ticket.passed("enter");
        ticket.door = crate::enter::ingress::door_of(head);
        error_reply(ticket, error)
    }

    /// Answers without content and with these headers: what a browser asks before it asks.
    pub fn answer_preflight(permit: Permit<P>, headers: http::HeaderMap) -> Response<ReplyBody<P>> {
        let id = headers::request_id(&*permit.gateway.platform.clone(), None);
        crate::reply::no_content(Ticket::new(permit, "", id), headers)
    }

    /// The same gateway with other keys: what a revocation needs when the rest of a configuration
    /// can't be used.
    pub fn with_keys(&self, keys: Arc<KeyRing>) -> Arc<Self> {
        Arc::new(Self {
            platform: self.platform.clone(),
            policies: self.policies.clone(),
            store: self.store.clone(),
            config: self.config.clone(),
            keys,
            upstreams: self.upstreams.clone(),
            shared: self.shared.clone(),
        })
    }

    /// Who may come in.
    pub fn key_ring(&self) -> &Arc<KeyRing> {
        &self.keys
    }

    /// Starts the active health checks, and the comparison of tokenizers. They end with this value.
    pub fn start_health_checks(self: &Arc<Self>) {
        run_health_checks(self);
        run_token_checks(self);
    }

    /// From now on new requests get 503; those in flight go on.
    pub fn drain(&self) {
        self.shared.draining.store(true, Relaxed);
    }

    /// Whether it is shutting down.
    pub fn is_draining(&self) -> bool {
        self.shared.draining.load(Relaxed)
    }

    /// The upstreams as they are now.
    pub fn upstreams(&self) -> Vec<UpstreamStatus> {
        let now = self.platform.now();
        self.upstreams.iter().map(|u| u.status(now)).collect()
    }

    /// Where the KV events of the upstreams' replicas come from. A host that has sockets follows
    /// them; what they say is used from the first event on.
    pub fn kv_sources(&self) -> Vec<KvSource> {
        let upstreams = self.upstreams.iter();
        upstreams
            .flat_map(|upstream| upstream.kv_sources())
            .collect()
    }

    /// What the prompt of a request to `path` is to the engines that may get it, as if it came from
    /// this tenant; none is needed where there is only one. Nothing is sent.
    ///
    /// # Errors
    ///
    /// As [`Gateway::handle`] would answer, and where no key belongs to the tenant.
    pub async fn explain_prefix(
        self: &Arc<Self>,
        path: &str,
        body: Bytes,
        tenant: Option<&str>,
    ) -> Result<Explanation, GatewayError> {
        explain(self, path, body, tenant).await
    }

    /// Requests in flight.
    pub fn in_flight(&self) -> u32 {
        self.shared.in_flight.load(Relaxed)
    }

    /// Flights that can be joined.
    pub fn flights(&self) -> usize {
        self.shared.flights.len()
    }

    /// The platform.
    pub fn platform(&self) -> &Arc<P> {
        &self.platform
    }

    /// The configuration.
    pub fn config(&self) -> &GatewayConfig {
        &self.config
    }

    pub(crate) fn policies(&self) -> &P::Policies {
        &self.policies
    }

    pub(crate) fn store(&self) -> &P::Store {
        &self.store
    }

    pub(crate) fn keys(&self) -> &KeyRing {
        &self.keys
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }

    /// The names by which upstreams know a model that clients call `model`, where they are others: each once, in
    /// order.
    pub(crate) fn other_names<'a>(&'a self, model: &'a str) -> Vec<&'a str> {
        let names = self.upstreams.iter().filter_map(|u| u.model_name(model));
        let mut others: Vec<&str> = names.filter(|name| *name != model).collect();
        others.sort_unstable();
        others.dedup();
        others
    }

    pub(crate) fn all_upstreams(&self) -> &[Arc<Upstream>] {
        &self.upstreams
    }

    /// What an exchange with an upstream needs.
    pub(crate) fn sender(&self) -> Sender<P> {
        Sender {
            platform: self.platform.clone(),
            config: self.config.clone(),
            budget: self.shared.retries.clone(),
        }
    }

    /// The account of a key with its limits.
    pub(crate) fn account(&self, identity: &Identity) -> Option<Account> {
        let now = self.platform.now();
        let limits = &self.shared.limits;
        limits.account(&identity.key, &identity.tenant, &self.config.rate, now)
    }

    pub(crate) fn upstream(&self, name: &str) -> Option<&Arc<Upstream>> {
        self.upstreams.iter().find(|u| *u.name == *name)
    }

    pub(crate) fn flight_bounds(&self) -> FlightBounds {
        let streams = &self.config.streams;
        FlightBounds {
            client_buffer: streams.client_buffer as u64,
            upstream_buffer: streams.upstream_buffer as u64,
            max_recording: streams.max_recording as u64,
            outlive_clients: streams.record_abandoned,
        }
    }
}
