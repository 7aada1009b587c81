//! What kind of token a text is, by its form alone.

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
/// 43 digits hold 32 bytes in base62, 6 hold a CRC-32; leading zeros may be left out.
const DIGITS: std::ops::RangeInclusive<usize> = 32..=64;
/// Longest token of another system that the issuer is asked about.
const MAX_OTHER: usize = 1024;

impl Form {
    /// `None`: garbage that nobody needs to be asked about.
    pub(crate) fn of(token: &str) -> Option<Self> {
        if let Some(digits) = token.strip_prefix(PREFIX) {
            let sane = DIGITS.contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_alphanumeric());
            return sane.then_some(Self::ApiToken);
        }
        if token.bytes().filter(|b| *b == b'.').count() == 2 {
            return Some(Self::Jwt);
        }
        let sane = (8..=MAX_OTHER).contains(&token.len()) && token.bytes().all(|b| b.is_ascii_graphic());
        sane.then_some(Self::Other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        let digits = "a1B2".repeat(13);
        for (token, form) in [
            ("a.b.c", Some(Form::Jwt)),
            ("..", Some(Form::Jwt)),
            (&format!("pct_{}", &digits[..49]), Some(Form::ApiToken)),
            (&format!("pct_{}-", &digits[..48]), None),
            (&format!("pct_{}.a.b", &digits[..40]), None),
            (&format!("pct_{}", &digits[..10]), None),
            (&format!("pct_{}", digits.repeat(2)), None),
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
