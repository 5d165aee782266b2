//! Lists of models in the forms of Anthropic and Google. OpenAI's is in [`crate::openai::models`],
//! Ollama's in [`crate::ollama`].

use bytes::Bytes;

use crate::json::write;
use crate::openai::models::ModelEntry;

/// The part of a list that a client asks for, in either vendor's words.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Window {
    limit: Option<usize>,
    after: Option<String>,
    before: Option<String>,
}

impl Window {
    /// Reads a query. What is no number, or not known, counts for nothing.
    pub fn read(query: &str) -> Self {
        let mut window = Self::default();
        for (name, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
            match name {
                "limit" | "pageSize" => {
                    window.limit = value.parse().ok().filter(|limit| *limit > 0);
                }
                "after_id" | "pageToken" => window.after = Some(decoded(value)),
                "before_id" => window.before = Some(decoded(value)),
                _ => {}
            }
        }
        window
    }

    /// The models within it, and whether there are more beyond them.
    fn of<'m>(&self, models: &'m [ModelEntry], usual: usize) -> (&'m [ModelEntry], bool) {
        let place = |id: &String| models.iter().position(|model| model.id == *id);
        // 1000: the most that either vendor gives at once.
        let limit = self.limit.unwrap_or(usual).min(1000);
        if let Some(end) = self.before.as_ref().and_then(place) {
            let start = end.saturating_sub(limit);
            return (&models[start..end], start > 0);
        }
        let start = self.after.as_ref().and_then(place).map_or(0, |at| at + 1);
        let end = models.len().min(start + limit);
        (&models[start..end], end < models.len())
    }
}

/// A value of a query without its percent signs (RFC 3986); as it is where they are wrong.
fn decoded(value: &str) -> String {
    let mut out = Vec::with_capacity(value.len());
    let mut bytes = value.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let mut digit = || char::from(bytes.next()?).to_digit(16);
        let (Some(high), Some(low)) = (digit(), digit()) else {
            return value.to_owned();
        };
        out.push(u8::try_from(high * 16 + low).unwrap_or_default());
    }
    String::from_utf8(out).unwrap_or_else(|_| value.to_owned())
}

/// Anthropic's `/v1/models`.
pub fn anthropic_list(models: &[ModelEntry], window: &Window) -> Bytes {
    let (models, more) = window.of(models, 20);
    let body = write::document(|out| {
        write::list(out, "data", |out| {
            for model in models {
                write::braces(out, |out| anthropic(model, out));
            }
        });
        write::plain(out, "has_more", more);
        for (name, model) in [("first_id", models.first()), ("last_id", models.last())] {
            write::text_or_null(out, name, model.map(|model| &model.id));
        }
    });
    body.into()
}

/// One of it.
pub fn anthropic_one(model: &ModelEntry) -> Bytes {
    write::document(|out| anthropic(model, out)).into()
}

fn anthropic(model: &ModelEntry, out: &mut String) {
    let mut created = String::new();
    crate::rfc3339::write(model.created, &mut created);
    write::text(out, "type", "model");
    write::text(out, "id", &model.id);
    write::text(out, "display_name", &model.id);
    write::text(out, "created_at", &created);
}

/// Google's `/v1beta/models`.
pub fn gemini_list(models: &[ModelEntry], window: &Window) -> Bytes {
    let (models, more) = window.of(models, 50);
    let body = write::document(|out| {
        write::list(out, "models", |out| {
            for model in models {
                write::braces(out, |out| gemini(model, out));
            }
        });
        let last = models.last().filter(|_| more);
        write::text_if(out, "nextPageToken", last.map(|model| &model.id));
    });
    body.into()
}

/// One of it.
pub fn gemini_one(model: &ModelEntry) -> Bytes {
    write::document(|out| gemini(model, out)).into()
}

fn gemini(model: &ModelEntry, out: &mut String) {
    write::text(out, "name", &format!("models/{}", model.id));
    write::text(out, "displayName", &model.id);
    write::text(out, "description", &model.owned_by);
    let methods = ["generateContent", "countTokens", "embedContent"];
    write::texts(out, "supportedGenerationMethods", methods);
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn models() -> Vec<ModelEntry> {
        let entry = |id: &str| ModelEntry {
            id: id.into(),
            created: 0,
            owned_by: "one".into(),
        };
        ["a", "b/c", "d"].map(entry).into()
    }

    fn anthropic(query: &str) -> Value {
        serde_json::from_slice(&anthropic_list(&models(), &Window::read(query))).unwrap()
    }

    fn gemini(query: &str) -> Value {
        serde_json::from_slice(&gemini_list(&models(), &Window::read(query))).unwrap()
    }

    #[test]
    fn anthropics_list_is_told_page_by_page_both_ways() {
        let first = anthropic("limit=2");
        assert_eq!(first["last_id"], "b/c");
        assert_eq!(first["has_more"], true);
        assert_eq!(first["data"][0]["created_at"], "1970-01-01T00:00:00Z");
        let rest = anthropic("limit=2&after_id=b%2Fc");
        assert_eq!(
            (&rest["first_id"], &rest["has_more"]),
            (&"d".into(), &false.into())
        );
        let back = anthropic("limit=1&before_id=d");
        assert_eq!(
            (&back["first_id"], &back["has_more"]),
            (&"b/c".into(), &true.into())
        );
        assert_eq!(anthropic("after_id=d")["first_id"], Value::Null);
    }

    #[test]
    fn googles_list_has_a_token_for_its_next_page() {
        let first = gemini("pageSize=2");
        assert_eq!(first["models"][1]["name"], "models/b/c");
        assert_eq!(first["nextPageToken"], "b/c");
        let rest = gemini("pageSize=2&pageToken=b%2Fc");
        assert_eq!(rest["models"][0]["name"], "models/d");
        assert!(gemini("").get("nextPageToken").is_none());
    }
}
