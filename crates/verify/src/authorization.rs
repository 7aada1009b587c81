//! The `Authorization` header: `Bearer <t>` (RFC 6750 section 2.1) or `Token <t>`, the scheme in any case.
//!
//! Everything else is malformed, so that a client with a slip learns it and is not taken for nobody.

use http::{HeaderMap, header::AUTHORIZATION};

use crate::VerifyError;

/// Longest header that is read, in bytes. Tokens of a Portcullis server are under 2 KiB.
const MAX_LENGTH: usize = 16 * 1024;

/// The token of a request; none without the header.
pub(crate) fn presented(headers: &HeaderMap) -> Result<Option<&str>, VerifyError> {
    let mut lines = headers.get_all(AUTHORIZATION).iter();
    let Some(line) = lines.next() else { return Ok(None) };
    if lines.next().is_some() || line.len() > MAX_LENGTH {
        return Err(VerifyError::MalformedAuthorization);
    }
    let line = line.to_str().map_err(|_| VerifyError::MalformedAuthorization)?;
    let (scheme, token) = line.split_once(' ').ok_or(VerifyError::MalformedAuthorization)?;
    // RFC 9110 section 11.4: one or more spaces.
    let token = token.trim_start_matches(' ');
    let known = scheme.eq_ignore_ascii_case("Bearer") || scheme.eq_ignore_ascii_case("Token");
    if known && is_token(token) { Ok(Some(token)) } else { Err(VerifyError::MalformedAuthorization) }
}

/// `token68` of RFC 9110 section 11.2, with `=` anywhere.
fn is_token(token: &str) -> bool {
    let sane =
        |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'~' | b'+' | b'/' | b'=' | b'-');
    !token.is_empty() && token.bytes().all(sane)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn headers(lines: &[&[u8]]) -> HeaderMap {
        let line = |line: &&[u8]| (AUTHORIZATION, HeaderValue::from_bytes(line).expect("a header value"));
        lines.iter().map(line).collect()
    }

    #[test]
    fn both_schemes_pass_in_any_case() {
        for line in ["Bearer a.b-c_d", "bearer a.b-c_d", "BEARER a.b-c_d", "Token a.b-c_d", "tOKEN  a.b-c_d"]
        {
            assert_eq!(presented(&headers(&[line.as_bytes()])).expect(line), Some("a.b-c_d"));
        }
        assert!(presented(&HeaderMap::new()).expect("no header").is_none());
    }

    #[test]
    fn everything_else_is_malformed() {
        let too_long = format!("Bearer {}", "a".repeat(MAX_LENGTH));
        for line in [
            "",
            "Bearer",
            "Bearer ",
            "abc",
            "Basic dTpw",
            "Bearer a b",
            "Bearer a, Bearer b",
            "Bearer\ta",
            "Bearer \"a\"",
            "BearerX a",
            " Bearer a",
            &too_long,
        ] {
            let answer = presented(&headers(&[line.as_bytes()])).expect_err(line);
            assert!(matches!(answer, VerifyError::MalformedAuthorization), "{line}");
        }
        assert!(presented(&headers(&[b"Bearer a", b"Bearer a"])).is_err());
        assert!(presented(&headers(&[b"Bearer \xfc"])).is_err());
    }

    proptest! {
        #[test]
        fn no_header_makes_it_panic_or_pass_something_strange(line in proptest::collection::vec(32u8..=255, 0..64)) {
            prop_assume!(!line.contains(&127));
            if let Ok(Some(token)) = presented(&headers(&[&line])) {
                prop_assert!(is_token(token));
            }
        }
    }
}
