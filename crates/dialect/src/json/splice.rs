//! Replacing byte ranges of a body and nothing else.

use std::borrow::Cow;

use bytes::Bytes;

use super::document::Span;

/// What to put in a range's place.
#[derive(Debug, Clone)]
pub(crate) struct Splice<'a> {
    pub(crate) span: Span,
    pub(crate) with: Cow<'a, str>,
}

impl<'a> Splice<'a> {
    pub(crate) fn new(span: Span, with: impl Into<Cow<'a, str>>) -> Self {
        Self {
            span,
            with: with.into(),
        }
    }
}

/// The body with all splices made. Without any it is the same bytes, not a copy. The ranges
/// must not overlap; those that begin at the same byte are made in the order given.
pub(crate) fn splice(body: &Bytes, mut splices: Vec<Splice<'_>>) -> Bytes {
    if splices.is_empty() {
        return body.clone();
    }
    splices.sort_by_key(|splice| splice.span.start);
    let added: usize = splices.iter().map(|splice| splice.with.len()).sum();
    let mut out = Vec::with_capacity(body.len() + added);
    let mut kept = 0;
    for Splice { span, with } in &splices {
        out.extend_from_slice(body.get(kept..span.start as usize).unwrap_or_default());
        out.extend_from_slice(with.as_bytes());
        kept = span.end as usize;
    }
    out.extend_from_slice(body.get(kept..).unwrap_or_default());
    out.into()
}
