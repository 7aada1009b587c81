//! Tokens made by hand, so that they can be what no honest signer would make.

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::START;

pub struct Signer {
    pair: EcdsaKeyPair,
    pub kid: &'static str,
}

pub fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
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

/// Claims of a token for and of `issuer`, made at the start of the clock and good for 15 minutes.
pub fn claims(issuer: &str) -> Value {
    json!({
        "iss": issuer, "sub": "user-1", "aud": issuer, "exp": START + 900, "iat": START, "nbf": START,
        "jti": "token-1", "sid": "session-1", "gen": 7, "role": "user", "client_id": "first-party",
    })
}

impl Signer {
    pub fn new(kid: &'static str) -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("random source");
        Self { pair, kid }
    }

    /// 04 || x || y.
    pub fn public_point(&self) -> &[u8] {
        self.pair.public_key().as_ref()
    }

    pub fn jwk(&self) -> Value {
        let point = self.public_point();
        json!({"kty": "EC", "crv": "P-256", "x": b64(&point[1..33]), "y": b64(&point[33..]), "kid": self.kid})
    }

    pub fn header(&self) -> Value {
        json!({"typ": "at+jwt", "alg": "ES256", "kid": self.kid})
    }

    #[allow(clippy::needless_pass_by_value, reason = "calls read better")]
    /// A good signature over a header and a payload that may be anything.
    pub fn sign(&self, header: impl ToString, payload: impl ToString) -> String {
        let signed = format!("{}.{}", b64(header.to_string()), b64(payload.to_string()));
        let signature = self.pair.sign(&SystemRandom::new(), signed.as_bytes()).expect("signs");
        format!("{signed}.{}", b64(signature))
    }

    pub fn token(&self, claims: &Value) -> String {
        self.sign(self.header(), claims)
    }
}
