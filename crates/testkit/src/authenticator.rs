//! An app that makes codes, as somebody has it on their phone.

use portcullis_core::time::Timestamp;
use portcullis_core::totp::{TotpSecret, step_at};

/// Knows a secret, by what a server has shown of it.
pub struct Authenticator(TotpSecret);

impl Authenticator {
    /// Reads base32 (RFC 4648 section 6).
    ///
    /// # Panics
    /// If it is none, or no secret.
    pub fn new(secret: &str) -> Self {
        let mut bytes = Vec::new();
        let (mut bits, mut count) = (0_u32, 0);
        for digit in secret.bytes() {
            let at = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".iter().position(|known| *known == digit);
            bits = bits << 5 | u32::try_from(at.expect("base32")).expect("below 32");
            count += 5;
            if count >= 8 {
                count -= 8;
                bytes.push((bits >> count & 0xff) as u8);
            }
        }
        Self(TotpSecret::from_bytes(&bytes).expect("20 bytes"))
    }

    /// The code that it shows so many steps from `now`.
    pub fn code(&self, now: Timestamp, steps: i64) -> String {
        self.0.code(step_at(now) + steps)
    }
}
