//! Fetches media that a prompt names by URL: only from hosts on the list, only from public
//! addresses (or networks on the other list), no redirects, within bounds.

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use base64::Engine as _;
use bytes::{Bytes, BytesMut};
use forebay_dialect::exchange::Fetched;
use forebay_gateway::config::MediaConfig;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http_body_util::{BodyExt as _, Empty};
use hyper_rustls::{ConfigBuilderExt as _, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::rt::TokioExecutor;
use ipnet::IpNet;
use tower_service::Service;

/// Address ranges that belong to nobody in public: RFC 6890 and its updates.
const SPECIAL: [&str; 22] = [
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/3",
    "::/96",
    "::ffff:0:0/96",
    "64:ff9b::/32",
    "100::/64",
    "2001::/23",
    "2001:db8::/32",
    "2002::/16",
    "fc00::/7",
    "fe80::/9",
];

/// Which addresses may be asked.
#[derive(Debug, Clone)]
pub(super) struct Addresses {
    allowed: Arc<Vec<IpNet>>,
    special: Arc<Vec<IpNet>>,
}

impl Addresses {
    fn new(networks: &[String]) -> Result<Self, String> {
        let parse = |text: &str| {
            text.parse::<IpNet>().map_err(|_| {
                format!(
                    "\"{text}\" (media.networks) is not a network; write one such as 10.0.0.0/8"
                )
            })
        };
        let allowed: Result<Vec<_>, _> = networks.iter().map(|text| parse(text)).collect();
        let special: Result<Vec<_>, _> = SPECIAL.iter().map(|text| parse(text)).collect();
        Ok(Self {
            allowed: Arc::new(allowed?),
            special: Arc::new(special?),
        })
    }

    fn allow(&self, address: IpAddr) -> bool {
        let among = |list: &[IpNet]| list.iter().any(|network| network.contains(&address));
        let multicast = matches!(address, IpAddr::V6(v6) if v6.is_multicast());
        among(&self.allowed) || !(multicast || among(&self.special))
    }
}

/// Names are resolved, and every address is judged before any is asked.
#[derive(Debug, Clone)]
struct Resolver(Addresses);

impl Service<Name> for Resolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = std::io::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, std::io::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let addresses = self.0.clone();
        Box::pin(async move {
            let found: Vec<SocketAddr> =
                tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            if found.iter().all(|address| addresses.allow(address.ip())) {
                Ok(found.into_iter())
            } else {
                Err(std::io::Error::other(
                    "its host name resolves to an address that is not public (media.networks)",
                ))
            }
        })
    }
}

/// Whether the list has this host.
fn is_listed(host: &str, hosts: &[String]) -> bool {
    let host = host.to_ascii_lowercase();
    hosts.iter().any(|listed| {
        let listed = listed.to_ascii_lowercase();
        match listed.strip_prefix("*.") {
            Some(parent) => host
                .strip_suffix(parent)
                .is_some_and(|rest| rest.ends_with('.') && rest.len() > 1),
            None => host == listed,
        }
    })
}

/// Fetches one medium.
pub(super) async fn fetch(url: String, rules: MediaConfig) -> Result<Fetched, String> {
    let uri: http::Uri = url
        .parse()
        .map_err(|_| "its URL can't be read".to_owned())?;
    let host = uri.host().unwrap_or_default().to_owned();
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        return Err("its URL is neither http nor https".to_owned());
    }
    if !is_listed(&host, &rules.hosts) {
        return Err("its host is not in media.hosts".to_owned());
    }
    let addresses = Addresses::new(&rules.networks)?;
    let literal = host.trim_matches(['[', ']']).parse::<IpAddr>();
    if literal.is_ok_and(|address| !addresses.allow(address)) {
        return Err("its address is not public (media.networks)".to_owned());
    }
    let response = client(addresses)?
        .get(uri)
        .await
        .map_err(|e| format!("its host could not be reached: {}", root_cause(&e)))?;
    let status = response.status();
    if status.is_redirection() {
        return Err(format!(
            "its host answered with a redirect ({}), and none is followed",
            status.as_u16()
        ));
    }
    if !status.is_success() {
        return Err(format!("its host answered {}", status.as_u16()));
    }
    let too_large = || {
        format!(
            "it is over the limit of {} bytes (media.max_bytes)",
            rules.max_bytes
        )
    };
    let told = response
        .headers()
        .get(CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if told.is_some_and(|length| length > rules.max_bytes) {
        return Err(too_large());
    }
    let media_type = response
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .map(|value| {
            value
                .split(';')
                .next()
                .unwrap_or_default()
                .trim()
                .to_ascii_lowercase()
        })
        .filter(|value| !value.is_empty())
        .ok_or("its host does not say what it is (content-type)")?;
    let mut body = response.into_body();
    let mut bytes = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| "its host closed the connection early".to_owned())?;
        if let Some(data) = frame.data_ref() {
            bytes.extend_from_slice(data);
        }
        if bytes.len() > rules.max_bytes {
            return Err(too_large());
        }
    }
    Ok(Fetched {
        url,
        media_type,
        base64: base64::engine::general_purpose::STANDARD.encode(&bytes),
    })
}

type MediaClient = Client<hyper_rustls::HttpsConnector<HttpConnector<Resolver>>, Empty<Bytes>>;

/// A client of its own for each medium: no connection outlives the judgement of its address.
fn client(addresses: Addresses) -> Result<MediaClient, String> {
    let mut tcp = HttpConnector::new_with_resolver(Resolver(addresses));
    tcp.enforce_http(false);
    tcp.set_connect_timeout(Some(Duration::from_secs(3)));
    let tls = rustls::ClientConfig::builder_with_provider(Arc::new(
        rustls::crypto::ring::default_provider(),
    ))
    .with_safe_default_protocol_versions()
    .map_err(|e| e.to_string())?
    .with_webpki_roots()
    .with_no_client_auth();
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_or_http()
        .enable_http1()
        .wrap_connector(tcp);
    Ok(Client::builder(TokioExecutor::new()).build(connector))
}

fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_addresses_are_asked_unless_a_network_is_listed() {
        let addresses = Addresses::new(&["10.2.0.0/16".to_owned()]).unwrap();
        for public in ["1.1.1.1", "8.8.8.8", "2606:4700::1111", "10.2.3.4"] {
            assert!(addresses.allow(public.parse().unwrap()), "{public}");
        }
        for private in [
            "127.0.0.1",
            "10.3.0.1",
            "169.254.169.254",
            "192.168.1.1",
            "100.64.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "0.0.0.0",
            "::1",
            "::",
            "::ffff:127.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "fd00::1",
            "fe80::1",
            "ff02::1",
        ] {
            assert!(!addresses.allow(private.parse().unwrap()), "{private}");
        }
    }

    #[test]
    fn a_host_is_listed_by_its_whole_name() {
        let hosts = ["cdn.example.org".to_owned(), "*.example.com".to_owned()];
        for listed in [
            "cdn.example.org",
            "CDN.example.org",
            "a.example.com",
            "a.b.example.com",
        ] {
            assert!(is_listed(listed, &hosts), "{listed}");
        }
        for other in [
            "example.org",
            "evilcdn.example.org",
            "example.com",
            "evilexample.com",
            "",
        ] {
            assert!(!is_listed(other, &hosts), "{other}");
        }
    }
}
