//! Words of an upstream outside of its answer: those of an error, and those of its response's head. Where
//! rules for the output apply they pass the guard as well.

use std::sync::Arc;

use forebay_dialect::canonical::Channel;
use http::{HeaderName, HeaderValue};

use super::guard::{Guarded, denied, policy_failed};
use super::labels::Labels;
use super::{GuardOf, Receiver};
use crate::answer::flight::Head;
use crate::error::{ErrorSource, GatewayError};
use crate::platform::Platform;
use crate::policy::Policies;

impl<P: Platform> Receiver<'_, P> {
    /// A guard for an answer, or for the words of an error; none where no rule for the output applies.
    pub(super) async fn guard(&self) -> Result<Option<GuardOf<P>>, GatewayError> {
        if !self.errand.facts.guard_output {
            return Ok(None);
        }
        let guard = self.gateway.policies().guard(&self.errand.caller).await;
        let guard = guard.map_err(|e| policy_failed(&e))?;
        let secret = self.gateway.platform().random();
        let guarded = Guarded::new(guard, Labels::new(secret, self.sent.clone()));
        Ok(Some(match self.errand.facts.output_enforced {
            true => guarded,
            false => guarded.counting(),
        }))
    }

    /// The head as its client may read it: a value in which a rule finds something is left out.
    pub(super) async fn judge_head(
        &self,
        guard: &mut GuardOf<P>,
        head: &mut Head,
    ) -> Result<(), GatewayError> {
        let judged = judge_head(guard, head).await;
        if judged.is_err() {
            self.report_hits(std::mem::take(&mut guard.hits));
        }
        judged
    }

    /// An upstream's error as its client may read it. It stays the error that it is, with its status:
    /// clients and other steps act on that. Only its words are judged.
    pub(crate) async fn judge_error(&self, error: GatewayError) -> GatewayError {
        if error.kind.source() != ErrorSource::Upstream {
            return error;
        }
        let mut guard = match self.guard().await {
            Ok(Some(guard)) => guard,
            Ok(None) => return error,
            Err(failed) => return failed,
        };
        let judged = words_of(error, &mut guard).await;
        self.report_hits(std::mem::take(&mut guard.hits));
        judged
    }
}

/// A head as its client may read it: a value in which a rule finds something is left out.
pub(crate) async fn judge_head<G: crate::policy::OutputGuard>(
    guard: &mut Guarded<G>,
    head: &mut Head,
) -> Result<(), GatewayError> {
    let id = head.request_id.iter().map(|id| id.to_string());
    let limits = head.rate_limits.iter().map(told);
    let strings: Vec<_> = (0..)
        .zip(id.chain(limits))
        .map(|(at, text)| (Channel::Annotation(at), text))
        .collect();
    if strings.is_empty() {
        return Ok(());
    }
    let judged = guard.words(strings).await.map_err(|e| policy_failed(&e))?;
    let judged = judged.map_err(|reason| denied(&reason))?;
    let mut clean = judged.iter().map(Option::is_none);
    head.request_id = head
        .request_id
        .take()
        .filter(|_| clean.next() == Some(true));
    let limits: Arc<[_]> = head
        .rate_limits
        .iter()
        .zip(clean)
        .filter(|(_, clean)| *clean)
        .map(|(limit, _)| limit.clone())
        .collect();
    head.rate_limits = limits;
    Ok(())
}

/// The members of an error that may hold an upstream's words, in the order in which they are judged.
fn members_of(error: &GatewayError) -> [Option<&str>; 3] {
    [
        error.error_type.as_deref(),
        error.param.as_deref(),
        error.code.as_deref(),
    ]
}

/// An upstream's error with its words judged.
pub(crate) async fn words_of<G: crate::policy::OutputGuard>(
    mut error: GatewayError,
    guard: &mut Guarded<G>,
) -> GatewayError {
    let mut strings = vec![(Channel::Error, error.message.clone())];
    let members = members_of(&error);
    let members = (0..).zip(members.into_iter().flatten());
    strings.extend(members.map(|(at, text)| (Channel::Annotation(at), text.to_owned())));
    let judged = match guard.words(strings).await {
        Ok(judged) => judged,
        Err(failed) => return policy_failed(&failed),
    };
    match judged {
        Ok(judged) => {
            let mut judged = judged.into_iter();
            if let Some(Some(message)) = judged.next() {
                error.message = message;
            }
            for member in [&mut error.error_type, &mut error.param] {
                if member.is_some()
                    && let Some(Some(words)) = judged.next()
                {
                    *member = Some(words.into());
                }
            }
            if error.code.is_some()
                && let Some(Some(words)) = judged.next()
            {
                error.code = Some(words);
            }
        }
        Err(reason) => {
            error.message = format!("the upstream's error is withheld: {}", reason.detail);
            error.error_type = None;
            error.param = None;
            error.code = Some(reason.code);
        }
    }
    error
}

fn told((name, value): &(HeaderName, HeaderValue)) -> String {
    format!("{name}: {}", String::from_utf8_lossy(value.as_bytes()))
}
