//! `forebay policies`: components as signed artefacts: made, checked, sent to a registry and fetched.

mod auth;
mod registry;
mod sent;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use forebay_artefact::{
    Expected, MAX_ENVELOPE, Manifest, PrivateKey, PublicKey, Reference, Signed, sign, verify,
};
use serde_json::json;

use super::output::OutputArgs;
use super::progress::{Moved, Progress};
use registry::Registry;

/// The largest component that is sent or fetched, in bytes.
const MAX_COMPONENT: u64 = 64 << 20;

/// Sign policy components, check them, and keep them in an OCI registry.
#[derive(Debug, clap::Args)]
pub(super) struct PoliciesArgs {
    #[command(subcommand)]
    what: What,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Create a signing key: NAME.key, which you keep secret, and NAME.pub.
    Keygen {
        /// The files' name.
        name: PathBuf,
    },
    /// Sign a component: writes FILE.dsse beside it.
    Sign {
        /// The component.
        file: PathBuf,
        /// The private key, in PEM.
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
        /// Which policy it is.
        #[arg(long, value_enum)]
        policy: Policy,
        /// The version: higher than those of all components that it replaces.
        #[arg(long, value_name = "N")]
        version: u64,
    },
    /// Check a component's signature and print what was signed.
    Verify {
        /// The component, with its signature in FILE.dsse.
        file: PathBuf,
        /// A public key, in PEM. May be repeated: one of the keys must have signed.
        #[arg(long = "key", value_name = "FILE", required = true)]
        keys: Vec<PathBuf>,
        /// Which policy it must be.
        #[arg(long, value_enum)]
        policy: Policy,
    },
    /// Push a component, with its signature if FILE.dsse exists, to a registry, and print the pinned reference.
    Push {
        /// The component.
        file: PathBuf,
        /// The destination: registry.example.com/team/guardrails:1
        reference: Reference,
        /// Which policy it is.
        #[arg(long, value_enum)]
        policy: Policy,
        #[command(flatten)]
        connection: Connection,
    },
    /// Pull a component, and its signature if it has one, from a registry.
    Pull {
        /// The source: registry.example.com/team/guardrails@sha256:…
        reference: Reference,
        /// The file for the component. Its signature is written beside it, as FILE.dsse.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        #[command(flatten)]
        connection: Connection,
    },
}

/// How a component begins: WebAssembly's magic number, and the version and layer of components.
const COMPONENT_MAGIC: &[u8] = b"\0asm\x0d\0\x01\0";

/// How a registry is reached. Its credentials are those of `docker login` without a credential helper,
/// or `FOREBAY_REGISTRY_AUTH=USER:PASSWORD`.
#[derive(Debug, clap::Args)]
struct Connection {
    /// Use HTTP without TLS. Loopback addresses always use it.
    #[arg(long)]
    plain_http: bool,
}

/// The policies by their names.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Policy {
    PrefixCache,
    Guardrails,
    CloudSelector,
}

impl Policy {
    fn name(self) -> &'static str {
        match self {
            Self::PrefixCache => "prefix-cache",
            Self::Guardrails => "guardrails",
            Self::CloudSelector => "cloud-selector",
        }
    }

    /// The interface that its component exports.
    fn interface(self) -> String {
        let name = self.name();
        format!(
            "forebay:{name}/{name}@{}",
            forebay_sandbox::CONTRACT_VERSION
        )
    }
}

impl PoliciesArgs {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let output = self.output;
        match self.what {
            What::Keygen { name } => keygen(&name, output),
            What::Sign {
                file,
                key,
                policy,
                version,
            } => sign_file(&file, &key, policy, version, output),
            What::Verify { file, keys, policy } => verify_file(&file, &keys, policy, output),
            What::Push {
                file,
                reference,
                policy,
                connection,
            } => push(&file, &reference, policy, &connection, output),
            What::Pull {
                reference,
                out,
                connection,
            } => pull(&reference, &out, &connection, output),
        }
    }
}

fn keygen(name: &Path, output: OutputArgs) -> anyhow::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;

    let (key, pem) = PrivateKey::generate()?;
    let (private, public) = (beside(name, ".key"), beside(name, ".pub"));
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&private)
        .with_context(|| format!("{} can't be created", private.display()))?;
    file.write_all(pem.as_bytes())
        .with_context(|| format!("{} can't be written", private.display()))?;
    write(&public, key.public().to_pem().as_bytes())?;
    let (private, public) = (private.display().to_string(), public.display().to_string());
    output.print(&json!({ "private": private, "public": public }), || {
        format!("{private} signs, {public} verifies")
    });
    Ok(())
}

fn sign_file(
    file: &Path,
    key: &Path,
    policy: Policy,
    version: u64,
    output: OutputArgs,
) -> anyhow::Result<()> {
    let component = component(file)?;
    let key = PrivateKey::from_pem(&text(key)?)
        .with_context(|| format!("{} can't be used", key.display()))?;
    let signed = Signed {
        policy: policy.name().to_owned(),
        version,
    };
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let signature = beside(file, ".dsse");
    write(
        &signature,
        sign(&component, &name, &signed, &key)?.as_bytes(),
    )?;
    let signature = signature.display().to_string();
    let value = json!({ "signature": signature, "policy": policy.name(), "version": version });
    output.print(&value, || signature.clone());
    Ok(())
}

fn verify_file(
    file: &Path,
    keys: &[PathBuf],
    policy: Policy,
    output: OutputArgs,
) -> anyhow::Result<()> {
    let component = component(file)?;
    let key = |key: &PathBuf| {
        PublicKey::from_pem(&text(key)?).with_context(|| format!("{} can't be used", key.display()))
    };
    let keys = keys.iter().map(key).collect::<anyhow::Result<Vec<_>>>()?;
    let signature = signature(file)?;
    let expected = Expected {
        keys: &keys,
        policy: policy.name(),
        ..Expected::default()
    };
    let signed = verify(
        &component,
        signature.as_deref().map(str::as_bytes),
        &expected,
    )
    .with_context(|| format!("{} is refused", file.display()))?;
    let version = signed.map_or(0, |signed| signed.version);
    let (file, policy) = (file.display().to_string(), policy.name());
    let value = json!({ "file": file, "policy": policy, "version": version, "good": true });
    output.print(&value, || format!("{file} is {policy}, version {version}"));
    Ok(())
}

fn push(
    file: &Path,
    reference: &Reference,
    policy: Policy,
    connection: &Connection,
    output: OutputArgs,
) -> anyhow::Result<()> {
    let component = component(file)?;
    if !component.starts_with(COMPONENT_MAGIC) {
        bail!("{} is not a WebAssembly component", file.display());
    }
    let (manifest, config) = Manifest::of(&component, &policy.interface(), signature(file)?);
    let digest = run("pushing to", reference, connection, async |registry| {
        registry
            .push(reference, &manifest, vec![config, component])
            .await
    })?;
    let pinned = reference.pinned(digest).to_string();
    output.print(&json!({ "reference": pinned }), || pinned.clone());
    Ok(())
}

fn pull(
    reference: &Reference,
    out: &Path,
    connection: &Connection,
    output: OutputArgs,
) -> anyhow::Result<()> {
    let (manifest, digest, component) =
        run("pulling from", reference, connection, async |registry| {
            registry.pull(reference, MAX_COMPONENT).await
        })?;
    let signature = beside(out, ".dsse");
    match &manifest.signature {
        Some(text) => write(&signature, text.as_bytes())?,
        None => match std::fs::remove_file(&signature) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                bail!(
                    "{} belongs to another component and can't be removed: {e}",
                    signature.display()
                )
            }
            _ => {}
        },
    }
    write(out, &component)?;
    let pinned = reference.pinned(digest).to_string();
    let (file, digest) = (
        out.display().to_string(),
        manifest.component.digest.to_string(),
    );
    let signed = manifest.signature.is_some();
    let value = json!({ "reference": pinned, "file": file, "digest": digest, "signed": signed });
    output.print(&value, || {
        let signed = if signed { "signed" } else { "not signed" };
        format!("{pinned}\n{file} ({signed}), digest = \"{digest}\"")
    });
    Ok(())
}

/// Does something with a registry, such as "pushing to" it.
fn run<T>(
    doing: &str,
    reference: &Reference,
    connection: &Connection,
    work: impl AsyncFnOnce(&mut Registry) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let moved = Moved::default();
    let mut registry = Registry::new(&reference.registry, connection.plain_http, moved.clone())?;
    let _progress = Progress::with_bytes(format!("{doing} {}", reference.registry), &moved);
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(work(&mut registry))
        .with_context(|| format!("the registry {}", reference.registry))
}

fn component(file: &Path) -> anyhow::Result<Vec<u8>> {
    let length = std::fs::metadata(file).map(|of| of.len());
    let length = length.with_context(|| format!("{} can't be read", file.display()))?;
    if length > MAX_COMPONENT {
        bail!(
            "{} has {length} bytes; a component has at most {MAX_COMPONENT}",
            file.display()
        );
    }
    std::fs::read(file).with_context(|| format!("{} can't be read", file.display()))
}

/// The signature beside a component, if it has one.
fn signature(file: &Path) -> anyhow::Result<Option<String>> {
    let file = beside(file, ".dsse");
    if !file.exists() {
        return Ok(None);
    }
    let signature = text(&file)?;
    if signature.len() > MAX_ENVELOPE {
        bail!("{} is not a signature: it is too long", file.display());
    }
    Ok(Some(signature))
}

fn text(file: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(file).with_context(|| format!("{} can't be read", file.display()))
}

fn beside(file: &Path, ending: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

/// Writes a file whole or not at all.
fn write(file: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let partial = beside(file, ".partial");
    std::fs::write(&partial, bytes)
        .and_then(|()| std::fs::rename(&partial, file))
        .with_context(|| format!("{} can't be written", file.display()))
}
