//! The request that goes to one upstream: the client's own bytes where it speaks their format,
//! else a translation, which says what it had to leave out.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use forebay_dialect::canonical::{Field, Part};
use forebay_dialect::clouds;
use forebay_dialect::exchange::{Back, Grade, Lost, Profile, WriteOptions, Written};
use forebay_dialect::{
    BodyChange, CacheMark, TranslateError, Wire, clamp_output, json_string, mark_prefixes,
    media_urls, resign, translate_request,
};
use http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::attempt::Attempts;
use super::betas::{joined, json_list, not_sold};
use super::prompt_cache::{can_mark, takes_key};
use super::unfit::{cannot_take, losing, not_translated, unknown};
use super::{Envelope, Replica, Route, Upstream};
use crate::decide::LARGE;
use crate::enter::form::BETA;
use crate::error::{ErrorKind, GatewayError};
use crate::memory::booked;
use crate::platform::{BoxFuture, Platform};
use crate::time::timeout;

/// The field that steers requests with a common prefix to one cache of OpenAI's.
const PROMPT_CACHE_KEY: &str = "prompt_cache_key";
/// How many leading tokens an engine's salt leaves out. Engines that do not know the field salt all.
const SHARED_PREFIX: &str = "shared_prefix_tokens";
/// Fields of a completion whose meaning is another one with token ids for a prompt.
const TEXT_FIELDS: [&str; 6] = [
    "add_special_tokens",
    "echo",
    "prompt_logprobs",
    "return_token_ids",
    "suffix",
    "truncate_prompt_tokens",
];
/// Media that one prompt may have fetched: as many as Bedrock takes images.
const MAX_MEDIA: usize = 20;

/// A request, all but authenticated, and how its answer is to be read.
pub(super) struct Prepared {
    pub(super) request: http::Request<Bytes>,
    pub(super) route: Route,
    /// What the upstream is not told.
    pub(super) lost: Vec<Lost>,
    /// What has to be undone in the answer.
    pub(super) back: Arc<Back>,
    /// Members of the body that the client did not send: an upstream that refuses one is asked
    /// without it.
    pub(super) added: Vec<String>,
    /// The model's name there.
    pub(super) model: String,
    /// It has markers for the provider's prompt cache that the client did not set.
    pub(super) marked: bool,
    /// The share of the prompt that the provider's cache is expected to hold.
    pub(super) expected_cached: f64,
}

/// A body as one upstream gets it.
struct Body {
    body: Bytes,
    lost: Vec<Lost>,
    back: Back,
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
        endpoint: &Replica,
        limit: Duration,
    ) -> Result<Prepared, GatewayError> {
        if let Some(sent) = &self.outgoing.sent {
            return self.pass(sent, upstream, endpoint, limit).await;
        }
        let request = self.outgoing.request.clone();
        let asked = &*request.prompt.model;
        let model = upstream.model_name(asked).unwrap_or(asked).to_owned();
        let route = upstream
            .route(request.wire(), &model, self.outgoing.streams(upstream))
            .ok_or_else(|| cannot_take(upstream, request.wire()))?;
        if route.wire != request.wire() {
            self.fetch_media(upstream, &route).await?;
        }
        let Body {
            body,
            lost,
            back,
            added,
        } = self.body(upstream, &route, &model).await?;
        let (body, marked, expected_cached) = self.marked(body, upstream, &route, &model);
        let body = booked(&*self.sender.platform, &request.body, body)?;
        let path = if self.outgoing.count {
            count_path(request.wire(), &route).ok_or_else(|| cannot_take(upstream, route.wire))?
        } else {
            route.path.clone()
        };
        let mut out = http::Request::post(endpoint.url(&path))
            .body(body)
            .map_err(|_| {
                GatewayError::new(ErrorKind::Internal, "the upstream's URL is not valid")
            })?;
        self.headers(upstream, &route, limit, out.headers_mut());
        endpoint.address_rank(out.headers_mut());
        Ok(Prepared {
            request: out,
            route,
            lost,
            back: Arc::new(back),
            added,
            model,
            marked,
            expected_cached,
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
                None => "it did not arrive in time (media.timeout)".to_owned(),
            };
            return Err(GatewayError::new(
                ErrorKind::NotExpressible,
                format!(
                    "upstream \"{}\" takes media as bytes only, and a URL in the prompt could not be fetched: {why}",
                    upstream.name
                ),
            ));
        }
        Ok(())
    }

    /// The body with markers for the provider's prompt cache, where they are expected to pay.
    fn marked(
        &mut self,
        body: Bytes,
        upstream: &Upstream,
        route: &Route,
        model: &str,
    ) -> (Bytes, bool, f64) {
        let cache = upstream.prompt_cache();
        let may = matches!(route.wire, Wire::Messages | Wire::Converse)
            && upstream.config.caches_prompts()
            && !self.outgoing.count
            && cache.takes(model);
        if !may {
            return (body, false, 0.0);
        }
        let known = self.state.marks.iter();
        let known = known.clone().find(|(name, _)| *name == upstream.name);
        let decided = match known {
            Some((_, decided)) => decided.clone(),
            None => {
                let terms = upstream.cache_terms(&self.outgoing.request.prompt.model);
                let now = self.sender.platform.now();
                let decided = cache.decide(&self.outgoing.places, terms, now);
                let entry = (upstream.name.clone(), decided.clone());
                self.state.marks.push(entry);
                decided
            }
        };
        let fits = |mark: &CacheMark| can_mark(route.wire, model, mark.place);
        let marks: Vec<CacheMark> = decided.marks.into_iter().filter(fits).collect();
        let prompt = &self.outgoing.request.prompt;
        let marked = mark_prefixes(body, route.wire, prompt, &marks);
        (marked.body, !marked.placed.is_empty(), decided.expected)
    }

    /// Members that the gateway adds for the prompt caches of providers and engines, where the client
    /// did not send its own.
    fn own_members<'a>(
        &'a self,
        upstream: &Upstream,
        route: &Route,
        salt: &'a str,
        public: Option<&'a str>,
    ) -> Vec<(&'a str, &'a str)> {
        let has = |name: &str| {
            let mut fields = self.outgoing.request.prompt.extra.iter();
            fields.any(|field| field.name == name)
        };
        let mut set: Vec<(&'a str, &'a str)> = Vec::new();
        if matches!(route.wire, Wire::Chat | Wire::Completions | Wire::Responses) {
            let hints = self.outgoing.hints.iter();
            let absent = hints.filter(|hint| !has(&hint.name) && !upstream.refuses(&hint.name));
            set.extend(absent.map(|hint| (hint.name.as_str(), hint.value.as_str())));
        }
        let keyed =
            upstream.config.caches_prompts() && takes_key(upstream.config.provider, route.wire);
        let keyed = keyed && !has(PROMPT_CACHE_KEY) && !upstream.refuses(PROMPT_CACHE_KEY);
        if let Some(key) = self.outgoing.places.key.as_ref().filter(|_| keyed) {
            set.retain(|(name, _)| *name != PROMPT_CACHE_KEY);
            set.push((PROMPT_CACHE_KEY, key));
        }
        // Engines know no salt where they compute vectors.
        if route.wire != Wire::Embeddings && upstream.salts() {
            set.push(("cache_salt", salt));
            set.extend(public.map(|tokens| (SHARED_PREFIX, tokens)));
        }
        set
    }

    /// Leading tokens that this upstream's salt leaves out.
    fn public(&self, upstream: &Upstream) -> Option<String> {
        let tokens = self.outgoing.prefix.public(&upstream.name)?;
        (!upstream.refuses(SHARED_PREFIX)).then(|| tokens.to_string())
    }

    async fn body(
        &self,
        upstream: &Upstream,
        route: &Route,
        model: &str,
    ) -> Result<Body, GatewayError> {
        let request = &self.outgoing.request;
        let salt = json_string(&self.outgoing.cache_salt);
        let has = |name: &str| request.prompt.extra.iter().any(|field| field.name == name);
        let public = self.public(upstream);
        let mut set = self.own_members(upstream, route, &salt, public.as_deref());
        let mut added: Vec<String> = set.iter().map(|(name, _)| (*name).to_owned()).collect();
        let ids = self.token_ids(upstream, route);
        if let Some(ids) = &ids {
            set.push(("prompt", ids));
        }
        let (betas, mut refused) = self.betas(route.profile);
        let betas = json_list(&betas);
        if route.profile == Profile::BedrockInvoke
            && let Some(betas) = betas.as_deref().filter(|_| !has("anthropic_beta"))
        {
            set.push(("anthropic_beta", betas));
        }
        set.extend(route.set.iter().map(|(name, json)| (*name, json.as_str())));
        let streams = self.outgoing.streams(upstream);
        let include_usage = streams
            && upstream.config.include_usage
            && !self.outgoing.unread
            && !upstream.refuses("stream_options")
            && !route.remove.contains(&"stream_options");
        if include_usage && !request.include_usage {
            added.push("stream_options".to_owned());
        }
        if route.wire == request.wire() && !self.differs(route) {
            let change = BodyChange {
                model: (model != &*request.prompt.model).then_some(model),
                stream: (streams != request.stream).then_some(streams),
                include_usage,
                set: &set,
                remove: &[],
            };
            let (body, mut lost) = self.passed(upstream, route, change, betas.as_deref());
            lost.append(&mut refused);
            losing(upstream, &lost)?;
            return Ok(Body {
                body,
                lost,
                back: Back::default(),
                added,
            });
        }
        let options = WriteOptions {
            model: model.to_owned(),
            stream: streams,
            include_usage,
            default_max_tokens: upstream.config.default_max_tokens,
            room: upstream
                .context_tokens(&request.prompt.model)
                .map(|context| context.saturating_sub(self.input_tokens(upstream))),
            profile: route.profile,
            fetched: self.state.media.clone(),
            set: set
                .into_iter()
                .map(|(name, json)| (name.to_owned(), json.to_owned()))
                .collect(),
        };
        let written = self.translated(route.wire, options).await;
        let written = written.map_err(|error| unknown(request, upstream, &error))?;
        let mut lost = written.lost;
        lost.append(&mut refused);
        if betas.is_some() && route.wire != Wire::Messages {
            lost.push(Lost {
                param: "anthropic-beta".to_owned(),
                why: "Anthropic's beta headers have no meaning for other providers",
                grade: Grade::Tolerable,
            });
        }
        losing(upstream, &lost)?;
        Ok(Body {
            body: written.body,
            lost,
            back: written.back,
            added,
        })
    }

    /// The client's own bytes with what changes in them, and what is left out of them.
    fn passed(
        &self,
        upstream: &Upstream,
        route: &Route,
        change: BodyChange<'_>,
        betas: Option<&str>,
    ) -> (Bytes, Vec<Lost>) {
        let request = &self.outgoing.request;
        let mut remove = route.remove.to_vec();
        if upstream.salts() {
            // How far the salt reaches is not the client's to say.
            remove.push(SHARED_PREFIX);
        }
        let lacking = self.lacking(route.profile, betas);
        remove.extend(&lacking);
        let model = change.model.unwrap_or(&request.prompt.model);
        let body = request.upstream_body(&BodyChange {
            remove: &remove,
            ..change
        });
        let (mut body, mut lost) = resigned(self.within(body, upstream, route), route, model);
        if let Some((fitted, left_out)) = clouds::for_cloud(&body, route.profile, model) {
            body = fitted;
            lost.extend(left_out);
        }
        lost.extend(lacking.into_iter().map(not_sold));
        (body, lost)
    }

    /// The request in another format. A large one is translated where it keeps nobody waiting.
    fn translated(
        &self,
        to: Wire,
        options: WriteOptions,
    ) -> BoxFuture<'static, Result<Written, TranslateError>> {
        let request = self.outgoing.request.clone();
        if request.body.len() < LARGE {
            return Box::pin(std::future::ready(translate_request(
                &request, to, &options,
            )));
        }
        let work = async move { translate_request(&request, to, &options) };
        let (platform, tenant) = (self.sender.platform.clone(), self.outgoing.tenant.clone());
        Box::pin(async move { platform.aside(&tenant, work).await })
    }

    /// Whether the body has to be written anew although its format is the upstream's.
    fn differs(&self, route: &Route) -> bool {
        let extra = &self.outgoing.request.prompt.extra;
        let has = |name: &&str| extra.iter().any(|field| field.name == **name);
        // Makers of models refuse members that they don't know, and such a client chose none.
        let strict = matches!(
            route.profile,
            Profile::OpenAi | Profile::Azure | Profile::Mistral
        );
        route.differs.iter().any(has) || (self.outgoing.made && strict && route.wire == Wire::Chat)
    }

    /// A body in the upstream's own format with an output limit that its model takes.
    fn within(&self, body: Bytes, upstream: &Upstream, route: &Route) -> (Bytes, Vec<Lost>) {
        let prompt = &self.outgoing.request.prompt;
        let most = upstream.max_output(&prompt.model);
        let asked = prompt.sampling.max_tokens;
        let over = most.filter(|most| asked.is_some_and(|asked| asked > *most));
        match over.and_then(|most| clamp_output(&body, route.wire, most)) {
            None => (body, Vec::new()),
            Some((body, param)) => {
                let lost = Lost {
                    param,
                    why: "it is above this model's output limit, which was sent instead",
                    grade: Grade::Tolerable,
                };
                (body, vec![lost])
            }
        }
    }

    /// Tokens of the prompt at this upstream: counted where that can be, else estimated.
    fn input_tokens(&self, upstream: &Upstream) -> u64 {
        let exact = self.outgoing.prefix.exact(&upstream.name);
        exact.map_or_else(
            || self.outgoing.request.estimated_input_tokens(),
            |tokens| tokens.len() as u64,
        )
    }

    /// A completion's prompt as token ids, where the engine was seen to make the same of its text
    /// and answers the same to them.
    fn token_ids(&self, upstream: &Upstream, route: &Route) -> Option<String> {
        let request = &self.outgoing.request;
        let asked = upstream.config.tokenizer.as_ref()?.token_ids;
        let plain = route.wire == Wire::Completions && request.wire() == Wire::Completions;
        if !asked || !plain || !upstream.agreement.holds() {
            return None;
        }
        let text = matches!(&request.prompt.messages[..], [message] if matches!(message.parts[..], [Part::Text(_)]));
        // They say something of the text, or of how it is to be tokenised.
        let about_text = |field: &Field| TEXT_FIELDS.contains(&field.name.as_str());
        if !text || request.prompt.extra.iter().any(about_text) {
            return None;
        }
        let ids = self.outgoing.prefix.exact(&upstream.name)?;
        serde_json::to_string(ids).ok()
    }

    fn headers(&self, upstream: &Upstream, route: &Route, limit: Duration, out: &mut HeaderMap) {
        out.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let accept = match (self.outgoing.streams(upstream), route.framing) {
            (false, _) => "application/json",
            (true, Envelope::Sse) => "text/event-stream",
            (true, _) => "application/vnd.amazon.eventstream",
        };
        out.insert(ACCEPT, HeaderValue::from_static(accept));
        // Events are to come as they are made, not when a block is full.
        out.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        out.insert(
            USER_AGENT,
            HeaderValue::from_static(concat!("forebay/", env!("CARGO_PKG_VERSION"))),
        );
        // The deadline in milliseconds, under the name that Envoy gave it.
        if let Ok(value) = HeaderValue::from_str(&limit.as_millis().to_string()) {
            out.insert("x-envoy-expected-rq-timeout-ms", value);
        }
        for (name, value) in upstream.seller.headers() {
            out.insert(
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            );
        }
        let client = self.outgoing.request.wire();
        let foreign = dialect_headers(client);
        let same = route.wire == client;
        // Bedrock has Anthropic's headers in the body.
        let in_body = route.profile == Profile::BedrockInvoke;
        let keeps = |name: &&HeaderName| (same && !in_body) || !foreign.contains(name);
        for name in self.outgoing.headers.keys().filter(keeps) {
            if let Some(value) = joined(&self.outgoing.headers, name) {
                out.insert(name.clone(), value);
            }
        }
        if out.contains_key(BETA) && !clouds::lacking(route.profile).is_empty() {
            let (betas, _) = self.betas(route.profile);
            match HeaderValue::from_str(&betas.join(",")) {
                Ok(value) if !betas.is_empty() => out.insert(BETA, value),
                _ => out.remove(BETA),
            };
        }
        out.extend(upstream.headers.clone());
    }
}

/// A body in its client's format with the signatures that the upstream's model can read alone.
fn resigned(
    (body, mut lost): (Bytes, Vec<Lost>),
    route: &Route,
    model: &str,
) -> (Bytes, Vec<Lost>) {
    match resign(&body, route.wire, route.profile, model) {
        Some((body, foreign)) => {
            lost.extend(foreign);
            (body, lost)
        }
        None => (body, lost),
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
