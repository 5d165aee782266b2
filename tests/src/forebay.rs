//! The gateway under test: the release binary on free ports of loopback, ended with the value.

use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::{Child, ChildStdout, Command};

use crate::client::{Client, Reply};
use crate::config::{ADMIN_TOKEN, Config};
use crate::metrics::Metrics;
use crate::raw::Raw;
use crate::wait::{eventually, within};

/// A running gateway. Dropping it kills it.
#[derive(Debug)]
pub struct Forebay {
    /// Where clients connect.
    pub addr: SocketAddr,
    /// Where the admin surface is.
    pub admin: SocketAddr,
    /// A client without a key.
    pub client: Client,
    child: Child,
    log: Arc<Mutex<String>>,
    folder: TempDir,
}

/// A gateway that did not start.
#[derive(Debug)]
pub struct Refusal {
    /// How it ended, if by itself.
    pub code: Option<i32>,
    /// What it said on the terminal.
    pub said: String,
}

impl Forebay {
    /// Starts it and waits until it is ready.
    ///
    /// # Panics
    /// If it is not built, or does not become ready; with its log.
    pub async fn start(config: impl Into<Config>) -> Self {
        Self::start_when(config, true).await
    }

    /// As [`Forebay::start`], but ready or not: its upstreams may be down.
    pub async fn start_unready(config: impl Into<Config>) -> Self {
        Self::start_when(config, false).await
    }

    async fn start_when(config: impl Into<Config>, ready: bool) -> Self {
        let config = config.into();
        let folder = lay_out(&config);
        let mut child = spawn(&config, folder.path());
        let log = Arc::new(Mutex::new(String::new()));
        let mut err = BufReader::new(child.stderr.take().expect("stderr is piped")).lines();
        let lines = Arc::clone(&log);
        tokio::spawn(async move {
            while let Ok(Some(line)) = err.next_line().await {
                let mut log = lines.lock().unwrap_or_else(PoisonError::into_inner);
                log.push_str(&line);
                log.push('\n');
            }
        });
        let mut out = BufReader::new(child.stdout.take().expect("stdout is piped"));
        let Some((addr, admin)) = within("its addresses", addresses(&mut out)).await else {
            let status = within("the end of a gateway that says nothing", child.wait()).await;
            let log = log.lock().unwrap_or_else(PoisonError::into_inner).clone();
            panic!(
                "forebay did not start ({status:?}):\n{}\n{log}",
                config.to_text()
            );
        };
        // What it says later is read, so that it never waits for us.
        tokio::spawn(async move {
            let mut rest = Vec::new();
            let _ = out.read_to_end(&mut rest).await;
        });
        let tls = config.text.contains("[server.tls]");
        let client = Client::new(&format!("{}://{addr}", if tls { "https" } else { "http" }));
        let this = Self {
            addr,
            admin,
            client,
            child,
            log,
            folder,
        };
        if ready {
            let probe = Client::new(&format!("http://{admin}"));
            eventually("readiness", || async {
                let reply = probe.try_get("/readyz").await.ok()?;
                (reply.status == 200).then_some(())
            })
            .await;
        }
        this
    }

    /// Expects that it does not start, and says how it ended and what it said.
    ///
    /// # Panics
    /// If it starts after all.
    pub async fn refuses(config: impl Into<Config>) -> Refusal {
        let config = config.into();
        let folder = lay_out(&config);
        let mut child = spawn(&config, folder.path());
        let mut err = child.stderr.take().expect("stderr is piped");
        let mut out = BufReader::new(child.stdout.take().expect("stdout is piped"));
        let mut said = String::new();
        let ended = async {
            let (started, _) = tokio::join!(addresses(&mut out), err.read_to_string(&mut said));
            started
        };
        let started = within("a refusal to start", ended).await;
        assert!(started.is_none(), "it started with\n{}", config.to_text());
        let status = within("its end", child.wait()).await.expect("it ends");
        // Paths of this run would make two runs differ.
        let said = said.replace(&format!("{}/", folder.path().display()), "");
        Refusal {
            code: status.code(),
            said,
        }
    }

    /// A client that sends this API key.
    #[must_use]
    pub fn client_of(&self, key: &crate::Key) -> Client {
        self.client
            .with_header("authorization", &format!("Bearer {}", key.text))
    }

    /// A client of the admin surface, with its token.
    #[must_use]
    pub fn administrator(&self) -> Client {
        Client::new(&format!("http://{}", self.admin))
            .with_header("authorization", &format!("Bearer {ADMIN_TOKEN}"))
    }

    /// A connection of one's own, for what no HTTP library would send.
    pub async fn raw(&self) -> Raw {
        Raw::connect(self.addr).await
    }

    /// All metrics at this moment.
    pub async fn metrics(&self) -> Metrics {
        let reply = Client::new(&format!("http://{}", self.admin))
            .get("/metrics")
            .await;
        assert_eq!(reply.status, 200, "/metrics: {}", reply.text());
        Metrics::parse(&reply.text())
    }

    /// Waits until a sum of metrics is at least `least`.
    pub async fn metric_reaches(&self, series: &str, least: f64) {
        eventually(&format!("{series} of at least {least}"), || async {
            (self.metrics().await.sum(series) >= least).then_some(())
        })
        .await;
    }

    /// Waits until every answer that clients already have is in the store as well: an answer
    /// goes out first, and who repeats it in between joins its flight.
    pub async fn stored(&self) {
        eventually("the end of all flights", || async {
            (self.metrics().await.sum("forebay_flights_active") == 0.0).then_some(())
        })
        .await;
    }

    /// One GET of the admin surface, as JSON.
    pub async fn admin_json(&self, path: &str) -> Value {
        self.administrator().get(path).await.json()
    }

    /// Purges entries and says how many went.
    pub async fn purge(&self, which: Value) -> u64 {
        let reply: Reply = self.administrator().post("/cache/purge", &which).await;
        assert_eq!(reply.status, 200, "purge: {}", reply.text());
        reply.json()["purged"].as_u64().expect("a count")
    }

    /// What it has logged.
    #[must_use]
    pub fn log(&self) -> String {
        self.log
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Waits for a line of the log.
    pub async fn logs(&self, text: &str) {
        eventually(&format!("\"{text}\" in the log"), || async {
            self.log().contains(text).then_some(())
        })
        .await;
    }

    /// Asserts that none of these words was logged.
    pub fn has_not_logged(&self, words: &[&str]) {
        let log = self.log();
        for word in words {
            assert!(!log.contains(word), "\"{word}\" is in the log:\n{log}");
        }
    }

    /// The folder of its configuration.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Replaces its configuration's file.
    pub fn rewrite(&self, config: &Config) {
        write_files(config, self.folder.path());
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = self
            .child
            .id()
            .and_then(|id| Pid::from_raw(id.try_into().ok()?));
        kill_process(pid.expect("it runs"), signal).expect("it can be told");
    }

    /// Waits for its end.
    pub async fn ended(&mut self) -> Option<i32> {
        within("its end", self.child.wait())
            .await
            .expect("it ends")
            .code()
    }

    /// Processor time that it has used, in ticks of the system's clock (mostly 10 ms).
    #[must_use]
    pub fn cpu_ticks(&self) -> u64 {
        let id = self.child.id().expect("it runs");
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).expect("proc");
        // After the program's name, which may hold spaces: user and system time are fields 14 and 15.
        let (_, fields) = stat.rsplit_once(')').expect("a name in brackets");
        fields
            .split_whitespace()
            .skip(11)
            .take(2)
            .map(|ticks| ticks.parse::<u64>().expect("a number"))
            .sum()
    }

    /// Memory that is resident, in KiB.
    #[must_use]
    pub fn resident_kib(&self) -> u64 {
        let id = self.child.id().expect("it runs");
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).expect("proc");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let figure = line.and_then(|line| line.split_whitespace().next());
        figure
            .and_then(|figure| figure.parse().ok())
            .expect("a figure")
    }
}

/// The binary: `$FOREBAY_BIN`, or the release build of this workspace.
///
/// # Panics
/// If it is not built.
#[must_use]
pub fn binary() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let named = std::env::var_os("FOREBAY_BIN").map(PathBuf::from);
    let path = named.unwrap_or_else(|| {
        let target =
            std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from);
        root.join(target).join("release/forebay")
    });
    assert!(
        path.is_file(),
        "{} is not there: build it first with `cargo xtask build`",
        path.display()
    );
    path
}

/// Compiled components of all tests, beside the binary: compiling them anew takes seconds.
pub(crate) fn compiled() -> PathBuf {
    let binary = binary();
    let folder = binary.parent().expect("the binary lies in a folder");
    std::path::absolute(folder.join("forebay-tests-cache")).expect("the working folder exists")
}

fn lay_out(config: &Config) -> TempDir {
    let folder = tempfile::Builder::new()
        .prefix("forebay-test-")
        .tempdir()
        .expect("a folder");
    write_files(config, folder.path());
    folder
}

fn write_files(config: &Config, folder: &Path) {
    let main = (
        "forebay.toml".to_owned(),
        config.to_text().into_bytes(),
        0o600,
    );
    // The configuration comes last: what it refers to is then there when it is read.
    for (name, content, mode) in config.files.iter().chain([&main]) {
        let partial = folder.join(format!(".{name}.partial"));
        let mut options = std::fs::OpenOptions::new();
        let file = options
            .create(true)
            .truncate(true)
            .write(true)
            .mode(*mode)
            .open(&partial);
        std::io::Write::write_all(&mut file.expect("a file"), content).expect("it can be written");
        std::fs::rename(&partial, folder.join(name)).expect("it can be renamed");
    }
}

fn spawn(config: &Config, folder: &Path) -> Child {
    let mut command = Command::new(binary());
    command
        .arg("serve")
        .arg("--config")
        .arg(folder.join("forebay.toml"));
    match (&config.listen, config.verbatim) {
        (Some(address), _) => {
            command.args(["--listen", address]);
        }
        (None, true) => {}
        (None, false) => {
            command.args(["--listen", "127.0.0.1:0"]);
        }
    }
    if !config.verbatim {
        command.args(["--admin", "127.0.0.1:0"]);
    }
    command
        .current_dir(folder)
        .env_remove("RUST_LOG")
        .env("XDG_RUNTIME_DIR", folder)
        .env("FOREBAY_TEST_ADMIN_TOKEN", ADMIN_TOKEN)
        .envs(config.env.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command.spawn().expect("forebay can be run")
}

/// Reads both addresses from its standard output; none if it ends before.
async fn addresses(out: &mut BufReader<ChildStdout>) -> Option<(SocketAddr, SocketAddr)> {
    let (mut addr, mut admin) = (None, None);
    let mut line = String::new();
    while addr.is_none() || admin.is_none() {
        line.clear();
        if out.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        let place = |text: &str| {
            let place = text.trim().trim_end_matches('/');
            place
                .rsplit('/')
                .next()
                .and_then(|place| place.parse().ok())
        };
        if let Some(rest) = line.strip_prefix("forebay listening on ") {
            addr = place(rest);
        } else if let Some(rest) = line.strip_prefix("forebay admin on ") {
            admin = place(rest);
        }
    }
    addr.zip(admin)
}
