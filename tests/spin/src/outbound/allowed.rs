//! `allowed_outbound_hosts`: the addresses that a component may reach, written `SCHEME://HOST[:PORT]`.
//! The syntax is Spin's: `*` for any scheme, host or port, `*.DOMAIN`, an IP network, a port range `1..10`.

use std::net::IpAddr;
use std::ops::Range;

use http::Uri;
use ipnet::IpNet;
use url::Host;

use crate::error::StartError;
use crate::manifest::{Template, Values};

/// What a component may reach. Nothing by default.
#[derive(Debug, Clone, Default)]
pub(crate) struct AllowedHosts(Vec<Allowed>);

#[derive(Debug, Clone)]
struct Allowed {
    /// None: any.
    scheme: Option<String>,
    host: AllowedHost,
    /// None: any.
    ports: Option<Range<u32>>,
}

#[derive(Debug, Clone)]
enum AllowedHost {
    Any,
    /// With its leading dot.
    Under(String),
    Exactly(Host),
    Network(IpNet),
}

/// Where a request wants to go.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Destination {
    scheme: String,
    pub(crate) host: Host,
    port: u16,
}

impl Destination {
    /// The destination of an absolute URL.
    pub(crate) fn of(uri: &Uri) -> Option<Self> {
        let scheme = uri.scheme_str()?.to_ascii_lowercase();
        let port = uri.port_u16().or_else(|| well_known(&scheme))?;
        Some(Self {
            host: Host::parse(uri.host()?).ok()?,
            scheme,
            port,
        })
    }

    /// What to write into the manifest so that it is allowed.
    pub(crate) fn to_allow(&self) -> String {
        let port = if well_known(&self.scheme) == Some(self.port) {
            String::new()
        } else {
            format!(":{}", self.port)
        };
        format!("{}://{}{port}", self.scheme, self.host)
    }
}

impl AllowedHosts {
    /// Resolves a component's list. A template that becomes empty is an optional host that was not given.
    pub(crate) fn resolve(
        place: &str,
        templates: &[Template],
        values: &Values,
    ) -> Result<Self, StartError> {
        let mut all = Vec::new();
        for template in templates {
            let text = template
                .resolve(values)
                .map_err(|why| StartError::invalid(place, why))?;
            let empty = matches!(text.as_str(), "" | "http://" | "https://");
            if empty && !template.is_literal() {
                continue;
            }
            // The text is shown as written: with values in it, it might hold a secret.
            let allowed = Allowed::parse(&text).map_err(|why| {
                StartError::invalid(place, format!("{:?} {why}", template.written()))
            })?;
            all.push(allowed);
        }
        Ok(Self(all))
    }

    /// Whether a request may go there.
    pub(crate) fn allows(&self, destination: &Destination) -> bool {
        self.0.iter().any(|allowed| allowed.allows(destination))
    }
}

impl Allowed {
    fn parse(text: &str) -> Result<Self, String> {
        let Some((scheme, rest)) = text.trim().split_once("://") else {
            return Err("is not SCHEME://HOST[:PORT], such as https://api.example.com".into());
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (host, port) = split_port(rest);
        if matches!(host, "self" | "self.alt") {
            return Err(
                "asks for requests to the app itself, which the stand-in does not support".into(),
            );
        }
        if host.ends_with(".spin.internal") {
            return Err("asks for service chaining, which the stand-in does not support".into());
        }
        let scheme = match scheme {
            "*" => None,
            _ if scheme.chars().all(|c| c.is_ascii_alphabetic()) && !scheme.is_empty() => {
                Some(scheme.to_ascii_lowercase())
            }
            _ => return Err("has a scheme that is neither letters nor *".into()),
        };
        let ports = match port {
            Some("*") => None,
            Some(port) => Some(parse_ports(port)?),
            None => {
                let port = scheme
                    .as_deref()
                    .and_then(well_known)
                    .ok_or("needs a port: its scheme has no usual one")?;
                Some(u32::from(port)..u32::from(port) + 1)
            }
        };
        Ok(Self {
            scheme,
            host: AllowedHost::parse(host)?,
            ports,
        })
    }

    fn allows(&self, to: &Destination) -> bool {
        self.scheme
            .as_ref()
            .is_none_or(|scheme| *scheme == to.scheme)
            && self
                .ports
                .as_ref()
                .is_none_or(|ports| ports.contains(&u32::from(to.port)))
            && self.host.allows(&to.host)
    }
}

/// The host and what follows its last colon, unless that colon is inside brackets.
fn split_port(text: &str) -> (&str, Option<&str>) {
    match text.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (text, None),
    }
}

fn parse_ports(text: &str) -> Result<Range<u32>, String> {
    let number = |text: &str| {
        text.parse::<u16>()
            .map(u32::from)
            .map_err(|_| format!("has {text:?} where a port is expected"))
    };
    Ok(match text.split_once("..") {
        Some((first, end)) => number(first)?..number(end)?,
        None => number(text)?..number(text)? + 1,
    })
}

impl AllowedHost {
    fn parse(text: &str) -> Result<Self, String> {
        if text == "*" {
            return Ok(Self::Any);
        }
        if let Ok(network) = text.parse::<IpNet>() {
            return Ok(Self::Network(network));
        }
        if text.contains(['/', '{', '}']) {
            return Err("has a path or a list, where only a host may be".into());
        }
        if let Some(domain) = text.strip_prefix("*.") {
            return match Host::parse(domain) {
                Ok(Host::Domain(domain)) => Ok(Self::Under(format!(".{domain}"))),
                _ => Err("has no domain behind *.".into()),
            };
        }
        if text.contains('*') {
            return Err("has a * that is not a whole first label".into());
        }
        Host::parse(text)
            .map(Self::Exactly)
            .map_err(|error| format!("has no valid host: {error}"))
    }

    fn allows(&self, host: &Host) -> bool {
        match (self, host) {
            (Self::Any, _) => true,
            (Self::Exactly(allowed), host) => allowed == host,
            (Self::Under(suffix), Host::Domain(domain)) => domain.ends_with(suffix.as_str()),
            (Self::Network(network), Host::Ipv4(ip)) => network.contains(&IpAddr::V4(*ip)),
            (Self::Network(network), Host::Ipv6(ip)) => network.contains(&IpAddr::V6(*ip)),
            (Self::Under(_) | Self::Network(_), _) => false,
        }
    }
}

fn well_known(scheme: &str) -> Option<u16> {
    match scheme {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(allowed: &str, url: &str) -> bool {
        let to = Destination::of(&url.parse().unwrap()).unwrap();
        Allowed::parse(allowed).unwrap().allows(&to)
    }

    #[test]
    fn scheme_host_and_port_must_all_fit() {
        for (allowed, url, fits) in [
            (
                "https://api.example.com",
                "https://api.example.com/v1",
                true,
            ),
            (
                "https://api.example.com/",
                "https://API.example.com:443/",
                true,
            ),
            ("https://api.example.com", "http://api.example.com/", false),
            (
                "https://api.example.com",
                "https://api.example.com:8443/",
                false,
            ),
            (
                "https://api.example.com",
                "https://api.example.com.evil.org/",
                false,
            ),
            (
                "http://127.0.0.1:8000..8010",
                "http://127.0.0.1:8009/",
                true,
            ),
            (
                "http://127.0.0.1:8000..8010",
                "http://127.0.0.1:8010/",
                false,
            ),
            ("*://*.example.com:*", "http://a.b.example.com:9/", true),
            ("*://*.example.com:*", "http://example.com:9/", false),
            ("*://*:*", "https://anything.at.all/", true),
            ("http://10.0.0.0/8:80", "http://10.2.3.4/", true),
            ("http://10.0.0.0/8:80", "http://11.2.3.4/", false),
            ("http://[::1]:80", "http://[::1]/", true),
            // Another way to write 127.0.0.1 is 127.0.0.1.
            ("http://127.0.0.1", "http://0x7f.1/", true),
            ("http://10.0.0.0/8:80", "http://0x7f.1/", false),
        ] {
            assert_eq!(allows(allowed, url), fits, "{allowed} for {url}");
        }
    }

    #[test]
    fn what_is_no_host_is_refused_with_its_reason() {
        for (text, why) in [
            ("api.example.com", "SCHEME://"),
            ("https://api.example.com/v1", "path"),
            ("https://a*b.com", "first label"),
            ("http://self", "does not support"),
            ("http://cache.spin.internal", "service chaining"),
            ("ftp://a", "port"),
            ("http://a:b", "port"),
        ] {
            let error = Allowed::parse(text).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
    }

    #[test]
    fn a_refusal_says_what_would_allow_it() {
        let to = Destination::of(&"http://example.com:8080/path?secret".parse().unwrap());
        assert_eq!(to.unwrap().to_allow(), "http://example.com:8080");
    }
}
