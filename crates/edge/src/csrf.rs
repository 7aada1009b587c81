//! The half of the CSRF rules that looks at where a request comes from.
//!
//! 1. Exactly one `Origin`, else exactly one `Referer`, must name an origin of ours or a trusted one.
//! 2. `Sec-Fetch-Site` of `cross-site` or `same-site` is refused, except from a trusted origin that is not
//!    ours: there it is the truth.
//!
//! This is for unsafe requests that are authenticated by cookie, and for those whose answer sets one. Who
//! comes with a `Bearer` header needs none of it. The other half, the token, stands beside the session.

use http::header::{ORIGIN, REFERER};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use url::Url;

use crate::code::Code;
use crate::origin::{Origin, own_origins};
use crate::problem::Problem;

/// Carries the token of the session.
pub const X_CSRF_TOKEN: HeaderName = HeaderName::from_static("x-csrftoken");
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Why a request may be forged. The text says what to mend; for the caller it is always `csrf_failed`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CsrfFailure {
    /// Neither `Origin` nor `Referer`.
    #[error("The request has neither `Origin` nor `Referer`. Send it from a page, or use a bearer token.")]
    NoOrigin,
    /// Present, but not ours and not trusted, or unreadable, or `null`.
    #[error("The request comes from another site. If that site is yours, add it to `csrf.trusted_origins`.")]
    ForeignOrigin,
    /// The browser says that another site made it.
    #[error("The browser says that another site made this request.")]
    CrossSite,
    /// From the right place, but without the token of its session, or with another.
    #[error(
        "The CSRF token is missing or is not this session's. Send the one of `GET /auth/csrf` in `X-CSRFToken`."
    )]
    Token,
}

impl From<CsrfFailure> for Problem {
    fn from(failure: CsrfFailure) -> Self {
        Self::new(Code::CsrfFailed).detail(failure.to_string())
    }
}

/// Whether a method may change something (RFC 9110 section 9.2.1 names the safe ones).
pub fn is_unsafe(method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE)
}

/// The origins whose requests with our cookies are believed.
#[derive(Debug, Clone)]
pub struct TrustedOrigins {
    own: Vec<Origin>,
    others: Vec<Origin>,
}

/// Where a believed request comes from.
#[derive(Clone, Copy)]
enum Source {
    Own,
    Trusted,
}

impl TrustedOrigins {
    /// Ours by the public URL, and those of `csrf.trusted_origins`.
    pub fn new(public_url: &Url, others: Vec<Origin>) -> Self {
        Self { own: own_origins(public_url), others }
    }

    /// Checks where a request comes from.
    ///
    /// # Errors
    /// [`CsrfFailure`]; a [`Problem`] can be made of it.
    pub fn check(&self, headers: &HeaderMap) -> Result<(), CsrfFailure> {
        let source = match single(headers, &ORIGIN)? {
            Some(origin) => self.source_of(origin.as_bytes()),
            None => match single(headers, &REFERER)? {
                Some(referer) => {
                    origin_of_referer(referer).and_then(|origin| self.source_of(origin.as_str().as_bytes()))
                }
                None => return Err(CsrfFailure::NoOrigin),
            },
        };
        let source = source.ok_or(CsrfFailure::ForeignOrigin)?;
        check_fetch_site(source, headers)
    }

    /// `origin` as a browser serialises it: compared byte for byte.
    fn source_of(&self, origin: &[u8]) -> Option<Source> {
        let among = |list: &[Origin]| list.iter().any(|known| known.as_str().as_bytes() == origin);
        if among(&self.own) { Some(Source::Own) } else { among(&self.others).then_some(Source::Trusted) }
    }
}

fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a HeaderValue>, CsrfFailure> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (_, Some(_)) => Err(CsrfFailure::ForeignOrigin),
        (value, None) => Ok(value),
    }
}

fn origin_of_referer(referer: &HeaderValue) -> Option<Origin> {
    Origin::of(&Url::parse(referer.to_str().ok()?).ok()?)
}

/// Browsers that do not send `Sec-Fetch-Site` are left to rule 1. An unknown value is taken for the worst.
fn check_fetch_site(source: Source, headers: &HeaderMap) -> Result<(), CsrfFailure> {
    let told = headers.get_all(SEC_FETCH_SITE).iter();
    let told_other = told.into_iter().any(|site| !matches!(site.as_bytes(), b"same-origin" | b"none"));
    match source {
        Source::Own if told_other => Err(CsrfFailure::CrossSite),
        Source::Own | Source::Trusted => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(headers: &[(&'static str, &str)]) -> Result<(), CsrfFailure> {
        let public_url = Url::parse("https://auth.example.com").expect("a URL");
        let others = vec![Origin::parse("https://app.example.com").expect("an origin")];
        let value = |(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), HeaderValue::from_bytes(value.as_bytes()).expect("a value"))
        };
        TrustedOrigins::new(&public_url, others).check(&headers.iter().map(value).collect())
    }

    const OWN: (&str, &str) = ("origin", "https://auth.example.com");
    const TRUSTED: (&str, &str) = ("origin", "https://app.example.com");

    #[test]
    fn our_pages_and_trusted_ones_pass() {
        assert_eq!(check(&[OWN]), Ok(()));
        assert_eq!(check(&[OWN, ("sec-fetch-site", "same-origin")]), Ok(()));
        assert_eq!(check(&[OWN, ("sec-fetch-site", "none")]), Ok(()));
        assert_eq!(check(&[TRUSTED, ("sec-fetch-site", "same-site")]), Ok(()));
        assert_eq!(check(&[TRUSTED, ("sec-fetch-site", "cross-site")]), Ok(()));
    }

    #[test]
    fn the_referer_stands_in_for_a_missing_origin_only() {
        let own_page = ("referer", "https://auth.example.com/sign-in?x=1");
        assert_eq!(check(&[own_page]), Ok(()));
        assert_eq!(
            check(&[("referer", "https://evil.example/https://auth.example.com")]),
            Err(CsrfFailure::ForeignOrigin)
        );
        assert_eq!(check(&[("referer", "/sign-in")]), Err(CsrfFailure::ForeignOrigin));
        assert_eq!(check(&[("origin", "https://evil.example"), own_page]), Err(CsrfFailure::ForeignOrigin));
        assert_eq!(check(&[("origin", "null"), own_page]), Err(CsrfFailure::ForeignOrigin));
    }

    #[test]
    fn nothing_at_all_is_refused() {
        assert_eq!(check(&[]), Err(CsrfFailure::NoOrigin));
        assert_eq!(check(&[("sec-fetch-site", "same-origin")]), Err(CsrfFailure::NoOrigin));
    }

    #[test]
    fn other_origins_are_refused_whatever_they_look_like() {
        for origin in [
            "http://auth.example.com",
            "https://auth.example.com:8443",
            "https://auth.example.com.evil.example",
            "https://evil.example.com",
            "https://auth.example.com/",
            "",
            "\u{fc}",
        ] {
            assert_eq!(check(&[("origin", origin)]), Err(CsrfFailure::ForeignOrigin), "{origin}");
        }
        assert_eq!(check(&[OWN, OWN]), Err(CsrfFailure::ForeignOrigin));
    }

    #[test]
    fn the_browser_is_believed_when_it_says_another_site() {
        for site in ["cross-site", "same-site", "something-new"] {
            assert_eq!(check(&[OWN, ("sec-fetch-site", site)]), Err(CsrfFailure::CrossSite), "{site}");
        }
        let twice = [OWN, ("sec-fetch-site", "same-origin"), ("sec-fetch-site", "cross-site")];
        assert_eq!(check(&twice), Err(CsrfFailure::CrossSite));
    }

    #[test]
    fn only_methods_that_cannot_change_anything_are_safe() {
        for method in [Method::GET, Method::HEAD, Method::OPTIONS, Method::TRACE] {
            assert!(!is_unsafe(&method), "{method}");
        }
        for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::CONNECT] {
            assert!(is_unsafe(&method), "{method}");
        }
    }
}
