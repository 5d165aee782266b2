//! The platforms: how each is started with a configuration, and how it ends.

use std::collections::BTreeMap;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::{Child, Command};

use crate::keys;

/// Compiling a composed component takes seconds, on a busy machine many.
const START: Duration = Duration::from_secs(180);

/// A folder with a configuration and its keys, and the variables that it refers to.
pub struct Setup {
    folder: TempDir,
    variables: Vec<(String, String)>,
}

impl Setup {
    /// Puts the configuration and the keys into a folder of their own.
    ///
    /// # Errors
    /// As the file system's.
    pub fn lay_out(config: &Path, variables: &[(&str, &str)]) -> Result<Self> {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::Builder::new()
            .prefix("forebay-conformance-")
            .tempdir()?;
        let keys = folder.path().join("keys.toml");
        std::fs::write(&keys, keys::file())?;
        std::fs::set_permissions(&keys, std::fs::Permissions::from_mode(0o600))?;
        std::fs::copy(config, folder.path().join("forebay.toml"))
            .with_context(|| format!("{} can't be read", config.display()))?;
        let variables = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        Ok(Self { folder, variables })
    }

    fn config(&self) -> PathBuf {
        self.folder.path().join("forebay.toml")
    }

    /// The variables as edges name them.
    fn edge_variables(&self) -> impl Iterator<Item = (String, &str)> {
        self.variables
            .iter()
            .map(|(name, value)| (name.to_lowercase(), value.as_str()))
    }

    /// Bakes a release, composed with the edge of this name, and gives its folder.
    async fn bake(&self, edge: Option<&str>) -> Result<PathBuf> {
        let out = self.folder.path().join("release");
        let mut bake = Command::new(binary());
        bake.arg("bake")
            .arg("--config")
            .arg(self.config())
            .arg("--out")
            .arg(&out);
        if let Some(edge) = edge {
            let component = components().join(format!("edge-{edge}.wasm"));
            bake.arg("--compose").arg(component);
        }
        let output = bake.output().await.context("forebay can't be run")?;
        if !output.status.success() {
            bail!("{}", String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(out)
    }
}

/// A platform that serves; it ends with this value.
pub struct Running {
    base: String,
    child: Child,
}

impl Drop for Running {
    /// A platform may have processes of its own: all of its group end.
    fn drop(&mut self) {
        let group = self.child.id().and_then(|id| i32::try_from(id).ok());
        if let Some(group) = group.and_then(rustix::process::Pid::from_raw) {
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
    }
}

impl Running {
    /// Where it listens.
    pub fn base_url(&self) -> &str {
        &self.base
    }
}

/// A future of a trait object.
pub type Starting<'a> = Pin<Box<dyn Future<Output = Result<Running>> + Send + 'a>>;

/// One place the gateway runs in.
pub trait Platform: Send + Sync {
    /// Its name on the command line and in the table.
    fn name(&self) -> &'static str;
    /// Why it can't be started on this machine, where it can't.
    fn missing(&self) -> Option<String>;
    /// How many cases run at once.
    fn at_once(&self) -> usize {
        4
    }
    /// Starts it.
    fn start<'a>(&'a self, setup: &'a Setup) -> Starting<'a>;
}

/// All platforms, in the order of the table.
pub fn all() -> Vec<Box<dyn Platform>> {
    vec![
        Box::new(Native),
        Box::new(SpinUp),
        Box::new(Spin),
        Box::new(Wasmtime),
        Box::new(Workerd),
        Box::new(Viceroy),
    ]
}

/// What each platform lacks, by its name: abilities and reasons.
#[derive(Debug, Default, Deserialize)]
#[serde(transparent)]
pub struct Lacks(BTreeMap<String, BTreeMap<String, String>>);

impl Lacks {
    /// Reads `platforms.toml`.
    ///
    /// # Errors
    /// As the file system's or the parser's.
    pub fn read(file: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(file)
            .with_context(|| format!("{} can't be read", file.display()))?;
        Ok(toml::from_str(&text)?)
    }

    /// What a platform lacks, and why.
    pub fn of(&self, platform: &str) -> Vec<(String, String)> {
        self.0
            .get(platform)
            .into_iter()
            .flatten()
            .map(|(need, why)| (need.clone(), why.clone()))
            .collect()
    }
}

/// The gateway's binary: `$FOREBAY_BIN`, or this workspace's.
pub fn binary() -> PathBuf {
    forebay_tests::forebay::binary()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The built components: `$FOREBAY_COMPONENTS`, or beside the binary's folder.
fn components() -> PathBuf {
    match std::env::var_os("FOREBAY_COMPONENTS") {
        Some(folder) => folder.into(),
        None => binary().with_file_name("../components"),
    }
}

/// A program from the project's cache or the PATH.
fn tool(name: &str) -> Option<PathBuf> {
    let cache = std::env::var_os("FOREBAY_CACHE")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(std::env::var_os("XDG_CACHE_HOME")?).join("forebay")))
        .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache/forebay")));
    let own = cache.map(|cache| cache.join("tools/bin").join(name));
    let path = std::env::var_os("PATH").unwrap_or_default();
    own.into_iter()
        .chain(std::env::split_paths(&path).map(|folder| folder.join(name)))
        .find(|file| file.is_file())
}

fn needs(name: &str) -> Option<String> {
    match tool(name) {
        Some(_) => None,
        None => Some(format!(
            "the program `{name}` is not installed (`cargo xtask setup`)"
        )),
    }
}

fn command(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
    command
}

/// Waits for the line that names the address, and reads on so that the pipes never fill.
async fn serving(mut child: Child, mark: &'static str) -> Result<Running> {
    let (send, mut lines) = tokio::sync::mpsc::unbounded_channel();
    let out = child.stdout.take().context("no standard output")?;
    let err = child.stderr.take().context("no standard error")?;
    for stream in [
        Box::new(out) as Box<dyn AsyncRead + Send + Unpin>,
        Box::new(err),
    ] {
        let send = send.clone();
        tokio::spawn(async move {
            let mut lines = BufReader::new(stream).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                if std::env::var_os("CONFORMANCE_LOG").is_some() {
                    eprintln!("| {line}");
                }
                let _ = send.send(line);
            }
        });
    }
    drop(send);
    let mut said = String::new();
    let find = async {
        while let Some(line) = lines.recv().await {
            if let Some(at) = line.find(mark) {
                let rest = &line[at + mark.len()..];
                if let Some(url) = rest.split_whitespace().find(|word| word.contains("://")) {
                    return Some(url.trim_end_matches('/').to_owned());
                }
            }
            said.push_str(&line);
            said.push('\n');
        }
        None
    };
    match tokio::time::timeout(START, find).await {
        Ok(Some(base)) => {
            // From here on lines are read and dropped.
            tokio::spawn(async move { while lines.recv().await.is_some() {} });
            Ok(Running { base, child })
        }
        Ok(None) => bail!("it ended: {said}"),
        Err(_) => bail!("it did not say \"{mark}\" in time: {said}"),
    }
}

/// The native host.
struct Native;

impl Platform for Native {
    fn name(&self) -> &'static str {
        "native"
    }
    fn missing(&self) -> Option<String> {
        None
    }
    fn start<'a>(&'a self, setup: &'a Setup) -> Starting<'a> {
        Box::pin(async move {
            let mut serve = command(binary());
            serve
                .args(["serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"])
                .arg("--config")
                .arg(setup.config())
                .env("XDG_RUNTIME_DIR", setup.folder.path())
                .env_remove("RUST_LOG")
                .envs(setup.variables.iter().map(|(name, value)| (name, value)));
            serving(serve.spawn()?, "forebay listening on ").await
        })
    }
}

/// `wasmtime serve` with the composed edge.
struct Wasmtime;

impl Platform for Wasmtime {
    fn name(&self) -> &'static str {
        "wasmtime"
    }
    fn missing(&self) -> Option<String> {
        needs("wasmtime")
    }
    // Its store dies with the instance, and what runs at once is spread over instances.
    fn at_once(&self) -> usize {
        1
    }
    fn start<'a>(&'a self, setup: &'a Setup) -> Starting<'a> {
        Box::pin(async move {
            let release = setup.bake(Some("wasi")).await?;
            let mut serve = command(tool("wasmtime").context("wasmtime is missing")?);
            serve.args([
                "serve",
                "-Scli",
                "-Skeyvalue",
                "-Sconfig",
                "--max-instance-reuse-count",
                "100000",
                "--idle-instance-timeout",
                "60s",
                "--addr",
                "127.0.0.1:0",
            ]);
            for (name, value) in setup.edge_variables() {
                serve.arg(format!("-Sconfig-var={name}={value}"));
            }
            serve.arg(release.join("edge-wasi.wasm"));
            serving(serve.spawn()?, "Serving HTTP on ").await
        })
    }
}

/// Writes a spin.toml with this release into the setup's folder: the project's own, with the
/// suite's variables and upstreams.
async fn spin_manifest(setup: &Setup) -> Result<PathBuf> {
    let release = setup.bake(None).await?;
    let own = std::fs::read_to_string(root().join("spin.toml"))?;
    let mut manifest: toml::Table = own.parse()?;
    let mut variables = toml::Table::new();
    let mut of_component = toml::Table::new();
    let mut hosts = Vec::new();
    for (name, value) in setup.edge_variables() {
        let mut variable = toml::Table::new();
        variable.insert("required".into(), true.into());
        variables.insert(name.clone(), variable.into());
        of_component.insert(name.clone(), format!("{{{{ {name} }}}}").into());
        if value.contains("://") {
            hosts.push(toml::Value::from(format!("{{{{ {name} }}}}")));
        }
    }
    manifest.insert("variables".into(), variables.into());
    let edge = manifest
        .get_mut("component")
        .and_then(|c| c.get_mut("edge"))
        .and_then(toml::Value::as_table_mut)
        .context("spin.toml has no component edge")?;
    edge.insert(
        "source".into(),
        components()
            .join("edge-spin.wasm")
            .display()
            .to_string()
            .into(),
    );
    edge.insert("variables".into(), of_component.into());
    edge.insert("allowed_outbound_hosts".into(), hosts.into());
    let dependencies = edge
        .get_mut("dependencies")
        .and_then(toml::Value::as_table_mut)
        .context("spin.toml names no dependencies")?;
    for (_, dependency) in dependencies.iter_mut() {
        let path = dependency["path"].as_str().unwrap_or_default();
        let file = Path::new(path).file_name().unwrap_or_default();
        let mut table = toml::Table::new();
        table.insert(
            "path".into(),
            release.join(file).display().to_string().into(),
        );
        *dependency = table.into();
    }
    let file = setup.folder.path().join("spin.toml");
    std::fs::write(&file, toml::to_string(&manifest)?)?;
    Ok(file)
}

/// The stand-in for Spin, which reads the same manifest and composes by the same rules.
struct SpinUp;

/// The stand-in's program, which this package builds.
fn stand_in() -> PathBuf {
    let own = std::env::current_exe().unwrap_or_default();
    let beside = |folder: Option<&Path>| folder.map(|f| f.join("spin-stand-in"));
    // A test's program lies in `deps`, one below.
    [own.parent(), own.parent().and_then(Path::parent)]
        .into_iter()
        .filter_map(beside)
        .find(|file| file.is_file())
        .unwrap_or_else(|| binary().with_file_name("spin-stand-in"))
}

impl Platform for SpinUp {
    fn name(&self) -> &'static str {
        "spin-up"
    }
    fn missing(&self) -> Option<String> {
        None
    }
    fn start<'a>(&'a self, setup: &'a Setup) -> Starting<'a> {
        Box::pin(async move {
            let manifest = spin_manifest(setup).await?;
            let mut up = command(stand_in());
            up.args(["--listen", "127.0.0.1:0", "--from"]).arg(manifest);
            for (name, value) in setup.edge_variables() {
                up.arg("--variable").arg(format!("{name}={value}"));
            }
            serving(up.spawn()?, "Serving ").await
        })
    }
}

/// Spin itself, where it is installed.
struct Spin;

impl Platform for Spin {
    fn name(&self) -> &'static str {
        "spin"
    }
    fn missing(&self) -> Option<String> {
        match tool("spin") {
            Some(_) => None,
            None => Some(
                "no registry carries the program `spin`; version 4.1 or newer, put on the PATH, is used"
                    .to_owned(),
            ),
        }
    }
    fn start<'a>(&'a self, setup: &'a Setup) -> Starting<'a> {
        Box::pin(async move {
            let manifest = spin_manifest(setup).await?;
            let mut up = command(tool("spin").context("spin is missing")?);
            up.args(["up", "--listen", "127.0.0.1:0", "--from"]);
            up.arg(manifest);
            for (name, value) in setup.edge_variables() {
                up.env(format!("SPIN_VARIABLE_{}", name.to_uppercase()), value);
            }
            serving(up.spawn()?, "Serving ").await
        })
    }
}

/// Cloudflare's workerd with the Worker of `deploy/workers/cloudflare`.
struct Workerd;

impl Platform for Workerd {
    fn name(&self) -> &'static str {
        "workerd"
    }
    fn missing(&self) -> Option<String> {
        let modules = root().join("deploy/workers/cloudflare/node_modules/workerd");
        match (tool("node"), modules.is_dir()) {
            (None, _) => {
                Some("the program `node` is not installed (`cargo xtask setup`)".to_owned())
            }
            (_, false) => Some(
                "run `npm ci` in deploy/workers/cloudflare (`cargo xtask setup` does)".to_owned(),
            ),
            _ => None,
        }
    }
    fn start<'a>(&'a self, setup: &'a Setup) -> Starting<'a> {
        Box::pin(async move {
            let release = setup.bake(Some("worker")).await?;
            let mut serve = command(tool("node").context("node is missing")?);
            serve
                .arg(root().join("deploy/workers/cloudflare/serve.mjs"))
                .args(["--listen", "127.0.0.1:0", "--release"])
                .arg(release);
            for (name, value) in setup.edge_variables() {
                serve.arg("--var").arg(format!("{name}={value}"));
            }
            serving(serve.spawn()?, "listening on ").await
        })
    }
}

/// Fastly's Viceroy with the edge of that platform.
struct Viceroy;

impl Platform for Viceroy {
    fn name(&self) -> &'static str {
        "viceroy"
    }
    fn missing(&self) -> Option<String> {
        needs("viceroy")
    }
    fn start<'a>(&'a self, setup: &'a Setup) -> Starting<'a> {
        Box::pin(async move {
            let release = setup.bake(Some("fastly")).await?;
            // Viceroy does not tell the port it was given, so a free one is taken and named.
            let port = std::net::TcpListener::bind("127.0.0.1:0")?
                .local_addr()?
                .port();
            let items = |items: &mut dyn Iterator<Item = (String, &str)>| -> String {
                items
                    .map(|(name, value)| format!("{name} = {value:?}\n"))
                    .collect()
            };
            let text = format!(
                "manifest_version = 3\nlanguage = \"rust\"\nname = \"forebay\"\n\n\
                 [local_server.config_stores.forebay]\nformat = \"inline-toml\"\n\n\
                 [local_server.config_stores.forebay.contents]\n{}\n\
                 [local_server.kv_stores]\nforebay = []\n",
                items(&mut setup.edge_variables())
            );
            let manifest = setup.folder.path().join("fastly.toml");
            std::fs::write(&manifest, text)?;
            let mut serve = command(tool("viceroy").context("viceroy is missing")?);
            serve
                // Where it listens is a line of this level.
                .env("RUST_LOG", "info")
                .arg("serve")
                .arg("--config")
                .arg(manifest)
                .arg("--addr")
                .arg(format!("127.0.0.1:{port}"))
                .arg(release.join("edge-fastly.wasm"));
            serving(serve.spawn()?, "Listening on ").await
        })
    }
}
