//! Time-based codes (RFC 6238): six digits, thirty seconds, HMAC-SHA-1, which is what every app can do.

use aws_lc_rs::hmac;
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::random::{self, Random};
use crate::time::Timestamp;

/// 160 bits, the length of the hash (RFC 4226 section 4, R6).
pub const SECRET_BYTES: usize = 20;
/// Seconds for which a code is shown.
pub const PERIOD: i64 = 30;
/// Steps that app and server may be apart, either way.
const SKEW: i64 = 1;
const DIGITS: usize = 6;

/// What an app and the server share.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct TotpSecret([u8; SECRET_BYTES]);

impl TotpSecret {
    /// A new one.
    pub fn new(random: &dyn Random) -> Self {
        Self(random::bytes(random))
    }

    /// As it was opened; `None`: it is no secret of ours.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// To be sealed.
    pub const fn as_bytes(&self) -> &[u8; SECRET_BYTES] {
        &self.0
    }

    /// As people type it into an app: base32 without padding (RFC 4648 section 6).
    pub fn to_base32(&self) -> String {
        base32(&self.0)
    }

    /// What a QR code says: `otpauth://totp/…`.
    pub fn uri(&self, issuer: &str, account: &str) -> String {
        let (issuer, account) = (escape(issuer), escape(account));
        let secret = self.to_base32();
        format!(
            "otpauth://totp/{issuer}:{account}?secret={secret}&issuer={issuer}&algorithm=SHA1&digits=6&period=30"
        )
    }

    /// The code of one step.
    pub fn code(&self, step: i64) -> String {
        // RFC 4226 section 5.3.
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &self.0);
        let tag = hmac::sign(&key, &step.to_be_bytes());
        let tag = tag.as_ref();
        let at = usize::from(tag[tag.len() - 1] & 0xf);
        let word = [tag[at] & 0x7f, tag[at + 1], tag[at + 2], tag[at + 3]];
        format!("{:0DIGITS$}", u32::from_be_bytes(word) % 1_000_000)
    }

    /// The step of `code`, if it is that of now or one beside it, and later than `last`, the one of the last code that
    /// was taken: a code is good once. Spaces are left out, as apps show codes in groups.
    pub fn check(&self, code: &str, now: Timestamp, last: i64) -> Option<i64> {
        let code: String = code.chars().filter(|c| !c.is_whitespace()).collect();
        let today = step_at(now);
        let mut found = None;
        for step in today - SKEW..=today + SKEW {
            let fits = bool::from(self.code(step).as_bytes().ct_eq(code.as_bytes()));
            if fits && step > last && found.is_none() {
                found = Some(step);
            }
        }
        found
    }
}

impl std::fmt::Debug for TotpSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TotpSecret(…)")
    }
}

/// The step of a moment.
pub const fn step_at(now: Timestamp) -> i64 {
    now.seconds().div_euclid(PERIOD)
}

/// Base32 without padding (RFC 4648 section 6).
fn base32(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let digit = |at: usize| {
        let bits = (0..5).map(|bit| {
            let position = at * 5 + bit;
            let byte = bytes.get(position / 8).copied().unwrap_or_default();
            (byte >> (7 - position % 8)) & 1
        });
        char::from(ALPHABET[usize::from(bits.fold(0, |value, bit| value << 1 | bit))])
    };
    (0..(bytes.len() * 8).div_ceil(5)).map(digit).collect()
}

/// Percent-encoding of all but unreserved characters (RFC 3986 section 2.3).
fn escape(text: &str) -> String {
    use std::fmt::Write as _;
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret() -> TotpSecret {
        TotpSecret::from_bytes(b"12345678901234567890").expect("20 bytes")
    }

    #[test]
    fn codes_of_the_rfc() {
        // RFC 6238 appendix B, SHA-1, the last six of eight digits.
        for (seconds, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            assert_eq!(secret().code(step_at(Timestamp::from_seconds(seconds))), code, "{seconds}");
        }
    }

    #[test]
    fn one_step_to_either_side_is_good_and_each_code_once() {
        let now = Timestamp::from_seconds(1_000_000_000);
        let today = step_at(now);
        for (apart, good) in [(-2, false), (-1, true), (0, true), (1, true), (2, false)] {
            let step = secret().check(&secret().code(today + apart), now, i64::MIN);
            assert_eq!(step, good.then_some(today + apart), "{apart}");
        }
        let code = secret().code(today);
        assert_eq!(secret().check(&code, now, today - 1), Some(today));
        assert_eq!(secret().check(&code, now, today), None);
        assert_eq!(secret().check(&code, now, today + 1), None);
        let grouped = format!("{} {}", &code[..3], &code[3..]);
        assert_eq!(secret().check(&grouped, now, 0), Some(today));
        for wrong in ["", "0", "é", &code[..5], &format!("{code}0")] {
            assert_eq!(secret().check(wrong, now, 0), None, "{wrong}");
        }
    }

    #[test]
    fn what_apps_read() {
        // RFC 4648 section 10.
        for (plain, text) in
            [("", ""), ("f", "MY"), ("fo", "MZXQ"), ("foo", "MZXW6"), ("foobar", "MZXW6YTBOI")]
        {
            assert_eq!(base32(plain.as_bytes()), text);
        }
        assert_eq!(
            secret().uri("auth.example.org", "ada@example.org"),
            "otpauth://totp/auth.example.org:ada%40example.org?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ\
             &issuer=auth.example.org&algorithm=SHA1&digits=6&period=30"
        );
        assert_eq!(escape("Löve & Co:1"), "L%C3%B6ve%20%26%20Co%3A1");
        assert_eq!(format!("{:?}", secret()), "TotpSecret(…)");
    }
}
