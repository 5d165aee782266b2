//! How many tokens a prompt has: the upstream's own count where it speaks the client's format,
//! else an estimate, which says so.

use std::sync::Arc;

use bytes::Bytes;
use forebay_dialect::{Target, Wire};
use http::{HeaderMap, HeaderValue, request};

use crate::decide::decide;
use crate::error::{ErrorKind, GatewayError};
use crate::gateway::Gateway;
use crate::headers;
use crate::pipeline::{Content, Ready};
use crate::platform::Platform;
use crate::ticket::Ticket;

/// Counts the tokens of a prompt. It passes the same checks as a request for an answer.
pub(crate) async fn count<P: Platform>(
    gateway: &Arc<Gateway<P>>,
    target: &Target,
    route: &'static str,
    head: &request::Parts,
    body: Bytes,
    ticket: &mut Ticket<P>,
) -> Result<Ready<P>, GatewayError> {
    let decision = decide(gateway, target, route, head, &body, ticket).await?;
    ticket.settle(0);
    let tokens = decision.facts.input_tokens;
    let body = match target.wire {
        Wire::Messages => forebay_dialect::count_tokens_body(tokens),
        Wire::Gemini => forebay_dialect::gemini_count_tokens_body(tokens),
        _ => {
            return Err(GatewayError::new(
                ErrorKind::NotFound,
                "this format has no endpoint that counts tokens",
            ));
        }
    };
    let mut out = HeaderMap::new();
    headers::put(&mut out, headers::REQUEST_ID, &ticket.summary.request_id);
    out.insert(headers::ESTIMATE, HeaderValue::from_static("true"));
    Ok(Ready {
        headers: out,
        content: Content::Whole(body),
    })
}
