//! Every claim against every JSON type, and the form in which claims are written.

mod common;

use common::{AUDIENCE, ISSUER, NOW, Signer, claims, with};
use portcullis_jose::{AccessClaims, Actor, TokenStatus, VerifyError, verify};
use serde_json::{Map, Value, json};

/// JSON values of every type, as text: some of them no `Value` can hold.
const VALUES: [&str; 28] = [
    "null",
    "true",
    "false",
    "0",
    "1767225700",
    "-1",
    "1.5",
    "1e308",
    "-0.1",
    "253402300800",
    "18446744073709551616",
    "\"\"",
    "\"text\"",
    "\"1767225700\"",
    "[]",
    "[\"text\"]",
    "[1]",
    "[null]",
    "{}",
    "{\"sub\":\"x\"}",
    "{\"sub\":\"x\",\"sub\":\"y\"}",
    "{\"status_list\":{\"idx\":7,\"uri\":\"u\"}}",
    "{\"other\":1,\"status_list\":{\"idx\":0,\"uri\":\"u\",\"more\":1}}",
    "{\"status_list\":{\"idx\":-1,\"uri\":\"u\"}}",
    "{\"status_list\":{\"idx\":7,\"uri\":\"\"}}",
    "{\"status_list\":{\"idx\":7}}",
    "{\"status_list\":{\"uri\":\"u\"}}",
    "{\"status_list\":{\"idx\":7,\"idx\":8,\"uri\":\"u\"}}",
];

/// For each claim, which of [`VALUES`] have the right type and range.
const ACCEPTED: [(&str, &[&str]); 22] = [
    ("iss", &["\"text\"", "\"1767225700\""]),
    ("sub", &["\"text\"", "\"1767225700\""]),
    ("jti", &["\"text\"", "\"1767225700\""]),
    ("sid", &["\"text\"", "\"1767225700\""]),
    ("aud", &["\"\"", "\"text\"", "\"1767225700\"", "[]", "[\"text\"]"]),
    ("exp", &["0", "1767225700", "1.5"]),
    ("iat", &["0", "1767225700", "1.5"]),
    ("nbf", &["0", "1767225700", "1.5"]),
    ("auth_time", &["0", "1767225700", "1.5"]),
    ("gen", &["0", "1767225700", "253402300800"]),
    ("role", &["\"\"", "\"text\"", "\"1767225700\""]),
    ("account", &["\"\"", "\"text\"", "\"1767225700\""]),
    ("account_role", &["\"\"", "\"text\"", "\"1767225700\""]),
    ("client_id", &["\"\"", "\"text\"", "\"1767225700\""]),
    ("scope", &["\"\"", "\"text\"", "\"1767225700\""]),
    ("act", &["{\"sub\":\"x\"}"]),
    ("bot", &["true", "false"]),
    ("read_only", &["true", "false"]),
    ("pwd_change", &["true", "false"]),
    ("upstream", &["true", "false"]),
    ("amr", &["[]", "[\"text\"]"]),
    (
        "status",
        &[
            "{\"status_list\":{\"idx\":7,\"uri\":\"u\"}}",
            "{\"other\":1,\"status_list\":{\"idx\":0,\"uri\":\"u\",\"more\":1}}",
        ],
    ),
];

fn payload(name: &str, value: &str) -> String {
    common::prepend(&with(&claims(), name, None), &format!("\"{name}\":{value}"))
}

#[test]
fn each_claim_has_its_type() {
    let signer = Signer::hs256();
    for (name, accepted) in ACCEPTED {
        for value in VALUES {
            let payload = payload(name, value);
            let answer = signer.verify(&signer.token(signer.header(), &payload));
            let by_serde = serde_json::from_str::<AccessClaims>(&payload);
            if accepted.contains(&value) {
                let well_typed = !matches!(answer, Err(VerifyError::Claim(_) | VerifyError::Malformed(_)));
                assert!(well_typed, "{name}: {value} gave {answer:?}");
                assert!(by_serde.is_ok(), "{name}: {value}");
            } else {
                assert_eq!(answer, Err(VerifyError::Claim(name)), "{name}: {value}");
                assert!(by_serde.is_err(), "{name}: {value}");
            }
        }
    }
}

#[test]
fn required_claims_are_required_and_the_others_are_not() {
    let signer = Signer::hs256();
    let required = ["iss", "sub", "aud", "exp", "iat", "nbf", "jti", "sid", "gen", "role", "client_id"];
    let all = claims();
    for name in all.as_object().expect("an object").keys() {
        let answer = signer.verify(&signer.token(signer.header(), with(&all, name, None)));
        match required.iter().find(|required| *required == name) {
            Some(name) => assert_eq!(answer, Err(VerifyError::Claim(name))),
            None => assert!(answer.is_ok(), "{name}: {answer:?}"),
        }
    }
}

#[test]
fn issuer_audience_and_time_decide() {
    let signer = Signer::hs256();
    let all = claims();
    for (name, value, expected) in [
        ("iss", json!("https://auth.example.attacker.example"), Err(VerifyError::Issuer)),
        ("iss", json!("https://auth.exampl"), Err(VerifyError::Issuer)),
        ("iss", json!("https://auth.example/"), Err(VerifyError::Issuer)),
        ("aud", json!([ISSUER, AUDIENCE]), Ok(())),
        ("aud", json!([ISSUER]), Err(VerifyError::Audience)),
        ("aud", json!([]), Err(VerifyError::Audience)),
        ("aud", json!("https://api.example.attacker.example"), Err(VerifyError::Audience)),
        ("exp", json!(NOW), Err(VerifyError::Expired)),
        ("exp", json!(NOW + 1), Ok(())),
        ("exp", json!(0), Err(VerifyError::Expired)),
        ("nbf", json!(NOW), Ok(())),
        ("nbf", json!(NOW + 1), Err(VerifyError::NotYetValid)),
        ("iat", json!(NOW + 1), Ok(())),
    ] {
        let token = signer.token(signer.header(), with(&all, name, Some(value.clone())));
        assert_eq!(signer.verify(&token).map(drop), expected, "{name}: {value}");
    }
}

#[test]
fn leeway_is_the_callers_and_a_minute_at_most() {
    let signer = Signer::hs256();
    let token = signer.good_token();
    let at =
        |leeway, now| verify(&token, &signer.keys(), &common::checks().with_leeway(leeway), now).map(drop);
    assert_eq!(at(0, NOW + 900), Err(VerifyError::Expired));
    assert_eq!(at(30, NOW + 929), Ok(()));
    assert_eq!(at(30, NOW - 30), Ok(()));
    assert_eq!(at(30, NOW - 31), Err(VerifyError::NotYetValid));
    assert_eq!(at(3600, NOW + 960), Err(VerifyError::Expired));
}

fn plain() -> AccessClaims {
    AccessClaims {
        iss: "i".into(),
        sub: "s".into(),
        aud: vec!["a".into()],
        exp: 3,
        iat: 1,
        nbf: 2,
        jti: "j".into(),
        sid: "d".into(),
        generation: 4,
        role: "user".into(),
        client_id: "c".into(),
        ..AccessClaims::default()
    }
}

#[test]
fn what_is_absent_is_not_written() {
    assert_eq!(
        serde_json::to_string(&plain()).expect("serialises"),
        concat!(
            r#"{"iss":"i","sub":"s","aud":"a","exp":3,"iat":1,"nbf":2,"jti":"j","sid":"d","gen":4,"#,
            r#""role":"user","client_id":"c"}"#
        )
    );
}

#[test]
fn what_is_present_is_written_and_read_again() {
    let full = AccessClaims {
        aud: vec!["a".into(), "b".into()],
        account: Some("acc".into()),
        account_role: Some("owner".into()),
        act: Some(Actor { sub: "admin".into() }),
        scope: Some("read".into()),
        bot: true,
        read_only: true,
        pwd_change: true,
        upstream: true,
        amr: vec!["pwd".into()],
        auth_time: Some(1),
        status: Some(TokenStatus { idx: 7, uri: "u".into() }),
        extra: Map::from_iter([("user_id".to_owned(), json!(42)), ("tags".to_owned(), json!(["x", null]))]),
        ..plain()
    };
    let text = serde_json::to_string(&full).expect("serialises");
    assert_eq!(serde_json::from_str::<AccessClaims>(&text).expect("reads"), full);
    let value: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(value["aud"], json!(["a", "b"]));
    assert_eq!(value["gen"], json!(4));
    assert_eq!(value["act"], json!({"sub": "admin"}));
    assert_eq!(value["status"], json!({"status_list": {"idx": 7, "uri": "u"}}));
    assert_eq!(value["user_id"], json!(42));
    assert_eq!(value.get("extra"), None);
}

#[test]
fn operators_claims_cannot_take_a_name_of_ours() {
    for (name, _) in ACCEPTED {
        assert!(AccessClaims::is_reserved(name), "{name}");
        let claims = AccessClaims { extra: Map::from_iter([(name.to_owned(), json!("x"))]), ..plain() };
        assert!(serde_json::to_string(&claims).is_err(), "{name}");
    }
    assert!(!AccessClaims::is_reserved("user_id"));
}

#[test]
fn only_the_outermost_actor_is_kept() {
    let nested = with(&claims(), "act", Some(json!({"sub": "a", "act": {"sub": "b"}, "iss": "i"})));
    let read: AccessClaims = serde_json::from_value(nested).expect("reads");
    assert_eq!(read.act, Some(Actor { sub: "a".into() }));
}
