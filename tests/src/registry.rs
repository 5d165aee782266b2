//! A small OCI registry on loopback. It takes nothing that the distribution specification does not
//! allow: uploads must match their digest, a manifest's blobs must be there, a token must be shown.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::{Body, Frame, Incoming};
use hyper_util::rt::TokioIo;
use sha2::{Digest as _, Sha256};
use tokio::net::TcpListener;

use crate::upstream::Gate;

/// `USER:PASSWORD` of every registry under test.
pub const REGISTRY_AUTH: &str = "robot:a-registry-password";

const TOKEN: &str = "a-registry-token";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// A running registry. Dropping it ends it.
#[derive(Debug)]
pub struct Registry {
    /// Where it listens.
    pub addr: SocketAddr,
    state: Arc<State>,
    accepting: tokio::task::JoinHandle<()>,
}

#[derive(Debug)]
struct State {
    addr: SocketAddr,
    /// Blobs by digest, manifests by `REPOSITORY TAG-OR-DIGEST`, uploads by number.
    blobs: Mutex<HashMap<String, Bytes>>,
    manifests: Mutex<HashMap<String, Bytes>>,
    uploads: Mutex<Vec<bool>>,
    calls: Mutex<Vec<String>>,
    /// Whether blobs are fetched from another address, as from the storage behind a registry.
    storage: Option<SocketAddr>,
    /// What blobs wait for: uploads before they are acknowledged, fetches in their middle.
    slow: OnceLock<Gate>,
}

impl Registry {
    /// Starts one.
    pub async fn start() -> Self {
        Self::before(None).await
    }

    /// Starts one that sends those who fetch blobs to `storage`.
    pub async fn before(storage: Option<&Self>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let addr = listener.local_addr().expect("an address");
        let state = Arc::new(State {
            addr,
            blobs: Mutex::default(),
            manifests: Mutex::default(),
            uploads: Mutex::default(),
            calls: Mutex::default(),
            storage: storage.map(|storage| storage.addr),
            slow: OnceLock::new(),
        });
        let shared = Arc::clone(&state);
        let accepting = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let state = Arc::clone(&shared);
                let service = hyper::service::service_fn(move |request| {
                    let state = Arc::clone(&state);
                    async move { Ok::<_, Infallible>(answer(&state, request).await) }
                });
                let connection = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(socket), service);
                tokio::spawn(connection);
            }
        });
        Self {
            addr,
            state,
            accepting,
        }
    }

    /// The calls so far: method and path.
    pub fn calls(&self) -> Vec<String> {
        lock(&self.state.calls).clone()
    }

    /// A manifest as it was sent.
    pub fn manifest(&self, repository: &str, target: &str) -> Option<Bytes> {
        lock(&self.state.manifests)
            .get(&format!("{repository} {target}"))
            .cloned()
    }

    /// Changes what is kept, as a thief would: blobs by digest.
    pub fn tamper(&self, change: impl Fn(&str, &[u8]) -> Option<Vec<u8>>) {
        for (digest, blob) in lock(&self.state.blobs).iter_mut() {
            if let Some(other) = change(digest, blob) {
                *blob = other.into();
            }
        }
    }

    /// Puts another manifest under a name.
    pub fn replace(&self, repository: &str, target: &str, manifest: impl Into<Bytes>) {
        lock(&self.state.manifests).insert(format!("{repository} {target}"), manifest.into());
    }

    /// Makes each blob wait from now on: an upload before it is acknowledged, a fetch in its middle.
    pub fn slow_down(&self) -> Gate {
        self.state.slow.get_or_init(Gate::default).clone()
    }

    /// Gives everything it keeps to another registry.
    pub fn copy_to(&self, other: &Self) {
        lock(&other.state.blobs).extend(lock(&self.state.blobs).clone());
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

fn lock<T>(what: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    what.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn answer(state: &State, request: Request<Incoming>) -> Response<Halves> {
    let (head, body) = request.into_parts();
    let body = body
        .collect()
        .await
        .map(http_body_util::Collected::to_bytes);
    let body = body.unwrap_or_default();
    let path = head.uri.path().to_owned();
    lock(&state.calls).push(format!("{} {path}", head.method));
    let shown = head.headers.get(http::header::AUTHORIZATION);
    let shown = shown.and_then(|value| value.to_str().ok()).unwrap_or("");
    if path == "/token" {
        let query = head.uri.query().unwrap_or_default();
        let basic = "Basic cm9ib3Q6YS1yZWdpc3RyeS1wYXNzd29yZA==";
        if shown != basic || !query.contains("service=registry&scope=repository:") {
            return plain(StatusCode::UNAUTHORIZED, "no token for you");
        }
        return plain(StatusCode::OK, &format!("{{\"token\":\"{TOKEN}\"}}"));
    }
    // The storage behind a registry knows nothing of its tokens and must not see one.
    if let Some(digest) = path.strip_prefix("/storage/") {
        if !shown.is_empty() {
            return plain(StatusCode::BAD_REQUEST, "a token was shown to the storage");
        }
        return found(lock(&state.blobs).get(digest));
    }
    if shown != format!("Bearer {TOKEN}") {
        let mut refusal = plain(StatusCode::UNAUTHORIZED, "{}");
        let challenge = format!(
            "Bearer realm=\"http://{}/token\",service=\"registry\",scope=\"repository:a:pull,push\"",
            state.addr
        );
        let name = http::header::WWW_AUTHENTICATE;
        refusal
            .headers_mut()
            .insert(name, challenge.parse().expect("a header"));
        return refusal;
    }
    let Some(path) = path.strip_prefix("/v2/") else {
        return plain(StatusCode::NOT_FOUND, "no such path");
    };
    if let Some((repository, target)) = path.split_once("/manifests/") {
        return manifest(state, &head, (repository, target), body);
    }
    if let Some((_, upload)) = path.split_once("/blobs/uploads/") {
        if let Some(gate) = state.slow.get().filter(|_| head.method == Method::PUT) {
            gate.pass().await;
        }
        return upload_to(state, &head, upload, body);
    }
    match path.split_once("/blobs/") {
        Some((_, digest)) => blob(state, &head.method, digest),
        None => plain(StatusCode::NOT_FOUND, "no such path"),
    }
}

fn manifest(
    state: &State,
    head: &http::request::Parts,
    (repository, target): (&str, &str),
    body: Bytes,
) -> Response<Halves> {
    let name = format!("{repository} {target}");
    if head.method == Method::GET {
        return found(lock(&state.manifests).get(&name));
    }
    let kind = head.headers.get(http::header::CONTENT_TYPE);
    if head.method != Method::PUT || kind.is_none_or(|kind| kind != MANIFEST) {
        return plain(StatusCode::BAD_REQUEST, "not a manifest");
    }
    let parsed: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
    let layers = parsed["layers"].as_array().cloned().unwrap_or_default();
    let blobs = lock(&state.blobs);
    let whole = layers.iter().chain([&parsed["config"]]).all(|descriptor| {
        let kept = descriptor["digest"].as_str().and_then(|d| blobs.get(d));
        kept.is_some_and(|kept| descriptor["size"] == kept.len())
    });
    if !whole || layers.is_empty() {
        return plain(StatusCode::BAD_REQUEST, "MANIFEST_BLOB_UNKNOWN");
    }
    let mut manifests = lock(&state.manifests);
    manifests.insert(format!("{repository} {}", digest_of(&body)), body.clone());
    manifests.insert(name, body);
    plain(StatusCode::CREATED, "")
}

/// An upload begins with POST to the empty name and ends with PUT to the one that it was given.
fn upload_to(
    state: &State,
    head: &http::request::Parts,
    upload: &str,
    body: Bytes,
) -> Response<Halves> {
    let mut uploads = lock(&state.uploads);
    if head.method == Method::POST && upload.is_empty() {
        uploads.push(true);
        let mut begun = plain(StatusCode::ACCEPTED, "");
        // With a query of its own and without a host, as some registries have it.
        let location = format!("{}{}?state=a%2Bb", head.uri.path(), uploads.len() - 1);
        let name = http::header::LOCATION;
        begun
            .headers_mut()
            .insert(name, location.parse().expect("a header"));
        return begun;
    }
    let query = head.uri.query().unwrap_or_default();
    let number: usize = upload.parse().unwrap_or(usize::MAX);
    let open = uploads.get_mut(number).is_some_and(std::mem::take);
    let digest = query.strip_prefix("state=a%2Bb&digest=");
    if head.method != Method::PUT || !open || digest != Some(&digest_of(&body)) {
        return plain(StatusCode::BAD_REQUEST, "DIGEST_INVALID");
    }
    lock(&state.blobs).insert(digest_of(&body), body);
    plain(StatusCode::CREATED, "")
}

fn blob(state: &State, method: &Method, digest: &str) -> Response<Halves> {
    let blobs = lock(&state.blobs);
    match (blobs.get(digest), state.storage) {
        (Some(_), Some(storage)) if method == Method::GET => {
            let mut moved = plain(StatusCode::TEMPORARY_REDIRECT, "");
            let location = format!("http://{storage}/storage/{digest}");
            moved
                .headers_mut()
                .insert(http::header::LOCATION, location.parse().expect("a header"));
            moved
        }
        (blob, _) => {
            let mut found = found(blob);
            if let Some(gate) = state.slow.get().filter(|_| method == Method::GET) {
                found.body_mut().wait_for(gate.clone());
            }
            found
        }
    }
}

/// A body that may wait in its middle.
#[derive(Default)]
struct Halves {
    first: Bytes,
    second: Bytes,
    wait: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl Halves {
    fn wait_for(&mut self, gate: Gate) {
        self.first = self.second.split_to(self.second.len() / 2);
        self.wait = Some(Box::pin(async move { gate.pass().await }));
    }
}

impl Body for Halves {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let mut next = std::mem::take(&mut self.first);
        if next.is_empty() {
            if let Some(wait) = &mut self.wait {
                ready!(wait.as_mut().poll(context));
                self.wait = None;
            }
            next = std::mem::take(&mut self.second);
        }
        Poll::Ready((!next.is_empty()).then(|| Ok(Frame::data(next))))
    }
}

fn found(what: Option<&Bytes>) -> Response<Halves> {
    match what {
        Some(bytes) => Response::new(Halves {
            second: bytes.clone(),
            ..Halves::default()
        }),
        None => plain(
            StatusCode::NOT_FOUND,
            "{\"errors\":[{\"code\":\"UNKNOWN\"}]}",
        ),
    }
}

fn plain(status: StatusCode, text: &str) -> Response<Halves> {
    let mut response = Response::new(Halves {
        second: Bytes::copy_from_slice(text.as_bytes()),
        ..Halves::default()
    });
    *response.status_mut() = status;
    response
}

/// As the registry names it.
pub fn digest_of(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}
