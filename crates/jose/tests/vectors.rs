//! The examples of RFC 7515, 7520, 7638, 7797, 8037 and 9449.

mod common;

use common::unb64;
use portcullis_jose::{Jwk, JwkError, Jwks, VerifyError, VerifyingKey, verify_signature};
use serde_json::Value;

macro_rules! vector {
    ($name:literal) => {
        serde_json::from_str::<Value>(include_str!(concat!("vectors/", $name))).expect("a JSON vector")
    };
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("{pointer} is a string"))
}

/// The key of a vector; symmetric ones have no place in a `Jwk`.
fn key(jwk: &Value) -> VerifyingKey {
    if jwk["kty"] == "oct" {
        let kid = jwk["kid"].as_str().unwrap_or("vector");
        return VerifyingKey::hs256(kid, &unb64(text(jwk, "/k"))).expect("a long secret");
    }
    VerifyingKey::from_jwk(&jwk_of(jwk)).expect("a sound key")
}

fn jwk_of(jwk: &Value) -> Jwk {
    Jwk::parse(jwk.to_string().as_bytes()).expect("a supported JWK")
}

#[test]
fn rfc7515_appendix_a() {
    let all = vector!("rfc-appendix-vectors.json");
    let payload =
        concat!("{\"iss\":\"joe\",\r\n \"exp\":1300819380,\r\n ", "\"http://example.com/is_root\":true}");
    for name in ["rfc7515_A1_HS256", "rfc7515_A3_ES256"] {
        let vector = &all[name];
        let answer = verify_signature(text(vector, "/jws"), &key(&vector["jwk"]));
        assert_eq!(answer.as_deref(), Ok(payload.as_bytes()), "{name}");
    }
}

#[test]
fn rfc7515_a5_none_is_refused_under_every_key() {
    let all = vector!("rfc-appendix-vectors.json");
    let unsecured = text(&all, "/rfc7515_A5_none_MUST_REJECT/jws");
    for name in ["rfc7515_A1_HS256", "rfc7515_A3_ES256", "rfc8037_A4_EdDSA", "rfc7638_3_1_thumbprint"] {
        let answer = verify_signature(unsecured, &key(&all[name]["jwk"]));
        assert_eq!(answer, Err(VerifyError::Algorithm), "{name}");
    }
}

#[test]
fn rfc8037_a4_ed25519() {
    let all = vector!("rfc-appendix-vectors.json");
    let vector = &all["rfc8037_A4_EdDSA"];
    let answer = verify_signature(text(vector, "/jws"), &key(&vector["jwk"]));
    assert_eq!(answer.as_deref(), Ok(&b"Example of Ed25519 signing"[..]));
    assert_eq!(jwk_of(&vector["jwk"]).thumbprint(), text(vector, "/thumbprint_sha256"));
}

#[test]
fn thumbprints_of_rfc7638_and_rfc9449() {
    let all = vector!("rfc-appendix-vectors.json");
    let rsa = &all["rfc7638_3_1_thumbprint"];
    assert_eq!(jwk_of(&rsa["jwk"]).thumbprint(), text(rsa, "/thumbprint_sha256"));
    let ec = &all["rfc9449_dpop"];
    assert_eq!(jwk_of(&ec["jwk"]).thumbprint(), text(ec, "/jkt"));
}

#[test]
fn a_key_without_kid_is_named_by_its_thumbprint() {
    let all = vector!("rfc-appendix-vectors.json");
    let vector = &all["rfc9449_dpop"];
    assert_eq!(key(&vector["jwk"]).kid(), text(vector, "/jkt"));
}

#[test]
fn cookbook_signatures() {
    for vector in [
        vector!("jose-cookbook/jws-4_1.rsa_v15_signature.json"),
        vector!("jose-cookbook/jws-4_4.hmac-sha2_integrity_protection.json"),
        vector!("jose-cookbook/curve25519-jws.json"),
    ] {
        let title = text(&vector, "/title").to_owned();
        let key = key(&vector["input"]["key"]);
        let compact = text(&vector, "/output/compact");
        let answer = verify_signature(compact, &key);
        assert_eq!(answer.as_deref(), Ok(text(&vector, "/input/payload").as_bytes()), "{title}");

        let (signed, signature) = compact.rsplit_once('.').expect("three segments");
        let (header, payload) = signed.split_once('.').expect("three segments");
        let other = format!("{header}.{payload}AAAA.{signature}");
        assert_eq!(verify_signature(&other, &key), Err(VerifyError::Signature), "{title}");
    }
}

#[test]
fn cookbook_algorithms_that_are_not_spoken() {
    // PS384 under an RSA key that is good for RS256.
    let pss = vector!("jose-cookbook/jws-4_2.rsa-pss_signature.json");
    let answer = verify_signature(text(&pss, "/output/compact"), &key(&pss["input"]["key"]));
    assert_eq!(answer, Err(VerifyError::Algorithm));
    // ES512: its key is none of ours.
    let p521 = vector!("jose-cookbook/jws-4_3.ecdsa_signature.json");
    let jwk = Jwk::parse(p521["input"]["key"].to_string().as_bytes());
    assert_eq!(jwk, Err(JwkError::Unsupported("the curve is not P-256")));
}

#[test]
fn cookbook_detached_content_is_not_verified_without_its_content() {
    let vector = vector!("jose-cookbook/jws-4_5.signature_with_detached_content.json");
    let answer = verify_signature(text(&vector, "/output/compact"), &key(&vector["input"]["key"]));
    assert_eq!(answer, Err(VerifyError::Signature));
}

#[test]
fn rfc7797_unencoded_payload_is_refused() {
    let vector = vector!("jose-cookbook/rfc7797-hmac-sha2_b64_false.json");
    let answer = verify_signature(text(&vector, "/output/compact"), &key(&vector["input"]["key"]));
    assert!(matches!(answer, Err(VerifyError::Malformed(_))), "{answer:?}");
}

#[test]
fn a_set_of_all_cookbook_keys_keeps_the_usable_ones() {
    let keys = [
        vector!("jose-cookbook/jwk-3_1.ec_public_key.json"),
        vector!("jose-cookbook/jwk-3_2.ec_private_key.json"),
        vector!("jose-cookbook/jwk-3_3.rsa_public_key.json"),
        vector!("jose-cookbook/jwk-3_5.symmetric_key_mac_computation.json"),
        vector!("jose-cookbook/jwk-3_6.symmetric_key_encryption.json"),
        vector!("jose-cookbook/curve25519-jws.json")["input"]["key"].clone(),
        vector!("jose-cookbook/curve25519-ecdh-es.json")["input"]["key"].clone(),
    ];
    let document = serde_json::json!({ "keys": keys }).to_string();
    let set = Jwks::parse(document.as_bytes()).expect("tolerant");
    let algorithms: Vec<_> = set.keys.iter().map(|key| key.algorithm().as_str()).collect();
    assert_eq!(algorithms, ["RS256", "EdDSA"]);
}

#[test]
fn a_private_jwk_keeps_its_public_half_only() {
    for private in [
        vector!("jose-cookbook/jwk-3_4.rsa_private_key.json"),
        vector!("rfc-appendix-vectors.json")["rfc7515_A3_ES256"]["jwk"].clone(),
        vector!("rfc-appendix-vectors.json")["rfc8037_A4_EdDSA"]["jwk"].clone(),
    ] {
        let written = serde_json::to_value(jwk_of(&private)).expect("serialises");
        let members = written.as_object().expect("an object");
        for (name, value) in members {
            assert!(
                ["kty", "crv", "x", "y", "n", "e", "kid", "use", "alg"].contains(&name.as_str()),
                "{name}"
            );
            assert!(private.get(name).is_none_or(|given| given == value), "{name} changed");
        }
        assert_eq!(written["use"], "sig");
        assert!(members.contains_key("alg"));
    }
}
