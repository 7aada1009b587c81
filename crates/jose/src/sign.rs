//! A key that signs: parsed once, its header encoded once.

use std::fmt;

use zeroize::Zeroizing;

use crate::{
    AccessClaims, Algorithm, Jwk, KeyError, VerifyingKey, base64url,
    jws::MAX_TOKEN_BYTES,
    pem::{self, Label},
    private::Private,
};

const ACCESS_TOKEN: &str = "at+jwt";
/// Longer than the claims of most tokens, so that writing them allocates once.
const USUAL_CLAIMS_BYTES: usize = 768;

/// A private key with its algorithm and its name.
///
/// Signing allocates the token and what the library needs; the header of an access token is made once, here.
/// Debug shows name and algorithm only.
pub struct SigningKey {
    private: Private,
    jwk: Option<Jwk>,
    verifying: VerifyingKey,
    /// `base64url(header) + "."` for [`ACCESS_TOKEN`].
    access_token_prefix: String,
}

/// A token could not be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignError {
    /// The `typ` is empty, over 64 bytes, or holds what a media type cannot.
    #[error("the typ is not a media type")]
    Typ,
    /// The claims do not serialise: an operator's claim has a reserved name.
    #[error("the claims cannot be written: one of them has a reserved name")]
    Claims,
    /// The token would be over 64 KiB, more than any verifier here accepts.
    #[error("the token would be larger than 64 KiB")]
    TooLarge,
    /// The cryptographic library failed.
    #[error("signing failed")]
    Failed,
}

impl SigningKey {
    /// A new key from the system's random source: P-256, Ed25519, RSA of 2048 bits, or 32 secret bytes.
    pub fn generate(algorithm: Algorithm) -> Result<Self, KeyError> {
        Self::assemble(Private::generate(algorithm)?)
    }

    /// Reads the one private key of a PEM text: `PRIVATE KEY` (PKCS#8), `EC PRIVATE KEY` (SEC 1) or
    /// `RSA PRIVATE KEY` (PKCS#1). Line breaks may be written as the two characters `\n`, as environment
    /// variables often have them. The algorithm follows from the key.
    ///
    /// # Errors
    /// A [`KeyError`] whose text says what was given instead and how to mend it.
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        let (label, der) = pem::private_key(text)?;
        Self::assemble(match label {
            Label::Pkcs8 => Private::from_pkcs8(&der)?,
            Label::Sec1 => Private::from_sec1(&der)?,
            Label::Pkcs1 => Private::from_pkcs1(&der)?,
        })
    }

    /// The opposite of [`SigningKey::to_secret_der`]: PKCS#8, or an HS256 secret of 32 bytes at least.
    ///
    /// # Errors
    /// [`KeyError::WrongAlgorithm`] if the bytes are a key for another algorithm.
    pub fn from_secret_der(algorithm: Algorithm, secret: &[u8]) -> Result<Self, KeyError> {
        let private = match algorithm {
            Algorithm::Hs256 => Private::from_secret(secret)?,
            Algorithm::Es256 | Algorithm::Rs256 | Algorithm::EdDsa => Private::from_pkcs8(secret)?,
        };
        if private.algorithm() == algorithm { Self::assemble(private) } else { Err(KeyError::WrongAlgorithm) }
    }

    fn assemble(private: Private) -> Result<Self, KeyError> {
        let jwk = private.public().map(|jwk| {
            let kid = jwk.thumbprint();
            jwk.with_kid(kid)
        });
        let verifying = match (&jwk, private.secret()) {
            (Some(jwk), _) => VerifyingKey::from_jwk(jwk)?,
            (None, Some(secret)) => VerifyingKey::hs256(VerifyingKey::hs256_kid(secret), secret)?,
            (None, None) => return Err(KeyError::Rejected),
        };
        let access_token_prefix = prefix(ACCESS_TOKEN, &verifying);
        Ok(Self { private, jwk, verifying, access_token_prefix })
    }

    /// The algorithm, which follows from the key.
    pub const fn algorithm(&self) -> Algorithm {
        self.private.algorithm()
    }

    /// The key's name: the RFC 7638 thumbprint of its public half, or [`VerifyingKey::hs256_kid`].
    pub fn kid(&self) -> &str {
        self.verifying.kid()
    }

    /// The public half for a JWKS, with `kid`; none of HS256.
    pub fn jwk(&self) -> Option<Jwk> {
        self.jwk.clone()
    }

    /// The key to verify with, already parsed.
    pub fn verifying_key(&self) -> VerifyingKey {
        self.verifying.clone()
    }

    /// The private key as PKCS#8, or the secret itself for HS256. To be stored sealed.
    ///
    /// # Panics
    /// Never in practice: only if the cryptographic library cannot allocate.
    pub fn to_secret_der(&self) -> Zeroizing<Vec<u8>> {
        self.private.to_der().expect("a parsed key can be written")
    }

    /// Signs `payload` as it is: a compact JWS with the header `{"typ", "alg", "kid"}`, in this order.
    pub fn sign(&self, typ: &str, payload: &[u8]) -> Result<String, SignError> {
        if typ == ACCESS_TOKEN {
            return self.sign_with_prefix(&self.access_token_prefix, payload);
        }
        let prefix = self.prefix_for(typ)?;
        self.sign_with_prefix(&prefix, payload)
    }

    /// The same of any size: for lists that whoever asks for them has room for, and that [`verify`](crate::verify)
    /// never sees.
    pub fn sign_list(&self, typ: &str, payload: &[u8]) -> Result<String, SignError> {
        self.signed(&self.prefix_for(typ)?, payload)
    }

    fn prefix_for(&self, typ: &str) -> Result<String, SignError> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"+-._/".contains(&byte);
        if typ.is_empty() || typ.len() > 64 || !typ.bytes().all(allowed) {
            return Err(SignError::Typ);
        }
        Ok(prefix(typ, &self.verifying))
    }

    /// Signs an access token (`typ: at+jwt`).
    pub fn sign_claims(&self, claims: &AccessClaims) -> Result<String, SignError> {
        let mut payload = Vec::with_capacity(USUAL_CLAIMS_BYTES);
        serde_json::to_writer(&mut payload, claims).map_err(|_| SignError::Claims)?;
        self.sign_with_prefix(&self.access_token_prefix, &payload)
    }

    fn sign_with_prefix(&self, prefix: &str, payload: &[u8]) -> Result<String, SignError> {
        if self.length(prefix, payload) > MAX_TOKEN_BYTES {
            return Err(SignError::TooLarge);
        }
        self.signed(prefix, payload)
    }

    fn length(&self, prefix: &str, payload: &[u8]) -> usize {
        prefix.len() + payload.len().div_ceil(3) * 4 + 1 + self.private.signature_text_length()
    }

    fn signed(&self, prefix: &str, payload: &[u8]) -> Result<String, SignError> {
        let mut token = String::with_capacity(self.length(prefix, payload));
        token.push_str(prefix);
        base64url::encode_into(payload, &mut token);
        self.private.sign_and_append(&mut token).map_err(|_| SignError::Failed)?;
        Ok(token)
    }
}

/// `typ` has been checked and a `kid` made here is base64url, so neither needs escaping.
fn prefix(typ: &str, key: &VerifyingKey) -> String {
    let (alg, kid) = (key.algorithm(), key.kid());
    let mut prefix =
        base64url::encode(format!(r#"{{"typ":"{typ}","alg":"{alg}","kid":"{kid}"}}"#).as_bytes());
    prefix.push('.');
    prefix
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("kid", &self.kid())
            .field("algorithm", &self.algorithm())
            .finish_non_exhaustive()
    }
}
