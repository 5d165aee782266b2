//! `forebay init`: a commented configuration to begin with, from a few flags or from LiteLLM's file.

mod litellm;
mod write;

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use serde_json::json;

use super::output::OutputArgs;
use crate::config::{self, Overrides, Source};

/// Write a first configuration, from a few flags or from LiteLLM's.
#[derive(Debug, clap::Args)]
pub(super) struct InitArgs {
    /// Send requests to this vLLM server: http://10.0.0.7:8000. Repeat it for replicas.
    #[arg(long, value_name = "URL")]
    vllm: Vec<String>,
    /// Send requests to any other server that speaks OpenAI's API. Repeat it for replicas.
    #[arg(long, value_name = "URL")]
    engine: Vec<String>,
    /// The environment variable that holds the key of --vllm and --engine, such as VLLM_API_KEY.
    #[arg(long, value_name = "NAME")]
    engine_key: Option<String>,
    /// Send requests to OpenAI, with the key in OPENAI_API_KEY.
    #[arg(long)]
    openai: bool,
    /// Send requests to Anthropic, with the key in ANTHROPIC_API_KEY.
    #[arg(long)]
    anthropic: bool,
    /// Import LiteLLM's config.yaml, and list what can't be imported.
    #[arg(long, value_name = "FILE")]
    from_litellm: Option<PathBuf>,
    /// The file to write.
    #[arg(long, value_name = "FILE", default_value = "forebay.toml")]
    out: PathBuf,
    /// Replace the file if it exists.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    output: OutputArgs,
}

/// What a configuration is written from.
#[derive(Debug, Default)]
struct Plan {
    upstreams: Vec<Upstream>,
    tenants: Vec<Tenant>,
    /// Requests and tokens a minute of keys that say nothing themselves.
    rate: (Option<u64>, Option<u64>),
    /// Whether callers need keys.
    keys: bool,
    attempts: Option<u64>,
    /// After how many failures a replica is ejected, and for how many seconds.
    eject: (Option<u64>, Option<u64>),
    /// Seconds for a whole request, and to a stream's first byte.
    timeouts: (Option<u64>, Option<u64>),
    /// Seconds that an answer stays in the cache.
    ttl: Option<u64>,
    /// Whether logs are written as JSON.
    json_logs: bool,
    /// What an upstream has no field for is left out of requests.
    drops: bool,
    /// What the imported file says and this one can't.
    left_out: Vec<String>,
}

/// One upstream to write.
#[derive(Debug, Default, Clone, PartialEq)]
struct Upstream {
    name: String,
    provider: Option<String>,
    urls: Vec<String>,
    /// The environment variable that holds its key.
    key: Option<String>,
    models: Vec<(String, String)>,
    region: Option<String>,
    /// The form of the provider's API.
    api: Option<String>,
    /// OCI's compartment.
    compartment: Option<String>,
    api_version: Option<String>,
    project: Option<String>,
    /// Of tokens of the prompt and of the answer, in millionths of a dollar per million.
    price: Option<(u64, u64)>,
    context_tokens: Option<u64>,
}

impl Upstream {
    /// What it is apart from its name and its models.
    fn bare(&self) -> Self {
        Self {
            name: String::new(),
            models: Vec::new(),
            ..self.clone()
        }
    }
}

/// A tenant whose keys are to be made.
#[derive(Debug, Default, Clone, PartialEq)]
struct Tenant {
    name: String,
}

impl InitArgs {
    pub(super) fn run(self) -> anyhow::Result<()> {
        if self.out.exists() && !self.force {
            bail!(
                "{} exists; --force replaces it, --out names another file",
                self.out.display()
            );
        }
        if self.engine_key.is_some() && self.vllm.is_empty() && self.engine.is_empty() {
            bail!("--engine-key needs --vllm or --engine");
        }
        for (flag, urls) in [("--vllm", &self.vllm), ("--engine", &self.engine)] {
            for url in urls {
                if let Err(why) = config::check_url(&without_v1(url)) {
                    bail!("{flag}: {why}");
                }
            }
        }
        let plan = match &self.from_litellm {
            Some(file) => {
                let text = std::fs::read_to_string(file)
                    .with_context(|| format!("{} can't be read", file.display()))?;
                litellm::plan(&text)
                    .with_context(|| format!("{} can't be imported", file.display()))?
            }
            None => Plan::default(),
        };
        let plan = self.with_flags(plan);
        let text = write::toml(&plan);
        let source = Source {
            path: Some(self.out.clone()),
            text: text.clone(),
            base: PathBuf::from("."),
        };
        // What is written here must be good, whatever the flags were: else the flags are named, not the file.
        config::load(&source, &Overrides::default())?;
        std::fs::write(&self.out, text)
            .with_context(|| format!("{} can't be written", self.out.display()))?;
        let file = self.out.display().to_string();
        let tenants: Vec<&str> = plan.tenants.iter().map(|it| it.name.as_str()).collect();
        let (left_out, variables) = (&plan.left_out, plan.variables());
        let value = json!({ "file": file, "not_imported": left_out, "variables": variables, "tenants": tenants });
        self.output.print(&value, || {
            let mut lines = vec![format!("wrote {file}")];
            lines.extend(left_out.iter().map(|it| format!("not imported: {it}")));
            if !variables.is_empty() {
                let names = variables.join(", ");
                lines.push(format!("set these environment variables: {names}"));
            }
            lines.extend(
                tenants
                    .iter()
                    .map(|name| format!("create a key: forebay keys create --tenant {name}")),
            );
            lines.push(format!(
                "next: forebay doctor --config {file} && forebay serve --config {file}"
            ));
            lines.join("\n")
        });
        Ok(())
    }

    fn with_flags(&self, mut plan: Plan) -> Plan {
        let engines = [
            ("vllm", Some("vllm"), &self.vllm),
            ("engine", None, &self.engine),
        ];
        for (name, provider, urls) in engines {
            if !urls.is_empty() {
                plan.upstreams.push(Upstream {
                    name: name.to_owned(),
                    provider: provider.map(str::to_owned),
                    urls: urls.iter().map(|url| without_v1(url)).collect(),
                    key: self.engine_key.clone(),
                    ..Upstream::default()
                });
            }
        }
        for (wanted, name, key) in [
            (self.openai, "openai", "OPENAI_API_KEY"),
            (self.anthropic, "anthropic", "ANTHROPIC_API_KEY"),
        ] {
            if wanted {
                plan.upstreams.push(Upstream {
                    name: name.to_owned(),
                    provider: Some(name.to_owned()),
                    key: Some(key.to_owned()),
                    ..Upstream::default()
                });
            }
        }
        plan
    }
}

impl Plan {
    /// The environment variables that hold keys and addresses.
    fn variables(&self) -> Vec<&str> {
        let keys = self.upstreams.iter().filter_map(|it| it.key.as_deref());
        let urls = self.upstreams.iter().flat_map(|it| &it.urls);
        let addresses = urls.filter_map(|url| url.strip_prefix("env:"));
        keys.chain(addresses)
            .collect::<std::collections::BTreeSet<_>>()
            .into_iter()
            .collect()
    }
}

/// Forebay adds `/v1` itself.
fn without_v1(url: &str) -> String {
    let url = url.trim_end_matches('/');
    url.strip_suffix("/v1").unwrap_or(url).to_owned()
}
