//! The admin surface of a running gateway, as the command line asks it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use serde_json::Value;

use crate::admin;
use crate::config::{self, Source};

/// How long the gateway on this machine may take to answer an operator.
const LIMIT: Duration = Duration::from_secs(10);

/// What an admin surface may answer at most: a thousand cache entries are 300 KB.
const MAX_ANSWER: usize = 16 << 20;

/// Which gateway to ask.
#[derive(Debug, clap::Args)]
pub(super) struct Remote {
    /// The gateway's admin address. Default: admin.listen of the configuration.
    #[arg(long, value_name = "IP:PORT")]
    admin: Option<SocketAddr>,
    /// The configuration of the gateway. Default: forebay.toml in the working folder.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// A gateway that can be asked.
pub(super) struct Gateway {
    address: SocketAddr,
    token: String,
}

impl Remote {
    /// Whether a running gateway was named.
    pub(super) fn is_named(&self) -> bool {
        self.admin.is_some()
    }

    /// The configuration's file, where one was named.
    pub(super) fn file(&self) -> Option<&std::path::Path> {
        self.config.as_deref()
    }

    /// Finds the gateway's address and its token: `FOREBAY_ADMIN_TOKEN`, admin.token, or the file that the gateway
    /// wrote at start.
    pub(super) fn gateway(&self) -> anyhow::Result<Gateway> {
        let given = std::env::var("FOREBAY_ADMIN_TOKEN")
            .ok()
            .filter(|token| !token.is_empty());
        // Whoever names both needs no configuration, so none that lies in the working folder is read.
        if let (Some(address), Some(token), None) = (self.admin, &given, &self.config) {
            return Ok(Gateway {
                address: reachable(address),
                token: token.clone(),
            });
        }
        let source = Source::find(self.config.as_deref())?;
        let admin = config::load_parts(&source)?.admin;
        let address = self.admin.unwrap_or(admin.listen);
        if address.port() == 0 {
            bail!(
                "admin.listen has port 0, so the gateway chose a port at start; name it with --admin IP:PORT"
            );
        }
        let token = match (given, &admin.token) {
            (Some(token), _) => token,
            (None, Some(secret)) => {
                config::resolve_secret(secret, &source.base).context("admin.token")?
            }
            (None, None) => token_of(address)?,
        };
        Ok(Gateway {
            address: reachable(address),
            token,
        })
    }
}

/// An address to connect to: a gateway that listens on all addresses is asked on loopback.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    address
}

/// The token that a gateway of this user left in a file at start.
fn token_of(address: SocketAddr) -> anyhow::Result<String> {
    let file = admin::token_file(address);
    match std::fs::read_to_string(&file) {
        Ok(token) => Ok(token.trim().to_owned()),
        Err(why) if why.kind() == std::io::ErrorKind::NotFound => bail!(
            "no gateway of this user is running at {address}: there is no token in {}. For another gateway, \
             set FOREBAY_ADMIN_TOKEN or admin.token",
            file.display()
        ),
        Err(why) => {
            Err(why).with_context(|| format!("the admin token in {} can't be read", file.display()))
        }
    }
}

impl Gateway {
    /// Its admin address.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// `GET path`, as text.
    pub(super) fn get(&self, path: &str) -> anyhow::Result<String> {
        self.ask(http::Method::GET, path, Bytes::new())
    }

    /// `GET path`, as JSON.
    pub(super) fn json(&self, path: &str) -> anyhow::Result<serde_json::Value> {
        let text = self.get(path)?;
        serde_json::from_str(&text).with_context(|| format!("the gateway's {path} is not JSON"))
    }

    /// `POST path`, as text.
    pub(super) fn post(&self, path: &str, body: &serde_json::Value) -> anyhow::Result<String> {
        self.ask(http::Method::POST, path, Bytes::from(body.to_string()))
    }

    /// `POST path` with a body that is sent as it is, as JSON.
    pub(super) fn post_bytes(
        &self,
        path: &str,
        body: Vec<u8>,
    ) -> anyhow::Result<serde_json::Value> {
        let text = self.ask(http::Method::POST, path, Bytes::from(body))?;
        serde_json::from_str(&text).with_context(|| format!("the gateway's {path} is not JSON"))
    }

    fn ask(&self, method: http::Method, path: &str, body: Bytes) -> anyhow::Result<String> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(async {
            tokio::time::timeout(LIMIT, self.exchange(method, path, body))
                .await
                .with_context(|| {
                    format!(
                        "the gateway at {} did not answer within {} s",
                        self.address,
                        LIMIT.as_secs()
                    )
                })?
        })
    }

    async fn exchange(
        &self,
        method: http::Method,
        path: &str,
        body: Bytes,
    ) -> anyhow::Result<String> {
        let stream = tokio::net::TcpStream::connect(self.address)
            .await
            .with_context(|| {
                format!(
                    "no gateway answers at {} (--admin names another address)",
                    self.address
                )
            })?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(hyper_util::rt::TokioIo::new(stream)).await?;
        let foreign = || {
            format!(
                "{} does not answer as a gateway's admin address does",
                self.address
            )
        };
        tokio::spawn(connection);
        let request = http::Request::builder()
            .method(method)
            .uri(path)
            .header(http::header::HOST, self.address.to_string())
            .header(
                http::header::AUTHORIZATION,
                format!("Bearer {}", self.token),
            )
            .header(http::header::CONTENT_TYPE, "application/json")
            .body(Full::new(body))?;
        let response = sender.send_request(request).await.with_context(foreign)?;
        let (head, body) = response.into_parts();
        let body = http_body_util::Limited::new(body, MAX_ANSWER)
            .collect()
            .await
            .map_err(|e| anyhow::anyhow!("{e}"))?
            .to_bytes();
        let text = String::from_utf8_lossy(&body).into_owned();
        if head.status == http::StatusCode::UNAUTHORIZED {
            bail!(
                "the gateway at {} refuses the admin token; set FOREBAY_ADMIN_TOKEN or admin.token to its own",
                self.address
            );
        }
        if !head.status.is_success() {
            // An admin address answers in plain text; the address for clients and other servers do not.
            let kind = head.headers.get(http::header::CONTENT_TYPE);
            let plain = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/plain"));
            anyhow::ensure!(plain, "{} (status {})", foreign(), head.status);
            match head.status.is_client_error() {
                true => bail!("{}", text.trim()),
                false => bail!("{} (status {})", text.trim(), head.status),
            }
        }
        Ok(text)
    }
}

/// Rows under headings, each column as wide as its widest cell.
pub(super) fn table(headings: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows
            .iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count());
        let heading = headings
            .get(column)
            .map_or(0, |heading| heading.chars().count());
        cells.max().unwrap_or(0).max(heading)
    };
    let line = |cells: &[String]| {
        let padded = cells
            .iter()
            .enumerate()
            .map(|(column, cell)| format!("{cell:<width$}", width = width(column)));
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let headings: Vec<String> = headings.iter().map(ToString::to_string).collect();
    std::iter::once(line(&headings))
        .chain(rows.iter().map(|row| line(row)))
        .collect::<Vec<_>>()
        .join("\n")
}

/// A value for people. Control characters are shown as escapes: clients choose the names of models.
pub(super) fn text(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) if text.is_empty() => "-".to_owned(),
        Value::String(text) => text.chars().flat_map(shown).collect(),
        other => other.to_string(),
    }
}

fn shown(c: char) -> Vec<char> {
    if c.is_control() {
        c.escape_default().collect()
    } else {
        vec![c]
    }
}

/// `1 entry` or `7 entries`.
pub(super) fn counted(number: &Value, one: &str, many: &str) -> String {
    let word = if number.as_u64() == Some(1) {
        one
    } else {
        many
    };
    format!("{number} {word}")
}

/// A query's value (RFC 3986, section 2.3): everything but unreserved bytes is escaped.
pub(super) fn encoded(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{encoded, table};

    #[test]
    fn a_query_is_escaped() {
        assert_eq!(encoded("a b&c=ä"), "a%20b%26c%3D%C3%A4");
    }

    #[test]
    fn columns_line_up_and_lines_end_without_blanks() {
        let rows = vec![
            vec!["a".to_owned(), "long".to_owned()],
            vec!["bcd".to_owned(), "x".to_owned()],
        ];
        assert_eq!(table(&["N", "V"], &rows), "N    V\na    long\nbcd  x");
    }
}
