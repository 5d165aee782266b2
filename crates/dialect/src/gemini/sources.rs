//! Where an answer's text comes from: citations and grounding.

use std::borrow::Cow;

use super::names::{count, each, get, text};
use crate::exchange::Citation;
use crate::json::{Value, write};

/// Where a candidate's text comes from: what it recites, and what Google's searches found.
/// Ranges are in bytes of the text, as Google counts.
pub(super) fn citations(candidate: Value<'_>) -> Vec<Citation<'_>> {
    let mut out = Vec::new();
    let recited = get(candidate, "citationMetadata");
    let recited =
        recited.and_then(|found| get(found, "citations").or(get(found, "citationSources")));
    for citation in recited.into_iter().flat_map(each) {
        out.push(Citation {
            text: Cow::Borrowed(""),
            url: get(citation, "uri").and_then(Value::as_str),
            title: get(citation, "title").and_then(Value::as_str),
            range: range(citation),
            json: Cow::Borrowed(citation.raw()),
        });
    }
    let Some(found) = get(candidate, "groundingMetadata") else {
        return out;
    };
    let chunks: Vec<_> = get(found, "groundingChunks")
        .into_iter()
        .flat_map(each)
        .collect();
    for support in get(found, "groundingSupports").into_iter().flat_map(each) {
        let segment = get(support, "segment");
        let indices = get(support, "groundingChunkIndices")
            .into_iter()
            .flat_map(each);
        for index in indices.filter_map(|index| usize::try_from(index.as_integer()?).ok()) {
            // A chunk is {"web": {...}} or another kind of source with the same members.
            let source = chunks.get(index).and_then(|chunk| chunk.members().next());
            let Some((_, source)) = source else { continue };
            let mut citation = Citation {
                text: segment.map_or(Cow::Borrowed(""), |segment| text(segment, "text")),
                url: get(source, "uri").and_then(Value::as_str),
                title: get(source, "title").and_then(Value::as_str),
                range: segment.and_then(range),
                json: Cow::Borrowed(""),
            };
            citation.json = Cow::Owned(citation_json(&citation));
            out.push(citation);
        }
    }
    out
}

fn range(of: Value<'_>) -> Option<(u64, u64)> {
    let end = count(of, "endIndex");
    (end > 0).then(|| (count(of, "startIndex"), end))
}

/// A citation as an item of `citationMetadata.citations`.
pub(super) fn citation_json(citation: &Citation<'_>) -> String {
    write::document(|out| {
        if let Some((start, end)) = citation.range {
            write::number(out, "startIndex", start);
            write::number(out, "endIndex", end);
        }
        write::text_if(out, "uri", citation.url.as_deref());
        write::text_if(out, "title", citation.title.as_deref());
    })
}

/// Writes `citationMetadata`.
pub(super) fn write_citations(citations: &[Citation<'_>], out: &mut String) {
    write::object(out, "citationMetadata", |out| {
        write::list(out, "citations", |out| {
            for citation in citations {
                write::value(out, &citation_json(citation));
            }
        });
    });
}

/// A range of bytes of a text as one of characters, or the other way round. None where it is
/// no range of this text.
pub(super) fn in_characters(text: &str, (start, end): (u64, u64)) -> Option<(u64, u64)> {
    let count = |at: u64| {
        let before = text.get(..usize::try_from(at).ok()?)?;
        Some(before.chars().count() as u64)
    };
    Some((count(start)?, count(end)?))
}

/// See [`in_characters`].
pub(super) fn in_bytes(text: &str, (start, end): (u64, u64)) -> Option<(u64, u64)> {
    let byte = |at: u64| {
        let at = usize::try_from(at).ok()?;
        let mut starts = text.char_indices().map(|(byte, _)| byte);
        let found = starts.nth(at);
        found
            .or_else(|| (text.chars().count() == at).then_some(text.len()))
            .map(|byte| byte as u64)
    };
    Some((byte(start)?, byte(end)?))
}
