//! A configuration as an edge carries it: the pipeline's settings, with references left as they are.

use forebay_gateway::config::Secret;
use forebay_gateway::settings::{PortableKey, SCHEMA, Settings, variable};

use super::diagnose::{ConfigError, Problem};
use super::load::Source;
use super::sections::Config;
use crate::keys::{KeyFile, StoredKey};

/// The settings of an edge. With `open` everyone may come in, whatever keys are configured.
///
/// # Errors
///
/// What an edge can't do: no upstream of its own, secrets in files, certificates of one's own, no keys.
#[allow(clippy::too_many_lines, reason = "a list of what an edge can not do")]
pub fn edge_settings(
    config: &Config,
    source: &Source,
    open: bool,
) -> Result<Settings, ConfigError> {
    let mut problems = Vec::new();
    if config.upstreams.is_empty() {
        problems.push(
            Problem::at(None, "an edge has no embedded engine: it needs an upstream").hint(
                "[[upstreams]] with urls = [\"env:FOREBAY_UPSTREAM\"] takes a Forebay host, an engine or a cloud",
            ),
        );
    }
    for (i, upstream) in config.upstreams.iter().enumerate() {
        let i = i.to_string();
        let mut refuse = |field: &str, why: &str| {
            problems.push(Problem::at(source.locate(&["upstreams", &i, field]), why));
        };
        if upstream.ca_file.is_some() {
            refuse(
                "ca_file",
                "an edge's platform makes the connections and trusts its own list of certificates",
            );
        }
        if upstream.tokenizer.is_some() {
            refuse("tokenizer", NO_FILES);
        }
        if upstream.h2c {
            refuse(
                "h2c",
                "an edge's platform makes the connections and chooses their protocol",
            );
        }
        if !reachable(upstream.key.as_ref()) {
            refuse("key", NO_FILES);
        }
        for url in upstream.urls.iter().filter(|url| url.starts_with("env:")) {
            if variable(url).is_none() {
                refuse("urls", "a variable's name has letters, digits and `_`");
            }
        }
        for (name, value) in &upstream.headers {
            if variable(value).is_none() {
                let at = source.locate(&["upstreams", &i, "headers", name]);
                let problem = Problem::at(
                    at,
                    "a release holds no header values, since they may be secrets: write \"env:NAME\", which is the platform's variable `name`",
                );
                problems.push(problem.hide());
            }
        }
    }
    if !reachable(config.secrets.master.as_ref()) {
        problems.push(Problem::at(source.locate(&["secrets", "master"]), NO_FILES));
    }
    if config.auth.oidc.is_some() && !open {
        let message = "an edge verifies no tokens of an issuer: it takes API keys only";
        problems.push(Problem::at(source.locate(&["auth", "oidc"]), message));
    }
    let keys = match &config.keys.file {
        Some(file) if !open => match KeyFile::read(&source.base.join(file)) {
            Ok(file) => file.records,
            Err(error) => {
                problems.push(Problem::at(
                    source.locate(&["keys", "file"]),
                    error.to_string(),
                ));
                Vec::new()
            }
        },
        _ => Vec::new(),
    };
    if problems.is_empty() && keys.is_empty() && !open {
        problems.push(
            Problem::at(None, "an edge is reached by everyone, so it needs API keys").hint(
                "`forebay keys create --tenant NAME` and [keys] file; or `forebay bake --open`, if something before the edge checks who comes",
            ),
        );
    }
    if !problems.is_empty() {
        return Err(source.error(problems));
    }
    Ok(Settings {
        schema: SCHEMA,
        timeouts: config.timeouts.clone(),
        streams: config.streams.clone(),
        retries: config.retries.clone(),
        rate: config.rate,
        responses: config.responses.clone(),
        masks: config.masks,
        tenants: config.tenants.clone(),
        upstreams: config.upstreams.clone(),
        open,
        keys: keys
            .iter()
            .map(StoredKey::to_record)
            .map(|key| PortableKey::of(&key))
            .collect(),
        master: config.secrets.master.clone(),
        cache_name: config.cache.name.clone(),
        instance_cache: config.edge.cache.0,
        store_quota: config.edge.store_quota.0,
        max_entry: config.cache.max_entry.0,
        max_body: config.limits.body.0,
        max_in_flight: config.edge.requests,
        access_log: config.log.access,
    })
}

const NO_FILES: &str =
    "an edge has no files: write \"env:NAME\", which is the platform's variable `name`";

fn reachable(secret: Option<&Secret>) -> bool {
    secret.is_none_or(|secret| variable(&secret.0).is_some())
}
