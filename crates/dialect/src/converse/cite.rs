//! Writes citations: those of Converse as they came, others from what of them is typed.

use super::object::Open;
use crate::exchange::Citation;
use crate::json::{Document, Kind};

/// The members of Converse's citations (shapes `Citation` and `CitationsDelta`).
const MEMBERS: [&str; 4] = ["title", "source", "sourceContent", "location"];

pub(super) fn write(citation: &Citation<'_>, out: &mut String) {
    if is_own(&citation.json) {
        return out.push_str(&citation.json);
    }
    let mut object = Open::object(out);
    if let Some(title) = &citation.title {
        object.text("title", title, out);
    }
    if let Some(url) = &citation.url {
        object.text("source", url, out);
    }
    if !citation.text.is_empty() {
        object.key("sourceContent", out);
        out.push_str("[{\"text\":");
        crate::json::write_json_string(&citation.text, out);
        out.push_str("}]");
    }
    if let Some(url) = &citation.url {
        object.key("location", out);
        out.push_str("{\"web\":{\"url\":");
        crate::json::write_json_string(url, out);
        out.push_str("}}");
    }
    object.close(out);
}

fn is_own(json: &str) -> bool {
    let Ok(document) = Document::parse(json.as_bytes()) else {
        return false;
    };
    let root = document.root();
    let known = |name: &str| MEMBERS.contains(&name);
    root.kind() == Kind::Object
        && root.members().next().is_some()
        && root
            .members()
            .all(|(key, _)| key.as_str().is_some_and(|name| known(&name)))
}
