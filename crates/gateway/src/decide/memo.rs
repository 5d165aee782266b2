//! A pure decision is memoised: the verdict and the plan of a byte-identical repeat.
//!
//! It keeps spans, verdicts and keys, never values of prompts. A request that a guardrail
//! edited is not remembered: its masks need the prompt anyway.

use std::sync::Arc;

use forebay_dialect::Target;
use forebay_dialect::canonical::Needs;
use sha2::{Digest as _, Sha256};

use crate::policy::{CachePlan, Caller, Directives, Hit, Reason};
use crate::store::CacheKey;

/// What was decided about a request, and the facts of it that later steps need without its body.
#[derive(Debug, Clone)]
pub struct Remembered {
    /// The model as the client named it.
    pub model: Arc<str>,
    /// Whether it asked for a stream.
    pub stream: bool,
    /// Whether it asked for usage in the stream.
    pub include_usage: bool,
    /// What it needs of an upstream.
    pub needs: Needs,
    /// Tokens of the prompt: estimated, or counted where a limit goes by them and that can be.
    pub input_tokens: u64,
    /// The cap on output tokens, where sent.
    pub max_tokens: Option<u64>,
    /// How many choices it asked for.
    pub n: u32,
    /// Rules that matched.
    pub hits: Vec<Hit>,
    /// Set when it was denied.
    pub denied: Option<Reason>,
    /// Whether rules for the output apply.
    pub guard_output: bool,
    /// Whether one of them can change or end an answer.
    pub output_enforced: bool,
    /// Names the rules in force for the caller.
    pub rules: String,
    /// The plan; none when denied.
    pub plan: Option<Arc<CachePlan>>,
    /// The entry's name; none when denied.
    pub cache_key: Option<CacheKey>,
}

/// Names what is remembered and under which key; a change of either is a new version.
const VERSION: &[u8] = b"forebay memo 3";

/// The memo's key: SHA-256 of caller, dialect, what the path and the dialect's own headers say,
/// directives, policy digest and body. All that policies are told is in it.
pub fn memo_id(
    caller: &Caller,
    target: &Target,
    headers: &str,
    directives: &Directives,
    policy: &[u8; 32],
    body: &[u8],
) -> [u8; 32] {
    // Field by field, so that a new one can't be left out unseen.
    let Caller { tenant, key, route } = caller;
    let Target {
        wire,
        model,
        stream,
    } = target;
    let Directives {
        no_cache,
        no_store,
        only_if_cached,
        cache_sampled,
        max_age,
        stale_if_error,
    } = directives;
    let mut hash = Sha256::new();
    hash.update(VERSION);
    for part in [
        tenant.as_bytes(),
        key.as_bytes(),
        route.as_bytes(),
        wire.as_str().as_bytes(),
        model.as_deref().unwrap_or_default().as_bytes(),
        headers.as_bytes(),
    ] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let flags = [
        model.is_some().into(),
        stream.map_or(2, u8::from),
        u8::from(*no_cache),
        u8::from(*no_store),
        u8::from(*only_if_cached),
        u8::from(*cache_sampled),
        u8::from(max_age.is_some()),
        u8::from(stale_if_error.is_some()),
    ];
    hash.update(flags);
    hash.update(max_age.unwrap_or_default().to_be_bytes());
    hash.update(stale_if_error.unwrap_or_default().to_be_bytes());
    hash.update(policy);
    hash.update(body);
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use forebay_dialect::Wire;

    /// Everything that a decision may depend on, as one value.
    #[derive(Clone)]
    struct Asked {
        caller: Caller,
        target: Target,
        headers: String,
        directives: Directives,
        policy: [u8; 32],
        body: Vec<u8>,
    }

    impl Asked {
        fn id(&self) -> [u8; 32] {
            memo_id(
                &self.caller,
                &self.target,
                &self.headers,
                &self.directives,
                &self.policy,
                &self.body,
            )
        }
    }

    #[test]
    fn whatever_decides_about_a_request_is_in_the_name_of_its_decision() {
        let asked = Asked {
            caller: Caller {
                tenant: "t".into(),
                key: "k".into(),
                route: "/v1/messages",
            },
            target: Target {
                wire: Wire::Messages,
                model: None,
                stream: None,
            },
            headers: String::new(),
            directives: Directives::default(),
            policy: [0; 32],
            body: b"{}".to_vec(),
        };
        type Change = fn(&mut Asked);
        let changes: [(&str, Change); 16] = [
            ("tenant", |a| a.caller.tenant = "u".into()),
            ("key", |a| a.caller.key = "l".into()),
            ("route", |a| a.caller.route = "/v1/messages/count_tokens"),
            ("wire", |a| a.target.wire = Wire::Chat),
            ("model", |a| a.target.model = Some("m".into())),
            ("a model without a name", |a| {
                a.target.model = Some(String::new())
            }),
            ("a stream", |a| a.target.stream = Some(true)),
            ("no stream", |a| a.target.stream = Some(false)),
            ("headers", |a| a.headers = "openai-beta: x\n".into()),
            ("no_cache", |a| a.directives.no_cache = true),
            ("no_store", |a| a.directives.no_store = true),
            ("only_if_cached", |a| a.directives.only_if_cached = true),
            ("cache_sampled", |a| a.directives.cache_sampled = true),
            ("max_age", |a| a.directives.max_age = Some(0)),
            ("stale_if_error", |a| a.directives.stale_if_error = Some(0)),
            ("policy", |a| a.policy = [1; 32]),
        ];
        let mut ids = vec![("nothing", asked.id())];
        for (what, change) in changes {
            let mut changed = asked.clone();
            change(&mut changed);
            ids.push((what, changed.id()));
        }
        let mut changed = asked.clone();
        changed.body = b"{ }".to_vec();
        ids.push(("body", changed.id()));
        for (i, (what, id)) in ids.iter().enumerate() {
            for (other, another) in &ids[..i] {
                assert_ne!(id, another, "{what} and {other} are one decision");
            }
        }
    }
}
