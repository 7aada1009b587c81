//! Issuers, origins and endpoints: as much of URLs as is needed to compare them.

use std::fmt::Write as _;

use http::{Uri, uri::Scheme};

use crate::SetupError;

/// Scheme, host and port (RFC 6454 section 4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) https: bool,
    host: String,
    port: u16,
}

impl Origin {
    /// Whether the host is this machine, whose own network cannot be listened to from outside.
    pub(crate) fn is_loopback(&self) -> bool {
        let address = self.host.trim_start_matches('[').trim_end_matches(']');
        self.host == "localhost"
            || self.host.ends_with(".localhost")
            || address.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
    }
}

/// An absolute http(s) URL and its origin.
pub(crate) fn parse(text: &str) -> Result<(Uri, Origin), SetupError> {
    let refused = || SetupError::Url(text.to_owned());
    // `Uri` drops a fragment in silence.
    if text.contains(['#', ' ']) {
        return Err(refused());
    }
    let uri: Uri = text.parse().map_err(|_| refused())?;
    let authority = uri.authority().ok_or_else(refused)?;
    let https = match uri.scheme() {
        Some(scheme) if *scheme == Scheme::HTTPS => true,
        Some(scheme) if *scheme == Scheme::HTTP => false,
        _ => return Err(refused()),
    };
    if authority.as_str().contains('@') || authority.host().is_empty() {
        return Err(refused());
    }
    let port = authority.port_u16().unwrap_or(if https { 443 } else { 80 });
    let origin = Origin { https, host: authority.host().to_ascii_lowercase(), port };
    Ok((uri, origin))
}

/// Percent-encodes everything but unreserved characters (RFC 3986 section 2.3): right in a query and in a form.
pub(crate) fn encode(text: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(byte as char);
        } else {
            // Writing to a string cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
        encoded
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins() {
        let origin = |text| parse(text).map(|(_, origin)| origin);
        assert_eq!(origin("https://A.example/x"), origin("https://a.example:443"));
        assert_eq!(origin("http://a.example"), origin("http://a.example:80/y?z"));
        for other in
            ["http://a.example:443", "https://a.example:8443", "https://b.example", "https://a.example.b"]
        {
            assert_ne!(origin(other), origin("https://a.example"), "{other}");
        }
        for bad in [
            "",
            "a.example",
            "ftp://a.example",
            "https://",
            "https://u:p@a.example",
            "/x",
            "https://a#b",
            "https://a b",
        ] {
            assert!(origin(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn loopback() {
        for (text, expected) in [
            ("http://localhost:8400", true),
            ("http://auth.localhost", true),
            ("http://127.0.0.2", true),
            ("http://[::1]:80", true),
            ("http://localhost.example", false),
            ("http://127.0.0.1.example", false),
            ("http://10.0.0.1", false),
        ] {
            assert_eq!(parse(text).expect(text).1.is_loopback(), expected, "{text}");
        }
    }

    #[test]
    fn encoding() {
        assert_eq!(encode("aZ09-._~ é&=+/%"), "aZ09-._~%20%C3%A9%26%3D%2B%2F%25");
    }
}
