//! The request that goes to one upstream: the client's own bytes where it speaks their format,
//! else a translation, which says what it had to leave out.

use std::time::Duration;

use bytes::Bytes;
use forebay_dialect::exchange::{Lost, WriteOptions};
use forebay_dialect::{
    BodyChange, TranslateError, Wire, json_string, media_urls, translate_request,
};
use http::header::{ACCEPT, CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::attempt::Attempts;
use super::{Endpoint, Framing, Route, Upstream};
use crate::config::Losses;
use crate::error::{ErrorKind, GatewayError};
use crate::platform::Platform;
use crate::time::timeout;

/// Media that one prompt may have fetched: as many as Bedrock takes images.
const MAX_MEDIA: usize = 20;

/// A request, all but authenticated, and how its answer is to be read.
pub(super) struct Prepared {
    pub(super) request: http::Request<Bytes>,
    pub(super) route: Route,
    /// What the upstream is not told.
    pub(super) lost: Vec<String>,
    /// Members of the body that the client did not send: an upstream that refuses one is asked
    /// without it.
    pub(super) added: Vec<String>,
}

/// A body as one upstream gets it.
struct Body {
    body: Bytes,
    lost: Vec<String>,
    added: Vec<String>,
}

/// Headers of the client's that belong to its dialect, and go where that is spoken.
pub(crate) fn dialect_headers(wire: Wire) -> &'static [HeaderName] {
    static ANTHROPIC: [HeaderName; 2] = [
        HeaderName::from_static("anthropic-beta"),
        HeaderName::from_static("anthropic-version"),
    ];
    static OPENAI: [HeaderName; 1] = [HeaderName::from_static("openai-beta")];
    match wire {
        Wire::Messages => &ANTHROPIC,
        Wire::Chat | Wire::Responses => &OPENAI,
        _ => &[],
    }
}

impl<P: Platform> Attempts<P> {
    /// The request for this replica, or why this upstream can't be asked it.
    pub(super) async fn prepare(
        &mut self,
        upstream: &Upstream,
        endpoint: &Endpoint,
        limit: Duration,
    ) -> Result<Prepared, GatewayError> {
        let request = self.outgoing.request.clone();
        let asked = &*request.prompt.model;
        let model = upstream.model_name(asked).unwrap_or(asked).to_owned();
        let route = upstream
            .route(request.wire(), &model, request.stream)
            .ok_or_else(|| cannot_take(upstream, request.wire()))?;
        if route.wire != request.wire() {
            self.fetch_media(upstream, &route).await?;
        }
        let Body { body, lost, added } = self.body(upstream, &route, &model)?;
        let path = if self.outgoing.count {
            count_path(request.wire(), &route).ok_or_else(|| cannot_take(upstream, route.wire))?
        } else {
            route.path.clone()
        };
        let mut out = http::Request::post(format!("{}{path}", endpoint.base))
            .body(body)
            .map_err(|_| {
                GatewayError::new(ErrorKind::Internal, "the upstream's URL can't be asked")
            })?;
        self.headers(upstream, &route, limit, out.headers_mut());
        Ok(Prepared {
            request: out,
            route,
            lost,
            added,
        })
    }

    /// Fetches what a prompt names by URL and this upstream takes as bytes only.
    async fn fetch_media(
        &mut self,
        upstream: &Upstream,
        route: &Route,
    ) -> Result<(), GatewayError> {
        let urls = media_urls(&self.outgoing.request, route.wire, route.profile)
            .map_err(|e| not_translated(upstream, &e))?;
        if urls.len() > MAX_MEDIA {
            let error =
                format!("a prompt may name at most {MAX_MEDIA} media by URL for this upstream");
            return Err(GatewayError::new(ErrorKind::NotExpressible, error));
        }
        for url in urls {
            if self.state.media.iter().any(|known| known.url == url) {
                continue;
            }
            let platform = self.sender.platform.clone();
            let rules = &self.sender.config.media;
            let fetching = platform.fetch_media(&url, rules);
            let fetched = timeout(&*platform, rules.timeout.0, fetching).await;
            let why = match fetched {
                Some(Ok(fetched)) => {
                    self.state.media.push(fetched);
                    continue;
                }
                Some(Err(why)) => why,
                None => "it did not come in time (media.timeout)".to_owned(),
            };
            return Err(GatewayError::new(
                ErrorKind::NotExpressible,
                format!(
                    "upstream \"{}\" takes media as bytes only, and one that the prompt names by URL was not fetched: {why}",
                    upstream.name
                ),
            ));
        }
        Ok(())
    }

    fn body(&self, upstream: &Upstream, route: &Route, model: &str) -> Result<Body, GatewayError> {
        let request = &self.outgoing.request;
        let salt = json_string(&self.outgoing.cache_salt);
        let has = |name: &str| request.prompt.extra.iter().any(|field| field.name == name);
        let mut set: Vec<(&str, &str)> = Vec::new();
        if matches!(route.wire, Wire::Chat | Wire::Completions | Wire::Responses) {
            let hints = self.outgoing.hints.iter();
            let absent = hints.filter(|hint| !has(&hint.name) && !upstream.refuses(&hint.name));
            set.extend(absent.map(|hint| (hint.name.as_str(), hint.value.as_str())));
        }
        if upstream.config.cache_salt && !upstream.refuses("cache_salt") {
            set.push(("cache_salt", &salt));
        }
        let mut added: Vec<String> = set.iter().map(|(name, _)| (*name).to_owned()).collect();
        set.extend(route.set.iter().map(|(name, json)| (*name, json.as_str())));
        let include_usage = request.stream
            && upstream.config.include_usage
            && !self.outgoing.unread
            && !upstream.refuses("stream_options")
            && !route.remove.contains(&"stream_options");
        if include_usage && !request.include_usage {
            added.push("stream_options".to_owned());
        }
        let differs = route.differs.iter().any(|name| has(name));
        if route.wire == request.wire() && !differs {
            let renamed = (model != &*request.prompt.model).then_some(model);
            let body = request.upstream_body(&BodyChange {
                model: renamed,
                stream: None,
                include_usage,
                set: &set,
                remove: route.remove,
            });
            return Ok(Body {
                body,
                lost: Vec::new(),
                added,
            });
        }
        let options = WriteOptions {
            model: model.to_owned(),
            stream: request.stream,
            include_usage,
            default_max_tokens: upstream.config.default_max_tokens,
            profile: route.profile,
            fetched: self.state.media.clone(),
            set: set
                .into_iter()
                .map(|(name, json)| (name.to_owned(), json.to_owned()))
                .collect(),
        };
        let written = translate_request(request, route.wire, &options)
            .map_err(|error| not_translated(upstream, &error))?;
        if upstream.config.losses == Losses::Strict
            && let Some(first) = written.lost.iter().find(|lost| !lost.harmless)
        {
            return Err(lossy(upstream, &written.lost, first));
        }
        let lost = written.lost.into_iter().map(|lost| lost.param).collect();
        Ok(Body {
            body: written.body,
            lost,
            added,
        })
    }

    fn headers(&self, upstream: &Upstream, route: &Route, limit: Duration, out: &mut HeaderMap) {
        out.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let accept = match (self.outgoing.request.stream, route.framing) {
            (false, _) => "application/json",
            (true, Framing::Sse) => "text/event-stream",
            (true, _) => "application/vnd.amazon.eventstream",
        };
        out.insert(ACCEPT, HeaderValue::from_static(accept));
        out.insert(
            USER_AGENT,
            HeaderValue::from_static(concat!("forebay/", env!("CARGO_PKG_VERSION"))),
        );
        // The deadline in milliseconds, under the name that Envoy gave it.
        if let Ok(value) = HeaderValue::from_str(&limit.as_millis().to_string()) {
            out.insert("x-envoy-expected-rq-timeout-ms", value);
        }
        let config = &upstream.config;
        for (name, value) in config.provider.headers(&config.options) {
            out.insert(
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            );
        }
        let client = self.outgoing.request.wire();
        let foreign = dialect_headers(client);
        let same = route.wire == client;
        let own = self.outgoing.headers.iter();
        for (name, value) in own.filter(|(name, _)| same || !foreign.contains(name)) {
            out.insert(name.clone(), value.clone());
        }
        out.extend(upstream.headers.clone());
    }
}

/// Where an upstream that speaks the client's format counts a prompt's tokens.
fn count_path(client: Wire, route: &Route) -> Option<String> {
    if route.wire != client {
        return None;
    }
    match client {
        Wire::Messages if route.path == "/v1/messages" => {
            Some("/v1/messages/count_tokens".to_owned())
        }
        Wire::Gemini => {
            let (model, _) = route.path.rsplit_once(':')?;
            Some(format!("{model}:countTokens"))
        }
        _ => None,
    }
}

fn cannot_take(upstream: &Upstream, wire: Wire) -> GatewayError {
    GatewayError::new(
        ErrorKind::NotExpressible,
        format!(
            "upstream \"{}\" takes no requests of the form \"{}\" (upstreams.provider)",
            upstream.name,
            wire.as_str()
        ),
    )
}

fn not_translated(upstream: &Upstream, error: &TranslateError) -> GatewayError {
    match error {
        TranslateError::Request(error) => crate::decide::invalid_request(error),
        TranslateError::Inexpressible(error) => GatewayError::new(
            ErrorKind::NotExpressible,
            format!("upstream \"{}\": {error}", upstream.name),
        )
        .with_param(Some(&error.param)),
    }
}

/// Names every field that would be lost, and why the first would.
fn lossy(upstream: &Upstream, lost: &[Lost], first: &Lost) -> GatewayError {
    // 8: enough to see what kind of request it is.
    let names: Vec<&str> = lost
        .iter()
        .filter(|lost| !lost.harmless)
        .take(8)
        .map(|lost| &*lost.param)
        .collect();
    GatewayError::new(
        ErrorKind::NotExpressible,
        format!(
            "upstream \"{}\" can't be told {}: {} (upstreams.losses = \"drop\" leaves such fields out)",
            upstream.name,
            names.join(", "),
            first.why
        ),
    )
    .with_param(Some(&first.param))
}
