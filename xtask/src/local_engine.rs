//! A real engine for a laptop: a llama.cpp server with a 270 M base model, from Python wheels alone.

use std::process::Command;
use std::time::Duration;

use anyhow::{Result, anyhow};

use crate::children::{Running, Stop};
use crate::places::Places;
use crate::setup::{debian, python};
use crate::shell::say;

/// The name that the server gives its model.
pub(crate) const MODEL: &str = "gemma-3-270m";

/// Reading 240 MB from a cold disk.
const READY_LIMIT: Duration = Duration::from_secs(120);

/// A llama.cpp server on a port of its own; it ends with this value.
pub(crate) struct LocalEngine {
    /// Its base URL, such as `http://127.0.0.1:40123`.
    pub(crate) url: String,
    _process: Running,
}

impl LocalEngine {
    /// Installs it at the first use (0.6 GB, half a minute) and starts it.
    pub(crate) fn start(places: &Places, stop: &Stop) -> Result<Self> {
        let assets = places.root.join("xtask/assets");
        say("the local engine's weights are Gemma 3 270M, under Google's Gemma terms of use");
        debian::ensure(&debian::FOR_TESTS[..1]);
        let python = python::ensure(places, "local-engine", &assets.join("local-engine.txt"))
            .map_err(|lack| anyhow!("{lack}"))?;
        let mut server = Command::new(python);
        server
            .arg(assets.join("local_engine.py"))
            .arg(places.cache.join("models"))
            .arg(MODEL);
        let mut process = Running::start("the local engine", &mut server, Duration::from_secs(5))?;
        let url = process.announced("local engine listening on ", READY_LIMIT, stop)?;
        Ok(Self {
            url,
            _process: process,
        })
    }
}
