//! What providers' prompt caches did: tokens and money by upstream.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use forebay_gateway::observe::CacheSaving;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use super::labels::Answerer;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Tokens {
    upstream: Arc<str>,
    kind: &'static str,
}

type Money = Family<Answerer, Counter<f64, AtomicU64>>;

/// Counters of what was read, written, saved and paid.
#[derive(Default)]
pub(super) struct PromptCache {
    tokens: Family<Tokens, Counter>,
    saved: Money,
    premium: Money,
    predicted: Money,
}

impl PromptCache {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "forebay_prompt_cache_tokens",
            "Tokens of prompts that providers read from their prompt caches or wrote into them, as they counted",
            self.tokens.clone(),
        );
        registry.register(
            "forebay_prompt_cache_saved_usd",
            "What tokens read from providers' prompt caches would have cost more, in US dollars, where prices are known",
            self.saved.clone(),
        );
        registry.register(
            "forebay_prompt_cache_premium_usd",
            "What tokens written into providers' prompt caches cost more than plain ones, in US dollars",
            self.premium.clone(),
        );
        registry.register(
            "forebay_prompt_cache_predicted_usd",
            "What the gateway's own markers were expected to save, in US dollars",
            self.predicted.clone(),
        );
    }

    pub(super) fn count(&self, upstream: Arc<str>, saving: &CacheSaving) {
        let kinds = [
            ("read", saving.read_tokens),
            ("written", saving.written_tokens),
        ];
        for (kind, count) in kinds {
            let upstream = upstream.clone();
            let labels = Tokens { upstream, kind };
            self.tokens.get_or_create(&labels).inc_by(count);
        }
        let answerer = Answerer { upstream };
        let money = [
            (&self.saved, saving.saved_usd),
            (&self.premium, saving.premium_usd),
            (&self.predicted, saving.predicted_usd),
        ];
        for (counter, usd) in money {
            // A counter takes nothing that is not a number.
            if usd.is_finite() && usd >= 0.0 {
                counter.get_or_create(&answerer).inc_by(usd);
            }
        }
    }
}
