//! The names in what an upstream says of a file or a batch, made the tenant's own, and the mark
//! by which its things are known, put on and taken off.

use bytes::Bytes;
use serde_json::{Map, Value};

use super::id::{Thing, mark, seal};
use crate::error::{ErrorKind, GatewayError};

/// The member of a batch's metadata that says whose it is.
pub(super) const OWNER: &str = "forebay_owner";

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
        let told = match self.thing {
            Thing::File => thing.get("filename"),
            Thing::Batch => thing.get("metadata").and_then(|meta| meta.get(OWNER)),
        };
        match (self.thing, told.and_then(Value::as_str)) {
            (Thing::File, Some(told)) => told.starts_with(&format!("fb-{mark}-")),
            (Thing::Batch, Some(told)) => told == mark,
            _ => false,
        }
    }

    /// What an upstream says of one thing, as the tenant sees it.
    pub(super) fn told(&self, mut value: Value) -> Value {
        if let Value::Object(members) = &mut value {
            self.rename(members);
        }
        value
    }

    fn rename(&self, members: &mut Map<String, Value>) {
        for (name, value) in members.iter_mut() {
            let thing = match name.as_str() {
                "id" => self.thing,
                "input_file_id" | "output_file_id" | "error_file_id" => Thing::File,
                _ => continue,
            };
            if let Value::String(own) = value {
                *own = seal(self.secret, thing, self.upstream, own);
            }
        }
        let before = format!("fb-{}-", mark(self.secret));
        if let Some(Value::String(file)) = members.get_mut("filename")
            && let Some(given) = file.strip_prefix(&before)
        {
            *file = given.to_owned();
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
    let mut body: Value = serde_json::from_slice(body).unwrap_or_default();
    let Value::Object(members) = &mut body else {
        return Err(bad("the body must be an object", None));
    };
    members.insert("input_file_id".to_owned(), file.into());
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
        return Err(bad("metadata may have 15 members", Some("metadata")));
    }
    meta.insert(OWNER.to_owned(), mark(secret).into());
    Ok(body.to_string().into())
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
