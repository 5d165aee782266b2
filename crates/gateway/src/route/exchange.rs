//! One exchange with one replica: authorized, sent, and its answer's head read.

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use forebay_dialect::Wire;
use forebay_dialect::exchange::{Back, Lost};
use futures_util::StreamExt as _;
use futures_util::future::{Either, select};
use http::{Extensions, Response, StatusCode};

use super::attempt::{Chosen, Tried};
use super::endpoint::{Blame, Lease};
use super::others::Others;
use super::prepare::Prepared;
use super::prompt_cache::is_about_marks;
use super::proof::Proof;
use super::unanswered::{gone, not_in_order, timed_out, transport_error};
use super::verdict::Verdict;
use super::{Attempts, Envelope, Replica, Upstream, refusal, wait};
use crate::authorize::Rejection;
use crate::error::{ErrorKind, GatewayError};
use crate::observe::Observation;
use crate::platform::{FreshConnection, Platform, Socket, TransportFailure, UpstreamBody};
use crate::time::timeout;

/// The field that keeps tenants apart in an engine's prefix cache.
const SALT: &str = "cache_salt";
/// The most of a refusal's body that is read: enough for any error message, an HTML page too.
const MAX_REFUSAL: usize = 64 << 10;
/// How long a refusal's body may take: the status alone says enough.
const REFUSAL_TIME: Duration = Duration::from_secs(10);

/// An upstream that has begun to answer, with success.
pub(crate) struct Answer {
    /// Who.
    pub(crate) upstream: Arc<Upstream>,
    /// Its response's head.
    pub(crate) head: http::response::Parts,
    /// Its response's body.
    pub(crate) body: UpstreamBody,
    /// When the request was sent.
    pub(crate) sent: Instant,
    /// The format it answers in.
    pub(crate) wire: Wire,
    /// How it frames a stream.
    pub(crate) framing: Envelope,
    /// Fields of the request that it was not told.
    pub(crate) lost: Vec<Lost>,
    /// The share of the prompt that the provider's cache is expected to hold.
    pub(crate) expected_cached: f64,
    /// What has to be undone in its answer.
    pub(crate) back: Arc<Back>,
    /// Its client wants one body: what comes as a stream is put together first.
    pub(crate) folds: bool,
    pub(super) lease: Lease,
    /// Who may be asked instead, where nothing goes out before all of it has come.
    pub(crate) others: Others,
    /// The credentials that it was asked with.
    pub(crate) proof: Proof,
}

impl Answer {
    /// All of it has come: its replica is done with it.
    pub(crate) fn ended(&mut self, now: Instant) {
        self.lease.end(Some(now));
    }

    /// The first content has come: the prompt is computed.
    pub(crate) fn begun(&mut self, now: impl FnOnce() -> Instant) {
        self.lease.first_token(self.sent, now);
    }

    /// The WebSocket that it has opened, where it was asked for one.
    pub(crate) fn take_socket(&mut self) -> Option<Socket> {
        let nothing = UpstreamBody::new(Box::pin(futures_util::stream::empty()));
        std::mem::replace(&mut self.body, nothing).into_socket()
    }

    /// The replica that answers.
    pub(crate) fn endpoint(&self) -> &Arc<Replica> {
        &self.lease.endpoint
    }
}

/// One attempt failed.
pub(super) struct Failed {
    pub(super) error: GatewayError,
    /// What it means; none where no other upstream would say anything else.
    pub(super) why: Option<Verdict>,
}

impl Failed {
    fn broken(error: GatewayError) -> Self {
        Self {
            error,
            why: Some(Verdict::Broken),
        }
    }
}

/// What became of a request that was refused.
enum Refused {
    /// It is to be sent once more, as it was.
    Renewed,
    /// It is to be sent once more, without a field that the gateway had added.
    Without,
    /// It is to be sent once more, without markers for the provider's prompt cache.
    Unmarked,
    /// It failed.
    Failed(Failed),
}

impl<P: Platform> Attempts<P> {
    /// The request's place at the replica: in flight there until dropped.
    fn leased(&self, chosen: &Chosen, limit: Duration, sent: Instant) -> Lease {
        let mut lease = Lease::new(&chosen.endpoint, self.outgoing.key, sent);
        let streams = self.outgoing.streams(&chosen.upstream);
        lease.waits_for(chosen.uncached_tokens, streams, sent);
        lease.carries(chosen.upstream.prompt_tokens(&self.outgoing.prefix));
        if streams {
            lease.awaits(limit, sent);
        }
        lease
    }

    /// Asks one replica: once more where its credentials turn out to be stale, or where it refuses
    /// a field that the client did not send.
    pub(super) async fn ask(
        &mut self,
        mut chosen: Chosen,
        mut prepared: Prepared,
        limit: Duration,
    ) -> Result<Answer, Failed> {
        let platform = self.sender.platform.clone();
        let sent = platform.now();
        let mut lease = self.leased(&chosen, limit, sent);
        let upstream = &chosen.upstream;
        lease.underway = upstream.sent(&chosen.endpoint, &self.outgoing.prefix, sent);
        let mut renewed = false;
        loop {
            let spent = platform.now().saturating_duration_since(sent);
            let limit = limit.saturating_sub(spent);
            // Only what may have to be signed anew is kept beyond its sending.
            let request = match &chosen.upstream.authorizer {
                None => std::mem::take(&mut prepared.request),
                Some(_) => prepared.request.clone(),
            };
            let request = self.authorized(&chosen, request, limit, sent).await?;
            let proof = Proof::of(request.headers());
            let used = request.extensions().clone();
            let Some(response) = self.send(&chosen, request, limit, sent).await? else {
                chosen.again = true;
                prepared = self.prepare_anew(&chosen, limit).await?;
                continue;
            };
            let opened = response.status() == StatusCode::SWITCHING_PROTOCOLS
                && self
                    .outgoing
                    .sent
                    .as_ref()
                    .is_some_and(|sent| sent.is_socket());
            if response.status().is_success() || opened {
                let (head, body) = response.into_parts();
                let tried = Tried::of(&chosen, sent);
                if let Some(failed) = self.unreadable(tried, &head) {
                    return Err(failed);
                }
                self.observe(tried, Some(head.status.as_u16()), None, false);
                return Ok(Answer {
                    proof,
                    others: self.others(),
                    folds: self.outgoing.folds(&chosen.upstream),
                    upstream: chosen.upstream,
                    head,
                    body,
                    sent,
                    wire: prepared.route.wire,
                    framing: prepared.route.framing,
                    lost: prepared.lost,
                    expected_cached: prepared.expected_cached,
                    back: prepared.back,
                    lease,
                });
            }
            match self
                .refused(&chosen, &prepared, response, (&used, &proof), sent)
                .await
            {
                Refused::Renewed if !renewed => renewed = true,
                again @ (Refused::Without | Refused::Unmarked) => {
                    if matches!(again, Refused::Unmarked) {
                        self.unmark(&chosen.upstream.name);
                    }
                    prepared = self.prepare_anew(&chosen, limit).await?;
                }
                Refused::Failed(failed) => return Err(failed),
                Refused::Renewed => {
                    let error = format!(
                        "upstream \"{}\" refused credentials that were just renewed",
                        chosen.upstream.name
                    );
                    return Err(Failed {
                        error: GatewayError::new(ErrorKind::UpstreamAuth, error),
                        why: Some(Verdict::Account),
                    });
                }
            }
        }
    }

    /// The request once more, for the replica that was asked.
    async fn prepare_anew(&mut self, chosen: &Chosen, limit: Duration) -> Result<Prepared, Failed> {
        let preparing = self.prepare(&chosen.upstream, &chosen.endpoint, limit);
        preparing.await.map_err(Failed::broken)
    }

    /// The request with what proves who sends it.
    async fn authorized(
        &self,
        chosen: &Chosen,
        mut request: http::Request<Bytes>,
        limit: Duration,
        sent: Instant,
    ) -> Result<http::Request<Bytes>, Failed> {
        if chosen.again {
            request.extensions_mut().insert(FreshConnection);
        }
        let Some(authorizer) = &chosen.upstream.authorizer else {
            return Ok(request);
        };
        let name = &chosen.upstream.name;
        let authorizing = authorizer.authorize(request);
        match timeout(&*self.sender.platform, limit, authorizing).await {
            Some(Ok(request)) => Ok(request),
            Some(Err(error)) => {
                let mut failed = not_in_order(ErrorKind::UpstreamAuth, name, &error.message);
                failed.retry_after = error.retry_after;
                self.observe_own(Tried::of(chosen, sent), &failed);
                self.warn_of_own(&chosen.upstream, &failed);
                Err(Failed {
                    error: failed,
                    why: Some(Verdict::Account),
                })
            }
            None => Err(Failed::broken(timed_out(name, limit, false))),
        }
    }

    /// The response's head; none where a kept connection turned out to be closed. A replica that goes out of
    /// use while it works on what is not streamed is given up: it would be silent until the deadline.
    async fn send(
        &self,
        chosen: &Chosen,
        request: http::Request<Bytes>,
        limit: Duration,
        sent: Instant,
    ) -> Result<Option<Response<UpstreamBody>>, Failed> {
        let Chosen {
            upstream, endpoint, ..
        } = chosen;
        let platform = &self.sender.platform;
        let sending = platform.send(request, &upstream.transport);
        let sending = timeout(&**platform, limit, sending);
        let answered = if self.outgoing.request.stream {
            sending.await
        } else {
            let others = self.others();
            let given_up = others.replace(endpoint, || platform.now());
            match select(pin!(sending), pin!(given_up)).await {
                Either::Left((answered, _)) => answered,
                Either::Right(_) => Some(Err(gone(endpoint))),
            }
        };
        let now = platform.now();
        let error = match answered {
            Some(Ok(response)) => return Ok(Some(response)),
            Some(Err(error)) if error.failure == TransportFailure::Stale && !chosen.again => {
                return Ok(None);
            }
            Some(Err(error)) => transport_error(&upstream.name, &error),
            None => {
                let own = self.outgoing.deadline.own && self.outgoing.deadline.left(now).is_zero();
                timed_out(&upstream.name, limit, own)
            }
        };
        // A client that gave no more time says nothing about the upstream.
        let late = error.kind == ErrorKind::DeadlineExceeded;
        if error.detail.is_some() {
            self.observe_own(Tried::of(chosen, sent), &error);
            self.warn_of_own(upstream, &error);
        } else {
            self.observe(Tried::of(chosen, sent), None, Some(error.kind), !late);
        }
        if late {
            return Err(Failed { error, why: None });
        }
        self.count_failure(upstream, endpoint, Blame::Transport);
        Err(Failed::broken(error))
    }

    /// Reads a refusal and draws its consequences.
    async fn refused(
        &self,
        chosen: &Chosen,
        prepared: &Prepared,
        response: Response<UpstreamBody>,
        (used, proof): (&Extensions, &Proof),
        sent: Instant,
    ) -> Refused {
        let upstream = &chosen.upstream;
        let platform = &self.sender.platform;
        let (head, body) = response.into_parts();
        let text = timeout(&**platform, REFUSAL_TIME, collect(body))
            .await
            .unwrap_or_default();
        let text = proof.cut(text);
        let code = head.status.as_u16();
        // An error may quote the client's own words: then it says nothing of what was added.
        let own = || plain(&self.outgoing.request.body);
        if prepared.marked && is_about_marks(code, &text) {
            if !is_about_marks(code, &own()) {
                upstream.prompt_cache().refuse(&prepared.model);
            }
            return Refused::Unmarked;
        }
        let named = || {
            let field = prepared.added.iter().find(|field| names(&text, field))?;
            (!names(&own(), field)).then_some(field)
        };
        if matches!(code, 400 | 422)
            && let Some(field) = named()
        {
            if field == SALT && self.outgoing.tenants {
                return self.shares(Tried::of(chosen, sent), code);
            }
            if upstream.note_refused(field) {
                return Refused::Without;
            }
        }
        let mut error = refusal::read(
            &upstream.name,
            prepared.route.wire,
            head.status,
            text.clone(),
        );
        error.retry_after = wait::wait(head.status, &head.headers, &text, platform.wall());
        error.fit_to(self.outgoing.request.wire(), head.status);
        let mut why = Verdict::of(head.status, error.retry_after.is_some());
        if error.kind == ErrorKind::UpstreamAuth {
            // A 400 too may be about our own key.
            why = Verdict::Account;
        }
        if let (400 | 401 | 403, Some(authorizer)) = (code, &upstream.authorizer) {
            match authorizer.rejected(used, code, &head.headers, &text) {
                Rejection::Refresh => return Refused::Renewed,
                Rejection::Unrelated => {}
                Rejection::Final(because) => {
                    error.kind = ErrorKind::UpstreamAuth;
                    error.status = None;
                    error.message = format!("upstream \"{}\": {because}", upstream.name);
                    why = Verdict::Account;
                }
            }
        }
        let last_word = why == Verdict::Request;
        let tried = Tried::of(chosen, sent);
        self.observe(tried, Some(code), Some(error.kind), !last_word);
        self.note(chosen, why, &error);
        Refused::Failed(Failed {
            error,
            why: (!last_word).then_some(why),
        })
    }
}

impl<P: Platform> Attempts<P> {
    /// This request gets no markers at an upstream any more.
    fn unmark(&mut self, upstream: &str) {
        for (name, marks) in &mut self.state.marks {
            if **name == *upstream {
                marks.marks.clear();
            }
        }
    }

    /// Tells the operator now and then what only the operator may know.
    fn warn_of_own(&self, upstream: &Upstream, error: &GatewayError) {
        let platform = &self.sender.platform;
        if let Some(detail) = &error.detail
            && upstream.warning_is_due(platform.now())
        {
            platform.observe(Observation::Warning(detail.to_string()));
        }
    }

    /// An upstream refuses what keeps tenants apart: none of their requests goes there any more.
    fn shares(&self, tried: Tried<'_>, code: u16) -> Refused {
        let upstream = tried.upstream;
        let message = format!(
            "upstream \"{}\" refuses `{SALT}`, which keeps tenants apart in its prefix cache. It gets no tenant requests until the configuration is reloaded. To send no salt, set upstreams.cache_salt = false",
            upstream.name
        );
        if upstream.note_shares() {
            let warning = Observation::Warning(message.clone());
            self.sender.platform.observe(warning);
        }
        let error = GatewayError::new(ErrorKind::NoUpstream, message);
        self.observe(tried, Some(code), Some(error.kind), true);
        Refused::Failed(Failed::broken(error))
    }

    /// An answer in a coding that the platform has not undone.
    fn unreadable(&self, tried: Tried<'_>, head: &http::response::Parts) -> Option<Failed> {
        let coding = coding(&head.headers)?;
        let what = format!(
            "upstream \"{}\" sent an answer with a content encoding that can't be decoded (content-encoding: {coding})",
            tried.upstream.name
        );
        let error = GatewayError::new(ErrorKind::UpstreamInvalid, what);
        let status = Some(head.status.as_u16());
        self.observe(tried, status, Some(error.kind), true);
        Some(Failed::broken(error))
    }
}

/// Whether a refusal names this field.
fn names(text: &[u8], field: &str) -> bool {
    text.windows(field.len())
        .any(|part| part == field.as_bytes())
}

/// A body with its letters as an error quotes them, those too that JSON lets one write as `\u0063`.
fn plain(body: &[u8]) -> Vec<u8> {
    const ESCAPE: &[u8] = b"\\u00";
    let mut out = Vec::with_capacity(body.len());
    let mut rest = body;
    while let Some((first, after)) = rest.split_first() {
        let digits = rest.strip_prefix(ESCAPE).and_then(|rest| rest.get(..2));
        let byte = digits
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        out.push(byte.unwrap_or(*first));
        rest = match byte {
            Some(_) => rest.get(ESCAPE.len() + 2..).unwrap_or_default(),
            None => after,
        };
    }
    out
}

/// The coding that a platform left on an answer: those that it knows it has undone.
fn coding(headers: &http::HeaderMap) -> Option<&str> {
    let coding = headers.get(http::header::CONTENT_ENCODING)?;
    let coding = coding.to_str().unwrap_or("unreadable").trim();
    (!coding.is_empty() && !coding.eq_ignore_ascii_case("identity")).then_some(coding)
}

async fn collect(mut body: UpstreamBody) -> Bytes {
    let mut out = BytesMut::new();
    while let Some(Ok(chunk)) = body.next().await {
        out.extend_from_slice(&chunk[..chunk.len().min(MAX_REFUSAL - out.len())]);
        if out.len() >= MAX_REFUSAL {
            break;
        }
    }
    out.freeze()
}
