//! OpenAI's Realtime API over a WebSocket: opened like a request that passes through, then events
//! go both ways until one side ends the connection, or something here does.
//!
//! `events` says what is text in them, `talk` carries them, `said` judges what clients send,
//! `heard` what upstreams send, `tally` counts tokens, `watch` ends what may not go on.

mod events;
mod heard;
mod said;
mod talk;
mod tally;
mod told;
mod watch;

use std::sync::Arc;

use forebay_dialect::Wire;
use http::{HeaderMap, Response, StatusCode, request};

pub(crate) use events::EVENTS;

use super::judge::judge_parts;
use super::serve::{Asking, check, is_off};
use super::{REALTIME, Sent};
use crate::decide::places::Places;
use crate::enter::headers;
use crate::enter::identity::Identity;
use crate::enter::ingress::decode;
use crate::enter::ticket::{Permit, Ticket};
use crate::error::{ErrorKind, GatewayError};
use crate::gateway::Gateway;
use crate::platform::{Platform, Socket};
use crate::policy::{Action, Caller, Place, PlaceKind, Policies, PolicySession, Reason};
use crate::receive::guard::policy_failed;
use crate::reply::{ReplyBody, error_reply};
use crate::route::Answer;
use crate::time::Deadline;

/// A connection whose upstream has opened its side.
pub struct Realtime<P: Platform> {
    gateway: Arc<Gateway<P>>,
    /// The request's head, which holds its key: whether that is still valid is asked again and again.
    head: request::Parts,
    identity: Identity,
    caller: Caller,
    model: Option<String>,
    rules: Rules,
    ticket: Ticket<P>,
    /// Held as long as the connection lasts: it counts as work of its replica.
    answer: Answer,
    upstream: Socket,
}

/// What the guardrails say before anything was said.
struct Rules {
    /// They are off here.
    off: bool,
    /// Why sound can't go in, where a rule applies to it.
    unreadable: Option<Reason>,
    /// Rules for the output apply.
    output: bool,
    /// One of them can change or end an answer.
    enforced: bool,
}

/// What a client gets that has opened a connection.
pub struct Opened<P: Platform> {
    /// The 101, but for the headers of the handshake.
    pub response: Response<ReplyBody<P>>,
    /// The largest message that may come, in bytes.
    pub max_message: usize,
    /// The connection.
    pub session: Realtime<P>,
}

/// Opens a connection at an upstream, before the client is told that it is open.
///
/// # Errors
///
/// The answer for the client: who may not come in, and who has no upstream.
#[allow(
    clippy::result_large_err,
    reason = "the answer is moved once, on the rare path"
)]
pub async fn open<P: Platform>(
    permit: Permit<P>,
    head: request::Parts,
) -> Result<Opened<P>, Response<ReplyBody<P>>> {
    let gateway = permit.gateway.clone();
    let id = headers::request_id(&**gateway.platform(), Some(&head.headers));
    let mut ticket = Ticket::new(permit, head.uri.path(), id);
    ticket.explain = headers::flag(&head.headers, &headers::EXPLAIN);
    ticket.passed("enter");
    headers::trace(&**gateway.platform(), &head.headers, &mut ticket.summary);
    match begin(&gateway, &head, &mut ticket).await {
        Ok(begun) => Ok(begun.opened(gateway, head, ticket)),
        Err(error) => Err(error_reply(ticket, error)),
    }
}

/// What has been found when an upstream has opened its side.
struct Begun {
    identity: Identity,
    caller: Caller,
    model: Option<String>,
    rules: Rules,
    answer: Answer,
    upstream: Socket,
    headers: HeaderMap,
}

impl Begun {
    fn opened<P: Platform>(
        self,
        gateway: Arc<Gateway<P>>,
        head: request::Parts,
        ticket: Ticket<P>,
    ) -> Opened<P> {
        let mut response = Response::new(ReplyBody::nothing());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        *response.headers_mut() = self.headers;
        Opened {
            response,
            max_message: gateway.config().realtime.max_message,
            session: Realtime {
                gateway,
                head,
                identity: self.identity,
                caller: self.caller,
                model: self.model,
                rules: self.rules,
                ticket,
                answer: self.answer,
                upstream: self.upstream,
            },
        }
    }
}

async fn begin<P: Platform>(
    gateway: &Arc<Gateway<P>>,
    head: &request::Parts,
    ticket: &mut Ticket<P>,
) -> Result<Begun, GatewayError> {
    let now = gateway.platform().wall();
    let identity = gateway.keys().identify_head(head, now)?;
    let caller = Caller {
        tenant: identity.key.tenant.clone(),
        key: identity.key.id.clone(),
        route: REALTIME.path,
    };
    ticket.summary.caller = Some(caller.clone());
    ticket.summary.passage = Some(REALTIME.name);
    ticket.summary.stream = true;
    if !gateway.platform().carries_sockets() {
        return Err(needs_upgrade(gateway));
    }
    ticket.charge.begin(gateway.account(&identity))?;
    let sent = wanted(head)?;
    let model = sent.model.clone();
    ticket.summary.model = model.clone().unwrap_or_default();
    check(gateway, &identity, &sent)?;
    let session = gateway.policies().session(&caller, 0).await;
    let mut session = session.map_err(|error| policy_failed(&error))?;
    let rules = match is_off(gateway, &REALTIME) {
        true => Rules {
            off: true,
            unreadable: None,
            output: false,
            enforced: false,
        },
        false => {
            let model = model.as_deref().unwrap_or_default();
            judge_words(&mut session, &caller, model, &head.headers).await?;
            let verdict =
                judge_parts(&mut session, &caller, (&REALTIME, model), &[sound()]).await?;
            Rules {
                off: false,
                unreadable: match verdict.action {
                    Action::Deny(reason) => Some(reason),
                    _ => None,
                },
                output: verdict.guard_output,
                enforced: verdict.output_enforced,
            }
        }
    };
    ticket.passed("decide");
    let timeouts = &gateway.config().timeouts;
    let deadline = Deadline {
        at: ticket.started + timeouts.first_byte.0.min(timeouts.total.0),
        own: false,
    };
    let asking = Asking {
        gateway,
        identity: &identity,
        caller: &caller,
        head: &head.headers,
    };
    let mut answer = asking
        .begin(sent, (session, rules.output), deadline, ticket)
        .await?;
    let headers = asking.describe(ticket);
    let upstream = answer.take_socket().ok_or_else(|| {
        let name = &answer.upstream.name;
        let error = format!("upstream \"{name}\" answered, but opened no WebSocket");
        GatewayError::new(ErrorKind::UpstreamInvalid, error)
    })?;
    Ok(Begun {
        identity,
        caller,
        model,
        rules,
        answer,
        upstream,
        headers,
    })
}

/// What no rule can read.
fn sound() -> Place<'static> {
    Place {
        kind: PlaceKind::Unreadable,
        role: "user",
        path: "audio".into(),
        text: "".into(),
        joins_next: false,
    }
}

/// Judges what goes upstream before anything is said. None of it can be masked.
async fn judge_words<S: PolicySession>(
    session: &mut S,
    caller: &Caller,
    model: &str,
    head: &HeaderMap,
) -> Result<(), GatewayError> {
    let own = headers::of_dialect(Wire::Chat, head);
    let mut words = Places::passing(&[]);
    words.headers(&own);
    words.word("model", model);
    let verdict = judge_parts(session, caller, (&REALTIME, model), &words.list).await?;
    let refused = match verdict.action {
        Action::Allow => None,
        Action::Deny(reason) => Some(reason),
        Action::Ask(question) => Some(crate::decide::no_opinion(&question)),
        Action::Edit(edits) => words.edits(&edits).err(),
    };
    match refused {
        None => Ok(()),
        Some(Reason { code, detail }) => {
            Err(GatewayError::new(ErrorKind::PromptDenied, detail).with_code(code))
        }
    }
}

/// What a client wants to be connected to.
fn wanted(head: &request::Parts) -> Result<Sent, GatewayError> {
    let (mut model, mut transcribes) = (None, false);
    for pair in head.uri.query().unwrap_or_default().split('&') {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        match name {
            // Azure's clients name the deployment.
            "model" | "deployment" if !value.is_empty() => {
                let named = decode(value).ok_or_else(|| bad_query(name))?;
                if model.as_ref().is_some_and(|known| *known != named) {
                    return Err(bad_query(name));
                }
                model = Some(named);
            }
            "intent" => match value {
                "transcription" => transcribes = true,
                _ => return Err(bad_query(name)),
            },
            // A call that somebody else has begun has no owner here.
            "call_id" => return Err(bad_query(name)),
            _ => {}
        }
    }
    Ok(Sent::socket(model, transcribes))
}

fn bad_query(name: &str) -> GatewayError {
    let message = format!("invalid value for '{name}' in the query");
    GatewayError::new(ErrorKind::InvalidRequest, message)
        .with_param(Some(name))
        .with_code("invalid_value")
}

/// A request for this endpoint that opens no WebSocket.
pub(crate) fn needs_upgrade<P: Platform>(gateway: &Gateway<P>) -> GatewayError {
    if gateway.platform().carries_sockets() {
        return GatewayError::new(
            ErrorKind::InvalidRequest,
            "this endpoint is a WebSocket: connect over HTTP/1.1 with `Upgrade: websocket`",
        )
        .with_status(426)
        .with_code("upgrade_required");
    }
    GatewayError::new(
        ErrorKind::NotFound,
        "the Realtime API is a WebSocket, which this edge can't carry; the native gateway can",
    )
    .with_status(501)
    .with_code("endpoint_not_available")
}
