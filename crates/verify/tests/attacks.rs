//! What has been tried on JWT libraries before (RFC 8725 section 2), through the whole verifier: each is the same 401.
//! The finer tables, per error, are in portcullis-jose.

mod support;

use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use portcullis_verify::{Cause, Verifier, VerifyError};
use serde_json::{Value, json};
use support::{
    FakeIssuer,
    service::{get, strict},
    setting,
    signer::{Signer, b64, with},
};

type WellTyped<'a> = &'a dyn Fn(&Value) -> bool;

/// Refused as an invalid token by both faces; the cause.
async fn refused(verifier: &Verifier, token: &str, what: &str) -> Cause {
    let reply = get(&strict(verifier), token).await;
    assert_eq!((reply.status, reply.code().as_str()), (401, "invalid_token"), "{what}");
    match verifier.verify(token).await {
        Err(VerifyError::InvalidToken(cause)) => cause,
        other => panic!("{what}: {other:?}"),
    }
}

fn hs256(secret: &[u8], header: &Value, claims: &Value) -> String {
    let signed = format!("{}.{}", b64(header.to_string()), b64(claims.to_string()));
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), signed.as_bytes());
    format!("{signed}.{}", b64(tag))
}

/// RFC 5480: the same public key as a certificate would hold it.
fn spki(point: &[u8]) -> Vec<u8> {
    const PREFIX: [u8; 26] = [
        0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
        0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
    ];
    [&PREFIX, point].concat()
}

#[tokio::test]
async fn no_algorithm_but_the_keys() {
    let (issuer, _clock, verifier) = setting().await;
    let (signer, claims) = (&issuer.signer, issuer.claims());
    for alg in
        ["none", "None", "NONE", "nOnE", "", "HS256", "ES384", "ES512", "RS256", "PS256", "EdDSA", "es256"]
    {
        let header = with(&signer.header(), "alg", Some(json!(alg)));
        let good_signature = signer.sign(&header, &claims);
        let unsigned = format!("{}.{}.", b64(header.to_string()), b64(claims.to_string()));
        refused(&verifier, &good_signature, alg).await;
        refused(&verifier, &unsigned, alg).await;
    }
    for header in [with(&signer.header(), "alg", None), with(&signer.header(), "alg", Some(json!(["ES256"])))]
    {
        refused(&verifier, &signer.sign(&header, &claims), "alg").await;
    }
}

#[tokio::test]
async fn a_public_key_is_no_secret() {
    let (issuer, _clock, verifier) = setting().await;
    let (signer, claims) = (&issuer.signer, issuer.claims());
    let der = spki(signer.public_point());
    let pem =
        |body: &str, eol: &str| format!("-----BEGIN PUBLIC KEY-----{eol}{body}{eol}-----END PUBLIC KEY-----");
    let wrapped = STANDARD
        .encode(&der)
        .as_bytes()
        .chunks(64)
        .map(String::from_utf8_lossy)
        .collect::<Vec<_>>()
        .join("\n");
    let jwk = signer.jwk();
    let set = issuer.knobs().jwks.to_string();
    for secret in [
        signer.public_point().to_vec(),
        signer.public_point()[1..].to_vec(),
        der,
        pem(&wrapped, "\n").into_bytes(),
        format!("{}\n", pem(&wrapped, "\n")).into_bytes(),
        pem(&wrapped, "\r\n").into_bytes(),
        jwk.to_string().into_bytes(),
        set.into_bytes(),
        jwk["x"].as_str().expect("text").as_bytes().to_vec(),
        signer.kid.as_bytes().to_vec(),
        Vec::new(),
    ] {
        for alg in ["HS256", "ES256"] {
            let header = with(&signer.header(), "alg", Some(json!(alg)));
            refused(&verifier, &hs256(&secret, &header, &claims), alg).await;
        }
    }
}

#[tokio::test]
async fn signatures_that_anyone_can_make() {
    let (issuer, _clock, verifier) = setting().await;
    let good = issuer.token(&[]);
    let (signed, signature) = good.rsplit_once('.').expect("three segments");
    // The order of P-256, and one less.
    let n = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
    let n: Vec<u8> =
        (0..64).step_by(2).map(|at| u8::from_str_radix(&n[at..at + 2], 16).expect("hex")).collect();
    let zero = vec![0; 32];
    let one = [vec![0; 31], vec![1]].concat();
    for (r, s) in
        [(&zero, &zero), (&zero, &one), (&one, &zero), (&n, &n), (&zero, &n), (&n, &zero), (&one, &one)]
    {
        refused(&verifier, &format!("{signed}.{}", b64([r.as_slice(), s].concat())), "r and s").await;
    }
    for other in
        ["", "AA", "AAAA", &format!("{signature}AA"), &signature[..40], &b64([0x30, 6, 2, 1, 1, 2, 1, 1])]
    {
        refused(&verifier, &format!("{signed}.{other}"), other).await;
    }
    let stranger = Signer::new("key-1");
    refused(&verifier, &stranger.token(&issuer.claims()), "another key of the same name").await;
}

#[tokio::test]
async fn keys_do_not_come_with_the_token() {
    let (issuer, _clock, verifier) = setting().await;
    let stranger = Signer::new("key-1");
    let evil = FakeIssuer::start().await;
    evil.knobs().jwks = json!({"keys": [stranger.jwk()]});
    let keys = format!("{}/keys", evil.url());
    for (name, value) in [
        ("jwk", stranger.jwk()),
        ("jku", json!(keys)),
        ("x5u", json!(keys)),
        ("x5c", json!([STANDARD.encode(spki(stranger.public_point()))])),
        ("x5t", json!("AAAA")),
        ("iss", json!(evil.url())),
    ] {
        let header = with(&stranger.header(), name, Some(value.clone()));
        refused(&verifier, &stranger.sign(&header, issuer.claims()), name).await;
        let nameless = with(&header, "kid", None);
        refused(&verifier, &stranger.sign(nameless, issuer.claims()), name).await;
        // A good signature is not spoilt by them either: they are not looked at.
        let header = with(&issuer.signer.header(), name, Some(value));
        assert!(verifier.verify(&issuer.signer.sign(header, issuer.claims())).await.is_ok(), "{name}");
    }
    assert!(evil.knobs().asked.is_empty(), "nobody is asked because a token says so");
}

#[tokio::test]
async fn names_of_keys_are_only_names() {
    let (issuer, clock, verifier) = setting().await;
    let signer = &issuer.signer;
    for kid in [
        json!("../../../../dev/null"),
        json!("/dev/null"),
        json!("key-1' OR '1'='1"),
        json!("key-1\u{0}"),
        json!(" key-1"),
        json!("KEY-1"),
        json!("http://127.0.0.1/keys"),
        json!("$(id)"),
        json!("k".repeat(5000)),
        json!(""),
        json!(1),
        json!(null),
        json!(["key-1"]),
        json!({"kid": "key-1"}),
    ] {
        clock.forward(6);
        let header = with(&signer.header(), "kid", Some(kid.clone()));
        refused(&verifier, &signer.sign(header, issuer.claims()), &kid.to_string()).await;
    }
}

#[tokio::test]
async fn critical_extensions_are_not_understood() {
    let (issuer, _clock, verifier) = setting().await;
    for (name, value) in [
        ("crit", json!(["exp"])),
        ("crit", json!([])),
        ("crit", json!("b64")),
        ("crit", json!(null)),
        ("b64", json!(false)),
        ("b64", json!(true)),
    ] {
        let header = with(&issuer.signer.header(), name, Some(value));
        refused(&verifier, &issuer.signer.sign(header, issuer.claims()), name).await;
    }
}

#[tokio::test]
async fn other_kinds_of_tokens_of_the_same_issuer() {
    let (issuer, _clock, verifier) = setting().await;
    for typ in [
        json!("JWT"),
        json!("rt+jwt"),
        json!("refresh"),
        json!("id+jwt"),
        json!("logout+jwt"),
        json!(""),
        json!(null),
        json!(1),
    ] {
        let header = with(&issuer.signer.header(), "typ", Some(typ.clone()));
        refused(&verifier, &issuer.signer.sign(header, issuer.claims()), &typ.to_string()).await;
    }
    let header = with(&issuer.signer.header(), "typ", None);
    refused(&verifier, &issuer.signer.sign(header, issuer.claims()), "no typ").await;
    // A refresh token of Portcullis is opaque.
    for opaque in [
        "pcr_AZLwwQAAcACAAAAAAAAAAQAAAAAAAAAHc2VjcmV0c2VjcmV0c2VjcmV0bWFjbWFj",
        "AZLwwQAA.AAAB",
        "AZLwwQAAAAAB",
    ] {
        refused(&verifier, opaque, opaque).await;
    }
}

#[tokio::test]
async fn sizes() {
    let (issuer, _clock, verifier) = setting().await;
    let big = "x".repeat(70_000);
    let header = with(&issuer.signer.header(), "x", Some(json!(&big[..9000])));
    for token in [
        issuer.signer.sign(header, issuer.claims()),
        issuer.token(&[("x", json!(big))]),
        format!("{big}.e30.AAAA"),
        format!("e30.{big}.AAAA"),
        format!("e30.e30.{big}"),
        ".".repeat(70_000),
        big.clone(),
    ] {
        let answer = verifier.verify(&token).await;
        assert!(matches!(answer, Err(VerifyError::InvalidToken(_))), "{answer:?}");
        // No server of ours takes such a header, and the layer does not read it.
        let reply = get(&strict(&verifier), &token).await;
        assert_eq!(reply.status, 401, "{}", reply.body);
    }
}

#[tokio::test]
async fn claims_of_every_wrong_type() {
    let (issuer, _clock, verifier) = setting().await;
    let values = [
        json!(null),
        json!(true),
        json!(false),
        json!(0),
        json!(-1),
        json!(1.5),
        json!(1e300),
        json!(""),
        json!("text"),
        json!([]),
        json!([1]),
        json!(["text"]),
        json!([["text"]]),
        json!({}),
        json!({"sub": "x"}),
    ];
    let text = |value: &Value| value.is_string();
    let times = |value: &Value| value.as_f64().is_some_and(|n| (0.0..1e12).contains(&n));
    let flag = Value::is_boolean;
    // Per claim, what else is well-typed; whether it is then accepted depends on the value.
    let allowed: [(&str, WellTyped<'_>); 17] = [
        ("iss", &text),
        ("sub", &|value| value.as_str().is_some_and(|text| !text.is_empty())),
        ("aud", &|value| text(value) || value.as_array().is_some_and(|all| all.iter().all(text))),
        ("exp", &times),
        ("iat", &times),
        ("nbf", &times),
        ("jti", &|value| value.as_str().is_some_and(|text| !text.is_empty())),
        ("sid", &|value| value.as_str().is_some_and(|text| !text.is_empty())),
        ("gen", &Value::is_u64),
        ("role", &text),
        ("account", &text),
        ("account_role", &text),
        ("client_id", &text),
        ("act", &|value| value.get("sub").is_some()),
        ("scope", &text),
        ("read_only", &flag),
        ("pwd_change", &flag),
    ];
    for (name, well_typed) in allowed {
        for value in values.iter().filter(|value| !well_typed(value)) {
            let claims = with(&issuer.claims(), name, Some(value.clone()));
            let token = issuer.signer.token(&claims);
            let cause = refused(&verifier, &token, &format!("{name}: {value}")).await;
            let told = portcullis_verify::jose::VerifyError::Claim(name);
            assert_eq!(cause, Cause::Jwt(told), "{name}: {value}");
        }
    }
    for name in ["iss", "sub", "aud", "exp", "iat", "nbf", "jti", "sid", "gen", "role", "client_id"] {
        refused(&verifier, &issuer.token(&[(name, Value::Null)]), name).await;
    }
}

#[tokio::test]
async fn members_that_stand_twice_although_signed() {
    let (issuer, _clock, verifier) = setting().await;
    let (header, claims) = (issuer.signer.header(), issuer.claims());
    for name in ["sub", "exp", "role", "aud", "\\u0073ub"] {
        let text = claims.to_string();
        let twice = format!(r#"{{"{name}":"admin",{}"#, &text[1..]);
        refused(&verifier, &issuer.signer.sign(&header, twice), name).await;
        let after = format!(r#"{},"{name}":"admin"}}"#, &text[..text.len() - 1]);
        refused(&verifier, &issuer.signer.sign(&header, after), name).await;
    }
    let text = header.to_string();
    refused(&verifier, &issuer.signer.sign(format!(r#"{{"alg":"none",{}"#, &text[1..]), &claims), "alg")
        .await;
}

#[tokio::test]
async fn one_text_per_token() {
    let (issuer, _clock, verifier) = setting().await;
    let good = issuer.token(&[]);
    assert!(verifier.verify(&good).await.is_ok());
    // The good one is in the cache by now; nothing that resembles it may be found there.
    let altered: Vec<char> = good.chars().collect();
    for at in (0..altered.len()).step_by(7).chain([altered.len() - 1]) {
        let mut altered = altered.clone();
        altered[at] = if altered[at] == 'A' { 'B' } else { 'A' };
        let altered: String = altered.into_iter().collect();
        refused(&verifier, &altered, &format!("character {at}")).await;
    }
    for token in [
        format!("{good}="),
        format!("{good}."),
        format!("{good}A"),
        good.replacen('.', "=.", 1),
        good.replace('-', "+"),
    ] {
        if token != good {
            assert!(verifier.verify(&token).await.is_err(), "{token}");
        }
    }
    assert!(verifier.verify(&format!(" {good}")).await.is_err());
}

#[tokio::test]
async fn tokens_for_and_of_others() {
    let (issuer, _clock, verifier) = setting().await;
    let url = issuer.url();
    for (name, value) in [
        ("iss", json!("http://other.example")),
        ("iss", json!(format!("{url}/"))),
        ("iss", json!(url.to_uppercase())),
        ("aud", json!("http://other.example")),
        ("aud", json!(format!("{url}/"))),
        ("aud", json!([])),
        ("aud", json!(["a", "b"])),
    ] {
        refused(&verifier, &issuer.token(&[(name, value.clone())]), &value.to_string()).await;
    }
    assert!(verifier.verify(&issuer.token(&[("aud", json!(["other", url]))])).await.is_ok());
}
