//! base64url as JWS means it (RFC 7515 section 2): no padding, no whitespace, and spare bits are zero.
//!
//! The strictness is what makes one byte string have one text: otherwise a token could be altered in its last
//! character and still verify, which defeats any cache or deny list keyed by the token's text.

use base64::{DecodeSliceError, Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

/// The text is not canonical base64url.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NotCanonical;

pub(crate) fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Appends the text form of `bytes` to `text`.
#[cfg(feature = "sign")]
pub(crate) fn encode_into(bytes: &[u8], text: &mut String) {
    URL_SAFE_NO_PAD.encode_string(bytes, text);
}

pub(crate) fn decode(text: &str) -> Result<Vec<u8>, NotCanonical> {
    URL_SAFE_NO_PAD.decode(text).map_err(|_| NotCanonical)
}

/// Replaces what is in `buffer` by the bytes of `text`; keeps the allocation.
pub(crate) fn decode_into(text: &str, buffer: &mut Vec<u8>) -> Result<(), NotCanonical> {
    buffer.clear();
    URL_SAFE_NO_PAD.decode_vec(text, buffer).map_err(|_| NotCanonical)
}

/// Decodes into `buffer` without allocating; `Ok(None)` when the bytes do not fit.
pub(crate) fn decode_slice<'a>(text: &str, buffer: &'a mut [u8]) -> Result<Option<&'a [u8]>, NotCanonical> {
    match URL_SAFE_NO_PAD.decode_slice(text, buffer) {
        Ok(length) => Ok(Some(&buffer[..length])),
        Err(DecodeSliceError::OutputSliceTooSmall) => Ok(None),
        Err(DecodeSliceError::DecodeError(_)) => Err(NotCanonical),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_text_per_byte_string() {
        assert_eq!(decode("AQ"), Ok(vec![1]));
        for text in ["AQ==", "AR", "A", "A Q", "AQ\n", "+/8", "AQ.", "é"] {
            assert_eq!(decode(text), Err(NotCanonical), "{text:?}");
        }
    }

    #[test]
    fn a_slice_that_is_too_small_is_told_apart_from_bad_text() {
        let mut buffer = [0; 2];
        assert_eq!(decode_slice("AQI", &mut buffer), Ok(Some(&[1, 2][..])));
        assert_eq!(decode_slice("AQIDBAUG", &mut buffer), Ok(None));
        assert_eq!(decode_slice("AQ==", &mut buffer), Err(NotCanonical));
    }
}
