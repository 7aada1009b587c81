//! Base62 in blocks: every 8 bytes become 11 characters, so that no big-number arithmetic is needed and the
//! length of a text follows from the length of its bytes. One byte string has exactly one text.

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const BLOCK: usize = 8;
const DIGITS: usize = 11;

/// `bytes`, whose length is a multiple of 8, as text.
pub fn encode_into(bytes: &[u8], out: &mut String) {
    debug_assert!(bytes.len().is_multiple_of(BLOCK), "whole blocks only");
    for block in bytes.chunks_exact(BLOCK) {
        let mut rest = block.iter().fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
        let mut digits = [0_u8; DIGITS];
        for digit in digits.iter_mut().rev() {
            *digit = ALPHABET[(rest % 62) as usize];
            rest /= 62;
        }
        out.extend(digits.iter().map(|digit| char::from(*digit)));
    }
}

/// The bytes of `text`, or `None` when it is not what [`encode_into`] makes of `N` bytes.
pub fn decode<const N: usize>(text: &str) -> Option<[u8; N]> {
    let text = text.as_bytes();
    if text.len() != N / BLOCK * DIGITS {
        return None;
    }
    let mut out = [0; N];
    for (digits, block) in text.chunks_exact(DIGITS).zip(out.chunks_exact_mut(BLOCK)) {
        let mut sum = 0_u64;
        for digit in digits {
            sum = sum.checked_mul(62)?.checked_add(u64::from(value(*digit)?))?;
        }
        block.copy_from_slice(&sum.to_be_bytes());
    }
    Some(out)
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
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn text_goes_both_ways(bytes: [u8; 24]) {
            let mut text = String::new();
            encode_into(&bytes, &mut text);
            prop_assert_eq!(text.len(), 33);
            prop_assert_eq!(decode::<24>(&text), Some(bytes));
        }

        #[test]
        fn one_byte_string_has_one_text(text in "[0-9A-Za-z]{11}") {
            if let Some(bytes) = decode::<8>(&text) {
                let mut again = String::new();
                encode_into(&bytes, &mut again);
                prop_assert_eq!(again, text);
            }
        }
    }

    #[test]
    fn what_does_not_fit_eight_bytes_is_refused() {
        assert_eq!(decode::<8>("zzzzzzzzzzz"), None);
        assert_eq!(decode::<8>("0000000000-"), None);
        assert_eq!(decode::<8>("000"), None);
    }
}
