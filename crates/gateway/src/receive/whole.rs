//! An answer that comes as one body.

use std::sync::Arc;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use forebay_dialect::json::mend_surrogates;
use forebay_dialect::{AnswerContext, Payload, PayloadError, Wire, mend_answer, translate_answer};
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::empty::{is_empty, is_foreign};
use super::guard::{Guarded, denied, policy_failed, slots_of};
use super::meter::Meter;
use super::{Broken, GuardOf, Receiver, Spare, invalid};
use crate::answer::flight::Head;
use crate::decide::aside;
use crate::error::{ErrorKind, GatewayError};
use crate::memory::no_memory;
use crate::platform::{MemoryShare, Platform};
use crate::policy::{Ending, Hit, OutputGuard};
use crate::recording::Form;
use crate::route::Answer;

impl<P: Platform> Receiver<'_, P> {
    /// Nothing of it has gone out before all of it has come: until then every fault lets another
    /// upstream be tried.
    pub(super) async fn receive_whole(
        &mut self,
        answer: &mut Answer,
        guard: Option<GuardOf<P>>,
        mut head: Head,
        context: &AnswerContext,
    ) -> Result<(), Broken> {
        let tenant = &self.errand.caller.tenant;
        let (body, share) = self.gather(answer).await?;
        let own = Translation {
            from: answer.wire,
            to: self.errand.wire,
            upstream: answer.upstream.name.clone(),
            sent: answer.sent,
            context: context.clone(),
        };
        let work = aside(
            self.gateway,
            tenant,
            body.len(),
            async move { own.of(body) },
        );
        let body = work.await.map_err(Broken::Early)?;
        if let Some(lost) = context.seen.unshown() {
            head.lose(&lost);
        }
        self.deliver(answer, (body, share), guard, head).await
    }

    /// An answer in the client's format, all of it, on its way out, with the memory booked for it.
    pub(super) async fn deliver(
        &mut self,
        answer: &mut Answer,
        (body, share): (Bytes, Box<dyn MemoryShare>),
        guard: Option<GuardOf<P>>,
        mut head: Head,
    ) -> Result<(), Broken> {
        let (wire, tenant) = (self.errand.wire, &self.errand.caller.tenant);
        let name = answer.upstream.name.clone();
        let now = self.gateway.platform().now();
        let (asked, upstream) = (self.sent.body.clone(), name.clone());
        let size = body.len();
        let reading = async move { Reading::of(wire, body, &asked, &upstream, now) };
        let reading = aside(self.gateway, tenant, size, reading).await;
        let Reading {
            payload,
            meter,
            empty,
        } = reading.map_err(Broken::Early)?;
        head.waited = now.saturating_duration_since(answer.sent);
        // Its memory stays booked until its last reader is done.
        let body = share.seal(match guard {
            None => payload.raw.clone(),
            Some(guard) => {
                let judging = guard_whole(wire, payload, guard);
                let (judged, hits) = aside(self.gateway, tenant, size, judging).await;
                self.report_hits(hits);
                judged.map_err(Broken::Late)?
            }
        });
        if empty {
            let spare = Spare::new(self, head, Form::Whole(body), &meter);
            let error = invalid(&name, "a response without any content");
            return Err(Broken::Empty(error, Box::new(spare)));
        }
        self.flight.spoke(meter.text_bytes);
        self.flight.set_head(head);
        self.land(answer, meter, Some(Form::Whole(body)), Ending::Complete)
            .await;
        Ok(())
    }

    /// The whole of a body that is no stream, and its share of memory.
    async fn gather(
        &mut self,
        answer: &mut Answer,
    ) -> Result<(Bytes, Box<dyn MemoryShare>), Broken> {
        let mut share = self.gateway.platform().share();
        let limit = self.gateway.config().streams.max_response;
        let mut body = Bytes::new();
        let mut gathered = BytesMut::new();
        while let Some(chunk) = self.next(answer, None, true).await.map_err(Broken::Early)? {
            if body.len() + gathered.len() + chunk.len() > limit {
                return Err(Broken::Late(invalid(
                    &answer.upstream.name,
                    &format!("a response of more than {limit} bytes (streams.max_response)"),
                )));
            }
            if !share.grow(chunk.len()) {
                return Err(Broken::Late(no_memory()));
            }
            if body.is_empty() && gathered.is_empty() {
                body = chunk;
            } else {
                if gathered.is_empty() {
                    gathered.extend_from_slice(&std::mem::take(&mut body));
                }
                gathered.extend_from_slice(&chunk);
            }
        }
        // A copy of its own: what came is a slice of a larger read buffer, which a recording
        // would keep alive, many times its weight.
        let own = Bytes::copy_from_slice(if gathered.is_empty() {
            &body
        } else {
            &gathered
        });
        Ok((mend_surrogates(own), share))
    }
}

const NO_ANSWER: &str = "a 200 response that does not contain an answer";

/// An answer that has to be put into its client's format.
struct Translation {
    from: Wire,
    to: Wire,
    upstream: Arc<str>,
    sent: Instant,
    context: AnswerContext,
}

impl Translation {
    fn of(&self, body: Bytes) -> Result<Bytes, GatewayError> {
        if self.from == self.to && !self.context.back.undoes() {
            return Ok(mend_answer(self.to, body, &self.context));
        }
        // An error in the place of an answer is none of the answers that can be translated.
        if let Ok(told) = Payload::parse(self.from, body.clone())
            && let Some(error) = Meter::default().read(&told, &self.upstream, self.sent)
        {
            return Err(error);
        }
        translate_answer(self.from, self.to, &body, &self.context)
            .map_err(|error| unreadable(&self.upstream, &error))
    }
}

/// An answer in its client's format, and what it says of itself.
struct Reading {
    payload: Payload,
    meter: Meter,
    empty: bool,
}

impl Reading {
    fn of(
        wire: Wire,
        body: Bytes,
        asked: &[u8],
        upstream: &str,
        now: Instant,
    ) -> Result<Self, GatewayError> {
        let payload = Payload::parse(wire, body).map_err(|error| unreadable(upstream, &error))?;
        let mut meter = Meter::default();
        if let Some(error) = meter.read(&payload, upstream, now) {
            return Err(error);
        }
        if wire == Wire::Embeddings && lacks_vectors(asked, &payload.raw) {
            return Err(invalid(
                upstream,
                "a number of vectors that differs from the number of inputs",
            ));
        }
        let empty = is_empty(&meter, std::iter::once(&payload));
        if empty && is_foreign(&payload) {
            return Err(invalid(upstream, NO_ANSWER));
        }
        Ok(Self {
            payload,
            meter,
            empty,
        })
    }
}

fn unreadable(upstream: &str, error: &PayloadError) -> GatewayError {
    if matches!(error, PayloadError::NoAnswer) {
        return invalid(upstream, NO_ANSWER);
    }
    let what = format!("a response that is not valid in its format: {error}");
    invalid(upstream, &what)
}

/// A whole answer is pushed at once and finished: all that may go out is then released. With it come
/// the rules that matched.
async fn guard_whole<G: OutputGuard>(
    wire: Wire,
    payload: Payload,
    mut guard: Guarded<G>,
) -> (Result<Bytes, GatewayError>, Vec<Hit>) {
    let judged = judge_whole(wire, payload, &mut guard).await;
    (judged, std::mem::take(&mut guard.hits))
}

async fn judge_whole<G: OutputGuard>(
    wire: Wire,
    payload: Payload,
    guard: &mut Guarded<G>,
) -> Result<Bytes, GatewayError> {
    let passed = guard.pass(payload).await.map_err(|e| policy_failed(&e))?;
    let rest = match &passed.denied {
        None => Some(guard.finish().await.map_err(|e| policy_failed(&e))?),
        Some(_) => None,
    };
    if let Some(reason) = passed
        .denied
        .or(rest.as_ref().and_then(|r| r.denied.clone()))
    {
        return Err(denied(&reason));
    }
    let Some(payload) = guard.last() else {
        let error = "a payload passed the output guard and is gone";
        return Err(GatewayError::new(ErrorKind::Internal, error));
    };
    // Released within the pass, released at the end: both belong into the slots of the one body.
    let last_of = slots_of(payload);
    let mut slots = vec![Some(String::new()); payload.texts().len()];
    for body in passed
        .payloads
        .into_iter()
        .chain(rest.into_iter().flat_map(|r| r.payloads))
    {
        let Ok(part) = Payload::parse(wire, body) else {
            continue;
        };
        for text in part.texts() {
            let at = last_of.get(&(text.choice, text.channel));
            if let Some(Some(slot)) = at.and_then(|at| slots.get_mut(*at)) {
                slot.push_str(&text.text);
            }
        }
    }
    Ok(payload.rewrite(&slots, guard.drops_unreadable()))
}

/// Whether an answer does not have one vector for each text that was asked about. What can't be read
/// so says nothing.
fn lacks_vectors(request: &[u8], answer: &[u8]) -> bool {
    /// A text, or its token ids, or several of either.
    #[derive(Deserialize)]
    #[serde(untagged)]
    #[allow(dead_code, reason = "only which it is counts")]
    enum Input {
        Tokens(Vec<u64>),
        Several(Vec<IgnoredAny>),
        One(String),
    }
    #[derive(Deserialize)]
    struct Asked {
        input: Input,
    }
    #[derive(Deserialize)]
    struct Answered {
        data: Vec<IgnoredAny>,
    }
    let texts = match serde_json::from_slice::<Asked>(request) {
        Ok(Asked {
            input: Input::Several(texts),
        }) => texts.len(),
        Ok(_) => 1,
        Err(_) => return false,
    };
    serde_json::from_slice::<Answered>(answer).is_ok_and(|it| {
        // That there are none at all is told apart: the answer is empty.
        !it.data.is_empty() && it.data.len() != texts
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_has_a_vector_for_each_text() {
        let lacks = |input: &str, vectors: usize| {
            let asked = format!(r#"{{"model":"m","input":{input}}}"#);
            let vector = r#"{"embedding":[0.5]}"#;
            let answer = format!(r#"{{"data":[{}]}}"#, vec![vector; vectors].join(","));
            lacks_vectors(asked.as_bytes(), answer.as_bytes())
        };
        for (input, texts) in [
            (r#""a""#, 1),
            (r#"["a"]"#, 1),
            (r#"["a","b"]"#, 2),
            ("[1,2,3]", 1),
            ("[[1,2],[3]]", 2),
        ] {
            assert!(!lacks(input, texts), "{input}");
            assert!(lacks(input, texts + 1), "{input}");
            assert_eq!(lacks(input, texts - 1), texts > 1, "{input}");
        }
        // An error, or a request in some other form.
        assert!(!lacks_vectors(br#"{"input":"a"}"#, br#"{"error":{}}"#));
        assert!(!lacks_vectors(b"{}", br#"{"data":[]}"#));
    }
}
