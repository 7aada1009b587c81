//! ID tokens of other issuers (OpenID Connect Core section 2): from the text to claims that somebody signed.
//!
//! 1. Form, sizes and header, as for access tokens.
//! 2. `typ` is `JWT` or absent: an access token of the same issuer does not pass (RFC 8725 section 3.11).
//! 3. `kid` names a key of the issuer's. Without `kid` there must be one key only (OpenID Connect Core section 10.1).
//! 4. Algorithm and signature. A [`KeySet`] of an issuer's JWKS holds public keys alone, so never `none`, never HS256.
//! 5. Claims: one JSON object without duplicates. **What they say is the caller's to check.**

use serde_json::{Map, Value};

use crate::{Algorithm, KeySet, VerifyError, VerifyingKey, header::Header, json, jws::Segments};

/// Claims of an ID token whose signature is good; nothing of what they say has been checked.
#[derive(Clone, Debug, PartialEq)]
pub struct SignedClaims {
    /// By name.
    pub claims: Map<String, Value>,
    /// Of the signature; `at_hash` is made with its hash (OpenID Connect Core section 3.1.3.6).
    pub algorithm: Algorithm,
}

/// Checks form, `typ` and signature of an ID token and answers its claims.
///
/// # Errors
/// [`VerifyError::UnknownKey`] when the issuer's keys should be fetched once more; else the token is no good.
pub fn verify_id_token(token: &str, keys: &KeySet) -> Result<SignedClaims, VerifyError> {
    let segments = Segments::split(token)?;
    let mut buffer = Vec::new();
    segments.decode_header(&mut buffer)?;
    let header = Header::parse(&buffer)?;
    if !header.is_plain_jwt() {
        return Err(VerifyError::Type);
    }
    let key = key_for(&header, keys)?;
    segments.check_signature(&header, key)?;
    segments.decode_payload(&mut buffer)?;
    match json::parse_unique(&buffer) {
        Ok(Value::Object(claims)) => Ok(SignedClaims { claims, algorithm: key.algorithm() }),
        Ok(_) | Err(_) => Err(VerifyError::Malformed("payload is not a JSON object without duplicates")),
    }
}

fn key_for<'k>(header: &Header<'_>, keys: &'k KeySet) -> Result<&'k VerifyingKey, VerifyError> {
    match header.kid() {
        Some(kid) => keys.get(kid).ok_or(VerifyError::UnknownKey),
        None => keys.only().ok_or(VerifyError::Malformed("header has no kid")),
    }
}
