//! The runtime configuration file: the part of Spin's that this host has.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::error::StartError;

/// What a runtime configuration file says.
#[derive(Debug, Default)]
pub(crate) struct RuntimeConfig {
    pub(crate) key_value_stores: BTreeMap<String, StoreConfig>,
    pub(crate) outbound_http: OutboundHttp,
    pub(crate) client_tls: Vec<ClientTls>,
}

/// `[key_value_store.LABEL]`.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", deny_unknown_fields, rename_all = "snake_case")]
pub(crate) enum StoreConfig {
    /// Spin keeps this one in SQLite; here it lives in memory and is lost at exit.
    Spin {
        /// Where Spin would keep it.
        #[serde(rename = "path")]
        _path: Option<PathBuf>,
    },
    /// A Redis server, keys as they are.
    Redis {
        /// `redis://[user:password@]host[:port][/database]`: may hold a password, never printed.
        url: String,
    },
}

/// `[outbound_http]`.
#[derive(Debug)]
pub(crate) struct OutboundHttp {
    /// Whether connections are kept for the next request. Default: they are.
    pub(crate) pooling: bool,
    /// Requests at the same time. Default: no limit but the server's own on incoming requests.
    pub(crate) limit: Option<usize>,
}

impl Default for OutboundHttp {
    fn default() -> Self {
        Self {
            pooling: true,
            limit: None,
        }
    }
}

/// `[[client_tls]]`: whom components trust.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ClientTls {
    pub(crate) component_ids: Vec<String>,
    pub(crate) hosts: Vec<String>,
    /// A PEM file with certificates of authorities.
    pub(crate) ca_roots_file: Option<PathBuf>,
    /// Whether Mozilla's authorities are trusted as well. Default: unless a file is given.
    pub(crate) ca_webpki_roots: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(default)]
    key_value_store: BTreeMap<String, StoreConfig>,
    outbound_http: Option<RawOutboundHttp>,
    #[serde(default)]
    client_tls: Vec<ClientTls>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawOutboundHttp {
    connection_pooling: Option<bool>,
    max_connections: Option<usize>,
    max_concurrent_requests: Option<usize>,
}

impl RuntimeConfig {
    /// Reads a file. Paths in it are relative to its folder.
    pub(crate) fn load(file: &Path) -> Result<Self, StartError> {
        let text = std::fs::read_to_string(file).map_err(|why| StartError::Read {
            what: "the runtime configuration".into(),
            path: file.to_owned(),
            why,
        })?;
        let document: Document = toml::from_str(&text).map_err(|error| StartError::Syntax {
            what: "runtime configuration",
            path: file.to_owned(),
            // The message alone: the line shown beside it might hold a password.
            detail: match error.span() {
                Some(span) => format!("line {}: {}", line_of(&text, span.start), error.message()),
                None => error.message().to_owned(),
            },
        })?;
        let folder = file.parent().unwrap_or(Path::new(""));
        let mut client_tls = document.client_tls;
        for tls in &mut client_tls {
            tls.ca_roots_file = tls.ca_roots_file.take().map(|path| folder.join(path));
        }
        Ok(Self {
            key_value_stores: document.key_value_store,
            outbound_http: document
                .outbound_http
                .map_or(Ok(OutboundHttp::default()), RawOutboundHttp::check)?,
            client_tls,
        })
    }
}

fn line_of(text: &str, offset: usize) -> usize {
    text.bytes()
        .take(offset)
        .filter(|byte| *byte == b'\n')
        .count()
        + 1
}

impl RawOutboundHttp {
    /// Spin takes `connection_pooling` for false as soon as there is an `[outbound_http]` table, so a
    /// table with nothing but a limit makes a new connection for every request. Said, not repeated.
    fn check(self) -> Result<OutboundHttp, StartError> {
        const PLACE: &str = "[outbound_http]";
        let Some(pooling) = self.connection_pooling else {
            return Err(StartError::invalid(
                PLACE,
                "connection_pooling is not written down, and Spin then turns pooling off, which opens \
                 a connection for every request; write connection_pooling = true (or false)",
            ));
        };
        let limit = match (self.max_connections, self.max_concurrent_requests) {
            (Some(_), Some(_)) => {
                return Err(StartError::invalid(
                    PLACE,
                    "max_connections and max_concurrent_requests are the same limit; write one",
                ));
            }
            (limit, None) | (None, limit) => limit,
        };
        if limit == Some(0) {
            return Err(StartError::invalid(
                PLACE,
                "a limit of 0 allows no request; leave allowed_outbound_hosts empty instead",
            ));
        }
        Ok(OutboundHttp { pooling, limit })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str) -> Result<RuntimeConfig, String> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("runtime.toml");
        std::fs::write(&file, text).unwrap();
        RuntimeConfig::load(&file).map_err(|error| error.to_string())
    }

    #[test]
    fn a_limit_without_pooling_written_down_is_refused() {
        for limit in ["max_connections", "max_concurrent_requests"] {
            let error = load(&format!("[outbound_http]\n{limit} = 64\n")).unwrap_err();
            assert!(error.contains("connection_pooling = true"), "{error}");
        }
        let config = load("[outbound_http]\nconnection_pooling = true\nmax_connections = 64\n");
        let outbound = config.unwrap().outbound_http;
        assert!(outbound.pooling);
        assert_eq!(outbound.limit, Some(64));
        assert!(load("").unwrap().outbound_http.pooling);
    }

    #[test]
    fn a_mistake_is_named_with_its_line_and_without_passwords() {
        let error = load(
            "[key_value_store.default]\ntype = \"redis\"\nurl = \"redis://:hush@host\"\nport = 1\n",
        )
        .unwrap_err();
        assert!(error.contains("port"), "{error}");
        assert!(error.contains("line "), "{error}");
        assert!(!error.contains("hush"), "{error}");
    }

    #[test]
    fn stores_of_other_kinds_are_refused() {
        let error = load("[key_value_store.default]\ntype = \"azure_cosmos\"\n").unwrap_err();
        assert!(error.contains("azure_cosmos"), "{error}");
    }
}
