//! The password as a value that is hard to leak.

use std::fmt;

use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

use super::policy::PasswordPolicy;
use super::problem::PasswordProblem;

/// A password in Unicode normalisation form C: the same on every keyboard, whichever way it composes an `é`.
///
/// Overwritten when dropped; has no `Display`, and `Debug` tells nothing.
#[derive(Clone)]
pub struct Password(Zeroizing<String>);

impl Password {
    /// Most bytes of a password we store. No policy admits more: [`PasswordPolicy::MAX_LENGTH_CEILING`] code points
    /// take at most this many bytes.
    pub const MAX_BYTES: usize = PasswordPolicy::MAX_LENGTH_CEILING * 4;

    /// A password that somebody chooses. Refuses NUL (it ends strings elsewhere, and no keyboard makes one) and more
    /// than [`Self::MAX_BYTES`]; everything else is for [`PasswordPolicy::check`].
    pub fn parse(chosen: String) -> Result<Self, PasswordProblem> {
        let chosen = Zeroizing::new(chosen);
        if chosen.contains('\0') {
            return Err(PasswordProblem::ContainsNul);
        }
        let password = Self::presented(&chosen);
        if password.0.len() > Self::MAX_BYTES {
            return Err(PasswordProblem::TooLong { max: PasswordPolicy::MAX_LENGTH_CEILING });
        }
        Ok(password)
    }

    /// A password that somebody presents to be checked. Never fails, so that a hopeless guess takes the same way as
    /// a plausible one. An over-long one is cut, but to more than [`Self::MAX_BYTES`]: it matches nothing we store.
    pub fn presented(given: &str) -> Self {
        // Room for the longest NFC (three times the bytes), so that no abandoned copy is left behind by growing.
        let given = &given[..given.floor_char_boundary(4 * Self::MAX_BYTES)];
        let mut text = Zeroizing::new(String::with_capacity(given.len() * 3));
        for char in given.nfc() {
            text.push(char);
            if text.len() > Self::MAX_BYTES {
                break;
            }
        }
        Self(text)
    }

    /// The bytes to hash: UTF-8 of the normalised text.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}
