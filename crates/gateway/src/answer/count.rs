//! How many tokens a prompt has: an upstream's own count where it speaks the client's format and
//! counts, else an estimate, which says so.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use forebay_dialect::{Request, Wire};
use futures_util::StreamExt as _;
use http::{HeaderMap, HeaderValue};

use super::board::{errand, read_large, taken};
use super::generate::Asked;
use super::lead::relay;
use crate::decide::{Decision, decide};
use crate::enter::headers;
use crate::enter::ticket::Ticket;
use crate::error::{ErrorKind, GatewayError};
use crate::gateway::Gateway;
use crate::platform::Platform;
use crate::reply::{Content, Ready};
use crate::route::counted;
use crate::time::timeout;

/// The most of a count that is read: it is one number, and what a vendor tells beside it.
const MAX_COUNT: usize = 64 << 10;
/// How long a count may take: nothing is computed for it but a tokenizer's work.
const PATIENCE: Duration = Duration::from_secs(10);

/// Counts the tokens of a prompt. It passes the same checks as a request for an answer.
pub(crate) async fn count<P: Platform>(
    gateway: &Arc<Gateway<P>>,
    asked: &Asked<'_>,
    body: Bytes,
    ticket: &mut Ticket<P>,
) -> Result<Ready<P>, GatewayError> {
    let (target, route, head) = (&asked.target, asked.route, asked.head);
    let mut decision = decide(gateway, target, route, head, &body, ticket).await?;
    decision.only.clone_from(&asked.only);
    ticket.charge.settle();
    let mut out = HeaderMap::new();
    headers::put(&mut out, headers::REQUEST_ID, &ticket.summary.request_id);
    read_large(gateway, &mut decision, &body).await?;
    let request = Arc::new(taken(gateway, &mut decision, &body)?);
    let answered = ask(gateway, &mut decision, &request, asked, ticket).await;
    if let Some((upstream, count)) = answered {
        headers::put(&mut out, headers::UPSTREAM, &upstream);
        return Ok(Ready {
            headers: out,
            content: Content::Whole(count),
        });
    }
    let upstreams = gateway.all_upstreams();
    let exact = counted(
        gateway.platform(),
        &decision.caller.tenant,
        upstreams,
        &request,
    )
    .await;
    let tokens = exact.unwrap_or(decision.facts.input_tokens);
    let body = match target.wire {
        Wire::Messages => forebay_dialect::count_tokens_body(tokens),
        Wire::Gemini => forebay_dialect::gemini_count_tokens_body(tokens),
        _ => {
            return Err(GatewayError::new(
                ErrorKind::NotFound,
                "this API format has no endpoint that counts tokens",
            ));
        }
    };
    if exact.is_none() {
        out.insert(headers::ESTIMATE, HeaderValue::from_static("true"));
    }
    Ok(Ready {
        headers: out,
        content: Content::Whole(body),
    })
}

/// The count of the upstream that would answer. None where it does not count in this format, or
/// failed to: then an estimate serves.
async fn ask<P: Platform>(
    gateway: &Arc<Gateway<P>>,
    decision: &mut Decision<P>,
    request: &Arc<Request>,
    asked: &Asked<'_>,
    ticket: &Ticket<P>,
) -> Option<(Arc<str>, Bytes)> {
    let (errand, mut outgoing) = errand(
        gateway,
        decision,
        request.clone(),
        &asked.head.headers,
        ticket,
        false,
    );
    outgoing.count = true;
    let session = decision.session.take();
    let counting = timeout(&**gateway.platform(), PATIENCE, async move {
        let (head, mut answer) = relay(gateway, &errand, outgoing, session).await.ok()?;
        let mut out = BytesMut::new();
        while let Some(piece) = answer.body.next().await {
            out.extend_from_slice(&piece.ok()?);
            if out.len() > MAX_COUNT {
                return None;
            }
        }
        Some((head.upstream, out.freeze()))
    });
    counting.await.flatten()
}
