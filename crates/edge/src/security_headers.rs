//! The headers every response carries, made once at start so that adding them costs a few pointers.

use http::header::{
    CONTENT_SECURITY_POLICY, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue};

/// Nothing from elsewhere, nothing inline, no frames.
pub const STRICT_CSP: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
    connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// A year, for this host only: sub-domains are not ours to bind.
const HSTS: &str = "max-age=31536000";

const PERMISSIONS: &str = "camera=(), geolocation=(), microphone=(), payment=(), usb=(), \
    publickey-credentials-create=(self), publickey-credentials-get=(self)";

/// The headers, ready to be copied into a response.
#[derive(Debug, Clone)]
pub struct SecurityHeaders(Box<[(HeaderName, HeaderValue)]>);

impl SecurityHeaders {
    /// For a server whose public URL is `https`, or not: only then may HSTS be sent (RFC 6797 section 7.2).
    pub fn new(https: bool) -> Self {
        let mut headers = vec![
            (CONTENT_SECURITY_POLICY, HeaderValue::from_static(STRICT_CSP)),
            (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
            (REFERRER_POLICY, HeaderValue::from_static("same-origin")),
            (HeaderName::from_static("permissions-policy"), HeaderValue::from_static(PERMISSIONS)),
            (HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin")),
        ];
        if https {
            headers.push((STRICT_TRANSPORT_SECURITY, HeaderValue::from_static(HSTS)));
        }
        Self(headers.into())
    }

    /// Adds them; what a handler has set itself stays.
    pub fn apply(&self, headers: &mut HeaderMap) {
        headers.reserve(self.0.len());
        for (name, value) in &self.0 {
            headers.entry(name).or_insert_with(|| value.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_added_and_hsts_on_https_only() {
        let mut headers = HeaderMap::new();
        SecurityHeaders::new(false).apply(&mut headers);
        for name in [
            "content-security-policy",
            "x-content-type-options",
            "referrer-policy",
            "permissions-policy",
            "cross-origin-opener-policy",
        ] {
            assert!(headers.contains_key(name), "{name}");
        }
        assert!(!headers.contains_key("strict-transport-security"));
        SecurityHeaders::new(true).apply(&mut headers);
        assert_eq!(headers["strict-transport-security"], "max-age=31536000");
    }

    #[test]
    fn a_handlers_own_policy_stays() {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'self'"));
        SecurityHeaders::new(true).apply(&mut headers);
        assert_eq!(headers.get_all(CONTENT_SECURITY_POLICY).iter().count(), 1);
        assert_eq!(headers[CONTENT_SECURITY_POLICY], "default-src 'self'");
    }

    #[test]
    fn the_policy_has_no_stray_spaces_and_nothing_unsafe() {
        assert!(!STRICT_CSP.contains("  ") && !PERMISSIONS.contains("  "));
        assert!(!STRICT_CSP.contains("unsafe"));
    }
}
