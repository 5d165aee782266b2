//! A configuration for one run: its text, the files and variables it refers to, API keys.

use sha2::{Digest as _, Sha256};

/// The token that administers every gateway under test.
pub const ADMIN_TOKEN: &str = "an-admin-token-for-tests-only";

/// What `forebay serve` is started with.
#[derive(Debug, Clone, Default)]
pub struct Config {
    pub(crate) text: String,
    pub(crate) tables: String,
    pub(crate) files: Vec<(String, Vec<u8>, u32)>,
    pub(crate) env: Vec<(String, String)>,
    pub(crate) listen: Option<String>,
    pub(crate) verbatim: bool,
    policies: String,
}

impl Config {
    /// A configuration of this text. `[admin]` and `[policies]` are added where it has none.
    pub fn new(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            ..Self::default()
        }
    }

    /// Just this text, to see what is said of it.
    pub fn verbatim(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            verbatim: true,
            ..Self::default()
        }
    }

    /// Adds an upstream without health checks, with further lines of its table.
    #[must_use]
    pub fn upstream(mut self, name: &str, url: &str, more: &str) -> Self {
        let health = if more.contains("health_path") {
            ""
        } else {
            "health_path = \"\"\n"
        };
        self.tables +=
            &format!("\n[[upstreams]]\nname = \"{name}\"\nurls = [\"{url}\"]\n{health}{more}\n");
        self
    }

    /// Adds text after everything else, such as `[[tenants]]`.
    #[must_use]
    pub fn table(mut self, text: &str) -> Self {
        self.tables += &format!("\n{text}\n");
        self
    }

    /// A line of `[policies]`.
    #[must_use]
    pub fn policies(mut self, line: &str) -> Self {
        self.policies = format!("{line}\n");
        self
    }

    /// A file beside the configuration that only its owner can read.
    #[must_use]
    pub fn file(mut self, name: &str, content: impl Into<Vec<u8>>) -> Self {
        self.files.push((name.to_owned(), content.into(), 0o600));
        self
    }

    /// An environment variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// `--listen` other than a free port of loopback.
    #[must_use]
    pub fn listen(mut self, address: &str) -> Self {
        self.listen = Some(address.to_owned());
        self
    }

    /// These API keys, and no others.
    #[must_use]
    pub fn keys(self, keys: &[&Key]) -> Self {
        let content: String = keys.iter().map(|key| key.line()).collect();
        self.file("keys.toml", content)
            .table("[keys]\nfile = \"keys.toml\"")
    }

    /// The whole text.
    #[must_use]
    pub fn to_text(&self) -> String {
        if self.verbatim {
            return self.text.clone();
        }
        let missing = |section: &str| {
            let header = format!("[{section}]");
            ![&self.text, &self.tables]
                .iter()
                .any(|text| text.contains(&header))
        };
        let mut more = String::new();
        if missing("admin") {
            more += "\n[admin]\ntoken = \"env:FOREBAY_TEST_ADMIN_TOKEN\"\n";
        }
        if missing("policies") {
            let folder = crate::forebay::compiled();
            let folder = folder.display().to_string();
            more += &format!("\n[policies]\ncache_dir = {folder:?}\n{}", self.policies);
        }
        format!("{}\n{more}{}", self.text, self.tables)
    }
}

impl From<&str> for Config {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

/// An API key as a client has it, and what the keys file says of it.
#[derive(Debug, Clone)]
pub struct Key {
    /// The whole key.
    pub text: String,
    /// The part that may be shown.
    pub id: String,
    /// Its tenant.
    pub tenant: String,
    more: String,
}

impl Key {
    /// A key of a tenant.
    #[must_use]
    pub fn of(tenant: &str) -> Self {
        Self::named(&format!("{tenant}1"), tenant)
    }

    /// A key with an identifier of its own.
    #[must_use]
    pub fn named(id: &str, tenant: &str) -> Self {
        let secret = hex::encode(Sha256::digest(format!("the secret of {id}")));
        Self {
            text: format!("fb-{id}-{secret}"),
            id: id.to_owned(),
            tenant: tenant.to_owned(),
            more: String::new(),
        }
    }

    /// Further lines of its table, such as `tokens_per_minute = 100`.
    #[must_use]
    pub fn with(mut self, line: &str) -> Self {
        self.more += line;
        self.more.push('\n');
        self
    }

    /// Its table in the keys file.
    #[must_use]
    pub fn line(&self) -> String {
        let digest = hex::encode(Sha256::digest(&self.text));
        format!(
            "[[keys]]\nid = \"{}\"\ndigest = \"sha256:{digest}\"\ntenant = \"{}\"\ncreated = \"2026-01-01T00:00:00Z\"\n{}\n",
            self.id, self.tenant, self.more
        )
    }
}
