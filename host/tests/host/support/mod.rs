//! What the tests need around a host: policies without wasmtime, a configuration in a folder of its
//! own, plain clients, and an upstream that does as it is told.

pub(crate) mod client;
pub(crate) mod open_policies;
pub(crate) mod upstream;

use std::path::{Path, PathBuf};

use forebay_host::config::Overrides;
use forebay_host::operate::{Options, Running, start};
use open_policies::OpenLoader;

/// A folder that goes with its test.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        let path =
            std::env::temp_dir().join(format!("forebay-test-{:016x}", rand::random::<u64>()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The admin token of every host here.
pub(crate) const TOKEN: &str = "a token of more than sixteen bytes";

/// A host on free ports.
pub(crate) struct Host {
    pub(crate) running: Running<OpenLoader>,
    pub(crate) folder: Folder,
}

impl Host {
    /// With this configuration, to which free ports and the admin token are added.
    pub(crate) async fn start(text: &str) -> Self {
        let folder = Folder::new();
        Self::start_in(folder, text).await
    }

    pub(crate) async fn start_in(folder: Folder, text: &str) -> Self {
        folder.write("token", TOKEN);
        let file = folder.write("forebay.toml", &complete(text));
        let running = start(
            Options {
                file: Some(file),
                overrides: Overrides::default(),
            },
            OpenLoader,
        )
        .await
        .unwrap();
        Self { running, folder }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.running.address)
    }

    pub(crate) fn admin(&self, path: &str) -> String {
        format!("http://{}{path}", self.running.admin)
    }

    /// Writes a new configuration and reloads.
    pub(crate) async fn reload(&self, text: &str) -> Result<(), String> {
        self.folder.write("forebay.toml", &complete(text));
        self.running.reload().await.map_err(|e| e.to_string())
    }
}

fn complete(text: &str) -> String {
    let server = if text.contains("[server]") {
        ""
    } else {
        "[server]\nlisten = \"127.0.0.1:0\"\n"
    };
    format!("{server}{text}\n[admin]\nlisten = \"127.0.0.1:0\"\ntoken = \"file:token\"\n")
}

/// An `[[upstreams]]` section for this URL.
pub(crate) fn upstream_section(url: &str) -> String {
    format!("\n[[upstreams]]\nname = \"test\"\nurls = [\"{url}\"]\nhealth_path = \"\"\n")
}

/// A chat request for this model, streamed or not.
pub(crate) fn chat(text: &str, stream: bool) -> String {
    format!(
        r#"{{"model":"m","stream":{stream},"temperature":0,"messages":[{{"role":"user","content":"{text}"}}]}}"#
    )
}
