//! What was asked for, from the one family of headers that the proxy sends (`forward_auth.style`).
//!
//! Nothing is guessed: a member that is missing, stands twice or cannot be read is an error, and so is any header
//! of the other family, which only a client or a proxy that is set up otherwise can have sent.

use http::header::UPGRADE;
use http::{HeaderMap, HeaderName, Method};
use portcullis_edge::csrf;

/// Whose headers are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// `X-Original-Method`, `X-Original-URL`. Understands 200, 401 and 403 only: no redirects.
    Nginx,
    /// `X-Forwarded-Method`, `-Proto`, `-Host`, `-Uri`.
    Traefik,
    /// The same.
    Caddy,
    /// The same, which its configuration must add.
    Envoy,
}

const METHOD: HeaderName = HeaderName::from_static("x-forwarded-method");
const PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const URI: HeaderName = HeaderName::from_static("x-forwarded-uri");
const ORIGINAL_METHOD: HeaderName = HeaderName::from_static("x-original-method");
const ORIGINAL_URL: HeaderName = HeaderName::from_static("x-original-url");
/// Upgrades lose `Upgrade` on their way through most proxies, but keep this (RFC 6455 section 4.1).
const WEBSOCKET: HeaderName = HeaderName::from_static("sec-websocket-version");
const WEBSOCKET_KEY: HeaderName = HeaderName::from_static("sec-websocket-key");

/// What was asked for, as it was sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Original<'a> {
    pub(crate) method: &'a str,
    /// `http` or `https`.
    pub(crate) scheme: &'static str,
    /// The scheme was that of a WebSocket.
    websocket: bool,
    /// With its port, if one was sent.
    pub(crate) host: &'a str,
    /// Path and query.
    pub(crate) target: &'a str,
}

type Detail = &'static str;

impl<'a> Original<'a> {
    /// Reads the family of `style`.
    pub(crate) fn read(style: Style, headers: &'a HeaderMap) -> Result<Self, Detail> {
        match style {
            Style::Nginx => Self::from_url(headers),
            Style::Traefik | Style::Caddy | Style::Envoy => Self::from_parts(headers),
        }
    }

    fn from_parts(headers: &'a HeaderMap) -> Result<Self, Detail> {
        if headers.contains_key(ORIGINAL_METHOD) || headers.contains_key(ORIGINAL_URL) {
            return Err(
                "`X-Original-…` came in beside `X-Forwarded-…`. Let the proxy remove what clients send.",
            );
        }
        let method = one(headers, &METHOD, "The proxy must send exactly one `X-Forwarded-Method`.")?;
        let proto = one(headers, &PROTO, "The proxy must send exactly one `X-Forwarded-Proto`.")?;
        let host = one(headers, &HOST, "The proxy must send exactly one `X-Forwarded-Host`.")?;
        let target = one(headers, &URI, "The proxy must send exactly one `X-Forwarded-Uri`.")?;
        Self { method, scheme: "", websocket: false, host, target }.with_scheme(proto)
    }

    fn from_url(headers: &'a HeaderMap) -> Result<Self, Detail> {
        if [METHOD, PROTO, HOST, URI].iter().any(|name| headers.contains_key(name)) {
            return Err(
                "`X-Forwarded-…` came in beside `X-Original-…`. Let the proxy remove what clients send.",
            );
        }
        let method = one(headers, &ORIGINAL_METHOD, "The proxy must send exactly one `X-Original-Method`.")?;
        let url = one(headers, &ORIGINAL_URL, "The proxy must send exactly one `X-Original-URL`.")?;
        let whole = "`X-Original-URL` must be a whole URL, such as https://app.example.com/path?query.";
        let (scheme, rest) = url.split_once("://").ok_or(whole)?;
        let (host, target) = rest.split_at(rest.find(['/', '?', '#']).ok_or(whole)?);
        Self { method, scheme: "", websocket: false, host, target }.with_scheme(scheme)
    }

    fn with_scheme(self, scheme: &str) -> Result<Self, Detail> {
        // A fragment is never sent; what follows one would be seen by some and not by others.
        if !self.target.starts_with('/') || self.target.contains('#') {
            return Err("The request target must begin with `/` and hold no `#`.");
        }
        let (scheme, websocket) = match scheme {
            "https" => ("https", false),
            "http" => ("http", false),
            "wss" => ("https", true),
            "ws" => ("http", true),
            _ => return Err("The scheme must be http or https."),
        };
        Ok(Self { scheme, websocket, ..self })
    }

    /// The path as it was sent.
    pub(crate) fn path(&self) -> &'a str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// Whether it may change something: an unsafe method, or the beginning of a stream both ways.
    pub(crate) fn changes(&self, headers: &HeaderMap) -> bool {
        let safe = Method::from_bytes(self.method.as_bytes()).is_ok_and(|method| !csrf::is_unsafe(&method));
        !safe
            || self.websocket
            || [UPGRADE, WEBSOCKET, WEBSOCKET_KEY].iter().any(|name| headers.contains_key(name))
    }
}

/// The only value of `name`, visible ASCII.
fn one<'a>(headers: &'a HeaderMap, name: &HeaderName, detail: Detail) -> Result<&'a str, Detail> {
    let mut lines = headers.get_all(name).iter();
    let (Some(line), None) = (lines.next(), lines.next()) else { return Err(detail) };
    let text = line.to_str().map_err(|_| detail)?;
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_graphic()) { Err(detail) } else { Ok(text) }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const FORWARDED: [(&str, &str); 4] = [
        ("x-forwarded-method", "GET"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "app.example:8443"),
        ("x-forwarded-uri", "/a/b?c=/d"),
    ];
    const ORIGINAL: [(&str, &str); 2] =
        [("x-original-method", "GET"), ("x-original-url", "https://app.example:8443/a/b?c=/d")];

    fn map(lines: &[(&str, &str)]) -> HeaderMap {
        let line = |(name, value): &(&str, &str)| {
            let name: HeaderName = name.parse().expect("a name");
            (name, HeaderValue::from_bytes(value.as_bytes()).expect("a value"))
        };
        lines.iter().map(line).collect()
    }

    #[test]
    fn both_families_say_the_same() {
        for (style, headers) in [
            (Style::Traefik, map(&FORWARDED)),
            (Style::Caddy, map(&FORWARDED)),
            (Style::Envoy, map(&FORWARDED)),
            (Style::Nginx, map(&ORIGINAL)),
        ] {
            let read = Original::read(style, &headers).expect("whole");
            assert_eq!((read.method, read.scheme, read.host), ("GET", "https", "app.example:8443"));
            assert_eq!((read.target, read.path()), ("/a/b?c=/d", "/a/b"));
            assert!(!read.changes(&headers));
        }
    }

    #[test]
    fn nothing_is_guessed() {
        for (style, whole) in [(Style::Traefik, &FORWARDED[..]), (Style::Nginx, &ORIGINAL[..])] {
            for at in 0..whole.len() {
                let mut less = whole.to_vec();
                let (name, value) = less.remove(at);
                assert!(Original::read(style, &map(&less)).is_err(), "without {name}");
                for bad in ["", " ", "a b", "\u{fc}", "\t"] {
                    let other = [&less[..], &[(name, bad)]].concat();
                    assert!(Original::read(style, &map(&other)).is_err(), "{name}: {bad:?}");
                }
                let twice = [whole, &[(name, value)]].concat();
                assert!(Original::read(style, &map(&twice)).is_err(), "{name} twice");
            }
        }
    }

    #[test]
    fn a_second_family_is_refused() {
        for line in FORWARDED {
            assert!(Original::read(Style::Nginx, &map(&[&ORIGINAL[..], &[line]].concat())).is_err());
        }
        for line in ORIGINAL {
            assert!(Original::read(Style::Traefik, &map(&[&FORWARDED[..], &[line]].concat())).is_err());
        }
    }

    #[test]
    fn targets_and_schemes() {
        for (name, bad) in [
            ("x-forwarded-proto", "HTTPS"),
            ("x-forwarded-proto", "https,http"),
            ("x-forwarded-proto", "ftp"),
            ("x-forwarded-uri", "a"),
            ("x-forwarded-uri", "*"),
            ("x-forwarded-uri", "https://app.example/a"),
            ("x-forwarded-uri", "/a#b"),
            ("x-forwarded-uri", "/a?b#c"),
        ] {
            let other: Vec<_> =
                FORWARDED.into_iter().filter(|line| line.0 != name).chain([(name, bad)]).collect();
            assert!(Original::read(Style::Traefik, &map(&other)).is_err(), "{name}: {bad}");
        }
        for bad in [
            "app.example/a",
            "/a",
            "https:/app.example/a",
            "https://app.example",
            "https://a?b",
            "https://a#/b",
        ] {
            let other = [("x-original-method", "GET"), ("x-original-url", bad)];
            assert!(Original::read(Style::Nginx, &map(&other)).is_err(), "{bad}");
        }
    }

    #[test]
    fn unsafe_methods_and_upgrades_change_something() {
        let changes = |line: (&str, &str)| {
            let kept = FORWARDED.into_iter().filter(|known| known.0 != line.0);
            let headers = map(&kept.chain([line]).collect::<Vec<_>>());
            Original::read(Style::Traefik, &headers).expect("whole").changes(&headers)
        };
        for line in [
            ("x-forwarded-method", "POST"),
            ("x-forwarded-method", "CONNECT"),
            ("x-forwarded-method", "PROPFIND"),
            ("x-forwarded-proto", "wss"),
            ("upgrade", "websocket"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "x"),
        ] {
            assert!(changes(line), "{line:?}");
        }
        for line in [("x-forwarded-method", "HEAD"), ("x-forwarded-method", "OPTIONS"), ("accept", "*/*")] {
            assert!(!changes(line), "{line:?}");
        }
    }
}
