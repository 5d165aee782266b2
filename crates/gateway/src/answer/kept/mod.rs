//! OpenAI's responses with a memory: what a request refers to is put into it, and its answer is
//! kept for the requests that go on from it. Upstreams are asked to keep nothing, so that a
//! conversation belongs to its tenant, whoever computed its turns.

mod fetch;
mod keep;
mod seal;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use forebay_dialect::kept::{self, Asked, Composed, Item, Stamp, State, token_of};
use http::request;

pub(crate) use fetch::{Wanted, fetch};
pub(crate) use keep::{Keeper, Keeping};

use crate::decide::{aside, invalid_request};
use crate::enter::identity::{Identity, keyed};
use crate::enter::ticket::Ticket;
use crate::error::{ErrorKind, GatewayError};
use crate::gateway::Gateway;
use crate::memory::{also_booked, booked, read_json};
use crate::platform::Platform;
use crate::recording::Form;
use crate::store::{CacheKey, Store};

/// The most responses that are read for the items one request refers to. The newest has the items
/// of those before it, so that one is enough for a conversation without branches.
const MAX_READ: usize = 64;

/// A request that refers to nothing kept, and what keeps its answer.
pub(crate) struct Prepared<P: Platform> {
    pub(crate) body: Bytes,
    pub(crate) keeper: Option<Keeper<P>>,
}

/// Puts what a request refers to into it. One that neither refers nor keeps stays as it is.
pub(crate) async fn prepare<P: Platform>(
    gateway: &Arc<Gateway<P>>,
    head: &request::Parts,
    body: Bytes,
    ticket: &mut Ticket<P>,
) -> Result<Prepared<P>, GatewayError> {
    let prepared = prepare_for(gateway, head, body).await;
    if prepared.is_err()
        && let Ok(identity) = identify(gateway, head)
    {
        // A loop of failures is limited too.
        ticket.charge.begin(gateway.account(&identity))?;
    }
    prepared
}

fn identify<P: Platform>(
    gateway: &Gateway<P>,
    head: &request::Parts,
) -> Result<Identity, GatewayError> {
    gateway
        .keys()
        .identify_head(head, gateway.platform().wall())
}

async fn prepare_for<P: Platform>(
    gateway: &Arc<Gateway<P>>,
    head: &request::Parts,
    body: Bytes,
) -> Result<Prepared<P>, GatewayError> {
    let identity = identify(gateway, head)?;
    let read = |body: Bytes| kept::read(&body).map_err(|error| invalid_request(&error));
    let asked = read_json(gateway.platform(), &identity.key.tenant, &body, read).await?;
    let unchanged = |body| Prepared { body, keeper: None };
    let Some(asked) = asked else {
        return Ok(unchanged(body));
    };
    refuse(gateway, &asked)?;
    let refers = asked.previous.is_some() || !asked.references.is_empty();
    if asked.conversation.is_some() || (!asked.store && !refers) {
        return Ok(unchanged(body));
    }
    let before = match &asked.previous {
        Some(id) => previous(gateway, &identity, id).await?,
        None => Vec::new(),
    };
    let found = referred(gateway, &identity, &asked, &before).await?;
    let (original, composing) = (body.clone(), body.clone());
    let size = body.len();
    let composed = aside(gateway, &identity.key.tenant, size, async move {
        kept::compose(&composing, before, &found)
    });
    let Some(Composed { body, items }) = composed.await else {
        return Ok(unchanged(body));
    };
    let stores = asked.store && gateway.config().responses.store;
    let mut body = booked(&**gateway.platform(), &original, body)?;
    if stores {
        // What is kept of the conversation is a copy of it.
        body = also_booked(&**gateway.platform(), body.len(), body)?;
    }
    let stamp = Stamp {
        token: None,
        previous: asked.previous,
    };
    let keeper = Keeper::new(
        gateway.clone(),
        identity,
        stamp,
        stores.then_some(items),
        &body,
    );
    Ok(Prepared {
        body,
        keeper: Some(keeper),
    })
}

/// What the gateway has no place for.
fn refuse<P: Platform>(gateway: &Gateway<P>, asked: &Asked) -> Result<(), GatewayError> {
    if asked.background {
        let why = "background responses are not supported; ask in the foreground, or for a stream";
        return Err(GatewayError::new(ErrorKind::InvalidRequest, why)
            .with_param(Some("background"))
            .with_code("unsupported_value"));
    }
    match &asked.conversation {
        // Tenants share the upstream's account, so its conversations belong to none of them.
        Some(id) if !gateway.is_open() => Err(unknown_conversation(id)),
        _ => Ok(()),
    }
}

/// A conversation object that is not there, in OpenAI's words.
pub(crate) fn unknown_conversation(id: &str) -> GatewayError {
    let message = format!("Conversation with id '{}' not found.", shown(id));
    GatewayError::new(ErrorKind::NotFound, message).with_param(Some("conversation"))
}

/// The conversation that a response ended.
async fn previous<P: Platform>(
    gateway: &Gateway<P>,
    identity: &Identity,
    id: &str,
) -> Result<Vec<Item>, GatewayError> {
    let state = match id.starts_with("resp_") {
        true => load(gateway, identity, id).await?,
        false => None,
    };
    state.map(|state| state.conversation()).ok_or_else(|| {
        let message = format!("Previous response with id '{}' not found.", shown(id));
        GatewayError::new(ErrorKind::InvalidRequest, message)
            .with_param(Some("previous_response_id"))
            .with_code("previous_response_not_found")
    })
}

/// The items that a request refers to.
async fn referred<P: Platform>(
    gateway: &Gateway<P>,
    identity: &Identity,
    asked: &Asked,
    before: &[Item],
) -> Result<Vec<Item>, GatewayError> {
    let wanted: HashSet<&str> = asked.references.iter().map(String::as_str).collect();
    let pick = |items: Vec<Item>| {
        let items = items.into_iter().filter(|item| wanted.contains(&*item.id));
        items.map(|item| (item.id.clone(), item))
    };
    let mut found: HashMap<String, Item> = pick(before.to_vec()).collect();
    let mut read = 0;
    for id in asked.references.iter().rev() {
        if found.contains_key(id) {
            continue;
        }
        read += 1;
        if read > MAX_READ {
            let message = format!(
                "the input refers to items of more than {MAX_READ} responses; send the items themselves"
            );
            return Err(
                GatewayError::new(ErrorKind::InvalidRequest, message).with_param(Some("input"))
            );
        }
        let state = load(gateway, identity, id).await?;
        let items = state.map(|state| state.conversation()).unwrap_or_default();
        found.extend(pick(items));
        if !found.contains_key(id) {
            let message = format!("Item with id '{}' not found.", shown(id));
            return Err(GatewayError::new(ErrorKind::NotFound, message).with_param(Some("input")));
        }
    }
    Ok(found.into_values().collect())
}

/// What is kept under the token in this id, for this tenant. None where nothing is, or its time
/// has passed.
async fn load<P: Platform>(
    gateway: &Gateway<P>,
    identity: &Identity,
    id: &str,
) -> Result<Option<State>, GatewayError> {
    let Some(token) = token_of(id) else {
        return Ok(None);
    };
    let key = entry_key(identity, token);
    let entry = gateway.store().get(&key).await.map_err(|error| {
        GatewayError::new(
            ErrorKind::Overloaded,
            format!("kept responses can't be read now: {error}"),
        )
    })?;
    let Some((entry, _)) = entry else {
        return Ok(None);
    };
    if entry.tenant != identity.key.tenant || entry.is_stale(gateway.platform().wall()) {
        return Ok(None);
    }
    let Form::Whole(sealed) = &entry.recording.form else {
        return Ok(None);
    };
    let (secret, token, sealed) = (identity.secret.clone(), token.to_owned(), sealed.clone());
    let opened = aside(gateway, &identity.key.tenant, sealed.len(), async move {
        State::read(&seal::open(&secret, &token, &sealed)?)
    });
    Ok(opened.await)
}

/// The name of what is kept under a token: the tenant's secret is in it, as in every entry's.
fn entry_key(identity: &Identity, token: &str) -> CacheKey {
    let parts: [&[u8]; 2] = [b"forebay response v1", token.as_bytes()];
    CacheKey(keyed(&*identity.secret, &parts))
}

/// As much of an id as an error repeats: an id is no place for a payload.
fn shown(id: &str) -> String {
    id.chars().take(64).collect()
}
