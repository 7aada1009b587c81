//! Answers of our own: a problem, a page, a way elsewhere.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, LOCATION, SET_COOKIE};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};
use portcullis_edge::Problem;

use crate::body::Body;

const FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
const REQUESTED_WITH: HeaderName = HeaderName::from_static("x-requested-with");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// An answer.
pub(crate) type Answer = Response<Body>;

pub(crate) fn problem(problem: Problem) -> Answer {
    problem.into_response()
}

/// `303 See Other`: whatever was sent, the next is a `GET`.
pub(crate) fn see_other(place: &str) -> Answer {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SEE_OTHER;
    let headers = response.headers_mut();
    headers.insert(LOCATION, HeaderValue::from_str(place).unwrap_or(HeaderValue::from_static("/")));
    headers.insert(CACHE_CONTROL, NO_STORE);
    response
}

/// A body of ours that nobody keeps.
pub(crate) fn private(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Answer {
    let mut response = Response::new(Body::from(body.into()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, NO_STORE);
    response
}

/// JSON of ours.
pub(crate) fn json(status: StatusCode, value: &serde_json::Value) -> Answer {
    private(status, "application/json", value.to_string())
}

/// 204.
pub(crate) fn no_content() -> Answer {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response.headers_mut().insert(CACHE_CONTROL, NO_STORE);
    response
}

/// Adds cookies.
pub(crate) fn set<'a>(headers: &mut HeaderMap, lines: impl IntoIterator<Item = &'a HeaderValue>) {
    for line in lines {
        headers.append(SET_COOKIE, line.clone());
    }
}

/// Whether a person in front of a browser waits for a page.
pub(crate) fn is_for_a_page(parts: &Parts) -> bool {
    let headers = &parts.headers;
    let navigates = match headers.get(FETCH_MODE) {
        Some(mode) => mode == "navigate",
        None => !headers.contains_key(REQUESTED_WITH),
    };
    matches!(parts.method, Method::GET | Method::HEAD) && navigates && accepts_html(headers)
}

/// Whether `text/html` is asked for by name.
pub(crate) fn accepts_html(headers: &HeaderMap) -> bool {
    headers.get_all(http::header::ACCEPT).iter().any(|line| {
        let mut kinds = line.as_bytes().split(|b| *b == b',');
        kinds.any(|kind| {
            let kind = kind.split(|b| *b == b';').next().unwrap_or_default();
            kind.trim_ascii().eq_ignore_ascii_case(b"text/html")
        })
    })
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    #[test]
    fn pages_are_told_from_programs() {
        let page = |method: &str, headers: &[(&str, &str)]| {
            let mut request = Request::builder().method(method);
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            is_for_a_page(&request.body(()).expect("a request").into_parts().0)
        };
        let html = ("accept", "text/html,application/xhtml+xml;q=0.9");
        assert!(page("GET", &[html]) && page("GET", &[html, ("sec-fetch-mode", "navigate")]));
        assert!(!page("GET", &[]) && !page("GET", &[("accept", "*/*")]) && !page("POST", &[html]));
        assert!(!page("GET", &[html, ("sec-fetch-mode", "cors")]));
        assert!(!page("GET", &[html, ("x-requested-with", "XMLHttpRequest")]));
    }
}
