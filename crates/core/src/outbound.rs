//! Which addresses we connect to by ourselves. Whoever names a URL must not reach through us what only we can reach:
//! the machine itself, its network, the metadata service of a cloud.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Addresses with a common prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressBlock {
    /// Its first bits are the prefix.
    pub address: IpAddr,
    /// How many bits that are.
    pub prefix: u8,
}

impl AddressBlock {
    /// Whether `address` is in the block. IPv4 and IPv6 do not match each other.
    pub fn contains(&self, address: IpAddr) -> bool {
        let differ = match (self.address, address) {
            (IpAddr::V4(one), IpAddr::V4(other)) => (one.to_bits() ^ other.to_bits()).leading_zeros(),
            (IpAddr::V6(one), IpAddr::V6(other)) => (one.to_bits() ^ other.to_bits()).leading_zeros(),
            _ => return false,
        };
        differ >= u32::from(self.prefix)
    }
}

/// What may be connected to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Anybody can reach it.
    Public,
    /// An operator has allowed it.
    Allowed,
    /// Nobody is sent there.
    Refused,
}

/// How `address` may be reached, with the blocks of `outbound.allow`.
pub fn reach(address: IpAddr, allowed: &[AddressBlock]) -> Reach {
    let address = address.to_canonical();
    if allowed.iter().any(|block| block.contains(address)) {
        Reach::Allowed
    } else if is_public(address) {
        Reach::Public
    } else {
        Reach::Refused
    }
}

/// Not for special purposes (RFC 6890, the IANA registries it names). What embeds an IPv4 address (RFC 4291 §2.5.5,
/// RFC 6052, RFC 3056, RFC 4380) is refused as a whole: some gateway on the way might unwrap it.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => !V4_SPECIAL.iter().any(|block| within_v4(address, *block)),
        IpAddr::V6(address) => {
            within_v6(address, V6_UNICAST) && !V6_SPECIAL.iter().any(|block| within_v6(address, *block))
        }
    }
}

type V4 = (Ipv4Addr, u8);
type V6 = (Ipv6Addr, u8);

const V4_SPECIAL: [V4; 15] = [
    // This network.
    (Ipv4Addr::UNSPECIFIED, 8),
    // Private (RFC 1918).
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    // Shared by the customers of a carrier (RFC 6598).
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    // Loopback and link-local.
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    // Protocol assignments, 6to4 relays, benchmarks.
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    (Ipv4Addr::new(192, 88, 99, 0), 24),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    // Documentation (RFC 5737).
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    // Multicast, and what is reserved, broadcast included.
    (Ipv4Addr::new(224, 0, 0, 0), 4),
    (Ipv4Addr::new(240, 0, 0, 0), 4),
];

/// Nothing outside of it is global unicast: loopback, mapped, NAT64, unique and link-local, multicast lie there.
const V6_UNICAST: V6 = (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);

const V6_SPECIAL: [V6; 4] = [
    // Protocol assignments, Teredo among them.
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    // 6to4.
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16),
    // Documentation (RFC 3849, RFC 9637).
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
];

fn within_v4(address: Ipv4Addr, (base, prefix): V4) -> bool {
    AddressBlock { address: base.into(), prefix }.contains(address.into())
}

fn within_v6(address: Ipv6Addr, (base, prefix): V6) -> bool {
    AddressBlock { address: base.into(), prefix }.contains(address.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reached(text: &str, allowed: &[AddressBlock]) -> Reach {
        reach(text.parse().expect("an address"), allowed)
    }

    #[test]
    fn what_anybody_can_reach() {
        for text in [
            "1.1.1.1",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "169.253.255.255",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.0",
            "192.167.255.255",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "140.82.121.6",
            "2001:200::1",
            "2606:4700::1111",
            "2a00:1450:4001::1",
            "3ffe:ffff::1",
            "::ffff:1.1.1.1",
        ] {
            assert_eq!(reached(text, &[]), Reach::Public, "{text}");
        }
    }

    #[test]
    fn what_only_we_can_reach() {
        for text in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "10.255.255.255",
            "100.64.0.0",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.0.1",
            "192.168.255.255",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b::101:101",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:1ff::1",
            "2001:db8::1",
            "2002:7f00:1::1",
            "3fff:fff::1",
            "4000::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "febf::1",
            "fec0::1",
            "ff02::1",
            "1fff::1",
        ] {
            assert_eq!(reached(text, &[]), Reach::Refused, "{text}");
        }
    }

    #[test]
    fn what_an_operator_allows() {
        let block = |text: &str, prefix| AddressBlock { address: text.parse().expect("an address"), prefix };
        let allowed = [block("10.1.0.0", 16), block("127.0.0.1", 32), block("fd00::", 8)];
        for (text, expected) in [
            ("10.1.255.255", Reach::Allowed),
            ("10.2.0.0", Reach::Refused),
            ("127.0.0.1", Reach::Allowed),
            ("::ffff:127.0.0.1", Reach::Allowed),
            ("127.0.0.2", Reach::Refused),
            ("fd12::1", Reach::Allowed),
            ("fc12::1", Reach::Refused),
            ("1.1.1.1", Reach::Public),
        ] {
            assert_eq!(reached(text, &allowed), expected, "{text}");
        }
        assert_eq!(reached("10.0.0.1", &[block("0.0.0.0", 0)]), Reach::Allowed);
        assert_eq!(reached("fe80::1", &[block("0.0.0.0", 0)]), Reach::Refused);
    }
}
