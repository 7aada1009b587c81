//! Cross-check with jsonwebtoken: what one signs the other verifies.
#![cfg(feature = "sign")]

mod common;

use common::{AUDIENCE, ISSUER, NOW, checks};
use jsonwebtoken::{DecodingKey, EncodingKey, Header, Validation, jwk as theirs};
use portcullis_jose::{AccessClaims, Algorithm, KeySet, SigningKey, verify};
use serde_json::Value;

const EC: &str = include_str!("vectors/pem/ec-pkcs8.pem");
const ED: &str = include_str!("vectors/pem/ed25519-pkcs8.pem");
const RSA: &str = include_str!("vectors/pem/rsa-pkcs8.pem");
const SECRET: &[u8] = b"a secret of more than 32 bytes, for tests";

/// The same key on both sides.
fn pairs() -> [(SigningKey, EncodingKey, jsonwebtoken::Algorithm); 4] {
    // Ok the first time; the tests of this file may share a process.
    let _ = jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER.install_default();
    let pem = |text| SigningKey::from_pem(text).expect("a key file");
    [
        (pem(EC), EncodingKey::from_ec_pem(EC.as_bytes()).expect("EC"), jsonwebtoken::Algorithm::ES256),
        (pem(RSA), EncodingKey::from_rsa_pem(RSA.as_bytes()).expect("RSA"), jsonwebtoken::Algorithm::RS256),
        (pem(ED), EncodingKey::from_ed_pem(ED.as_bytes()).expect("Ed25519"), jsonwebtoken::Algorithm::EdDSA),
        (
            SigningKey::from_secret_der(Algorithm::Hs256, SECRET).expect("a long secret"),
            EncodingKey::from_secret(SECRET),
            jsonwebtoken::Algorithm::HS256,
        ),
    ]
}

fn their_jwk(key: &SigningKey) -> Option<theirs::Jwk> {
    let jwk = serde_json::to_value(key.jwk()?).expect("serialises");
    Some(serde_json::from_value(jwk).expect("a JWK to them too"))
}

#[test]
fn they_verify_what_we_sign() {
    for (ours, _, algorithm) in pairs() {
        let claims: AccessClaims = serde_json::from_value(common::claims()).expect("claims");
        let token = ours.sign_claims(&claims).expect("signs");
        let key = match their_jwk(&ours) {
            Some(jwk) => DecodingKey::from_jwk(&jwk).expect("a key to them too"),
            None => DecodingKey::from_secret(SECRET),
        };
        let mut validation = Validation::new(algorithm);
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[AUDIENCE]);
        // Their clock is the system's; ours is the test's.
        validation.validate_exp = false;
        let read = jsonwebtoken::decode::<Value>(&token, &key, &validation).expect("they verify");
        assert_eq!(read.claims, common::claims(), "{algorithm:?}");
        assert_eq!(read.header.typ.as_deref(), Some("at+jwt"));
        assert_eq!(read.header.kid.as_deref(), Some(ours.kid()));
    }
}

#[test]
fn we_verify_what_they_sign() {
    for (ours, theirs, algorithm) in pairs() {
        let mut header = Header::new(algorithm);
        header.typ = Some("at+jwt".into());
        header.kid = Some(ours.kid().into());
        let token = jsonwebtoken::encode(&header, &common::claims(), &theirs).expect("they sign");
        let mut keys = KeySet::new();
        keys.insert(ours.verifying_key()).expect("the first key");
        let read = verify(&token, &keys, &checks(), NOW).expect("we verify");
        assert_eq!(serde_json::to_value(read).expect("serialises"), common::claims(), "{algorithm:?}");
    }
}

#[test]
fn thumbprints_agree() {
    for (ours, ..) in pairs() {
        if let Some(jwk) = their_jwk(&ours) {
            let thumbprint = jwk.thumbprint(theirs::ThumbprintHash::SHA256).expect("a thumbprint");
            assert_eq!(thumbprint, ours.kid());
        }
    }
}
