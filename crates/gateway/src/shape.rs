//! What two servers could read in two ways ends here, before anything else looks at it.
//!
//! hyper has refused broken heads already; what is left is what it mends in silence, and what an app behind could
//! mend otherwise.

use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, Method, Request, Version};
use portcullis_edge::{Code, Problem};

/// Refuses a request whose framing, method or target is not plain.
pub(crate) fn check<B>(request: &Request<B>) -> Result<(), Problem> {
    framing(request.version(), request.headers())?;
    match *request.method() {
        // We are no forward proxy, and what TRACE sends back may hold tokens (RFC 9110 section 9.3.8).
        Method::CONNECT | Method::TRACE => Err(Problem::new(Code::MethodNotAllowed)),
        _ if !request.uri().path().starts_with('/') && request.method() != Method::OPTIONS => {
            Err(malformed("Send a request target that begins with `/`."))
        }
        _ => Ok(()),
    }
}

/// RFC 9112 section 6.1: both lengths, or an encoding that is not the one everybody knows, are attempts.
fn framing(version: Version, headers: &HeaderMap) -> Result<(), Problem> {
    let mut encodings = headers.get_all(TRANSFER_ENCODING).iter();
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    match (encodings.next(), encodings.next()) {
        (None, _) => {}
        (Some(encoding), None)
            if version == Version::HTTP_11
                && encoding.as_bytes().eq_ignore_ascii_case(b"chunked")
                && lengths.next().is_none() => {}
        _ => return Err(malformed("`Transfer-Encoding` must be `chunked`, alone, and over HTTP/1.1 only.")),
    }
    let digits = |value: &http::HeaderValue| {
        !value.is_empty() && value.len() <= 19 && value.as_bytes().iter().all(u8::is_ascii_digit)
    };
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    match (lengths.next(), lengths.next()) {
        (None, _) => Ok(()),
        (Some(length), None) if digits(length) => Ok(()),
        _ => Err(malformed("`Content-Length` must be one number, once.")),
    }
}

fn malformed(detail: &'static str) -> Problem {
    Problem::new(Code::MalformedRequest).detail(detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(method: &str, target: &str, headers: &[(&str, &str)]) -> Option<Code> {
        let mut request = Request::builder().method(method).uri(target);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        check(&request.body(()).expect("a request")).err().map(|problem| problem.code())
    }

    #[test]
    fn plain_requests_pass() {
        for (method, target, headers) in [
            ("GET", "/", &[][..]),
            ("GET", "http://app.example/", &[]),
            ("POST", "/a?b", &[("content-length", "12")]),
            ("POST", "/a?b", &[("transfer-encoding", "Chunked")]),
            ("OPTIONS", "*", &[]),
        ] {
            assert_eq!(checked(method, target, headers), None, "{method} {target} {headers:?}");
        }
    }

    #[test]
    fn what_can_be_framed_in_two_ways_is_refused() {
        for headers in [
            &[("transfer-encoding", "chunked"), ("content-length", "5")][..],
            &[("transfer-encoding", "gzip, chunked")],
            &[("transfer-encoding", "chunked"), ("transfer-encoding", "chunked")],
            &[("transfer-encoding", "identity")],
            &[("transfer-encoding", "\u{b}chunked")],
            &[("content-length", "5"), ("content-length", "5")],
            &[("content-length", "5, 5")],
            &[("content-length", "+5")],
            &[("content-length", "")],
        ] {
            let Ok(value) = http::HeaderValue::from_str(headers[0].1) else { continue };
            drop(value);
            assert_eq!(checked("POST", "/", headers), Some(Code::MalformedRequest), "{headers:?}");
        }
        assert_eq!(checked("CONNECT", "app.example:443", &[]), Some(Code::MethodNotAllowed));
        assert_eq!(checked("TRACE", "/", &[]), Some(Code::MethodNotAllowed));
        assert_eq!(checked("GET", "*", &[]), Some(Code::MalformedRequest));
    }
}
