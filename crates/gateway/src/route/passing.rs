//! Who has which of the endpoints that pass through, where, and the request for one of them.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use forebay_dialect::Wire;
use forebay_dialect::exchange::Back;
use http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use super::attempt::Attempts;
use super::prepare::Prepared;
use super::provider::encode;
use super::{Replica, Route, Upstream};
use crate::config::{Provider, ProviderOptions};
use crate::decide::LARGE;
use crate::error::{ErrorKind, GatewayError};
use crate::memory::booked;
use crate::platform::{BoxFuture, OpenSocket, Platform};
use crate::through::{Passage, Sent};

const OPENAI: &[&str] = &[
    "moderations",
    "images.generations",
    "images.edits",
    "images.variations",
    "audio.speech",
    "audio.transcriptions",
    "audio.translations",
    "files",
    "batches",
    "vector_stores",
    "containers",
    "realtime",
];
const AZURE: &[&str] = &[
    "images.generations",
    "images.edits",
    "audio.speech",
    "audio.transcriptions",
    "audio.translations",
    "files",
    "batches",
    "vector_stores",
    "containers",
    "realtime",
];
/// vLLM 0.32: `vllm/entrypoints`.
const VLLM: &[&str] = &[
    "rerank",
    "score",
    "tokenize",
    "detokenize",
    "classify",
    "pooling",
    "audio.transcriptions",
    "audio.translations",
];
const SGLANG: &[&str] = &[
    "rerank",
    "score",
    "tokenize",
    "detokenize",
    "classify",
    "audio.transcriptions",
];
const LLAMACPP: &[&str] = &["rerank", "tokenize", "detokenize"];

impl Provider {
    /// The endpoints that pass through to it, unless its configuration says otherwise.
    pub(crate) fn passages(self, options: &ProviderOptions) -> &'static [&'static str] {
        match self {
            // Whoever it is says itself what it lacks.
            Provider::Compatible => crate::through::NAMES,
            Provider::Openai => OPENAI,
            Provider::Azure => match options.api() {
                "" | "v1" | "deployments" => AZURE,
                _ => &[],
            },
            Provider::Vllm => VLLM,
            Provider::Sglang => SGLANG,
            Provider::Llamacpp => LLAMACPP,
            Provider::Cohere => &["rerank"],
            Provider::Gemini => &["cachedContents"],
            Provider::Mistral => &["moderations", "audio.transcriptions"],
            _ => &[],
        }
    }

    /// Where such an endpoint is, from the base URL on.
    pub(crate) fn passage_path(
        self,
        options: &ProviderOptions,
        path: &str,
        model: Option<&str>,
    ) -> String {
        let verb = path.strip_prefix("/v1/").unwrap_or(path);
        match (self, options.api(), model) {
            (Provider::Azure, "deployments", Some(model)) => {
                let version = options.api_version.as_deref().unwrap_or("2024-10-21");
                let model = encode(model);
                format!("/openai/deployments/{model}/{verb}?api-version={version}")
            }
            (Provider::Azure, ..) => format!("/openai/v1/{verb}"),
            _ => path.to_owned(),
        }
    }

    /// Where its Realtime API is, from the base URL on.
    fn realtime_path(self, options: &ProviderOptions, path: &str, model: Option<&str>) -> String {
        let model = model.map(encode);
        let (mut out, named) = match (self, options.api()) {
            (Provider::Azure, "deployments") => {
                let version = options.api_version.as_deref();
                let version = version.unwrap_or("2025-04-01-preview");
                let home = format!("/openai/realtime?api-version={version}");
                (home, "deployment")
            }
            (Provider::Azure, _) => ("/openai/v1/realtime".to_owned(), "model"),
            _ => ("/v1/realtime".to_owned(), "model"),
        };
        let intent = path.split_once('?').map(|(_, query)| query.to_owned());
        let model = model.map(|model| format!("{named}={model}"));
        for pair in model.into_iter().chain(intent) {
            out.push(if out.contains('?') { '&' } else { '?' });
            out.push_str(&pair);
        }
        out
    }
}

impl Upstream {
    /// Whether it has this endpoint, for this model where one is named.
    pub(crate) fn passes(&self, passage: &Passage, model: Option<&str>) -> bool {
        if passage == &crate::through::RAW {
            return true;
        }
        let config = &self.config;
        let has = match &config.passes {
            Some(named) => named.iter().any(|name| name == passage.name),
            None => config
                .provider
                .passages(&config.options)
                .contains(&passage.name),
        };
        has && model.is_none_or(|model| self.model_name(model).is_some())
    }
}

impl<P: Platform> Attempts<P> {
    /// The request for an endpoint that passes through.
    pub(super) async fn pass(
        &self,
        sent: &Arc<Sent>,
        upstream: &Upstream,
        endpoint: &Replica,
        limit: Duration,
    ) -> Result<Prepared, GatewayError> {
        let config = &upstream.config;
        let model = sent
            .model
            .as_deref()
            .and_then(|model| upstream.model_name(model));
        let (provider, options) = (config.provider, &config.options);
        let path = match sent.is_socket() {
            true => provider.realtime_path(options, sent.path(), model),
            false => provider.passage_path(options, sent.path(), model),
        };
        let mut out = http::Request::builder()
            .method(sent.at.as_ref().map_or(&Method::POST, |at| &at.method))
            .uri(endpoint.url(&path))
            .body(booked(
                &*self.sender.platform,
                &sent.original(),
                self.passing_body(sent, model, upstream).await?,
            )?)
            .map_err(|_| {
                GatewayError::new(ErrorKind::Internal, "the upstream's URL is not valid")
            })?;
        self.passing_headers(upstream, sent, limit, out.headers_mut());
        if sent.is_socket() {
            let max_message = self.sender.config.realtime.max_message;
            out.extensions_mut().insert(OpenSocket { max_message });
        }
        endpoint.address_rank(out.headers_mut());
        Ok(Prepared {
            request: out,
            route: Route::new(Wire::Chat, path),
            lost: Vec::new(),
            back: Arc::new(Back::default()),
            added: Vec::new(),
            model: model.unwrap_or_default().to_owned(),
            marked: false,
            expected_cached: 0.0,
        })
    }

    /// The body with the models' names as the upstream has them. A large one is written where it
    /// keeps nobody waiting.
    fn passing_body(
        &self,
        sent: &Arc<Sent>,
        model: Option<&str>,
        upstream: &Upstream,
    ) -> BoxFuture<'static, Result<Bytes, GatewayError>> {
        let mut names = Vec::with_capacity(sent.models.len());
        for asked in &sent.models {
            if let Some(name) = upstream.model_name(asked) {
                names.push((asked.clone(), name.to_owned()));
            }
        }
        if sent.size() < LARGE {
            return Box::pin(std::future::ready(sent.body(model, &names)));
        }
        let (sent, model) = (sent.clone(), model.map(str::to_owned));
        let work = async move { sent.body(model.as_deref(), &names) };
        let (platform, tenant) = (self.sender.platform.clone(), self.outgoing.tenant.clone());
        Box::pin(async move { platform.aside(&tenant, work).await })
    }

    fn passing_headers(
        &self,
        upstream: &Upstream,
        sent: &Sent,
        limit: Duration,
        out: &mut HeaderMap,
    ) {
        out.insert(CONTENT_TYPE, sent.media.clone());
        out.insert(ACCEPT, HeaderValue::from_static("*/*"));
        out.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        out.insert(
            USER_AGENT,
            HeaderValue::from_static(concat!("forebay/", env!("CARGO_PKG_VERSION"))),
        );
        if let Ok(value) = HeaderValue::from_str(&limit.as_millis().to_string()) {
            out.insert("x-envoy-expected-rq-timeout-ms", value);
        }
        for (name, value) in upstream.config.provider.headers(&upstream.config.options) {
            out.insert(
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            );
        }
        out.extend(self.outgoing.headers.clone());
        out.extend(upstream.headers.clone());
    }
}
