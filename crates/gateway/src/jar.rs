//! The cookies of ours: found in a request, taken out of it, and written.
//!
//! - What a session holds is sealed (AES-256-GCM) under a key of the gateway's own: `<parts>.<key id, nonce, text, tag>`
//!   in base64url. Too long for one cookie, it goes on in `pc_gateway_1` and so on.
//! - On https their names begin with `__Host-`: no neighbouring host can set them.
//! - All cookies whose names begin with `pc_` are ours, the issuer's too: on localhost one jar serves every port.

use std::borrow::Cow;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::{COOKIE, SET_COOKIE};
use http::{HeaderMap, HeaderValue};
use memchr::memchr;
use portcullis_core::random::Random;
use portcullis_core::server_key::{KeyId, KeyRing, Sealed};
use portcullis_edge::cookies::{CookieError, CookieScope, CookieSpec, SameSite, Visibility};

use zeroize::Zeroizing;

use crate::session::{Contents, Session};

/// Longest part: name and value together must stay below 4096 bytes (RFC 6265bis section 5.6).
const PART: usize = 3_900;
/// More would not fit into the head of a request at most servers.
const MOST_PARTS: usize = 4;
/// What is sealed; another version of the contents gets another name.
const CONTEXT: &str = "gateway session 1";
const CHALLENGE_CONTEXT: &str = "gateway challenge 1";
/// For so long a second factor may be shown.
const CHALLENGE_LIFE: u64 = 5 * 60;
/// A browser forgets a device when it forgets everything.
const DEVICE_LIFE: u64 = 400 * 24 * 60 * 60;

/// The cookies of one gateway.
pub(crate) struct Jar {
    keys: Arc<KeyRing>,
    random: Arc<dyn Random>,
    session: Vec<CookieSpec>,
    pub(crate) device: CookieSpec,
    challenge: CookieSpec,
    pub(crate) access_code: CookieSpec,
    pub(crate) csrf: CookieSpec,
}

/// What a request brings along.
pub(crate) struct Presented<'a> {
    /// The sealed session, as the key it is remembered by.
    pub(crate) session: Option<Cow<'a, str>>,
    /// How many cookies it came in.
    pub(crate) parts: usize,
    pub(crate) device: Option<&'a str>,
    /// Sealed.
    pub(crate) challenge: Option<&'a str>,
    pub(crate) access_code: Option<&'a str>,
    pub(crate) others: Others,
}

/// The cookies that are not ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Others {
    /// All: the lines can stay as they are.
    All,
    /// These, once ours have been taken out.
    Some(HeaderValue),
    None,
}

impl Jar {
    pub(crate) fn new(https: bool, keys: Arc<KeyRing>, random: Arc<dyn Random>) -> Result<Self, String> {
        let scope = CookieScope { https, same_site: SameSite::Lax, path: "/".into(), domain: None };
        let spec = |name: &str, visibility| {
            CookieSpec::new(name, visibility, &scope).map_err(|error| error.to_string())
        };
        let part = |at: usize| {
            let name = if at == 0 { "pc_gateway".to_owned() } else { format!("pc_gateway_{at}") };
            spec(&name, Visibility::HttpOnly)
        };
        Ok(Self {
            keys,
            random,
            session: (0..MOST_PARTS).map(part).collect::<Result<_, _>>()?,
            device: spec("pc_gateway_device", Visibility::HttpOnly)?,
            challenge: spec("pc_gateway_challenge", Visibility::HttpOnly)?,
            access_code: spec("pc_gateway_code", Visibility::HttpOnly)?,
            csrf: spec("pc_csrftoken", Visibility::Readable)?,
        })
    }

    /// Looks through the cookies of a request, once.
    pub(crate) fn read<'a>(&self, headers: &'a HeaderMap) -> Result<Presented<'a>, CookieError> {
        let mut none = Presented {
            session: None,
            parts: 0,
            device: None,
            challenge: None,
            access_code: None,
            others: Others::All,
        };
        let (mut ours, mut others) = (Vec::with_capacity(1), Vec::new());
        for pair in headers.get_all(COOKIE).iter().flat_map(|line| pairs(line.as_bytes())) {
            if is_ours(name_of(pair)) { ours.push(pair) } else { others.push(pair) }
        }
        if ours.is_empty() {
            return Ok(none);
        }
        none.others = match HeaderValue::from_bytes(&others.join(&b"; "[..])) {
            Ok(others) if !others.is_empty() => Others::Some(others),
            _ => Others::None,
        };
        none.device = find(&ours, &self.device)?;
        none.challenge = find(&ours, &self.challenge)?;
        none.access_code = find(&ours, &self.access_code)?;
        let mut parts = Vec::with_capacity(1);
        for spec in &self.session {
            parts.push(find(&ours, spec)?);
        }
        none.parts = parts.iter().flatten().count();
        none.session = join(&parts);
        Ok(none)
    }

    /// The session in a sealed cookie. `None`: damaged, of another version, or under a key that we do not hold.
    pub(crate) fn open(&self, sealed: &str) -> Option<Session> {
        Session::open(serde_json::from_slice::<Contents>(&self.unseal(CONTEXT, sealed)?).ok()?)
    }

    fn unseal(&self, context: &str, sealed: &str) -> Option<Zeroizing<Vec<u8>>> {
        let bytes = URL_SAFE_NO_PAD.decode(sealed).ok()?;
        let (id, bytes) = bytes.split_first_chunk::<4>()?;
        let sealed = Sealed { key_id: KeyId(u32::from_be_bytes(*id)), bytes: bytes.to_vec() };
        let opened = self.keys.open(context, &sealed);
        opened.inspect_err(|error| tracing::debug!(reason = %error, "a cookie cannot be opened")).ok()
    }

    fn seal(&self, context: &str, plain: &[u8]) -> String {
        let sealed = self.keys.seal(context, plain, &*self.random);
        URL_SAFE_NO_PAD.encode([&sealed.key_id.0.to_be_bytes()[..], &sealed.bytes].concat())
    }

    /// The secret of a sign-in that owes a second factor, from its cookie.
    pub(crate) fn open_challenge(&self, sealed: &str) -> Option<String> {
        let plain = self.unseal(CHALLENGE_CONTEXT, sealed)?;
        std::str::from_utf8(&plain).ok().map(str::to_owned)
    }

    /// Keeps that secret in the browser.
    pub(crate) fn challenge_line(&self, secret: &str) -> Option<HeaderValue> {
        self.challenge.set(&self.seal(CHALLENGE_CONTEXT, secret.as_bytes()), Some(CHALLENGE_LIFE)).ok()
    }

    /// Takes it away.
    pub(crate) fn clear_challenge(&self) -> HeaderValue {
        self.challenge.clear()
    }

    /// The `Set-Cookie` lines of a session at `now`, made once. `None`: it does not fit.
    pub(crate) fn write<'a>(&self, session: &'a Session, now: i64) -> Option<&'a [HeaderValue]> {
        session.cookies.get_or_init(|| self.sealed(session, now)).as_deref()
    }

    fn sealed(&self, session: &Session, now: i64) -> Option<Vec<HeaderValue>> {
        let plain = serde_json::to_vec(&session.contents).ok()?;
        let text = self.seal(CONTEXT, &plain);
        let pieces: Vec<&str> =
            (0..text.len()).step_by(PART).map(|at| &text[at..text.len().min(at + PART)]).collect();
        if pieces.len() > MOST_PARTS {
            tracing::error!(
                bytes = text.len(),
                "a session does not fit into cookies: has tokens.claims too much in it?"
            );
            return None;
        }
        let life = u64::try_from(session.contents.until.saturating_sub(now)).ok()?;
        let cookie = |(at, piece): (usize, &&str)| {
            let value = if at == 0 { format!("{}.{piece}", pieces.len()) } else { (*piece).to_owned() };
            self.session[at].set(&value, Some(life)).ok()
        };
        pieces.iter().enumerate().map(cookie).collect()
    }

    /// Whether an answer sets a session already.
    pub(crate) fn is_set(&self, headers: &HeaderMap) -> bool {
        let name = self.session[0].name().as_bytes();
        let sets = |line: &HeaderValue| {
            line.as_bytes().strip_prefix(name).is_some_and(|rest| rest.starts_with(b"="))
        };
        headers.get_all(SET_COOKIE).iter().any(sets)
    }

    /// What takes away the cookies beyond the first `kept`, where a session came in `parts`.
    pub(crate) fn clear(&self, parts: usize, kept: usize) -> impl Iterator<Item = HeaderValue> + '_ {
        self.session.iter().take(parts).skip(kept).map(CookieSpec::clear)
    }

    /// Makes the device known from now on.
    pub(crate) fn device_line(&self, token: &str) -> Option<HeaderValue> {
        self.device.set(token, Some(DEVICE_LIFE)).ok()
    }
}

/// The cookies of one line. A session's are kilobytes long, and are looked through at every request.
fn pairs(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(line);
    std::iter::from_fn(move || {
        let line = rest?;
        let end = memchr(b';', line);
        rest = end.map(|end| &line[end + 1..]);
        Some(line[..end.unwrap_or(line.len())].trim_ascii())
    })
}

fn name_of(pair: &[u8]) -> &[u8] {
    pair[..memchr(b'=', pair).unwrap_or(pair.len())].trim_ascii()
}

/// Whether a cookie of this name is ours. Prefixes are compared as browsers do, in any case.
pub(crate) fn is_ours(name: &[u8]) -> bool {
    let starts = |name: &[u8], prefix: &[u8]| {
        name.get(..prefix.len()).is_some_and(|front| front.eq_ignore_ascii_case(prefix))
    };
    let bare = match name {
        name if starts(name, b"__Host-") => &name[7..],
        name if starts(name, b"__Secure-") => &name[9..],
        name => name,
    };
    starts(bare, b"pc_")
}

fn find<'a>(pairs: &[&'a [u8]], spec: &CookieSpec) -> Result<Option<&'a str>, CookieError> {
    let mut found = None;
    for pair in pairs {
        let Some(value) = pair.strip_prefix(spec.name().as_bytes()).and_then(|rest| rest.strip_prefix(b"="))
        else {
            continue;
        };
        if found.replace(value).is_some() {
            return Err(CookieError::Duplicate);
        }
    }
    found.map(|value| std::str::from_utf8(value).map_err(|_| CookieError::Malformed)).transpose()
}

/// The parts in order, as many as the first one says.
fn join<'a>(parts: &[Option<&'a str>]) -> Option<Cow<'a, str>> {
    let (count, first) = parts.first().copied().flatten()?.split_once('.')?;
    match count.parse::<usize>().ok()? {
        1 => Some(first.into()),
        count @ 2..=MOST_PARTS => {
            let mut whole = first.to_owned();
            for part in parts.get(1..count)? {
                whole.push_str((*part)?);
            }
            Some(whole.into())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use portcullis_core::server_key::ServerKey;

    use super::*;
    use crate::session::tests::session;

    struct Fixed;
    impl Random for Fixed {
        fn fill(&self, dest: &mut [u8]) {
            dest.fill(7);
        }
    }

    fn jar_under(keys: &[u8]) -> Jar {
        let key = |byte: &u8| ServerKey::new(&[*byte; 32]).expect("long enough");
        let ring = KeyRing::new(key(&keys[0]), keys[1..].iter().map(key).collect());
        Jar::new(true, Arc::new(ring), Arc::new(Fixed)).expect("a jar")
    }

    /// As a browser sends back what was set.
    fn returned(lines: &[HeaderValue]) -> HeaderMap {
        let pair =
            |line: &HeaderValue| line.to_str().expect("ASCII").split(';').next().expect("a pair").to_owned();
        let pairs: Vec<String> = lines.iter().map(pair).collect();
        let mut headers = HeaderMap::new();
        headers.insert(COOKIE, format!("theme=dark; {}; sid=1", pairs.join("; ")).parse().expect("a value"));
        headers
    }

    fn opened(jar: &Jar, headers: &HeaderMap) -> Option<Session> {
        let presented = jar.read(headers).expect("readable");
        jar.open(presented.session.as_deref()?)
    }

    #[test]
    fn a_session_goes_out_and_comes_back_whatever_its_size() {
        let jar = jar_under(&[1]);
        for (size, parts) in [(100, 1), (5_000, 2), (8_000, 3)] {
            let mut given = session("s", 3, 1000);
            given.contents.upstream = Some("x".repeat(size));
            let lines = jar.write(&given, 1000).expect("fits");
            assert_eq!(lines.len(), parts, "{size}");
            for line in lines {
                let line = line.to_str().expect("ASCII");
                assert!(
                    line.starts_with("__Host-pc_gateway")
                        && line.contains("; HttpOnly; Secure; SameSite=Lax")
                );
                assert!(
                    line.ends_with("Max-Age=3600") && line.split(';').next().expect("a pair").len() < 4096
                );
                assert!(!line.contains("refresh-3"), "sealed");
            }
            let headers = returned(lines);
            let presented = jar.read(&headers).expect("readable");
            assert_eq!(presented.others, Others::Some(HeaderValue::from_static("theme=dark; sid=1")));
            assert_eq!(jar.clear(presented.parts, 1).count(), parts - 1);
            let back = opened(&jar, &headers).expect("opens");
            assert_eq!((back.sid.as_str(), back.age()), ("s", given.age()));
            assert_eq!(back.contents.refresh, "refresh-3");
        }
        let mut huge = session("s", 1, 0);
        huge.contents.upstream = Some("x".repeat(20_000));
        assert!(jar.write(&huge, 0).is_none());
    }

    #[test]
    fn keys_can_be_changed_and_nothing_else_can() {
        let lines = jar_under(&[1]).write(&session("s", 1, 0), 0).expect("fits").to_vec();
        let headers = returned(&lines);
        assert!(opened(&jar_under(&[2, 1]), &headers).is_some());
        assert!(opened(&jar_under(&[2]), &headers).is_none());
        let text = lines[0].to_str().expect("ASCII").split_once('.').expect("a part").1;
        let sealed = text.split(';').next().expect("a value");
        for at in [0, 6, 20, sealed.len() - 2] {
            let mut wrong = sealed.as_bytes().to_vec();
            wrong[at] = if wrong[at] == b'A' { b'B' } else { b'A' };
            assert!(jar_under(&[1]).open(std::str::from_utf8(&wrong).expect("ASCII")).is_none(), "{at}");
        }
    }

    #[test]
    fn two_of_one_name_are_refused_and_missing_parts_are_no_session() {
        let jar = jar_under(&[1]);
        let read = |cookies: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(COOKIE, HeaderValue::from_static(cookies));
            jar.read(&headers).map(|presented| presented.session.map(Cow::into_owned))
        };
        assert_eq!(read("__Host-pc_gateway=1.a; __Host-pc_gateway=1.a"), Err(CookieError::Duplicate));
        assert_eq!(read("__Host-pc_gateway=2.a; __Host-pc_gateway_1=b"), Ok(Some("ab".into())));
        for none in [
            "__Host-pc_gateway=2.a",
            "__Host-pc_gateway=0.a",
            "__Host-pc_gateway=9.a",
            "pc_gateway=1.a",
            "x=1",
        ] {
            assert_eq!(read(none), Ok(None), "{none}");
        }
    }

    #[test]
    fn names_of_ours() {
        for name in ["pc_gateway", "__Host-pc_access", "__secure-PC_x", "pc_csrftoken"] {
            assert!(is_ours(name.as_bytes()), "{name}");
        }
        for name in ["csrftoken", "sessionid", "xpc_", "__Host-x", "pc", ""] {
            assert!(!is_ours(name.as_bytes()), "{name}");
        }
    }
}
