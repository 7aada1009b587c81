//! The compact form of a JWS (RFC 7515 section 7.1) and the one place where a signature is checked.
//!
//! 1. Sizes, before anything is decoded.
//! 2. Exactly three segments.
//! 3. Header: strict base64url, strict JSON (`header.rs`).
//! 4. The header's `alg` must be the key's (RFC 8725 section 3.1).
//! 5. The signature over the first two segments as they stand.
//! 6. Only then is the payload decoded.

use crate::{VerifyError, VerifyingKey, base64url, header::Header};

/// The longest token that is looked at: 64 KiB.
pub const MAX_TOKEN_BYTES: usize = 64 * 1024;
/// The longest encoded header that is looked at: 8 KiB.
pub const MAX_HEADER_BYTES: usize = 8 * 1024;

/// An RSA signature with a key of 8192 bits.
const MAX_SIGNATURE_BYTES: usize = 1024;

/// A token taken apart and not yet decoded.
#[derive(Debug)]
pub(crate) struct Segments<'a> {
    pub(crate) header: &'a str,
    payload: &'a str,
    signature: &'a str,
    signed: &'a str,
}

impl<'a> Segments<'a> {
    /// Steps 1 and 2.
    pub(crate) fn split(token: &'a str) -> Result<Self, VerifyError> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(VerifyError::TooLarge);
        }
        let three = VerifyError::Malformed("not three segments");
        let (signed, signature) = token.rsplit_once('.').ok_or_else(|| three.clone())?;
        let (header, payload) = signed.split_once('.').ok_or_else(|| three.clone())?;
        if payload.contains('.') {
            return Err(three);
        }
        if header.len() > MAX_HEADER_BYTES {
            return Err(VerifyError::TooLarge);
        }
        Ok(Self { header, payload, signature, signed })
    }

    /// Steps 4 and 5.
    pub(crate) fn check_signature(&self, header: &Header<'_>, key: &VerifyingKey) -> Result<(), VerifyError> {
        if header.alg() != Some(key.algorithm().as_str()) {
            return Err(VerifyError::Algorithm);
        }
        let mut buffer = [0; MAX_SIGNATURE_BYTES];
        let signature = base64url::decode_slice(self.signature, &mut buffer)
            .map_err(|_| VerifyError::Malformed("signature is not base64url"))?
            .ok_or(VerifyError::Signature)?;
        if key.accepts(self.signed.as_bytes(), signature) { Ok(()) } else { Err(VerifyError::Signature) }
    }

    /// Step 3's first half; `buffer` is overwritten.
    pub(crate) fn decode_header(&self, buffer: &mut Vec<u8>) -> Result<(), VerifyError> {
        base64url::decode_into(self.header, buffer)
            .map_err(|_| VerifyError::Malformed("header is not base64url"))
    }

    /// Step 6; `buffer` is overwritten.
    pub(crate) fn decode_payload(&self, buffer: &mut Vec<u8>) -> Result<(), VerifyError> {
        base64url::decode_into(self.payload, buffer)
            .map_err(|_| VerifyError::Malformed("payload is not base64url"))
    }
}

/// Checks form and signature of a compact JWS against one key and answers its payload.
///
/// For tokens of other kinds than access tokens: **nothing but the signature is checked**, neither `typ`, nor
/// `kid`, nor any claim. The caller has chosen the key and must check the rest. Access tokens go through
/// [`verify`](crate::verify).
///
/// # Errors
/// [`VerifyError::TooLarge`], [`Malformed`](VerifyError::Malformed) (also for `crit` and `b64`),
/// [`Algorithm`](VerifyError::Algorithm), [`Signature`](VerifyError::Signature).
pub fn verify_signature(jws: &str, key: &VerifyingKey) -> Result<Vec<u8>, VerifyError> {
    let segments = Segments::split(jws)?;
    let mut buffer = Vec::new();
    segments.decode_header(&mut buffer)?;
    let header = Header::parse(&buffer)?;
    segments.check_signature(&header, key)?;
    segments.decode_payload(&mut buffer)?;
    Ok(buffer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_segments_and_no_other_number() {
        for token in ["", ".", "a", "a.b", "a.b.c.d", "...", "a..b.c"] {
            assert_eq!(
                Segments::split(token).expect_err(token),
                VerifyError::Malformed("not three segments")
            );
        }
        assert!(Segments::split("a.b.c").is_ok());
        assert!(Segments::split("..").is_ok(), "empty segments are refused by what decodes them");
    }

    #[test]
    fn sizes_are_checked_before_decoding() {
        let header = "!".repeat(MAX_HEADER_BYTES + 1);
        assert_eq!(Segments::split(&format!("{header}.b.c")).expect_err("header"), VerifyError::TooLarge);
        let token = format!("a.{}.c", "!".repeat(MAX_TOKEN_BYTES - 3));
        assert_eq!(Segments::split(&token).expect_err("token"), VerifyError::TooLarge);
        assert!(Segments::split(&token[..MAX_TOKEN_BYTES - 1]).is_err());
    }
}
