//! The models whose tokenizers are configured, by upstream.

use std::collections::HashMap;
use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use forebay_dialect::canonical::Part;
use forebay_dialect::{Request, Wire};
use forebay_gateway::config::UpstreamConfig;
use forebay_tokens::{Model, ModelFiles, TokensError};

use super::aside::Aside;
use super::clock;

/// Bodies up to this size are tokenised where they are: it takes a millisecond or two.
const SMALL: usize = 8 << 10;

/// Models by the name of the upstream that serves them.
#[derive(Debug, Default)]
pub struct Tokenizers(HashMap<Arc<str>, Arc<Model>>);

impl Tokenizers {
    /// Reads the files of all upstreams that name some. One that can't be used is left out, and
    /// the log says why: its prompts are then compared in blocks of text.
    pub fn load(upstreams: &[UpstreamConfig], base: &Path) -> Self {
        let mut models = HashMap::new();
        for upstream in upstreams {
            match Self::read(upstream, base) {
                None => {}
                Some(Ok(model)) => {
                    models.insert(Arc::from(upstream.name.as_str()), Arc::new(model));
                }
                Some(Err(error)) => tracing::warn!(
                    upstream = upstream.name,
                    "the tokenizer can't be used, so prompts are compared as blocks of text: {error}"
                ),
            }
        }
        Self(models)
    }

    /// Reads the files of an upstream, if it names some.
    pub fn read(upstream: &UpstreamConfig, base: &Path) -> Option<Result<Model, TokensError>> {
        let config = upstream.tokenizer.as_ref()?;
        Some(Model::load(&ModelFiles {
            path: base.join(config.path()?),
            template: config.template.as_ref().map(|file| base.join(file)),
        }))
    }

    /// The tokens of a prompt, where this upstream's model is known and takes it. A large one is
    /// tokenised on the threads for long work.
    pub(super) fn tokens(
        &self,
        tenant: &Arc<str>,
        upstream: &str,
        request: &Arc<Request>,
        aside: &Aside,
    ) -> impl Future<Output = Option<Arc<[u32]>>> + Send + use<> {
        let model = self.0.get(upstream).cloned();
        let (tenant, request, aside) = (tenant.clone(), request.clone(), aside.clone());
        async move {
            let model = model?;
            if request.body.len() <= SMALL {
                return tokens(&model, &request);
            }
            let work = async move { tokens(&model, &request) };
            aside.run(&tenant, work).await
        }
    }
}

fn tokens(model: &Model, request: &Request) -> Option<Arc<[u32]>> {
    let tokens = match request.wire() {
        Wire::Chat => {
            let now = clock::wall().duration_since(UNIX_EPOCH);
            let now = i64::try_from(now.unwrap_or_default().as_secs()).unwrap_or(0);
            model.chat_tokens(&request.body, now)
        }
        Wire::Completions => match &request.prompt.messages[..] {
            [message] => match &message.parts[..] {
                [Part::Text(text)] => model.text_tokens(text),
                _ => return None,
            },
            _ => return None,
        },
        _ => return None,
    };
    tokens.ok().map(Into::into)
}
