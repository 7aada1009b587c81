//! What kind of token a text is, by its form alone.

use crc::{CRC_32_ISO_HDLC, Crc};

/// The kinds, before anything is known about the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Three segments: verified here.
    Jwt,
    /// `pct_…`: only the issuer can tell.
    ApiToken,
    /// Neither; perhaps a token of another system that was imported.
    Other,
}

const PREFIX: &str = "pct_";
/// Digits in base62 of 32 random bytes, eleven for every eight, and of the checksum behind them.
const BODY: usize = 44;
const CHECKSUM: usize = 6;
const CRC: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);
/// Longest token of another system that the issuer is asked about.
const MAX_OTHER: usize = 1024;

impl Form {
    /// `None`: garbage that nobody needs to be asked about.
    pub(crate) fn of(token: &str) -> Option<Self> {
        if let Some(digits) = token.strip_prefix(PREFIX) {
            return has_checksum(digits.as_bytes()).then_some(Self::ApiToken);
        }
        if token.bytes().filter(|b| *b == b'.').count() == 2 {
            return Some(Self::Jwt);
        }
        let sane = (8..=MAX_OTHER).contains(&token.len()) && token.bytes().all(|b| b.is_ascii_graphic());
        sane.then_some(Self::Other)
    }
}

/// Whether the CRC-32 of the first 44 characters stands behind them: all that can be known of an API token here.
fn has_checksum(digits: &[u8]) -> bool {
    let Some((body, sum)) = digits.split_at_checked(BODY) else { return false };
    let stated = sum.iter().try_fold(0_u64, |stated, digit| Some(stated * 62 + u64::from(value(*digit)?)));
    sum.len() == CHECKSUM
        && body.iter().all(u8::is_ascii_alphanumeric)
        && stated == Some(u64::from(CRC.checksum(body)))
}

const fn value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'A'..=b'Z' => Some(digit - b'A' + 10),
        b'a'..=b'z' => Some(digit - b'a' + 36),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        // As the issuer's own tests have it.
        let token = "pct_0bPELAU4eqF0bPELAU4eqF0bPELAU4eqF0bPELAU4eqF18Apz0";
        for (token, form) in [
            ("a.b.c", Some(Form::Jwt)),
            ("..", Some(Form::Jwt)),
            (token, Some(Form::ApiToken)),
            (&token.replace("z0", "z1"), None),
            (&token.replacen("0b", "0c", 1), None),
            (&token[..53], None),
            (&token[..20], None),
            (&format!("{token}0"), None),
            (&format!("{token}\u{fc}"), None),
            (&format!("{}\u{fc}", &token[..46]), None),
            (&format!("{}.a.b", &token[..50]), None),
            (&token.repeat(2), None),
            ("pct_", None),
            ("PCT_aaaaaaaaaa", Some(Form::Other)),
            ("9944b09199c62bcf9418ad846dd0e4bbdfc6ee4b", Some(Form::Other)),
            ("a.b", None),
            ("", None),
            ("short", None),
            (&"a".repeat(MAX_OTHER + 1), None),
            ("with a space", None),
        ] {
            assert_eq!(Form::of(token), form, "{token}");
        }
    }
}
