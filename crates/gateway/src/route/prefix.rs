//! A prompt as the choice of a replica sees it: in blocks of text always, and in the blocks of an
//! upstream's engines where its tokens are known.

use std::sync::Arc;

use forebay_dialect::Request;
use forebay_dialect::canonical::{Operation, Part, Prompt};
use forebay_prefix_index::PromptKeys;

use super::Upstream;
use super::agreement::compare;
use crate::decide::LARGE;
use crate::platform::Platform;
use crate::policy::Block;

/// Bytes of text that stand for a token where no tokenizer is known.
pub(super) const BYTES_A_TOKEN: u64 = 3;

/// What the dialects call a part that is token ids.
const TOKEN_IDS: &str = "token_ids";

/// A prompt as the choice of a replica sees it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Prefix {
    /// Names of its blocks of text, a tenant's own.
    pub(super) keys: Vec<u64>,
    /// Tokens up to each block's end.
    pub(super) ends: Vec<u64>,
    tokens: u64,
    pub(super) output_tokens: u64,
    /// As engines name it, by upstream: few entries.
    chains: Vec<(Arc<str>, TokenChain)>,
    /// Its tokens, by upstream, where they are known exactly.
    exact: Vec<(Arc<str>, Arc<[u32]>)>,
    /// Leading tokens that are no tenant's secret, by upstream.
    public: Vec<(Arc<str>, u64)>,
    /// The session it belongs to, by upstream.
    sessions: Vec<(Arc<str>, u64)>,
}

/// A prompt in the blocks of one upstream's engines.
#[derive(Debug, Clone)]
pub(crate) struct TokenChain {
    /// Names of its full blocks.
    pub(super) keys: Vec<u64>,
    /// Tokens in a block.
    pub(super) block_size: u64,
    /// Tokens of the prompt.
    pub(super) tokens: u64,
}

impl TokenChain {
    /// The blocks that can be hits. An engine computes one token at least, so a prompt that ends
    /// with a block computes that block again.
    pub(super) fn usable(&self) -> &[u64] {
        let most = self.tokens.saturating_sub(1) / self.block_size.max(1);
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        &self.keys[..self.keys.len().min(most)]
    }
}

impl Prefix {
    /// A tenant's prompt of about so many tokens, in blocks of text.
    pub(crate) fn new(chain: &[Block], tenant: u64, tokens: u64, output_tokens: u64) -> Self {
        Self {
            keys: chain.iter().map(|block| block.hash ^ tenant).collect(),
            ends: chain
                .iter()
                .map(|block| u64::from(block.end) / BYTES_A_TOKEN)
                .collect(),
            tokens,
            output_tokens,
            chains: Vec::new(),
            exact: Vec::new(),
            public: Vec::new(),
            sessions: Vec::new(),
        }
    }

    /// It belongs to a session at an upstream.
    pub(crate) fn belongs(&mut self, upstream: &Arc<str>, session: u64) {
        self.sessions.push((upstream.clone(), session));
    }

    /// The session that it belongs to at an upstream.
    pub(super) fn session(&self, upstream: &str) -> Option<u64> {
        let mut sessions = self.sessions.iter();
        sessions
            .find(|(name, _)| **name == *upstream)
            .map(|(_, session)| *session)
    }

    /// Tokens of the prompt: counted where an upstream's are known, else estimated.
    pub(super) fn tokens(&self, chain: Option<&TokenChain>) -> u64 {
        chain.map_or(self.tokens, |chain| chain.tokens)
    }

    /// Tokens of the prompt, where they were counted: the most that any upstream's engines count.
    pub(crate) fn counted(&self) -> Option<u64> {
        let exact = self.exact.iter().map(|(_, tokens)| tokens.len() as u64);
        let chained = self.chains.iter().map(|(_, chain)| chain.tokens);
        exact.chain(chained).max()
    }

    /// The prompt as the engines of an upstream name it, where that is known.
    pub(super) fn chain(&self, upstream: &str) -> Option<&TokenChain> {
        let mut chains = self.chains.iter();
        chains
            .find(|(name, _)| **name == *upstream)
            .map(|(_, chain)| chain)
    }

    /// The prompt's tokens at an upstream, where they are known.
    pub(super) fn exact(&self, upstream: &str) -> Option<&[u32]> {
        let mut exact = self.exact.iter();
        exact
            .find(|(name, _)| **name == *upstream)
            .map(|(_, tokens)| &**tokens)
    }

    /// Leading tokens that an upstream's salt leaves out.
    pub(super) fn public(&self, upstream: &str) -> Option<u64> {
        let mut public = self.public.iter();
        public
            .find(|(name, _)| **name == *upstream)
            .map(|(_, tokens)| *tokens)
    }

    /// Tokens in so many leading blocks of text.
    pub(super) fn tokens_of(&self, blocks: u32) -> u64 {
        let last = (blocks as usize).checked_sub(1);
        last.and_then(|last| self.ends.get(last))
            .copied()
            .unwrap_or(0)
    }

    /// Blocks of text in so many leading tokens.
    pub(super) fn blocks_in(&self, tokens: u64) -> usize {
        self.ends.partition_point(|end| *end <= tokens)
    }

    #[cfg(test)]
    pub(super) fn with_chain(mut self, upstream: &str, chain: TokenChain) -> Self {
        self.chains.push((upstream.into(), chain));
        self
    }
}

/// Names a prompt's blocks for every upstream that may get it and whose engines' caches are
/// followed. `cache_salt` is the tenant's.
pub(crate) async fn resolve<P: Platform>(
    platform: &Arc<P>,
    upstreams: &[Arc<Upstream>],
    request: &Arc<Request>,
    (tenant, cache_salt): (&Arc<str>, &str),
    prefix: &mut Prefix,
) {
    let given: Option<Arc<[u32]>> = token_ids(&request.prompt).map(Into::into);
    for upstream in upstreams {
        let index = upstream.token_index();
        if index.is_none() && upstream.config.tokenizer.is_none() {
            continue;
        }
        if !upstream.takes(request.wire(), &request.prompt.model) {
            continue;
        }
        let tokens = match &given {
            Some(tokens) => Some(tokens.clone()),
            None => prompt_tokens(platform, tenant, upstream, request).await,
        };
        let Some(tokens) = tokens else { continue };
        let name = upstream.name.clone();
        let public = upstream
            .public_tokens(platform, tenant, request, &tokens)
            .await;
        if public > 0 {
            prefix.public.push((name.clone(), public));
        }
        prefix.exact.push((name, tokens.clone()));
        let Some(index) = index else { continue };
        let keys = PromptKeys {
            lora: upstream
                .model_name(&request.prompt.model)
                .and_then(|model| index.adapter(model)),
            cache_salt: upstream.salts().then(|| cache_salt.to_owned()),
            public_blocks: index.blocks_in(public),
        };
        // Hashing keeps a core busy: some ten milliseconds for a million tokens.
        let index = index.clone();
        let work = async move { index.chain(&tokens, &keys) };
        let chain = platform.aside(tenant, work).await;
        prefix.chains.push((upstream.name.clone(), chain));
    }
}

/// The tokens of a prompt at one upstream. Of a sample of them the engine is asked too.
async fn prompt_tokens<P: Platform>(
    platform: &Arc<P>,
    tenant: &Arc<str>,
    upstream: &Arc<Upstream>,
    request: &Arc<Request>,
) -> Option<Arc<[u32]>> {
    if upstream.config.tokenizer.is_some() && !upstream.knows_tokens() {
        return None;
    }
    let request = if request.body.len() < LARGE {
        upstream.tokenised_form(request)
    } else {
        let (upstream, request) = (upstream.clone(), request.clone());
        let translated = async move { upstream.tokenised_form(&request) };
        platform.aside(tenant, translated).await
    }?;
    let model = &request.prompt.model;
    let model = upstream.model_name(model).unwrap_or(model);
    let tokens = platform.prompt_tokens(tenant, &upstream.name, model, &request);
    let tokens = tokens.await?;
    sample(platform, tenant, upstream, request);
    Some(tokens)
}

/// Compares a prompt with the engine, one in so many, beside its own way.
fn sample<P: Platform>(
    platform: &Arc<P>,
    tenant: &Arc<str>,
    upstream: &Arc<Upstream>,
    request: Arc<Request>,
) {
    let share = upstream.config.tokenizer.as_ref();
    let share = share.map_or(0.0, |tokenizer| tokenizer.verify);
    let [first, second, ..] = platform.random();
    let drawn = f64::from(u16::from_be_bytes([first, second]));
    if share > 0.0 && drawn < share * 65_536.0 && upstream.agreement.begin() {
        let (asking, tenant, upstream) = (platform.clone(), tenant.clone(), upstream.clone());
        platform.spawn(async move {
            compare(&*asking, &tenant, &upstream, request, false).await;
            upstream.agreement.end();
        });
    }
}

/// How many tokens a prompt has at the first upstream that takes it and of which that is known.
pub(crate) async fn counted<P: Platform>(
    platform: &Arc<P>,
    tenant: &Arc<str>,
    upstreams: &[Arc<Upstream>],
    request: &Arc<Request>,
) -> Option<u64> {
    for upstream in upstreams {
        let known = upstream.config.tokenizer.is_some() && upstream.knows_tokens();
        if known
            && upstream.takes(request.wire(), &request.prompt.model)
            && let Some(tokens) = prompt_tokens(platform, tenant, upstream, request).await
        {
            return Some(tokens.len() as u64);
        }
    }
    None
}

/// The token ids that a completion's prompt consists of. None for texts, and for several prompts.
fn token_ids(prompt: &Prompt) -> Option<Vec<u32>> {
    let [message] = &prompt.messages[..] else {
        return None;
    };
    if prompt.operation != Operation::Completion {
        return None;
    }
    let [Part::Opaque(part)] = &message.parts[..] else {
        return None;
    };
    if part.kind != TOKEN_IDS {
        return None;
    }
    serde_json::from_str(&part.json).ok()
}
