//! Web origins, as configuration names them and browsers send them (RFC 6454 section 6.2).

use url::Url;

use crate::host;

/// Why a text is no origin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an origin; write scheme and host, e.g. https://app.example.com, without path or `*`")]
pub struct BadOrigin(pub String);

/// Scheme, host and port as a browser serialises them: lower case, no default port, no path.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Origin(String);

impl Origin {
    /// Parses an entry of `csrf.trusted_origins` or `server.cors_origins`. A trailing slash is forgiven.
    ///
    /// # Errors
    /// Anything that is not just http(s), host and port.
    pub fn parse(text: &str) -> Result<Self, BadOrigin> {
        let bad = || BadOrigin(text.to_owned());
        let url = Url::parse(text.trim()).map_err(|_| bad())?;
        let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
        let anonymous = url.username().is_empty() && url.password().is_none();
        let host = url.host_str().unwrap_or_default();
        if !bare || !anonymous || host.contains('*') {
            return Err(bad());
        }
        Self::of(&url).ok_or_else(bad)
    }

    /// The origin of an http or https URL; `None` for others, whose origin is opaque.
    pub fn of(url: &Url) -> Option<Self> {
        matches!(url.scheme(), "http" | "https").then(|| Self(url.origin().ascii_serialization()))
    }

    /// As a browser sends it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Our own origins: the public URL's, and, while that is a loopback name, the same port under the others,
/// because people open `127.0.0.1` as often as `localhost`.
pub fn own_origins(public_url: &Url) -> Vec<Origin> {
    let mut origins: Vec<Origin> = Origin::of(public_url).into_iter().collect();
    if host::is_loopback(public_url) {
        for name in ["localhost", "127.0.0.1", "[::1]"] {
            let mut url = public_url.clone();
            let named = url.set_host(Some(name)).ok().and_then(|()| Origin::of(&url));
            origins.extend(named.filter(|origin| !origins.contains(origin)));
        }
    }
    origins
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_normalised() {
        for (text, origin) in [
            ("https://App.Example.com", "https://app.example.com"),
            ("https://app.example.com:443/", "https://app.example.com"),
            ("http://localhost:5173", "http://localhost:5173"),
            ("http://[::1]:80", "http://[::1]"),
        ] {
            assert_eq!(Origin::parse(text).expect(text).as_str(), origin);
        }
    }

    #[test]
    fn what_is_no_origin_is_refused() {
        for text in [
            "*",
            "null",
            "app.example.com",
            "https://*.example.com",
            "https://a.example/x",
            "https://a.example?x",
            "https://a.example#x",
            "https://u@a.example",
            "ftp://a.example",
            "data:text/html,x",
        ] {
            assert_eq!(Origin::parse(text).expect_err(text), BadOrigin(text.to_owned()));
        }
    }

    #[test]
    fn loopback_names_are_one_machine() {
        let own = |url| own_origins(&Url::parse(url).expect("a URL"));
        let names = ["http://localhost:8400", "http://127.0.0.1:8400", "http://[::1]:8400"];
        assert_eq!(own(names[0]).iter().map(Origin::as_str).collect::<Vec<_>>(), names);
        assert_eq!(own("http://127.0.0.1:8400").len(), 3);
        assert_eq!(own("https://auth.example.com").len(), 1);
    }
}
