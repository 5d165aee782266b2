//! The native platform: tokio's tasks and timers, hyper's client, a memo on moka, observations
//! into metrics, access log and traces.

mod aside;
mod authorize;
mod body;
pub(crate) mod clock;
mod connect;
mod failure;
mod line;
mod media;
mod preface;
mod share;
pub(crate) mod socket;
mod tokenizers;
mod transport;

use std::future::Future;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use forebay_dialect::Request;
use forebay_dialect::exchange::Fetched;
use forebay_gateway::config::MediaConfig;
use forebay_gateway::memo::Remembered;
use forebay_gateway::observe::Observation;
use forebay_gateway::platform::{
    FreshConnection, MemoryShare, OpenSocket, Platform, TransportError, UpstreamBody,
    UpstreamTransport,
};
use forebay_gateway::policy::Policies;
use moka::sync::Cache;

use crate::listener::Held;
use crate::store::MemoryStore;
use crate::telemetry::Observers;

pub use authorize::UpstreamCredentials;
pub use tokenizers::Tokenizers;
pub use transport::Transport;
use transport::Use;

/// Policies whose sandboxes threads may share by reference: the pipeline's futures move between threads.
pub trait NativePolicies: Policies<Session: Sync, Guard: Sync> {}
impl<P: Policies<Session: Sync, Guard: Sync>> NativePolicies for P {}

/// The native platform, with whatever runs the policies.
pub struct Native<P> {
    transport: Transport,
    memo: Option<Cache<[u8; 32], Arc<Remembered>>>,
    observers: Arc<Observers>,
    aside: aside::Aside,
    held: Arc<Held>,
    tokenizers: ArcSwap<Tokenizers>,
    policies: PhantomData<fn() -> P>,
}

impl<P> Native<P> {
    /// A platform whose memo holds at most `memo_bytes`; 0 is no memo.
    pub fn new(memo_bytes: u64, observers: Arc<Observers>) -> Self {
        let memo = (memo_bytes > 0).then(|| {
            Cache::builder()
                .name("memo")
                // Bounded in bytes, and so in entries: each weighs 512 bytes or more.
                .max_capacity(memo_bytes)
                .weigher(|_, decision: &Arc<Remembered>| weigh(decision))
                // An hour: a decision is pure, so it can't go stale; but what nobody repeats need not stay.
                .time_to_idle(Duration::from_secs(3600))
                .build()
        });
        Self {
            transport: Transport::default(),
            memo,
            observers,
            aside: aside::Aside::default(),
            held: Arc::default(),
            tokenizers: ArcSwap::default(),
            policies: PhantomData,
        }
    }

    /// Puts other tokenizers to work.
    pub fn set_tokenizers(&self, tokenizers: Tokenizers) {
        self.tokenizers.store(Arc::new(tokenizers));
    }

    /// What it tells its observations to.
    pub fn observers(&self) -> &Arc<Observers> {
        &self.observers
    }

    /// Bytes of bodies in memory.
    pub fn held(&self) -> &Arc<Held> {
        &self.held
    }

    /// Entries of the memo.
    pub fn remembered(&self) -> u64 {
        self.memo.as_ref().map_or(0, Cache::entry_count)
    }
}

impl<P: NativePolicies> Platform for Native<P> {
    type Policies = P;
    type Store = MemoryStore;

    fn carries_sockets(&self) -> bool {
        true
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        tokio::spawn(task);
    }

    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send + 'static {
        tokio::time::sleep(duration)
    }

    fn traces(&self) -> bool {
        self.observers.traces.is_some()
    }

    fn random(&self) -> [u8; 16] {
        rand::random()
    }

    fn send(
        &self,
        request: http::Request<Bytes>,
        upstream: &UpstreamTransport,
    ) -> impl Future<Output = Result<http::Response<UpstreamBody>, TransportError>> + Send + 'static
    {
        let wish = request.extensions().get::<OpenSocket>().copied();
        let fresh = request.extensions().get::<FreshConnection>().is_some();
        let client = self.transport.client(
            upstream,
            match (wish, fresh) {
                (Some(_), _) => Use::Socket,
                (None, true) => Use::Fresh,
                (None, false) => Use::Shared,
            },
        );
        let (held, h2c) = (self.held.clone(), upstream.h2c);
        async move {
            let client = client?;
            if let Some(wish) = wish {
                return socket::open(&client, request, wish, held).await;
            }
            let request = request.map(Into::into);
            if fresh {
                let response = client.request(request).await;
                let response = response.map_err(|e| failure::of_request(&e))?;
                return Ok(body::upstream_response(response, None));
            }
            let (response, place) = transport::send(&client, request, h2c).await?;
            Ok(body::upstream_response(response, place))
        }
    }

    fn fetch_media(
        &self,
        url: &str,
        rules: &MediaConfig,
    ) -> impl Future<Output = Result<Fetched, String>> + Send + 'static {
        media::fetch(url.to_owned(), rules.clone())
    }

    fn prompt_tokens(
        &self,
        tenant: &Arc<str>,
        upstream: &Arc<str>,
        _model: &str,
        request: &Arc<Request>,
    ) -> impl Future<Output = Option<Arc<[u32]>>> + Send + 'static {
        self.tokenizers
            .load()
            .tokens(tenant, upstream, request, &self.aside)
    }

    fn aside<T: Send + 'static>(
        &self,
        tenant: &Arc<str>,
        work: impl Future<Output = T> + Send + 'static,
    ) -> impl Future<Output = T> + Send + 'static {
        self.aside.run(tenant, work)
    }

    fn share(&self) -> Box<dyn MemoryShare> {
        Box::new(share::Share::of(&self.held))
    }

    fn observe(&self, observation: Observation) {
        self.observers.observe(&observation);
        if let Observation::Finished(summary) = observation {
            self.observers.recent.keep(summary);
        }
    }

    fn has_memo(&self) -> bool {
        self.memo.is_some()
    }

    fn recall(&self, id: &[u8; 32]) -> Option<Arc<Remembered>> {
        self.memo.as_ref()?.get(id)
    }

    fn remember(&self, id: [u8; 32], decision: Arc<Remembered>) {
        if let Some(memo) = &self.memo {
            memo.insert(id, decision);
        }
    }
}

fn weigh(decision: &Remembered) -> u32 {
    let plan = decision.plan.as_ref().map_or(0, |plan| {
        size_of_val(plan.chain.as_slice())
            + size_of_val(plan.breakpoints.as_slice())
            + plan
                .hints
                .iter()
                .map(|hint| hint.name.len() + hint.value.len() + 48)
                .sum::<usize>()
    });
    let hits: usize = decision
        .hits
        .iter()
        .map(|hit| hit.rule.len() + hit.action.len() + 64)
        .sum();
    // 512: the structs themselves, the key and the cache's node, rounded up.
    u32::try_from(512 + decision.model.len() + plan + hits).unwrap_or(u32::MAX)
}
