//! What the cache means to do with a request.

use crate::bindings::exports::forebay::prefix_cache::prefix_cache::{
    CachePlan, Caller, Directives, Freshness, Prompt, Reason, Scope as WitScope,
};
use crate::bindings::forebay::types::prompts::{Field, Part};
use crate::breakpoints::breakpoints;
use crate::chain::chain;
use crate::config::{Config, Media, ModelRule, Scope, Tools};
use crate::digest::{digest, inputs};
use xxhash_rust::xxh64::xxh64;

/// The field of OpenAI's API that steers requests with a common prefix to one cache.
const PROMPT_CACHE_KEY: &str = "prompt_cache_key";

/// Plans what the cache does with a prompt.
pub(crate) fn plan(
    config: &Config,
    caller: &Caller,
    prompt: &Prompt,
    directives: &Directives,
) -> CachePlan {
    let rule = config.model(&prompt.model);
    let uncacheable = uncacheable(config, rule, prompt, directives);
    let cacheable = uncacheable.is_none();
    let refused_lookup = refused_lookup(directives);
    let refused_store = directives.no_store.then(|| {
        reason(
            "no-store",
            "the request says no-store: its answer is not stored",
        )
    });
    let lookup = cacheable && refused_lookup.is_none();
    let store = cacheable && refused_store.is_none();
    let chain = chain(config, prompt);
    let hints = match chain.first() {
        Some(first) if config.provider_hints => hint(caller, prompt, first.hash),
        _ => Vec::new(),
    };
    CachePlan {
        digest: digest(config, prompt).to_vec(),
        scope: match config.scope {
            Scope::Tenant => WitScope::Tenant,
            Scope::Key => WitScope::Key,
        },
        lookup,
        store,
        why: uncacheable.or(refused_lookup).or(refused_store),
        freshness: freshness(config, rule),
        chain,
        hints,
        inputs: inputs(config, prompt),
        breakpoints: breakpoints(config, prompt),
    }
}

fn reason(code: &str, detail: impl Into<String>) -> Reason {
    Reason {
        code: code.to_owned(),
        detail: detail.into(),
    }
}

/// Why neither lookup nor storing makes sense for this prompt.
fn uncacheable(
    config: &Config,
    rule: Option<&ModelRule>,
    prompt: &Prompt,
    directives: &Directives,
) -> Option<Reason> {
    if rule.and_then(|rule| rule.cache) == Some(false) {
        return Some(reason(
            "model-excluded",
            format!(
                "the configuration does not cache the model {}",
                prompt.model
            ),
        ));
    }
    let sampled_allowed = directives.cache_sampled
        || rule
            .and_then(|rule| rule.cache_sampled)
            .unwrap_or(config.cache_sampled);
    // A vector is computed, not sampled.
    let computed = prompt.operation == "embedding";
    if !sampled_allowed && !computed {
        match prompt.sampling.temperature {
            // A negative or odd temperature is for the upstream to refuse, not for us to cache.
            Some(0.0) => {}
            Some(t) => {
                return Some(reason(
                    "sampled",
                    format!("the temperature is {t}: answers are meant to vary"),
                ));
            }
            None if config.temperature_default_zero => {}
            None => {
                return Some(reason(
                    "sampled",
                    "no temperature is given and the upstream's default samples: answers are meant to vary",
                ));
            }
        }
    }
    if config.tools == Tools::Never && offers_tools(prompt) {
        return Some(reason(
            "tools",
            "the prompt offers tools, and the configuration does not cache such prompts",
        ));
    }
    media(config, prompt)
}

/// Whether a model may answer with a tool call; `functions` is the older form of `tools`.
fn offers_tools(prompt: &Prompt) -> bool {
    !prompt.tools.is_empty() || prompt.extra.iter().any(|field| field.name == "functions")
}

fn media(config: &Config, prompt: &Prompt) -> Option<Reason> {
    if config.media == Media::Always {
        return None;
    }
    let opaque = prompt
        .messages
        .iter()
        .flat_map(|message| &message.parts)
        .filter_map(|part| match part {
            Part::Opaque(opaque) => Some(opaque),
            _ => None,
        });
    for part in opaque {
        if config.media == Media::Never {
            return Some(reason(
                "media",
                format!(
                    "a part has the type {}, and the configuration caches text alone",
                    part.kind
                ),
            ));
        }
        if part.json.contains("\"http://") || part.json.contains("\"https://") {
            return Some(reason(
                "media",
                format!(
                    "a part of the type {} points at a URL, whose content may change",
                    part.kind
                ),
            ));
        }
    }
    None
}

/// Why no entry may answer, although one may be stored.
fn refused_lookup(directives: &Directives) -> Option<Reason> {
    if directives.no_cache {
        return Some(reason(
            "no-cache",
            "the request says no-cache: it wants a new answer",
        ));
    }
    (directives.max_age == Some(0)).then(|| {
        reason(
            "max-age",
            "the request says max-age=0: no stored answer is new enough",
        )
    })
}

/// How long the entry lives. The host compares an entry's age with the request's `max-age` and
/// `stale-if-error` itself: they bound this client's acceptance, not what others may be served.
fn freshness(config: &Config, rule: Option<&ModelRule>) -> Freshness {
    Freshness {
        ttl: rule
            .and_then(|rule| rule.ttl)
            .unwrap_or(config.ttl)
            .min(config.max_ttl),
        idle: rule.and_then(|rule| rule.idle).unwrap_or(config.idle),
        stale_if_error: rule
            .and_then(|rule| rule.stale_if_error)
            .unwrap_or(config.stale_if_error),
    }
}

/// A `prompt_cache_key` that prompts of one tenant with the same first block share, unless the
/// client sent its own.
fn hint(caller: &Caller, prompt: &Prompt, first: u64) -> Vec<Field> {
    if prompt
        .extra
        .iter()
        .any(|field| field.name == PROMPT_CACHE_KEY)
    {
        return Vec::new();
    }
    let key = xxh64(caller.tenant.as_bytes(), first);
    vec![Field {
        name: PROMPT_CACHE_KEY.to_owned(),
        value: format!("\"forebay-{key:016x}\""),
    }]
}

#[cfg(test)]
mod tests;
