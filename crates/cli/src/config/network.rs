//! Addresses, ranges, host names and header names.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use super::error::Problem;

/// An address and the number of its leading bits that count; a single address has all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AddressRange {
    /// The bits after the prefix are zero.
    pub address: IpAddr,
    /// 0 to 32 for IPv4, 0 to 128 for IPv6.
    pub prefix: u8,
}

impl AddressRange {
    /// Reads `10.0.0.0/8`, `fd00::/8` or a single address.
    pub(super) fn parse(text: &str) -> Result<Self, Problem> {
        let (address, prefix) = text.split_once('/').map_or((text, None), |(a, p)| (a, Some(p)));
        let address: IpAddr = address.parse().map_err(|_| not_a_range())?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            None => most,
            Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => digits.parse().unwrap_or(u8::MAX),
            Some(_) => return Err(not_a_range()),
        };
        if prefix > most {
            return Err(not_a_range());
        }
        let network = Self { address: cut(address, prefix), prefix };
        if network.address == address {
            Ok(network)
        } else {
            // Whether the host or the range was meant decides who is trusted, so it is asked.
            Err(Problem::new(
                "has bits after its prefix",
                format!(r#"write "{network}" for the range or "{address}" for the one address"#),
            ))
        }
    }

    /// Whether the address is in the range. IPv4 and IPv6 do not match each other; unmap first.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.address.is_ipv4() == address.is_ipv4() && cut(address, self.prefix) == self.address
    }
}

impl fmt::Display for AddressRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

fn not_a_range() -> Problem {
    Problem::new("is no address and no range", r#"write one such as "10.0.0.7", "10.0.0.0/8" or "fd00::/8""#)
}

/// The address with only its first `prefix` bits.
fn cut(address: IpAddr, prefix: u8) -> IpAddr {
    let prefix = u32::from(prefix);
    match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(32_u32.saturating_sub(prefix)).unwrap_or(0);
            IpAddr::V4((v4.to_bits() & mask).into())
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(128_u32.saturating_sub(prefix)).unwrap_or(0);
            IpAddr::V6((v6.to_bits() & mask).into())
        }
    }
}

/// An address and port to listen on.
pub(super) fn socket_address(text: &str) -> Result<SocketAddr, Problem> {
    text.parse().map_err(|_| {
        Problem::new(
            "is not an address and port",
            r#"write one such as "127.0.0.1:8400", "0.0.0.0:8400" or "[::]:8400""#,
        )
    })
}

/// A URL that we fetch by ourselves.
pub(super) fn fetched_url(text: &str) -> Result<String, Problem> {
    let url = url::Url::parse(text).ok().filter(|url| {
        matches!(url.scheme(), "https" | "http")
            && url.has_host()
            && url.username().is_empty()
            && url.password().is_none()
            && url.fragment().is_none()
    });
    url.map(String::from).ok_or_else(|| {
        Problem::new("is no URL to fetch from", r#"write one such as "https://scanner.example/keys""#)
    })
}

/// A `Host` value in small letters: a name or address, with a port if it is sent with one.
pub(super) fn host(text: &str) -> Result<String, Problem> {
    let host = url::Url::parse(&format!("http://{text}/")).ok().filter(|url| {
        url.path() == "/"
            && url.username().is_empty()
            && url.password().is_none()
            && !text.contains(['?', '#', '\\'])
    });
    if host.is_some() && text.bytes().all(|b| b.is_ascii_graphic()) && !text.contains(['*', '/', '@']) {
        return Ok(text.to_ascii_lowercase());
    }
    Err(Problem::new(
        "is no host",
        r#"write a host name without scheme and path, such as "auth.example.com" or "10.0.0.7:8400""#,
    ))
}

/// The name of an HTTP header (RFC 9110 section 5.1).
pub(super) fn header_name(text: &str) -> Result<String, Problem> {
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    if !text.is_empty() && text.len() <= 64 && text.bytes().all(token) {
        return Ok(text.to_owned());
    }
    Err(Problem::new("is no header name", r#"write one such as "X-Forwarded-For" or "X-Real-IP""#))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(text: &str) -> AddressRange {
        AddressRange::parse(text).expect(text)
    }

    #[test]
    fn ranges_contain_what_they_say() {
        let ip = |text: &str| text.parse::<IpAddr>().expect("an address");
        for (text, inside, outside) in [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.0"),
            ("10.0.0.7", "10.0.0.7", "10.0.0.6"),
            ("0.0.0.0/0", "203.0.113.9", "::1"),
            ("fd00::/8", "fdff::1", "fe00::"),
            ("::/0", "2001:db8::1", "10.0.0.1"),
            ("2001:db8::1/128", "2001:db8::1", "2001:db8::2"),
        ] {
            assert!(range(text).contains(ip(inside)), "{text} {inside}");
            assert!(!range(text).contains(ip(outside)), "{text} {outside}");
        }
        assert_eq!(range("10.0.0.7").to_string(), "10.0.0.7/32");
    }

    #[test]
    fn no_ranges() {
        for text in
            ["", "proxy", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/+8", "10.0.0/8", "::/129", "10.0.0.0/999"]
        {
            assert_eq!(AddressRange::parse(text), Err(not_a_range()), "{text}");
        }
        let problem = AddressRange::parse("10.0.0.7/8").expect_err("host bits");
        assert_eq!(problem.remedy, r#"write "10.0.0.0/8" for the range or "10.0.0.7" for the one address"#);
    }

    #[test]
    fn hosts() {
        for (text, expected) in [
            ("Auth.Example.com", "auth.example.com"),
            ("10.0.0.7:8400", "10.0.0.7:8400"),
            ("[::1]:80", "[::1]:80"),
        ] {
            assert_eq!(host(text).as_deref(), Ok(expected));
        }
        for text in
            ["", "http://a", "a/b", "a b", "*.example.com", "u@a", "a?b", "a#b", "a:99999", "a\\b", "ä.de"]
        {
            assert!(host(text).is_err(), "{text}");
        }
    }

    #[test]
    fn listening_and_headers() {
        assert!(socket_address("[::]:8400").is_ok());
        for text in ["8400", ":8400", "localhost:8400", "127.0.0.1", "127.0.0.1:65536"] {
            assert!(socket_address(text).is_err(), "{text}");
        }
        assert!(header_name("X-Real-IP").is_ok());
        for text in ["", "X Real", "X-Real:", "X-Réal", &"x".repeat(65)] {
            assert!(header_name(text).is_err(), "{text}");
        }
    }
}
