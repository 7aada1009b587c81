//! A refusal as it goes over the wire: `application/problem+json` (RFC 9457), with the challenge of RFC 6750.
//!
//! ```
//! use bytes::Bytes;
//! use portcullis_verify::{Cause, VerifyError};
//!
//! let response: http::Response<Bytes> =
//!     VerifyError::InvalidToken(Cause::Revoked).to_response(Some("https://auth.example"));
//! assert_eq!(response.status(), 401);
//! assert_eq!(response.headers()["www-authenticate"], r#"Bearer error="invalid_token""#);
//! assert!(response.body().starts_with(br#"{"type":"https://auth.example/docs/problems#invalid_token""#));
//! ```

use bytes::Bytes;
use http::{
    HeaderValue, Response,
    header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE},
};
use serde::Serialize;

use crate::VerifyError;

#[derive(Serialize)]
struct Body<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    title: &'a str,
    status: u16,
    detail: &'a str,
    code: &'a str,
}

impl VerifyError {
    /// The response: status, `WWW-Authenticate`, `Retry-After` and the problem. With the issuer, `type` is the page
    /// about this code in the issuer's documentation, else `about:blank`.
    pub fn to_response<B: From<Bytes>>(&self, issuer: Option<&str>) -> Response<B> {
        let (title, detail) = self.texts();
        let kind = issuer.map_or_else(
            || "about:blank".to_owned(),
            |issuer| format!("{}/docs/problems#{}", issuer.trim_end_matches('/'), self.code()),
        );
        let body = Body { kind: &kind, title, status: self.status().as_u16(), detail, code: self.code() };
        // Strings and a number: serialising these cannot fail.
        let mut response = Response::new(B::from(serde_json::to_vec(&body).unwrap_or_default().into()));
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(challenge) = self.challenge() {
            headers.insert(WWW_AUTHENTICATE, challenge);
        }
        if let Self::Unavailable { retry_after_seconds, .. } = self {
            headers.insert(RETRY_AFTER, HeaderValue::from(*retry_after_seconds));
        }
        response
    }

    /// RFC 6750 section 3.
    fn challenge(&self) -> Option<HeaderValue> {
        Some(HeaderValue::from_static(match self {
            Self::MissingToken => "Bearer",
            Self::MalformedAuthorization => r#"Bearer error="invalid_request""#,
            Self::InvalidToken(_) => r#"Bearer error="invalid_token""#,
            Self::InsufficientScope { needed } => {
                let bare = r#"Bearer error="insufficient_scope""#;
                return needed
                    .bytes()
                    .all(is_scope_text)
                    .then(|| HeaderValue::try_from(format!(r#"{bare}, scope="{needed}""#)).ok())
                    .flatten()
                    .or(Some(HeaderValue::from_static(bare)));
            }
            Self::PasswordChangeRequired
            | Self::FactorSetupRequired
            | Self::ReadOnlySession
            | Self::Forbidden
            | Self::Unavailable { .. }
            | Self::NoLayer => return None,
        }))
    }

    /// Title and detail, the issuer's own words for the same codes.
    const fn texts(&self) -> (&'static str, &'static str) {
        match self {
            Self::MissingToken => ("Not signed in", "Send `Authorization: Bearer <token>`."),
            Self::MalformedAuthorization => (
                "Malformed Authorization header",
                "Send exactly one `Authorization` header of the form `Bearer <token>` or `Token <token>`.",
            ),
            Self::InvalidToken(_) => {
                ("Token not valid", "This token is not accepted. Refresh it, or sign in again.")
            }
            Self::PasswordChangeRequired => {
                ("Password change required", "Choose a new password at POST /auth/password/change first.")
            }
            Self::FactorSetupRequired => (
                "Second factor needed",
                "Set up a second factor first: an app at POST /auth/factors/totp, or a passkey at POST \
                 /auth/passkeys/register/start.",
            ),
            Self::ReadOnlySession => (
                "Session is read-only",
                "This session was started to look, not to change. Start one in mode `full`.",
            ),
            Self::Forbidden => (
                "Not allowed",
                "The signed-in user may not do this. Ask an administrator for the role that may.",
            ),
            Self::InsufficientScope { .. } => (
                "Scope missing",
                "This token was made for other things. Use one with the scope that `WWW-Authenticate` names.",
            ),
            Self::Unavailable { .. } => (
                "Sign-in service unavailable",
                "Whether this token is good cannot be known now. Send the same request again later.",
            ),
            Self::NoLayer => ("Internal error", "This is our fault. Tell the operator."),
        }
    }
}

/// RFC 6749 section 3.3: what a scope is made of, and the space between two.
fn is_scope_text(byte: u8) -> bool {
    matches!(byte, b' ' | b'!' | b'#'..=b'[' | b']'..=b'~')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Cause, Outage};

    fn all() -> Vec<VerifyError> {
        vec![
            VerifyError::MissingToken,
            VerifyError::MalformedAuthorization,
            VerifyError::InvalidToken(Cause::Form),
            VerifyError::PasswordChangeRequired,
            VerifyError::FactorSetupRequired,
            VerifyError::ReadOnlySession,
            VerifyError::Forbidden,
            VerifyError::InsufficientScope { needed: "a:b c".into() },
            VerifyError::unavailable(Outage::Keys),
            VerifyError::NoLayer,
        ]
    }

    #[test]
    fn every_refusal_is_a_whole_problem() {
        for error in all() {
            let response: Response<Bytes> = error.to_response(None);
            let headers = response.headers();
            assert_eq!(headers[CONTENT_TYPE], "application/problem+json");
            assert_eq!(headers[CACHE_CONTROL], "no-store");
            let status = response.status();
            assert_eq!(headers.contains_key(RETRY_AFTER), status == 503, "{error}");
            assert!(headers.contains_key(WWW_AUTHENTICATE) || status != 401, "{error}");
            let body: serde_json::Value = serde_json::from_slice(response.body()).expect("JSON");
            assert_eq!(body["status"], status.as_u16());
            assert_eq!(body["code"], error.code());
            assert_eq!(body["type"], "about:blank");
            assert_eq!(body.as_object().expect("an object").len(), 5);
        }
    }

    #[test]
    fn all_invalid_tokens_look_the_same() {
        let one = VerifyError::from(Cause::Revoked).to_response::<Bytes>(None);
        for cause in
            [Cause::Inactive, Cause::ApiTokensOff, Cause::Form, portcullis_jose::VerifyError::Expired.into()]
        {
            let other = VerifyError::from(cause).to_response::<Bytes>(None);
            assert_eq!((other.body(), other.headers()), (one.body(), one.headers()));
        }
    }

    #[test]
    fn the_scope_is_named_unless_it_would_break_the_header() {
        for (needed, challenge) in [
            ("a:b c", r#"Bearer error="insufficient_scope", scope="a:b c""#),
            ("a\"b", r#"Bearer error="insufficient_scope""#),
            ("a\r\nb", r#"Bearer error="insufficient_scope""#),
        ] {
            let response: Response<Bytes> =
                VerifyError::InsufficientScope { needed: needed.into() }.to_response(None);
            assert_eq!(response.headers()[WWW_AUTHENTICATE], challenge);
        }
    }
}
