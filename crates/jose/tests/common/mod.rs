//! Tokens made by hand, with aws-lc-rs alone: the tests run with and without the feature `sign`, and can
//! make what the crate's own signer never would.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::needless_pass_by_value,
    reason = "each test file uses a part, and calls read better"
)]

use aws_lc_rs::{
    hmac,
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use portcullis_jose::{AccessClaims, Checks, Jwk, KeySet, VerifyError, VerifyingKey, verify};
use serde_json::{Value, json};

pub const NOW: i64 = 1_767_225_600;
pub const ISSUER: &str = "https://auth.example";
pub const AUDIENCE: &str = "https://api.example";
pub const KID: &str = "key-1";

pub fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

pub fn unb64(text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text).expect("base64url")
}

pub enum Signer {
    Es256(EcdsaKeyPair),
    EdDsa(Ed25519KeyPair),
    Hs256(Vec<u8>),
}

impl Signer {
    pub fn es256() -> Self {
        Self::Es256(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("random source"))
    }

    pub fn eddsa() -> Self {
        Self::EdDsa(Ed25519KeyPair::generate().expect("random source"))
    }

    pub fn hs256() -> Self {
        Self::Hs256((0..32).collect())
    }

    pub fn alg(&self) -> &'static str {
        match self {
            Self::Es256(_) => "ES256",
            Self::EdDsa(_) => "EdDSA",
            Self::Hs256(_) => "HS256",
        }
    }

    pub fn public_jwk(&self) -> Option<Value> {
        match self {
            Self::Es256(pair) => {
                let point = pair.public_key().as_ref();
                Some(
                    json!({"kty": "EC", "crv": "P-256", "x": b64(&point[1..33]), "y": b64(&point[33..]), "kid": KID}),
                )
            }
            Self::EdDsa(pair) => {
                Some(json!({"kty": "OKP", "crv": "Ed25519", "x": b64(pair.public_key()), "kid": KID}))
            }
            Self::Hs256(_) => None,
        }
    }

    pub fn verifying_key(&self) -> VerifyingKey {
        match (self, self.public_jwk()) {
            (Self::Hs256(secret), _) => VerifyingKey::hs256(KID, secret).expect("32 bytes"),
            (_, jwk) => {
                let jwk = jwk.expect("asymmetric").to_string();
                VerifyingKey::from_jwk(&Jwk::parse(jwk.as_bytes()).expect("a JWK")).expect("a sound key")
            }
        }
    }

    pub fn keys(&self) -> KeySet {
        let mut keys = KeySet::new();
        keys.insert(self.verifying_key()).expect("the first key");
        keys
    }

    pub fn signature(&self, message: &[u8]) -> Vec<u8> {
        match self {
            Self::Es256(pair) => pair.sign(&SystemRandom::new(), message).expect("signs").as_ref().to_vec(),
            Self::EdDsa(pair) => pair.sign(message).as_ref().to_vec(),
            Self::Hs256(secret) => {
                hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), message).as_ref().to_vec()
            }
        }
    }

    pub fn header(&self) -> Value {
        json!({"typ": "at+jwt", "alg": self.alg(), "kid": KID})
    }

    /// A token with a good signature over segments that may be anything.
    pub fn token_of_segments(&self, header: &str, payload: &str) -> String {
        let signed = format!("{header}.{payload}");
        let signature = b64(self.signature(signed.as_bytes()));
        format!("{signed}.{signature}")
    }

    pub fn token(&self, header: impl ToString, payload: impl ToString) -> String {
        self.token_of_segments(&b64(header.to_string()), &b64(payload.to_string()))
    }

    pub fn good_token(&self) -> String {
        self.token(self.header(), claims())
    }

    pub fn verify(&self, token: &str) -> Result<AccessClaims, VerifyError> {
        verify(token, &self.keys(), &checks(), NOW)
    }
}

pub fn checks() -> Checks {
    Checks::new(ISSUER, [AUDIENCE])
}

/// Every claim there is, at `NOW`.
pub fn claims() -> Value {
    json!({
        "iss": ISSUER, "sub": "user-1", "aud": AUDIENCE, "exp": NOW + 900, "iat": NOW, "nbf": NOW,
        "jti": "token-1", "sid": "session-1", "gen": 7, "role": "user", "account": "account-1",
        "account_role": "owner", "client_id": "first-party", "act": {"sub": "user-2"},
        "scope": "read write", "bot": true, "read_only": true, "pwd_change": true,
        "amr": ["pwd", "otp"], "auth_time": NOW - 60, "user_id": 42, "plan": {"name": "pro"},
    })
}

/// `object` with one member set, or removed.
pub fn with(object: &Value, name: &str, value: Option<Value>) -> Value {
    let mut object = object.clone();
    let members = object.as_object_mut().expect("an object");
    match value {
        Some(value) => members.insert(name.to_owned(), value),
        None => members.remove(name),
    };
    object
}

/// The object's text with a member in front of the others, which may be a duplicate.
pub fn prepend(object: &Value, member: &str) -> String {
    let text = object.to_string();
    format!("{{{member},{}", &text[1..])
}
