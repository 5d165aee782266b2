//! What a client says: its events read, its models checked, its text judged before it goes on.

use std::sync::Arc;

use bytes::Bytes;
use forebay_dialect::passing::{Member, Passing};

use super::super::REALTIME;
use super::super::judge::judge_parts;
use super::super::objects::resolve;
use super::Rules;
use super::events::{EVENTS, MODELS, TYPES};
use crate::config::RequestBounds;
use crate::decide::places::{Places, is_piece};
use crate::decide::{LARGE, invalid_request, no_opinion};
use crate::enter::identity::Identity;
use crate::error::{ErrorKind, GatewayError};
use crate::gateway::Gateway;
use crate::memory::read_json;
use crate::observe::Observation;
use crate::platform::Platform;
use crate::policy::{Action, Caller, Policies, Reason};
use crate::receive::guard::policy_failed;
use crate::route::Upstream;

/// A client's event that may go on.
pub(super) struct Said {
    /// The event, its models as the upstream knows them.
    pub(super) event: Bytes,
    /// It asks for a response.
    pub(super) asks: bool,
}

/// An event with the upstream's own names of the files that it refers to: a tenant names its own alone,
/// and those that are where its connection is.
fn referred(
    event: Bytes,
    secret: &[u8; 32],
    open: bool,
    upstream: &str,
) -> Result<Bytes, GatewayError> {
    let (event, keeps) = {
        let (event, keeps) = resolve(&event, secret, open)?;
        (event.into_owned(), keeps)
    };
    match keeps {
        Some(keeps) if keeps != upstream => Err(GatewayError::new(
            ErrorKind::NotFound,
            format!("the event names a file that \"{upstream}\" does not keep"),
        )
        .with_code("file_not_found")),
        _ => Ok(event),
    }
}

/// An event that may not.
pub(super) struct Refused {
    pub(super) error: GatewayError,
    /// The client's id of it.
    pub(super) id: Option<String>,
}

/// What clients' events are read under.
pub(super) struct Reader<'a, P: Platform> {
    pub(super) gateway: &'a Arc<Gateway<P>>,
    pub(super) identity: &'a Identity,
    pub(super) caller: &'a Caller,
    pub(super) rules: &'a Rules,
    pub(super) upstream: &'a Upstream,
    /// The model that the connection is for.
    pub(super) model: Option<&'a str>,
    /// The end of what the last item said: the model reads the next one behind it.
    pub(super) before: String,
}

/// How much of the last item is kept: longer words are no words.
const BEFORE: usize = 256;

impl<P: Platform> Reader<'_, P> {
    /// Reads an event.
    pub(super) async fn read(&mut self, event: Bytes) -> Result<Said, Refused> {
        let bounds = self.gateway.config().bounds;
        let (secret, open) = (self.identity.secret.clone(), self.gateway.is_open());
        let keeper = self.upstream.name.clone();
        let work = move |event: Bytes| {
            let event = referred(event, &secret, open, &keeper)?;
            parse(event, &bounds)
        };
        let read = read_json(self.gateway.platform(), &self.caller.tenant, &event, work).await;
        let passing = read.map_err(|error| Refused { error, id: None })?;
        let value = |path: &str| {
            let mut said = passing.said().iter();
            said.find(|said| said.path == path && !said.is_name)
                .map(|said| said.text.as_str())
        };
        let id = value("event_id").map(str::to_owned);
        let refused = |error| Refused {
            error,
            id: id.clone(),
        };
        let Some(kind) = value("type") else {
            let error = GatewayError::new(ErrorKind::InvalidRequest, "an event needs a `type`");
            return Err(refused(error.with_param(Some("type"))));
        };
        let asks = kind == "response.create";
        let names = self.models(&passing).map_err(refused)?;
        if !self.rules.off {
            self.judge(&passing).await.map_err(refused)?;
            self.remember(&passing);
        }
        Ok(Said {
            event: passing.with(&names, None),
            asks,
        })
    }

    /// The models that an event names, as the upstream knows them.
    fn models(&self, passing: &Passing) -> Result<Vec<(usize, String)>, GatewayError> {
        let mut names = Vec::new();
        for (at, said) in passing.said().iter().enumerate() {
            let Some(place) = MODELS.iter().position(|path| *path == said.path) else {
                continue;
            };
            if said.is_name || said.text.is_empty() {
                continue;
            }
            let refused = |kind, message: &str| {
                Err(GatewayError::new(kind, message).with_param(Some(said.path.as_str())))
            };
            if !self.identity.may_use(&said.text) {
                let message = "this API key may not use the model that the event names";
                return refused(ErrorKind::ModelNotAllowed, message);
            }
            // The first two name the session's own model, which was chosen with the connection.
            let own = place < 2;
            if own && self.model.is_some_and(|model| model != said.text) {
                let message = "the model of a connection can't change; connect again with another";
                return refused(ErrorKind::InvalidRequest, message);
            }
            match self.upstream.model_name(&said.text) {
                Some(name) => names.push((at, name.to_owned())),
                None if own => {
                    let message = "the upstream of this connection does not have the model";
                    return refused(ErrorKind::ModelNotFound, message);
                }
                // What writes down speech need not be listed: it answers nobody.
                None => {}
            }
        }
        Ok(names)
    }

    /// Keeps the end of what an item says, from the beginning of a word on where there is one.
    fn remember(&mut self, passing: &Passing) {
        for said in passing.said().iter().filter(|said| is_piece(said)) {
            self.before.push_str(&said.text);
        }
        let from = self.before.len().saturating_sub(BEFORE);
        if from > 0 {
            let from = self.before.ceil_char_boundary(from);
            let rest = self.before.get(from..).unwrap_or_default();
            let word = rest.find(char::is_whitespace).unwrap_or(0);
            self.before.drain(..from + word);
        }
    }

    async fn judge(&self, passing: &Passing) -> Result<(), GatewayError> {
        let known = |said: &&forebay_dialect::passing::Said| {
            said.path != "type" || !TYPES.contains(&said.text.as_str())
        };
        let telling: Vec<_> = passing.said().iter().filter(known).cloned().collect();
        // Sound comes many times a second, and what the rules say of it never changes.
        if telling.iter().all(|said| said.member == Member::Media) {
            let sound = self
                .rules
                .unreadable
                .as_ref()
                .filter(|_| !telling.is_empty());
            return sound.map_or(Ok(()), |reason| Err(unreadable(reason)));
        }
        let bytes = telling.iter().map(|said| said.text.len()).sum();
        let (own, caller) = (self.gateway.clone(), self.caller.clone());
        let model = self.model.unwrap_or_default().to_owned();
        let has_sound = telling.iter().any(|said| said.member == Member::Media);
        let before = self.before.clone();
        let work = async move {
            let session = own.policies().session(&caller, bytes).await;
            let mut session = session.map_err(|error| policy_failed(&error))?;
            let mut places = Places::passing(&telling);
            places.goes_on_from(&before);
            let asked = (&REALTIME, model.as_str());
            let verdict = judge_parts(&mut session, &caller, asked, &places.list).await?;
            if !verdict.hits.is_empty() {
                let hits = verdict.hits;
                let platform = own.platform();
                platform.observe(Observation::GuardHits { caller, hits });
            }
            Ok(verdict.action)
        };
        let action = if bytes < LARGE {
            work.await?
        } else {
            self.gateway
                .platform()
                .aside(&self.caller.tenant, work)
                .await?
        };
        match action {
            Action::Allow => Ok(()),
            Action::Deny(reason) if has_sound && self.rules.unreadable.is_some() => {
                Err(unreadable(&reason))
            }
            Action::Deny(reason) => Err(denied(&reason)),
            Action::Ask(question) => Err(denied(&no_opinion(&question))),
            Action::Edit(_) => Err(denied(&Reason {
                code: "masked".to_owned(),
                detail: "a rule masks a value in this event, and values can't be put back into the events of a Realtime connection; leave the value out".to_owned(),
            })),
        }
    }
}

fn parse(event: Bytes, bounds: &RequestBounds) -> Result<Passing, GatewayError> {
    let passing = Passing::read(event, EVENTS).map_err(|error| invalid_request(&error))?;
    let (has, limit) = (passing.members(), bounds.members);
    if has > limit {
        let error =
            format!("the event has {has} JSON members, over the limit of {limit} (limits.members)");
        let error = GatewayError::new(ErrorKind::InvalidRequest, error);
        return Err(error.with_code("request_too_complex"));
    }
    Ok(passing)
}

fn denied(reason: &Reason) -> GatewayError {
    GatewayError::new(ErrorKind::PromptDenied, reason.detail.clone()).with_code(&*reason.code)
}

fn unreadable(reason: &Reason) -> GatewayError {
    let message = format!(
        "{}; audio and images can't be checked: send text, or ask the operator to set guard = \"off\" for \"{}\" ([[through]])",
        reason.detail, REALTIME.name
    );
    GatewayError::new(ErrorKind::PromptDenied, message).with_code(&*reason.code)
}
