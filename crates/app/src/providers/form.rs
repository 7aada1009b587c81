//! Queries and forms (`application/x-www-form-urlencoded`, RFC 6749 appendix B), and which URLs may carry a sign-in.

use std::net::Ipv4Addr;

/// All but what is unreserved (RFC 3986 §2.3) is escaped, which every reader of either form understands.
pub(super) fn escape(text: &str) -> String {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(byte.into());
        } else {
            let digit = |nibble: u8| char::from(HEX[usize::from(nibble)]);
            escaped.extend(['%', digit(byte >> 4), digit(byte & 15)]);
        }
    }
    escaped
}

/// `name=value&…`
pub(super) fn form(fields: &[(&str, &str)]) -> String {
    let one = |(name, value): &(&str, &str)| format!("{}={}", escape(name), escape(value));
    fields.iter().map(one).collect::<Vec<_>>().join("&")
}

/// The URL with these in its query, after what is there (RFC 6749 §3.1).
pub(super) fn with_query(url: &str, fields: &[(&str, &str)]) -> String {
    let joint = if url.contains('?') { '&' } else { '?' };
    format!("{url}{joint}{}", form(fields))
}

/// Whether a provider of this issuer may name this URL: https, or also this machine if the issuer is there, without TLS.
pub(super) fn is_secure(url: &str, issuer: &str) -> bool {
    let plain = !url.contains(|c: char| c.is_whitespace() || c.is_control() || c == '#' || c == '\\');
    let local = || issuer.starts_with("http://") && is_loopback(url);
    plain && (url.strip_prefix("https://").is_some_and(|rest| !rest.is_empty()) || local())
}

/// Whether it is a URL of this machine without TLS (RFC 6761 §6.3).
fn is_loopback(url: &str) -> bool {
    let Some(rest) = url.strip_prefix("http://") else { return false };
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
        _ => authority,
    };
    host == "localhost"
        || host.ends_with(".localhost") && !host.contains('@')
        || host == "[::1]"
        || host.parse().is_ok_and(|address: Ipv4Addr| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_but_the_unreserved_is_escaped() {
        assert_eq!(escape("aZ09-._~"), "aZ09-._~");
        assert_eq!(escape("a b+c&d=e/é%"), "a%20b%2Bc%26d%3De%2F%C3%A9%25");
        assert_eq!(form(&[("a", "1"), ("b c", "")]), "a=1&b%20c=");
        assert_eq!(with_query("https://a/b", &[("x", "y")]), "https://a/b?x=y");
        assert_eq!(with_query("https://a/b?p=q", &[("x", "y")]), "https://a/b?p=q&x=y");
    }

    #[test]
    fn where_a_sign_in_may_go() {
        let (far, here) = ("https://id.example", "http://127.0.0.1:9");
        for (url, issuer, good) in [
            ("https://id.example/token", far, true),
            ("https://other.example/token?x=y", far, true),
            ("http://id.example/token", far, false),
            ("http://127.0.0.1/token", far, false),
            ("http://127.0.0.1/token", here, true),
            ("http://127.3.2.1:80?x", here, true),
            ("http://localhost:8400/a", here, true),
            ("http://id.localhost/a", here, true),
            ("http://[::1]:80/a", here, true),
            ("http://id.example/a", here, false),
            ("http://127.0.0.1.example/a", here, false),
            ("http://localhost@id.example/a", here, false),
            ("http://id.example/@localhost", here, false),
            ("http://id.example\\.localhost", here, false),
            ("https://id.example/#a", far, false),
            ("https://id.example/ a", far, false),
            ("https://", far, false),
            ("ftp://id.example", far, false),
            ("javascript:alert(1)", far, false),
            ("", far, false),
        ] {
            assert_eq!(is_secure(url, issuer), good, "{url} of {issuer}");
        }
    }
}
