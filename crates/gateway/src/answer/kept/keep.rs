//! Keeps an answer once it is complete: before the client has its end, so that its next request
//! finds it.

use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use forebay_dialect::Wire;
use forebay_dialect::kept::{Item, Stamp, State};
use sha2::{Digest as _, Sha256};

use super::{entry_key, seal};
use crate::enter::identity::{Identity, keyed};
use crate::gateway::Gateway;
use crate::observe::Observation;
use crate::platform::{BoxFuture, Platform};
use crate::policy::{Ending, Freshness, Policies};
use crate::recording::{Form, Recording};
use crate::reply::{Content, Ready};
use crate::store::{Entry, Store};
use crate::time::timeout;

/// How long a client's last event waits for its answer to be kept. Stores bound their writes
/// themselves; this is for one that does not.
const PATIENCE: Duration = Duration::from_secs(2);

/// Puts ids into an answer, and keeps it under them.
pub(crate) struct Keeper<P: Platform> {
    gateway: Arc<Gateway<P>>,
    identity: Identity,
    stamp: Stamp,
    /// The conversation up to the answer; none where the answer is not kept.
    items: Option<Vec<Item>>,
    /// Of the request, whose answers' ids are the same where a stream is resumed.
    digest: [u8; 32],
}

impl<P: Platform> Keeper<P> {
    pub(super) fn new(
        gateway: Arc<Gateway<P>>,
        identity: Identity,
        stamp: Stamp,
        items: Option<Vec<Item>>,
        body: &Bytes,
    ) -> Self {
        Self {
            gateway,
            identity,
            stamp,
            items,
            digest: Sha256::digest(body).into(),
        }
    }

    /// The answer with its ids, kept where it is whole.
    pub(crate) async fn attach(mut self, ready: Ready<P>) -> Ready<P> {
        let Ready { headers, content } = ready;
        let content = match content {
            Content::Whole(body) => {
                self.name(None);
                match self.stamp.whole(&body) {
                    Some(body) => {
                        self.keep(body.clone()).await;
                        Content::Whole(body)
                    }
                    None => Content::Whole(body),
                }
            }
            Content::Events(mut events) => {
                self.name(events.ids.as_deref());
                events.keeping = Some(Keeping::new(self));
                Content::Events(events)
            }
            other => other,
        };
        Ready { headers, content }
    }

    /// Chooses the token. A stream that can be resumed has the same one each time; every other
    /// answer has one of its own.
    fn name(&mut self, stream: Option<&str>) {
        if self.items.is_none() {
            return;
        }
        let token = match stream {
            Some(stream) => {
                let parts = [
                    &b"forebay response id v1"[..],
                    stream.as_bytes(),
                    &self.digest,
                ];
                hex::encode(&keyed(&*self.identity.secret, &parts)[..16])
            }
            None => hex::encode(self.gateway.platform().random()),
        };
        self.stamp.token = Some(token);
    }

    /// Keeps a response. What fails is a warning: its client has its answer all the same.
    fn keep(&mut self, response: Bytes) -> BoxFuture<'static, ()> {
        let (Some(items), Some(token)) = (self.items.take(), self.stamp.token.clone()) else {
            return Box::pin(std::future::ready(()));
        };
        let (gateway, identity) = (self.gateway.clone(), self.identity.clone());
        Box::pin(async move {
            let state = State { response, items };
            let kept = put(&gateway, &identity, &token, &state);
            let kept = timeout(&**gateway.platform(), PATIENCE, kept).await;
            let why = match kept {
                Some(Ok(())) => return,
                Some(Err(why)) => why,
                None => "the store took too long".to_owned(),
            };
            let warning = format!("a response was not stored: {why}");
            gateway.platform().observe(Observation::Warning(warning));
        })
    }
}

async fn put<P: Platform>(
    gateway: &Gateway<P>,
    identity: &Identity,
    token: &str,
    state: &State,
) -> Result<(), String> {
    let text = state.write(token);
    let limit = gateway.config().streams.max_recording;
    if text.len() > limit {
        return Err(format!(
            "the conversation is {} bytes, over the limit of {limit} (streams.max_recording)",
            text.len()
        ));
    }
    let random = gateway.platform().random();
    let sealed = seal::seal(&identity.secret, token, &random, &text);
    let sealed = sealed.ok_or("it could not be encrypted")?;
    let ttl = gateway.config().responses.ttl.0.as_secs();
    let recording = Recording::new(
        0,
        Wire::Responses,
        Form::Whole(sealed.into()),
        Ending::Complete,
        None,
        None,
        Arc::from(""),
        *gateway.policies().digest(),
    );
    let entry = Entry {
        key: entry_key(identity, token),
        tenant: identity.key.tenant.clone(),
        model: Arc::from(""),
        tags: vec![TAG.to_owned()],
        stored: gateway.platform().wall(),
        freshness: Freshness {
            ttl: u32::try_from(ttl).unwrap_or(u32::MAX),
            idle: 0,
            stale_if_error: 0,
        },
        recording: Arc::new(recording),
    };
    match gateway.store().put(Arc::new(entry)).await {
        Ok(true) => Ok(()),
        Ok(false) => {
            Err("it is over the limit for one entry, or over the tenant's quota".to_owned())
        }
        Err(error) => Err(error.to_string()),
    }
}

/// The label of kept responses, by which an operator can purge them.
const TAG: &str = "response";

/// A stream's part of it: each event gets its ids, and the last waits until the answer is kept.
pub(crate) struct Keeping<P: Platform> {
    keeper: Keeper<P>,
    /// What runs. The mutex is never locked: it lets holders be shared by reference.
    running: Option<Mutex<BoxFuture<'static, ()>>>,
    /// The events that wait for it, framed.
    held: BytesMut,
}

impl<P: Platform> Keeping<P> {
    fn new(keeper: Keeper<P>) -> Self {
        Self {
            keeper,
            running: None,
            held: BytesMut::new(),
        }
    }

    /// An event with its ids. One that ends the answer begins to keep it.
    pub(crate) fn event(&mut self, data: &Bytes) -> Bytes {
        let stamped = self.keeper.stamp.event(data);
        if let Some(response) = stamped.response {
            self.running = Some(Mutex::new(self.keeper.keep(response)));
        }
        stamped.data
    }

    /// Where an event is written: it waits while the answer is being kept.
    pub(crate) fn place<'a>(&'a mut self, out: &'a mut BytesMut) -> &'a mut BytesMut {
        match self.running {
            Some(_) => &mut self.held,
            None => out,
        }
    }

    /// Ready once nothing waits any more; then what waited is in `out`.
    pub(crate) fn poll(&mut self, out: &mut BytesMut, cx: &mut Context<'_>) -> Poll<()> {
        let Some(running) = &mut self.running else {
            return Poll::Ready(());
        };
        let running = running.get_mut().unwrap_or_else(PoisonError::into_inner);
        if running.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        self.running = None;
        out.extend_from_slice(&std::mem::take(&mut self.held));
        Poll::Ready(())
    }
}
