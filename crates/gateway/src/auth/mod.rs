//! `/auth/*`: ours towards the browser, the issuer's behind.
//!
//! 1. Sign-in page, CSRF token, refresh, sign-out and the access code are answered here.
//! 2. All else goes on to the issuer with the session's access token ([`relay`]); tokens in an answer go into the
//!    cookies and never to the browser. A request with a bearer of its own is passed on as it is, and so is its answer.
//! 3. What may change something must come from a page of ours, and with a session carry its CSRF token ([`csrf`]).

mod access_code;
mod challenge;
mod csrf;
mod fields;
mod pages;
mod relay;
mod sign_out;

use std::sync::Arc;

use http::request::Parts;
use http::{Method, StatusCode};
use hyper::body::Incoming;
use portcullis_edge::{Code, Problem};

use crate::answer::{self, Answer};
use crate::gateway::Inner;
use crate::issuer::{OnBehalf, Refused};
use crate::session::Session;
use crate::{pages as templates, paths, who};

pub(crate) use access_code::AccessCode;
pub(crate) use pages::{before_the_code, to_new_password};

/// What a request has brought along in cookies of ours.
pub(crate) struct Brought {
    /// The session, as it was sealed.
    pub(crate) session: Option<Arc<Session>>,
    /// In how many cookies.
    pub(crate) parts: usize,
    pub(crate) device: Option<String>,
    /// The secret of a sign-in that owes a second factor.
    pub(crate) challenge: Option<String>,
    /// It knows the access code, or there is none.
    pub(crate) code: bool,
}

/// A request for us.
pub(crate) struct Asked {
    pub(crate) parts: Parts,
    pub(crate) brought: Arc<Brought>,
    pub(crate) client: OnBehalf,
    pub(crate) host: String,
}

impl Asked {
    /// Without a slash at the end.
    fn path(&self) -> &str {
        let path = self.parts.uri.path();
        path.strip_suffix('/').unwrap_or(path)
    }
}

impl Inner {
    /// Answers what is ours.
    pub(crate) async fn auth(&self, asked: Asked, body: Incoming) -> Answer {
        let answered = match (&asked.parts.method, asked.path()) {
            (&Method::GET | &Method::HEAD, paths::SIGN_IN) => Ok(self.sign_in_page(&asked).await),
            (&Method::GET | &Method::HEAD, paths::CHANGE_PASSWORD) => Ok(self.change_password_page(&asked)),
            (&Method::GET | &Method::HEAD, paths::STYLE) => Ok(style()),
            (&Method::GET | &Method::HEAD, paths::CSRF) => Ok(self.csrf_token(&asked)),
            (&Method::POST, paths::ACCESS_CODE) => self.enter_access_code(asked, body).await,
            (&Method::POST, paths::LOGOUT) => self.log_out(asked, body).await,
            (&Method::POST, paths::LOGOUT_ALL) => self.log_out_everywhere(asked, body).await,
            (&Method::POST, paths::REFRESH) => self.refresh(asked, body).await,
            (_, path) if paths::NOT_PASSED_ON.contains(&path) => Err(Code::NotFound.into()),
            _ => self.relay(asked, body).await,
        };
        answered.unwrap_or_else(answer::problem)
    }

    /// The refusal of a session that cannot be refreshed, with its cookies if it has ended.
    fn lost(&self, refused: Refused, brought: &Brought) -> Answer {
        match refused {
            Refused::Ended { superseded } => {
                let mut response = answer::problem(Code::InvalidToken.into());
                if !superseded {
                    self.clear_cookies(response.headers_mut(), brought);
                }
                response
            }
            Refused::Unavailable { why, retry_after } => answer::problem(who::unknown(&why, retry_after)),
        }
    }
}

fn style() -> Answer {
    let mut response = answer::private(StatusCode::OK, "text/css; charset=utf-8", templates::STYLE);
    let kept = http::HeaderValue::from_static("public, max-age=300");
    response.headers_mut().insert(http::header::CACHE_CONTROL, kept);
    response
}

/// Where to go on: a path of the same site, else its root.
fn return_to(wanted: Option<&str>, origin: &str) -> String {
    let wanted = wanted.unwrap_or("/");
    let path = wanted.strip_prefix(origin).unwrap_or(wanted);
    let plain = path.starts_with('/')
        && !path.starts_with("//")
        && path.bytes().all(|b| b.is_ascii_graphic() && b != b'\\');
    if plain { path.to_owned() } else { "/".to_owned() }
}

/// A parameter of the query.
fn parameter(parts: &Parts, name: &str) -> Option<String> {
    let query = parts.uri.query().unwrap_or_default();
    url::form_urlencoded::parse(query.as_bytes())
        .find(|(known, _)| known == name)
        .map(|(_, value)| value.into_owned())
}

fn csrf_failed(detail: &'static str) -> Problem {
    Problem::new(Code::CsrfFailed).detail(detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_return_to_the_same_site_only() {
        const ORIGIN: &str = "https://app.example";
        for (wanted, place) in [
            (Some("/a?b=c"), "/a?b=c"),
            (Some("https://app.example/a"), "/a"),
            (Some("https://app.example"), "/"),
            (None, "/"),
        ] {
            assert_eq!(return_to(wanted, ORIGIN), place, "{wanted:?}");
        }
        for elsewhere in [
            "//evil.example/",
            "/\\evil.example",
            "https://evil.example/",
            "https://app.example.evil.example/",
            "https://app.example//evil.example",
            "javascript:alert(1)",
            "/a\r\nb",
            "/a b",
            "a",
            "",
        ] {
            assert_eq!(return_to(Some(elsewhere), ORIGIN), "/", "{elsewhere}");
        }
    }
}
