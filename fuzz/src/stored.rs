//! What comes from outside the process but from no client: entries of an edge's store, settings of a
//! release, a catalogue.

use forebay_gateway::settings::Settings;
use forebay_gateway::store::{CacheKey, decode, encode};

/// Any entry of a store. What is read is written again as it was.
pub(crate) fn entry(input: &[u8]) {
    let key = CacheKey([7; 32]);
    if let Ok(entry) = decode(&key, input) {
        assert!(decode(&key, &encode(&entry)).is_ok());
    }
}

/// Any settings of a release.
pub(crate) fn settings(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    if let Ok(settings) = Settings::read(text) {
        let variables = settings.variables();
        let values = variables
            .into_iter()
            .map(|name| (name, "0123456789abcdef".to_owned()))
            .collect();
        let _ = settings.resolve(&values, &[0; 32]);
    }
}

/// Any catalogue.
pub(crate) fn catalogue(input: &[u8]) {
    use forebay_catalogue::{Date, File, check};
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    let file = File { name: "fuzz", text };
    let Some(today) = Date::parse("2026-11-26") else {
        return;
    };
    let _ = check(&[file], today);
}
