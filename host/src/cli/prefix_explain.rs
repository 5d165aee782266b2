//! `forebay prefix explain`: what the choice of a replica for a prompt goes by.

use std::path::PathBuf;

use anyhow::Context as _;
use serde_json::Value;

use super::output::OutputArgs;
use super::progress::Progress;
use super::remote::{Remote, counted, encoded, table};
use crate::operate::{self, Components};

/// Show a prompt's blocks, who holds them, and the seconds that each replica is expected to take.
#[derive(Debug, clap::Args)]
pub(super) struct ExplainArgs {
    /// The request's body, as a client would send it.
    #[arg(value_name = "REQUEST.json")]
    file: PathBuf,
    /// The endpoint that it would be sent to.
    #[arg(long, value_name = "PATH", default_value = "/v1/chat/completions")]
    path: String,
    /// The tenant that would send it. Default: the only one there is.
    #[arg(long, value_name = "NAME")]
    tenant: Option<String>,
    // With `--admin` a running gateway is asked; else the configuration alone says what it can.
    #[command(flatten)]
    remote: Remote,
}

impl ExplainArgs {
    pub(super) fn run(self, output: OutputArgs) -> anyhow::Result<()> {
        let name = self.file.display().to_string();
        let body = std::fs::read(&self.file).with_context(|| format!("{name} can't be read"))?;
        let said = if self.remote.is_named() {
            let mut path = format!("/prefix/explain?path={}", encoded(&self.path));
            if let Some(tenant) = &self.tenant {
                path += &format!("&tenant={}", encoded(tenant));
            }
            self.remote.gateway()?.post_bytes(&path, body)?
        } else {
            let _progress = Progress::show("compiling the policies");
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            let explained = runtime.block_on(operate::explain_prefix(
                self.remote.file().map(PathBuf::from),
                Components::default(),
                &self.path,
                body.into(),
                self.tenant.as_deref(),
            ));
            serde_json::to_value(explained.with_context(|| name.clone())?)?
        };
        output.print(&said, || for_people(&said));
        Ok(())
    }
}

/// One table for each upstream.
fn for_people(said: &Value) -> String {
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let upstreams = said["upstreams"].as_array().into_iter().flatten();
    let parts: Vec<String> = upstreams
        .map(|upstream| {
            let workers = upstream["workers"].as_array().into_iter().flatten();
            let rows: Vec<Vec<String>> = workers
                .map(|worker| {
                    let seconds = |part: &str| {
                        let seconds = worker["seconds"][part].as_f64().unwrap_or(0.0);
                        format!("{seconds:.3}")
                    };
                    let mark = if worker["chosen"] == true { "*" } else { "" };
                    let mut row = vec![
                        format!("{}{mark}", text(&worker["url"])),
                        text(&worker["state"]),
                        text(&worker["held_tokens"]),
                        text(&worker["uncached_tokens"]),
                        text(&worker["queued_tokens"]),
                    ];
                    row.extend(["queue", "prefill", "copy", "decode", "total"].map(seconds));
                    row
                })
                .collect();
            let headings = [
                "REPLICA",
                "STATE",
                "HELD",
                "UNCACHED",
                "QUEUED",
                "QUEUE s",
                "PREFILL s",
                "COPY s",
                "DECODE s",
                "TOTAL s",
            ];
            // Forebay's own needs no mention: the columns are its costs.
            let rule = upstream["rule"].as_str().filter(|rule| *rule != "forebay");
            let rule = rule.map_or_else(String::new, |rule| format!(", routing by {rule}"));
            format!(
                "{}: {}, {} of {}{rule}\n{}",
                text(&upstream["upstream"]),
                counted(&upstream["prompt_tokens"], "token", "tokens"),
                counted(&upstream["blocks"], "block", "blocks"),
                text(&upstream["compared_in"]),
                table(&headings, &rows)
            )
        })
        .collect();
    match parts.is_empty() {
        true => format!("no upstream serves the model {}", said["model"]),
        false => parts.join("\n\n"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_explanation_is_a_table_for_each_upstream_and_marks_the_choice() {
        let seconds = json!({"queue": 0, "prefill": 0.5, "copy": 0, "decode": 0.01, "total": 0.51});
        let worker = json!({"url": "http://a", "state": "exact", "held_tokens": 16,
            "uncached_tokens": 9, "queued_tokens": 0, "seconds": seconds, "chosen": true});
        let mut said = json!({"model": "m", "upstreams": [{"upstream": "own", "compared_in": "tokens",
            "prompt_tokens": 25, "blocks": 1, "rule": "forebay", "workers": [worker]}]});
        let shown = for_people(&said);
        assert!(
            shown.starts_with("own: 25 tokens, 1 block of tokens\n"),
            "{shown}"
        );
        assert!(shown.contains("http://a*"), "{shown}");
        assert!(shown.contains("0.510"), "{shown}");
        said["upstreams"][0]["rule"] = "round-robin".into();
        let shown = for_people(&said);
        assert!(
            shown.contains("of tokens, routing by round-robin\n"),
            "{shown}"
        );
        assert!(for_people(&json!({"model": "m", "upstreams": []})).contains("no upstream"));
    }
}
