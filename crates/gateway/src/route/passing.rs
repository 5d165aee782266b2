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
use super::provider::{Seller, encode};
use super::{Replica, Route, Upstream};
use crate::decide::LARGE;
use crate::error::{ErrorKind, GatewayError};
use crate::memory::booked;
use crate::platform::{BoxFuture, OpenSocket, Platform};
use crate::through::{Passage, Sent};

/// Where a provider's Realtime API is, from the base URL on.
fn realtime_path(seller: &dyn Seller, path: &str, model: Option<&str>) -> String {
    let (home, named) = seller.realtime();
    let mut out = home.into_owned();
    let intent = path.split_once('?').map(|(_, query)| query.to_owned());
    let model = model.map(|model| format!("{named}={}", encode(model)));
    for pair in model.into_iter().chain(intent) {
        out.push(if out.contains('?') { '&' } else { '?' });
        out.push_str(&pair);
    }
    out
}

impl Upstream {
    /// Whether it has this endpoint, for this model where one is named.
    pub(crate) fn passes(&self, passage: &Passage, model: Option<&str>) -> bool {
        if passage == &crate::through::RAW {
            return true;
        }
        let has = match &self.config.passes {
            Some(named) => named.iter().any(|name| name == passage.name),
            None => self.seller.passages().contains(&passage.name),
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
        let model = sent
            .model
            .as_deref()
            .and_then(|model| upstream.model_name(model));
        let path = match sent.is_socket() {
            true => realtime_path(&*upstream.seller, sent.path(), model),
            false => upstream.seller.passage_path(sent.path(), model),
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
        for (name, value) in upstream.seller.headers() {
            out.insert(
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            );
        }
        out.extend(self.outgoing.headers.clone());
        out.extend(upstream.headers.clone());
    }
}
