//! An object with other names for its members; every other byte stays.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::json::{Document, Splice, json_string, splice};

/// Other names: (name in one place, name in the other).
pub(super) type Names = BTreeMap<String, String>;

/// The object with other names for its members; none where it has none of those names.
pub(super) fn with_names(object: &str, names: &Names) -> Option<String> {
    let document = Document::parse(object.as_bytes()).ok()?;
    let mut splices = Vec::new();
    for (key, _) in document.root().members() {
        let name = key.as_str().and_then(|name| names.get(name.as_ref()));
        splices.extend(name.map(|name| Splice::new(key.span(), json_string(name))));
    }
    (!splices.is_empty())
        .then(|| spliced(object, splices))
        .flatten()
}

/// The text with those pieces replaced.
pub(super) fn spliced(text: &str, splices: Vec<Splice<'_>>) -> Option<String> {
    let text = Bytes::copy_from_slice(text.as_bytes());
    String::from_utf8(splice(&text, splices).to_vec()).ok()
}
