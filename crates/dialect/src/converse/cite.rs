//! Writes citations: those of Converse as they came, others from what of them is typed.

use crate::exchange::Citation;
use crate::json::write;
use crate::json::{Document, Kind};

/// The members of Converse's citations (shapes `Citation` and `CitationsDelta`).
const MEMBERS: [&str; 4] = ["title", "source", "sourceContent", "location"];

pub(super) fn write(citation: &Citation<'_>, out: &mut String) {
    if is_own(&citation.json) {
        return write::value(out, &citation.json);
    }
    let text = Some(&citation.text).filter(|text| !text.is_empty());
    write::braces(out, |out| {
        write::text_if(out, "title", citation.title.as_deref());
        write::text_if(out, "source", citation.url.as_deref());
        if let Some(text) = text {
            write::list(out, "sourceContent", |out| {
                write::braces(out, |out| write::text(out, "text", text));
            });
        }
        if let Some(url) = &citation.url {
            write::object(out, "location", |out| {
                write::object(out, "web", |out| write::text(out, "url", url));
            });
        }
    });
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
