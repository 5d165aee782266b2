//! A scripted token endpoint, an environment of a test's own, and a clock that only moves when told.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use async_lock::Semaphore;
use bytes::Bytes;
use forebay_credentials::{
    AuthConfig, Authorized, BoxFuture, CredentialError, Credentials, Defaults, Fetch, Resolve,
};
use futures_util::FutureExt;
use futures_util::task::noop_waker;
use http::{Request, Response};

/// 2026-01-31 12:00:00 UTC, the moment of the golden values.
pub(crate) const NOW: u64 = 1_769_860_800;

pub(crate) const KEY: &str = include_str!("keys/rsa-pkcs8.pem");

pub(crate) fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(NOW + seconds)
}

type Script = dyn Fn(usize, &Request<Bytes>) -> Result<Response<Bytes>, String> + Send + Sync;

/// Answers by a script, which gets the number of the request; remembers what was asked.
pub(crate) struct Endpoint {
    script: Box<Script>,
    asked: Mutex<Vec<Request<Bytes>>>,
    gate: Option<Semaphore>,
}

impl Endpoint {
    pub(crate) fn new(
        script: impl Fn(usize, &Request<Bytes>) -> Result<Response<Bytes>, String>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        Self {
            script: Box::new(script),
            asked: Mutex::default(),
            gate: None,
        }
    }

    /// Every answer has this status and body.
    pub(crate) fn always(status: u16, body: &str) -> Self {
        let body = body.to_owned();
        Self::new(move |_, _| Ok(answer(status, &body)))
    }

    /// Nobody may be asked.
    pub(crate) fn none() -> Self {
        Self::new(|_, request| panic!("asked {}", request.uri()))
    }

    /// Answers wait until [`Endpoint::open`].
    pub(crate) fn gated(mut self) -> Self {
        self.gate = Some(Semaphore::new(0));
        self
    }

    /// Lets `n` answers go.
    pub(crate) fn open(&self, n: usize) {
        self.gate.as_ref().unwrap().add_permits(n);
    }

    pub(crate) fn count(&self) -> usize {
        self.asked.lock().unwrap().len()
    }

    pub(crate) fn request(&self, n: usize) -> Request<Bytes> {
        self.asked.lock().unwrap()[n].clone()
    }

    /// The fields of the form that was posted.
    pub(crate) fn form(&self, n: usize) -> BTreeMap<String, String> {
        url::form_urlencoded::parse(self.request(n).body())
            .into_owned()
            .collect()
    }
}

impl Fetch for Endpoint {
    fn fetch<'a>(
        &'a self,
        request: Request<Bytes>,
    ) -> BoxFuture<'a, Result<Response<Bytes>, String>> {
        Box::pin(async move {
            let n = {
                let mut asked = self.asked.lock().unwrap();
                asked.push(request.clone());
                asked.len() - 1
            };
            if let Some(gate) = &self.gate {
                gate.acquire().await.forget();
            }
            (self.script)(n, &request)
        })
    }
}

pub(crate) fn answer(status: u16, body: &str) -> Response<Bytes> {
    Response::builder()
        .status(status)
        .body(Bytes::copy_from_slice(body.as_bytes()))
        .unwrap()
}

/// Variables and files of a test. Files can be rewritten.
#[derive(Default)]
pub(crate) struct World {
    variables: BTreeMap<String, String>,
    files: Mutex<BTreeMap<String, String>>,
}

impl World {
    pub(crate) fn new(variables: &[(&str, &str)], files: &[(&str, &str)]) -> Arc<Self> {
        let own = |pairs: &[(&str, &str)]| {
            pairs
                .iter()
                .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
                .collect()
        };
        Arc::new(Self {
            variables: own(variables),
            files: Mutex::new(own(files)),
        })
    }

    pub(crate) fn write(&self, path: &str, content: &str) {
        let mut files = self.files.lock().unwrap();
        files.insert(path.to_owned(), content.to_owned());
    }
}

impl Resolve for World {
    fn variable(&self, name: &str) -> Option<String> {
        self.variables.get(name).cloned()
    }

    fn file(&self, path: &str) -> Result<Vec<u8>, String> {
        let files = self.files.lock().unwrap();
        let content = files.get(path).ok_or("no such file")?;
        Ok(content.clone().into_bytes())
    }
}

/// The `auth` table of a TOML text.
pub(crate) fn config(auth: &str) -> AuthConfig {
    toml::from_str(auth).unwrap()
}

pub(crate) fn try_build(auth: &str, world: &Arc<World>) -> Result<Credentials, CredentialError> {
    let resolve: Arc<dyn Resolve> = Arc::clone(world) as Arc<dyn Resolve>;
    let defaults = Defaults {
        upstream: "cloud-eu",
        region: "",
    };
    Credentials::new(&config(auth), &defaults, &resolve)
}

pub(crate) fn build(auth: &str, world: &Arc<World>) -> Credentials {
    try_build(auth, world).unwrap()
}

/// The message of what keeps a configuration from being built.
pub(crate) fn build_error(auth: &str, world: &Arc<World>) -> String {
    try_build(auth, world).unwrap_err().to_string()
}

pub(crate) fn request() -> Request<Bytes> {
    Request::post("https://cloud.example/v1/chat/completions")
        .header("content-type", "application/json")
        .body(Bytes::from_static(b"{}"))
        .unwrap()
}

/// Authorizes a fresh request at once; the request and what it was authorized with.
pub(crate) fn authorize(
    credentials: &Credentials,
    endpoint: &Endpoint,
    now: SystemTime,
) -> Result<(Request<Bytes>, Authorized), CredentialError> {
    let mut request = request();
    let authorized = credentials
        .authorize(&mut request, endpoint, now)
        .now_or_never()
        .expect("waits for nothing")?;
    Ok((request, authorized))
}

pub(crate) fn header<'a>(request: &'a Request<Bytes>, name: &str) -> &'a str {
    request.headers()[name].to_str().unwrap()
}

/// The `Authorization` that a fresh request gets.
pub(crate) fn authorization(
    credentials: &Credentials,
    endpoint: &Endpoint,
    now: SystemTime,
) -> String {
    let (request, _) = authorize(credentials, endpoint, now).unwrap();
    header(&request, "authorization").to_owned()
}

/// Requests under way at once, polled by hand.
pub(crate) struct Crowd<'a> {
    waiting: Vec<Option<Pin<Box<dyn Future<Output = Outcome> + 'a>>>>,
    pub(crate) done: Vec<Option<Outcome>>,
}

type Outcome = Result<String, CredentialError>;

impl<'a> Crowd<'a> {
    pub(crate) fn new(
        n: usize,
        credentials: &'a Credentials,
        endpoint: &'a Endpoint,
        now: SystemTime,
    ) -> Self {
        let one = || async move {
            let mut request = request();
            credentials.authorize(&mut request, endpoint, now).await?;
            Ok(header(&request, "authorization").to_owned())
        };
        let waiting = (0..n).map(|_| Some(Box::pin(one()) as Pin<Box<dyn Future<Output = _>>>));
        Self {
            waiting: waiting.collect(),
            done: vec![None; n],
        }
    }

    /// Polls everyone until nobody gets further.
    pub(crate) fn settle(&mut self) {
        let waker = noop_waker();
        let mut context = Context::from_waker(&waker);
        for _ in 0..self.waiting.len() + 2 {
            for (slot, done) in self.waiting.iter_mut().zip(&mut self.done) {
                let Some(future) = slot else { continue };
                if let Poll::Ready(outcome) = future.as_mut().poll(&mut context) {
                    *done = Some(outcome);
                    *slot = None;
                }
            }
        }
    }

    /// The client of the request `n` leaves.
    pub(crate) fn leave(&mut self, n: usize) {
        self.waiting[n] = None;
    }

    pub(crate) fn finished(&self) -> usize {
        self.done.iter().flatten().count()
    }
}
