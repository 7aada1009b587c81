//! What the signer writes, and that its keys survive being stored.
#![cfg(feature = "sign")]

mod common;

use common::{NOW, checks, unb64};
use portcullis_jose::{
    AccessClaims, Algorithm, Jwk, KeyError, KeySet, SignError, SigningKey, VerifyingKey, verify,
    verify_signature,
};
use serde_json::{Map, json};

fn claims() -> AccessClaims {
    serde_json::from_value(common::claims()).expect("claims")
}

fn keys(key: &SigningKey) -> KeySet {
    let mut keys = KeySet::new();
    keys.insert(key.verifying_key()).expect("the first key");
    keys
}

#[test]
fn signs_and_verifies_with_every_algorithm() {
    for algorithm in Algorithm::ALL {
        let key = SigningKey::generate(algorithm).expect("generates");
        assert_eq!(key.algorithm(), algorithm);
        let token = key.sign_claims(&claims()).expect("signs");
        assert_eq!(verify(&token, &keys(&key), &checks(), NOW).as_ref(), Ok(&claims()), "{algorithm}");
        let payload = serde_json::to_vec(&claims()).expect("serialises");
        let token = key.sign("at+jwt", &payload).expect("signs");
        assert_eq!(verify(&token, &keys(&key), &checks(), NOW).as_ref(), Ok(&claims()), "{algorithm}");
        let other = SigningKey::generate(algorithm).expect("generates");
        assert!(verify(&token, &keys(&other), &checks(), NOW).is_err(), "{algorithm}");
    }
}

#[test]
fn the_header_is_typ_alg_kid() {
    for algorithm in [Algorithm::Es256, Algorithm::Hs256] {
        let key = SigningKey::generate(algorithm).expect("generates");
        for typ in ["at+jwt", "logout+jwt", "JWT"] {
            let token = key.sign(typ, b"payload").expect("signs");
            let (header, _) = token.split_once('.').expect("three segments");
            let expected = format!(r#"{{"typ":"{typ}","alg":"{algorithm}","kid":"{}"}}"#, key.kid());
            assert_eq!(String::from_utf8(unb64(header)).expect("UTF-8"), expected);
            assert_eq!(verify_signature(&token, &key.verifying_key()).as_deref(), Ok(&b"payload"[..]));
        }
    }
}

#[test]
fn names_are_thumbprints() {
    for algorithm in Algorithm::ALL {
        let key = SigningKey::generate(algorithm).expect("generates");
        let jwk = key.jwk();
        assert_eq!(jwk.is_some(), algorithm.is_asymmetric());
        let expected =
            jwk.as_ref().map_or_else(|| VerifyingKey::hs256_kid(&key.to_secret_der()), Jwk::thumbprint);
        assert_eq!(key.kid(), expected);
        if let Some(jwk) = jwk {
            assert_eq!((jwk.kid(), jwk.algorithm()), (Some(key.kid()), algorithm));
        }
    }
}

#[test]
fn keys_survive_being_stored() {
    for algorithm in Algorithm::ALL {
        let key = SigningKey::generate(algorithm).expect("generates");
        let der = key.to_secret_der();
        let again = SigningKey::from_secret_der(algorithm, &der).expect("reads what it wrote");
        assert_eq!((again.kid(), again.algorithm(), again.jwk()), (key.kid(), algorithm, key.jwk()));
        assert_eq!(again.to_secret_der(), der);
        let token = again.sign_claims(&claims()).expect("signs");
        assert!(verify(&token, &keys(&key), &checks(), NOW).is_ok());
    }
}

#[test]
fn a_stored_key_is_read_for_its_own_algorithm_only() {
    let ec = SigningKey::generate(Algorithm::Es256).expect("generates").to_secret_der();
    for algorithm in [Algorithm::EdDsa, Algorithm::Rs256] {
        let error = SigningKey::from_secret_der(algorithm, &ec).expect_err("another algorithm");
        assert_eq!(error, KeyError::WrongAlgorithm, "{algorithm}");
    }
    for algorithm in [Algorithm::Es256, Algorithm::EdDsa, Algorithm::Rs256] {
        for bytes in [&[][..], &[0; 40], &ec[..ec.len() - 1]] {
            let error = SigningKey::from_secret_der(algorithm, bytes).expect_err("no key");
            assert_eq!(error, KeyError::Rejected, "{algorithm}");
        }
    }
    let error = SigningKey::from_secret_der(Algorithm::Hs256, &[1; 31]).expect_err("short");
    assert_eq!(error, KeyError::SecretTooShort);
}

#[test]
fn what_cannot_be_signed() {
    let key = SigningKey::generate(Algorithm::EdDsa).expect("generates");
    for typ in ["", "a\"b", "a b", "a\n", "é", &"t".repeat(65)] {
        assert_eq!(key.sign(typ, b"{}"), Err(SignError::Typ), "{typ:?}");
    }
    assert_eq!(key.sign("at+jwt", &vec![b' '; 64 * 1024]), Err(SignError::TooLarge));
    assert_eq!(key.sign_list("a b", b"{}"), Err(SignError::Typ));
    let extra = Map::from_iter([("sub".to_owned(), json!("someone else"))]);
    assert_eq!(key.sign_claims(&AccessClaims { extra, ..claims() }), Err(SignError::Claims));
}

#[test]
fn a_list_may_be_longer_than_a_token() {
    let key = SigningKey::generate(Algorithm::EdDsa).expect("generates");
    let short = key.sign_list("statuslist+jwt", b"{}").expect("signs");
    assert_eq!(short, key.sign("statuslist+jwt", b"{}").expect("signs"), "EdDSA is deterministic");
    let payload = vec![b' '; 256 * 1024];
    let long = key.sign_list("statuslist+jwt", &payload).expect("signs");
    assert_eq!(long.split('.').nth(1).map(str::len), Some(payload.len().div_ceil(3) * 4 - 2));
}

#[test]
fn debug_shows_no_key_material() {
    for algorithm in Algorithm::ALL {
        let key = SigningKey::generate(algorithm).expect("generates");
        let kid = key.kid();
        assert_eq!(
            format!("{key:?}"),
            format!("SigningKey {{ kid: {kid:?}, algorithm: {algorithm:?}, .. }}")
        );
    }
}

#[test]
fn keys_can_be_shared_between_threads() {
    fn shared<T: Send + Sync + 'static>() {}
    shared::<SigningKey>();
    shared::<VerifyingKey>();
    shared::<KeySet>();
}
