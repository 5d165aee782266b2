//! The names in what an upstream says of what it keeps, made the tenant's own, and the mark
//! by which its things are known, put on and taken off.

use bytes::Bytes;
use serde_json::{Map, Value};

use super::id::{Thing, mark, seal};
use crate::error::{ErrorKind, GatewayError};

/// What stands before the names of what Gemini keeps.
const CACHED: &str = "cachedContents/";

/// The member of a thing's metadata that says whose it is.
pub(super) const OWNER: &str = "forebay_owner";

/// How a thing carries the mark of its tenant.
enum Carries {
    /// Before the name that its maker gave it, in this member.
    Name(&'static str),
    /// In its metadata.
    Metadata,
}

impl Thing {
    fn carries(self) -> Carries {
        match self {
            Thing::File => Carries::Name("filename"),
            Thing::Container => Carries::Name("name"),
            Thing::CachedContent => Carries::Name("displayName"),
            Thing::Batch | Thing::VectorStore => Carries::Metadata,
        }
    }

    /// The member that holds its own name.
    fn id_member(self) -> &'static str {
        match self {
            Thing::CachedContent => "name",
            _ => "id",
        }
    }
}

/// The members that name a thing, wherever they stand in an answer.
const REFERRING: [(&str, Thing); 6] = [
    ("file_id", Thing::File),
    ("input_file_id", Thing::File),
    ("output_file_id", Thing::File),
    ("error_file_id", Thing::File),
    ("vector_store_id", Thing::VectorStore),
    ("container_id", Thing::Container),
];
/// Members that are the client's own through and through.
const CLIENTS: [&str; 3] = ["metadata", "attributes", "content"];

/// A tenant's things at one upstream.
pub(super) struct Names<'n> {
    pub(super) secret: &'n [u8; 32],
    pub(super) upstream: &'n str,
    pub(super) thing: Thing,
}

impl Names<'_> {
    /// The name under which a file is kept, so that lists can tell whose it is.
    pub(super) fn marked(secret: &[u8; 32], file: &str) -> String {
        format!("fb-{}-{file}", mark(secret))
    }

    /// Whether a thing carries the tenant's mark.
    pub(super) fn is_own(&self, thing: &Value) -> bool {
        let mark = mark(self.secret);
        let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
        match self.thing.carries() {
            Carries::Name(member) => {
                text(thing.get(member)).is_some_and(|told| told.starts_with(&format!("fb-{mark}-")))
            }
            Carries::Metadata => {
                let told = thing.get("metadata").and_then(|meta| meta.get(OWNER));
                text(told).is_some_and(|told| told == mark)
            }
        }
    }

    /// What an upstream says of one thing, as the tenant sees it.
    pub(super) fn told(&self, mut value: Value) -> Value {
        if let Value::Object(members) = &mut value {
            if let Some(Value::String(own)) = members.get_mut(self.thing.id_member()) {
                *own = self.sealed(self.thing, own);
            }
            self.unmark(members);
        }
        self.refer(&mut value);
        value
    }

    /// What an upstream says of what is within one thing, such as the files of a vector store.
    pub(super) fn told_within(&self, mut value: Value) -> Value {
        self.within(&mut value);
        if let Value::Object(members) = &mut value
            && let Some(Value::Array(items)) = members.get_mut("data")
        {
            items.iter_mut().for_each(|item| self.within(item));
            let id = |item: Option<&Value>| item.and_then(|item| item.get("id")).cloned();
            let ends = [
                ("first_id", id(items.first())),
                ("last_id", id(items.last())),
            ];
            for (name, id) in ends {
                if members.contains_key(name) {
                    members.insert(name.to_owned(), id.unwrap_or_default());
                }
            }
        }
        self.refer(&mut value);
        value
    }

    /// The files of a vector store go by the names of the files.
    fn within(&self, value: &mut Value) {
        let kind = value
            .get("object")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let is_file = kind == "vector_store.file" || kind == "vector_store.file.deleted";
        if let Some(Value::String(own)) = value.get_mut("id").filter(|_| is_file) {
            *own = self.sealed(Thing::File, own);
        }
    }

    /// The upstream's own name of a thing of this kind.
    pub(super) fn opens(&self, name: &str) -> Option<String> {
        super::id::open(self.secret, self.thing, name).map(|(_, own)| own)
    }

    fn sealed(&self, thing: Thing, own: &str) -> String {
        let own = own
            .strip_prefix(CACHED)
            .filter(|_| thing == Thing::CachedContent)
            .unwrap_or(own);
        seal(self.secret, thing, self.upstream, own)
    }

    /// Names what it refers to, at any depth that JSON has here.
    fn refer(&self, value: &mut Value) {
        match value {
            Value::Array(items) => items.iter_mut().for_each(|item| self.refer(item)),
            Value::Object(members) => {
                for (name, value) in members.iter_mut() {
                    let known = REFERRING.iter().find(|(known, _)| known == name);
                    match (known, value) {
                        (Some((_, thing)), Value::String(own)) => *own = self.sealed(*thing, own),
                        (_, Value::String(file)) if name == "filename" => self.unmark_name(file),
                        (_, value) if !CLIENTS.contains(&name.as_str()) => self.refer(value),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }

    fn unmark_name(&self, name: &mut String) {
        let before = format!("fb-{}-", mark(self.secret));
        if let Some(given) = name.strip_prefix(&before) {
            *name = given.to_owned();
        }
    }

    fn unmark(&self, members: &mut Map<String, Value>) {
        if let Carries::Name(member) = self.thing.carries()
            && let Some(Value::String(name)) = members.get_mut(member)
        {
            self.unmark_name(name);
        }
        if let Some(Value::Object(meta)) = members.get_mut("metadata") {
            meta.remove(OWNER);
        }
    }
}

/// The body of a request for a batch, with the upstream's own name of its file and the tenant's mark.
pub(super) fn batch_body(
    body: &Bytes,
    file: &str,
    secret: &[u8; 32],
) -> Result<Bytes, GatewayError> {
    let mut members = object(body)?;
    members.insert("input_file_id".to_owned(), file.into());
    mark_metadata(&mut members, secret)?;
    Ok(Value::Object(members).to_string().into())
}

/// The body of a request that makes a thing, with the tenant's mark.
pub(super) fn made_body(
    thing: Thing,
    body: &Bytes,
    secret: &[u8; 32],
) -> Result<Bytes, GatewayError> {
    let mut members = object(body)?;
    match thing.carries() {
        Carries::Metadata => mark_metadata(&mut members, secret)?,
        Carries::Name(member) => {
            let name = match members.get(member) {
                None | Some(Value::Null) => "",
                Some(Value::String(name)) => name.as_str(),
                Some(_) => return Err(bad("it must be a string", Some(member))),
            };
            let name = Names::marked(secret, name);
            members.insert(member.to_owned(), name.into());
        }
    }
    Ok(Value::Object(members).to_string().into())
}

/// The body of a request that changes a thing: where it sets the metadata, the mark stays in it.
pub(super) fn changed_body(
    thing: Thing,
    body: &Bytes,
    secret: &[u8; 32],
) -> Result<Bytes, GatewayError> {
    let mut members = object(body)?;
    match thing.carries() {
        Carries::Metadata if members.contains_key("metadata") => {
            mark_metadata(&mut members, secret)?;
        }
        Carries::Name(member) if members.contains_key(member) => {
            return Err(bad("it can't be changed", Some(member)));
        }
        _ => {}
    }
    Ok(Value::Object(members).to_string().into())
}

fn object(body: &Bytes) -> Result<Map<String, Value>, GatewayError> {
    match serde_json::from_slice(body) {
        Ok(Value::Object(members)) => Ok(members),
        _ => Err(bad("the body must be an object", None)),
    }
}

fn mark_metadata(members: &mut Map<String, Value>, secret: &[u8; 32]) -> Result<(), GatewayError> {
    let meta = members
        .entry("metadata")
        .or_insert_with(|| Value::Object(Map::new()));
    if meta.is_null() {
        *meta = Value::Object(Map::new());
    }
    let Value::Object(meta) = meta else {
        return Err(bad("metadata must be an object", Some("metadata")));
    };
    // 16: what OpenAI takes; one is the gateway's.
    if meta.len() > 15 {
        return Err(bad(
            "metadata can have at most 15 members",
            Some("metadata"),
        ));
    }
    meta.insert(OWNER.to_owned(), mark(secret).into());
    Ok(())
}

pub(super) fn bad(message: &str, param: Option<&str>) -> GatewayError {
    GatewayError::new(ErrorKind::InvalidRequest, message).with_param(param)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::through::objects::id::open;

    #[test]
    fn what_an_upstream_says_is_told_in_the_tenants_names() {
        let secret = [7; 32];
        let names = Names {
            secret: &secret,
            upstream: "openai",
            thing: Thing::Batch,
        };
        let body = batch_body(
            &Bytes::from_static(b"{\"input_file_id\":\"x\"}"),
            "file-1",
            &secret,
        );
        let sent: Value = serde_json::from_slice(&body.unwrap()).unwrap();
        assert_eq!(sent["input_file_id"], "file-1");
        assert!(names.is_own(&sent));
        let other = Names {
            secret: &[8; 32],
            ..names
        };
        assert!(!other.is_own(&sent));
        let told = names.told(json!({"id": "batch_1", "output_file_id": "file-2",
            "error_file_id": null, "metadata": sent["metadata"]}));
        let opened = |name: &Value, thing| open(&secret, thing, name.as_str().unwrap());
        let at = |own: &str| Some(("openai".to_owned(), own.to_owned()));
        assert_eq!(opened(&told["id"], Thing::Batch), at("batch_1"));
        assert_eq!(opened(&told["output_file_id"], Thing::File), at("file-2"));
        assert_eq!(told["metadata"], json!({}));
        let file = Names {
            thing: Thing::File,
            ..names
        };
        let kept = Names::marked(&secret, "a.jsonl");
        let told = json!({"id": "file-1", "filename": kept});
        assert!(file.is_own(&told));
        assert_eq!(file.told(told)["filename"], "a.jsonl");
    }
}
