//! Lists: of all that the gateway's account has at an upstream, what carries the tenant's mark.

use serde_json::{Value, json};

use super::id::{Thing, open};
use super::names::{Names, bad};
use crate::error::{ErrorKind, GatewayError};

/// Pages of an upstream's that one list looks at.
pub(super) const MAX_PAGES: usize = 20;
/// Things that a list tells at most.
const MAX_LIMIT: usize = 1000;

/// What is asked of a list.
pub(super) struct Query {
    pub(super) limit: usize,
    /// Where to go on: an upstream, and its own name of the last thing told.
    pub(super) after: Option<(String, String)>,
    /// What goes to the upstream as it is.
    rest: String,
    thing: Thing,
}

impl Query {
    pub(super) fn read(
        thing: Thing,
        query: Option<&str>,
        secret: &[u8; 32],
    ) -> Result<Self, GatewayError> {
        let usual = match thing {
            Thing::File => MAX_LIMIT,
            _ => 20,
        };
        let mut read = Self {
            limit: usual,
            after: None,
            rest: String::new(),
            thing,
        };
        let plain = |value: &str| {
            !value.is_empty()
                && value.len() <= 64
                && value
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
        };
        let pairs = query.unwrap_or_default().split('&');
        for (name, value) in pairs.filter_map(|pair| pair.split_once('=')) {
            match name {
                "limit" | "pageSize" => {
                    let limit = value.parse().ok().filter(|n| (1..=10_000).contains(n));
                    let limit: usize = limit
                        .ok_or_else(|| bad("limit is a number from 1 to 10000", Some(name)))?;
                    read.limit = limit.min(MAX_LIMIT);
                }
                "after" | "pageToken" => {
                    let after = open(secret, thing, &value.replace("%2F", "/"));
                    read.after = Some(after.ok_or_else(|| super::serve::unknown(thing, value))?);
                }
                "purpose" | "order" if plain(value) => {
                    read.rest.push_str(&format!("&{name}={value}"));
                }
                "purpose" | "order" => return Err(bad("it is not a plain word", Some(name))),
                // Azure's and others' own.
                _ => {}
            }
        }
        Ok(read)
    }

    /// The path of an upstream's page behind one of its things.
    pub(super) fn path(&self, home: &str, after: Option<&str>) -> String {
        if self.thing == Thing::CachedContent {
            let token = after.map(|token| format!("&pageToken={}", crate::route::encode(token)));
            return format!("{home}?pageSize=1000{}", token.unwrap_or_default());
        }
        let size = match self.thing {
            Thing::File => 1000,
            _ => 100,
        };
        let after = after.map(|own| format!("&after={}", crate::route::encode(own)));
        let (after, rest) = (after.unwrap_or_default(), &self.rest);
        format!("{home}?limit={size}{after}{rest}")
    }
}

/// One page as an upstream told it.
pub(super) struct Page {
    things: Vec<Value>,
    /// Its own name of the last thing, where there is more.
    pub(super) next: Option<String>,
}

impl Page {
    pub(super) fn read(thing: Thing, body: &[u8]) -> Result<Self, GatewayError> {
        let mut body: Value = serde_json::from_slice(body).map_err(|_| nonsense())?;
        if thing == Thing::CachedContent {
            // Google leaves out what is empty.
            let things = body.get_mut("cachedContents").map(Value::take);
            let next = body.get("nextPageToken").and_then(Value::as_str);
            let next = next.filter(|token| !token.is_empty()).map(str::to_owned);
            return match things.unwrap_or(Value::Array(Vec::new())) {
                Value::Array(things) => Ok(Self { things, next }),
                _ => Err(nonsense()),
            };
        }
        let more = body.get("has_more").and_then(Value::as_bool) == Some(true);
        let Value::Array(things) = body.get_mut("data").map(Value::take).unwrap_or_default() else {
            return Err(nonsense());
        };
        let last = things.last().and_then(|thing| thing.get("id")?.as_str());
        let next = last.filter(|_| more).map(str::to_owned);
        Ok(Self { things, next })
    }

    /// The tenant's own, in its own names.
    pub(super) fn own(self, names: &Names<'_>) -> impl Iterator<Item = Value> {
        let things = self.things.into_iter();
        things
            .filter(|thing| names.is_own(thing))
            .map(|thing| names.told(thing))
    }
}

/// A list as a client reads it.
pub(super) fn told(thing: Thing, things: Vec<Value>, more: bool) -> Value {
    if thing == Thing::CachedContent {
        let last = things.last().and_then(|last| last.get("name")).cloned();
        let mut told = json!({"cachedContents": things});
        if let (true, Some(last)) = (more, last) {
            told["nextPageToken"] = last;
        }
        return told;
    }
    let id = |thing: Option<&Value>| thing.and_then(|thing| thing.get("id")).cloned();
    let (first, last) = (id(things.first()), id(things.last()));
    json!({"object": "list", "data": things, "first_id": first, "last_id": last, "has_more": more})
}

pub(super) fn nonsense() -> GatewayError {
    GatewayError::new(
        ErrorKind::UpstreamInvalid,
        "the upstream's answer does not have the form that this endpoint returns",
    )
}
