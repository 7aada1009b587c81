//! Who is calling, when proxies stand in between.
//!
//! The peer's address counts, unless the peer is a trusted proxy: then the entries of **one** named header are
//! walked from the right, each hop vouched for by the trusted one before it, up to the first that is not
//! trusted. What stands left of that is the client's own invention and is never read; so is every other
//! family of headers.

use std::net::{IpAddr, SocketAddr};

use http::header::FORWARDED;
use http::{HeaderMap, HeaderName};

use crate::proxies::TrustedProxies;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// What was found out about the caller's address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientAddress {
    /// The address to log and to count by; IPv4-mapped IPv6 is unmapped.
    pub address: IpAddr,
    /// A forwarding header came from a peer that is not trusted: either someone is trying, or a proxy is
    /// missing from `server.trusted_proxies`. `doctor` and the start-up warning tell.
    pub forwarded_untrusted: bool,
}

/// Why a header name cannot be used as `server.client_address_header`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadAddressHeader {
    /// Not a header name at all.
    #[error("`{0}` is not a header name; write for example X-Forwarded-For")]
    NotAName(String),
    /// RFC 7239 has its own syntax, which we do not read.
    #[error("`Forwarded` is not read; let the proxy send X-Forwarded-For, or name its header")]
    Forwarded,
}

/// How to find the client's address.
#[derive(Debug, Clone)]
pub struct ClientAddressRule {
    proxies: TrustedProxies,
    header: HeaderName,
}

impl ClientAddressRule {
    /// Believes `proxies` about the header named `header` and nobody about anything else.
    ///
    /// # Errors
    /// The name is no header name, or is `Forwarded`.
    pub fn new(proxies: TrustedProxies, header: &str) -> Result<Self, BadAddressHeader> {
        let header: HeaderName =
            header.trim().parse().map_err(|_| BadAddressHeader::NotAName(header.to_owned()))?;
        if header == FORWARDED {
            return Err(BadAddressHeader::Forwarded);
        }
        Ok(Self { proxies, header })
    }

    /// The client's address for a request from `peer`.
    pub fn resolve(&self, peer: IpAddr, headers: &HeaderMap) -> ClientAddress {
        let peer = peer.to_canonical();
        if !self.proxies.contains(peer) {
            let forwarded_untrusted =
                [&self.header, &X_FORWARDED_FOR, &FORWARDED].iter().any(|name| headers.contains_key(*name));
            return ClientAddress { address: peer, forwarded_untrusted };
        }
        ClientAddress { address: self.walk(peer, headers), forwarded_untrusted: false }
    }

    fn walk(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let lines = headers.get_all(&self.header).iter().rev();
        let entries = lines.flat_map(|line| line.as_bytes().rsplit(|b| *b == b','));
        let mut vouched = peer;
        // Empty elements of a list are skipped (RFC 9110 section 5.6.1.2).
        for entry in entries.map(<[u8]>::trim_ascii).filter(|entry| !entry.is_empty()) {
            // Garbage: the last hop that someone trusted named stands.
            let Some(address) = parse_entry(entry) else { return vouched };
            vouched = address;
            if !self.proxies.contains(address) {
                return address;
            }
        }
        vouched
    }
}

/// `ip`, `ip:port`, `[v6]` or `[v6]:port`.
fn parse_entry(entry: &[u8]) -> Option<IpAddr> {
    let entry = std::str::from_utf8(entry).ok()?;
    let bracketed = || entry.strip_prefix('[')?.strip_suffix(']')?.parse().ok().map(IpAddr::V6);
    let address = entry
        .parse()
        .ok()
        .or_else(|| entry.parse().ok().map(|address: SocketAddr| address.ip()))
        .or_else(bracketed)?;
    Some(address.to_canonical())
}

/// The key rate limits count an address by: the IPv4 address itself, or the /64 of an IPv6 address, which is
/// what one subscriber has. The first byte tells the kinds apart.
pub fn block_64(address: IpAddr) -> [u8; 9] {
    match address.to_canonical() {
        IpAddr::V4(address) => key(4, &address.octets()),
        IpAddr::V6(address) => key(64, &address.octets()[..8]),
    }
}

/// The key of the wider limit: the /48 of an IPv6 address, which is what one site has. IPv4 has none.
pub fn block_48(address: IpAddr) -> Option<[u8; 9]> {
    match address.to_canonical() {
        IpAddr::V4(_) => None,
        IpAddr::V6(address) => Some(key(48, &address.octets()[..6])),
    }
}

fn key(kind: u8, bytes: &[u8]) -> [u8; 9] {
    let mut key = [0; 9];
    key[0] = kind;
    key[1..=bytes.len()].copy_from_slice(bytes);
    key
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    const PROXY: &str = "10.0.0.1";

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    fn rule() -> ClientAddressRule {
        let proxies = TrustedProxies::parse(["10.0.0.0/8", "fd00::/8"]).expect("networks");
        ClientAddressRule::new(proxies, "X-Forwarded-For").expect("a header name")
    }

    fn headers(lines: &[&str]) -> HeaderMap {
        let value =
            |line: &&str| (X_FORWARDED_FOR, HeaderValue::from_bytes(line.as_bytes()).expect("a value"));
        lines.iter().map(value).collect()
    }

    fn resolve(peer: &str, lines: &[&str]) -> String {
        rule().resolve(ip(peer), &headers(lines)).address.to_string()
    }

    #[test]
    fn the_header_of_a_stranger_is_not_read_but_told() {
        let found = rule().resolve(ip("203.0.113.9"), &headers(&["192.0.2.1"]));
        assert_eq!(found, ClientAddress { address: ip("203.0.113.9"), forwarded_untrusted: true });
        let found = rule().resolve(ip("203.0.113.9"), &HeaderMap::new());
        assert!(!found.forwarded_untrusted);
    }

    #[test]
    fn the_right_most_untrusted_entry_counts() {
        assert_eq!(resolve(PROXY, &["192.0.2.1"]), "192.0.2.1");
        assert_eq!(resolve(PROXY, &["6.6.6.6, 192.0.2.1"]), "192.0.2.1");
        assert_eq!(resolve(PROXY, &["6.6.6.6, 192.0.2.1, 10.2.2.2"]), "192.0.2.1");
        assert_eq!(resolve("fd00::1", &["2001:db8::1,fd00::2"]), "2001:db8::1");
    }

    #[test]
    fn several_lines_are_one_list() {
        assert_eq!(resolve(PROXY, &["6.6.6.6", "192.0.2.1, 10.1.1.1", "10.2.2.2"]), "192.0.2.1");
    }

    #[test]
    fn ports_brackets_and_mapped_addresses_are_understood() {
        assert_eq!(resolve(PROXY, &["192.0.2.1:4711"]), "192.0.2.1");
        assert_eq!(resolve(PROXY, &["[2001:db8::1]:443"]), "2001:db8::1");
        assert_eq!(resolve(PROXY, &["[2001:db8::1]"]), "2001:db8::1");
        assert_eq!(resolve(PROXY, &["::ffff:192.0.2.1"]), "192.0.2.1");
        assert_eq!(resolve("::ffff:10.0.0.1", &["192.0.2.1"]), "192.0.2.1");
    }

    #[test]
    fn garbage_stops_at_the_last_trusted_hop() {
        for garbage in ["unknown", "1.2.3", "<script>", "192.0.2.1:99999", "_hidden", "\u{fc}"] {
            assert_eq!(resolve(PROXY, &[garbage]), PROXY, "{garbage}");
            assert_eq!(
                resolve(PROXY, &[&format!("192.0.2.1, {garbage}, 10.3.3.3")]),
                "10.3.3.3",
                "{garbage}"
            );
        }
    }

    #[test]
    fn only_trusted_hops_or_none_give_the_outermost_known() {
        assert_eq!(resolve(PROXY, &["10.9.9.9, 10.8.8.8"]), "10.9.9.9");
        assert_eq!(resolve(PROXY, &[]), PROXY);
        assert_eq!(resolve(PROXY, &[" , "]), PROXY);
    }

    #[test]
    fn other_families_are_ignored() {
        let mut headers = HeaderMap::new();
        headers.insert(FORWARDED, HeaderValue::from_static("for=192.0.2.1"));
        headers.insert("x-real-ip", HeaderValue::from_static("192.0.2.2"));
        assert_eq!(rule().resolve(ip(PROXY), &headers).address, ip(PROXY));
        assert!(ClientAddressRule::new(TrustedProxies::default(), "forwarded").is_err());
        assert!(ClientAddressRule::new(TrustedProxies::default(), "not a name").is_err());
    }

    #[test]
    fn blocks_tell_families_and_sizes_apart() {
        assert_eq!(block_64(ip("192.0.2.1")), [4, 192, 0, 2, 1, 0, 0, 0, 0]);
        assert_eq!(block_64(ip("::ffff:192.0.2.1")), block_64(ip("192.0.2.1")));
        assert_eq!(block_64(ip("2001:db8:1:2::1")), block_64(ip("2001:db8:1:2:ffff::9")));
        assert_ne!(block_64(ip("2001:db8:1:2::1")), block_64(ip("2001:db8:1:3::1")));
        assert_eq!(block_48(ip("2001:db8:1:2::1")), block_48(ip("2001:db8:1:3::1")));
        assert_ne!(block_48(ip("2001:db8:1::1")), Some(block_64(ip("2001:db8:1::1"))));
        assert_eq!(block_48(ip("192.0.2.1")), None);
    }

    proptest! {
        /// Whatever a client puts in front, the entry that the trusted proxy appended is the answer.
        #[test]
        fn nothing_in_front_changes_the_answer(front in "[ -~]{0,80}") {
            prop_assert_eq!(resolve(PROXY, &[&format!("{front},192.0.2.1")]), "192.0.2.1");
            prop_assert_eq!(resolve(PROXY, &[&front, "192.0.2.1"]), "192.0.2.1");
        }
    }
}
