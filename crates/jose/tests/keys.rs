//! Which keys and key sets are taken.

mod common;

use common::{KID, Signer, b64, unb64, with};
use portcullis_jose::{Algorithm, Jwk, JwkError, Jwks, KeyError, KeySet, VerifyingKey};
use serde_json::{Value, json};

fn jwk(value: &Value) -> Result<Jwk, JwkError> {
    Jwk::parse(value.to_string().as_bytes())
}

fn key(value: &Value) -> Result<VerifyingKey, KeyError> {
    VerifyingKey::from_jwk(&jwk(value).expect("of the right shape"))
}

fn ec() -> Value {
    Signer::es256().public_jwk().expect("asymmetric")
}

fn rsa(bytes: usize, exponent: &[u8]) -> Value {
    let mut modulus = vec![0xc5; bytes];
    modulus[bytes - 1] |= 1;
    json!({"kty": "RSA", "n": b64(modulus), "e": b64(exponent), "kid": KID})
}

#[test]
fn a_point_off_the_curve_is_refused() {
    let good = ec();
    let mut y = unb64(good["y"].as_str().expect("a string"));
    y[31] ^= 1;
    let off = with(&good, "y", Some(json!(b64(y))));
    assert_eq!(key(&good).map(|key| key.algorithm()), Ok(Algorithm::Es256));
    assert_eq!(key(&off).expect_err("off the curve"), KeyError::Rejected);
    let zero = with(&with(&good, "x", Some(json!(b64([0; 32])))), "y", Some(json!(b64([0; 32]))));
    assert_eq!(key(&zero).expect_err("not a point"), KeyError::Rejected);
    let beyond = with(&good, "x", Some(json!(b64([0xff; 32]))));
    assert_eq!(key(&beyond).expect_err("no field element"), KeyError::Rejected);
}

#[test]
fn coordinates_have_their_full_length() {
    let good = ec();
    for length in [0, 31, 33, 64] {
        let short = with(&good, "x", Some(json!(b64(vec![1; length]))));
        assert!(matches!(jwk(&short), Err(JwkError::Malformed(_))), "{length}");
    }
}

#[test]
fn weak_rsa_keys_are_refused() {
    let f4 = &[1, 0, 1][..];
    assert!(key(&rsa(256, f4)).is_ok());
    assert!(key(&rsa(1024, &[3])).is_ok());
    assert_eq!(key(&rsa(128, f4)).expect_err("1024 bits"), KeyError::RsaTooSmall { bits: 1024 });
    assert_eq!(key(&rsa(255, f4)).expect_err("2040 bits"), KeyError::RsaTooSmall { bits: 2040 });
    for (bytes, exponent) in
        [(256, &[1][..]), (256, &[2]), (256, &[1, 0, 0]), (256, &[3, 0, 0, 0, 1]), (1025, f4)]
    {
        let error = key(&rsa(bytes, exponent)).expect_err("out of range");
        assert_eq!(error, KeyError::RsaOutOfRange, "{bytes} {exponent:?}");
    }
    let mut modulus = vec![0xc5; 256];
    modulus[255] = 0xc4;
    let even = with(&rsa(256, f4), "n", Some(json!(b64(modulus))));
    assert_eq!(key(&even).expect_err("an even modulus"), KeyError::RsaOutOfRange);
}

#[test]
fn a_second_spelling_of_an_rsa_key_is_refused() {
    let mut modulus = vec![0xc5; 257];
    modulus[0] = 0;
    for changed in [json!(b64(modulus)), json!(""), json!("AQAB=")] {
        assert!(matches!(jwk(&with(&rsa(256, &[3]), "n", Some(changed))), Err(JwkError::Malformed(_))));
    }
    let padded = with(&rsa(256, &[3]), "e", Some(json!(b64([0, 1, 0, 1]))));
    assert!(matches!(jwk(&padded), Err(JwkError::Malformed(_))));
}

#[test]
fn purpose_and_algorithm_must_fit_where_they_are_given() {
    for (name, value, fits) in [
        ("use", json!("sig"), true),
        ("use", json!("enc"), false),
        ("alg", json!("ES256"), true),
        ("alg", json!("HS256"), false),
        ("alg", json!("ECDH-ES"), false),
        ("key_ops", json!(["verify"]), true),
        ("key_ops", json!(["encrypt"]), false),
        ("key_ops", json!([]), false),
        ("kid", json!(1), false),
        ("kty", json!("oct"), false),
        ("crv", json!("secp256k1"), false),
        ("x5c", json!(["ignored"]), true),
    ] {
        assert_eq!(jwk(&with(&ec(), name, Some(value.clone()))).is_ok(), fits, "{name}: {value}");
    }
    for missing in ["kty", "crv", "x", "y"] {
        assert!(matches!(jwk(&with(&ec(), missing, None)), Err(JwkError::Malformed(_))), "{missing}");
    }
}

#[test]
fn a_jwk_survives_serde() {
    for signer in [Signer::es256(), Signer::eddsa()] {
        let first = jwk(&signer.public_jwk().expect("asymmetric")).expect("a JWK");
        let text = serde_json::to_string(&first).expect("serialises");
        assert_eq!(serde_json::from_str::<Jwk>(&text).expect("reads"), first);
        assert_eq!(first.kid(), Some(KID));
    }
}

#[test]
fn short_secrets_and_empty_names_are_refused() {
    assert_eq!(VerifyingKey::hs256("k", &[1; 31]).expect_err("31 bytes"), KeyError::SecretTooShort);
    assert_eq!(VerifyingKey::hs256("", &[1; 32]).expect_err("no name"), KeyError::BadKeyId);
    assert_eq!(VerifyingKey::hs256("k".repeat(257), &[1; 32]).expect_err("long"), KeyError::BadKeyId);
    assert!(VerifyingKey::hs256("k", &[1; 32]).is_ok());
    assert_ne!(VerifyingKey::hs256_kid(&[1; 32]), VerifyingKey::hs256_kid(&[2; 32]));
    assert_eq!(unb64(&VerifyingKey::hs256_kid(&[1; 32])).len(), 16);
}

#[test]
fn a_set_ignores_what_it_does_not_know() {
    let document = json!({"keys": [
        {"kty": "AKP", "alg": "ML-DSA-65", "pub": "…"}, {"kty": "oct", "k": "AAAA"}, {}, 1, null, ec(),
    ], "other": {"a": 1}});
    let set = Jwks::parse(document.to_string().as_bytes()).expect("tolerant");
    assert_eq!(set.keys.len(), 1);
    assert_eq!(set.find(KID).map(Jwk::algorithm), Some(Algorithm::Es256));
    let text = serde_json::to_string(&set).expect("serialises");
    assert_eq!(serde_json::from_str::<Jwks>(&text).expect("reads"), set);
    assert_eq!(Jwks::parse(br#"{"keys":[]}"#).expect("empty"), Jwks::default());
}

#[test]
fn a_set_refuses_what_is_ambiguous() {
    let twice = json!({"keys": [ec(), ec()]}).to_string();
    assert_eq!(Jwks::parse(twice.as_bytes()), Err(JwkError::DuplicateKeyId));
    let key = ec().to_string();
    let twice = format!(r#"{{"keys":[{},"x":"AAAA"}}]}}"#, &key[..key.len() - 1]);
    for document in [&twice, r#"{"keys":[],"keys":[]}"#, "", "[]", "{}", r#"{"keys":{}}"#, r#"{"keys":[]} x"#]
    {
        assert!(matches!(Jwks::parse(document.as_bytes()), Err(JwkError::Malformed(_))), "{document}");
    }
    assert_eq!(Jwks::parse(" ".repeat(256 * 1024 + 1).as_bytes()), Err(JwkError::TooLarge));
}

#[test]
fn a_key_set_leaves_unsound_keys_out_and_takes_a_name_once() {
    let document = json!({"keys": [with(&rsa(128, &[3]), "kid", Some(json!("weak"))), ec()]});
    let mut keys = KeySet::from_jwks(&Jwks::parse(document.to_string().as_bytes()).expect("a set"));
    assert_eq!((keys.len(), keys.is_empty()), (1, false));
    assert_eq!(keys.kids().collect::<Vec<_>>(), [KID]);
    assert!(keys.get("weak").is_none());
    assert_eq!(keys.insert(Signer::hs256().verifying_key()), Err(KeyError::DuplicateKeyId));
    assert_eq!(keys.get(KID).map(VerifyingKey::algorithm), Some(Algorithm::Es256), "unchanged");
}
