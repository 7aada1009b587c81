//! What has been tried on JWT libraries before (RFC 8725 section 2), each as a line of a table.

mod common;

use aws_lc_rs::signature::KeyPair as _;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use common::{KID, NOW, Signer, b64, checks, claims, prepend, unb64, with};
use portcullis_jose::{Jwks, KeySet, VerifyError, VerifyingKey, verify, verify_signature};
use serde_json::{Value, json};

fn segments(token: &str) -> (String, String, String) {
    let parts: Vec<_> = token.split('.').map(str::to_owned).collect();
    let [header, payload, signature] = parts.try_into().expect("three segments");
    (header, payload, signature)
}

fn is_malformed<T: std::fmt::Debug>(answer: &Result<T, VerifyError>) -> bool {
    matches!(answer, Err(VerifyError::Malformed(_)))
}

#[test]
fn the_untouched_token_is_good() {
    for signer in [Signer::es256(), Signer::eddsa(), Signer::hs256()] {
        let read = signer.verify(&signer.good_token()).expect("a good token");
        assert_eq!(serde_json::to_value(read).expect("serialises"), claims(), "{}", signer.alg());
    }
}

#[test]
fn no_algorithm_but_the_keys_own() {
    for signer in [Signer::es256(), Signer::eddsa(), Signer::hs256()] {
        let (_, payload, signature) = segments(&signer.good_token());
        for alg in [
            "none", "None", "NONE", "nOnE", "", "HS256", "HS384", "RS256", "ES256", "ES384", "EdDSA",
            "Ed25519",
        ] {
            if alg == signer.alg() {
                continue;
            }
            let header = b64(with(&signer.header(), "alg", Some(json!(alg))).to_string());
            for signature in ["", &signature] {
                let answer = signer.verify(&format!("{header}.{payload}.{signature}"));
                assert_eq!(answer, Err(VerifyError::Algorithm), "{} as {alg}", signer.alg());
            }
        }
        let header = with(&signer.header(), "alg", None);
        assert_eq!(signer.verify(&signer.token(header, claims())), Err(VerifyError::Algorithm));
    }
}

/// A public key in every form in which a server may hold it, tried as the secret of an HMAC.
fn forms_of_a_public_key(signer: &Signer) -> Vec<Vec<u8>> {
    let Signer::Es256(pair) = signer else { unreachable!("only for ES256") };
    let point = pair.public_key().as_ref();
    // SubjectPublicKeyInfo for id-ecPublicKey on prime256v1.
    let mut der = unb64("MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgA");
    der.extend_from_slice(point);
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(&der));
    let jwk = signer.public_jwk().expect("asymmetric");
    vec![
        pem.clone().into_bytes(),
        pem.trim_end().as_bytes().to_vec(),
        der,
        point.to_vec(),
        jwk.to_string().into_bytes(),
        json!({"keys": [jwk]}).to_string().into_bytes(),
    ]
}

#[test]
fn a_public_key_is_never_an_hmac_secret() {
    let signer = Signer::es256();
    for secret in forms_of_a_public_key(&signer) {
        let attacker = Signer::Hs256(secret);
        let header = with(&signer.header(), "alg", Some(json!("HS256")));
        let forged = attacker.token(&header, claims());
        assert_eq!(signer.verify(&forged), Err(VerifyError::Algorithm));
        let forged = attacker.token(signer.header(), claims());
        assert_eq!(signer.verify(&forged), Err(VerifyError::Signature));
    }
}

#[test]
fn signatures_that_are_none() {
    let signer = Signer::es256();
    let (header, payload, signature) = segments(&signer.good_token());
    let good = unb64(&signature);
    let order = unb64("_____wAAAAD__________7zm-q2nF56E87nKwvxjJVE");
    let half = |r: &[u8], s: &[u8]| [r, s].concat();
    for (name, bytes) in [
        ("r = s = 0", vec![0; 64]),
        ("r = 0", half(&[0; 32], &good[32..])),
        ("s = 0", half(&good[..32], &[0; 32])),
        ("r = n, s = 0", half(&order, &[0; 32])),
        ("r = s = n", half(&order, &order)),
        ("r, s + n in 33 bytes", half(&good[..32], &[&[0], &good[32..]].concat())),
        ("all ones", vec![0xff; 64]),
        ("empty", vec![]),
        ("one byte", vec![0]),
        ("cut", good[..63].to_vec()),
        ("extended", half(&good, &[0])),
        ("ASN.1 form of r = s = 0", vec![0x30, 6, 2, 1, 0, 2, 1, 0]),
        ("halves exchanged", half(&good[32..], &good[..32])),
        ("longer than any", vec![1; 4096]),
    ] {
        let answer = signer.verify(&format!("{header}.{payload}.{}", b64(bytes)));
        assert_eq!(answer, Err(VerifyError::Signature), "{name}");
    }
}

#[test]
fn a_truncated_hmac_is_refused() {
    let signer = Signer::hs256();
    let (header, payload, signature) = segments(&signer.good_token());
    for length in 0..32 {
        let cut = b64(&unb64(&signature)[..length]);
        assert_eq!(
            signer.verify(&format!("{header}.{payload}.{cut}")),
            Err(VerifyError::Signature),
            "{length}"
        );
    }
}

#[test]
fn critical_extensions_are_refused_although_signed() {
    let signer = Signer::eddsa();
    for (name, value) in [
        ("crit", json!([])),
        ("crit", json!(["exp"])),
        ("crit", json!(["alg"])),
        ("crit", json!(["b64"])),
        ("crit", json!(["urn:example:unknown"])),
        ("crit", json!("b64")),
        ("crit", Value::Null),
        ("b64", json!(false)),
        ("b64", json!(true)),
    ] {
        let token = signer.token(with(&signer.header(), name, Some(value.clone())), claims());
        assert!(is_malformed(&signer.verify(&token)), "{name}: {value}");
        assert!(is_malformed(&verify_signature(&token, &signer.verifying_key())), "{name}: {value}");
    }
}

#[test]
fn keys_carried_in_the_token_are_not_looked_at() {
    let (signer, attacker) = (Signer::es256(), Signer::es256());
    let jwk = attacker.public_jwk().expect("asymmetric");
    for (name, value) in [
        ("jwk", jwk.clone()),
        ("jku", json!("https://attacker.example/jwks.json")),
        ("x5u", json!("https://attacker.example/cert.pem")),
        ("x5c", json!(["MIIB"])),
        ("x5t#S256", json!("AAAA")),
    ] {
        let header = with(&signer.header(), name, Some(value));
        assert_eq!(signer.verify(&attacker.token(&header, claims())), Err(VerifyError::Signature), "{name}");
        let unnamed = with(&header, "kid", None);
        assert!(is_malformed(&signer.verify(&attacker.token(&unnamed, claims()))), "{name}");
        assert!(signer.verify(&signer.token(&header, claims())).is_ok(), "{name} does no harm either");
    }
}

#[test]
fn kid_is_a_name_and_nothing_else() {
    let signer = Signer::hs256();
    for kid in
        ["", "../../../../dev/null", "' OR '1'='1", "key-1\u{0}", "KEY-1", " key-1", "*", &"k".repeat(5000)]
    {
        let token = signer.token(with(&signer.header(), "kid", Some(json!(kid))), claims());
        assert_eq!(signer.verify(&token), Err(VerifyError::UnknownKey), "{kid:?}");
    }
    for kid in
        [Some(Value::Null), Some(json!(1)), Some(json!(true)), Some(json!([KID])), Some(json!({})), None]
    {
        let token = signer.token(with(&signer.header(), "kid", kid.clone()), claims());
        assert!(is_malformed(&signer.verify(&token)), "{kid:?}");
    }
    let empty = KeySet::from_jwks(&Jwks::default());
    assert_eq!(verify(&signer.good_token(), &empty, &checks(), NOW), Err(VerifyError::UnknownKey));
}

#[test]
fn two_keys_are_not_mixed_up() {
    let (one, two) = (Signer::es256(), Signer::hs256());
    let Signer::Hs256(secret) = &two else { unreachable!("HS256") };
    let mut keys = one.keys();
    keys.insert(VerifyingKey::hs256("key-2", secret).expect("32 bytes")).expect("another name");
    let wrong_name = two.token(with(&two.header(), "kid", Some(json!(KID))), claims());
    assert_eq!(verify(&wrong_name, &keys, &checks(), NOW), Err(VerifyError::Algorithm));
    let right_name = two.token(with(&two.header(), "kid", Some(json!("key-2"))), claims());
    assert!(verify(&right_name, &keys, &checks(), NOW).is_ok());
}

#[test]
fn only_access_tokens() {
    let signer = Signer::eddsa();
    for typ in ["at+jwt", "AT+JWT", "application/at+jwt", "Application/At+Jwt"] {
        let token = signer.token(with(&signer.header(), "typ", Some(json!(typ))), claims());
        assert!(signer.verify(&token).is_ok(), "{typ}");
    }
    for typ in ["JWT", "jwt", "", "at", "at+jwt ", "dpop+jwt", "logout+jwt", "application/jwt", "text/at+jwt"]
    {
        let token = signer.token(with(&signer.header(), "typ", Some(json!(typ))), claims());
        assert_eq!(signer.verify(&token), Err(VerifyError::Type), "{typ:?}");
    }
    let token = signer.token(with(&signer.header(), "typ", None), claims());
    assert_eq!(signer.verify(&token), Err(VerifyError::Type));
    let token = signer.token(with(&signer.header(), "typ", Some(json!(["at+jwt"]))), claims());
    assert!(is_malformed(&signer.verify(&token)));
}

#[test]
fn sizes() {
    let signer = Signer::hs256();
    let header = with(&signer.header(), "x", Some(json!("x".repeat(8 * 1024))));
    assert_eq!(signer.verify(&signer.token(header, claims())), Err(VerifyError::TooLarge));
    let payload = with(&claims(), "x", Some(json!("x".repeat(64 * 1024))));
    assert_eq!(signer.verify(&signer.token(signer.header(), payload)), Err(VerifyError::TooLarge));
    let payload = with(&claims(), "x", Some(json!("x".repeat(40 * 1024))));
    assert!(signer.verify(&signer.token(signer.header(), payload)).is_ok());
}

#[test]
fn one_text_per_token() {
    let signer = Signer::hs256();
    let (header, payload, signature) = segments(&signer.good_token());
    let bad = |segment: &str| -> Vec<String> {
        let mut texts: Vec<String> = ["=", "==", " ", "\n", "\t", "\u{0}", "+", "/", "é", "A\r\nA", "!"]
            .iter()
            .flat_map(|extra| [format!("{segment}{extra}"), format!("{extra}{segment}")])
            .collect();
        texts.push(format!("{} {}", &segment[..4], &segment[4..]));
        texts
    };
    for bad_header in bad(&header) {
        let token = signer.token_of_segments(&bad_header, &payload);
        assert!(is_malformed(&signer.verify(&token)), "signed header {bad_header:?}");
    }
    for bad_payload in bad(&payload) {
        let token = signer.token_of_segments(&header, &bad_payload);
        assert!(is_malformed(&signer.verify(&token)), "signed payload {bad_payload:?}");
    }
    for bad_signature in bad(&signature) {
        let token = format!("{header}.{payload}.{bad_signature}");
        assert!(is_malformed(&signer.verify(&token)), "signature {bad_signature:?}");
    }
    for token in
        [format!("Bearer {header}.{payload}.{signature}"), format!("{header}.{payload}.{signature}.")]
    {
        assert!(is_malformed(&signer.verify(&token)), "{token:?}");
    }
}

#[test]
fn spare_bits_must_be_zero() {
    const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    for signer in [Signer::es256(), Signer::eddsa(), Signer::hs256()] {
        let token = signer.good_token();
        let (head, last) = token.split_at(token.len() - 1);
        for other in ALPHABET.chars().filter(|other| other.to_string() != last) {
            assert!(signer.verify(&format!("{head}{other}")).is_err(), "{} {other}", signer.alg());
        }
        // Two bytes leave two spare bits; sign them set.
        let (header, ..) = segments(&token);
        for payload in ["e30", "e31", "e32", "e33"] {
            let answer = signer.verify(&signer.token_of_segments(&header, payload));
            let expected = if payload == "e30" {
                VerifyError::Claim("iss")
            } else {
                VerifyError::Malformed("payload is not base64url")
            };
            assert_eq!(answer, Err(expected), "{payload}");
        }
    }
}

#[test]
fn segments_that_are_missing_or_too_many() {
    let signer = Signer::hs256();
    let (header, payload, signature) = segments(&signer.good_token());
    for token in [
        String::new(),
        ".".into(),
        "..".into(),
        "....".into(),
        header.clone(),
        format!("{header}.{payload}"),
        format!("{header}.{payload}.{signature}.{signature}"),
        format!("{header}.{payload}.{signature}.{payload}.{signature}"),
        format!(".{payload}.{signature}"),
    ] {
        assert!(is_malformed(&signer.verify(&token)), "{token:?}");
    }
    assert_eq!(signer.verify(&format!("{header}..{signature}")), Err(VerifyError::Signature));
    assert!(is_malformed(&signer.verify(&signer.token_of_segments(&header, ""))));
}

#[test]
fn duplicate_members_are_refused_although_signed() {
    let signer = Signer::hs256();
    let with_extra = with(&signer.header(), "x", Some(json!(1)));
    for name in ["typ", "alg", "kid", "x", "\\u0061lg", "\\u0078"] {
        let plain = name.replace("\\u0061", "a").replace("\\u0078", "x");
        let header = prepend(&with_extra, &format!("\"{name}\":{}", with_extra[&plain]));
        assert!(is_malformed(&signer.verify(&signer.token(header, claims()))), "header {name}");
    }
    let nested = prepend(&signer.header(), r#""jwk":{"kty":"EC","kty":"RSA"}"#);
    assert!(is_malformed(&signer.verify(&signer.token(nested, claims()))));

    let all = claims();
    for (name, value) in all.as_object().expect("an object") {
        for name in [name.clone(), format!("\\u{:04x}{}", name.as_bytes()[0], &name[1..])] {
            let payload = prepend(&all, &format!("\"{name}\":{value}"));
            let answer = signer.verify(&signer.token(signer.header(), payload));
            assert_eq!(answer, Err(VerifyError::Malformed("claims have a duplicate member")), "{name}");
        }
    }
    let nested = prepend(&all, r#""other":[{"a":1,"a":1}]"#);
    assert!(is_malformed(&signer.verify(&signer.token(signer.header(), nested))));
}

#[test]
fn bytes_that_are_not_quite_json() {
    let signer = Signer::hs256();
    let (header, payload) = (signer.header().to_string(), claims().to_string());
    let spoilt = |good: &str| -> Vec<Vec<u8>> {
        vec![
            format!("{good} {{}}").into_bytes(),
            format!("\u{feff}{good}").into_bytes(),
            format!("[{good}]").into_bytes(),
            format!("{good}\0").into_bytes(),
            good.replace('"', "'").into_bytes(),
            [&good.as_bytes()[..good.len() - 1], b",}"].concat(),
            [b"{\"x\":\"\xff\",", &good.as_bytes()[1..]].concat(),
            [b"{\"x\":\"\\ud800\",", &good.as_bytes()[1..]].concat(),
            [b"{\"x\":1e400,", &good.as_bytes()[1..]].concat(),
            [b"{\"x\":NaN,", &good.as_bytes()[1..]].concat(),
            format!("{{\"x\":{}1{},{}", "[".repeat(1000), "]".repeat(1000), &good[1..]).into_bytes(),
            b"null".to_vec(),
            b"\"text\"".to_vec(),
            b"{".to_vec(),
            vec![],
        ]
    };
    for bytes in spoilt(&header) {
        let token = signer.token_of_segments(&b64(&bytes), &b64(&payload));
        assert!(is_malformed(&signer.verify(&token)), "header {}", String::from_utf8_lossy(&bytes));
    }
    for bytes in spoilt(&payload) {
        let token = signer.token_of_segments(&b64(&header), &b64(&bytes));
        assert!(is_malformed(&signer.verify(&token)), "payload {}", String::from_utf8_lossy(&bytes));
    }
}

#[test]
fn claims_are_not_read_before_the_signature_is_good() {
    let signer = Signer::es256();
    let (header, _, signature) = segments(&signer.good_token());
    for payload in ["!!!", "e30", ""] {
        let answer = signer.verify(&format!("{header}.{payload}.{signature}"));
        assert_eq!(answer, Err(VerifyError::Signature), "{payload:?}");
    }
}
