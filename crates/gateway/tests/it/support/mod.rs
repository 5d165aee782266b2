//! A platform for tests: tokio's tasks, a scripted upstream, policies made of closures, a map as store.
#![allow(
    unreachable_pub,
    dead_code,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs
)]

pub mod arbitrary;
pub mod states;

use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use forebay_dialect::canonical::Prompt;
use forebay_gateway::config::{ConfiguredUpstream, GatewayConfig, TenantConfig, UpstreamConfig};
use forebay_gateway::identity::{KeyRecord, KeyRing};
use forebay_gateway::memo::Remembered;
use forebay_gateway::observe::{Observation, Summary};
use forebay_gateway::platform::{
    Platform, TransportError, TransportFailure, UpstreamBody, UpstreamTransport,
};
use forebay_gateway::policy::*;
use forebay_gateway::state::{MemoryStates, States};
use forebay_gateway::store::{CacheKey, Entry, Selector, Store, StoreError};
use forebay_gateway::{Arrival, Gateway, ReplyBody};
use futures_core::Stream;
use http::{Request, Response};
use http_body::Body as _;
use sha2::{Digest as _, Sha256};
use tokio::sync::{mpsc, oneshot};

/// An exchange as the upstream sees it.
pub struct Exchange {
    pub request: Request<Bytes>,
    respond: oneshot::Sender<Result<Response<UpstreamBody>, TransportError>>,
}

impl Exchange {
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(self.request.body()).unwrap()
    }
    pub fn whole(self, status: u16, body: impl Into<Bytes>) {
        let body: Bytes = body.into();
        let stream = Box::pin(futures_util::stream::iter([Ok(body)]));
        let response = Response::builder()
            .status(status)
            .header("content-type", "application/json")
            .body(UpstreamBody::new(stream))
            .unwrap();
        let _ = self.respond.send(Ok(response));
    }
    /// Refuses, with these headers.
    pub fn refuse(self, status: u16, headers: &[(&str, &str)], body: impl Into<Bytes>) {
        let body: Bytes = body.into();
        let mut response = Response::builder()
            .status(status)
            .header("content-type", "application/json");
        for (name, value) in headers {
            response = response.header(*name, *value);
        }
        let stream = Box::pin(futures_util::stream::iter([Ok(body)]));
        let _ = self
            .respond
            .send(Ok(response.body(UpstreamBody::new(stream)).unwrap()));
    }
    /// The replica that is asked.
    pub fn host(&self) -> &str {
        self.request.uri().host().unwrap()
    }
    pub fn fail(self, failure: TransportFailure) {
        let _ = self.respond.send(Err(TransportError {
            failure,
            detail: "scripted".into(),
        }));
    }
    /// Answers with a stream that the test feeds.
    pub fn stream(self) -> Feed {
        self.stream_as("text/event-stream")
    }
    /// Answers with a stream of this media type that the test feeds.
    pub fn stream_as(self, media: &str) -> Feed {
        let (send, receive) = mpsc::unbounded_channel();
        let (dropped, gone) = oneshot::channel();
        let response = Response::builder()
            .header("content-type", media)
            .body(UpstreamBody::new(Box::pin(Fed {
                receive,
                _dropped: dropped,
            })))
            .unwrap();
        let _ = self.respond.send(Ok(response));
        Feed { send, gone }
    }
}

pub struct Feed {
    send: mpsc::UnboundedSender<Result<Bytes, TransportError>>,
    gone: oneshot::Receiver<()>,
}

impl Feed {
    pub fn text(&self, text: &str) {
        let text = serde_json::to_string(text).unwrap();
        self.data(&format!(
            r#"{{"id":"c","object":"chat.completion.chunk","created":1,"model":"up","choices":[{{"index":0,"delta":{{"content":{text}}},"finish_reason":null}}]}}"#
        ));
    }
    pub fn finish(&self) {
        self.data(r#"{"id":"c","object":"chat.completion.chunk","created":1,"model":"up","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#);
        self.data(r#"{"id":"c","object":"chat.completion.chunk","created":1,"model":"up","choices":[],"usage":{"prompt_tokens":7,"completion_tokens":3,"total_tokens":10}}"#);
        self.data("[DONE]");
    }
    pub fn data(&self, data: &str) {
        let _ = self.send.send(Ok(format!("data: {data}\n\n").into()));
    }
    pub fn raw(&self, bytes: &str) {
        self.bytes(bytes.to_owned());
    }
    pub fn bytes(&self, bytes: impl Into<Bytes>) {
        let _ = self.send.send(Ok(bytes.into()));
    }
    pub fn break_off(self) {
        let _ = self.send.send(Err(TransportError {
            failure: TransportFailure::Body,
            detail: "scripted".into(),
        }));
    }
    /// Resolves when the gateway has dropped the exchange.
    pub async fn cancelled(self) {
        let _ = self.gone.await;
    }
}

struct Fed {
    receive: mpsc::UnboundedReceiver<Result<Bytes, TransportError>>,
    _dropped: oneshot::Sender<()>,
}

impl Stream for Fed {
    type Item = Result<Bytes, TransportError>;
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.receive.poll_recv(cx)
    }
}

/// The tokens of a request's body.
pub type Tokenizer = fn(&str) -> Vec<u32>;

pub struct TestPlatform {
    exchanges: mpsc::UnboundedSender<Exchange>,
    pub memo: Mutex<HashMap<[u8; 32], Arc<Remembered>>>,
    pub seen: Mutex<Vec<Observation>>,
    /// Its tokenizer, of a request's body.
    pub tokenizer: Mutex<Option<Tokenizer>>,
    counter: AtomicU32,
    /// When it was made, by both clocks.
    began: (SystemTime, Instant),
    states: Arc<dyn States>,
}

impl Platform for TestPlatform {
    type Policies = TestPolicies;
    type Store = TestStore;
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        tokio::spawn(task);
    }
    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send + 'static {
        tokio::time::sleep(duration)
    }
    fn prompt_tokens(
        &self,
        _: &Arc<str>,
        _: &Arc<str>,
        _: &str,
        request: &Arc<forebay_dialect::Request>,
    ) -> impl Future<Output = Option<Arc<[u32]>>> + Send + 'static {
        let tokenizer = *self.tokenizer.lock().unwrap();
        let tokens = tokenizer.map(|tokens| tokens(std::str::from_utf8(&request.body).unwrap()));
        std::future::ready(tokens.map(Arc::from))
    }
    fn passes_bodies(&self) -> bool {
        true
    }
    fn now(&self) -> Instant {
        tokio::time::Instant::now().into_std()
    }
    fn wall(&self) -> SystemTime {
        let (wall, began) = self.began;
        wall + self.now().saturating_duration_since(began)
    }
    fn random(&self) -> [u8; 16] {
        u128::from(self.counter.fetch_add(1, SeqCst)).to_le_bytes()
    }
    fn send(
        &self,
        request: Request<Bytes>,
        _: &UpstreamTransport,
    ) -> impl Future<Output = Result<Response<UpstreamBody>, TransportError>> + Send + 'static {
        let exchanges = self.exchanges.clone();
        async move {
            let (respond, answer) = oneshot::channel();
            let _ = exchanges.send(Exchange { request, respond });
            answer.await.unwrap_or(Err(TransportError {
                failure: TransportFailure::Reset,
                detail: "dropped".into(),
            }))
        }
    }
    fn states(&self) -> Arc<dyn States> {
        self.states.clone()
    }
    fn observe(&self, observation: Observation) {
        self.seen.lock().unwrap().push(observation);
    }
    fn recall(&self, id: &[u8; 32]) -> Option<Arc<Remembered>> {
        self.memo.lock().unwrap().get(id).cloned()
    }
    fn remember(&self, id: [u8; 32], decision: Arc<Remembered>) {
        self.memo.lock().unwrap().insert(id, decision);
    }
}

/// Policies: words in the prompt and in the output decide.
#[derive(Default)]
pub struct TestPolicies {
    pub checks: AtomicU32,
    /// Masks this text in prompts.
    pub mask: Option<&'static str>,
    /// Denies prompts with this text.
    pub deny: Option<&'static str>,
    /// Denies output with this text, holding back what may become it.
    pub deny_output: Option<&'static str>,
    pub uncacheable: bool,
    /// Each key has rules of its own.
    pub scoped: bool,
    /// Asks for an opinion on prompts with this text.
    pub ask: Option<&'static str>,
    pub fail: bool,
    /// Answers with anything that the interface can carry, by this seed.
    pub arbitrary: Option<u64>,
}

pub struct TestSession(Arc<TestPolicies>);
pub struct TestGuard {
    deny: &'static str,
    held: String,
    arbitrary: Option<arbitrary::Arbitrary>,
}

fn texts<'a>(places: &'a [Place<'_>]) -> impl Iterator<Item = (u32, &'a str)> {
    (0_u32..)
        .zip(places)
        .filter(|(_, place)| place.kind == PlaceKind::Text)
        .map(|(index, place)| (index, place.text.as_ref()))
}

pub struct Shared(pub Arc<TestPolicies>);

impl Policies for TestPolicies {
    type Session = TestSession;
    type Guard = TestGuard;
    fn digest(&self) -> &[u8; 32] {
        &[1; 32]
    }
    async fn session(&self, _: &Caller, _: usize) -> Result<TestSession, PolicyError> {
        if self.fail {
            return Err(PolicyError::Trap {
                policy: "guardrails",
                detail: "scripted".into(),
            });
        }
        self.checks.fetch_add(1, SeqCst);
        Ok(TestSession(Arc::new(TestPolicies {
            checks: AtomicU32::new(0),
            mask: self.mask,
            deny: self.deny,
            deny_output: self.deny_output,
            uncacheable: self.uncacheable,
            scoped: self.scoped,
            ask: self.ask,
            fail: false,
            arbitrary: self.arbitrary,
        })))
    }
    async fn guard(&self, _: &Caller) -> Result<TestGuard, PolicyError> {
        Ok(TestGuard {
            deny: self.deny_output.unwrap_or("deny"),
            held: String::new(),
            arbitrary: self.arbitrary.map(arbitrary::Arbitrary),
        })
    }
    async fn admit(
        &self,
        _: &Caller,
        plan: &CachePlan,
        outcome: &Outcome,
    ) -> Result<Admission, PolicyError> {
        let store = matches!(outcome.ending, Ending::Complete | Ending::Length);
        Ok(Admission {
            store,
            freshness: plan.freshness,
            tags: vec!["tag".into()],
            why: None,
        })
    }
}

impl PolicySession for TestSession {
    async fn check_prompt(
        &mut self,
        caller: &Caller,
        _: &Outline<'_>,
        places: &[Place<'_>],
        _: &[Opinion],
    ) -> Result<Verdict, PolicyError> {
        if let Some(seed) = self.0.arbitrary {
            return Ok(arbitrary::Arbitrary(seed).verdict(places));
        }
        let mut edits = Vec::new();
        let mut action = Action::Allow;
        for (place, text) in texts(places) {
            if let Some(word) = self.0.mask {
                for (start, found) in text.match_indices(word) {
                    let (start, end) = (start as u32, (start + found.len()) as u32);
                    edits.push(Edit {
                        place,
                        start,
                        end,
                        label: "EMAIL".into(),
                    });
                }
            }
            if self.0.deny.is_some_and(|word| text.contains(word)) {
                action = Action::Deny(Reason {
                    code: "word".into(),
                    detail: "a word is not allowed".into(),
                });
            }
            if self.0.ask.is_some_and(|word| text.contains(word)) {
                action = Action::Ask(Question {
                    service: "moderation".into(),
                    places: vec![place],
                });
            }
        }
        if !edits.is_empty() {
            action = Action::Edit(edits);
        }
        Ok(Verdict {
            action,
            hits: vec![],
            guard_output: self.0.deny_output.is_some(),
            output_enforced: self.0.deny_output.is_some(),
            scope: match self.0.scoped {
                true => caller.key.to_string(),
                false => String::new(),
            },
        })
    }
    async fn plan(
        &mut self,
        _: &Caller,
        prompt: &Prompt,
        d: &Directives,
    ) -> Result<CachePlan, PolicyError> {
        if let Some(seed) = self.0.arbitrary {
            return Ok(arbitrary::Arbitrary(seed).plan());
        }
        let digest = Sha256::digest(format!("{:?}{:?}", prompt.messages, prompt.model)).into();
        let cacheable = !self.0.uncacheable;
        Ok(CachePlan {
            digest,
            scope: Scope::Tenant,
            lookup: cacheable && !d.no_cache,
            store: cacheable && !d.no_store,
            why: None,
            freshness: Freshness {
                ttl: 60,
                idle: 0,
                stale_if_error: 60,
            },
            chain: blocks(&format!("{:?}", prompt.messages)),
            hints: vec![],
            inputs: vec![],
            breakpoints: breakpoints(prompt),
        })
    }
    async fn rank(
        &mut self,
        _: &Caller,
        _: &Demand,
        candidates: &[Candidate],
    ) -> Result<Ranking, PolicyError> {
        if let Some(seed) = self.0.arbitrary {
            return Ok(arbitrary::Arbitrary(seed).ranking());
        }
        let choice = |i: usize| Choice {
            candidate: i as u32,
            score: 0.0,
            parts: vec![],
            cost_micro_usd: None,
            worker: None,
        };
        let why = Reason {
            code: "health".into(),
            detail: "it is ejected".into(),
        };
        let (well, ill): (Vec<usize>, Vec<usize>) =
            (0..candidates.len()).partition(|i| candidates[*i].healthy);
        Ok(Ranking {
            order: well.into_iter().map(choice).collect(),
            excluded: ill.into_iter().map(|i| (i as u32, why.clone())).collect(),
        })
    }
}

impl OutputGuard for TestGuard {
    async fn push(&mut self, deltas: Vec<Delta>) -> Result<Releases, PolicyError> {
        if let Some(guest) = &mut self.arbitrary {
            return Ok(guest.releases());
        }
        let mut out = Releases::default();
        for mut delta in deltas {
            // Labels are whole, each for itself.
            if delta.channel.is_label() {
                if delta.text.contains(self.deny) {
                    out.denied = Some(Reason {
                        code: "leak".into(),
                        detail: "the answer was ended".into(),
                    });
                    return Ok(out);
                }
                out.released.push(delta);
                continue;
            }
            self.held.push_str(&delta.text);
            if self.held.contains(self.deny) {
                out.denied = Some(Reason {
                    code: "leak".into(),
                    detail: "the answer was ended".into(),
                });
                out.released.clear();
                return Ok(out);
            }
            let keep = (0..self.held.len())
                .find(|&i| self.held.is_char_boundary(i) && self.deny.starts_with(&self.held[i..]))
                .unwrap_or(self.held.len());
            delta.text = self.held.drain(..keep).collect();
            out.released.push(delta);
        }
        Ok(out)
    }
    async fn finish(&mut self, _: Option<u32>) -> Result<Releases, PolicyError> {
        if let Some(guest) = &mut self.arbitrary {
            return Ok(guest.releases());
        }
        let text = std::mem::take(&mut self.held);
        let channel = forebay_dialect::canonical::Channel::Content;
        let released = if text.is_empty() {
            vec![]
        } else {
            vec![Delta {
                choice: 0,
                channel,
                text,
            }]
        };
        Ok(Releases {
            released,
            ..Releases::default()
        })
    }
}

#[derive(Default)]
pub struct TestStore {
    pub entries: Mutex<HashMap<CacheKey, Arc<Entry>>>,
    pub stored: tokio::sync::Notify,
}

impl Store for TestStore {
    async fn get(&self, key: &CacheKey) -> Result<Option<(Arc<Entry>, &'static str)>, StoreError> {
        Ok(self
            .entries
            .lock()
            .unwrap()
            .get(key)
            .cloned()
            .map(|entry| (entry, "memory")))
    }
    async fn put(&self, entry: Arc<Entry>) -> Result<bool, StoreError> {
        self.entries.lock().unwrap().insert(entry.key, entry);
        self.stored.notify_one();
        Ok(true)
    }
    async fn purge(&self, selector: &Selector) -> Result<u64, StoreError> {
        let mut entries = self.entries.lock().unwrap();
        let before = entries.len();
        entries.retain(|_, entry| !selector.matches(entry));
        Ok((before - entries.len()) as u64)
    }
}

pub struct Rig {
    pub gateway: Arc<Gateway<TestPlatform>>,
    pub platform: Arc<TestPlatform>,
    pub policies: Arc<TestPolicies>,
    pub store: Arc<TestStore>,
    exchanges: VecDeque<Exchange>,
    incoming: mpsc::UnboundedReceiver<Exchange>,
}

pub struct RigBuilder {
    pub policies: TestPolicies,
    pub config: GatewayConfig,
    pub keys: Vec<KeyRecord>,
    pub upstreams: Vec<serde_json::Value>,
    pub states: Arc<dyn States>,
}

impl Default for RigBuilder {
    fn default() -> Self {
        Self {
            policies: TestPolicies::default(),
            config: GatewayConfig {
                max_in_flight: 100,
                ..GatewayConfig::default()
            },
            keys: vec![],
            upstreams: vec![serde_json::json!({"name": "one", "urls": ["http://one"]})],
            states: Arc::new(MemoryStates::default()),
        }
    }
}

pub fn key(id: &str, tenant: &str) -> (KeyRecord, String) {
    let secret = format!("fb-{id}-secret{id}");
    let record = KeyRecord {
        id: id.into(),
        digest: Sha256::digest(&secret).into(),
        tenant: tenant.into(),
        models: vec![],
        requests_per_minute: None,
        tokens_per_minute: None,
        expires: None,
        access_key: None,
    };
    (record, secret)
}

impl RigBuilder {
    pub fn build(mut self) -> Rig {
        for upstream in self.upstreams {
            let config: UpstreamConfig = serde_json::from_value(upstream).unwrap();
            self.config.upstreams.push(ConfiguredUpstream::plain(
                config,
                Some("sk-upstream".into()),
            ));
        }
        let (exchanges, incoming) = mpsc::unbounded_channel();
        let platform = Arc::new(TestPlatform {
            exchanges,
            memo: Mutex::default(),
            seen: Mutex::default(),
            tokenizer: Mutex::default(),
            counter: AtomicU32::new(1),
            began: (SystemTime::now(), tokio::time::Instant::now().into_std()),
            states: self.states,
        });
        let policies = Arc::new(self.policies);
        let store = Arc::new(TestStore::default());
        let tenants: Vec<TenantConfig> = self.config.tenants.clone();
        let keys = Arc::new(KeyRing::new(self.keys, &tenants, b"master"));
        let gateway = Gateway::new(
            platform.clone(),
            policies.clone(),
            store.clone(),
            self.config,
            keys,
            None,
        )
        .unwrap();
        Rig {
            gateway,
            platform,
            policies,
            store,
            exchanges: VecDeque::new(),
            incoming,
        }
    }
}

pub fn chat(text: &str, stream: bool) -> http::request::Builder {
    let body = serde_json::json!({"model": "m", "temperature": 0, "stream": stream,
        "messages": [{"role": "user", "content": text}]});
    Request::post("/v1/chat/completions")
        .header("content-type", "application/json")
        .extension(Bytes::from(body.to_string()))
}

/// Places behind the tools, the system prompt and the user's messages, marked when they come again.
fn breakpoints(prompt: &Prompt) -> Vec<Breakpoint> {
    let point = |after, text: String| Breakpoint {
        after,
        prefix: u64::from_be_bytes(Sha256::digest(&text)[..8].try_into().unwrap()),
        bytes: text.len() as u32,
        after_uses: 1,
        ttl: 0,
    };
    let mut points = Vec::new();
    if !prompt.tools.is_empty() {
        points.push(point(Anchor::Tools, format!("{:?}", prompt.tools)));
    }
    for (at, message) in prompt.messages.iter().enumerate() {
        if message.role != "assistant" && !message.parts.is_empty() {
            let text = format!("{:?}{:?}", prompt.tools, &prompt.messages[..=at]);
            let after = Anchor::Part {
                message: at as u32,
                part: message.parts.len() as u32 - 1,
            };
            points.push(point(after, text));
        }
    }
    points
}

/// Chained blocks of 64 bytes.
fn blocks(text: &str) -> Vec<Block> {
    use std::hash::{DefaultHasher, Hash as _, Hasher as _};
    let mut chained = DefaultHasher::new();
    let full = text.as_bytes().chunks_exact(64).enumerate();
    full.map(|(place, block)| {
        block.hash(&mut chained);
        Block {
            hash: chained.finish(),
            end: (place as u32 + 1) * 64,
        }
    })
    .collect()
}

impl Rig {
    /// Sends a request and gives its answer as a task, so that the test can play the upstream.
    pub fn send(
        &self,
        request: http::request::Builder,
    ) -> tokio::task::JoinHandle<Response<ReplyBody<TestPlatform>>> {
        let body = request
            .extensions_ref()
            .and_then(|e| e.get::<Bytes>())
            .cloned()
            .unwrap_or_default();
        let request = request.body(body).unwrap();
        let gateway = self.gateway.clone();
        tokio::spawn(async move {
            let platform = gateway.platform();
            let arrival = Arrival {
                peer: None,
                started: platform.now(),
                started_at: platform.wall(),
            };
            match gateway.enter(arrival) {
                Ok(permit) => Gateway::handle(permit, request).await,
                Err(response) => response,
            }
        })
    }

    /// The next exchange that reaches the upstream.
    pub async fn exchange(&mut self) -> Exchange {
        match self.exchanges.pop_front() {
            Some(exchange) => exchange,
            None => tokio::time::timeout(Duration::from_secs(10), self.incoming.recv())
                .await
                .expect("the upstream was asked")
                .unwrap(),
        }
    }

    /// Everything that will reach the upstream from now on.
    pub fn take_incoming(&mut self) -> mpsc::UnboundedReceiver<Exchange> {
        std::mem::replace(&mut self.incoming, mpsc::unbounded_channel().1)
    }

    /// Whether the upstream was asked once more, now that every task has run as far as it can.
    pub async fn is_idle(&mut self) -> bool {
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
        self.incoming.try_recv().is_err()
    }

    pub fn summaries(&self) -> Vec<Summary> {
        let seen = self.platform.seen.lock().unwrap();
        seen.iter()
            .filter_map(|o| match o {
                Observation::Finished(summary) => Some((**summary).clone()),
                _ => None,
            })
            .collect()
    }
}

/// The next frame of a body as text.
pub async fn frame(body: &mut ReplyBody<TestPlatform>) -> Option<String> {
    let next = std::future::poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx));
    let frame = tokio::time::timeout(Duration::from_secs(10), next)
        .await
        .expect("a frame in time")?;
    Some(String::from_utf8(frame.unwrap().into_data().ok()?.to_vec()).unwrap())
}

/// The rest of a body as text.
pub async fn rest(mut body: ReplyBody<TestPlatform>) -> String {
    let mut out = String::new();
    while let Some(frame) = frame(&mut body).await {
        out.push_str(&frame);
    }
    out
}

/// The concatenated content of a stream's events.
pub fn content(stream: &str) -> String {
    stream
        .split("\n\n")
        .filter_map(|event| event.lines().find_map(|line| line.strip_prefix("data: ")))
        .filter_map(|data| serde_json::from_str::<serde_json::Value>(data).ok())
        .filter_map(|v| {
            v["choices"][0]["delta"]["content"]
                .as_str()
                .map(str::to_owned)
        })
        .collect()
}

pub fn completion(text: &str) -> String {
    serde_json::json!({"id": "c", "object": "chat.completion", "created": 1, "model": "up",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}})
    .to_string()
}
