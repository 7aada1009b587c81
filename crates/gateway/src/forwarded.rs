//! Who the client is and how it came here, as the app and the issuer are told: `X-Forwarded-For`, `-Host`, `-Proto`.
//! `Forwarded` (RFC 7239) is neither read nor sent: two families that disagree would be worse than one.

use std::net::{IpAddr, Ipv4Addr};

use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue};
use portcullis_edge::client_address::ClientAddressRule;
use portcullis_edge::connection::PeerAddress;
use portcullis_edge::proxies::TrustedProxies;

pub(crate) const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// How addresses are found.
pub(crate) struct Addresses {
    rule: ClientAddressRule,
    proxies: TrustedProxies,
    proto: HeaderValue,
}

/// The way of one request.
pub(crate) struct Way {
    /// The client.
    pub(crate) address: IpAddr,
    /// For `X-Forwarded-For`.
    pub(crate) hops: HeaderValue,
}

impl Addresses {
    pub(crate) fn new(proxies: &[String], header: &str, https: bool) -> Result<Self, String> {
        let proxies =
            TrustedProxies::parse(proxies).map_err(|error| format!("server.trusted_proxies: {error}"))?;
        let rule = ClientAddressRule::new(proxies.clone(), header)
            .map_err(|error| format!("server.client_address_header: {error}"))?;
        let proto = HeaderValue::from_static(if https { "https" } else { "http" });
        Ok(Self { rule, proxies, proto })
    }

    /// Where a request came from.
    pub(crate) fn way(&self, parts: &Parts) -> Way {
        let peer = parts.extensions.get::<PeerAddress>();
        let peer = peer.map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |peer| peer.0.ip()).to_canonical();
        if !self.proxies.contains(peer) {
            return Way { address: peer, hops: value_of(peer) };
        }
        let address = self.rule.resolve(peer, &parts.headers).address;
        // What stood before the client is the client's own invention.
        let hops = if address == peer { value_of(peer) } else { list(address, peer) };
        Way { address, hops }
    }

    /// Tells the app.
    pub(crate) fn tell(&self, way: &Way, headers: &mut HeaderMap, host: Option<HeaderValue>) {
        headers.insert(FORWARDED_FOR, way.hops.clone());
        headers.insert(FORWARDED_PROTO, self.proto.clone());
        if let Some(host) = host {
            headers.insert(FORWARDED_HOST, host);
        }
    }
}

fn value_of(address: IpAddr) -> HeaderValue {
    // Digits, dots and colons are a header's value.
    HeaderValue::try_from(address.to_string()).unwrap_or(HeaderValue::from_static("unknown"))
}

fn list(client: IpAddr, peer: IpAddr) -> HeaderValue {
    HeaderValue::try_from(format!("{client}, {peer}")).unwrap_or_else(|_| value_of(client))
}

/// The address alone, for the issuer.
pub(crate) fn one_hop(address: IpAddr) -> HeaderValue {
    value_of(address)
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn way(peer: &str, lines: &[&str]) -> String {
        let addresses = Addresses::new(&["10.0.0.0/8".into()], "X-Forwarded-For", true).expect("sound");
        let peer = PeerAddress(format!("{peer}:5").parse().expect("an address"));
        let mut request = Request::builder().extension(peer);
        for line in lines {
            request = request.header(FORWARDED_FOR, *line);
        }
        let (parts, ()) = request.body(()).expect("a request").into_parts();
        let way = addresses.way(&parts);
        format!("{} by {}", way.address, way.hops.to_str().expect("ASCII"))
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        assert_eq!(way("203.0.113.9", &["192.0.2.1"]), "203.0.113.9 by 203.0.113.9");
        assert_eq!(way("10.0.0.1", &["192.0.2.1"]), "192.0.2.1 by 192.0.2.1, 10.0.0.1");
        assert_eq!(way("10.0.0.1", &["6.6.6.6, 192.0.2.1, 10.0.0.2"]), "192.0.2.1 by 192.0.2.1, 10.0.0.1");
        assert_eq!(way("10.0.0.1", &[]), "10.0.0.1 by 10.0.0.1");
    }
}
