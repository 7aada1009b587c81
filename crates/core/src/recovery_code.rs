//! Recovery codes: what a user keeps on paper for the day when their factors are gone. Each is good once.
//!
//! 80 random bits in Crockford's base32, in four groups of four. What the store keeps is the SHA-256 of user and code:
//! nobody tries 2⁸⁰ codes.

use aws_lc_rs::digest;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::ids::UserId;
use crate::random::{self, Random};

/// How many there are in a set.
pub const COUNT: usize = 10;
const BYTES: usize = 10;
const LENGTH: usize = 16;
const GROUP: usize = 4;
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// A code, as it is shown once.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct RecoveryCode(String);

/// What the store keeps of a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecoveryDigest(pub [u8; 32]);

impl RecoveryCode {
    /// A new one.
    pub fn new(random: &dyn Random) -> Self {
        let bytes: [u8; BYTES] = random::bytes(random);
        let mut wide = [0; 16];
        wide[16 - BYTES..].copy_from_slice(&bytes);
        let value = u128::from_be_bytes(wide);
        let digit = |at: usize| char::from(ALPHABET[(value >> (5 * (LENGTH - 1 - at)) & 31) as usize]);
        Self((0..LENGTH).map(digit).collect())
    }

    /// A set of new ones.
    pub fn set(random: &dyn Random) -> Vec<Self> {
        (0..COUNT).map(|_| Self::new(random)).collect()
    }

    /// As somebody types it: in any case, with or without dashes and blanks, with `O` for zero and `I` or `L` for one.
    /// `None`: it has not the form of one.
    pub fn parse(text: &str) -> Option<Self> {
        let digit = |c: char| match c.to_ascii_lowercase() {
            'o' => '0',
            'i' | 'l' => '1',
            c => c,
        };
        let code: String = text.chars().filter(|c| !c.is_whitespace() && *c != '-').map(digit).collect();
        let fits = code.len() == LENGTH && code.bytes().all(|byte| ALPHABET.contains(&byte));
        fits.then_some(Self(code))
    }

    /// For people: four groups.
    pub fn shown(&self) -> String {
        let groups: Vec<&str> = (0..LENGTH).step_by(GROUP).map(|at| &self.0[at..at + GROUP]).collect();
        groups.join("-")
    }

    /// What the store keeps of it.
    pub fn digest(&self, user: UserId) -> RecoveryDigest {
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(b"recovery code\0");
        context.update(user.uuid().as_bytes());
        context.update(self.0.as_bytes());
        let mut out = [0; 32];
        out.copy_from_slice(context.finish().as_ref());
        RecoveryDigest(out)
    }
}

impl std::fmt::Debug for RecoveryCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RecoveryCode(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use uuid::Uuid;

    struct Fixed(u8);
    impl Random for Fixed {
        fn fill(&self, dest: &mut [u8]) {
            for (at, byte) in dest.iter_mut().enumerate() {
                *byte = self.0.wrapping_mul(at as u8 + 1);
            }
        }
    }

    fn user(number: u128) -> UserId {
        UserId::from_uuid(Uuid::from_u128(number))
    }

    #[test]
    fn is_read_however_it_is_written() {
        let code = RecoveryCode::new(&Fixed(1));
        assert_eq!(code.shown(), "0410-6105-0r3g-g28a");
        for text in [code.shown(), code.shown().to_uppercase(), code.shown().replace('-', " ")] {
            assert_eq!(RecoveryCode::parse(&text).as_ref(), Some(&code), "{text}");
        }
        assert_eq!(RecoveryCode::parse("OoIiLl00-00000000"), RecoveryCode::parse("0011-1100-0000-0000"));
        for wrong in ["", "0410", "0410-6105-0r3g-g28u", "0410-6105-0r3g-g28a-0", "é410-6105-0r3g-g28a"] {
            assert_eq!(RecoveryCode::parse(wrong), None, "{wrong}");
        }
        assert_eq!(format!("{code:?}"), "RecoveryCode(…)");
    }

    #[test]
    fn is_good_for_one_user() {
        let code = RecoveryCode::new(&Fixed(1));
        assert_ne!(code.digest(user(1)), code.digest(user(2)));
        assert_ne!(code.digest(user(1)), RecoveryCode::new(&Fixed(3)).digest(user(1)));
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in "\\PC{0,40}") {
            let _ = RecoveryCode::parse(&text);
        }
    }
}
