//! `cargo xtask serve`: from a fresh clone to a gateway that answers, and the line that tries it.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use crate::children::{Running, Stop};
use crate::local_engine::LocalEngine;
use crate::places::Places;
use crate::{build, shell};

/// Loading means compiling and snapshotting three components, seconds on a slow machine the first time.
const READY_LIMIT: Duration = Duration::from_secs(120);

/// A little more than the gateway's own limit for streams in flight.
const DRAIN_LIMIT: Duration = Duration::from_secs(35);

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The engine behind the gateway: a URL, or `local` for a llama.cpp server with a small model. Default: the embedded engine.
    #[arg(long, value_name = "URL|local")]
    engine: Option<String>,
    /// The model that the local engine serves, in the GGUF format. Default: SmolLM2-135M-Instruct.
    #[arg(long, value_name = "FILE.gguf", requires = "engine")]
    model: Option<PathBuf>,
    /// Where clients connect.
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "ADDRESS")]
    listen: String,
    /// Passed on to `forebay serve`.
    #[arg(last = true)]
    extra: Vec<String>,
}

pub(crate) fn run(places: &Places, args: &Args) -> Result<()> {
    anyhow::ensure!(
        args.model.is_none() || args.engine.as_deref() == Some("local"),
        "--model names the model of the local engine, so it needs --engine local"
    );
    build::run(places)?;
    let stop = Stop::listen()?;
    let local = match args.engine.as_deref() {
        Some("local") => Some(LocalEngine::start(places, args.model.as_deref(), &stop)?),
        _ => None,
    };
    let engine = local
        .as_ref()
        .map(|engine| engine.url.as_str())
        .or(args.engine.as_deref());

    let mut serve = Command::new(places.gateway());
    serve
        .current_dir(&places.root)
        .args(["serve", "--listen", &args.listen]);
    let configuration = places.root.join("forebay.toml");
    if configuration.is_file() && !args.extra.iter().any(|word| word.starts_with("--config")) {
        serve.arg("--config").arg(configuration);
    }
    if let Some(engine) = engine {
        serve.args(["--engine", engine]);
    }
    serve.args(&args.extra);

    let mut gateway = Running::start("the gateway", &mut serve, DRAIN_LIMIT)?;
    let ready = gateway.announced("forebay listening on ", READY_LIMIT, &stop);
    if stop.asked() {
        return Ok(());
    }
    println!(
        "\nTry it:\n\n{}\n\nCtrl-C ends it.",
        curl(
            &ready?,
            engine,
            local.as_ref().map(|engine| engine.model.as_str())
        )
    );
    gateway.watch(&stop)?;
    shell::say("ending: waiting for open streams");
    Ok(())
}

/// A line to paste. A stranger's engine is first asked for its models.
fn curl(gateway: &str, engine: Option<&str>, local: Option<&str>) -> String {
    let (first, model) = match (engine, local) {
        (_, Some(model)) => ("", model),
        (None, None) => ("", "forebay-sim"),
        (Some(_), None) => (
            "MODEL=$(curl -s GATEWAY/v1/models | python3 -c 'import json, sys; print(json.load(sys.stdin)[\"data\"][0][\"id\"])')\n",
            "'$MODEL'",
        ),
    };
    let question = match local {
        Some(_) => "Name three fruits.",
        None => "What is a forebay?",
    };
    format!(
        "{}curl {gateway}/v1/chat/completions -H 'content-type: application/json' \\\n  \
         -d '{{\"model\": \"{model}\", \"messages\": [{{\"role\": \"user\", \"content\": \"{question}\"}}], \"max_tokens\": 32}}'",
        first.replace("GATEWAY", gateway)
    )
}

#[cfg(test)]
mod tests {
    use super::curl;

    #[test]
    fn the_local_engine_is_tried_with_a_chat_of_its_model() {
        let line = curl(
            "http://127.0.0.1:8080",
            Some("http://127.0.0.1:9"),
            Some("m"),
        );
        assert!(
            line.starts_with("curl http://127.0.0.1:8080/v1/chat/completions ")
                && line.contains("\"model\": \"m\""),
            "{line}"
        );
    }

    #[test]
    fn the_embedded_engine_is_tried_with_a_chat() {
        let line = curl("http://127.0.0.1:8080", None, None);
        assert!(
            line.starts_with("curl http://127.0.0.1:8080/v1/chat/completions "),
            "{line}"
        );
    }

    #[test]
    fn an_unknown_engine_is_asked_for_its_models_first() {
        let line = curl("http://127.0.0.1:8080", Some("http://127.0.0.1:9"), None);
        assert!(
            line.starts_with("MODEL=$(curl -s http://127.0.0.1:8080/v1/models "),
            "{line}"
        );
    }
}
