//! `X-Request-Id`: what ties a response, its log lines and the caller's own log together.
//!
//! An incoming id is kept if it is sane, so that a proxy's id reaches our log; else we make one. It is only
//! ever a label: nothing is decided by it.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};

/// The header, in and out.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Longest incoming id that is kept, in bytes.
const MAX_LENGTH: usize = 64;

/// The id of one request: 1 to 64 of `A-Z a-z 0-9 . _ -`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(HeaderValue);

impl RequestId {
    /// The incoming id if exactly one is there and sane, else 32 hexadecimal digits made of `random`, which is
    /// only asked when needed.
    pub fn of(headers: &HeaderMap, random: impl FnOnce() -> [u8; 16]) -> Self {
        let mut values = headers.get_all(&X_REQUEST_ID).iter();
        match (values.next(), values.next()) {
            (Some(value), None) if is_sane(value.as_bytes()) => Self(value.clone()),
            _ => Self::from_random(random()),
        }
    }

    fn from_random(random: [u8; 16]) -> Self {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut hex = [0; 32];
        for (pair, byte) in hex.chunks_exact_mut(2).zip(random) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 15)];
        }
        // Hexadecimal digits are always a valid header value.
        let value = HeaderValue::from_maybe_shared(Bytes::copy_from_slice(&hex));
        Self(value.unwrap_or(HeaderValue::from_static("none")))
    }

    /// As text, for the log.
    pub fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }

    /// As the value of the response's header.
    pub fn header_value(&self) -> HeaderValue {
        self.0.clone()
    }
}

fn is_sane(id: &[u8]) -> bool {
    (1..=MAX_LENGTH).contains(&id.len())
        && id.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(ids: &[&str]) -> HeaderMap {
        ids.iter().map(|id| (X_REQUEST_ID, HeaderValue::from_str(id).expect("a header value"))).collect()
    }

    #[test]
    fn a_sane_id_is_kept() {
        for id in ["a", "7f3-A_b.9", &"x".repeat(64)] {
            let kept = RequestId::of(&headers(&[id]), || panic!("randomness is not needed"));
            assert_eq!(kept.as_str(), id);
        }
    }

    #[test]
    fn anything_else_is_replaced() {
        let too_long = "x".repeat(65);
        for ids in [&[][..], &[""], &[&too_long], &["a b"], &["a\"b"], &["a", "b"], &["<script>"]] {
            let made = RequestId::of(&headers(ids), || *b"0123456789abcdef");
            assert_eq!(made.as_str(), "30313233343536373839616263646566", "{ids:?}");
        }
    }
}
