//! `forebay keys`: the keys file from the command line.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, bail};
use serde_json::json;

use super::output::OutputArgs;
use super::say;
use crate::config::{self, Source};
use crate::keys::{AccessKey, KeyFile, KeysError, NewKey, mint, mint_access, write_secret};
use crate::platform::clock;

/// The file where neither a flag nor the configuration names one.
const DEFAULT_FILE: &str = "keys.toml";

/// Create, list, rotate and expire API keys. A running gateway reloads a changed file by itself.
#[derive(Debug, clap::Args)]
pub(super) struct KeysArgs {
    #[command(subcommand)]
    what: What,
    /// The keys file. Default: keys.file of the configuration, or keys.toml.
    #[arg(long, global = true, value_name = "FILE")]
    file: Option<PathBuf>,
    /// The configuration that names the keys file. Default: forebay.toml in the working folder.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Create a key and print it. It can't be shown again.
    Create {
        /// The key's tenant.
        #[arg(long)]
        tenant: String,
        /// A model that the key may use, exact or ending in `*`. May be repeated. Default: all models.
        #[arg(long = "model", value_name = "MODEL")]
        models: Vec<String>,
        /// Requests per minute.
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
        requests_per_minute: Option<u32>,
        /// Tokens per minute, input and output.
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
        tokens_per_minute: Option<u32>,
        /// How long the key is valid, such as 90d. Default: until it is expired.
        #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
        expires_in: Option<Duration>,
        /// Also create an access key, for clients that sign requests like AWS clients (Signature Version 4).
        #[arg(long)]
        sigv4: bool,
        /// The region that clients sign for.
        #[arg(
            long,
            value_name = "REGION",
            default_value = "us-east-1",
            requires = "sigv4"
        )]
        sigv4_region: String,
        /// Where the gateway reads the secret access key: `env:NAME`, or `file:PATH` relative to the folder of
        /// the keys file. This command writes the file. Default: a file beside the keys file.
        #[arg(long, value_name = "REFERENCE", requires = "sigv4")]
        sigv4_secret: Option<String>,
    },
    /// Show all keys, without their secrets.
    List,
    /// Create a successor with the same models and limits, and let the old key expire.
    Rotate {
        /// The old key's id.
        id: String,
        /// How long the old key stays valid, so that clients can switch to the new one. 0s expires it at once.
        #[arg(long, value_name = "DURATION", default_value = "1d", value_parser = humantime::parse_duration)]
        overlap: Duration,
    },
    /// Expire a key.
    Expire {
        /// The key's id.
        id: String,
        /// How long the key stays valid, such as 1h. Default: it expires at once.
        #[arg(long = "in", value_name = "DURATION", value_parser = humantime::parse_duration)]
        after: Option<Duration>,
    },
}

impl KeysArgs {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let file = self.file()?;
        let (now, output) = (clock::wall(), self.output);
        match self.what {
            What::Create {
                tenant,
                models,
                requests_per_minute,
                tokens_per_minute,
                expires_in,
                sigv4,
                sigv4_region,
                sigv4_secret,
            } => {
                if tenant.is_empty() {
                    bail!("the tenant name is empty");
                }
                if let Some(why) = config::unusable_tenant(&tenant) {
                    bail!("the tenant name {tenant:?} {why}");
                }
                if models.iter().any(|model| model.trim().is_empty()) {
                    bail!("--model is empty; leave it out to allow all models");
                }
                if expires_in.is_some_and(|lifetime| lifetime.is_zero()) {
                    bail!("--expires-in is 0, so the key would already be expired");
                }
                let new = NewKey {
                    tenant,
                    models,
                    requests_per_minute,
                    tokens_per_minute,
                    lifetime: expires_in,
                };
                let (secret, mut stored) = mint(new, now);
                let id = stored.id.clone();
                let made = sigv4
                    .then(|| Made::new(sigv4_region, sigv4_secret, &file))
                    .transpose()?;
                KeyFile::change(&file, |keys| {
                    if let Some(made) = &made {
                        made.keep(&file)?;
                        stored.access = Some(made.key.clone());
                    }
                    keys.records.push(stored);
                    Ok(())
                })?;
                show(&id, &secret, made.as_ref(), &file, output);
            }
            What::List => match output.is_json() {
                true => list_json(&KeyFile::read(&file)?, now),
                false => list(&KeyFile::read(&file)?, now),
            },
            What::Rotate { id, overlap } => {
                let access = KeyFile::read(&file)?.find(&id)?.access.clone();
                let made = access.map(|old| successor(&id, old, &file)).transpose()?;
                let (new, secret) = rotate(&file, &id, overlap, now, made.as_ref())?;
                show(&new, &secret, made.as_ref(), &file, output);
                if !output.is_json() && !overlap.is_zero() {
                    eprintln!(
                        "The old key {id} still works for {}.",
                        humantime::format_duration(overlap)
                    );
                }
            }
            What::Expire { id, after } => expire(&file, &id, after, output)?,
        }
        Ok(())
    }

    fn file(&self) -> anyhow::Result<PathBuf> {
        if let Some(file) = &self.file {
            return Ok(file.clone());
        }
        let source = Source::find(self.config.as_deref())?;
        // Only the section on keys matters here: the rest may be half written.
        let config = config::load_parts(&source).context(
            "the configuration does not say where the keys are; name the file with --file",
        )?;
        Ok(source
            .base
            .join(config.keys.file.unwrap_or_else(|| DEFAULT_FILE.into())))
    }
}

/// Ends a key, at once or `after` a while.
fn expire(
    file: &Path,
    id: &str,
    after: Option<Duration>,
    output: OutputArgs,
) -> anyhow::Result<()> {
    let now = clock::wall();
    let at = KeyFile::change(file, |keys| {
        let key = keys.find(id)?;
        end(&mut key.expires, now, after);
        Ok(key.expires.unwrap_or(now))
    })?;
    // It may have been about to end sooner than asked for, or have ended.
    let left = at.duration_since(now).unwrap_or_default();
    let seconds = left.as_secs();
    output.print(
        &json!({ "id": id, "ends_in_seconds": seconds }),
        || match seconds {
            0 => format!("the key {id} has expired"),
            _ => format!(
                "the key {id} expires in {}",
                humantime::format_duration(Duration::from_secs(seconds))
            ),
        },
    );
    Ok(())
}

/// Makes a key like this one, which goes on for `overlap`: the new key's identifier and secret.
fn rotate(
    file: &Path,
    id: &str,
    overlap: Duration,
    now: SystemTime,
    made: Option<&Made>,
) -> anyhow::Result<(String, String)> {
    Ok(KeyFile::change(file, |keys| {
        let old = keys.find(id)?;
        // Its own time is over with the overlap: a second successor would inherit that.
        if let Some(successor) = &old.successor {
            return Err(KeysError::Rotated {
                id: id.to_owned(),
                successor: successor.clone(),
            });
        }
        let lifetime = old
            .expires
            .and_then(|at| at.duration_since(old.created).ok());
        let (secret, mut stored) = mint(
            NewKey {
                tenant: old.tenant.clone(),
                models: old.models.clone(),
                requests_per_minute: old.requests_per_minute,
                tokens_per_minute: old.tokens_per_minute,
                lifetime,
            },
            now,
        );
        end(&mut old.expires, now, Some(overlap));
        old.successor = Some(stored.id.clone());
        if let Some(made) = made {
            made.keep(file)?;
            stored.access = Some(made.key.clone());
        }
        let id = stored.id.clone();
        keys.records.push(stored);
        Ok((id, secret))
    })?)
}

/// Sooner than it would have ended anyway, never later.
fn end(expires: &mut Option<SystemTime>, now: SystemTime, after: Option<Duration>) {
    let at = now.checked_add(after.unwrap_or_default()).unwrap_or(now);
    *expires = Some(expires.map_or(at, |already| already.min(at)));
}

/// An access key of which the secret has just been made.
struct Made {
    key: AccessKey,
    secret: String,
}

impl Made {
    fn new(region: String, reference: Option<String>, file: &Path) -> anyhow::Result<Self> {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if region.is_empty() || !region.bytes().all(plain) {
            bail!("{region:?} is not a region; write it as AWS does, such as eu-central-1");
        }
        let (id, secret) = mint_access();
        let reference = reference.unwrap_or_else(|| {
            let name = file.file_name().unwrap_or_default().to_string_lossy();
            format!("file:{name}.{id}")
        });
        let named = ["env:", "file:"].iter().any(|scheme| {
            reference
                .strip_prefix(scheme)
                .is_some_and(|rest| !rest.is_empty())
        });
        if !named {
            bail!("--sigv4-secret takes a reference: env:NAME or file:PATH, not the secret itself");
        }
        let key = AccessKey {
            id,
            secret: reference,
            region,
        };
        Ok(Self { key, secret })
    }

    /// Writes the secret where a file is to hold it.
    fn keep(&self, keys_file: &Path) -> Result<(), KeysError> {
        match self.key.secret.strip_prefix("file:") {
            Some(path) => {
                let folder = keys_file.parent().unwrap_or(Path::new(""));
                write_secret(&folder.join(path), &self.secret)
            }
            None => Ok(()),
        }
    }
}

/// The access key of a key's successor. Its secret is in a file of its own, as the old one's was.
fn successor(id: &str, old: AccessKey, file: &Path) -> anyhow::Result<Made> {
    if let Some(variable) = old.secret.strip_prefix("env:") {
        bail!(
            "the secret access key of {id} is in the variable {variable}, which can't hold two; make the \
             successor with `forebay keys create --sigv4 --sigv4-secret env:NAME`, then expire {id}"
        );
    }
    Made::new(old.region, None, file)
}

fn show(id: &str, secret: &str, made: Option<&Made>, file: &Path, output: OutputArgs) {
    if output.is_json() {
        let mut shown = json!({ "id": id, "key": secret, "file": file.display().to_string() });
        if let Some(made) = made {
            shown["access_key_id"] = json!(made.key.id);
            shown["secret_access_key"] = json!(made.secret);
            shown["region"] = json!(made.key.region);
            shown["secret_reference"] = json!(made.key.secret);
        }
        return say(&format!("{shown:#}"));
    }
    say(secret);
    if let Some(made) = made {
        say(&format!("AWS_ACCESS_KEY_ID={}", made.key.id));
        say(&format!("AWS_SECRET_ACCESS_KEY={}", made.secret));
        say(&format!("AWS_REGION={}", made.key.region));
        match made.key.secret.strip_prefix("env:") {
            Some(name) => eprintln!(
                "Start the gateway with the secret access key in the variable {name}. Expire the key to end both logins."
            ),
            None => eprintln!(
                "The gateway reads the secret access key from {}.",
                made.key.secret
            ),
        }
    }
    eprintln!(
        "This is the only time it is shown; {} keeps a digest. Clients send it as `Authorization: Bearer <key>`.",
        file.display()
    );
}

fn list_json(keys: &KeyFile, now: SystemTime) {
    let time = |at: SystemTime| humantime::format_rfc3339_seconds(at).to_string();
    let keys: Vec<_> = keys
        .records
        .iter()
        .map(|key| {
            json!({
                "id": key.id,
                "tenant": key.tenant,
                "created": time(key.created),
                "expires": key.expires.map(time),
                "expired": key.is_expired(now),
                "requests_per_minute": key.requests_per_minute,
                "tokens_per_minute": key.tokens_per_minute,
                "models": key.models,
                "access_key_id": key.access.as_ref().map(|access| &access.id),
            })
        })
        .collect();
    say(&format!("{:#}", json!({ "keys": keys })));
}

fn list(keys: &KeyFile, now: SystemTime) {
    say(&format!(
        "{:<14}{:<20}{:<22}{:<10}{:<10}{:<22}MODELS",
        "ID", "TENANT", "CREATED", "REQ/MIN", "TOK/MIN", "EXPIRES"
    ));
    for key in &keys.records {
        let number = |n: Option<u32>| n.map_or("-".to_owned(), |n| n.to_string());
        let expires = match key.expires {
            None => "never".to_owned(),
            Some(_) if key.is_expired(now) => "expired".to_owned(),
            Some(at) => humantime::format_rfc3339_seconds(at).to_string(),
        };
        say(&format!(
            "{:<14}{:<20}{:<22}{:<10}{:<10}{expires:<22}{}",
            key.id,
            key.tenant,
            humantime::format_rfc3339_seconds(key.created).to_string(),
            number(key.requests_per_minute),
            number(key.tokens_per_minute),
            if key.models.is_empty() {
                "all".to_owned()
            } else {
                key.models.join(" ")
            },
        ));
    }
}
