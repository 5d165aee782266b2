//! What types can't say: unique names, usable URLs, limits that leave room, secrets by reference.

use std::collections::HashSet;

use forebay_gateway::config::{Secret, ThroughConfig, UpstreamConfig};

use super::diagnose::Problem;
use super::limits::limits;
use super::load::{Overrides, Source};
use super::sections::Config;

/// All that is wrong with a parsed configuration.
pub(super) fn problems(config: &Config, source: &Source, overrides: &Overrides) -> Vec<Problem> {
    let mut problems = Vec::new();
    exposure(config, source, overrides, &mut problems);
    secrets(config, source, &mut problems);
    sites(config, source, &mut problems);
    if overrides.engine.is_none() {
        upstreams(config, source, &mut problems);
    }
    tenants(config, source, &mut problems);
    super::auth::problems(config, source, &mut problems);
    components(config, source, &mut problems);
    through(config, source, &mut problems);
    raw(config, source, &mut problems);
    limits(config, source, &mut problems);
    ports(config, source, overrides, &mut problems);
    telemetry(config, source, &mut problems);
    problems
}

/// Where logs and traces go.
fn telemetry(config: &Config, source: &Source, problems: &mut Vec<Problem>) {
    if let Err(error) = crate::telemetry::check_level(&config.log.level) {
        let at = source.locate(&["log", "level"]);
        problems.push(Problem::at(at, error.to_string()).hint(
            "use error, warn, info, debug or trace, or a filter such as \"warn,forebay=debug\"",
        ));
    }
    let collector = config.telemetry.otlp.as_deref();
    if let Some(url) =
        collector.filter(|url| !url.starts_with("http://") && !url.starts_with("https://"))
    {
        let at = source.locate(&["telemetry", "otlp"]);
        problems.push(
            Problem::at(at, format!("the collector \"{url}\" is not an http or https URL (telemetry.otlp)"))
                .hint("write the base URL of a collector of OTLP over HTTP, such as \"http://127.0.0.1:4318\""),
        );
    }
}

/// Nobody but this machine may use a gateway without keys, or administer one without a chosen token.
fn exposure(config: &Config, source: &Source, overrides: &Overrides, problems: &mut Vec<Problem>) {
    if !config.server.listen.ip().is_loopback()
        && config.keys.file.is_none()
        && config.auth.oidc.is_none()
    {
        let span = overrides
            .listen
            .is_none()
            .then(|| source.locate(&["server", "listen"]))
            .flatten();
        problems.push(
            Problem::at(
                span,
                format!(
                    "listening on {} would let anyone in: no keys are configured",
                    config.server.listen
                ),
            )
            .hint(
                "make a key with `forebay keys create` and set keys.file, or listen on 127.0.0.1",
            ),
        );
    }
    if !config.admin.listen.ip().is_loopback() && config.admin.token.is_none() {
        let span = overrides
            .admin
            .is_none()
            .then(|| source.locate(&["admin", "listen"]))
            .flatten();
        problems.push(
            Problem::at(
                span,
                format!("the admin API on {} needs a token", config.admin.listen),
            )
            .hint("set admin.token, or use admin.probes to serve only probes and metrics"),
        );
    }
}

/// An address that is taken twice, and upstreams that are this gateway.
fn ports(config: &Config, source: &Source, overrides: &Overrides, problems: &mut Vec<Problem>) {
    let mut taken = vec![(config.server.listen, "server.listen")];
    let others = [
        (Some(config.admin.listen), ["admin", "listen"]),
        (config.admin.probes, ["admin", "probes"]),
    ];
    for (address, path) in others {
        let Some(address) = address else {
            continue;
        };
        let clash = taken.iter().find(|(other, _)| {
            other.port() != 0
                && other.port() == address.port()
                && (other.ip() == address.ip()
                    || other.ip().is_unspecified()
                    || address.ip().is_unspecified())
        });
        if let Some((_, other)) = clash {
            let message = format!("{} is already the address of {other}", address);
            problems.push(
                Problem::at(source.locate(&path), message)
                    .hint("give each listener a port of its own"),
            );
        }
        taken.push((
            address,
            if path[1] == "listen" {
                "admin.listen"
            } else {
                "admin.probes"
            },
        ));
    }
    if overrides.engine.is_some() {
        return;
    }
    for (i, upstream) in config.upstreams.iter().enumerate() {
        for (n, url) in upstream.urls.iter().enumerate() {
            if let Some(listener) = own_listener(config, url) {
                let at = source.locate(&["upstreams", &i.to_string(), "urls", &n.to_string()]);
                let message = format!(
                    "upstream \"{}\" is this gateway itself ({listener})",
                    upstream.name
                );
                problems.push(
                    Problem::at(at, message)
                        .hint("set the engine's address, or listen on another port"),
                );
            }
        }
    }
}

/// The listener of this gateway that a URL leads to.
pub(super) fn own_listener(config: &Config, url: &str) -> Option<&'static str> {
    let listeners = [
        (Some(config.server.listen), "server.listen"),
        (Some(config.admin.listen), "admin.listen"),
        (config.admin.probes, "admin.probes"),
    ];
    let found = listeners
        .into_iter()
        .find(|(address, _)| address.is_some_and(|address| leads_to(url, address)));
    found.map(|(_, name)| name)
}

/// Whether a URL names this address. Names are not resolved, but for `localhost`.
fn leads_to(url: &str, address: std::net::SocketAddr) -> bool {
    let Ok(uri) = url.parse::<http::Uri>() else {
        return false;
    };
    let port = uri
        .port_u16()
        .unwrap_or(if uri.scheme_str() == Some("https") {
            443
        } else {
            80
        });
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    let ip = match host {
        "localhost" => Some(std::net::IpAddr::from([127, 0, 0, 1])),
        host => host.parse().ok(),
    };
    ip.is_some_and(|ip| {
        port == address.port()
            && port != 0
            && (ip == address.ip()
                || (ip.is_loopback()
                    && (address.ip().is_unspecified() || address.ip().is_loopback())))
    })
}

/// What is to be verified of components can be.
fn components(config: &Config, source: &Source, problems: &mut Vec<Problem>) {
    let policies = [
        ("prefix_cache", &config.policies.prefix_cache),
        ("guardrails", &config.policies.guardrails),
        ("cloud_selector", &config.policies.cloud_selector),
    ];
    for (name, component) in policies {
        let Some(verify) = &component.verify else {
            continue;
        };
        let at = |field: &str| {
            source
                .locate(&["policies", name, "verify", field])
                .or_else(|| source.locate(&["policies", name, "verify"]))
        };
        if component.component.is_none() {
            let message = format!("policies.{name}.verify has no component to verify");
            problems
                .push(Problem::at(at(""), message).hint(format!("set policies.{name}.component")));
        }
        if verify.digest.is_none() && verify.keys.is_empty() {
            let message = format!("policies.{name}.verify has neither a digest nor keys");
            problems.push(
                Problem::at(at(""), message)
                    .hint("set digest = \"sha256:…\", keys = [\"policies.pub\"], or both"),
            );
        }
        if let Some(Err(error)) = verify
            .digest
            .as_deref()
            .map(str::parse::<forebay_artefact::Digest>)
        {
            problems.push(Problem::at(at("digest"), error.to_string()));
        }
        let needs_keys = verify.min_version > 0 || verify.signature.is_some();
        if verify.keys.is_empty() && needs_keys {
            let message = format!("policies.{name}.verify has no keys to check a signature with");
            problems.push(Problem::at(at("keys"), message).hint("set keys = [\"policies.pub\"]"));
        }
    }
}

/// Names and origins as requests have them.
fn sites(config: &Config, source: &Source, problems: &mut Vec<Problem>) {
    for (i, host) in config.server.hosts.iter().enumerate() {
        if host.is_empty() || host.contains(['/', '@', '*', ' ']) {
            let at = source.locate(&["server", "hosts", &i.to_string()]);
            problems.push(
                Problem::at(at, format!("\"{host}\" is not a host name"))
                    .hint("write a name, or a name and a port: \"forebay.internal:8080\""),
            );
        }
    }
    for (i, origin) in config.server.origins.iter().enumerate() {
        let site = origin
            .strip_prefix("http://")
            .or_else(|| origin.strip_prefix("https://"))
            .map(|site| site.trim_end_matches('/'));
        if site.is_none_or(|site| site.is_empty() || site.contains(['/', '@', '*', ' ', '?'])) {
            let at = source.locate(&["server", "origins", &i.to_string()]);
            problems.push(
                Problem::at(at, format!("\"{origin}\" is not the origin of a web page"))
                    .hint("write scheme, name and port: \"https://chat.example.com\""),
            );
        }
    }
}

fn secrets(config: &Config, source: &Source, problems: &mut Vec<Problem>) {
    let mut check = |secret: &Secret, path: &[&str]| {
        if !super::secret::is_reference(&secret.0) {
            let message = super::SecretError::NotAReference.to_string();
            problems.push(Problem::at(source.locate(path), message).hide());
        }
    };
    if let Some(token) = &config.admin.token {
        check(token, &["admin", "token"]);
    }
    if let Some(master) = &config.secrets.master {
        check(master, &["secrets", "master"]);
    }
    for (name, value) in &config.telemetry.headers {
        check(value, &["telemetry", "headers", name]);
    }
    for (i, upstream) in config.upstreams.iter().enumerate() {
        if let Some(key) = &upstream.key {
            check(key, &["upstreams", &i.to_string(), "key"]);
        }
    }
}

fn upstreams(config: &Config, source: &Source, problems: &mut Vec<Problem>) {
    let mut names = HashSet::new();
    for (i, upstream) in config.upstreams.iter().enumerate() {
        let i = i.to_string();
        let at = |key: &str| source.locate(&["upstreams", &i, key]);
        if upstream.name.is_empty() || !names.insert(upstream.name.as_str()) {
            problems.push(Problem::at(
                at("name"),
                bad_name("upstream", &upstream.name),
            ));
        }
        let has_none = |it: &UpstreamConfig| it.base_urls().is_ok_and(|urls| urls.is_empty());
        if has_none(upstream) {
            let mut anywhere = upstream.clone();
            anywhere.region = "region".to_owned();
            let way_out = match (upstream.provider.name(), has_none(&anywhere)) {
                (provider, false) => {
                    format!("set region: {provider} has an address for each region")
                }
                ("azure", true) => {
                    "set urls = [\"https://NAME.openai.azure.com\"], the endpoint of your resource"
                        .to_owned()
                }
                (_, true) => "set urls = [\"http://HOST:PORT\"]".to_owned(),
            };
            problems.push(
                Problem::at(
                    at("urls").or_else(|| at("name")),
                    "this upstream has no URL",
                )
                .hint(way_out),
            );
        }
        if upstream.name.chars().any(char::is_control) {
            let message = "the upstream name has a control character";
            problems.push(Problem::at(at("name"), message));
        }
        for (field, why) in upstream.provider_problems() {
            let span = source
                .locate(&["upstreams", &i, "options", field])
                .or_else(|| at(field))
                .or_else(|| at("name"));
            problems.push(match super::plain::choice(&why) {
                Some((said, hint)) => Problem::at(span, said).hint(hint),
                None => Problem::at(span, why),
            });
        }
        let events = upstream.kv_events.as_ref();
        for (field, why) in events.map_or_else(Vec::new, |e| e.problems(upstream.urls.len())) {
            let span = source
                .locate(&["upstreams", &i, "kv_events", field])
                .or_else(|| at("kv_events"));
            problems.push(Problem::at(span, why));
        }
        for (n, url) in upstream.urls.iter().enumerate() {
            let span = source.locate(&["upstreams", &i, "urls", &n.to_string()]);
            if let Some(name) = url.strip_prefix("env:") {
                if name.is_empty() {
                    problems.push(Problem::at(span, "\"env:\" names no variable"));
                }
                continue;
            }
            match check_url(url) {
                Err(why) => problems.push(Problem::at(span, why).hide()),
                Ok(()) if upstream.h2c && url.starts_with("https:") => {
                    problems.push(Problem::at(
                        at("h2c"),
                        "h2c is HTTP/2 without TLS, but the URL says https",
                    ));
                }
                Ok(()) => {}
            }
        }
    }
}

/// Whether a base URL can be used. Does not repeat what may hold a password.
pub(crate) fn check_url(url: &str) -> Result<(), String> {
    let uri: http::Uri = url
        .parse()
        .map_err(|e| format!("the URL can't be read: {e}"))?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        return Err(
            "a URL begins with http:// or https://, such as http://10.0.0.7:8000".to_owned(),
        );
    }
    let authority = uri
        .authority()
        .map(http::uri::Authority::as_str)
        .unwrap_or_default();
    if authority.is_empty() || authority.contains('@') {
        return Err(
            "a URL names a host and no user or password; an API key goes into `key`".to_owned(),
        );
    }
    if uri.path().trim_end_matches('/').ends_with("/v1") {
        return Err("leave out /v1 in a base URL; Forebay adds it".to_owned());
    }
    if uri.query().is_some() {
        return Err("a base URL has no query".to_owned());
    }
    Ok(())
}

fn bad_name(what: &str, name: &str) -> String {
    match name {
        "" => format!("the {what} name is empty"),
        name => format!("the {what} \"{name}\" already exists"),
    }
}

/// Why a name can't be a tenant's: it stands in headers, metrics and file names.
pub(crate) fn unusable_tenant(name: &str) -> Option<&'static str> {
    if name.len() > 128 {
        return Some("is longer than 128 bytes");
    }
    if name
        .chars()
        .any(|c| c.is_control() || c.is_whitespace() || matches!(c, '"' | '\\' | '*'))
    {
        return Some("has a space, a control character, a quote, a backslash or an asterisk");
    }
    None
}

fn tenants(config: &Config, source: &Source, problems: &mut Vec<Problem>) {
    let mut names = HashSet::new();
    for (i, tenant) in config.tenants.iter().enumerate() {
        let i = i.to_string();
        if tenant.name.is_empty() || !names.insert(tenant.name.as_str()) {
            let span = source
                .locate(&["tenants", &i, "name"])
                .or_else(|| source.locate(&["tenants", &i]));
            problems.push(Problem::at(span, bad_name("tenant", &tenant.name)));
        } else if let Some(why) = unusable_tenant(&tenant.name) {
            let span = source.locate(&["tenants", &i, "name"]);
            problems.push(Problem::at(
                span,
                format!("the tenant name {:?} {why}", tenant.name),
            ));
        }
        if tenant
            .cache_quota
            .is_some_and(|quota| quota > config.cache.memory.0)
        {
            problems.push(Problem::at(
                source.locate(&["tenants", &i, "cache_quota"]),
                format!(
                    "the quota is more than cache.memory ({})",
                    config.cache.memory
                ),
            ));
        }
    }
}

/// Endpoints that pass through, by names that there are.
fn through(config: &Config, source: &Source, problems: &mut Vec<Problem>) {
    let mut named = HashSet::new();
    for (i, through) in config.through.iter().enumerate() {
        let at = || source.locate(&["through", &i.to_string(), "endpoint"]);
        let (endpoint, known) = (through.endpoint.as_str(), ThroughConfig::names());
        if !known.contains(&endpoint) {
            let message = format!("\"{endpoint}\" is not a pass-through endpoint");
            problems
                .push(Problem::at(at(), message).hint(format!("use one of {}", known.join(", "))));
        } else if !named.insert(endpoint) {
            problems.push(Problem::at(at(), bad_name("endpoint", endpoint)));
        }
    }
}

/// Paths of providers' own APIs: exact, once each, at upstreams that there are.
fn raw(config: &Config, source: &Source, problems: &mut Vec<Problem>) {
    let mut listed = HashSet::new();
    for (i, raw) in config.raw.iter().enumerate() {
        let at = |field: &str| source.locate(&["raw", &i.to_string(), field]);
        if let Some((field, why)) = raw.problem() {
            problems.push(Problem::at(at(field), why));
        }
        if !listed.insert((&raw.method, &raw.path)) {
            let what = format!("{} {} is already listed", raw.method, raw.path);
            problems.push(Problem::at(at("path"), what));
        }
        if !config
            .upstreams
            .iter()
            .any(|upstream| upstream.name == raw.upstream)
        {
            let names: Vec<&str> = config.upstreams.iter().map(|it| &*it.name).collect();
            let what = format!("there is no upstream \"{}\"", raw.upstream);
            let problem = Problem::at(at("upstream"), what);
            problems.push(match names.as_slice() {
                [] => problem,
                names => problem.hint(format!("use one of {}", names.join(", "))),
            });
        }
    }
}
