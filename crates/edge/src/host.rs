//! Which names this server answers for. Any other is 421: a page of an attacker whose name was pointed at us
//! (DNS rebinding), or a proxy that is set up wrong.
//!
//! Only the host is compared, never the port: behind port forwarding and proxies it is rarely ours.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use http::header::HOST;
use http::{HeaderMap, Uri};
use url::Url;

use crate::code::Code;
use crate::problem::Problem;

/// Why a request is not for us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HostRefusal {
    /// No host, several, contradictory ones, or one that cannot be read (RFC 9112 section 3.2): 400.
    #[error("the request names no host, several, or one that cannot be read")]
    Malformed,
    /// Well-formed, but not ours: 421 (RFC 9110 section 15.5.20).
    #[error("the request is for another host")]
    Misdirected,
}

impl From<HostRefusal> for Problem {
    fn from(refusal: HostRefusal) -> Self {
        match refusal {
            HostRefusal::Malformed => {
                Self::new(Code::MalformedRequest).detail("Send exactly one well-formed `Host` header.")
            }
            HostRefusal::Misdirected => Self::new(Code::MisdirectedRequest),
        }
    }
}

/// Why an entry of `server.hosts` or the public URL cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a host; write a name or address such as auth.example.com, without scheme, path or `*`")]
pub struct BadHost(pub String);

/// A host, told apart by its form so that every spelling of one address is equal.
#[derive(Debug, Clone, Copy)]
enum Host<'a> {
    Name(&'a str),
    Address(IpAddr),
}

impl<'a> Host<'a> {
    /// Reads `name`, `v4` or `[v6]`, each with or without `:port`.
    fn parse(text: &'a str) -> Option<Self> {
        if let Some(rest) = text.strip_prefix('[') {
            let (address, port) = rest.split_once(']')?;
            let address: Ipv6Addr = address.parse().ok()?;
            return is_port(port).then_some(Self::Address(address.into()));
        }
        let end = text.find(':').unwrap_or(text.len());
        let (host, port) = text.split_at(end);
        let host = host.strip_suffix('.').unwrap_or(host);
        let sane = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
        if host.is_empty() || host.len() > 253 || !host.bytes().all(sane) || !is_port(port) {
            return None;
        }
        Some(host.parse::<Ipv4Addr>().map_or(Self::Name(host), |address| Self::Address(address.into())))
    }

    fn is_loopback(self) -> bool {
        match self {
            Self::Name(name) => name.eq_ignore_ascii_case("localhost"),
            Self::Address(address) => address.is_loopback(),
        }
    }

    fn matches(self, other: Self) -> bool {
        match (self, other) {
            (Self::Name(a), Self::Name(b)) => a.eq_ignore_ascii_case(b),
            (Self::Address(a), Self::Address(b)) => a == b,
            _ => false,
        }
    }
}

/// What may follow the host: nothing, or a colon and up to five digits.
fn is_port(text: &str) -> bool {
    text.is_empty()
        || text.strip_prefix(':').is_some_and(|p| p.len() <= 5 && p.bytes().all(|b| b.is_ascii_digit()))
}

/// Whether a URL names this very machine: then plain http is fine and every loopback name is ours.
pub fn is_loopback(url: &Url) -> bool {
    url.host_str().and_then(Host::parse).is_some_and(Host::is_loopback)
}

/// The hosts this server answers for.
#[derive(Debug, Clone)]
pub struct AllowedHosts {
    /// Each was parsed once, so that it will parse again.
    hosts: Vec<String>,
    loopback: bool,
}

impl AllowedHosts {
    /// The public URL's host and those of `server.hosts`; all loopback names, too, while the public URL is one.
    ///
    /// # Errors
    /// An entry is no host; the text names it.
    pub fn new<S: AsRef<str>>(public_url: &Url, hosts: &[S]) -> Result<Self, BadHost> {
        let own = public_url.host_str().ok_or_else(|| BadHost(public_url.to_string()))?;
        let hosts = std::iter::once(own).chain(hosts.iter().map(AsRef::as_ref)).map(normalise);
        Ok(Self { hosts: hosts.collect::<Result<_, _>>()?, loopback: is_loopback(public_url) })
    }

    /// Checks the authority of the request target (absolute form, or `:authority` of HTTP/2) and the `Host`
    /// header: at least one must be there, and what is there must name one host, and one of ours.
    ///
    /// # Errors
    /// [`HostRefusal`]; a [`Problem`] can be made of it.
    pub fn check(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), HostRefusal> {
        let host = requested_host(uri, headers).ok_or(HostRefusal::Malformed)?;
        let ours = (self.loopback && host.is_loopback())
            || self.hosts.iter().filter_map(|ours| Host::parse(ours)).any(|ours| ours.matches(host));
        if ours { Ok(()) } else { Err(HostRefusal::Misdirected) }
    }
}

fn normalise(text: &str) -> Result<String, BadHost> {
    let text = text.trim();
    // An IPv6 address in configuration may stand without brackets.
    if let Ok(address) = text.parse::<Ipv6Addr>() {
        return Ok(format!("[{address}]"));
    }
    Host::parse(text).map(|_| text.to_owned()).ok_or_else(|| BadHost(text.to_owned()))
}

fn requested_host<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> Option<Host<'a>> {
    let mut lines = headers.get_all(HOST).iter();
    let header = match (lines.next(), lines.next()) {
        (None, _) => None,
        (Some(line), None) => Some(Host::parse(line.to_str().ok()?)?),
        (Some(_), Some(_)) => return None,
    };
    let target = match uri.authority() {
        None => None,
        Some(authority) => Some(Host::parse(authority.as_str())?),
    };
    match (target, header) {
        // A proxy and we must not see two different hosts (RFC 9113 section 8.3.1).
        (Some(target), Some(header)) => target.matches(header).then_some(target),
        (target, header) => target.or(header),
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn hosts(public_url: &str, more: &[&str]) -> AllowedHosts {
        AllowedHosts::new(&Url::parse(public_url).expect("a URL"), more).expect("hosts")
    }

    fn check(hosts: &AllowedHosts, target: &str, lines: &[&str]) -> Result<(), HostRefusal> {
        let line = |line: &&str| (HOST, HeaderValue::from_bytes(line.as_bytes()).expect("a value"));
        hosts.check(&target.parse().expect("a target"), &lines.iter().map(line).collect())
    }

    #[test]
    fn our_names_pass_in_any_case_and_with_any_port() {
        let hosts =
            hosts("https://auth.example.com", &["login.example.org:9000", "2001:db8::1", "192.0.2.1"]);
        for host in [
            "auth.example.com",
            "AUTH.example.com:443",
            "auth.example.com.",
            "login.example.org",
            "[2001:DB8:0::1]:8400",
            "192.0.2.1:80",
        ] {
            assert_eq!(check(&hosts, "/", &[host]), Ok(()), "{host}");
        }
    }

    #[test]
    fn other_names_are_misdirected() {
        let hosts = hosts("https://auth.example.com", &[]);
        for host in [
            "evil.example",
            "auth.example.com.evil.example",
            "localhost",
            "127.0.0.1",
            "[::1]",
            "example.com",
        ] {
            assert_eq!(check(&hosts, "/", &[host]), Err(HostRefusal::Misdirected), "{host}");
        }
    }

    #[test]
    fn loopback_names_count_while_the_public_url_is_one() {
        let hosts = hosts("http://localhost:8400", &[]);
        for host in ["localhost:8400", "LOCALHOST", "127.0.0.1:1", "127.9.9.9", "[::1]:8400"] {
            assert_eq!(check(&hosts, "/", &[host]), Ok(()), "{host}");
        }
        for host in ["rebound.example:8400", "192.168.0.1", "localhost.evil.example", "0.0.0.0"] {
            assert_eq!(check(&hosts, "/", &[host]), Err(HostRefusal::Misdirected), "{host}");
        }
    }

    #[test]
    fn missing_double_and_unreadable_hosts_are_malformed() {
        let hosts = hosts("http://localhost:8400", &[]);
        let two = ["localhost", "localhost"];
        for lines in [
            &[][..],
            &two,
            &[""],
            &["user@localhost"],
            &["localhost/x"],
            &["localhost:http"],
            &["[::1"],
            &["\u{fc}"],
        ] {
            assert_eq!(check(&hosts, "/", lines), Err(HostRefusal::Malformed), "{lines:?}");
        }
    }

    #[test]
    fn the_authority_of_the_target_counts_and_may_not_contradict() {
        let hosts = hosts("https://auth.example.com", &["other.example.com"]);
        assert_eq!(check(&hosts, "https://auth.example.com/x", &[]), Ok(()));
        assert_eq!(check(&hosts, "https://evil.example/x", &[]), Err(HostRefusal::Misdirected));
        assert_eq!(check(&hosts, "https://auth.example.com/", &["Auth.example.com:443"]), Ok(()));
        let contradiction = check(&hosts, "https://auth.example.com/", &["other.example.com"]);
        assert_eq!(contradiction, Err(HostRefusal::Malformed));
    }

    #[test]
    fn entries_that_are_no_hosts_are_named() {
        let url = Url::parse("http://localhost").expect("a URL");
        for entry in ["https://a.example", "*.example.com", "", "a/b", "a b"] {
            assert_eq!(AllowedHosts::new(&url, &[entry]).expect_err(entry), BadHost(entry.to_owned()));
        }
    }
}
