//! A refusal as it goes over the wire: `application/problem+json` of RFC 9457.
//!
//! ```
//! use portcullis_edge::{Code, Problem};
//!
//! let response: http::Response<bytes::Bytes> = Problem::new(Code::RateLimited).retry_after(7).into_response();
//! assert_eq!(response.status(), 429);
//! assert_eq!(response.headers()["retry-after"], "7");
//! ```

use std::fmt;

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::code::Code;

/// The media type of RFC 9457 section 6.1.
pub const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");

/// Seconds a client is asked to wait after a 429 or 503 where nothing more exact is known.
const DEFAULT_RETRY_AFTER: u64 = 1;

/// What is wrong with one field of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldError {
    /// Path of the field, e.g. `email` or `items[0].name`; empty for the body as a whole.
    pub field: String,
    /// Stable, for programs, e.g. `required`.
    pub code: &'static str,
    /// For people; never repeats the value that was sent.
    pub message: String,
}

impl FieldError {
    /// An error of `field`.
    pub fn new(field: impl Into<String>, code: &'static str, message: impl Into<String>) -> Self {
        Self { field: field.into(), code, message: message.into() }
    }
}

/// A refusal. One pointer wide, because it travels in `Result`s that are almost always `Ok`.
#[derive(Debug, Clone)]
pub struct Problem(Box<Parts>);

#[derive(Debug, Clone)]
struct Parts {
    code: Code,
    detail: Option<String>,
    errors: Vec<FieldError>,
    retry_after: Option<u64>,
    headers: HeaderMap,
    extra: Map<String, Value>,
}

#[derive(Serialize)]
struct Body<'a> {
    #[serde(rename = "type")]
    kind: String,
    title: &'a str,
    status: u16,
    detail: &'a str,
    code: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [FieldError],
    #[serde(flatten)]
    extra: &'a Map<String, Value>,
}

impl Problem {
    /// The refusal `code` stands for, with the status, texts and challenge of the table.
    pub fn new(code: Code) -> Self {
        let mut headers = HeaderMap::new();
        if let Some(challenge) = code.info().challenge {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        let retry_after =
            matches!(code.status(), StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE)
                .then_some(DEFAULT_RETRY_AFTER);
        Self(Box::new(Parts {
            code,
            detail: None,
            errors: Vec::new(),
            retry_after,
            headers,
            extra: Map::new(),
        }))
    }

    /// 422 `validation_failed` for these fields.
    pub fn validation(errors: Vec<FieldError>) -> Self {
        Self::new(Code::ValidationFailed).errors(errors)
    }

    /// 403 `insufficient_scope` with the scope that is needed (RFC 6750 section 3).
    pub fn insufficient_scope(needed: &str) -> Self {
        let problem = Self::new(Code::InsufficientScope);
        // RFC 6749 section 3.3: what may stand between the quotes.
        let is_scope = needed.bytes().all(|b| matches!(b, b' ' | b'!' | b'#'..=b'[' | b']'..=b'~'));
        let challenge = format!(r#"Bearer error="insufficient_scope", scope="{needed}""#);
        match HeaderValue::try_from(challenge) {
            Ok(challenge) if is_scope => problem.www_authenticate(challenge),
            _ => problem,
        }
    }

    /// Replaces the general text by one that is exact for this place. For people; no secrets.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.0.detail = Some(detail.into());
        self
    }

    /// Names the fields that are wrong.
    #[must_use]
    pub fn errors(mut self, errors: Vec<FieldError>) -> Self {
        self.0.errors = errors;
        self
    }

    /// Says after how many seconds to come back (RFC 9110 section 10.2.3).
    #[must_use]
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.0.retry_after = Some(seconds);
        self
    }

    /// Replaces the challenge.
    #[must_use]
    pub fn www_authenticate(self, challenge: HeaderValue) -> Self {
        self.header(WWW_AUTHENTICATE, challenge)
    }

    /// The methods a 405 must name (RFC 9110 section 15.5.6).
    #[must_use]
    pub fn allow(self, methods: HeaderValue) -> Self {
        self.header(ALLOW, methods)
    }

    /// Sets any other header of the response, e.g. `RateLimit`.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.insert(name, value);
        self
    }

    /// Adds a member of its own (RFC 9457 section 3.2), e.g. `challenge`. The standard members cannot be
    /// replaced this way.
    #[must_use]
    pub fn extra(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        if !["type", "title", "status", "detail", "code", "errors"].contains(&name) {
            self.0.extra.insert(name.to_owned(), value.into());
        }
        self
    }

    /// Its code.
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// Its status.
    pub fn status(&self) -> StatusCode {
        self.0.code.status()
    }

    /// The text for people.
    pub fn detail_text(&self) -> &str {
        self.0.detail.as_deref().unwrap_or(self.0.code.detail())
    }

    /// The fields that are wrong.
    pub fn field_errors(&self) -> &[FieldError] {
        &self.0.errors
    }

    /// The response, in whatever body the face uses.
    pub fn into_response<B: From<Bytes>>(self) -> Response<B> {
        let body = B::from(self.to_json());
        let Parts { code, retry_after, headers, .. } = *self.0;
        let mut response = Response::new(body);
        *response.status_mut() = code.status();
        *response.headers_mut() = headers;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, PROBLEM_JSON);
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }

    /// The body alone.
    pub fn to_json(&self) -> Bytes {
        let code = self.0.code;
        let body = Body {
            // A relative reference is allowed (RFC 9457 section 3.1.1) and right for every installation.
            kind: format!("/docs/problems#{code}"),
            title: code.title(),
            status: code.status().as_u16(),
            detail: self.detail_text(),
            code: code.as_str(),
            errors: &self.0.errors,
            extra: &self.0.extra,
        };
        // Strings, numbers and maps with string keys: serialising these cannot fail.
        serde_json::to_vec(&body).unwrap_or_default().into()
    }
}

impl From<Code> for Problem {
    fn from(code: Code) -> Self {
        Self::new(code)
    }
}

impl From<FieldError> for Problem {
    fn from(error: FieldError) -> Self {
        Self::validation(vec![error])
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.code, self.detail_text())
    }
}

impl std::error::Error for Problem {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::code::CODES;

    fn json(response: &Response<Bytes>) -> Value {
        serde_json::from_slice(response.body()).expect("a problem is JSON")
    }

    #[test]
    fn every_code_becomes_a_whole_problem() {
        for info in CODES {
            let response: Response<Bytes> = Problem::new(info.code).into_response();
            assert_eq!(response.status(), info.status);
            assert_eq!(response.headers()[CONTENT_TYPE], "application/problem+json");
            assert_eq!(response.headers()[CACHE_CONTROL], "no-store");
            let body = json(&response);
            assert_eq!(body["type"], format!("/docs/problems#{}", info.name));
            assert_eq!(body["status"], info.status.as_u16());
            assert_eq!(body["title"], info.title);
            assert_eq!(body["detail"], info.detail);
            assert_eq!(body["code"], info.name);
            assert!(body.get("errors").is_none());
        }
    }

    #[test]
    fn challenges_follow_rfc_6750() {
        let challenge = |code| {
            let response: Response<Bytes> = Problem::new(code).into_response();
            response.headers()[WWW_AUTHENTICATE].clone()
        };
        assert_eq!(challenge(Code::MissingToken), "Bearer");
        assert_eq!(challenge(Code::InvalidCredentials), "Bearer");
        assert_eq!(challenge(Code::InvalidToken), r#"Bearer error="invalid_token""#);
        assert_eq!(challenge(Code::RefreshReused), r#"Bearer error="invalid_token""#);
        assert_eq!(challenge(Code::MalformedAuthorization), r#"Bearer error="invalid_request""#);
    }

    #[test]
    fn a_missing_scope_is_named_if_it_can_be() {
        let bare = r#"Bearer error="insufficient_scope""#;
        for (scope, named) in [
            ("files:read", r#", scope="files:read""#),
            ("a b", r#", scope="a b""#),
            ("a\"b", ""),
            ("a\\b", ""),
            ("a\r\nb", ""),
            ("\u{fc}", ""),
        ] {
            let response: Response<Bytes> = Problem::insufficient_scope(scope).into_response();
            assert_eq!(response.status(), 403);
            assert_eq!(response.headers()[WWW_AUTHENTICATE], format!("{bare}{named}"), "{scope:?}");
        }
    }

    #[test]
    fn a_503_always_says_when_to_come_back() {
        let response: Response<Bytes> = Problem::new(Code::StoreUnavailable).into_response();
        assert_eq!(response.headers()[RETRY_AFTER], "1");
        let response: Response<Bytes> = Problem::new(Code::HashingBusy).retry_after(5).into_response();
        assert_eq!(response.headers()[RETRY_AFTER], "5");
        let response: Response<Bytes> = Problem::new(Code::InternalError).into_response();
        assert!(!response.headers().contains_key(RETRY_AFTER));
    }

    #[test]
    fn fields_extras_and_allow_are_sent() {
        let error = FieldError::new("email", "required", "is required");
        let response: Response<Bytes> = Problem::validation(vec![error])
            .detail("one field is wrong")
            .extra("challenge", "abc")
            .extra("status", 200)
            .allow(HeaderValue::from_static("GET, POST"))
            .into_response();
        let body = json(&response);
        assert_eq!(
            body["errors"],
            serde_json::json!([{"field": "email", "code": "required", "message": "is required"}])
        );
        assert_eq!(body["detail"], "one field is wrong");
        assert_eq!(body["challenge"], "abc");
        assert_eq!(body["status"], 422, "a standard member cannot be replaced");
        assert_eq!(response.headers()[ALLOW], "GET, POST");
    }
}
