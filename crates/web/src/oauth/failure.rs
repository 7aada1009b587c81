//! Errors in the form of RFC 6749 section 5.2. Faults of ours and limits have no code there; those of section
//! 4.1.2.1 say the same: `server_error` and `temporarily_unavailable`.

use std::borrow::Cow;

use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, PRAGMA, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, StatusCode};
use portcullis_app::oauth::OAuthError;
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::private_json;
use crate::failure::{Failure, Logged};

/// What a client is asked to authenticate with.
const CHALLENGE: HeaderValue = HeaderValue::from_static("Basic realm=\"portcullis\", charset=\"UTF-8\"");

/// An answer that is an error.
pub(crate) struct OAuthFailure(Box<Parts>);

struct Parts {
    status: StatusCode,
    error: &'static str,
    description: Cow<'static, str>,
    headers: HeaderMap,
    log: Option<Logged>,
}

/// An error of the OAuth endpoints (RFC 6749 section 5.2).
#[derive(Serialize, ToSchema)]
#[schema(as = OAuthError)]
pub(crate) struct ErrorBody {
    /// For programs.
    error: &'static str,
    /// For people.
    error_description: String,
}

impl OAuthFailure {
    fn new(error: &'static str, description: impl Into<Cow<'static, str>>) -> Self {
        let (status, description) = (StatusCode::BAD_REQUEST, description.into());
        Self(Box::new(Parts { status, error, description, headers: HeaderMap::new(), log: None }))
    }

    /// `invalid_request`
    pub(super) fn request(description: &'static str) -> Self {
        Self::new("invalid_request", description)
    }

    /// `unsupported_grant_type`
    pub(super) fn grant_type() -> Self {
        Self::new(
            "unsupported_grant_type",
            "grant_types_supported of /.well-known/oauth-authorization-server names those there are.",
        )
    }

    fn logged(mut self, reason: &str) -> Self {
        self.0.log = Some(Logged(reason.to_owned()));
        self
    }

    fn client(reason: &str) -> Self {
        let mut failure = Self::new("invalid_client", "Client authentication failed.").logged(reason);
        failure.0.status = StatusCode::UNAUTHORIZED;
        failure.0.headers.insert(WWW_AUTHENTICATE, CHALLENGE);
        failure
    }

    /// Our code of why a refresh token is not good stands in the description.
    fn grant(failure: Failure) -> Self {
        let (problem, log) = failure.into_parts();
        let description = format!("{}: {}", problem.code(), problem.detail_text());
        let mut refused = Self::new("invalid_grant", description);
        refused.0.log = log.map(Logged);
        refused
    }
}

/// What other endpoints answer as a problem: what cannot be read, limits, faults.
impl From<Failure> for OAuthFailure {
    fn from(failure: Failure) -> Self {
        let (problem, log) = failure.into_parts();
        let fields = problem.field_errors().iter();
        let fields: Vec<_> = fields.map(|error| format!("{} {}.", error.field, error.message)).collect();
        let description = match &fields[..] {
            [] => problem.detail_text().to_owned(),
            fields => fields.join(" "),
        };
        let (error, status) = match problem.status() {
            StatusCode::UNPROCESSABLE_ENTITY => ("invalid_request", StatusCode::BAD_REQUEST),
            status @ (StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) => {
                ("temporarily_unavailable", status)
            }
            status if status.is_server_error() => ("server_error", status),
            status => ("invalid_request", status),
        };
        let mut headers = problem.into_response::<axum::body::Body>().into_parts().0.headers;
        headers.remove(CONTENT_TYPE);
        headers.remove(CONTENT_LENGTH);
        Self(Box::new(Parts {
            status,
            error,
            description: description.into(),
            headers,
            log: log.map(Logged),
        }))
    }
}

impl From<OAuthError> for OAuthFailure {
    fn from(error: OAuthError) -> Self {
        match error {
            OAuthError::InvalidRequest(text) => Self::new("invalid_request", text),
            OAuthError::SubjectToken(why) => {
                Self::new("invalid_request", "The subject token is not valid.").logged(why)
            }
            OAuthError::InvalidClient(why) => Self::client(why),
            OAuthError::Refresh(error) => Self::grant(error.into()),
            OAuthError::UnauthorizedClient(text) => Self::new("unauthorized_client", text),
            OAuthError::InvalidScope(text) => Self::new("invalid_scope", text),
            OAuthError::InvalidTarget => {
                Self::new("invalid_target", "No such audience is to be had; tokens.audience lists them.")
            }
            OAuthError::UnsupportedTokenType(text) => Self::new("unsupported_token_type", text),
            OAuthError::Limited(limited) => Failure::from(limited).into(),
            OAuthError::Fault(fault) => Failure::from(fault).into(),
        }
    }
}

/// Only %x20-21 / %x23-5B / %x5D-7E may stand in a description.
fn plain(text: &str) -> String {
    let allowed = |c: char| matches!(c, ' '..='~') && c != '\\';
    text.chars().map(|c| if c == '"' { '\'' } else { c }).map(|c| if allowed(c) { c } else { '?' }).collect()
}

impl IntoResponse for OAuthFailure {
    fn into_response(self) -> Response {
        let Parts { status, error, description, headers, log } = *self.0;
        let body = ErrorBody { error, error_description: plain(&description) };
        let mut response = private_json(status, &body);
        response.headers_mut().insert(PRAGMA, HeaderValue::from_static("no-cache"));
        response.headers_mut().extend(headers);
        if let Some(log) = log {
            response.extensions_mut().insert(log);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptions_hold_only_what_they_may() {
        assert_eq!(plain("`a` \"b\" c\\d \u{e4}\n~"), "`a` 'b' c?d ??~");
    }
}
