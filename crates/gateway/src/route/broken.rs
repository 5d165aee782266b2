//! Answers that break after they have begun: whose fault it is, and who may be asked next.

use http::StatusCode;

use super::Answer;
use super::attempt::{Attempts, Chosen, Tried};
use super::endpoint::Blame;
use super::verdict::Verdict;
use crate::error::{ErrorKind, GatewayError};
use crate::platform::Platform;

impl<P: Platform> Attempts<P> {
    /// An answer broke before its first content: the next one may be tried, unless it says that the request
    /// is at fault. What it says counts as a refusal's status does.
    ///
    /// # Errors
    ///
    /// The error, where no other upstream would say anything else.
    pub(crate) fn broke_early(
        &mut self,
        answer: &Answer,
        error: GatewayError,
    ) -> Result<(), GatewayError> {
        let again = Chosen {
            upstream: answer.upstream.clone(),
            endpoint: answer.lease.endpoint.clone(),
            uncached_tokens: answer.upstream.prompt_tokens(&self.outgoing.prefix),
            again: true,
        };
        let said = error
            .status
            .filter(|_| error.kind == ErrorKind::UpstreamError);
        let said = said.and_then(|status| StatusCode::from_u16(status).ok());
        let why = said.map_or(Verdict::Broken, |status| {
            Verdict::of(status, error.retry_after.is_some())
        });
        if why == Verdict::Broken {
            self.broke(answer, &error, true);
            self.state
                .again
                .push_back((again, self.sender.platform.now()));
        } else {
            let last_word = why == Verdict::Request;
            let tried = Tried::of(&again, answer.sent);
            self.observe(tried, error.status, Some(error.kind), !last_word);
            self.note(&again, why, &error);
            if last_word {
                return Err(error);
            }
        }
        self.state.last = Some(error);
        Ok(())
    }

    /// An answer broke. `retried`: the next one is tried.
    pub(crate) fn broke(&self, answer: &Answer, error: &GatewayError, retried: bool) {
        if error.kind != ErrorKind::DeadlineExceeded {
            let blame = match error.kind {
                ErrorKind::UpstreamError | ErrorKind::UpstreamInvalid => Blame::Answer,
                _ => Blame::Transport,
            };
            self.count_failure(&answer.upstream, &answer.lease.endpoint, blame);
        }
        let tried = Tried {
            upstream: &answer.upstream,
            endpoint: &answer.lease.endpoint,
            sent: answer.sent,
        };
        self.observe(tried, None, Some(error.kind), retried);
    }
}
