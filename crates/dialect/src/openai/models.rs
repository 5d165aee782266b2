//! The model list: `/v1/models` and `/v1/models/{id}`.

use bytes::Bytes;

use crate::json::write;

/// A model as OpenAI's API shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelEntry {
    /// The name that clients ask for.
    pub id: String,
    /// When it came to be, in seconds since 1970.
    pub created: u64,
    /// Who offers it.
    pub owned_by: String,
}

/// The body of `/v1/models`.
pub fn list(models: &[ModelEntry]) -> Bytes {
    let mut out = String::with_capacity(64 + 96 * models.len());
    write::braces(&mut out, |out| {
        write::text(out, "object", "list");
        write::list(out, "data", |out| {
            for model in models {
                object(model, out);
            }
        });
    });
    out.into()
}

/// The body of `/v1/models/{id}`.
pub fn one(model: &ModelEntry) -> Bytes {
    let mut out = String::new();
    object(model, &mut out);
    out.into()
}

fn object(model: &ModelEntry, out: &mut String) {
    write::braces(out, |out| {
        write::text(out, "id", &model.id);
        write::text(out, "object", "model");
        write::number(out, "created", model.created);
        write::text(out, "owned_by", &model.owned_by);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_what_the_official_client_reads() {
        let model = ModelEntry {
            id: "a\"b".into(),
            created: 7,
            owned_by: "forebay".into(),
        };
        let read: serde_json::Value = serde_json::from_slice(&list(&[model])).unwrap();
        let expected = serde_json::json!({"object": "list", "data": [
            {"id": "a\"b", "object": "model", "created": 7, "owned_by": "forebay"},
        ]});
        assert_eq!(read, expected);
    }
}
