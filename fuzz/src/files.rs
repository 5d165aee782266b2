//! What an operator writes by hand, and editors write by halves: a configuration, a file of keys.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use forebay_host::config::{Overrides, Source, findings, load};
use forebay_host::keys::{KeyFile, Surviving};

/// Any configuration. What is wrong is said, and where it stands is within the text.
pub(crate) fn configuration(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    let source = Source {
        path: None,
        text: text.to_owned(),
        base: PathBuf::from("/nowhere"),
    };
    match load(&source, &Overrides::default()) {
        Ok(config) => {
            let _ = findings(&config, &source);
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    if let Some(span) = source.locate(&["upstreams", "0", "urls"]) {
        assert!(text.get(span).is_some());
    }
}

/// Any file of keys. What is read is written again as it was; what survives of a damaged one is of it.
pub(crate) fn keys(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    let surviving = Surviving::of_text(text);
    let Ok(file) = toml::from_str::<KeyFile>(text) else {
        return;
    };
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    for key in &file.records {
        let _ = key.is_expired(now);
        let record = key.to_record();
        if let Some(known) = surviving.as_ref().and_then(|file| file.of(&record)) {
            assert_eq!(known.digest, record.digest);
        }
    }
    let written = toml::to_string(&file).unwrap();
    let again: KeyFile = toml::from_str(&written).unwrap();
    assert_eq!(again.records.len(), file.records.len());
}
