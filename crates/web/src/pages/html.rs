//! Answers that are pages, and refusals that are.

use askama::Template;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, LOCATION, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, StatusCode};
use portcullis_edge::code::Code;
use portcullis_edge::problem::Problem;

use crate::failure::{Answer, Failure, Logged};
use crate::paths;

/// A refusal that is shown as a page of its own.
pub(crate) struct Refused {
    failure: Failure,
    /// What the browser has been given all the same, and must not lose.
    cookies: Box<HeaderMap>,
}

/// What the handlers of pages return.
pub(crate) type PageAnswer = Result<Response, Refused>;

/// A link below the rest of a page.
pub(super) struct Link {
    pub(super) text: &'static str,
    pub(super) place: String,
}

impl Link {
    pub(super) fn new(text: &'static str, place: impl Into<String>) -> Self {
        Self { text, place: place.into() }
    }
}

/// What went wrong, in words for whoever sits in front of the page.
pub(super) struct Message {
    /// The stable code.
    pub(super) code: &'static str,
    pub(super) text: String,
}

/// A page with a few words on it.
#[derive(Template)]
#[template(path = "notice.html")]
pub(super) struct Notice {
    pub(super) title: &'static str,
    pub(super) code: Option<&'static str>,
    pub(super) text: String,
    pub(super) links: Vec<Link>,
}

impl Refused {
    pub(super) fn with_cookies(failure: Failure, cookies: HeaderMap) -> Self {
        Self { failure, cookies: Box::new(cookies) }
    }
}

impl<E: Into<Failure>> From<E> for Refused {
    fn from(error: E) -> Self {
        Self { failure: error.into(), cookies: Box::default() }
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let shown = refused(self.failure, |problem, headers| {
            let Message { code, text } = message(problem, headers);
            let links = vec![Link::new("Your account", paths::ACCOUNT_PAGE)];
            page(&Notice { title: problem.code().title(), code: Some(code), text, links })
        });
        let mut response = shown.unwrap_or_else(IntoResponse::into_response);
        response.headers_mut().extend(*self.cookies);
        response
    }
}

/// The answer that `failure` is, with what `rendered` makes of it as its body. Status, `Retry-After` and what else says
/// how to go on are those of the API.
pub(super) fn refused(failure: Failure, rendered: impl FnOnce(&Problem, &HeaderMap) -> Answer) -> Answer {
    let (problem, log) = failure.into_parts();
    let (parts, _) = problem.clone().into_response::<Body>().into_parts();
    let mut response = rendered(&problem, &parts.headers)?;
    *response.status_mut() = parts.status;
    for (name, value) in &parts.headers {
        response.headers_mut().entry(name).or_insert_with(|| value.clone());
    }
    if let Some(log) = log {
        response.extensions_mut().insert(Logged(log));
    }
    Ok(response)
}

/// Renders a page. Nobody may keep it: what it shows is about whoever opened it.
pub(super) fn page(template: &impl Template) -> Answer {
    let html = template.render().map_err(|error| Failure::logged(Code::InternalError, error.to_string()))?;
    let mut response = Response::new(Body::from(html));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// 303: whatever was asked is done, and the next page is there (RFC 9110 section 15.4.4).
pub(super) fn see_other(place: &str) -> Answer {
    let place = HeaderValue::from_str(place)
        .map_err(|_| Failure::logged(Code::InternalError, "a place that no header can hold"))?;
    let mut response = StatusCode::SEE_OTHER.into_response();
    response.headers_mut().insert(LOCATION, place);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// The text of a problem for whoever sits in front of a page; what the API says is for programs.
pub(super) fn message(problem: &Problem, headers: &HeaderMap) -> Message {
    let code = problem.code();
    let text = match code {
        Code::InvalidCredentials => "The name or the password is wrong, or this user cannot sign in now.",
        Code::EmailTaken => "Somebody has signed up with this address. If that was you, sign in.",
        Code::CsrfFailed => {
            "This page was out of date, or the request came from elsewhere. Nothing was done. Please try again."
        }
        Code::RateLimited => return Message { code: code.as_str(), text: too_many(headers) },
        Code::StoreUnavailable | Code::KeyUnavailable | Code::HashingBusy | Code::IssuerUnavailable => {
            "The server cannot do this now. That is not your fault: please try again in a moment."
        }
        Code::InternalError => {
            "Something went wrong here, and that is our fault. Please try again; if it happens again, tell whoever runs \
             this server."
        }
        Code::ValidationFailed => match problem.field_errors() {
            // What no field of the form stands for must be said somewhere.
            [] => problem.detail_text(),
            [first, ..] => &first.message,
        },
        Code::LinkRequired => {
            "Somebody has an account with this e-mail address. If that is you, sign in here as before; then you can add \
             the provider on your account page."
        }
        Code::IdentityTaken => "Somebody else signs in by way of this account at the provider.",
        Code::LastWayIn => {
            "Nothing else would be left to sign in with. Set a password first, or add another provider."
        }
        Code::FreshLoginRequired => "Please show once more that it is you, then try again.",
        Code::NotWhileActing => "You act as another user: this is not yours to change.",
        Code::ReadOnlySession => "You act as another user, and may only look.",
        _ => problem.detail_text(),
    };
    Message { code: code.as_str(), text: text.to_owned() }
}

fn too_many(headers: &HeaderMap) -> String {
    let seconds = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()).unwrap_or("a few");
    format!("Too many attempts. Please wait {seconds} seconds, then try again.")
}
