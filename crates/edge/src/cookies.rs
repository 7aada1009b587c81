//! Cookies of ours: reading one by name, setting one and clearing it again (RFC 6265bis).
//!
//! A cookie goes away only if it is cleared with the very attributes it was set with, so both are made from
//! one [`CookieSpec`].

use std::fmt::Write as _;

use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};

use crate::code::Code;
use crate::problem::Problem;

/// `SameSite`, as configured by `cookies.same_site`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SameSite {
    /// Sent from our own site only.
    Strict,
    /// Also when a link leads to us; the default.
    Lax,
    /// Sent from everywhere; needs https.
    None,
}

/// Whether scripts may read the cookie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Visibility {
    /// `HttpOnly`; on https the name gets a prefix that browsers enforce.
    HttpOnly,
    /// For scripts to read; without a prefix, so that they find it under one name everywhere.
    Readable,
}

/// Where cookies of this server go: `cookies.*` and whether the public URL is https.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CookieScope {
    /// The public URL is https: `Secure` and prefixes.
    pub https: bool,
    /// `cookies.same_site`.
    pub same_site: SameSite,
    /// `cookies.path`, `/` by default.
    pub path: String,
    /// `cookies.domain`; without it, the cookie stays with this one host.
    pub domain: Option<String>,
}

/// Why cookies cannot be set up like this. The text says how to mend it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadCookieScope {
    /// Browsers drop such cookies.
    #[error("cookies.same_site = none needs an https server.public_url")]
    NoneWithoutHttps,
    /// Not an absolute path, or with characters that would end the attribute.
    #[error("cookies.path `{0}` must begin with `/` and hold no `;`, spaces or control characters")]
    Path(String),
    /// Not a domain name.
    #[error("cookies.domain `{0}` must be a plain domain name such as example.com")]
    Domain(String),
}

/// Why a cookie cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CookieError {
    /// Two of one name: someone who can write on a neighbouring host or path slipped one in.
    #[error("two cookies of one name")]
    Duplicate,
    /// Not visible ASCII: never set by us.
    #[error("a cookie that cannot be read")]
    Malformed,
}

impl From<CookieError> for Problem {
    fn from(error: CookieError) -> Self {
        Self::new(Code::MalformedRequest).detail(match error {
            CookieError::Duplicate => {
                "Two cookies of one name came in. Clear this site's cookies and sign in again."
            }
            CookieError::Malformed => "A cookie cannot be read. Clear this site's cookies and sign in again.",
        })
    }
}

/// A value that no cookie can hold: its characters (RFC 6265 section 4.1.1), or its length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the value cannot stand in a cookie")]
pub struct BadCookieValue;

/// Longest name and value together, in bytes: browsers drop more without a word (RFC 6265bis section 5.6).
pub const MAX_LENGTH: usize = 4096;

/// Finds the one cookie called `name` in all `Cookie` lines (HTTP/2 may send several).
///
/// # Errors
/// [`CookieError`]: two of that name, even with equal values, or unreadable.
pub fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, CookieError> {
    let mut found = None;
    let lines = headers.get_all(COOKIE).iter();
    for pair in lines.flat_map(|line| line.as_bytes().split(|b| *b == b';')) {
        let pair = pair.trim_ascii();
        let value = pair.strip_prefix(name.as_bytes()).and_then(|rest| rest.strip_prefix(b"="));
        let Some(value) = value else { continue };
        if found.replace(value).is_some() {
            return Err(CookieError::Duplicate);
        }
    }
    let Some(value) = found else { return Ok(None) };
    match std::str::from_utf8(value) {
        Ok(text) if text.bytes().all(is_cookie_octet) => Ok(Some(text)),
        _ => Err(CookieError::Malformed),
    }
}

fn is_cookie_octet(b: u8) -> bool {
    b.is_ascii_graphic() && !matches!(b, b'"' | b',' | b';' | b'\\')
}

/// One cookie of ours: its full name and attributes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CookieSpec {
    name: String,
    attributes: String,
}

impl CookieSpec {
    /// The cookie `base` in this scope. On https its name becomes `__Host-base`, or `__Secure-base` where a
    /// path or domain is configured, which `__Host-` does not allow.
    ///
    /// # Errors
    /// The scope cannot work; the text says why.
    pub fn new(base: &str, visibility: Visibility, scope: &CookieScope) -> Result<Self, BadCookieScope> {
        scope.check()?;
        let prefix = match (visibility, scope.https, scope.path == "/" && scope.domain.is_none()) {
            (Visibility::Readable, ..) | (_, false, _) => "",
            (Visibility::HttpOnly, true, true) => "__Host-",
            (Visibility::HttpOnly, true, false) => "__Secure-",
        };
        Ok(Self { name: format!("{prefix}{base}"), attributes: scope.attributes(visibility) })
    }

    /// The name on the wire.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its value in a request; see [`cookie`].
    ///
    /// # Errors
    /// [`CookieError`].
    pub fn read<'a>(&self, headers: &'a HeaderMap) -> Result<Option<&'a str>, CookieError> {
        cookie(headers, &self.name)
    }

    /// A `Set-Cookie` that lasts `max_age` seconds; without, until the browser closes.
    ///
    /// # Errors
    /// The value holds characters that no cookie can hold, or is too long.
    pub fn set(&self, value: &str, max_age: Option<u64>) -> Result<HeaderValue, BadCookieValue> {
        if self.name.len() + value.len() > MAX_LENGTH || !value.bytes().all(is_cookie_octet) {
            return Err(BadCookieValue);
        }
        self.line(value, max_age).ok_or(BadCookieValue)
    }

    /// A `Set-Cookie` that takes the cookie away.
    pub fn clear(&self) -> HeaderValue {
        // Name and attributes were checked when the spec was made.
        self.line("", Some(0)).unwrap_or(HeaderValue::from_static(""))
    }

    fn line(&self, value: &str, max_age: Option<u64>) -> Option<HeaderValue> {
        let mut line = format!("{}={value}{}", self.name, self.attributes);
        if let Some(seconds) = max_age {
            // Writing to a String cannot fail.
            let _ = write!(line, "; Max-Age={seconds}");
        }
        let mut line = HeaderValue::try_from(line).ok()?;
        // Keeps it out of Debug output and of HTTP/2's compression tables.
        line.set_sensitive(true);
        Some(line)
    }
}

impl CookieScope {
    fn check(&self) -> Result<(), BadCookieScope> {
        if self.same_site == SameSite::None && !self.https {
            return Err(BadCookieScope::NoneWithoutHttps);
        }
        if !self.path.starts_with('/') || !self.path.bytes().all(|b| b.is_ascii_graphic() && b != b';') {
            return Err(BadCookieScope::Path(self.path.clone()));
        }
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-');
        match &self.domain {
            Some(domain) if domain.is_empty() || domain.starts_with('.') || !domain.bytes().all(plain) => {
                Err(BadCookieScope::Domain(domain.clone()))
            }
            _ => Ok(()),
        }
    }

    fn attributes(&self, visibility: Visibility) -> String {
        let mut attributes = format!("; Path={}", self.path);
        if let Some(domain) = &self.domain {
            attributes.push_str("; Domain=");
            attributes.push_str(domain);
        }
        if visibility == Visibility::HttpOnly {
            attributes.push_str("; HttpOnly");
        }
        if self.https {
            attributes.push_str("; Secure");
        }
        attributes.push_str(match self.same_site {
            SameSite::Strict => "; SameSite=Strict",
            SameSite::Lax => "; SameSite=Lax",
            SameSite::None => "; SameSite=None",
        });
        attributes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[&[u8]]) -> HeaderMap {
        let line = |line: &&[u8]| (COOKIE, HeaderValue::from_bytes(line).expect("a header value"));
        lines.iter().map(line).collect()
    }

    fn scope(https: bool) -> CookieScope {
        CookieScope { https, same_site: SameSite::Lax, path: "/".into(), domain: None }
    }

    fn spec(scope: &CookieScope) -> CookieSpec {
        CookieSpec::new("pc_refresh", Visibility::HttpOnly, scope).expect("a scope that works")
    }

    #[test]
    fn one_is_found_among_others() {
        let headers = headers(&[b"a=1; pc=x.y_z", b"b=\xff; pcx=2; pc2=3; =; novalue"]);
        assert_eq!(cookie(&headers, "pc"), Ok(Some("x.y_z")));
        assert_eq!(cookie(&headers, "pcx"), Ok(Some("2")));
        assert_eq!(cookie(&headers, "p"), Ok(None));
        assert_eq!(cookie(&headers, "novalue"), Ok(None));
        assert_eq!(cookie(&headers, "b"), Err(CookieError::Malformed));
    }

    #[test]
    fn two_of_one_name_are_refused_in_one_line_or_two() {
        assert_eq!(cookie(&headers(&[b"pc=1; pc=2"]), "pc"), Err(CookieError::Duplicate));
        assert_eq!(cookie(&headers(&[b"pc=1", b"pc=1"]), "pc"), Err(CookieError::Duplicate));
    }

    #[test]
    fn prefixes_follow_https_path_and_domain() {
        assert_eq!(spec(&scope(false)).name(), "pc_refresh");
        assert_eq!(spec(&scope(true)).name(), "__Host-pc_refresh");
        let narrow = CookieScope { path: "/auth".into(), ..scope(true) };
        assert_eq!(spec(&narrow).name(), "__Secure-pc_refresh");
        let shared = CookieScope { domain: Some("example.com".into()), ..scope(true) };
        assert_eq!(spec(&shared).name(), "__Secure-pc_refresh");
        let readable = CookieSpec::new("csrftoken", Visibility::Readable, &scope(true)).expect("works");
        assert_eq!(readable.name(), "csrftoken");
    }

    #[test]
    fn set_and_clear_carry_the_same_attributes() {
        let shared = CookieScope { domain: Some("example.com".into()), ..scope(true) };
        let spec = spec(&shared);
        let attributes = "Path=/; Domain=example.com; HttpOnly; Secure; SameSite=Lax";
        let set = spec.set("tok", Some(60)).expect("a value");
        assert_eq!(set, format!("__Secure-pc_refresh=tok; {attributes}; Max-Age=60"));
        assert_eq!(spec.clear(), format!("__Secure-pc_refresh=; {attributes}; Max-Age=0"));
        assert!(set.is_sensitive());
    }

    #[test]
    fn plain_http_has_no_secure_and_readable_no_http_only() {
        let set = spec(&scope(false)).set("t", None).expect("a value");
        assert_eq!(set, "pc_refresh=t; Path=/; HttpOnly; SameSite=Lax");
        let readable = CookieSpec::new("csrftoken", Visibility::Readable, &scope(true)).expect("works");
        assert_eq!(readable.set("t", None).expect("a value"), "csrftoken=t; Path=/; Secure; SameSite=Lax");
    }

    #[test]
    fn values_cannot_break_out() {
        for value in ["a;b", "a b", "a,b", "a\"b", "a\r\nb", "\u{fc}"] {
            assert_eq!(spec(&scope(true)).set(value, None), Err(BadCookieValue), "{value}");
        }
    }

    #[test]
    fn what_browsers_would_drop_is_refused() {
        let spec = spec(&scope(false));
        let longest = "x".repeat(MAX_LENGTH - "pc_refresh".len());
        assert!(spec.set(&longest, None).is_ok());
        assert_eq!(spec.set(&format!("{longest}x"), None), Err(BadCookieValue));
    }

    #[test]
    fn scopes_that_cannot_work_are_named() {
        let new =
            |scope: &CookieScope| CookieSpec::new("c", Visibility::HttpOnly, scope).expect_err("refused");
        let none = CookieScope { same_site: SameSite::None, ..scope(false) };
        assert_eq!(new(&none), BadCookieScope::NoneWithoutHttps);
        for path in ["", "auth", "/a;b", "/a b"] {
            assert_eq!(
                new(&CookieScope { path: path.into(), ..scope(true) }),
                BadCookieScope::Path(path.into())
            );
        }
        for domain in ["", ".example.com", "a;b", "https://a"] {
            let scope = CookieScope { domain: Some(domain.into()), ..scope(true) };
            assert_eq!(new(&scope), BadCookieScope::Domain(domain.into()));
        }
    }
}
