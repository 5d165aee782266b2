//! Making and changing what an upstream keeps, and what is within it: the files of a vector store or
//! of a container. Requests refer to things of the tenant alone, all at one upstream.

use bytes::Bytes;
use http::Method;

use super::id::{Thing, open};
use super::names::{bad, changed_body, made_body};
use super::serve::{Keeper, adds_file};
use super::verb::Verb;
use crate::answer::before::refer;
use crate::enter::ticket::Ticket;
use crate::error::{ErrorKind, GatewayError};
use crate::platform::Platform;
use crate::reply::Content;
use crate::through::serve::check;
use crate::through::table::CONTAINER_FILES;
use crate::through::{At, Sent};

/// What there is within a thing. A star is a name.
const WITHIN: &[(Thing, Method, &str)] = &[
    (Thing::VectorStore, Method::POST, "search"),
    (Thing::VectorStore, Method::GET, "files"),
    (Thing::VectorStore, Method::POST, "files"),
    (Thing::VectorStore, Method::GET, "files/*"),
    (Thing::VectorStore, Method::POST, "files/*"),
    (Thing::VectorStore, Method::DELETE, "files/*"),
    (Thing::VectorStore, Method::GET, "files/*/content"),
    (Thing::VectorStore, Method::POST, "file_batches"),
    (Thing::VectorStore, Method::GET, "file_batches/*"),
    (Thing::VectorStore, Method::POST, "file_batches/*/cancel"),
    (Thing::VectorStore, Method::GET, "file_batches/*/files"),
    (Thing::Container, Method::GET, "files"),
    (Thing::Container, Method::POST, "files"),
    (Thing::Container, Method::GET, "files/*"),
    (Thing::Container, Method::DELETE, "files/*"),
    (Thing::Container, Method::GET, "files/*/content"),
];

/// A request about what is within a thing.
pub(super) struct Inner<'i> {
    pub(super) verb: Verb,
    pub(super) upstream: String,
    /// The upstream's name of the thing.
    pub(super) own: String,
    /// The rest of the path.
    pub(super) within: &'i str,
    pub(super) query: Option<&'i str>,
}

/// What a request with a body does.
#[derive(Clone, Copy)]
enum Written {
    Made,
    Changed,
    Within,
}

impl<P: Platform> Keeper<'_, P> {
    /// Makes a thing.
    pub(super) async fn make(
        &self,
        body: Bytes,
        ticket: &mut Ticket<P>,
    ) -> Result<Content<P>, GatewayError> {
        let sent = self.written(None, body, Written::Made, ticket).await?;
        self.tell(sent, false, ticket).await
    }

    /// Changes a thing.
    pub(super) async fn change(
        &self,
        verb: Verb,
        upstream: String,
        own: &str,
        body: Bytes,
        ticket: &mut Ticket<P>,
    ) -> Result<Content<P>, GatewayError> {
        let at = At {
            method: verb.method(),
            path: format!("{}/{}", self.passage().path, crate::route::encode(own)),
        };
        let sent = self
            .written(Some((at, upstream)), body, Written::Changed, ticket)
            .await?;
        self.tell(sent, false, ticket).await
    }

    /// Does something with what is within a thing.
    pub(super) async fn within(
        &self,
        inner: Inner<'_>,
        body: Bytes,
        ticket: &mut Ticket<P>,
    ) -> Result<Content<P>, GatewayError> {
        let method = inner.verb.method();
        let rest = self.rest(&method, &inner)?;
        let own = crate::route::encode(&inner.own);
        let at = At {
            method: method.clone(),
            path: format!(
                "{}/{own}/{rest}{}",
                self.passage().path,
                self.query(&inner)?
            ),
        };
        if adds_file(self.thing(), inner.verb, self.asking.head) {
            return match rest == "files" {
                true => self.add_file((at, inner.upstream), body, ticket).await,
                false => Err(bad(
                    "a multipart form is accepted only for a container's files",
                    None,
                )),
            };
        }
        if method == Method::POST && !body.is_empty() {
            let sent = self
                .written(Some((at, inner.upstream)), body, Written::Within, ticket)
                .await?;
            return self.tell(sent, true, ticket).await;
        }
        let sent = Sent::about(self.passage(), at, inner.upstream);
        if self.thing() == Thing::Container && rest.ends_with("/content") {
            return self.content(sent, ticket).await;
        }
        self.tell(sent, true, ticket).await
    }

    /// Puts a file into a container. Nobody here reads it: where a rule applies it is refused.
    async fn add_file(
        &self,
        (at, upstream): (At, String),
        body: Bytes,
        ticket: &mut Ticket<P>,
    ) -> Result<Content<P>, GatewayError> {
        let gateway = self.asking.gateway;
        let mut sent = self.read(&CONTAINER_FILES, body).await?;
        if sent.file().is_none() || sent.field("file_id").is_some() {
            return Err(bad(
                "the form has to have one file, and no file_id",
                Some("file"),
            ));
        }
        check(gateway, self.identity(), &sent)?;
        self.refuse_denied(&mut sent, ticket).await?;
        sent.only = Some(upstream);
        sent.at = Some(at);
        self.tell(sent, true, ticket).await
    }

    /// A request with a body: judged, with the upstream's names of what it refers to, and with the
    /// tenant's mark.
    async fn written(
        &self,
        place: Option<(At, String)>,
        body: Bytes,
        written: Written,
        ticket: &mut Ticket<P>,
    ) -> Result<Sent, GatewayError> {
        let gateway = self.asking.gateway;
        let (body, only) = refer(gateway, self.parts(), body).await?;
        let only = match (place.as_ref().map(|(_, upstream)| upstream), only) {
            (Some(at), Some(only)) if *at != only => {
                let why = "the request refers to an object at another upstream";
                return Err(bad(why, None));
            }
            (Some(at), _) => Some(at.clone()),
            (None, only) => only,
        };
        let mut sent = self.read(self.passage(), body.clone()).await?;
        self.named(&mut sent);
        check(gateway, self.identity(), &sent)?;
        ticket.input_tokens = sent.tokens();
        ticket.charge.reserve(ticket.input_tokens, 0)?;
        self.refuse_denied(&mut sent, ticket).await?;
        let secret = &self.identity().secret;
        let body = match written {
            Written::Made => made_body(self.thing(), &body, secret)?,
            Written::Changed => changed_body(self.thing(), &body, secret)?,
            Written::Within => body,
        };
        let mut sent = self.read(self.passage(), body).await?;
        self.named(&mut sent);
        sent.only = only;
        sent.at = place.map(|(at, _)| at);
        Ok(sent)
    }

    /// Google's models have their folder before them.
    fn named(&self, sent: &mut Sent) {
        const FOLDER: &str = "models/";
        let plain = sent
            .model
            .as_deref()
            .and_then(|model| model.strip_prefix(FOLDER));
        if let Some(plain) = plain.map(str::to_owned)
            && self.thing() == Thing::CachedContent
        {
            sent.model = Some(plain);
            sent.before_model = FOLDER;
        }
    }

    /// The rest of a path, with the upstream's own names of files.
    fn rest(&self, method: &Method, inner: &Inner<'_>) -> Result<String, GatewayError> {
        let none = || GatewayError::new(ErrorKind::NotFound, "there is nothing at this path");
        let asked: Vec<&str> = inner.within.split('/').collect();
        let fits = |row: &&(Thing, Method, &str)| {
            let known: Vec<&str> = row.2.split('/').collect();
            let mut pairs = known.iter().zip(&asked);
            row.0 == self.thing()
                && row.1 == *method
                && known.len() == asked.len()
                && pairs.all(|(known, asked)| *known == "*" || known == asked)
        };
        let (_, _, shape) = WITHIN.iter().find(fits).ok_or_else(none)?;
        let mut out = Vec::with_capacity(asked.len());
        for (known, asked) in shape.split('/').zip(asked) {
            out.push(match known {
                "*" => self.inner_name(asked, &inner.upstream)?,
                _ => asked.to_owned(),
            });
        }
        Ok(out.join("/"))
    }

    /// A name within a thing: of a file of the tenant, or one that the upstream gave within it.
    fn inner_name(&self, name: &str, upstream: &str) -> Result<String, GatewayError> {
        let none = || super::serve::unknown(Thing::File, name).with_param(None);
        if name.starts_with(Thing::File.before()) {
            let opened = open(&self.identity().secret, Thing::File, name);
            let (at, own) = opened.ok_or_else(none)?;
            return match at == upstream {
                true => Ok(crate::route::encode(&own)),
                false => Err(none()),
            };
        }
        match is_plain(name) {
            true => Ok(name.to_owned()),
            false => Err(none()),
        }
    }

    /// What goes along of a query, with the upstream's own names of files.
    fn query(&self, inner: &Inner<'_>) -> Result<String, GatewayError> {
        const KNOWN: [&str; 7] = [
            "limit",
            "order",
            "after",
            "before",
            "filter",
            "include",
            "include%5B%5D",
        ];
        let mut out = String::new();
        let pairs = inner.query.unwrap_or_default().split('&');
        for (name, value) in pairs.filter_map(|pair| pair.split_once('=')) {
            let Some(known) = KNOWN.iter().find(|known| **known == name) else {
                continue;
            };
            let value = match *known {
                "after" | "before" => self.inner_name(value, &inner.upstream)?,
                _ if is_plain(value) => value.to_owned(),
                _ => return Err(bad("it is not a plain word", Some(known))),
            };
            let before = if out.is_empty() { '?' } else { '&' };
            out.push_str(&format!("{before}{known}={value}"));
        }
        Ok(out)
    }
}

/// A word that is a path's segment and a query's value as it is.
fn is_plain(word: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-' || b == b'.';
    !word.is_empty() && word.len() <= 128 && word.bytes().all(plain) && !word.starts_with('.')
}
