//! One suite for every platform: a folder a case, an upstream that plays scripts, launchers, a table.
//!
//! All cases run against one running gateway with one configuration; the scripted upstream knows a
//! case by the model that a request names. What a platform can't do is said in `platforms.toml`.

pub mod answer;
pub mod case;
pub mod judge;
pub mod keys;
pub mod platforms;
pub mod report;
pub mod run;
pub mod upstream;

use std::path::{Path, PathBuf};

/// The folder of this suite.
pub fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

/// The configuration of the suite.
pub fn config() -> PathBuf {
    here().join("forebay.toml")
}
