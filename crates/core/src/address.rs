//! Addresses of clients, as far as a rule looks at them.

use std::net::IpAddr;

/// Whether two addresses are of one block: the same IPv4 address, or IPv6 addresses of one /64. A device moves
/// freely within its /64 (RFC 8981).
pub fn same_block(one: IpAddr, other: IpAddr) -> bool {
    match (one, other) {
        (IpAddr::V6(one), IpAddr::V6(other)) => one.segments()[..4] == other.segments()[..4],
        _ => one == other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks() {
        let same = |one: &str, other: &str| {
            same_block(one.parse().expect("an address"), other.parse().expect("an address"))
        };
        assert!(same("192.0.2.1", "192.0.2.1"));
        assert!(!same("192.0.2.1", "192.0.2.2"));
        assert!(same("2001:db8::1", "2001:db8::ffff:1"));
        assert!(!same("2001:db8::1", "2001:db8:0:1::1"));
        assert!(!same("192.0.2.1", "2001:db8::1"));
    }
}
