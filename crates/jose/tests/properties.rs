//! Whatever the bytes: no panic, and nothing but the untouched token is accepted.

mod common;

use std::sync::OnceLock;

use common::{NOW, Signer, b64, checks};
use portcullis_jose::{AccessClaims, Jwk, Jwks, KeySet, verify, verify_signature};
use proptest::prelude::*;

struct Fixture {
    tokens: Vec<(String, KeySet)>,
}

fn fixture() -> &'static Fixture {
    static FIXTURE: OnceLock<Fixture> = OnceLock::new();
    FIXTURE.get_or_init(|| {
        let signers = [Signer::es256(), Signer::eddsa(), Signer::hs256()];
        Fixture { tokens: signers.iter().map(|signer| (signer.good_token(), signer.keys())).collect() }
    })
}

/// One change to a token.
#[derive(Clone, Debug)]
enum Change {
    Replace(char),
    Insert(char),
    Remove,
    SwapWithNext,
    Cut,
    Repeat,
}

fn change() -> impl Strategy<Value = Change> {
    let character = prop_oneof![8 => "[A-Za-z0-9_-]", 1 => "[.=+/ \n]", 1 => "\\PC"]
        .prop_map(|text| text.chars().next().expect("one character"));
    prop_oneof![
        6 => character.clone().prop_map(Change::Replace),
        2 => character.prop_map(Change::Insert),
        1 => Just(Change::Remove),
        1 => Just(Change::SwapWithNext),
        1 => Just(Change::Cut),
        1 => Just(Change::Repeat),
    ]
}

fn changed(token: &str, at: prop::sample::Index, change: &Change) -> String {
    let mut characters: Vec<char> = token.chars().collect();
    let at = at.index(characters.len());
    match change {
        Change::Replace(character) => characters[at] = *character,
        Change::Insert(character) => characters.insert(at, *character),
        Change::Remove => drop(characters.remove(at)),
        Change::SwapWithNext => {
            let next = (at + 1) % characters.len();
            characters.swap(at, next);
        }
        Change::Cut => characters.truncate(at),
        Change::Repeat => characters.extend_from_within(at..),
    }
    characters.into_iter().collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_changed_token_is_refused(which in 0..3_usize, at: prop::sample::Index, change in change()) {
        let (token, keys) = &fixture().tokens[which];
        let other = changed(token, at, &change);
        prop_assume!(other != *token);
        prop_assert!(verify(&other, keys, &checks(), NOW).is_err());
    }

    #[test]
    fn a_changed_signature_is_refused(which in 0..3_usize, byte: prop::sample::Index, mask in 1..=255_u8) {
        let (token, keys) = &fixture().tokens[which];
        let (signed, signature) = token.rsplit_once('.').expect("three segments");
        let mut signature = common::unb64(signature);
        let at = byte.index(signature.len());
        signature[at] ^= mask;
        let other = format!("{signed}.{}", b64(signature));
        prop_assert!(verify(&other, keys, &checks(), NOW).is_err());
    }

    #[test]
    fn arbitrary_text_is_refused(text in "\\PC{0,200}", which in 0..3_usize) {
        let (_, keys) = &fixture().tokens[which];
        prop_assert!(verify(&text, keys, &checks(), NOW).is_err());
    }

    #[test]
    fn arbitrary_segments_are_refused(
        header in any::<Vec<u8>>(), payload in any::<Vec<u8>>(), signature in any::<Vec<u8>>(), which in 0..3_usize,
    ) {
        let (token, keys) = &fixture().tokens[which];
        let mixed = format!("{}.{}.{}", b64(&header), b64(&payload), b64(&signature));
        prop_assert!(verify(&mixed, keys, &checks(), NOW).is_err());
        let (good_header, _) = token.split_once('.').expect("three segments");
        let mixed = format!("{good_header}.{}.{}", b64(&payload), b64(&signature));
        prop_assert!(verify(&mixed, keys, &checks(), NOW).is_err());
    }

    #[test]
    fn arbitrary_signed_payloads_are_read_or_refused(payload in prop_oneof!["\\PC{0,80}", json_like()], now: i64) {
        let signer = Signer::hs256();
        let token = signer.token(signer.header(), &payload);
        prop_assert!(verify_signature(&token, &signer.verifying_key()).is_ok_and(|it| it == payload.as_bytes()));
        // Whether it is accepted agrees with serde's view of the same bytes.
        if verify(&token, &signer.keys(), &checks(), now).is_ok() {
            prop_assert!(serde_json::from_str::<AccessClaims>(&payload).is_ok());
        }
    }

    #[test]
    fn key_documents_are_read_or_refused(document in json_like()) {
        let _ = Jwk::parse(document.as_bytes());
        if let Ok(set) = Jwks::parse(document.as_bytes()) {
            prop_assert!(KeySet::from_jwks(&set).len() <= set.keys.len());
        }
    }
}

/// Objects of the right names with values of every kind.
fn json_like() -> impl Strategy<Value = String> {
    let name = prop::sample::select(vec![
        "iss",
        "sub",
        "aud",
        "exp",
        "iat",
        "nbf",
        "jti",
        "sid",
        "gen",
        "role",
        "client_id",
        "act",
        "keys",
        "kty",
        "crv",
        "x",
        "y",
        "n",
        "e",
        "kid",
        "use",
        "alg",
        "\\u0061ud",
    ]);
    let value = prop_oneof![
        Just("null".to_owned()),
        any::<i64>().prop_map(|number| number.to_string()),
        any::<f64>().prop_map(|number| number.to_string()),
        "\"[A-Za-z0-9_-]{0,44}\"",
        prop::sample::select(vec![
            "\"EC\"",
            "\"RSA\"",
            "\"OKP\"",
            "\"P-256\"",
            "[]",
            "{}",
            "[{\"kty\":\"RSA\"}]"
        ])
        .prop_map(str::to_owned),
    ];
    prop::collection::vec((name, value), 0..12).prop_map(|members| {
        let members: Vec<_> = members.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
        format!("{{{}}}", members.join(","))
    })
}
