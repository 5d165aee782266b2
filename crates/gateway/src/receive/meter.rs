//! What an answer's payloads tell of it while they pass: tokens, model, how it ended, when its first token came.

use std::time::Instant;

use forebay_dialect::canonical::{FinishKind, Usage};
use forebay_dialect::error::{CONTEXT_EXCEEDED, is_too_long};
use forebay_dialect::{Payload, is_known_ending};

use crate::error::{ErrorKind, GatewayError};
use crate::policy::Ending;

/// What has been learned of an answer so far.
#[derive(Default)]
pub(crate) struct Meter {
    pub(crate) usage: Option<Usage>,
    pub(crate) model: Option<String>,
    pub(crate) ending: Option<Ending>,
    pub(crate) tool_calls: bool,
    pub(crate) first_token: Option<Instant>,
    pub(crate) deltas: u64,
    /// Some text or a tool call has come.
    pub(crate) spoke: bool,
    /// Bytes of text so far: what an estimate of its tokens is made of.
    pub(crate) text_bytes: u64,
}

impl Meter {
    /// Reads what a payload tells of the answer. An error within it ends the answer.
    pub(crate) fn read(
        &mut self,
        payload: &Payload,
        upstream: &str,
        now: Instant,
    ) -> Option<GatewayError> {
        if let Some(told) = payload.error() {
            let mut error = GatewayError::new(
                ErrorKind::UpstreamError,
                format!(
                    "upstream \"{upstream}\" ended its answer with an error: {}",
                    told.message
                ),
            );
            error.error_type = told.kind.clone().map(Into::into);
            error.code = told.code.clone();
            if is_too_long(told) {
                error.code = Some(CONTEXT_EXCEEDED.to_owned());
            }
            let status = told.status();
            error.status = Some(status).filter(|status| *status != 500);
            return Some(error);
        }
        if let Some(usage) = payload.usage() {
            // Anthropic tells the prompt's tokens first and the answer's last.
            self.usage = Some(self.usage.map_or(*usage, |known| known.followed_by(*usage)));
        }
        if self.model.is_none() {
            self.model = payload.model().map(str::to_owned);
        }
        self.tool_calls |= payload.has_tool_calls();
        if payload.texts().iter().any(|t| !t.text.is_empty()) || payload.has_tool_calls() {
            self.deltas += 1;
            self.first_token.get_or_insert(now);
            self.spoke = true;
            let bytes: usize = payload.texts().iter().map(|t| t.text.len()).sum();
            self.text_bytes = self.text_bytes.saturating_add(bytes as u64);
        }
        // OpenRouter and others name a failure where a reason to stop stands.
        let failed =
            |finish: &FinishKind| matches!(finish, FinishKind::Other(why) if why == "error");
        if payload.finished().iter().any(|(_, finish)| failed(finish)) {
            let what = format!("upstream \"{upstream}\" ended its answer with an error");
            return Some(GatewayError::new(ErrorKind::UpstreamError, what));
        }
        for (_, finish) in payload.finished() {
            let ending = match finish {
                FinishKind::Length => Ending::Length,
                FinishKind::Refused => Ending::Refused,
                other if is_known_ending(other) => Ending::Complete,
                _ => Ending::Truncated,
            };
            // The worst of several choices counts: truncated before refused, length and complete.
            let worse = |e: Ending| match e {
                Ending::Truncated => 3,
                Ending::Refused => 2,
                Ending::Length => 1,
                _ => 0,
            };
            if self.ending.is_none_or(|known| worse(ending) > worse(known)) {
                self.ending = Some(ending);
            }
        }
        None
    }
}
