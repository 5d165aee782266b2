//! The pipeline's platform over [`turns`](crate::turns): shared by the edges whose host can't be
//! awaited. They only perform effects.

use std::any::Any;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::Future;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use forebay_gateway::memo::Remembered;
use forebay_gateway::observe::Observation;
use forebay_gateway::platform::{
    BoxStream, NativeBody, Platform, TransportError, TransportFailure, UpstreamBody,
    UpstreamTransport,
};
use forebay_gateway::store::{KeyValue, KeyValueError, Tiered};
use forebay_gateway::{Arrival, Gateway};
use futures_util::TryStreamExt as _;
use http::header::CONTENT_LENGTH;
use http_body_util::{BodyExt as _, Full};

use crate::edge::{Edge, EdgeError, Ready, announced, unusable};
use crate::entropy::Entropy;
use crate::log::{self, Log};
use crate::memo::Memo;
use crate::policies::Imported;
use crate::turns::{self, Body, Effect, Happening, REQUEST, Turns, Wires};

/// The platform of the pipeline.
pub(crate) struct Stepped {
    log: Log,
    memo: Memo,
    entropy: Entropy,
}

impl Platform for Stepped {
    type Policies = Imported;
    type Store = Tiered<Kv>;

    fn passes_bodies(&self) -> bool {
        true
    }

    fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        turns::current().spawn(task);
    }

    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + 'static {
        turns::current().sleep(duration)
    }

    #[allow(
        clippy::expect_used,
        reason = "without random numbers nothing may be served"
    )]
    fn random(&self) -> [u8; 16] {
        self.entropy
            .take(|bytes| getrandom::fill(bytes).expect("the host gives random numbers"))
    }

    fn now(&self) -> Instant {
        turns::current().now()
    }

    fn wall(&self) -> SystemTime {
        turns::current().wall()
    }

    fn send(
        &self,
        mut request: http::Request<Bytes>,
        upstream: &UpstreamTransport,
    ) -> impl Future<Output = Result<http::Response<UpstreamBody>, TransportError>> + 'static {
        let (wires, connect) = (turns::current(), upstream.connect_timeout);
        let length = request.body().len() as u64;
        request.headers_mut().insert(CONTENT_LENGTH, length.into());
        async move {
            let sent = wires.ask(|id| Effect::Fetch(id, request, connect));
            let id = sent.id();
            match sent.await {
                Happening::Fetched(_, head) => head.map(|head| {
                    let body = Native(wires.body(id));
                    head.map(|()| UpstreamBody::native(Box::new(body)))
                }),
                _ => Err(out_of_step(TransportFailure::Protocol)),
            }
        }
    }

    fn observe(&self, observation: Observation) {
        if let Some(line) = self.log.line(&observation) {
            eprintln!("{line}");
        }
    }

    /// Fastly's instances serve one request each: nothing is asked twice there.
    fn has_memo(&self) -> bool {
        cfg!(feature = "worker")
    }

    fn recall(&self, id: &[u8; 32]) -> Option<Arc<Remembered>> {
        self.memo.recall(id)
    }

    fn remember(&self, id: [u8; 32], decision: Arc<Remembered>) {
        self.memo.remember(id, decision);
    }
}

fn out_of_step(failure: TransportFailure) -> TransportError {
    TransportError {
        failure,
        detail: "the platform answered something else".to_owned(),
    }
}

/// An upstream's body, not read yet.
struct Native(Body);

impl NativeBody for Native {
    fn read(self: Box<Self>) -> BoxStream<'static, Result<Bytes, TransportError>> {
        Box::pin(self.0.map_err(|detail| TransportError {
            failure: TransportFailure::Body,
            detail,
        }))
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

/// The host's key-value store.
pub(crate) struct Kv;

impl KeyValue for Kv {
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, KeyValueError> {
        let asked = turns::current().ask(|id| Effect::Get(id, key.to_owned()));
        match asked.await {
            Happening::Got(_, value) => value.map_err(KeyValueError),
            _ => Err(KeyValueError("the platform answered something else".into())),
        }
    }

    async fn set(&self, key: &str, value: Vec<u8>, keep: Duration) -> Result<(), KeyValueError> {
        let asked = turns::current().ask(|id| Effect::Put(id, key.to_owned(), value, keep));
        match asked.await {
            Happening::Written(_, result) => result.map_err(KeyValueError),
            _ => Err(KeyValueError("the platform answered something else".into())),
        }
    }

    /// Never asked for: Cloudflare's and Fastly's stores forget by themselves.
    async fn delete(&self, _: &str) -> Result<(), KeyValueError> {
        Ok(())
    }

    fn forgets(&self) -> bool {
        true
    }

    async fn sleep(&self, duration: Duration) {
        turns::current().sleep(duration).await;
    }

    fn wall(&self) -> SystemTime {
        turns::current().wall()
    }
}

thread_local! {
    static READY: RefCell<Option<Rc<Ready<Stepped>>>> = const { RefCell::new(None) };
}

/// The gateway of this instance, made by its first request. What fails is tried again by the next.
fn ready(variable: impl Fn(&str) -> Option<String>) -> Result<Rc<Ready<Stepped>>, EdgeError> {
    if let Some(ready) = READY.with_borrow(Clone::clone) {
        return Ok(ready);
    }
    let edge = Edge::composed()?;
    let variables: BTreeMap<String, String> = edge
        .settings()
        .variables()
        .into_iter()
        .filter_map(|name| variable(&name).map(|value| (name, value)))
        .collect();
    let platform = Stepped {
        log: Log::new(edge.settings().access_log),
        memo: Memo::default(),
        entropy: Entropy::default(),
    };
    let gateway = edge.gateway(platform, Some(Kv), &variables)?;
    let ready = Rc::new(Ready::new(gateway, &edge));
    READY.set(Some(ready.clone()));
    Ok(ready)
}

/// Begins an exchange: nothing runs before its first step.
pub(crate) fn begin(
    request: http::Request<()>,
    variable: impl Fn(&str) -> Option<String> + 'static,
) -> Turns {
    Turns::new(|wires| async move {
        let answering = answer(&wires, request, variable);
        // When the client leaves, all that was done for it alone is dropped.
        let _ = wires.while_wanted(answering).await;
    })
}

async fn answer(
    wires: &Rc<Wires>,
    request: http::Request<()>,
    variable: impl Fn(&str) -> Option<String>,
) {
    let arrival = Arrival {
        peer: None,
        started: wires.now(),
        started_at: wires.wall(),
    };
    let ready = match ready(variable) {
        Ok(ready) => ready,
        Err(error) => {
            eprintln!("{}", log::error(&error));
            let (head, ()) = request.into_parts();
            return write(wires, unusable(&error, &head).map(Full::new)).await;
        }
    };
    // One request's host calls can't answer another's, so neither can its futures.
    let permit = match ready.gateway.apart().enter(arrival) {
        Ok(permit) => permit,
        Err(full) => return write(wires, full).await,
    };
    let (head, ()) = request.into_parts();
    let reader = ready.reader(|duration| wires.sleep(duration));
    let body = match announced(&head) {
        Some(0) => Ok(Bytes::new()),
        length => reader.read(wires.body(REQUEST), length).await,
    };
    let mut response = match body {
        Ok(body) => Gateway::handle(permit, http::Request::from_parts(head, body)).await,
        Err(error) => Gateway::refuse(permit, &head, error),
    };
    match response
        .body_mut()
        .take_native()
        .map(|any| any.downcast::<Native>())
    {
        Some(Ok(native)) => {
            let id = native.0.into_id();
            wires.emit(Effect::Pass(id, response.into_parts().0));
        }
        _ => write(wires, response).await,
    }
}

async fn write<B>(wires: &Rc<Wires>, response: http::Response<B>)
where
    B: http_body::Body<Data = Bytes> + Unpin,
{
    let (mut head, mut body) = response.into_parts();
    if let Some(length) = body.size_hint().exact() {
        head.headers.insert(CONTENT_LENGTH, length.into());
    }
    wires.emit(Effect::Head(head));
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else {
            return wires.emit(Effect::Abort);
        };
        let Ok(data) = frame.into_data() else {
            continue;
        };
        if body.is_end_stream() {
            wires.emit(Effect::Chunk(data));
            break;
        }
        wires.write(data).await;
    }
    wires.emit(Effect::End);
}
