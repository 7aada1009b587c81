//! `server.trusted_proxies`: the addresses whose word about the client we take.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// Why an entry of `server.trusted_proxies` cannot be used. The text says how to mend it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadProxy {
    /// Neither an address nor a network.
    #[error("`{0}` is neither an IP address nor a network such as 10.0.0.0/8")]
    NotAnAddress(String),
    /// The number after the slash is missing or too large.
    #[error("`{0}`: the prefix length must be 0 to 32 (IPv4) or 0 to 128 (IPv6)")]
    BadPrefix(String),
    /// The address has bits that the prefix does not cover, which is almost always a slip.
    #[error("`{given}` has bits beyond its prefix; write {meant}")]
    BitsBeyondPrefix {
        /// As configured.
        given: String,
        /// The network it lies in.
        meant: String,
    },
}

/// One network: an address and how many of its leading bits count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Network {
    V4 { bits: u32, mask: u32 },
    V6 { bits: u128, mask: u128 },
}

impl Network {
    fn contains(self, address: IpAddr) -> bool {
        match (self, address) {
            (Self::V4 { bits, mask }, IpAddr::V4(address)) => address.to_bits() & mask == bits,
            (Self::V6 { bits, mask }, IpAddr::V6(address)) => address.to_bits() & mask == bits,
            _ => false,
        }
    }
}

impl FromStr for Network {
    type Err = BadProxy;

    fn from_str(text: &str) -> Result<Self, BadProxy> {
        let bad_prefix = || BadProxy::BadPrefix(text.to_owned());
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| BadProxy::NotAnAddress(text.to_owned()))?;
        let width = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            // `+8` and `08` parse as numbers, too, but are slips.
            Some(prefix) if prefix.starts_with('+') => return Err(bad_prefix()),
            Some(prefix) => prefix.parse().ok().filter(|p| *p <= width).ok_or_else(bad_prefix)?,
            None => width,
        };
        let network = Self::new(address, prefix);
        if network.contains(address) { Ok(network.unmapped()) } else { Err(network.beyond(text, prefix)) }
    }
}

impl Network {
    /// The network of the leading `prefix` bits; `bits` keeps what lies beyond, so that a slip is seen.
    fn new(address: IpAddr, prefix: u32) -> Self {
        match address {
            IpAddr::V4(address) => {
                let mask = u32::MAX.checked_shl(32 - prefix).unwrap_or(0);
                Self::V4 { bits: address.to_bits(), mask }
            }
            IpAddr::V6(address) => {
                let mask = u128::MAX.checked_shl(128 - prefix).unwrap_or(0);
                Self::V6 { bits: address.to_bits(), mask }
            }
        }
    }

    fn beyond(self, given: &str, prefix: u32) -> BadProxy {
        let meant: IpAddr = match self {
            Self::V4 { bits, mask } => Ipv4Addr::from_bits(bits & mask).into(),
            Self::V6 { bits, mask } => Ipv6Addr::from_bits(bits & mask).into(),
        };
        BadProxy::BitsBeyondPrefix { given: given.to_owned(), meant: format!("{meant}/{prefix}") }
    }

    /// `::ffff:10.0.0.0/104` means `10.0.0.0/8`: addresses are compared after unmapping.
    fn unmapped(self) -> Self {
        let Self::V6 { bits, mask } = self else { return self };
        match Ipv6Addr::from_bits(bits).to_ipv4_mapped() {
            Some(address) if mask >> 32 == u128::MAX >> 32 => {
                Self::V4 { bits: address.to_bits(), mask: mask as u32 }
            }
            _ => self,
        }
    }
}

/// The proxies whose forwarding header is believed. Empty: nobody's.
#[derive(Debug, Clone, Default)]
pub struct TrustedProxies(Vec<Network>);

impl TrustedProxies {
    /// Parses addresses and networks (`10.0.0.0/8`, `::1`).
    ///
    /// # Errors
    /// The first entry that cannot be used, with the remedy.
    pub fn parse<S: AsRef<str>>(entries: impl IntoIterator<Item = S>) -> Result<Self, BadProxy> {
        entries.into_iter().map(|entry| entry.as_ref().trim().parse()).collect::<Result<_, _>>().map(Self)
    }

    /// Whether `address` is one of them. IPv4-mapped addresses must be unmapped before.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(address))
    }

    /// Whether nobody is trusted.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn networks_hold_their_addresses_and_no_others() {
        let proxies =
            TrustedProxies::parse(["10.0.0.0/8", " 192.0.2.7 ", "2001:db8::/32", "::ffff:198.51.100.0/120"])
                .expect("all are well-formed");
        for inside in ["10.0.0.0", "10.255.255.255", "192.0.2.7", "2001:db8:ffff::1", "198.51.100.9"] {
            assert!(proxies.contains(ip(inside)), "{inside}");
        }
        for outside in ["9.255.255.255", "11.0.0.0", "192.0.2.8", "2001:db9::", "198.51.101.0", "::"] {
            assert!(!proxies.contains(ip(outside)), "{outside}");
        }
    }

    #[test]
    fn a_zero_prefix_is_one_family_whole() {
        let proxies = TrustedProxies::parse(["0.0.0.0/0"]).expect("well-formed");
        assert!(proxies.contains(ip("203.0.113.1")));
        assert!(!proxies.contains(ip("2001:db8::1")));
    }

    #[test]
    fn slips_are_named_with_the_remedy() {
        let error = |entry: &str| TrustedProxies::parse([entry]).expect_err(entry).to_string();
        assert_eq!(error("10.0.0.1/8"), "`10.0.0.1/8` has bits beyond its prefix; write 10.0.0.0/8");
        assert_eq!(error("*"), "`*` is neither an IP address nor a network such as 10.0.0.0/8");
        for entry in ["10.0.0.0/33", "10.0.0.0/", "::/129", "10.0.0.0/-1", "10.0.0.0/+8"] {
            assert!(error(entry).contains("prefix length"), "{entry}");
        }
        for entry in ["", "proxy.example", "10.0.0", "10.0.0.0:80"] {
            assert!(error(entry).contains("neither"), "{entry}");
        }
    }
}
