//! Randomness is an argument: only the binary and the test kit make a source.

/// A cryptographically secure source of random bytes.
pub trait Random: Send + Sync {
    /// Fills `dest` with random bytes.
    fn fill(&self, dest: &mut [u8]);
}

/// `N` random bytes.
pub fn bytes<const N: usize>(random: &dyn Random) -> [u8; N] {
    let mut out = [0; N];
    random.fill(&mut out);
    out
}

/// Eight characters of `[A-Z0-9]` without the look-alikes `0 O 1 I`, as in an account's display code.
pub fn display_code(random: &dyn Random) -> String {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";
    bytes::<8>(random).iter().map(|byte| char::from(ALPHABET[usize::from(byte % 32)])).collect()
}
