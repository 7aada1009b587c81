//! A key that verifies: parsed once, pinned to one algorithm.

use std::{fmt, sync::Arc};

use aws_lc_rs::{
    digest, hmac,
    signature::{
        ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents,
    },
};

use crate::{Algorithm, Jwk, KeyError, base64url, jwk::Params};

/// The shortest HS256 secret: as long as the hash (RFC 7518 section 3.2, RFC 8725 section 3.5).
pub(crate) const MIN_SECRET_BYTES: usize = 32;
const MAX_KID_BYTES: usize = 256;

/// Verifies signatures of one key under one algorithm; cheap to clone.
///
/// The algorithm belongs to the key, not to the token (RFC 8725 section 3.1): an RSA or EC public key can
/// never be used as an HMAC secret, since only [`VerifyingKey::hs256`] makes a key that knows HMAC.
#[derive(Clone)]
pub struct VerifyingKey {
    kid: String,
    algorithm: Algorithm,
    material: Material,
}

#[derive(Clone)]
enum Material {
    Public(ParsedPublicKey),
    Secret(Arc<hmac::Key>),
}

impl VerifyingKey {
    /// Parses and checks a public key. Its name is the JWK's `kid`, or the RFC 7638 thumbprint without one.
    ///
    /// # Errors
    /// [`KeyError::Rejected`] for a point off its curve, [`KeyError::RsaTooSmall`] under 2048 bits,
    /// [`KeyError::RsaOutOfRange`] for an exponent with which anyone could forge, [`KeyError::BadKeyId`].
    pub fn from_jwk(jwk: &Jwk) -> Result<Self, KeyError> {
        let key = match &jwk.params {
            Params::Ec { x, y } => {
                // SEC 1 section 2.3.3, uncompressed; parsing checks that the point is on the curve.
                let mut point = [4; 65];
                point[1..33].copy_from_slice(x);
                point[33..].copy_from_slice(y);
                ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
            }
            Params::Ed25519 { x } => ParsedPublicKey::new(&ED25519, x),
            Params::Rsa { n, e } => {
                check_rsa(n, e)?;
                RsaPublicKeyComponents { n, e }.to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256)
            }
        };
        let key = key.map_err(|_| KeyError::Rejected)?;
        let kid = jwk.kid().map_or_else(|| jwk.thumbprint(), str::to_owned);
        Self::new(kid, jwk.algorithm(), Material::Public(key))
    }

    /// An HS256 key of at least 32 bytes under a name of the caller's.
    pub fn hs256(kid: impl Into<String>, secret: &[u8]) -> Result<Self, KeyError> {
        if secret.len() < MIN_SECRET_BYTES {
            return Err(KeyError::SecretTooShort);
        }
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
        Self::new(kid.into(), Algorithm::Hs256, Material::Secret(Arc::new(key)))
    }

    /// The name a Portcullis server gives to an HS256 secret: 16 bytes of a SHA-256 over it, as base64url.
    ///
    /// The label in front keeps this hash apart from any other that is taken of the same secret. Whoever
    /// knows the name can test guesses at the secret with it, as with any token it signed: use random ones.
    pub fn hs256_kid(secret: &[u8]) -> String {
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(b"portcullis-jose hs256 kid v1\0");
        context.update(secret);
        base64url::encode(&context.finish().as_ref()[..16])
    }

    fn new(kid: String, algorithm: Algorithm, material: Material) -> Result<Self, KeyError> {
        if kid.is_empty() || kid.len() > MAX_KID_BYTES {
            return Err(KeyError::BadKeyId);
        }
        Ok(Self { kid, algorithm, material })
    }

    /// The name under which tokens call this key.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The one algorithm this key verifies.
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Whether `signature` is this key's over `message`; an HMAC is compared in constant time.
    pub(crate) fn accepts(&self, message: &[u8], signature: &[u8]) -> bool {
        match &self.material {
            Material::Public(key) => key.verify_sig(message, signature).is_ok(),
            Material::Secret(key) => hmac::verify(key, message, signature).is_ok(),
        }
    }
}

/// Refuses what the library parses but nobody should trust; `n` and `e` have no leading zeros.
fn check_rsa(n: &[u8], e: &[u8]) -> Result<(), KeyError> {
    let bits = bit_length(n);
    if bits < 2048 {
        return Err(KeyError::RsaTooSmall { bits });
    }
    let odd = |number: &[u8]| number.last().is_some_and(|byte| byte & 1 == 1);
    // With an exponent of one, every message is its own signature.
    let exponent_is_sound = odd(e) && e != [1] && bit_length(e) <= 33;
    if bits > 8192 || !odd(n) || !exponent_is_sound { Err(KeyError::RsaOutOfRange) } else { Ok(()) }
}

/// Of a big-endian number without leading zeros.
pub(crate) fn bit_length(number: &[u8]) -> usize {
    number.first().map_or(0, |first| number.len() * 8 - first.leading_zeros() as usize)
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifyingKey")
            .field("kid", &self.kid)
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bit_lengths() {
        for (number, bits) in [(&[][..], 0), (&[1], 1), (&[3], 2), (&[1, 0, 1], 17), (&[0x80, 0], 16)] {
            assert_eq!(bit_length(number), bits, "{number:?}");
        }
    }

    #[test]
    fn debug_shows_no_secret() {
        let key = VerifyingKey::hs256("k1", &[0xab; 32]).expect("32 bytes");
        assert_eq!(format!("{key:?}"), r#"VerifyingKey { kid: "k1", algorithm: Hs256, .. }"#);
    }
}
