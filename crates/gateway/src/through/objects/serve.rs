//! The way of a request about what upstreams keep.

use std::sync::Arc;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Method, request};
use serde_json::Value;

use super::batch::Lines;
use super::id::{Thing, open};
use super::list::{self, MAX_PAGES, Page, Query};
use super::names::{Names, bad, batch_body};
use super::verb::Verb;
use super::within::Inner;
use crate::answer::models::unknown_model;
use crate::decide::{LARGE, maker};
use crate::enter::identity::Identity;
use crate::enter::ticket::Ticket;
use crate::error::{ErrorKind, GatewayError};
use crate::gateway::Gateway;
use crate::memory::also_booked;
use crate::platform::Platform;
use crate::policy::{Caller, Policies, Reason};
use crate::receive::guard::policy_failed;
use crate::reply::{Content, Ready};
use crate::through::answer::{Ruled, collect, judged, passed, unseen};
use crate::through::judge::{Judged, guards_output, judge};
use crate::through::serve::{Asking, check, is_off, read};
use crate::through::table::{self, Passage};
use crate::through::{At, Sent};

/// The error for a name that the tenant was not given.
pub(super) fn unknown(thing: Thing, name: &str) -> GatewayError {
    let what = thing.noun();
    // 80: a name is no place for a payload.
    let shown: String = name.chars().take(80).collect();
    GatewayError::new(
        ErrorKind::NotFound,
        format!("No such {what} object: {shown}"),
    )
    .with_code("not_found")
    .with_param(Some("id"))
}

/// What a request is about.
pub(crate) struct Request<'r> {
    pub(crate) thing: Thing,
    pub(crate) verb: Verb,
    /// The name in its path.
    pub(crate) name: Option<String>,
    pub(crate) head: &'r request::Parts,
    pub(crate) body: Bytes,
}

/// Serves one request about what upstreams keep.
pub(crate) async fn serve_object<P: Platform>(
    gateway: &Arc<Gateway<P>>,
    asked: Request<'_>,
    ticket: &mut Ticket<P>,
) -> Result<Ready<P>, GatewayError> {
    let identity = gateway
        .keys()
        .identify_head(asked.head, gateway.platform().wall())?;
    let passage = asked.thing.passage();
    let caller = Caller {
        tenant: identity.key.tenant.clone(),
        key: identity.key.id.clone(),
        route: passage.path,
    };
    ticket.summary.caller = Some(caller.clone());
    ticket.summary.passage = Some(passage.name);
    ticket.charge.begin(gateway.account(&identity))?;
    let keeper = Keeper {
        asking: Asking {
            gateway,
            identity: &identity,
            caller: &caller,
            head: &asked.head.headers,
        },
        parts: asked.head,
        thing: asked.thing,
        passage,
    };
    let content = match (asked.verb, asked.thing) {
        (Verb::Create, Thing::File) => keeper.upload(asked.body, ticket).await?,
        (Verb::Create, Thing::Batch) => keeper.begin_batch(asked.body, ticket).await?,
        (Verb::Create, _) => keeper.make(asked.body, ticket).await?,
        (Verb::List, _) => keeper.list(asked.head.uri.query(), ticket).await?,
        (verb, thing) => {
            let mut name = asked.name.unwrap_or_default();
            if thing == Thing::CachedContent {
                name.insert_str(0, "cachedContents/");
            } else if !matches!(thing, Thing::File | Thing::Batch)
                && let Some((name, within)) = name.split_once('/')
            {
                let (upstream, own) =
                    open(&identity.secret, thing, name).ok_or_else(|| unknown(thing, name))?;
                let inner = Inner {
                    verb,
                    upstream,
                    own,
                    within,
                    query: asked.head.uri.query(),
                };
                let content = keeper.within(inner, asked.body, ticket).await?;
                return Ok(Ready {
                    headers: keeper.asking.describe(ticket),
                    content,
                });
            }
            let (upstream, own) =
                open(&identity.secret, thing, &name).ok_or_else(|| unknown(thing, &name))?;
            match verb {
                Verb::Update | Verb::Patch => {
                    keeper
                        .change(verb, upstream, &own, asked.body, ticket)
                        .await?
                }
                _ => keeper.one(verb, upstream, &own, ticket).await?,
            }
        }
    };
    Ok(Ready {
        headers: keeper.asking.describe(ticket),
        content,
    })
}

/// One tenant's dealings with what upstreams keep.
pub(super) struct Keeper<'k, P: Platform> {
    pub(super) asking: Asking<'k, P>,
    parts: &'k request::Parts,
    thing: Thing,
    passage: &'static Passage,
}

impl<P: Platform> Keeper<'_, P> {
    pub(super) fn thing(&self) -> Thing {
        self.thing
    }

    pub(super) fn passage(&self) -> &'static Passage {
        self.passage
    }

    pub(super) fn parts(&self) -> &request::Parts {
        self.parts
    }

    pub(super) fn identity(&self) -> &Identity {
        self.asking.identity
    }

    fn names<'n>(&'n self, upstream: &'n str) -> Names<'n> {
        Names {
            secret: &self.identity().secret,
            upstream,
            thing: self.thing,
        }
    }

    /// Reads a request of this tenant's.
    pub(super) async fn read(
        &self,
        passage: &'static Passage,
        body: Bytes,
    ) -> Result<Sent, GatewayError> {
        let Asking {
            gateway,
            caller,
            head,
            ..
        } = &self.asking;
        read(gateway, &caller.tenant, passage, None, head, body).await
    }

    /// Keeps a file at an upstream.
    async fn upload(
        &self,
        body: Bytes,
        ticket: &mut Ticket<P>,
    ) -> Result<Content<P>, GatewayError> {
        let gateway = self.asking.gateway;
        let sent = self.read(self.passage, body).await?;
        check(gateway, self.identity(), &sent)?;
        let large = sent.size() >= LARGE;
        let (own, caller) = (gateway.clone(), self.asking.caller.clone());
        let identity = self.identity().clone();
        let work = async move { judged_upload(&own, &caller, &identity, sent).await };
        let (sent, tokens, denied) = if large {
            gateway
                .platform()
                .aside(&self.asking.caller.tenant, work)
                .await?
        } else {
            work.await?
        };
        has_all(gateway, &sent)?;
        ticket.input_tokens = tokens;
        ticket.charge.reserve(tokens, 0)?;
        if let Some(Reason { code, detail }) = denied {
            return Err(GatewayError::new(ErrorKind::PromptDenied, detail).with_code(code));
        }
        self.ask(sent, ticket).await
    }

    /// Begins a batch where its file is.
    async fn begin_batch(
        &self,
        body: Bytes,
        ticket: &mut Ticket<P>,
    ) -> Result<Content<P>, GatewayError> {
        let gateway = self.asking.gateway;
        let (head, bounds) = (self.asking.head, &gateway.config().bounds);
        let mut sent = Sent::read(self.passage, None, head, body.clone(), bounds)?;
        let said: Value = serde_json::from_slice(&body).unwrap_or_default();
        let name = said.get("input_file_id").and_then(Value::as_str);
        let name = name.ok_or_else(|| {
            bad(
                "missing required parameter: 'input_file_id'",
                Some("input_file_id"),
            )
        })?;
        let (upstream, own) = open(&self.identity().secret, Thing::File, name)
            .ok_or_else(|| unknown(Thing::File, name).with_param(Some("input_file_id")))?;
        self.refuse_denied(&mut sent, ticket).await?;
        self.require_batch_file(&upstream, &own, ticket).await?;
        let body = batch_body(&body, &own, &self.identity().secret)?;
        let mut sent = Sent::read(self.passage, None, head, body, bounds)?;
        sent.only = Some(upstream);
        self.ask(sent, ticket).await
    }

    /// Refuses a file whose lines were not judged when it came: only those of a batch's file are.
    async fn require_batch_file(
        &self,
        upstream: &str,
        own: &str,
        ticket: &mut Ticket<P>,
    ) -> Result<(), GatewayError> {
        let passage = Thing::File.passage();
        let at = At {
            method: Method::GET,
            path: format!("{}/{}", passage.path, crate::route::encode(own)),
        };
        let asked = Sent::about(passage, at, upstream.to_owned());
        let (_, told) = self.exchange(asked, false, ticket).await?;
        let told: Value = serde_json::from_slice(&told).map_err(|_| list::nonsense())?;
        match told.get("purpose").and_then(Value::as_str) {
            Some("batch") => Ok(()),
            _ => Err(bad(
                "the file was not uploaded with the purpose \"batch\"",
                Some("input_file_id"),
            )),
        }
    }

    /// Refuses what a rule denies. What is kept is told again and again: nobody would put masked
    /// values back.
    pub(super) async fn refuse_denied(
        &self,
        sent: &mut Sent,
        ticket: &mut Ticket<P>,
    ) -> Result<(), GatewayError> {
        let (gateway, caller) = (self.asking.gateway, self.asking.caller);
        if is_off(gateway, self.passage) {
            return Ok(());
        }
        let session = gateway.policies().session(caller, sent.size()).await;
        let mut session = session.map_err(|error| policy_failed(&error))?;
        let maker = maker(gateway, &self.identity().secret);
        let (judged, denied) = judge(&mut session, caller, maker, sent).await?;
        ticket.summary.guard_hits.clone_from(&judged.hits);
        let masked = (!judged.masks.is_empty()).then(|| Reason {
            code: "unmaskable".to_owned(),
            detail: "a rule masks a value in an object that an upstream would store".to_owned(),
        });
        match denied.or(masked) {
            Some(Reason { code, detail }) => {
                Err(GatewayError::new(ErrorKind::PromptDenied, detail).with_code(code))
            }
            None => Ok(()),
        }
    }

    /// Does something with one thing.
    async fn one(
        &self,
        verb: Verb,
        upstream: String,
        own: &str,
        ticket: &mut Ticket<P>,
    ) -> Result<Content<P>, GatewayError> {
        let path = format!(
            "{}/{}{}",
            self.passage.path,
            crate::route::encode(own),
            verb.behind()
        );
        let at = At {
            method: verb.method(),
            path,
        };
        let sent = Sent::about(self.passage, at, upstream);
        if verb == Verb::Content {
            return self.content(sent, ticket).await;
        }
        self.ask(sent, ticket).await
    }

    /// Asks, and tells the answer in the tenant's names.
    async fn ask(&self, sent: Sent, ticket: &mut Ticket<P>) -> Result<Content<P>, GatewayError> {
        self.tell(sent, false, ticket).await
    }

    /// The same; `within`: the answer is about what is in a thing.
    pub(super) async fn tell(
        &self,
        sent: Sent,
        within: bool,
        ticket: &mut Ticket<P>,
    ) -> Result<Content<P>, GatewayError> {
        let guard_output = self.guards_output().await?;
        let (upstream, body) = self.exchange(sent, guard_output, ticket).await?;
        // A deletion at Google has no content.
        let body = if body.is_empty() {
            Bytes::from_static(b"{}")
        } else {
            body
        };
        let value: Value = serde_json::from_slice(&body).map_err(|_| list::nonsense())?;
        let names = self.names(&upstream);
        let told = match within {
            true => names.told_within(value),
            false => names.told(value),
        };
        ticket.estimated(0, false);
        ticket.charge.settle();
        self.released(told.to_string().into(), guard_output, ticket)
            .await
    }

    async fn guards_output(&self) -> Result<bool, GatewayError> {
        let gateway = self.asking.gateway;
        if is_off(gateway, self.passage) {
            return Ok(false);
        }
        let caller = self.asking.caller;
        let session = gateway.policies().session(caller, 0).await;
        let mut session = session.map_err(|error| policy_failed(&error))?;
        guards_output(&mut session, caller, self.passage.name).await
    }

    /// What is told, judged where rules for the output apply.
    async fn released(
        &self,
        told: Bytes,
        guard_output: bool,
        ticket: &Ticket<P>,
    ) -> Result<Content<P>, GatewayError> {
        let rules = Judged {
            guard_output,
            ..Judged::default()
        };
        let mut ruled = self.ruled(rules, ticket);
        Ok(Content::Whole(judged(&mut ruled, told).await?))
    }

    async fn exchange(
        &self,
        sent: Sent,
        guard_output: bool,
        ticket: &mut Ticket<P>,
    ) -> Result<(Arc<str>, Bytes), GatewayError> {
        let gateway = self.asking.gateway;
        let session = gateway.policies().session(self.asking.caller, 0).await;
        let session = session.map_err(|error| policy_failed(&error))?;
        let deadline = self.asking.deadline(ticket);
        let answer = self
            .asking
            .begin(sent, (session, guard_output), deadline, ticket)
            .await?;
        let upstream = answer.upstream.name.clone();
        let ruled = self.ruled(Judged::default(), ticket);
        Ok((upstream, collect(&ruled, answer).await?))
    }

    fn ruled(&self, judged: Judged, ticket: &Ticket<P>) -> Ruled<'_, P> {
        Ruled {
            gateway: self.asking.gateway,
            caller: self.asking.caller,
            passage: self.passage,
            judged,
            deadline: self.asking.deadline(ticket),
        }
    }

    /// What is in a file: judged line by line where rules apply to what models say.
    pub(super) async fn content(
        &self,
        mut sent: Sent,
        ticket: &mut Ticket<P>,
    ) -> Result<Content<P>, GatewayError> {
        let gateway = self.asking.gateway;
        let caller = self.asking.caller;
        let session = gateway.policies().session(caller, 0).await;
        let mut session = session.map_err(|error| policy_failed(&error))?;
        let judged = match is_off(gateway, self.passage) {
            true => Judged::default(),
            false => {
                let maker = maker(gateway, &self.identity().secret);
                judge(&mut session, caller, maker, &mut sent).await?.0
            }
        };
        let deadline = self.asking.deadline(ticket);
        let answer = self
            .asking
            .begin(sent, (session, judged.guard_output), deadline, ticket)
            .await?;
        let ruled = self.ruled(judged, ticket);
        ticket.estimated(0, false);
        match ruled.judged.output_enforced {
            true => passed(ruled, answer).await,
            false => Ok(unseen(&ruled, answer)),
        }
    }

    /// Tells the tenant's own of all upstreams, in their order.
    async fn list(
        &self,
        query: Option<&str>,
        ticket: &mut Ticket<P>,
    ) -> Result<Content<P>, GatewayError> {
        let query = Query::read(self.thing, query, &self.identity().secret)?;
        let upstreams = self.asking.gateway.all_upstreams().iter();
        let names: Vec<String> = upstreams
            .filter(|upstream| upstream.passes(self.passage, None))
            .map(|upstream| upstream.name.to_string())
            .collect();
        let (mut at, mut after) = (0, None);
        if let Some((upstream, own)) = query.after.clone() {
            at = names.iter().position(|name| *name == upstream).unwrap_or(0);
            after = Some(own);
        }
        // Google's pages go on by tokens of theirs: what was told before is passed over.
        let mut told_before = None;
        if self.thing == Thing::CachedContent {
            told_before = after.take();
        }
        let guard_output = self.guards_output().await?;
        let mut things = Vec::new();
        let mut pages = 0;
        while let Some(name) = names.get(at) {
            if pages >= MAX_PAGES || things.len() > query.limit {
                break;
            }
            pages += 1;
            let place = At {
                method: Method::GET,
                path: query.path(self.passage.path, after.as_deref()),
            };
            let sent = Sent::about(self.passage, place, name.clone());
            let (_, body) = self.exchange(sent, guard_output, ticket).await?;
            let page = Page::read(self.thing, &body)?;
            after.clone_from(&page.next);
            if after.is_none() {
                at += 1;
            }
            let names = self.names(name);
            for thing in page.own(&names) {
                let own = thing
                    .get("name")
                    .and_then(Value::as_str)
                    .unwrap_or_default();
                match &told_before {
                    Some(before) if names.opens(own).as_deref() == Some(before.as_str()) => {
                        told_before = None;
                    }
                    Some(_) => {}
                    None => things.push(thing),
                }
            }
        }
        let more = things.len() > query.limit;
        things.truncate(query.limit);
        ticket.nothing();
        let told = list::told(self.thing, things, more).to_string().into();
        self.released(told, guard_output, ticket).await
    }
}

/// A file, its lines read and judged where it is a batch, and the tokens of its prompts. It goes on
/// under a name that carries its tenant's mark.
async fn judged_upload<P: Platform>(
    gateway: &Gateway<P>,
    caller: &Caller,
    identity: &Identity,
    mut sent: Sent,
) -> Result<(Sent, u64, Option<Reason>), GatewayError> {
    let missing = || bad("one file is missing", Some("file"));
    let (name, content) = {
        let file = sent.file().ok_or_else(missing)?;
        let batch = sent.field("purpose") == Some("batch");
        let content = batch.then(|| file.content()).transpose()?;
        (Names::marked(&identity.secret, &file.name), content)
    };
    let lines = content.map(|content| Lines::read(&content, identity, &gateway.config().bounds));
    let lines = lines.transpose()?;
    let bytes = lines.as_ref().map_or(0, Lines::bytes);
    sent.booking = also_booked(&**gateway.platform(), bytes, sent.booking.clone())?;
    let mut tokens = 0;
    if let Some(lines) = &lines {
        tokens = lines.tokens();
        sent.models = lines.models();
    }
    if !is_off(gateway, sent.passage) {
        let session = gateway.policies().session(caller, sent.size()).await;
        let mut session = session.map_err(|error| policy_failed(&error))?;
        if let Some(lines) = &lines {
            sent.file_is_read();
            let denied = lines.judge(&mut session, caller).await?;
            if denied.is_some() {
                return Ok((sent, tokens, denied));
            }
        }
        let maker = maker(gateway, &identity.secret);
        let (_, denied) = judge(&mut session, caller, maker, &mut sent).await?;
        if denied.is_some() {
            return Ok((sent, tokens, denied));
        }
    }
    sent.rename_file(name);
    sent.batch = lines;
    Ok((sent, tokens, None))
}

/// Whether an upstream that keeps files serves all models of a batch.
fn has_all<P: Platform>(gateway: &Gateway<P>, sent: &Sent) -> Result<(), GatewayError> {
    let keep = || {
        let upstreams = gateway.all_upstreams().iter();
        upstreams.filter(|upstream| upstream.passes(sent.passage, None))
    };
    for model in &sent.models {
        if !keep().any(|upstream| upstream.model_name(model).is_some()) {
            return Err(unknown_model(model).with_param(Some("file")));
        }
    }
    let all = keep().any(|upstream| {
        let mut models = sent.models.iter();
        models.all(|model| upstream.model_name(model).is_some())
    });
    if all {
        return Ok(());
    }
    let why = "no upstream has all the models of this batch; write one batch for each upstream";
    Err(bad(why, Some("file")).with_code("invalid_batch"))
}

/// Nothing is said in the headers of such a request.
pub(crate) fn check_head(verb: Verb, thing: Thing, head: &HeaderMap) -> Result<(), GatewayError> {
    match verb {
        Verb::Update if adds_file(thing, verb, head) => table::CONTAINER_FILES.check_head(head),
        Verb::Create | Verb::Update | Verb::Patch => thing.passage().check_head(head),
        _ => Ok(()),
    }
}

/// Whether a request puts a file of its own into a container.
pub(crate) fn adds_file(thing: Thing, verb: Verb, head: &HeaderMap) -> bool {
    let media = head.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let is_form = media.is_some_and(|media| {
        let media = media.split(';').next().unwrap_or_default().trim();
        media.eq_ignore_ascii_case("multipart/form-data")
    });
    thing == Thing::Container && verb == Verb::Update && is_form
}
