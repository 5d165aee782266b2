//! The public part of a prompt: leading tokens that an operator's declared system prompt has too. A
//! salt leaves them out where the engine can, so that tenants share what none of them keeps secret.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::UNIX_EPOCH;

use bytes::Bytes;
use forebay_dialect::canonical::{Part, Prompt};
use forebay_dialect::{Request, Wire};
use lru::LruCache;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::Upstream;
use crate::platform::Platform;

/// Tokens of declared prompts that are remembered: one for each declaration, model and role.
const REMEMBERED: usize = 256;
/// Seconds after which a declared prompt is rendered again: templates may write the date.
const FRESH: u64 = 3_600;
/// What the user says where a declared prompt is rendered by itself: templates ask for a user.
const USER: &str = ".";

/// The tokens of declared prompts, rendered once.
#[derive(Debug)]
pub(super) struct PublicPrompts(Mutex<LruCache<[u8; 32], Arc<[u32]>>>);

impl Default for PublicPrompts {
    fn default() -> Self {
        Self(Mutex::new(LruCache::unbounded()))
    }
}

impl PublicPrompts {
    fn get(&self, name: &[u8; 32]) -> Option<Arc<[u32]>> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(name).cloned()
    }

    fn put(&self, name: [u8; 32], tokens: Arc<[u32]>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.put(name, tokens);
        if known.len() > REMEMBERED {
            known.pop_lru();
        }
    }
}

impl Upstream {
    /// How many leading tokens of a prompt are public: those that a conversation of a declared
    /// system prompt and nobody's words begins with too. Whatever the client did to its request, a
    /// token that differs from that conversation's ends the public part. `tokens` are the prompt's,
    /// as the engine counts them.
    pub(super) async fn public_tokens<P: Platform>(
        &self,
        platform: &Arc<P>,
        tenant: &Arc<str>,
        request: &Request,
        tokens: &[u32],
    ) -> u64 {
        if self.config.public_prompts.is_empty() || !self.salts() {
            return 0;
        }
        let Some((role, said)) = system(&request.prompt) else {
            return 0;
        };
        let asked = &request.prompt.model;
        let model = self.model_name(asked).unwrap_or(asked);
        let mut most = 0;
        for declared in &self.config.public_prompts {
            let text = match (&declared.text, declared.digest()) {
                (Some(text), _) if said.starts_with(text.as_str()) => text,
                (None, Some(digest)) if Sha256::digest(&said)[..] == digest => &said,
                _ => continue,
            };
            if declared.is_about(asked)
                && let Some(own) = self.rendered(platform, tenant, model, (role, text)).await
            {
                let same = own.iter().zip(tokens).take_while(|(a, b)| a == b);
                most = most.max(same.count());
            }
        }
        most as u64
    }

    /// The tokens of a conversation of this system prompt and a user who says next to nothing.
    async fn rendered<P: Platform>(
        &self,
        platform: &Arc<P>,
        tenant: &Arc<str>,
        model: &str,
        (role, text): (&str, &str),
    ) -> Option<Arc<[u32]>> {
        let body = json!({"model": model, "messages": [
            {"role": role, "content": text}, {"role": "user", "content": USER}]});
        let body = Bytes::from(body.to_string());
        let now = platform.wall().duration_since(UNIX_EPOCH);
        let hour = now.unwrap_or_default().as_secs() / FRESH;
        let named = Sha256::new().chain_update(&body);
        let name: [u8; 32] = named.chain_update(hour.to_be_bytes()).finalize().into();
        if let Some(known) = self.public.get(&name) {
            return Some(known);
        }
        let request = Request::parse(Wire::Chat, body).ok()?;
        let tokens = platform.prompt_tokens(tenant, &self.name, model, &Arc::new(request));
        let tokens = tokens.await?;
        self.public.put(name, tokens.clone());
        Some(tokens)
    }
}

/// The role and text of the operator's message that a prompt begins with.
fn system(prompt: &Prompt) -> Option<(&str, String)> {
    let first = prompt.messages.first()?;
    if !matches!(first.role.as_str(), "system" | "developer") {
        return None;
    }
    let texts = first.parts.iter().map(|part| match part {
        Part::Text(text) => Some(text.as_str()),
        _ => None,
    });
    Some((&first.role, texts.collect::<Option<String>>()?))
}
