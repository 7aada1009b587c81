//! URLs of our own and of others: `server.public_url`, issuers, origins.

use std::fmt;

use url::{Host, Url};

use super::error::Problem;

/// The URL under which clients reach the server: scheme, host and port, nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicUrl {
    url: Url,
}

impl PublicUrl {
    /// Takes an http(s) URL of a whole host.
    pub(super) fn parse(text: &str) -> Result<Self, Problem> {
        let url = plain_http_url(text)?;
        // Our routes and the `__Host-` cookies stand at the root of the host.
        if url.path() != "/" {
            return Err(Problem::new(
                "has a path",
                "give Portcullis a host name of its own and leave the path out",
            ));
        }
        Ok(Self { url })
    }

    /// Without a trailing slash, so that a path can follow: `https://auth.example.com`.
    pub fn as_str(&self) -> &str {
        self.url.as_str().trim_end_matches('/')
    }

    /// Whether cookies are `Secure` and HSTS is sent.
    pub fn is_https(&self) -> bool {
        self.url.scheme() == "https"
    }

    /// What stands in `Host`: the port only if it is not the scheme's own.
    pub fn authority(&self) -> &str {
        self.url.authority()
    }

    /// Whether the host is this machine by name or address (RFC 6761 section 6.3).
    pub fn is_loopback(&self) -> bool {
        is_loopback(&self.url)
    }

    /// The parsed form.
    pub fn url(&self) -> &Url {
        &self.url
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether a URL's host is this machine by name or address (RFC 6761 section 6.3).
pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// The issuer as written, since it is compared byte for byte (RFC 8414 section 3.3).
pub(super) fn issuer(text: &str) -> Result<String, Problem> {
    plain_http_url(text).map(|_| text.to_owned())
}

/// An origin as browsers write it: small letters, no default port, no path.
pub(super) fn origin(text: &str) -> Result<String, Problem> {
    const REMEDY: &str = r#"write scheme and host, such as "https://app.example.com""#;
    let url = plain_http_url(text).map_err(|problem| Problem::new(problem.problem, REMEDY))?;
    if url.path() != "/" {
        return Err(Problem::new("has a path", REMEDY));
    }
    Ok(url.origin().ascii_serialization())
}

/// A place to return to: an origin, or one URL with its path and query.
pub(super) fn return_url(text: &str) -> Result<String, Problem> {
    let plain = text.split_once('?').map_or(text, |(plain, _)| plain);
    let remedy = r#"write an origin such as "https://app.example.com", or the whole URL of one page"#;
    let problem = |problem: Problem| Problem::new(problem.problem, remedy);
    plain_http_url(plain).map_err(problem)?;
    if text.contains('#') {
        return Err(Problem::new("has a fragment", remedy));
    }
    Ok(text.to_owned())
}

fn plain_http_url(text: &str) -> Result<Url, Problem> {
    let not_one = || Problem::new("is not a URL", r#"write one such as "https://auth.example.com""#);
    // The URL standard drops these in silence; they would be lost from an issuer that is compared.
    if text.contains(|c: char| c.is_whitespace() || c.is_control() || c == '\\') {
        return Err(not_one());
    }
    let url = Url::parse(text).map_err(|_| not_one())?;
    let fault = match () {
        () if !matches!(url.scheme(), "http" | "https") => "is not an http or https URL",
        () if !text.contains("://") => return Err(not_one()),
        () if !url.username().is_empty() || url.password().is_some() => "holds credentials",
        () if url.query().is_some() => "has a query",
        () if url.fragment().is_some() => "has a fragment",
        () => return Ok(url),
    };
    Err(Problem::new(fault, r#"write one such as "https://auth.example.com""#))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_urls() {
        for (text, shown, authority, https, loopback) in [
            ("http://localhost:8400", "http://localhost:8400", "localhost:8400", false, true),
            ("HTTPS://Auth.Example.com:443/", "https://auth.example.com", "auth.example.com", true, false),
            ("http://[::1]:80", "http://[::1]", "[::1]", false, true),
            ("http://127.8.0.1", "http://127.8.0.1", "127.8.0.1", false, true),
            ("https://app.localhost", "https://app.localhost", "app.localhost", true, true),
            (
                "https://localhost.example.com",
                "https://localhost.example.com",
                "localhost.example.com",
                true,
                false,
            ),
        ] {
            let url = PublicUrl::parse(text).expect(text);
            assert_eq!((url.as_str(), url.authority()), (shown, authority));
            assert_eq!((url.is_https(), url.is_loopback()), (https, loopback), "{text}");
        }
    }

    #[test]
    fn no_public_urls() {
        for (text, problem) in [
            ("", "is not a URL"),
            ("auth.example.com", "is not a URL"),
            ("https:auth.example.com", "is not a URL"),
            ("https://a b", "is not a URL"),
            ("https://a\\b", "is not a URL"),
            (" https://a", "is not a URL"),
            ("https://", "is not a URL"),
            ("ftp://a", "is not an http or https URL"),
            ("https://u@a", "holds credentials"),
            ("https://u:p@a", "holds credentials"),
            ("https://a?b", "has a query"),
            ("https://a#b", "has a fragment"),
            ("https://a/auth", "has a path"),
        ] {
            assert_eq!(PublicUrl::parse(text).expect_err(text).problem, problem, "{text}");
        }
    }

    #[test]
    fn issuers_are_kept_byte_for_byte() {
        assert_eq!(issuer("https://A.example/tenant/").as_deref(), Ok("https://A.example/tenant/"));
    }
}
