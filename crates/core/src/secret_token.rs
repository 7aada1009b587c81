//! Opaque secrets that people and programs keep: a prefix, 32 random bytes and a checksum, all in base62.
//!
//! The prefix tells a scanner of source code what it has found; the checksum tells garbage from a token without
//! asking the store. What the store keeps is the SHA-256: 32 random bytes need no slow hash.

use std::fmt;

use aws_lc_rs::digest;
use crc::{CRC_32_ISO_HDLC, Crc};
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::base62;
use crate::random::{self, Random};

const CRC: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);
const RANDOM: usize = 32;
/// Characters of the random part, and of the checksum behind it.
const BODY: usize = 44;
const CHECKSUM: usize = 6;
/// How many characters of the random part may be shown, to tell tokens apart.
const SHOWN: usize = 8;

/// What a secret is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A user's long-lived token.
    ApiToken,
    /// The secret of a service client.
    ClientSecret,
    /// A sign-in that still owes a factor.
    LoginChallenge,
    /// What whoever began something with a passkey ends it with.
    Ceremony,
}

impl Kind {
    /// What every secret of this kind starts with.
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::ApiToken => "pct_",
            Self::ClientSecret => "pcs_",
            Self::LoginChallenge => "pcl_",
            Self::Ceremony => "pcw_",
        }
    }

    /// A regular expression that every secret of this kind matches as a whole.
    pub fn pattern(self) -> String {
        format!("{}[0-9A-Za-z]{{{}}}", self.prefix(), BODY + CHECKSUM)
    }

    /// Whether `text` has the form of this kind, its checksum included.
    pub fn fits(self, text: &str) -> bool {
        let Some(rest) = text.strip_prefix(self.prefix()) else { return false };
        rest.is_ascii()
            && rest.len() == BODY + CHECKSUM
            && base62::decode::<RANDOM>(&rest[..BODY]).is_some()
            && checksum(&rest[..BODY]) == rest[BODY..]
    }
}

/// SHA-256 of a secret: what the store keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SecretDigest(pub [u8; 32]);

impl SecretDigest {
    /// The digest of what somebody presents.
    pub fn of(text: &str) -> Self {
        let mut out = [0; 32];
        out.copy_from_slice(digest::digest(&digest::SHA256, text.as_bytes()).as_ref());
        Self(out)
    }
}

/// A new secret, to be shown once.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct SecretToken(String);

impl SecretToken {
    /// A new one.
    pub fn new(kind: Kind, random: &dyn Random) -> Self {
        let mut text = String::from(kind.prefix());
        base62::encode_into(&random::bytes::<RANDOM>(random), &mut text);
        let sum = checksum(&text[kind.prefix().len()..]);
        text.push_str(&sum);
        Self(text)
    }

    /// The secret itself.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What the store keeps.
    pub fn digest(&self) -> SecretDigest {
        SecretDigest::of(&self.0)
    }

    /// Its first characters, without the prefix: to tell tokens apart in a list.
    pub fn shown(&self) -> &str {
        let start = self.0.find('_').map_or(0, |at| at + 1);
        &self.0[start..start + SHOWN]
    }
}

impl fmt::Debug for SecretToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretToken(…)")
    }
}

/// CRC-32 of the random part in six base62 digits.
fn checksum(body: &str) -> String {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut rest = CRC.checksum(body.as_bytes());
    let mut out = [b'0'; CHECKSUM];
    for digit in out.iter_mut().rev() {
        *digit = DIGITS[(rest % 62) as usize];
        rest /= 62;
    }
    out.iter().map(|digit| char::from(*digit)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    struct Fixed(u8);
    impl Random for Fixed {
        fn fill(&self, dest: &mut [u8]) {
            dest.fill(self.0);
        }
    }

    #[test]
    fn form() {
        let token = SecretToken::new(Kind::ApiToken, &Fixed(7));
        let text = token.expose();
        // The verify crate has the form once more, and this text in its tests.
        assert_eq!(text, "pct_0bPELAU4eqF0bPELAU4eqF0bPELAU4eqF0bPELAU4eqF18Apz0");
        assert!(Kind::ApiToken.fits(text) && !Kind::ClientSecret.fits(text));
        assert_eq!(&text[4..12], token.shown());
        assert_eq!(Kind::ApiToken.pattern(), "pct_[0-9A-Za-z]{50}");
        assert_eq!(format!("{token:?}"), "SecretToken(…)");
    }

    #[test]
    fn the_checksum_is_the_common_one() {
        // CRC-32 of "123456789" is 0xCBF43926 in every table of such sums.
        assert_eq!(CRC.checksum(b"123456789"), 0xCBF4_3926);
    }

    #[test]
    fn one_wrong_character_does_not_pass() {
        let token = SecretToken::new(Kind::ApiToken, &Fixed(200));
        let text = token.expose();
        for at in 4..text.len() {
            let mut wrong = text.as_bytes().to_vec();
            wrong[at] = if wrong[at] == b'A' { b'B' } else { b'A' };
            assert!(!Kind::ApiToken.fits(std::str::from_utf8(&wrong).expect("ASCII")), "{at}");
        }
        for wrong in ["", "pct_", "pct_é", &text[..53], &format!("{text}A"), &text.to_uppercase()] {
            assert!(!Kind::ApiToken.fits(wrong), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn nothing_else_fits(text in "\\PC{0,60}") {
            prop_assert!(!Kind::ApiToken.fits(&text));
        }

        #[test]
        fn any_garbage_behind_the_prefix_is_read_without_a_panic(rest in "\\PC{0,60}") {
            let _ = Kind::ApiToken.fits(&format!("pct_{rest}"));
        }
    }
}
