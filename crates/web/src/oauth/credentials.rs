//! Who a request says its client is: `client_secret_basic` or `client_secret_post` (RFC 6749 section 2.3.1).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use portcullis_app::oauth::Credentials;
use portcullis_edge::form;
use zeroize::Zeroizing;

use super::failure::OAuthFailure;

/// Longest header that is read, in bytes.
const MAX_LENGTH: usize = 4 * 1024;

enum Basic {
    /// No header, or one of another scheme: applications that send their access token with every request do so
    /// here too, and prove no client with it.
    Absent,
    Unreadable,
    Given {
        id: String,
        secret: Zeroizing<String>,
    },
}

/// What `headers` and the parameters `client_id` and `client_secret` say.
pub(super) fn credentials(
    headers: &HeaderMap,
    named: Option<String>,
    secret: Option<String>,
) -> Result<Credentials, OAuthFailure> {
    let secret = secret.map(Zeroizing::new);
    match (basic(headers)?, named, secret) {
        (Basic::Unreadable | Basic::Given { .. }, _, Some(_)) => {
            Err(OAuthFailure::request("The client authenticates in two ways at once."))
        }
        (Basic::Given { id, .. }, Some(named), None) if named != id => {
            Err(OAuthFailure::request("client_id is not the client that authenticates."))
        }
        (Basic::Unreadable, _, None) => Ok(Credentials::Unreadable),
        (Basic::Given { id, secret }, _, None) | (Basic::Absent, Some(id), Some(secret)) => {
            Ok(Credentials::Secret { id, secret })
        }
        (Basic::Absent, Some(id), None) => Ok(Credentials::Public(id)),
        (Basic::Absent, None, Some(_)) => Err(OAuthFailure::request("client_id is missing.")),
        (Basic::Absent, None, None) => Ok(Credentials::None),
    }
}

fn basic(headers: &HeaderMap) -> Result<Basic, OAuthFailure> {
    let mut lines = headers.get_all(AUTHORIZATION).iter();
    match (lines.next(), lines.next()) {
        (None, _) => Ok(Basic::Absent),
        (Some(line), None) => Ok(read(line)),
        (Some(_), Some(_)) => Err(OAuthFailure::request("There is more than one Authorization header.")),
    }
}

fn read(line: &HeaderValue) -> Basic {
    let bytes = line.as_bytes();
    let end = bytes.iter().position(|b| *b == b' ').unwrap_or(bytes.len());
    let (scheme, rest) = bytes.split_at(end);
    if !scheme.eq_ignore_ascii_case(b"Basic") {
        return Basic::Absent;
    }
    match pair(rest.trim_ascii_start()) {
        Some((id, secret)) => Basic::Given { id, secret },
        None => Basic::Unreadable,
    }
}

/// Both halves are form-encoded before they are joined.
fn pair(encoded: &[u8]) -> Option<(String, Zeroizing<String>)> {
    if encoded.len() > MAX_LENGTH {
        return None;
    }
    let plain = Zeroizing::new(STANDARD.decode(encoded).ok()?);
    let colon = plain.iter().position(|b| *b == b':')?;
    let id = form::decode(&plain[..colon]).ok()?;
    let secret = form::decode(&plain[colon + 1..]).ok()?;
    Some((id, Zeroizing::new(secret)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(lines: &[&str], named: Option<&str>, secret: Option<&str>) -> Result<Credentials, OAuthFailure> {
        let line = |line: &&str| (AUTHORIZATION, HeaderValue::from_str(line).expect("a header"));
        let headers = lines.iter().map(line).collect();
        credentials(&headers, named.map(str::to_owned), secret.map(str::to_owned))
    }

    fn encoded(text: &str) -> String {
        format!("Basic {}", STANDARD.encode(text))
    }

    #[test]
    fn both_ways_say_the_same() {
        let header = encoded("a%3Ab+c:s%25%3A%2B");
        for line in [header.clone(), header.replace("Basic ", "bAsIc   ")] {
            let Ok(Credentials::Secret { id, secret }) = of(&[&line], None, None) else { panic!("{line}") };
            assert_eq!((id.as_str(), secret.as_str()), ("a:b c", "s%:+"));
        }
        let Ok(Credentials::Secret { id, secret }) = of(&[], Some("a"), Some("b")) else { panic!("post") };
        assert_eq!((id.as_str(), secret.as_str()), ("a", "b"));
        assert!(matches!(of(&[&encoded("a:b")], Some("a"), None), Ok(Credentials::Secret { .. })));
        assert!(matches!(of(&[], Some("a"), None), Ok(Credentials::Public(_))));
        assert!(matches!(of(&["Bearer x"], None, None), Ok(Credentials::None)));
        assert!(matches!(of(&["Bearer x"], Some("a"), Some("b")), Ok(Credentials::Secret { .. })));
    }

    #[test]
    fn two_ways_or_two_clients_are_refused() {
        let line = encoded("a:b");
        assert!(of(&[&line], None, Some("b")).is_err());
        assert!(of(&["Basic !"], Some("a"), Some("b")).is_err());
        assert!(of(&[&line], Some("c"), None).is_err());
        assert!(of(&[&line, &line], None, None).is_err());
        assert!(of(&[], None, Some("b")).is_err());
    }

    #[test]
    fn what_cannot_be_read_is_no_client() {
        for line in
            ["Basic", "Basic ", "Basic !", "Basic YQ", "Basic YTpi Y", &encoded("ab"), &encoded("%:b")]
        {
            assert!(matches!(of(&[line], None, None), Ok(Credentials::Unreadable)), "{line}");
        }
        let long = encoded(&format!("a:{}", "b".repeat(MAX_LENGTH)));
        assert!(matches!(of(&[&long], None, None), Ok(Credentials::Unreadable)));
    }

    proptest! {
        #[test]
        fn whatever_the_header_it_is_read_without_a_panic(line in proptest::collection::vec(32u8..=255, 0..60)) {
            prop_assume!(!line.contains(&127));
            let _ = read(&HeaderValue::from_bytes(&line).expect("checked"));
            let _ = pair(&line);
        }
    }
}
