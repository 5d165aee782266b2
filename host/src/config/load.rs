//! Finds the file, parses it, points at what is wrong.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use forebay_gateway::config::UpstreamConfig;
use serde::Deserialize;
use toml::de::{DeTable, DeValue};

use super::diagnose::{ConfigError, Problem};
use super::sections::{AdminConfig, ComponentConfig, Config, KeysConfig};
use super::validate;

/// The file that is looked for when none is named.
const DEFAULT_FILE: &str = "forebay.toml";

/// What the command line says over the file.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// `--listen`
    pub listen: Option<SocketAddr>,
    /// `--admin`
    pub admin: Option<SocketAddr>,
    /// `--engine`: replaces all upstreams.
    pub engine: Option<String>,
    /// `--no-policies`: whatever guardrail rules are configured, none applies.
    pub no_policies: bool,
}

/// A configuration as written: where it came from and its text, to point into.
#[derive(Debug, Clone)]
pub struct Source {
    /// The file; none when there is none and the built-in configuration applies.
    pub path: Option<PathBuf>,
    /// Its text.
    pub text: String,
    /// Where relative paths count from.
    pub base: PathBuf,
}

impl Source {
    /// The text of a named file, of `forebay.toml` in the working folder, or else of the
    /// configuration inside the program.
    pub fn find(named: Option<&Path>) -> Result<Self, ConfigError> {
        let path = match named {
            Some(path) => path.to_owned(),
            None if Path::new(DEFAULT_FILE).exists() => PathBuf::from(DEFAULT_FILE),
            None => {
                return Ok(Self {
                    path: None,
                    text: crate::shipped::CONFIGURATION.to_owned(),
                    base: PathBuf::from("."),
                });
            }
        };
        let text = std::fs::read_to_string(&path).map_err(|e| {
            ConfigError::whole(
                path.display().to_string(),
                match e.kind() {
                    std::io::ErrorKind::InvalidData => {
                        "the configuration is not UTF-8 text; save it as UTF-8".to_owned()
                    }
                    _ => format!("the configuration can't be read: {e}"),
                },
            )
        })?;
        let base = Self::base_of(Some(&path));
        Ok(Self {
            path: Some(path),
            text,
            base,
        })
    }

    /// Where the relative paths of a configuration's file count from.
    pub fn base_of(named: Option<&Path>) -> PathBuf {
        match named.and_then(Path::parent) {
            Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
            _ => PathBuf::from("."),
        }
    }

    /// The file as it is shown.
    pub fn name(&self) -> String {
        self.path.as_ref().map_or_else(
            || "the built-in configuration".to_owned(),
            |p| p.display().to_string(),
        )
    }

    /// The problems as an error about this file.
    pub fn error(&self, problems: Vec<Problem>) -> ConfigError {
        ConfigError {
            file: self.name(),
            text: self.text.clone(),
            problems,
        }
    }

    /// Where the value under a path of keys and indices stands: `["upstreams", "0", "urls"]`.
    pub fn locate(&self, path: &[&str]) -> Option<std::ops::Range<usize>> {
        let table = DeTable::parse(&self.text).ok()?;
        let (first, rest) = path.split_first()?;
        let mut at = table.get_ref().get(*first)?;
        for step in rest {
            at = match (at.get_ref(), step.parse::<usize>()) {
                (DeValue::Array(array), Ok(index)) => array.get(index)?,
                (DeValue::Table(table), _) => table.get(*step)?,
                _ => return None,
            };
        }
        Some(at.span())
    }
}

/// Parses and checks a configuration. Secrets and other files are not read yet.
pub fn load(source: &Source, overrides: &Overrides) -> Result<Config, ConfigError> {
    let mut config: Config =
        toml::from_str(&source.text).map_err(|e| source.error(vec![explain(&e, &source.text)]))?;
    if let Some(listen) = overrides.listen {
        config.server.listen = listen;
    }
    if let Some(admin) = overrides.admin {
        config.admin.listen = admin;
    }
    if let Some(engine) = &overrides.engine {
        config.upstreams =
            vec![only_engine(engine).map_err(|why| ConfigError::whole("--engine", why))?];
    }
    if overrides.no_policies {
        config.policies.guardrails = ComponentConfig::default();
    }
    let problems = validate::problems(&config, source, overrides);
    if problems.is_empty() {
        Ok(config)
    } else {
        Err(source.error(problems))
    }
}

/// What the commands need that ask a running gateway or write its keys. They have to work while the rest of the
/// file is wrong or half written.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Parts {
    /// Where the gateway can be asked.
    pub admin: AdminConfig,
    /// Where its keys are.
    pub keys: KeysConfig,
}

/// Parses these sections alone.
///
/// # Errors
/// The file is not TOML, or one of these sections is wrong.
pub fn load_parts(source: &Source) -> Result<Parts, ConfigError> {
    toml::from_str(&source.text).map_err(|e| source.error(vec![explain(&e, &source.text)]))
}

/// The upstream that `--engine URL` means: every model, by its own name.
fn only_engine(url: &str) -> Result<UpstreamConfig, String> {
    let url = url.trim_end_matches('/');
    let url = url.strip_suffix("/v1").unwrap_or(url);
    validate::check_url(url)?;
    toml::from_str(&format!(
        "name = \"engine\"\nurls = [{}]",
        serde_json::Value::from(url)
    ))
    .map_err(|e| e.message().to_owned())
}

/// toml's error in our words.
fn explain(error: &toml::de::Error, text: &str) -> Problem {
    let message = error.message();
    let span = error.span();
    let key = span
        .as_ref()
        .map(|span| key_of(text, span.start))
        .unwrap_or_default();
    if ["key", "token", "master"].contains(&key.as_str()) && message.starts_with("invalid type") {
        return Problem::at(span, "a secret is given by reference: write \"env:NAME\" or \"file:PATH\", not the value itself").hide();
    }
    if let Some((unknown, expected)) = unknown_field(message) {
        let problem = Problem::at(span, format!("unknown key `{unknown}`"));
        return match nearest(&unknown, &expected) {
            Some(near) => problem.hint(format!("did you mean `{near}`?")),
            None if expected.is_empty() => problem,
            None => problem.hint(format!("known here: {}", expected.join(", "))),
        };
    }
    if key == "algorithms" && message.starts_with("unknown variant `HS") {
        return Problem::at(span, "symmetric signature algorithms are not accepted")
            .hint("use the issuer's asymmetric keys, such as \"RS256\", or leave out algorithms");
    }
    if message.contains("invalid socket address") || message.contains("expected socket address") {
        let said = format!("`{key}` must be an address and a port");
        return Problem::at(span, said).hint("write IP:PORT, such as \"127.0.0.1:8080\"");
    }
    // A problem with the key itself points at it.
    let itself = key.is_empty() || message == "duplicate key";
    let at_key = span.as_ref().filter(|_| itself);
    let own = at_key.and_then(|span| text.get(span.clone()));
    super::plain::problem(message, own.unwrap_or(&key), span)
}

/// The key whose value stands at a position: the last one before it on its line.
fn key_of(text: &str, at: usize) -> String {
    let line = text
        .get(..at)
        .and_then(|before| before.rsplit('\n').next())
        .unwrap_or_default();
    let mut quoted = false;
    let mut end = None;
    for (place, c) in line.char_indices() {
        quoted ^= c == '"';
        if c == '=' && !quoted {
            end = Some(place);
        }
    }
    let key = &line[..end.unwrap_or(line.len())];
    // In an inline table, `{ input = 1, output` stands before the value of `output`.
    let key = key.rsplit(['{', ',']).next().unwrap_or_default();
    key.trim().to_owned()
}

/// "unknown field `a`, expected one of `b`, `c`" as its parts.
pub(super) fn unknown_field(message: &str) -> Option<(String, Vec<String>)> {
    let (unknown, rest) = message.strip_prefix("unknown field `")?.split_once('`')?;
    let expected = rest
        .split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect();
    Some((unknown.to_owned(), expected))
}

/// The known name that was probably meant.
pub(super) fn nearest<'a>(unknown: &str, known: &'a [String]) -> Option<&'a str> {
    known
        .iter()
        .map(|name| {
            let lower = (unknown.to_lowercase(), name.to_lowercase());
            let likeness = strsim::jaro_winkler(&lower.0, &lower.1);
            // Of names that differ only in case, the one in the same case.
            let case = strsim::jaro_winkler(unknown, name);
            (likeness + case / 1e6, name.as_str())
        })
        // 0.8: a slip or two within a word, not another word.
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}
