//! Private keys: making, reading, writing, and the four ways of signing.

use aws_lc_rs::{
    encoding::{AsDer as _, Pkcs8V1Der},
    hmac, rand,
    rsa::KeySize,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256,
        RsaKeyPair,
    },
};
use zeroize::Zeroizing;

use crate::{
    Algorithm, Jwk, KeyError, base64url, der,
    jwk::Params,
    key::{MIN_SECRET_BYTES, bit_length},
};

/// An RSA signature with a key of 8192 bits.
const MAX_SIGNATURE_BYTES: usize = 1024;

/// A parsed private key. No Debug: what it holds must not be shown.
pub(crate) enum Private {
    Es256(EcdsaKeyPair),
    Rs256(RsaKeyPair),
    EdDsa(Ed25519KeyPair),
    /// The secret is kept beside the key made of it, since it has to be written again.
    Hs256(Box<hmac::Key>, Zeroizing<Vec<u8>>),
}

/// The library could not sign.
pub(crate) struct Failed;

impl Private {
    pub(crate) fn generate(algorithm: Algorithm) -> Result<Self, KeyError> {
        match algorithm {
            Algorithm::Es256 => EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map(Self::Es256),
            Algorithm::Rs256 => RsaKeyPair::generate(KeySize::Rsa2048).map(Self::Rs256),
            Algorithm::EdDsa => Ed25519KeyPair::generate().map(Self::EdDsa),
            Algorithm::Hs256 => {
                let mut secret = Zeroizing::new(vec![0; MIN_SECRET_BYTES]);
                rand::fill(&mut secret).map_err(|_| KeyError::Generate)?;
                return Self::from_secret(&secret);
            }
        }
        .map_err(|_| KeyError::Generate)
    }

    /// An HS256 secret as it is.
    pub(crate) fn from_secret(secret: &[u8]) -> Result<Self, KeyError> {
        if secret.len() < MIN_SECRET_BYTES {
            return Err(KeyError::SecretTooShort);
        }
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
        Ok(Self::Hs256(Box::new(key), Zeroizing::new(secret.to_vec())))
    }

    /// RFC 5958.
    pub(crate) fn from_pkcs8(document: &[u8]) -> Result<Self, KeyError> {
        match der::pkcs8(document).ok_or(KeyError::Rejected)? {
            der::Pkcs8::P256 => {
                EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document).map(Self::Es256)
            }
            der::Pkcs8::Ed25519 => Ed25519KeyPair::from_pkcs8(document).map(Self::EdDsa),
            der::Pkcs8::Rsa(inner) => {
                check_rsa_size(inner)?;
                RsaKeyPair::from_pkcs8(document).map(Self::Rs256)
            }
            der::Pkcs8::OtherCurve => return Err(KeyError::WrongCurve),
            der::Pkcs8::Other => return Err(KeyError::UnsupportedType),
        }
        .map_err(|_| KeyError::Rejected)
    }

    /// SEC 1 C.4, RFC 5915.
    pub(crate) fn from_sec1(document: &[u8]) -> Result<Self, KeyError> {
        if !der::sec1_is_p256(document).ok_or(KeyError::Rejected)? {
            return Err(KeyError::WrongCurve);
        }
        EcdsaKeyPair::from_private_key_der(&ECDSA_P256_SHA256_FIXED_SIGNING, document)
            .map(Self::Es256)
            .map_err(|_| KeyError::Rejected)
    }

    /// RFC 8017 A.1.2.
    pub(crate) fn from_pkcs1(document: &[u8]) -> Result<Self, KeyError> {
        check_rsa_size(document)?;
        RsaKeyPair::from_der(document).map(Self::Rs256).map_err(|_| KeyError::Rejected)
    }

    pub(crate) const fn algorithm(&self) -> Algorithm {
        match self {
            Self::Es256(_) => Algorithm::Es256,
            Self::Rs256(_) => Algorithm::Rs256,
            Self::EdDsa(_) => Algorithm::EdDsa,
            Self::Hs256(..) => Algorithm::Hs256,
        }
    }

    /// The secret of an HS256 key.
    pub(crate) fn secret(&self) -> Option<&[u8]> {
        match self {
            Self::Hs256(_, secret) => Some(secret),
            _ => None,
        }
    }

    /// The public half without a name; none of HS256, or if the library's own encoding does not fit.
    pub(crate) fn public(&self) -> Option<Jwk> {
        let params = match self {
            Self::Es256(pair) => {
                // SEC 1 section 2.3.3: 04 || x || y.
                let (x, y) = pair.public_key().as_ref().strip_prefix(&[4])?.split_at_checked(32)?;
                Params::Ec { x: x.try_into().ok()?, y: y.try_into().ok()? }
            }
            Self::Rs256(pair) => {
                let (n, e) = der::rsa_public(pair.public_key().as_ref())?;
                Params::Rsa { n: n.to_vec(), e: e.to_vec() }
            }
            Self::EdDsa(pair) => Params::Ed25519 { x: pair.public_key().as_ref().try_into().ok()? },
            Self::Hs256(..) => return None,
        };
        Some(Jwk { kid: None, params })
    }

    /// PKCS#8, or the secret itself for HS256.
    pub(crate) fn to_der(&self) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let document = match self {
            Self::Es256(pair) => pair.to_pkcs8v1().map(|document| document.as_ref().to_vec()),
            Self::EdDsa(pair) => pair.to_pkcs8v1().map(|document| document.as_ref().to_vec()),
            Self::Rs256(pair) => pair.as_der().map(|document: Pkcs8V1Der<'_>| document.as_ref().to_vec()),
            Self::Hs256(_, secret) => return Ok(secret.clone()),
        };
        document.map(Zeroizing::new).map_err(|_| KeyError::Rejected)
    }

    /// The length of the signature's text, for the allocation.
    pub(crate) fn signature_text_length(&self) -> usize {
        let bytes = match self {
            Self::Es256(_) | Self::EdDsa(_) => 64,
            Self::Hs256(..) => 32,
            Self::Rs256(pair) => pair.public_modulus_len(),
        };
        bytes.div_ceil(3) * 4
    }

    /// Signs what stands in `token` and appends `.` and the signature.
    pub(crate) fn sign_and_append(&self, token: &mut String) -> Result<(), Failed> {
        let message = token.as_bytes();
        match self {
            Self::Es256(pair) => {
                let signature = pair.sign(&rand::SystemRandom::new(), message).map_err(|_| Failed)?;
                append(signature.as_ref(), token);
            }
            Self::EdDsa(pair) => {
                let signature = pair.try_sign(message).map_err(|_| Failed)?;
                append(signature.as_ref(), token);
            }
            Self::Rs256(pair) => {
                let mut buffer = [0; MAX_SIGNATURE_BYTES];
                let signature = buffer.get_mut(..pair.public_modulus_len()).ok_or(Failed)?;
                pair.sign(&RSA_PKCS1_SHA256, &rand::SystemRandom::new(), message, signature)
                    .map_err(|_| Failed)?;
                append(signature, token);
            }
            Self::Hs256(key, _) => append(hmac::sign(key, message).as_ref(), token),
        }
        Ok(())
    }
}

fn append(signature: &[u8], token: &mut String) {
    token.push('.');
    base64url::encode_into(signature, token);
}

/// Before the library refuses it without saying why.
fn check_rsa_size(pkcs1: &[u8]) -> Result<(), KeyError> {
    let bits = bit_length(der::pkcs1_modulus(pkcs1).ok_or(KeyError::Rejected)?);
    if bits < 2048 { Err(KeyError::RsaTooSmall { bits }) } else { Ok(()) }
}
