//! What stays behind on the way to the app and back.
//!
//! 1. What belongs to one connection and not to the message (RFC 9110 section 7.6.1), and whatever `Connection` names.
//! 2. What the app shall believe because only we may say it: `X-Auth-…`, who the client is, how it came here. In any
//!    spelling that a server behind could take for the same: WSGI and CGI make `_` of `-`.
//! 3. Cookies of ours, which the app has no use for, and those of our names that the app would set.

use http::header::{
    AUTHORIZATION, CONNECTION, CONTENT_LENGTH, COOKIE, EXPECT, FORWARDED, HOST, PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION, SET_COOKIE, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::jar;

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const TRAILERS: HeaderValue = HeaderValue::from_static("trailers");

/// What no client may tell the app; prefixes end with `-`.
const OURS: [&str; 10] = [
    "x-auth-",
    "x-forwarded-",
    "x-portcullis-",
    "x-real-ip",
    "x-client-ip",
    "x-cluster-client-ip",
    "true-client-ip",
    "forwarded",
    "x-original-url",
    "x-rewrite-url",
];

/// What says who asks, how long a message is, or what becomes of its connection.
const NEVER_TRAIL: [HeaderName; 13] = [
    AUTHORIZATION,
    CONNECTION,
    CONTENT_LENGTH,
    COOKIE,
    EXPECT,
    HOST,
    KEEP_ALIVE,
    PROXY_AUTHORIZATION,
    PROXY_CONNECTION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// Takes away from a request what may not reach the app.
pub(crate) fn clean_request(headers: &mut HeaderMap) {
    let trailers = accepts_trailers(headers);
    drop_hop_by_hop(headers);
    headers.remove(PROXY_AUTHORIZATION);
    // hyper has answered it by reading the body.
    headers.remove(EXPECT);
    headers.remove(FORWARDED);
    clean_announced(headers);
    if headers.keys().any(is_ours) {
        let ours: Vec<HeaderName> = headers.keys().filter(|name| is_ours(name)).cloned().collect();
        for name in ours {
            headers.remove(name);
        }
    }
    if trailers {
        headers.insert(TE, TRAILERS);
    }
}

/// Takes away from what comes after a body whatever may not reach the app: servers that merge it with the head would
/// believe it (RFC 9110 section 6.5.1).
pub(crate) fn clean_trailers(trailers: &mut HeaderMap) {
    let forbidden: Vec<HeaderName> = trailers.keys().filter(|name| !may_trail(name)).cloned().collect();
    for name in forbidden {
        trailers.remove(name);
    }
}

/// Announces only what [`clean_trailers`] lets through.
fn clean_announced(headers: &mut HeaderMap) {
    if !headers.contains_key(TRAILER) {
        return;
    }
    let names = tokens(headers, &TRAILER).filter_map(|name| HeaderName::from_bytes(name).ok());
    let names: Vec<String> = names.filter(may_trail).map(|name| name.to_string()).collect();
    match HeaderValue::try_from(names.join(", ")) {
        Ok(names) if !names.is_empty() => drop(headers.insert(TRAILER, names)),
        _ => drop(headers.remove(TRAILER)),
    }
}

fn may_trail(name: &HeaderName) -> bool {
    !is_ours(name) && !NEVER_TRAIL.contains(name)
}

/// Takes away from an answer what may not reach the client.
pub(crate) fn clean_response(headers: &mut HeaderMap) {
    drop_hop_by_hop(headers);
    headers.remove(PROXY_AUTHENTICATE);
    if headers.get_all(SET_COOKIE).iter().any(sets_ours) {
        let others: Vec<HeaderValue> =
            headers.get_all(SET_COOKIE).iter().filter(|line| !sets_ours(line)).cloned().collect();
        headers.remove(SET_COOKIE);
        for line in others {
            headers.append(SET_COOKIE, line);
        }
    }
}

/// What `Upgrade` asks for, if the request asks for an upgrade at all.
pub(crate) fn upgrade(headers: &HeaderMap) -> Option<&HeaderValue> {
    let wanted = headers.get(UPGRADE)?;
    tokens(headers, &CONNECTION).any(|token| token.eq_ignore_ascii_case(b"upgrade")).then_some(wanted)
}

fn drop_hop_by_hop(headers: &mut HeaderMap) {
    if headers.contains_key(CONNECTION) {
        let named: Vec<HeaderName> =
            tokens(headers, &CONNECTION).filter_map(|token| HeaderName::from_bytes(token).ok()).collect();
        for name in named {
            // Nobody can take the length or the host away in this way.
            if name != http::header::CONTENT_LENGTH && name != HOST {
                headers.remove(name);
            }
        }
        headers.remove(CONNECTION);
    }
    for name in [KEEP_ALIVE, PROXY_CONNECTION, TE, TRANSFER_ENCODING, UPGRADE] {
        headers.remove(name);
    }
}

fn accepts_trailers(headers: &HeaderMap) -> bool {
    tokens(headers, &TE).any(|token| token.eq_ignore_ascii_case(b"trailers"))
}

fn tokens<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a [u8]> {
    let lines = headers.get_all(name).iter();
    lines.flat_map(|line| line.as_bytes().split(|b| *b == b',')).map(<[u8]>::trim_ascii)
}

fn is_ours(name: &HeaderName) -> bool {
    let name = name.as_str().as_bytes();
    // Most names are neither long nor begin like one of ours.
    if !matches!(name.first(), Some(b'x' | b't' | b'f')) {
        return false;
    }
    let same =
        |text: &str| name.iter().zip(text.as_bytes()).all(|(a, b)| a == b || (*a == b'_' && *b == b'-'));
    OURS.iter().any(|ours| {
        let fits = if ours.ends_with('-') { name.len() >= ours.len() } else { name.len() == ours.len() };
        fits && same(ours)
    })
}

fn sets_ours(line: &HeaderValue) -> bool {
    let name = line.as_bytes().split(|b| matches!(b, b'=' | b';')).next().unwrap_or_default();
    jar::is_ours(name.trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(lines: &[(&str, &str)]) -> HeaderMap {
        let line = |(name, value): &(&str, &str)| {
            (name.parse::<HeaderName>().expect("a name"), HeaderValue::from_str(value).expect("a value"))
        };
        lines.iter().map(line).collect()
    }

    fn names(headers: &HeaderMap) -> Vec<&str> {
        headers.keys().map(HeaderName::as_str).collect()
    }

    #[test]
    fn what_belongs_to_the_connection_stays_behind() {
        let mut headers = map(&[
            ("connection", "close, X-Hop"),
            ("connection", "content-length"),
            ("x-hop", "1"),
            ("keep-alive", "timeout=5"),
            ("proxy-connection", "keep-alive"),
            ("proxy-authorization", "Basic x"),
            ("te", "gzip;q=1, Trailers"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "h2c"),
            ("expect", "100-continue"),
            ("content-length", "4"),
            ("trailer", "x-sum"),
            ("accept", "*/*"),
        ]);
        clean_request(&mut headers);
        assert_eq!(headers.len(), 4, "{:?}", names(&headers));
        assert_eq!(headers[TE], "trailers");
        assert_eq!(headers["content-length"], "4");
        assert!(headers.contains_key("trailer") && headers.contains_key("accept"));
    }

    #[test]
    fn nobody_says_what_only_we_may_say() {
        let spoofed = [
            "x-auth-user",
            "X-Auth-Role",
            "x_auth_user",
            "x-auth_user",
            "X_AUTH-anything",
            "x-forwarded-for",
            "x_forwarded_proto",
            "x-real-ip",
            "x_real_ip",
            "forwarded",
            "x-portcullis-gateway",
            "x-original-url",
        ];
        for name in spoofed {
            let mut headers = map(&[(name, "x"), ("accept", "*/*")]);
            clean_request(&mut headers);
            assert_eq!(names(&headers), ["accept"], "{name}");
        }
        for name in ["x-requested-with", "x-csrftoken", "x-authx", "x-real-ip-2", "x-auth", "from", "true"] {
            let mut headers = map(&[(name, "x")]);
            clean_request(&mut headers);
            assert_eq!(names(&headers), [name]);
        }
    }

    #[test]
    fn nothing_of_it_comes_after_the_body() {
        let mut trailers = map(&[
            ("x-sum", "5"),
            ("x-auth-user", "root"),
            ("x_auth_role", "admin"),
            ("x-forwarded-for", "127.0.0.1"),
            ("authorization", "Bearer x"),
            ("cookie", "a=b"),
            ("transfer-encoding", "chunked"),
        ]);
        clean_trailers(&mut trailers);
        assert_eq!(names(&trailers), ["x-sum"]);
        for (announced, left) in
            [("X-Sum, X-Auth-User,Cookie, x_auth_role", Some("x-sum")), ("X-Auth-User", None)]
        {
            let mut headers = map(&[("trailer", announced)]);
            clean_request(&mut headers);
            assert_eq!(headers.get(TRAILER).map(|names| names.to_str().expect("ASCII")), left);
        }
    }

    #[test]
    fn the_app_sets_its_own_cookies_and_none_of_ours() {
        let mut headers = map(&[
            ("set-cookie", "sessionid=1; Path=/"),
            ("set-cookie", "pc_gateway=; Max-Age=0"),
            ("set-cookie", "__Host-pc_gateway=x"),
            ("set-cookie", "csrftoken=2"),
            ("set-cookie", "__host-PC_gateway=x"),
        ]);
        clean_response(&mut headers);
        let left: Vec<_> = headers.get_all(SET_COOKIE).iter().collect();
        assert_eq!(left, ["sessionid=1; Path=/", "csrftoken=2"]);
    }

    #[test]
    fn an_upgrade_is_asked_for_in_two_headers() {
        assert!(upgrade(&map(&[("upgrade", "websocket")])).is_none());
        assert!(upgrade(&map(&[("connection", "keep-alive, Upgrade")])).is_none());
        let both = map(&[("connection", "keep-alive, Upgrade"), ("upgrade", "websocket")]);
        assert_eq!(upgrade(&both).expect("asked for"), "websocket");
    }
}
