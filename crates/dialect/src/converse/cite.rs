//! Writes citations: those of Converse as they came, others from what of them is typed.

use crate::exchange::Citation;
use crate::json::write;
use crate::json::{Document, Kind};

/// The members of Converse's citations (shapes `Citation` and `CitationsDelta`).
const MEMBERS: [&str; 4] = ["title", "source", "sourceContent", "location"];

pub(super) fn write(citation: &Citation<'_>, out: &mut String) {
    if is_own(&citation.json) {
        return out.push_str(&citation.json);
    }
    out.push('{');
    if let Some(title) = &citation.title {
        write::text(out, "title", title);
    }
    if let Some(url) = &citation.url {
        write::text(out, "source", url);
    }
    if !citation.text.is_empty() {
        write::list(out, "sourceContent", |out| {
            out.push('{');
            write::text(out, "text", &citation.text);
            out.push('}');
        });
    }
    if let Some(url) = &citation.url {
        write::object(out, "location", |out| {
            write::object(out, "web", |out| write::text(out, "url", url));
        });
    }
    out.push('}');
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
