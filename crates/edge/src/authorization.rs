//! The `Authorization` header: `Bearer <t>` (RFC 6750 section 2.1) or `Token <t>`, the scheme in any case.
//!
//! Everything else is malformed, so that a client with a slip learns it and is not taken for nobody.

use http::HeaderMap;
use http::header::AUTHORIZATION;

use crate::code::Code;
use crate::problem::Problem;

/// Longest header that is read, in bytes. Tokens of ours are under 2 KiB.
pub const MAX_LENGTH: usize = 16 * 1024;

/// What a request presents.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Presented<'a> {
    /// No `Authorization` header.
    None,
    /// A token, JWT or API token: its form tells.
    Bearer(&'a str),
}

impl std::fmt::Debug for Presented<'_> {
    /// Without the token.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Bearer(_) => "Bearer(..)",
        })
    }
}

/// A bare token, a bare scheme, another scheme, two values, two headers, strange characters, or too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the Authorization header is malformed")]
pub struct MalformedAuthorization;

impl From<MalformedAuthorization> for Problem {
    fn from(_: MalformedAuthorization) -> Self {
        Self::new(Code::MalformedAuthorization)
    }
}

/// Reads the header.
///
/// # Errors
/// [`MalformedAuthorization`]; a [`Problem`] can be made of it.
pub fn presented(headers: &HeaderMap) -> Result<Presented<'_>, MalformedAuthorization> {
    let mut lines = headers.get_all(AUTHORIZATION).iter();
    let Some(line) = lines.next() else { return Ok(Presented::None) };
    if lines.next().is_some() || line.len() > MAX_LENGTH {
        return Err(MalformedAuthorization);
    }
    let line = line.to_str().map_err(|_| MalformedAuthorization)?;
    let (scheme, token) = line.split_once(' ').ok_or(MalformedAuthorization)?;
    // RFC 9110 section 11.4: one or more spaces.
    let token = token.trim_start_matches(' ');
    let known = scheme.eq_ignore_ascii_case("Bearer") || scheme.eq_ignore_ascii_case("Token");
    if known && is_token(token) { Ok(Presented::Bearer(token)) } else { Err(MalformedAuthorization) }
}

/// Whether the header is well-formed and of a scheme that is none of ours, such as the `Basic` of a proxy that
/// guards a staging site: then it says nothing about who asks.
pub fn is_of_another_scheme(headers: &HeaderMap) -> bool {
    let mut lines = headers.get_all(AUTHORIZATION).iter();
    let (Some(line), None) = (lines.next(), lines.next()) else { return false };
    let Some((scheme, _)) = line.to_str().ok().and_then(|line| line.split_once(' ')) else { return false };
    let token = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'+');
    let ours = scheme.eq_ignore_ascii_case("Bearer") || scheme.eq_ignore_ascii_case("Token");
    !ours && !scheme.is_empty() && scheme.bytes().all(token)
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
            let headers = headers(&[line.as_bytes()]);
            assert_eq!(presented(&headers), Ok(Presented::Bearer("a.b-c_d")), "{line}");
        }
        assert_eq!(presented(&HeaderMap::new()), Ok(Presented::None));
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
            "Bearer Bearer a",
            "BearerX a",
            " Bearer a",
            &too_long,
        ] {
            assert_eq!(presented(&headers(&[line.as_bytes()])), Err(MalformedAuthorization), "{line}");
        }
        assert_eq!(presented(&headers(&[b"Bearer a", b"Bearer a"])), Err(MalformedAuthorization));
        assert_eq!(presented(&headers(&[b"Bearer \xfc"])), Err(MalformedAuthorization));
    }

    #[test]
    fn other_schemes_are_told_from_slips() {
        for (lines, other) in [
            (&["Basic dTpw"][..], true),
            (&["Negotiate YII="], true),
            (&["AWS4-HMAC-SHA256 Credential=a, Signature=b"], true),
            (&["Bearer a"], false),
            (&["bearer a b"], false),
            (&["Token "], false),
            (&["Basic"], false),
            (&[" Basic a"], false),
            (&["a.b.c"], false),
            (&["Basic a", "Basic a"], false),
            (&["Bearer, a"], false),
            (&[], false),
        ] {
            let lines: Vec<&[u8]> = lines.iter().map(|line| line.as_bytes()).collect();
            assert_eq!(is_of_another_scheme(&headers(&lines)), other, "{lines:?}");
        }
    }

    #[test]
    fn debug_does_not_show_the_token() {
        assert_eq!(format!("{:?}", Presented::Bearer("secret")), "Bearer(..)");
    }

    proptest! {
        #[test]
        fn no_header_makes_it_panic_or_pass_something_strange(line in proptest::collection::vec(32u8..=255, 0..64)) {
            prop_assume!(!line.contains(&127));
            if let Ok(Presented::Bearer(token)) = presented(&headers(&[&line])) {
                prop_assert!(is_token(token));
            }
        }
    }
}
