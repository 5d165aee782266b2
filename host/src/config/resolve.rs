//! Reads what a configuration refers to (secrets, keys) and makes the pipeline's configuration of it.

use std::sync::Arc;

use forebay_catalogue::{Catalogue, Date, File};
use forebay_credentials::{AuthConfig, Credentials, Defaults, Resolve, System};
use forebay_gateway::authorize::Authorizer;
use forebay_gateway::config::{
    ConfiguredUpstream, GatewayConfig, RequestBounds, Secret, UpstreamConfig,
};
use forebay_gateway::identity::{KeyRecord, KeyRing};

use super::diagnose::{ConfigError, Problem};
use super::load::Source;
use super::plain;
use super::secret::{SecretError, is_reference, resolve_secret};
use super::sections::Config;
use super::validate::{check_url, own_listener};
use crate::keys::{KeyFile, Oidc, SigningKeys};
use crate::platform::{Transport, UpstreamCredentials, clock};

/// A configuration with everything it refers to. Holds secrets, so it has no `Debug`.
pub struct Resolved {
    /// What the pipeline is made with.
    pub gateway: GatewayConfig,
    /// Who may come in.
    pub keys: Arc<KeyRing>,
    /// The login with tokens, where one is configured.
    pub oidc: Option<Arc<Oidc>>,
    /// The admin token, where one is configured.
    pub admin_token: Option<String>,
    /// Headers for the trace collector.
    pub telemetry_headers: Vec<(String, String)>,
}

/// Resolves secrets and reads the keys. `random_master` serves where no master secret is configured;
/// it is the process's own, so that a reload keeps the cache.
pub fn resolve(
    config: &Config,
    source: &Source,
    random_master: &[u8; 32],
) -> Result<Resolved, ConfigError> {
    let secret = |reference: Option<&Secret>, path: &[&str]| secret(source, reference, path);
    let master = secret(config.secrets.master.as_ref(), &["secrets", "master"])?;
    if master.as_ref().is_some_and(|m| m.len() < 16) {
        let problem = Problem::at(
            source.locate(&["secrets", "master"]),
            "the master secret is shorter than 16 bytes",
        )
        .hint("`openssl rand -hex 32` makes a good one");
        return Err(source.error(vec![problem]));
    }

    let (records, signing) = records(config, source)?;
    let master: &[u8] = master.as_ref().map_or(random_master, |m| m.as_bytes());
    let transport = Arc::new(Transport::default());
    let mut keys = KeyRing::new(records, &config.tenants, master);
    let oidc = oidc(config, source, &transport)?;
    if let Some(oidc) = &oidc {
        keys = keys.with_login(oidc.clone(), &config.tenants, master);
    }
    if let Some(signing) = signing {
        keys = keys.with_signatures(Arc::new(signing));
    }
    let keys = Arc::new(keys);

    let catalogue = catalogue(config, source)?;
    let mut upstreams = Vec::with_capacity(config.upstreams.len());
    for (position, upstream) in config.upstreams.iter().enumerate() {
        let upstream = upstream.clone();
        upstreams.push(configured(
            upstream,
            position,
            (config, source),
            &catalogue,
            &transport,
        )?);
    }
    let mut telemetry_headers = Vec::new();
    for (name, value) in &config.telemetry.headers {
        if let Some(value) = secret(Some(value), &["telemetry", "headers", name])? {
            telemetry_headers.push((name.clone(), value));
        }
    }
    Ok(Resolved {
        gateway: GatewayConfig {
            timeouts: config.timeouts.clone(),
            streams: config.streams.clone(),
            retries: config.retries.clone(),
            rate: config.rate,
            tenants: config.tenants.clone(),
            upstreams,
            responses: config.responses.clone(),
            masks: config.masks,
            realtime: config.realtime.clone(),
            media: config.media.clone(),
            through: config.through.clone(),
            raw: config.raw.clone(),
            bounds: RequestBounds {
                members: config.limits.members,
                parts: config.limits.parts,
                tools: config.limits.tools,
                urls: config.limits.urls,
            },
            max_in_flight: config.limits.requests,
            cache_name: config.cache.name.clone(),
        },
        keys,
        oidc,
        admin_token: secret(config.admin.token.as_ref(), &["admin", "token"])?,
        telemetry_headers,
    })
}

/// What a secret refers to.
fn secret(
    source: &Source,
    reference: Option<&Secret>,
    path: &[&str],
) -> Result<Option<String>, ConfigError> {
    let problem =
        |e: SecretError| source.error(vec![Problem::at(source.locate(path), e.to_string())]);
    reference
        .map(|reference| resolve_secret(reference, &source.base))
        .transpose()
        .map_err(problem)
}

/// The keys of the keys file, which must hold one.
/// The keys of the keys file, and what verifies the signatures of those that sign.
fn records(
    config: &Config,
    source: &Source,
) -> Result<(Vec<KeyRecord>, Option<SigningKeys>), ConfigError> {
    let Some(file) = &config.keys.file else {
        return Ok((Vec::new(), None));
    };
    let at = || source.locate(&["keys", "file"]);
    let file = source.base.join(file);
    let keys =
        KeyFile::read(&file).map_err(|e| source.error(vec![Problem::at(at(), e.to_string())]))?;
    if keys.records.is_empty() {
        let problem = Problem::at(
            at(),
            format!(
                "the keys file {} holds no key, so every request would be refused",
                file.display()
            ),
        )
        .hint("`forebay keys create --tenant NAME` makes one");
        return Err(source.error(vec![problem]));
    }
    let signing = SigningKeys::read(&keys.records, &file)
        .map_err(|e| source.error(vec![Problem::at(at(), e.to_string())]))?;
    let records = keys.records.iter();
    let records = records.map(crate::keys::StoredKey::to_record).collect();
    Ok((records, signing))
}

/// An upstream with what it refers to, files found.
fn configured(
    mut upstream: UpstreamConfig,
    i: usize,
    (config, source): (&Config, &Source),
    catalogue: &Catalogue,
    transport: &Arc<Transport>,
) -> Result<ConfiguredUpstream, ConfigError> {
    let key = secret(
        source,
        upstream.key.as_ref(),
        &["upstreams", &i.to_string(), "key"],
    )?;
    let i_text = i.to_string();
    if let Some(ca) = &mut upstream.ca_file {
        *ca = readable(source, ca, &["upstreams", &i_text, "ca_file"])?;
    }
    if let Some(tls) = &mut upstream.tls {
        tls.cert = readable(source, &tls.cert, &["upstreams", &i_text, "tls", "cert"])?;
        tls.key = readable(source, &tls.key, &["upstreams", &i_text, "tls", "key"])?;
    }
    for (n, url) in upstream.urls.iter_mut().enumerate() {
        if let Some(name) = url.strip_prefix("env:") {
            let at = ["upstreams", &i.to_string(), "urls", &n.to_string()];
            let problem =
                |why: String| source.error(vec![Problem::at(source.locate(&at), why).hide()]);
            let value = std::env::var(name).unwrap_or_default();
            if value.is_empty() {
                return Err(problem(format!(
                    "the environment variable {name} is not set or empty"
                )));
            }
            check_url(&value).map_err(|why| problem(format!("{name}: {why}")))?;
            if let Some(listener) = own_listener(config, &value) {
                return Err(problem(format!(
                    "{name} is the address of this gateway itself ({listener})"
                )));
            }
            *url = value;
        }
    }
    for (name, value) in &mut upstream.headers {
        // A plain value is one that is no secret, such as an organisation.
        if is_reference(value) {
            let at = ["upstreams", &i.to_string(), "headers", name];
            let reference = Secret(value.clone());
            if let Some(resolved) = secret(source, Some(&reference), &at)? {
                *value = resolved;
            }
        }
    }
    let authorizer = authorizer(&upstream, source, i, transport)?;
    let offers = super::offers::fill(&mut upstream, catalogue);
    if let Some((name, model)) = upstream
        .models
        .iter()
        .find(|(_, model)| model.starts_with(super::offers::LOGICAL))
    {
        let at = ["upstreams", &i.to_string(), "models", name];
        let problem = Problem::at(
            source.locate(&at).or_else(|| source.locate(&at[..3])),
            format!("the catalogue has no offer of \"{model}\" at this provider and region"),
        )
        .hint("`forebay catalogue list` shows who sells what where");
        return Err(source.error(vec![problem]));
    }
    Ok(ConfiguredUpstream {
        config: upstream,
        key,
        authorizer,
        offers,
    })
}

/// The login with tokens, with its file of certificates found.
fn oidc(
    config: &Config,
    source: &Source,
    transport: &Arc<Transport>,
) -> Result<Option<Arc<Oidc>>, ConfigError> {
    let Some(mut oidc) = config.auth.oidc.clone() else {
        return Ok(None);
    };
    if let Some(file) = &mut oidc.ca_file {
        let name = file.display().to_string();
        *file = readable(source, &name, &["auth", "oidc", "ca_file"])?.into();
    }
    Ok(Some(Arc::new(Oidc::new(oidc, transport.clone()))))
}

/// The path of a file that an upstream needs, which must be readable: its absence is ours to mend, and
/// no client should be the first to learn of it.
fn readable(source: &Source, file: &str, at: &[&str]) -> Result<String, ConfigError> {
    let path = source.base.join(file);
    match std::fs::File::open(&path) {
        Ok(_) => Ok(path.display().to_string()),
        Err(e) => {
            let message = format!("{} can't be read: {e}", path.display());
            Err(source.error(vec![Problem::at(source.locate(at), message)]))
        }
    }
}

/// What authenticates requests to an upstream with `auth`.
fn authorizer(
    upstream: &UpstreamConfig,
    source: &Source,
    position: usize,
    transport: &Arc<Transport>,
) -> Result<Option<Arc<dyn Authorizer>>, ConfigError> {
    let Some(table) = &upstream.auth else {
        return Ok(None);
    };
    let position = position.to_string();
    let problem = |field: Option<&str>, why: String| {
        let place = ["upstreams", &position, "auth"];
        let field = field.and_then(|field| {
            let inner: Vec<&str> = field.trim_start_matches("auth.").split('.').collect();
            source.locate(&[&place[..], &inner].concat())
        });
        let span = field.or_else(|| source.locate(&place));
        source.error(vec![Problem::at(span, why).hide()])
    };
    let config: AuthConfig = serde_json::from_value(serde_json::Value::Object(table.0.clone()))
        .map_err(|e| {
            let said = plain::problem(&e.to_string(), "kind", None);
            let hint = said
                .hint
                .map_or_else(String::new, |hint| format!("; {hint}"));
            problem(None, format!("auth can't be read: {}{hint}", said.message))
        })?;
    let defaults = Defaults {
        upstream: &upstream.name,
        region: &upstream.region,
    };
    let system: Arc<dyn Resolve> = Arc::new(System {
        base: source.base.clone(),
    });
    let credentials = Credentials::new(&config, &defaults, &system)
        .map_err(|e| problem(Some(e.field()), e.to_string()))?;
    Ok(Some(Arc::new(UpstreamCredentials::new(
        &upstream.name,
        credentials,
        transport.clone(),
    ))))
}

/// The built-in catalogue with the operator's files over it.
pub(super) fn catalogue(config: &Config, source: &Source) -> Result<Catalogue, ConfigError> {
    let at = |n: usize| source.locate(&["catalogue", "files", &n.to_string()]);
    let mut texts = Vec::with_capacity(config.catalogue.files.len());
    for (n, file) in config.catalogue.files.iter().enumerate() {
        let file = source.base.join(file);
        let text = std::fs::read_to_string(&file).map_err(|e| {
            let what = format!("the catalogue file {} can't be read: {e}", file.display());
            source.error(vec![Problem::at(at(n), what)])
        })?;
        texts.push((file.display().to_string(), text));
    }
    let files: Vec<File<'_>> = texts
        .iter()
        .map(|(name, text)| File { name, text })
        .collect();
    let today = Date::of(clock::wall());
    Catalogue::builtin()
        .and_then(|below| below.overlay(&files, today))
        .map_err(|report| {
            source.error(vec![
                Problem::at(at(0), report.to_string())
                    .hint("`forebay catalogue check FILE` shows the same"),
            ])
        })
}
