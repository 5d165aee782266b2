//! A provider's own API, as it is: only what the configuration lists, method and path alike.

use std::sync::Arc;

use bytes::Bytes;
use http::{Method, header, request};

use super::judge::judge;
use super::objects::is_hidden;
use super::serve::{Asking, check};
use super::{At, Sent, answer, table};
use crate::answer::before::refer;
use crate::config::{Judging, RawConfig};
use crate::decide::maker;
use crate::enter::headers::require_json;
use crate::enter::ticket::Ticket;
use crate::error::{ErrorKind, GatewayError};
use crate::gateway::Gateway;
use crate::memory::read_json;
use crate::platform::Platform;
use crate::policy::{Caller, Policies};
use crate::receive::guard::policy_failed;
use crate::reply::Ready;

/// The listed path that a request is for.
pub(crate) fn find<'c>(raw: &'c [RawConfig], head: &request::Parts) -> Option<&'c RawConfig> {
    let path = head.uri.path();
    raw.iter()
        .find(|raw| raw.path == path && raw.method == head.method.as_str())
}

/// Serves a request for a listed path.
pub(crate) async fn serve_raw<P: Platform>(
    gateway: &Arc<Gateway<P>>,
    raw: &RawConfig,
    head: &request::Parts,
    body: Bytes,
    ticket: &mut Ticket<P>,
) -> Result<Ready<P>, GatewayError> {
    let identity = gateway
        .keys()
        .identify_head(head, gateway.platform().wall())?;
    let passage = &table::RAW;
    let caller = Caller {
        tenant: identity.key.tenant.clone(),
        key: identity.key.id.clone(),
        route: passage.path,
    };
    ticket.summary.caller = Some(caller.clone());
    ticket.summary.passage = Some(passage.name);
    ticket.charge.begin(gateway.account(&identity))?;
    let tenant = &*identity.key.tenant;
    if !raw.tenants.is_empty() && !raw.tenants.iter().any(|allowed| allowed == tenant) {
        return Err(not_found());
    }
    let query = head.uri.query().map(|query| format!("?{query}"));
    let at = At {
        method: Method::from_bytes(raw.method.as_bytes()).map_err(|_| not_found())?,
        path: format!("{}{}", raw.path, query.unwrap_or_default()),
    };
    let media = head.headers.get(header::CONTENT_TYPE).cloned();
    if !gateway.is_open() && require_json(&head.headers).is_ok() {
        readable(gateway, &identity.key.tenant, body.clone()).await?;
    }
    let (body, keeps) = refer(gateway, head, body).await?;
    if keeps.is_some_and(|keeps| keeps != raw.upstream) {
        let error = format!(
            "the request names a file that \"{}\" does not keep",
            raw.upstream
        );
        return Err(GatewayError::new(ErrorKind::NotFound, error).with_code("file_not_found"));
    }
    let mut sent = Sent::raw(passage, at, raw.upstream.clone(), body, media);
    check(gateway, &identity, &sent)?;
    let session = gateway.policies().session(&caller, sent.size()).await;
    let mut session = session.map_err(|error| policy_failed(&error))?;
    let judged = match raw.guard {
        Judging::Off => super::judge::Judged::default(),
        Judging::On => {
            let (judged, denied) = judge(
                &mut session,
                &caller,
                maker(gateway, &identity.secret),
                &mut sent,
            )
            .await?;
            ticket.summary.guard_hits.clone_from(&judged.hits);
            if let Some(reason) = denied {
                let error = GatewayError::new(ErrorKind::PromptDenied, reason.detail);
                return Err(error.with_code(reason.code));
            }
            judged
        }
    };
    let asking = Asking {
        gateway,
        identity: &identity,
        caller: &caller,
        head: &head.headers,
    };
    let deadline = asking.deadline(ticket);
    let begun = asking
        .begin(sent, (session, judged.guard_output), deadline, ticket)
        .await?;
    let ruled = answer::Ruled {
        gateway,
        caller: &caller,
        passage,
        judged,
        deadline,
    };
    ticket.estimated(0, false);
    let content = answer::unseen(&ruled, begun);
    Ok(Ready {
        headers: asking.describe(ticket),
        content,
    })
}

/// Refuses JSON in which an upstream might read the name of another tenant's file where nobody here does.
async fn readable<P: Platform>(
    gateway: &Gateway<P>,
    tenant: &Arc<str>,
    body: Bytes,
) -> Result<(), GatewayError> {
    let hidden = read_json(gateway.platform(), tenant, &body, |body| {
        Ok(is_hidden(&body))
    })
    .await?;
    match hidden {
        true => Err(GatewayError::new(
            ErrorKind::InvalidRequest,
            "the body may name a file, and is no JSON in UTF-8 in which every name occurs once",
        )
        .with_code("invalid_json")),
        false => Ok(()),
    }
}

fn not_found() -> GatewayError {
    GatewayError::new(ErrorKind::NotFound, "no such endpoint")
}
