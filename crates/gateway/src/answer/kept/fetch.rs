//! The endpoints of kept responses: one of them, its input, its deletion.

use std::sync::Arc;

use bytes::Bytes;
use forebay_dialect::json_string;
use forebay_dialect::kept::{Page, input_items, token_of};
use http::{HeaderMap, request};

use super::{entry_key, identify, load, shown};
use crate::enter::headers;
use crate::enter::ticket::Ticket;
use crate::error::{ErrorKind, GatewayError};
use crate::gateway::Gateway;
use crate::platform::Platform;
use crate::reply::{Content, Ready};
use crate::store::{Selector, Store};

/// What is wanted of a kept response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// The response.
    Whole,
    /// A page of its input.
    Input(Page),
    /// That it is forgotten.
    Deletion,
    /// That its computation ends.
    Cancellation,
}

/// Answers a request about a kept response.
pub(crate) async fn fetch<P: Platform>(
    gateway: &Arc<Gateway<P>>,
    head: &request::Parts,
    id: &str,
    wanted: &Wanted,
    ticket: &mut Ticket<P>,
) -> Result<Ready<P>, GatewayError> {
    let identity = identify(gateway, head)?;
    ticket.charge.begin(gateway.account(&identity))?;
    let not_found = || {
        let message = format!("Response with id '{}' not found.", shown(id));
        GatewayError::new(ErrorKind::NotFound, message)
    };
    // An item's id is no response's.
    let is_response = id.starts_with("resp_");
    let token = token_of(id).filter(|_| is_response).ok_or_else(not_found)?;
    let state = load(gateway, &identity, id).await?;
    let state = state.ok_or_else(not_found)?;
    let body = match wanted {
        Wanted::Whole => state.response,
        Wanted::Input(page) => input_items(&state, page),
        Wanted::Deletion => {
            let selector = Selector {
                key: Some(entry_key(&identity, token)),
                ..Selector::default()
            };
            gateway.store().purge(&selector).await.map_err(|error| {
                GatewayError::new(
                    ErrorKind::Overloaded,
                    format!("the response can't be deleted now: {error}"),
                )
            })?;
            let id = json_string(id);
            Bytes::from(format!(
                "{{\"id\":{id},\"object\":\"response\",\"deleted\":true}}"
            ))
        }
        Wanted::Cancellation => {
            return Err(GatewayError::new(
                ErrorKind::InvalidRequest,
                "Cannot cancel a synchronous response.",
            ));
        }
    };
    let mut out = HeaderMap::new();
    headers::put(&mut out, headers::REQUEST_ID, &ticket.summary.request_id);
    Ok(Ready {
        headers: out,
        content: Content::Whole(body),
    })
}
