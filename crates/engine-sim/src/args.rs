//! The options of `forebay engine-sim`.

use std::future::Future;

use tokio::net::TcpListener;

use crate::config::{PROFILES, SimConfig};
use crate::fault::Fault;
use crate::server::{self, SimError};

/// Serve a simulated vLLM replica: vLLM's API and timing, made-up text, no model.
#[derive(Debug, Clone, clap::Args)]
pub struct EngineSimArgs {
    /// The address to listen on; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:8000", value_name = "ADDRESS")]
    pub listen: String,
    /// A built-in profile (h100x8-70b, l4-8b, instant) or a TOML file.
    #[arg(long, default_value = PROFILES[0].0, value_name = "NAME|FILE")]
    pub profile: String,
    /// The name of the model, instead of the profile's. May be repeated.
    #[arg(long, value_name = "NAME")]
    pub served_model_name: Vec<String>,
    /// How much faster time runs than in the profile; 0 takes no time at all.
    #[arg(long, value_name = "FACTOR")]
    pub speed: Option<f64>,
    /// Where to publish KV events, such as tcp://127.0.0.1:5557.
    #[arg(long, value_name = "ENDPOINT")]
    pub kv_events: Option<String>,
    /// Where to replay missed batches of KV events, such as "tcp://*:5558".
    #[arg(long, value_name = "ENDPOINT")]
    pub kv_replay: Option<String>,
    /// The topic of KV events.
    #[arg(long, value_name = "TOPIC")]
    pub kv_events_topic: Option<String>,
    /// The replica's PYTHONHASHSEED, with which its block hashes begin.
    #[arg(long, value_name = "SEED")]
    pub hash_seed: Option<String>,
    /// A fault that every completion meets, such as "status=503; retry_after=2".
    #[arg(long, value_name = "FAULT", value_parser = Fault::parse)]
    pub fault: Option<Fault>,
}

impl EngineSimArgs {
    /// The profile with the options put over it.
    ///
    /// # Errors
    /// [`SimError::Config`] if there is no such profile or something is out of range.
    pub fn config(&self) -> Result<SimConfig, SimError> {
        let mut config = SimConfig::load(&self.profile)?;
        if !self.served_model_name.is_empty() {
            config
                .served_model_names
                .clone_from(&self.served_model_name);
        }
        if let Some(speed) = self.speed {
            config.speed = speed;
        }
        if let Some(topic) = &self.kv_events_topic {
            config.kv_events_topic.clone_from(topic);
        }
        config.kv_events = self.kv_events.clone().or(config.kv_events);
        config.kv_replay = self.kv_replay.clone().or(config.kv_replay);
        config.hash_seed = self.hash_seed.clone().or(config.hash_seed);
        config.fault = self.fault.clone().or(config.fault);
        config.validate()?;
        Ok(config)
    }

    /// Binds, calls `listening` with the base URL, and serves until `shutdown` is ready. The
    /// command line prints `listening on <url>` there.
    ///
    /// # Errors
    /// [`SimError`] if the configuration is out of range or a socket cannot be bound.
    pub async fn run(
        &self,
        listening: impl FnOnce(&str),
        shutdown: impl Future<Output = ()>,
    ) -> Result<(), SimError> {
        let config = self.config()?;
        let bound = TcpListener::bind(&self.listen).await;
        let listener = bound.map_err(|source| SimError::Listen {
            address: self.listen.clone(),
            source,
        })?;
        let handle = server::start(listener, config).await?;
        listening(&handle.url());
        shutdown.await;
        handle.shutdown().await;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Options {
        #[command(flatten)]
        engine: EngineSimArgs,
    }

    fn config(line: &str) -> Result<SimConfig, SimError> {
        let words = std::iter::once("sim").chain(line.split_whitespace());
        Options::try_parse_from(words).unwrap().engine.config()
    }

    #[test]
    fn options_go_over_the_profile() {
        let config =
            config("--profile l4-8b --speed 0 --served-model-name a --hash-seed 7").unwrap();
        assert_eq!(config.max_num_seqs, 128);
        assert_eq!(config.served_model_names, ["a"]);
        assert_eq!(
            (config.speed, config.hash_seed.as_deref()),
            (0.0, Some("7"))
        );
    }

    #[test]
    fn no_options_are_the_default_profile() {
        assert_eq!(config("").unwrap(), SimConfig::default());
    }

    #[test]
    fn a_profile_that_does_not_exist_is_refused() {
        let message = config("--profile missing.toml").unwrap_err().to_string();
        assert!(message.contains("missing.toml"), "{message}");
    }

    #[tokio::test]
    async fn running_tells_the_bound_address_and_stops_when_told() {
        let args = Options::try_parse_from(["sim", "--listen", "127.0.0.1:0"]).unwrap();
        let mut url = String::new();
        args.engine
            .run(|bound| url = bound.to_owned(), async {})
            .await
            .unwrap();
        assert!(
            url.starts_with("http://127.0.0.1:") && !url.ends_with(":0"),
            "{url}"
        );
    }
}
