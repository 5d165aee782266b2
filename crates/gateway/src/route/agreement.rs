//! Whether the tokenizer here says what an upstream's engine says: asked at start, and again of a
//! sample of the prompts. Where they differ, nothing is made of the tokens any more.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering::Relaxed};
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use forebay_dialect::{Request, Wire};
use futures_util::StreamExt as _;
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use super::Upstream;
use crate::gateway::Gateway;
use crate::observe::{Observation, TokenCheck};
use crate::platform::Platform;
use crate::time::timeout;

/// How long the engine may take to tokenise a text.
const PATIENCE: Duration = Duration::from_secs(10);
/// Between two tries while the engine does not answer; engines take minutes to load a model.
const PAUSE: Duration = Duration::from_secs(5);
/// The longest answer that is read: a million tokens are 8 MB.
const MAX_ANSWER: usize = 16 << 20;

/// What is known.
#[derive(Debug, Default)]
pub(super) struct Agreement {
    state: AtomicU8,
    /// A prompt of the traffic is being compared: one at a time.
    busy: AtomicBool,
}

const AGREES: u8 = 1;
const DIFFERS: u8 = 2;

impl Agreement {
    /// Whether tokens computed here are the engine's. Not before it was asked.
    pub(super) fn holds(&self) -> bool {
        self.state.load(Relaxed) == AGREES
    }

    /// Takes the place for a comparison, if it is free.
    pub(super) fn begin(&self) -> bool {
        !self.busy.swap(true, Relaxed)
    }

    /// Gives it back.
    pub(super) fn end(&self) {
        self.busy.store(false, Relaxed);
    }

    /// Takes note of a comparison; a difference is for good. Returns whether that is news.
    fn note(&self, agrees: bool) -> bool {
        let new = if agrees { AGREES } else { DIFFERS };
        let old = self.state.fetch_max(new, Relaxed);
        old < new
    }
}

impl Upstream {
    /// Whether this upstream's tokens are known here as its engine counts them.
    pub(crate) fn knows_tokens(&self) -> bool {
        let trusted = |verify: f64| verify <= 0.0;
        let tokenizer = self.config.tokenizer.as_ref();
        tokenizer.is_some_and(|t| trusted(t.verify) || self.agreement.holds())
    }

    /// The request as its engine gets it, where tokens can be told of that.
    pub(super) fn tokenised_form(&self, request: &Arc<Request>) -> Option<Arc<Request>> {
        let asked = &*request.prompt.model;
        let model = self.model_name(asked)?;
        let route = self.route(request.wire(), model, request.stream)?;
        if !matches!(route.wire, Wire::Chat | Wire::Completions) {
            return None;
        }
        if route.wire == request.wire() {
            return Some(request.clone());
        }
        let options = forebay_dialect::exchange::WriteOptions {
            model: model.to_owned(),
            default_max_tokens: self.config.default_max_tokens,
            profile: route.profile,
            ..Default::default()
        };
        let written = forebay_dialect::translate_request(request, route.wire, &options).ok()?;
        Request::parse(route.wire, written.body).ok().map(Arc::new)
    }
}

/// Compares some texts with every engine whose tokenizer is configured. Ends with the gateway, or
/// once the engine has answered.
pub(crate) fn run_token_checks<P: Platform>(gateway: &Arc<Gateway<P>>) {
    for upstream in gateway.all_upstreams() {
        let tokenizer = upstream.config.tokenizer.as_ref();
        if tokenizer.is_some_and(|tokenizer| tokenizer.verify > 0.0) {
            let watched = Arc::downgrade(gateway);
            gateway.platform().spawn(watch(watched, upstream.clone()));
        }
    }
}

async fn watch<P: Platform>(gateway: Weak<Gateway<P>>, upstream: Arc<Upstream>) {
    loop {
        let Some(live) = gateway.upgrade() else {
            return;
        };
        let platform = live.platform().clone();
        drop(live);
        let nobody = Arc::from("");
        let mut asked = false;
        for body in probes(&upstream) {
            let Ok(request) = Request::parse(Wire::Chat, body) else {
                continue;
            };
            asked |= compare(&*platform, &nobody, &upstream, Arc::new(request), true).await;
        }
        if asked {
            return;
        }
        platform.sleep(PAUSE).await;
    }
}

/// What is compared at start: words, code, numbers, space, other scripts, several turns.
fn probes(upstream: &Upstream) -> Vec<Bytes> {
    let model = upstream.config.models.values().next();
    let model = model.map_or("", String::as_str);
    let text = "It's 12345.67 for two  spaces,\n\n\ttabs: fn main() { println!(\"Größe\"); } 日本語 Привет 👩‍👩‍👧 <|im_end|>";
    let user = json!({"role": "user", "content": text});
    let answer = json!({"role": "assistant", "content": "Yes.\n"});
    let system = json!({"role": "system", "content": "Be brief."});
    [
        json!([user]),
        json!([user, answer, user]),
        json!([system, user]),
    ]
    .into_iter()
    .map(|messages| {
        json!({"model": model, "messages": messages})
            .to_string()
            .into()
    })
    .collect()
}

/// Compares a prompt's tokens, if it is one that the engine's `/tokenize` takes, and draws the
/// consequences. Returns whether the engine gave an answer.
pub(super) async fn compare<P: Platform>(
    platform: &P,
    tenant: &Arc<str>,
    upstream: &Arc<Upstream>,
    request: Arc<Request>,
    probe: bool,
) -> bool {
    let asked = &*request.prompt.model;
    let model = upstream.model_name(asked).unwrap_or(asked).to_owned();
    let own = platform.prompt_tokens(tenant, &upstream.name, &model, &request);
    let Some(own) = own.await else {
        return false;
    };
    let Some(body) = question(&request, &model) else {
        return false;
    };
    let check = match ask(platform, upstream, body).await {
        Some(tokens) if tokens == *own => TokenCheck::Agrees,
        Some(_) => TokenCheck::Differs,
        None => TokenCheck::Unanswered,
    };
    let name = upstream.name.clone();
    platform.observe(Observation::TokenCheck {
        upstream: name,
        check,
    });
    let news = match check {
        TokenCheck::Unanswered => return false,
        check => upstream.agreement.note(check == TokenCheck::Agrees),
    };
    if news && check == TokenCheck::Differs {
        let what = if probe { "a test text" } else { "a prompt" };
        platform.observe(Observation::Warning(format!(
            "upstream \"{}\": its engine tokenises {what} differently than upstreams.tokenizer; prompts are compared in blocks of text and counted by their bytes until the configuration is reloaded. Check that the files and the chat template are the engine's",
            upstream.name
        )));
    }
    true
}

/// What vLLM's `/tokenize` is asked: the members of a request that its tokens depend on, as they
/// stand in the body: the order of a schema's members reaches the prompt.
fn question(request: &Request, model: &str) -> Option<Bytes> {
    let body: BTreeMap<String, &RawValue> = serde_json::from_slice(&request.body).ok()?;
    let members: &[&str] = match request.wire() {
        Wire::Chat => &[
            "messages",
            "tools",
            "chat_template_kwargs",
            "add_generation_prompt",
            "continue_final_message",
        ],
        Wire::Completions => &["prompt"],
        _ => return None,
    };
    // What `/tokenize` does not take, but a template sees.
    if body.contains_key("documents") || body.contains_key("reasoning_effort") {
        return None;
    }
    let mut asked: BTreeMap<String, &RawValue> = body
        .into_iter()
        .filter(|(name, _)| members.contains(&name.as_str()))
        .collect();
    let named = serde_json::value::to_raw_value(model).ok()?;
    if !model.is_empty() {
        asked.insert("model".to_owned(), &named);
    }
    serde_json::to_vec(&asked).ok().map(Bytes::from)
}

/// The engine's own tokens.
async fn ask<P: Platform>(platform: &P, upstream: &Upstream, body: Bytes) -> Option<Vec<u32>> {
    #[derive(Deserialize)]
    struct Answer {
        tokens: Vec<u32>,
    }
    let now = platform.now();
    let endpoint = upstream.endpoints.iter().find(|e| e.is_usable(now))?;
    let mut request = upstream.get(endpoint, "/tokenize")?;
    *request.method_mut() = http::Method::POST;
    request.headers_mut().insert(
        http::header::CONTENT_TYPE,
        http::HeaderValue::from_static("application/json"),
    );
    *request.body_mut() = body;
    let sending = platform.send(request, &upstream.transport);
    let answer = timeout(platform, PATIENCE, async {
        let response = sending.await.ok()?;
        if !response.status().is_success() {
            return None;
        }
        let mut body = response.into_body();
        let mut out = BytesMut::new();
        while let Some(piece) = body.next().await {
            out.extend_from_slice(&piece.ok()?);
            if out.len() > MAX_ANSWER {
                return None;
            }
        }
        serde_json::from_slice::<Answer>(&out).ok()
    });
    Some(answer.await.flatten()?.tokens)
}
