//! What is allowed but probably not meant: names that nothing else knows, clouds without a key.

use std::collections::BTreeSet;

use forebay_catalogue::{Catalogue, Jurisdiction};
use forebay_gateway::config::UpstreamConfig;

use super::diagnose::Problem;
use super::load::{Source, nearest};
use super::sections::Config;
use crate::keys::KeyFile;
use crate::platform::Tokenizers;

/// So many names fit a line.
const FEW: usize = 24;

/// The tenant of everyone where no keys are configured.
const LOCAL: &str = "local";

/// Everything about a good configuration that deserves a second look, each shown where it is.
pub fn findings(config: &Config, source: &Source) -> Vec<String> {
    let mut found = Vec::new();
    let catalogue = super::resolve::catalogue(config, source).unwrap_or_default();
    regions(config, source, &catalogue, &mut found);
    keyless(config, source, &mut found);
    endpoints(config, source, &mut found);
    tokenizers(config, source, &mut found);
    residency(config, source, &catalogue, &mut found);
    rules(config, source, &mut found);
    found
        .into_iter()
        .map(|problem| source.error(vec![problem]).to_string())
        .collect()
}

fn regions(config: &Config, source: &Source, catalogue: &Catalogue, found: &mut Vec<Problem>) {
    for (i, upstream) in config.upstreams.iter().enumerate() {
        let i = i.to_string();
        let name = upstream.provider.name();
        if let Some(seller) = catalogue.seller(name)
            && !upstream.provider.is_own_engine()
            && !upstream.region.is_empty()
            && !seller.regions.keys().any(|r| r.as_str() == upstream.region)
        {
            let known = seller.regions.keys().map(ToString::to_string).collect();
            let message = format!(
                "the catalogue has no region \"{}\" of {name}, so prices are those of its first region",
                upstream.region
            );
            let at = source.locate(&["upstreams", &i, "region"]);
            found.push(with_hint(Problem::at(at, message), &upstream.region, known));
        }
        let jurisdiction = &upstream.jurisdiction;
        if !jurisdiction.is_empty() && !jurisdictions().contains(jurisdiction) {
            let at = source.locate(&["upstreams", &i, "jurisdiction"]);
            let message =
                format!("\"{jurisdiction}\" is not a jurisdiction that the catalogue knows");
            let known = jurisdictions().into_iter().collect();
            found.push(with_hint(Problem::at(at, message), jurisdiction, known));
        }
    }
}

/// A base URL that already names what is asked there.
fn endpoints(config: &Config, source: &Source, found: &mut Vec<Problem>) {
    const PATHS: [&str; 6] = [
        "/chat/completions",
        "/completions",
        "/responses",
        "/embeddings",
        "/messages",
        "/models",
    ];
    for (i, upstream) in config.upstreams.iter().enumerate() {
        for (n, url) in upstream.urls.iter().enumerate() {
            let url = url.trim_end_matches('/');
            if let Some(path) = PATHS.iter().find(|path| url.ends_with(*path)) {
                let at = source.locate(&["upstreams", &i.to_string(), "urls", &n.to_string()]);
                let message = format!("the base URL ends with {path}, which Forebay adds itself");
                found.push(Problem::at(at, message).hint(format!("leave out {path} and /v1")));
            }
        }
    }
}

/// A cloud at its public address refuses every request that has no key.
fn keyless(config: &Config, source: &Source, found: &mut Vec<Problem>) {
    for (i, upstream) in config.upstreams.iter().enumerate() {
        let provider = upstream.provider;
        let speaks_freely = provider.is_own_engine() || provider.name() == "compatible";
        if speaks_freely
            || upstream.key.is_some()
            || upstream.auth.is_some()
            || !at_its_public_address(upstream)
        {
            continue;
        }
        let at = source.locate(&["upstreams", &i.to_string(), "name"]);
        let message = format!(
            "upstream \"{}\" has no key, but {} requires one",
            upstream.name,
            provider.name()
        );
        found.push(Problem::at(at, message).hint(format!(
            "set key = \"env:{}_API_KEY\", or auth; docs/providers.md says which",
            provider.name().to_uppercase()
        )));
    }
}

/// Whether no URL is configured, or just the one that the provider has anyway.
fn at_its_public_address(upstream: &UpstreamConfig) -> bool {
    let mut anywhere = upstream.clone();
    anywhere.urls.clear();
    let public = anywhere.base_urls().unwrap_or_default();
    let own = upstream.urls.iter().map(|url| url.trim_end_matches('/'));
    own.clone().count() == 0 || own.eq(public.iter().map(String::as_str))
}

fn tokenizers(config: &Config, source: &Source, found: &mut Vec<Problem>) {
    for (i, upstream) in config.upstreams.iter().enumerate() {
        let Some(Err(error)) = Tokenizers::read(upstream, &source.base) else {
            continue;
        };
        let at = source.locate(&["upstreams", &i.to_string(), "tokenizer"]);
        let message = format!(
            "upstream \"{}\": the tokenizer can't be used: {error}",
            upstream.name
        );
        found.push(Problem::at(at, message));
    }
}

fn residency(config: &Config, source: &Source, catalogue: &Catalogue, found: &mut Vec<Problem>) {
    let mut known = jurisdictions();
    known.extend(
        catalogue
            .sellers()
            .flat_map(|seller| seller.regions.keys().map(ToString::to_string)),
    );
    for upstream in &config.upstreams {
        known.extend([upstream.region.clone(), upstream.jurisdiction.clone()]);
    }
    for (i, tenant) in config.tenants.iter().enumerate() {
        for (n, place) in tenant.residency.iter().enumerate() {
            if known.contains(place) {
                continue;
            }
            let at = source.locate(&["tenants", &i.to_string(), "residency", &n.to_string()]);
            let message = format!(
                "\"{place}\" is neither a region nor a jurisdiction of any upstream, so no request of \"{}\" can go there",
                tenant.name
            );
            found.push(with_hint(
                Problem::at(at, message),
                place,
                known.iter().cloned().collect(),
            ));
        }
    }
}

/// Rules for tenants that do not exist, and no rules at all.
fn rules(config: &Config, source: &Source, found: &mut Vec<Problem>) {
    if config.policies.guardrails.component.is_some() {
        return;
    }
    let rules = config
        .policies
        .guardrails
        .config
        .get("rules")
        .and_then(|rules| rules.as_array());
    let Some(rules) = rules.filter(|rules| !rules.is_empty()) else {
        found.push(
            Problem::at(
                None,
                "no guardrail rules are configured: prompts and answers are not checked",
            )
            .hint("docs/policies.md has examples; without a forebay.toml the shipped rules apply"),
        );
        return;
    };
    let tenants = tenants(config, source);
    for (i, rule) in rules.iter().enumerate() {
        let named = rule.get("tenants").and_then(|names| names.as_array());
        for (n, pattern) in named.into_iter().flatten().enumerate() {
            let Some(pattern) = pattern.as_str() else {
                continue;
            };
            let hit = match pattern.strip_suffix('*') {
                Some(prefix) => tenants.iter().any(|tenant| tenant.starts_with(prefix)),
                None => pattern.contains('*') || tenants.contains(pattern),
            };
            if !hit {
                let path = [
                    "policies",
                    "guardrails",
                    "config",
                    "rules",
                    &i.to_string(),
                    "tenants",
                    &n.to_string(),
                ];
                let message = format!(
                    "no tenant is called \"{pattern}\", so the rule does not apply to such a tenant"
                );
                let known = tenants.iter().cloned().collect();
                found.push(with_hint(
                    Problem::at(source.locate(&path), message),
                    pattern,
                    known,
                ));
            }
        }
    }
}

fn tenants(config: &Config, source: &Source) -> BTreeSet<String> {
    let mut names: BTreeSet<String> = config
        .tenants
        .iter()
        .map(|tenant| tenant.name.clone())
        .collect();
    match &config.keys.file {
        None => {
            names.insert(LOCAL.to_owned());
        }
        Some(file) => {
            if let Ok(keys) = KeyFile::read(&source.base.join(file)) {
                names.extend(keys.records.iter().map(|key| key.tenant.clone()));
            }
        }
    }
    names
}

fn jurisdictions() -> BTreeSet<String> {
    Jurisdiction::ALL
        .iter()
        .map(|(_, name)| (*name).to_owned())
        .collect()
}

fn with_hint(problem: Problem, unknown: &str, known: Vec<String>) -> Problem {
    match nearest(unknown, &known) {
        Some(near) => {
            let hint = format!("did you mean \"{near}\"?");
            problem.hint(hint)
        }
        None if known.len() <= FEW => problem.hint(format!("use one of {}", known.join(", "))),
        None => problem,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Overrides, load};

    fn found(text: &str) -> String {
        let source = Source {
            path: Some("forebay.toml".into()),
            text: text.to_owned(),
            base: ".".into(),
        };
        let config = load(&source, &Overrides::default()).unwrap();
        findings(&config, &source).join("\n")
    }

    const RULE: &str = "[[policies.guardrails.config.rules]]\nname = \"a\"\nkind = \"secrets\"\naction = \"deny\"\n";

    #[test]
    fn the_shipped_configuration_has_none() {
        assert_eq!(found(crate::shipped::CONFIGURATION), "");
    }

    #[test]
    fn an_unknown_region_is_pointed_at_with_what_was_meant() {
        let said = found(&format!(
            "{RULE}[[upstreams]]\nname = \"b\"\nprovider = \"bedrock\"\nkey = \"env:K\"\nregion = \"eu-centrall-1\"\n"
        ));
        assert!(
            said.contains("forebay.toml:9:") && said.contains("did you mean \"eu-central-1\"?"),
            "{said}"
        );
    }

    #[test]
    fn an_unknown_jurisdiction_is_pointed_at() {
        let said = found(&format!(
            "{RULE}[[upstreams]]\nname = \"b\"\nurls = [\"http://127.0.0.1:1\"]\njurisdiction = \"EUR\"\n"
        ));
        assert!(said.contains("did you mean \"EU\"?"), "{said}");
    }

    #[test]
    fn residency_and_rules_for_nobody_are_found() {
        let said = found(&format!(
            "{RULE}tenants = [\"reserch\"]\n[[tenants]]\nname = \"research\"\nresidency = [\"EUU\"]\n"
        ));
        assert!(
            said.contains("did you mean \"research\"?") && said.contains("did you mean \"EU\"?"),
            "{said}"
        );
    }

    #[test]
    fn a_cloud_without_a_key_and_a_file_without_rules_are_found() {
        let said = found("[[upstreams]]\nname = \"o\"\nprovider = \"openai\"\n");
        assert!(
            said.contains("has no key") && said.contains("no guardrail rules"),
            "{said}"
        );
    }
}
