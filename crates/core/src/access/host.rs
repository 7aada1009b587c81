//! Hosts: told apart by their form, so that every spelling of one is equal. Ports do not count.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use thiserror::Error;

/// A host as it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Host<'a> {
    /// A name, in any case, without its last dot.
    Name(&'a str),
    /// An address.
    Address(IpAddr),
}

impl<'a> Host<'a> {
    /// Reads `name`, `v4` or `[v6]`, each with or without `:port`.
    pub fn parse(text: &'a str) -> Option<Self> {
        if let Some(rest) = text.strip_prefix('[') {
            let (address, port) = rest.split_once(']')?;
            let address: Ipv6Addr = address.parse().ok()?;
            return is_port(port).then_some(Self::Address(address.into()));
        }
        let (name, port) = text.split_at(text.find(':').unwrap_or(text.len()));
        let name = name.strip_suffix('.').unwrap_or(name);
        if !is_port(port) || !is_name(name) {
            return None;
        }
        Some(name.parse::<Ipv4Addr>().map_or(Self::Name(name), |address| Self::Address(address.into())))
    }
}

fn is_name(text: &str) -> bool {
    let sane = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    text.len() <= 253 && text.split('.').all(|label| !label.is_empty() && label.bytes().all(sane))
}

fn is_port(text: &str) -> bool {
    let digits = |port: &str| (1..=5).contains(&port.len()) && port.bytes().all(|b| b.is_ascii_digit());
    text.is_empty() || text.strip_prefix(':').is_some_and(digits)
}

/// Why a text names no hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("is no host")]
pub struct BadHost;

/// Which hosts a rule is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostPattern {
    /// This name, in small letters.
    Name(String),
    /// This address.
    Address(IpAddr),
    /// Every name under this one, at any depth, but not this one itself.
    Under(String),
}

impl HostPattern {
    /// Reads `app.example.com`, `*.example.com` or an address; without a port.
    pub fn parse(text: &str) -> Result<Self, BadHost> {
        let (under, name) = text.strip_prefix("*.").map_or((false, text), |name| (true, name));
        if let Ok(address) = name.parse::<Ipv6Addr>() {
            return if under { Err(BadHost) } else { Ok(Self::Address(address.into())) };
        }
        match Host::parse(name) {
            Some(Host::Address(address)) if !under && !name.contains("]:") && is_bare(name) => {
                Ok(Self::Address(address))
            }
            Some(Host::Name(host)) if is_bare(name) => {
                let host = host.to_ascii_lowercase();
                Ok(if under { Self::Under(host) } else { Self::Name(host) })
            }
            _ => Err(BadHost),
        }
    }

    /// Whether `host` is one of them.
    pub fn matches(&self, host: &Host<'_>) -> bool {
        match (self, host) {
            (Self::Name(name), Host::Name(host)) => name.eq_ignore_ascii_case(host),
            (Self::Address(address), Host::Address(host)) => address == host,
            (Self::Under(name), Host::Name(host)) => {
                let (host, name) = (host.as_bytes(), name.as_bytes());
                host.len() > name.len() + 1
                    && host[host.len() - name.len() - 1] == b'.'
                    && host[host.len() - name.len()..].eq_ignore_ascii_case(name)
            }
            _ => false,
        }
    }
}

/// Without a port: a rule with one would look as if the port counted.
fn is_bare(text: &str) -> bool {
    text.starts_with('[') || !text.contains(':')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_read_in_every_spelling() {
        for text in ["app.example", "App.Example:8443", "app.example.", "app.example.:1"] {
            let pattern = HostPattern::parse("app.EXAMPLE").expect("a host");
            assert!(pattern.matches(&Host::parse(text).expect(text)), "{text}");
        }
        for (pattern, text) in
            [("[::1]", "[0:0::1]:80"), ("::1", "[::1]"), ("127.0.0.1", "127.0.0.1:80"), ("a_b", "A_B")]
        {
            let pattern = HostPattern::parse(pattern).expect(pattern);
            assert!(pattern.matches(&Host::parse(text).expect(text)), "{text}");
        }
    }

    #[test]
    fn a_star_stands_for_every_name_below() {
        let pattern = HostPattern::parse("*.example.com").expect("a pattern");
        for (host, matches) in [
            ("a.example.com", true),
            ("A.B.Example.Com:443", true),
            ("example.com", false),
            ("notexample.com", false),
            ("a.example.com.evil.example", false),
        ] {
            assert_eq!(pattern.matches(&Host::parse(host).expect(host)), matches, "{host}");
        }
    }

    #[test]
    fn what_is_no_host_is_none() {
        for text in [
            "",
            ".",
            "a..b",
            ".a",
            "a..",
            "u@a",
            "a/b",
            "a, b",
            "a b",
            "a:",
            "a:x",
            "a:123456",
            "a:1:2",
            "[::1",
            "[::1]x",
            "::1",
            "a\\b",
            "a#b",
            "a?b",
            "a%2e",
            "b\u{fc}cher.example",
        ] {
            assert_eq!(Host::parse(text), None, "{text:?}");
        }
        for text in
            ["", "*", "*.", "**.a", "a.*", "a:80", "[::1]:80", "*.127.0.0.1", "*.::1", "http://a", "a/b"]
        {
            assert_eq!(HostPattern::parse(text), Err(BadHost), "{text:?}");
        }
    }
}
