//! ID tokens: what is taken for one, and what is not.

mod common;

use common::{KID, Signer, b64, claims, with};
use portcullis_jose::{Jwks, KeySet, VerifyError, verify_id_token};
use serde_json::{Value, json};

fn header(signer: &Signer, typ: Option<&str>) -> Value {
    with(&signer.header(), "typ", typ.map(|typ| json!(typ)))
}

fn read(signer: &Signer, header: &Value) -> Result<Value, VerifyError> {
    let token = signer.token(header, claims());
    verify_id_token(&token, &signer.keys()).map(|signed| {
        assert_eq!(signed.algorithm.as_str(), signer.alg());
        Value::Object(signed.claims)
    })
}

#[test]
fn a_plain_jwt_is_one_and_no_other_kind_of_token() {
    for signer in [Signer::es256(), Signer::eddsa()] {
        for typ in [None, Some("JWT"), Some("jwt"), Some("application/jwt")] {
            assert_eq!(read(&signer, &header(&signer, typ)), Ok(claims()), "{typ:?}");
        }
        for typ in ["at+jwt", "application/at+jwt", "logout+jwt", "dpop+jwt", ""] {
            assert_eq!(read(&signer, &header(&signer, Some(typ))), Err(VerifyError::Type), "{typ:?}");
        }
    }
}

#[test]
fn the_key_is_the_one_of_its_name_or_the_only_one() {
    let (one, other) = (Signer::es256(), Signer::eddsa());
    let plain = header(&one, Some("JWT"));
    assert_eq!(read(&one, &with(&plain, "kid", Some(json!("other")))), Err(VerifyError::UnknownKey));
    let nameless = with(&plain, "kid", None);
    assert_eq!(read(&one, &nameless), Ok(claims()));
    let second = with(&other.public_jwk().expect("public"), "kid", Some(json!("second")));
    let both = json!({"keys": [one.public_jwk(), second]}).to_string();
    let both = KeySet::from_jwks(&Jwks::parse(both.as_bytes()).expect("a set"));
    let token = one.token(&nameless, claims());
    assert_eq!(verify_id_token(&token, &both), Err(VerifyError::Malformed("header has no kid")));
    assert_eq!(verify_id_token(&token, &KeySet::new()), Err(VerifyError::Malformed("header has no kid")));
}

#[test]
fn nothing_is_signed_by_what_is_public() {
    let signer = Signer::es256();
    for alg in ["none", "HS256", "RS256", "EdDSA", "es256"] {
        let header = with(&header(&signer, Some("JWT")), "alg", Some(json!(alg)));
        assert_eq!(read(&signer, &header), Err(VerifyError::Algorithm), "{alg}");
    }
    // The secret of HS256 is never in a set that an issuer publishes.
    let symmetric = json!({"keys": [{"kty": "oct", "kid": KID, "k": b64([7; 32])}]}).to_string();
    let keys = KeySet::from_jwks(&Jwks::parse(symmetric.as_bytes()).expect("a set"));
    let token = Signer::hs256().token(header(&Signer::hs256(), Some("JWT")), claims());
    assert_eq!(verify_id_token(&token, &keys), Err(VerifyError::UnknownKey));
}

#[test]
fn a_payload_is_one_object_and_says_each_thing_once() {
    let signer = Signer::es256();
    let head = header(&signer, Some("JWT"));
    for payload in ["", "[]", "7", "{\"sub\":\"a\",\"sub\":\"b\"}", "{\"a\":{\"b\":1,\"b\":2}}", "{} {}"] {
        let token = signer.token(&head, payload);
        let told = VerifyError::Malformed("payload is not a JSON object without duplicates");
        assert_eq!(verify_id_token(&token, &signer.keys()), Err(told), "{payload}");
    }
    for (name, value) in [("crit", json!(["b64"])), ("b64", json!(false))] {
        let odd = with(&head, name, Some(value));
        assert!(matches!(read(&signer, &odd), Err(VerifyError::Malformed(_))), "{name}");
    }
}
