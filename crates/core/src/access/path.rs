//! Paths in two readings: the strict one that a client sent, and a loose one that covers how services may read it.

use thiserror::Error;
use unicode_normalization::UnicodeNormalization as _;

/// How often escapes may be wrapped into each other.
const ROUNDS: usize = 3;

/// A path as it was sent: begins with `/`, without a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path<'a> {
    raw: &'a str,
    /// Decoded, without empty segments, parameters and trailing dots; `None`: that changes nothing.
    loose: Option<String>,
}

impl<'a> Path<'a> {
    /// `None` where services disagree too much: not ASCII, controls and spaces, `#`, `?`, backslashes, `//` in
    /// front, dot segments, broken escapes, escapes of any of these (`?` and `#` aside) or of no UTF-8.
    pub fn parse(raw: &'a str) -> Option<Self> {
        let visible = |b: u8| b.is_ascii_graphic() && !matches!(b, b'\\' | b'#' | b'?');
        if !raw.starts_with('/') || raw.starts_with("//") || !raw.bytes().all(visible) {
            return None;
        }
        let loose = if is_plain(raw.as_bytes()) { None } else { Some(loosen(raw)?) };
        Some(Self { raw, loose })
    }

    /// Whether every service reads this as `prefix` or something below it: the bytes are the same, and nothing
    /// that may follow leads out again.
    pub fn is_surely_under(&self, prefix: &Prefix) -> bool {
        let rest = self.raw.strip_prefix(prefix.0.as_str());
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// Whether some service may. Also with an ending: frameworks serve `/admin` as `/admin.json`.
    pub fn may_be_under(&self, prefix: &Prefix) -> bool {
        let (path, prefix) = (self.loose.as_deref().unwrap_or(self.raw).as_bytes(), prefix.0.as_bytes());
        path.len() >= prefix.len()
            && path[..prefix.len()].eq_ignore_ascii_case(prefix)
            && matches!(path.get(prefix.len()), None | Some(b'/' | b'.'))
    }
}

/// No escapes, no parameters, no empty segments, and none that ends with a dot or begins with two.
fn is_plain(path: &[u8]) -> bool {
    let pairs = path.windows(2).all(|pair| !matches!(pair, b"//" | b"./"));
    let climbs = path.windows(3).any(|three| three == b"/..");
    pairs && !climbs && !path.ends_with(b".") && !path.iter().any(|b| matches!(b, b'%' | b';'))
}

/// The loosest reading: every other one has the same segments as this one, up to the first that no [`Prefix`] has.
fn loosen(raw: &str) -> Option<String> {
    let (mut loose, mut ended) = (String::with_capacity(raw.len()), false);
    for segment in raw.split('/') {
        let text = decode(segment)?.nfkc().collect::<String>().to_lowercase();
        if text.contains(';') && text.contains(['/', '?', '#']) {
            // Parameters end at the slash or after it, and what follows is a segment or not.
            return None;
        }
        // A service that takes `%3f` for `?` sees no more of the path; one that does not sees all of it.
        for piece in text.split_inclusive(['/', '?', '#']) {
            let part = piece.trim_end_matches(['/', '?', '#']).split(';').next().unwrap_or_default();
            let kept = part.trim_end_matches(['.', ' ']);
            // With its ending cut off, `...x` is a way up.
            if part.starts_with("..") || (kept.is_empty() && part.contains('.')) {
                return None;
            }
            if !kept.is_empty() && !ended {
                loose.push('/');
                loose.push_str(kept);
            }
            ended |= piece.ends_with(['?', '#']);
        }
    }
    Some(loose)
}

/// Decodes until nothing is left to decode.
fn decode(segment: &str) -> Option<String> {
    let mut bytes = segment.as_bytes().to_vec();
    for round in 0..=ROUNDS {
        let (decoded, any) = decode_once(&bytes, round == 0)?;
        bytes = decoded;
        if !any {
            let text = String::from_utf8(bytes).ok()?;
            return (!text.contains(|c: char| c.is_control() || c == '\\')).then_some(text);
        }
    }
    None
}

/// One round. What is no escape was one of `%` itself in later rounds; in the first it is broken.
fn decode_once(bytes: &[u8], strict: bool) -> Option<(Vec<u8>, bool)> {
    let hex = |at: usize| bytes.get(at).and_then(|digit| char::from(*digit).to_digit(16));
    let (mut decoded, mut any, mut at) = (Vec::with_capacity(bytes.len()), false, 0);
    while let Some(&byte) = bytes.get(at) {
        match (byte, hex(at + 1), hex(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                decoded.push((high << 4 | low) as u8);
                any = true;
                at += 3;
            }
            (b'%', ..) if strict => return None,
            _ => {
                decoded.push(byte);
                at += 1;
            }
        }
    }
    Some((decoded, any))
}

/// Why a text is no prefix for rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BadPrefix {
    /// It must.
    #[error("does not begin with /")]
    NoSlash,
    /// An escape, a parameter, a space or the like: services read these differently.
    #[error("holds a character that services read differently")]
    Character,
    /// `//`, `.` or `..`, or a segment that ends with a dot.
    #[error("holds an empty segment, or one that begins or ends with dots")]
    Segment,
}

/// A path and everything below it: `/admin` is `/admin` and `/admin/x`, not `/administrator`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prefix(String);

impl Prefix {
    /// Everything.
    pub const ROOT: Self = Self(String::new());

    /// Reads `/admin`; a slash at the end makes no difference.
    pub fn parse(text: &str) -> Result<Self, BadPrefix> {
        if !text.starts_with('/') {
            return Err(BadPrefix::NoSlash);
        }
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"/-_.~!$&'()*+,=:@".contains(&b);
        if !text.bytes().all(plain) {
            return Err(BadPrefix::Character);
        }
        if !is_plain(text.as_bytes()) {
            return Err(BadPrefix::Segment);
        }
        Ok(Self(text.strip_suffix('/').unwrap_or(text).to_owned()))
    }

    /// As written, without a slash at the end.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
