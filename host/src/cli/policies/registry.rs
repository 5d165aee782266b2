//! The calls of the OCI distribution specification that send and fetch one artefact.

use std::time::Duration;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use forebay_artefact::{Digest, MANIFEST_TYPE, Manifest, Reference};
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, LOCATION};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Limited};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;

use super::super::progress::Moved;
use super::auth::{self, Challenge, Credentials};
use super::sent::Sent;

/// How long one exchange may take: 64 MiB over two megabits a second.
const LIMIT: Duration = Duration::from_secs(300);

/// The largest manifest, as the specification asks registries to take it, in bytes.
const MAX_MANIFEST: u64 = 4 << 20;

/// The longest answer that is neither a manifest nor a component, in bytes.
const MAX_ANSWER: u64 = 64 << 10;

/// How often a registry may send a fetch elsewhere.
const MAX_REDIRECTS: usize = 3;

/// A registry, with what it wants to see of us.
pub(super) struct Registry {
    client: Client<HttpsConnector<HttpConnector>, Sent>,
    base: Uri,
    credentials: Option<Credentials>,
    authorization: Option<HeaderValue>,
    /// The bytes of components, for whoever watches.
    moved: Moved,
}

/// What is asked of a registry.
struct Ask<'a> {
    method: Method,
    url: Uri,
    /// The type of what is sent, or else of what is wanted.
    kind: &'static str,
    body: &'a [u8],
    max_answer: u64,
    /// Whether it moves a component, whose bytes are counted.
    counts: bool,
}

/// What it answered.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Registry {
    pub(super) fn new(name: &str, plain: bool, moved: Moved) -> anyhow::Result<Self> {
        let plain = plain || loopback(name);
        let scheme = if plain { "http" } else { "https" };
        let base = format!("{scheme}://{name}/")
            .parse()
            .with_context(|| format!("\"{name}\" is not a registry's address"))?;
        let connector = hyper_rustls::HttpsConnectorBuilder::new()
            .with_provider_and_webpki_roots(rustls::crypto::ring::default_provider())
            .context("TLS can't be set up")?;
        let connector = match plain {
            true => connector.https_or_http(),
            // A redirect or an upload's address must not leave TLS.
            false => connector.https_only(),
        };
        Ok(Self {
            client: Client::builder(TokioExecutor::new()).build(connector.enable_http1().build()),
            base,
            credentials: auth::credentials(name)?,
            authorization: None,
            moved,
        })
    }

    /// Sends the blobs that it lacks, then the manifest. Gives the manifest's digest.
    pub(super) async fn push(
        &mut self,
        reference: &Reference,
        manifest: &Manifest,
        blobs: Vec<Vec<u8>>,
    ) -> anyhow::Result<Digest> {
        let repository = &reference.repository;
        for blob in blobs {
            self.upload(repository, &blob).await?;
        }
        let text = manifest.to_json();
        let digest = Digest::of(&text);
        if reference.digest.is_some_and(|pinned| pinned != digest) {
            bail!("the artefact's digest is {digest}, which is not the requested one");
        }
        let path = format!("v2/{repository}/manifests/{}", reference.target());
        let put = Ask {
            method: Method::PUT,
            url: self.url(&path)?,
            kind: MANIFEST_TYPE,
            body: &text,
            max_answer: MAX_ANSWER,
            counts: false,
        };
        self.ask(put).await?.expect(&[StatusCode::CREATED])?;
        Ok(digest)
    }

    async fn upload(&mut self, repository: &str, blob: &[u8]) -> anyhow::Result<()> {
        let digest = Digest::of(blob);
        let head = Ask {
            method: Method::HEAD,
            ..self.get(&format!("v2/{repository}/blobs/{digest}"), "*/*")?
        };
        if self.ask(head).await?.status == StatusCode::OK {
            return Ok(());
        }
        let post = Ask {
            method: Method::POST,
            ..self.get(&format!("v2/{repository}/blobs/uploads/"), "*/*")?
        };
        let url = post.url.clone();
        let begun = self.ask(post).await?.expect(&[StatusCode::ACCEPTED])?;
        let location = begun.location(&url)?.to_string();
        let more = if location.contains('?') { '&' } else { '?' };
        let put = Ask {
            method: Method::PUT,
            url: format!("{location}{more}digest={digest}").parse()?,
            kind: "application/octet-stream",
            body: blob,
            max_answer: MAX_ANSWER,
            counts: true,
        };
        self.moved.expect(blob.len() as u64);
        self.ask(put).await?.expect(&[StatusCode::CREATED])?;
        Ok(())
    }

    /// Fetches an artefact. Every byte is checked against the digests that lead to it.
    pub(super) async fn pull(
        &mut self,
        reference: &Reference,
        max: u64,
    ) -> anyhow::Result<(Manifest, Digest, Bytes)> {
        let repository = &reference.repository;
        let path = format!("v2/{repository}/manifests/{}", reference.target());
        let get = Ask {
            max_answer: MAX_MANIFEST,
            ..self.get(&path, MANIFEST_TYPE)?
        };
        let text = self.fetch(get).await?;
        let digest = Digest::of(&text);
        if let Some(pinned) = reference.digest.filter(|pinned| *pinned != digest) {
            bail!("the manifest has the digest {digest}, but {pinned} was requested");
        }
        let manifest = Manifest::from_json(&text)?;
        let blob = manifest.component;
        if blob.size > max {
            bail!(
                "the component has {} bytes, over the limit of {max}",
                blob.size
            );
        }
        self.moved.expect(blob.size);
        let get = Ask {
            counts: true,
            max_answer: blob.size,
            ..self.get(&format!("v2/{repository}/blobs/{}", blob.digest), "*/*")?
        };
        let component = self.fetch(get).await?;
        let found = Digest::of(&component);
        if found != blob.digest {
            bail!(
                "the component has the digest {found}; its manifest says {}",
                blob.digest
            );
        }
        Ok((manifest, digest, component))
    }

    /// Follows redirects, as to the storage behind a registry.
    async fn fetch(&mut self, mut ask: Ask<'_>) -> anyhow::Result<Bytes> {
        for _ in 0..=MAX_REDIRECTS {
            let url = ask.url.clone();
            let again = self.get("", ask.kind)?;
            let (max_answer, counts) = (ask.max_answer, ask.counts);
            let answer = self.ask(ask).await?;
            if !answer.status.is_redirection() {
                return Ok(answer.expect(&[StatusCode::OK])?.body);
            }
            ask = Ask {
                url: answer.location(&url)?,
                max_answer,
                counts,
                ..again
            };
        }
        bail!("it redirects more than {MAX_REDIRECTS} times")
    }

    fn get(&self, path: &str, kind: &'static str) -> anyhow::Result<Ask<'static>> {
        Ok(Ask {
            method: Method::GET,
            url: self.url(path)?,
            kind,
            body: &[],
            max_answer: MAX_ANSWER,
            counts: false,
        })
    }

    fn url(&self, path: &str) -> anyhow::Result<Uri> {
        Ok(format!("{}{path}", self.base).parse()?)
    }

    /// Asks, and once more when it wants to know who asks.
    async fn ask(&mut self, ask: Ask<'_>) -> anyhow::Result<Answer> {
        let answer = self.exchange(&ask, self.own(&ask.url)).await?;
        if answer.status != StatusCode::UNAUTHORIZED || !self.is_own(&ask.url) {
            return Ok(answer);
        }
        self.authorization = Some(self.authorize(&answer).await?);
        self.exchange(&ask, self.own(&ask.url)).await
    }

    /// What it is shown: nothing, where an address is not the registry's own.
    fn own(&self, url: &Uri) -> Option<HeaderValue> {
        self.authorization.clone().filter(|_| self.is_own(url))
    }

    fn is_own(&self, url: &Uri) -> bool {
        url.authority() == self.base.authority() && url.scheme() == self.base.scheme()
    }

    async fn authorize(&self, refusal: &Answer) -> anyhow::Result<HeaderValue> {
        let basic = self.credentials.as_ref().map(Credentials::basic);
        match Challenge::of(&refusal.headers)? {
            Challenge::Basic => basic
                .context("it requires credentials; use `docker login` or FOREBAY_REGISTRY_AUTH"),
            Challenge::Token(url) => {
                let get = Ask {
                    method: Method::GET,
                    url,
                    kind: "application/json",
                    body: &[],
                    max_answer: MAX_ANSWER,
                    counts: false,
                };
                let answer = self.exchange(&get, basic).await?;
                let answer = answer
                    .expect(&[StatusCode::OK])
                    .context("its token service")?;
                auth::bearer(&answer.body)
            }
        }
    }

    async fn exchange(
        &self,
        ask: &Ask<'_>,
        authorization: Option<HeaderValue>,
    ) -> anyhow::Result<Answer> {
        let sends = ask.method == Method::PUT;
        let mut request = Request::builder()
            .method(ask.method.clone())
            .uri(ask.url.clone())
            .header(if sends { CONTENT_TYPE } else { ACCEPT }, ask.kind);
        if let Some(mut authorization) = authorization {
            authorization.set_sensitive(true);
            request = request.header(AUTHORIZATION, authorization);
        }
        let moved = ask.counts.then(|| self.moved.clone());
        let (sent, received) = if sends { (moved, None) } else { (None, moved) };
        let request = request.body(Sent::new(Bytes::copy_from_slice(ask.body), sent))?;
        let exchange = async {
            let (head, body) = self.client.request(request).await?.into_parts();
            let limit = usize::try_from(ask.max_answer).unwrap_or(usize::MAX);
            let body = body.map_frame(|piece| {
                if let (Some(received), Some(data)) = (&received, piece.data_ref()) {
                    received.add(data.len());
                }
                piece
            });
            let body = Limited::new(body, limit).collect().await;
            let body = body.map_err(|e| anyhow::anyhow!("its answer can't be read: {e}"))?;
            anyhow::Ok(Answer {
                status: head.status,
                headers: head.headers,
                body: body.to_bytes(),
            })
        };
        // Query parameters may hold an upload's secret state.
        let shown = format!("{} {}", ask.method, ask.url.path());
        tokio::time::timeout(LIMIT, exchange)
            .await
            .with_context(|| format!("{shown} took longer than {} s", LIMIT.as_secs()))?
            .with_context(|| shown)
    }
}

impl Answer {
    fn expect(self, wanted: &[StatusCode]) -> anyhow::Result<Self> {
        if wanted.contains(&self.status) {
            return Ok(self);
        }
        let said: String = String::from_utf8_lossy(&self.body)
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .take(500)
            .collect();
        bail!("it answered {}: {said}", self.status)
    }

    /// The address that it sends us to.
    fn location(&self, from: &Uri) -> anyhow::Result<Uri> {
        let location = self
            .headers
            .get(LOCATION)
            .context("its answer has no Location header")?;
        let location: Uri = location
            .to_str()
            .ok()
            .and_then(|text| text.parse().ok())
            .context("the Location header is malformed")?;
        let mut parts = location.into_parts();
        if parts.authority.is_none() {
            parts.scheme = from.scheme().cloned();
            parts.authority = from.authority().cloned();
        }
        Uri::from_parts(parts).context("the Location header is malformed")
    }
}

/// Whether a registry's name is this machine.
fn loopback(name: &str) -> bool {
    let Ok(authority) = name.parse::<http::uri::Authority>() else {
        return false;
    };
    let host = authority.host().trim_matches(['[', ']']);
    host == "localhost"
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|ip| ip.is_loopback())
}
