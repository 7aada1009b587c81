//! The issuer's keys: how often they are asked for, new ones, ones taken away, an issuer that is down.

mod support;

use portcullis_verify::{Outage, SetupError, Verifier, VerifyError, jose::VerifyingKey};
use serde_json::json;
use support::{
    FakeIssuer, START, TestClock, builder,
    issuer::{JWKS, METADATA},
    setting,
    signer::{Signer, with},
};
use tokio::task::JoinSet;

fn is_unavailable(answer: &Result<portcullis_verify::Claims, VerifyError>) -> bool {
    matches!(answer, Err(VerifyError::Unavailable { cause: Outage::Keys, .. }))
}

#[tokio::test]
async fn a_start_asks_once_and_requests_do_not() {
    let (issuer, _clock, verifier) = setting().await;
    for number in 0..20 {
        let token = issuer.token(&[("jti", json!(number.to_string()))]);
        for _ in 0..3 {
            assert_eq!(verifier.verify(&token).await.expect("good").user_id(), "user-1");
        }
    }
    assert_eq!((issuer.asked(METADATA), issuer.asked(JWKS)), (1, 1));
}

#[tokio::test]
async fn a_new_key_is_found_by_one_fetch_for_all_who_wait() {
    let (issuer, clock, verifier) = setting().await;
    let new = Signer::new("key-2");
    let token = new.token(&issuer.claims());
    assert!(verifier.verify(&token).await.is_err(), "not published yet, and just asked");
    assert_eq!(issuer.asked(JWKS), 1);
    issuer.knobs().jwks = json!({"keys": [issuer.signer.jwk(), new.jwk()]});
    clock.forward(6);
    let mut waiting = JoinSet::new();
    for number in 0..50 {
        let token = new.token(&with(&issuer.claims(), "jti", Some(json!(number.to_string()))));
        let verifier = verifier.clone();
        waiting.spawn(async move { verifier.verify(&token).await });
    }
    for answer in waiting.join_all().await {
        answer.expect("the new key is published");
    }
    assert_eq!(issuer.asked(JWKS), 2, "one for fifty");
    assert!(verifier.verify(&issuer.token(&[])).await.is_ok(), "the old key is still there");
}

#[tokio::test]
async fn made_up_keys_cost_the_issuer_little() {
    let (issuer, clock, verifier) = setting().await;
    for round in 0..3 {
        clock.forward(6);
        for number in 0..20 {
            let header = with(&issuer.signer.header(), "kid", Some(json!(format!("{round}-{number}"))));
            let answer = verifier.verify(&issuer.signer.sign(header, issuer.claims())).await;
            assert!(matches!(answer, Err(VerifyError::InvalidToken(_))), "{answer:?}");
        }
    }
    assert_eq!(issuer.asked(JWKS), 4, "one at the start, and one a round");
}

#[tokio::test]
async fn a_key_taken_away_takes_its_cached_tokens_along() {
    let (issuer, clock, verifier) = setting().await;
    let token = issuer.token(&[]);
    assert!(verifier.verify(&token).await.is_ok());
    assert!(verifier.verify_cached(&token).expect("cached").is_ok());
    let new = Signer::new("key-2");
    issuer.knobs().jwks = json!({"keys": [new.jwk()]});
    clock.forward(6);
    assert!(verifier.verify(&new.token(&issuer.claims())).await.is_ok());
    assert!(verifier.verify_cached(&token).is_none());
    assert!(matches!(verifier.verify(&token).await, Err(VerifyError::InvalidToken(_))));
}

#[tokio::test]
async fn with_the_issuer_down_good_tokens_still_verify() {
    let (issuer, clock, verifier) = setting().await;
    let cached = issuer.token(&[]);
    assert!(verifier.verify(&cached).await.is_ok());
    issuer.knobs().down = true;
    clock.forward(600);
    let fresh = issuer.token(&[("jti", json!("another"))]);
    assert!(verifier.verify(&cached).await.is_ok());
    assert!(verifier.verify(&fresh).await.is_ok());
    // A token with a new key may be good: no 401 for it. Garbage is garbage.
    let new = Signer::new("key-2").token(&issuer.claims());
    assert!(is_unavailable(&verifier.verify(&new).await));
    assert!(matches!(verifier.verify("a.b.c").await, Err(VerifyError::InvalidToken(_))));
    clock.forward(400);
    assert!(matches!(verifier.verify(&cached).await, Err(VerifyError::InvalidToken(_))), "expired meanwhile");
}

#[tokio::test]
async fn a_service_may_start_before_its_issuer() {
    let (issuer, clock) = (FakeIssuer::start().await, TestClock::default());
    issuer.knobs().down = true;
    let verifier = builder(&issuer, &clock).build().expect("sound choices");
    assert!(is_unavailable(&verifier.verify(&issuer.token(&[])).await));
    assert!(is_unavailable(&verifier.verify(&issuer.token(&[])).await), "and without asking again at once");
    assert!(!verifier.is_ready());
    issuer.knobs().down = false;
    clock.forward(6);
    assert!(verifier.verify(&issuer.token(&[])).await.is_ok());
    assert!(verifier.is_ready());
}

#[tokio::test]
async fn documents_that_are_no_key_sets_change_nothing() {
    let (issuer, clock, verifier) = setting().await;
    let twice = json!({"keys": [issuer.signer.jwk(), issuer.signer.jwk()]}).to_string();
    let unknown = Signer::new("key-2").token(&issuer.claims());
    for text in ["", "{}", "null", r#"{"keys":[]}"#, r#"{"keys":{}}"#, &twice, &" ".repeat(300_000)] {
        issuer.knobs().instead.insert(JWKS, text.to_owned());
        clock.forward(6);
        assert!(is_unavailable(&verifier.verify(&unknown).await), "{text:.20}");
        assert!(verifier.verify(&issuer.token(&[])).await.is_ok(), "{text:.20}");
    }
}

#[tokio::test]
async fn what_is_wrong_shows_at_the_start() {
    let (issuer, clock) = (FakeIssuer::start().await, TestClock::default());
    let url = issuer.url();
    let jwks_uri = format!("{url}{JWKS}");
    let start = || builder(&issuer, &clock).discover();
    for (metadata, told) in [
        (json!({"issuer": format!("{url}/"), "jwks_uri": jwks_uri}), "it names the issuer"),
        (json!({"issuer": url, "jwks_uri": "https://evil.example/keys"}), "another origin"),
        (
            json!({"issuer": url, "jwks_uri": jwks_uri, "introspection_endpoint": "http://127.0.0.1:1/i"}),
            "another origin",
        ),
        (json!({"issuer": url}), "not a metadata document"),
    ] {
        issuer.knobs().metadata = Some(metadata);
        let error = start().await.expect_err("refused");
        assert!(matches!(error, SetupError::Metadata(_)) && error.to_string().contains(told), "{error}");
    }
    issuer.knobs().metadata = None;
    issuer.knobs().instead.insert(METADATA, " ".repeat(70_000));
    assert!(start().await.expect_err("refused").to_string().contains("too large"));
    issuer.knobs().instead.clear();
    issuer.knobs().jwks = json!({"keys": []});
    let error = start().await.expect_err("refused");
    assert!(matches!(&error, SetupError::Keys(reason) if reason.contains("HS256")), "{error}");
    let nobody = Verifier::discover("http://127.0.0.1:1", "a").await.expect_err("refused");
    assert!(matches!(nobody, SetupError::Metadata(_)), "{nobody}");
}

#[tokio::test]
async fn endpoints_elsewhere_need_leave() {
    let (issuer, other, clock) = (FakeIssuer::start().await, FakeIssuer::start().await, TestClock::default());
    other.knobs().jwks = issuer.knobs().jwks.clone();
    let jwks_uri = format!("{}{JWKS}", other.url());
    issuer.knobs().metadata = Some(json!({"issuer": issuer.url(), "jwks_uri": jwks_uri}));
    assert!(builder(&issuer, &clock).discover().await.is_err());
    assert_eq!(other.asked(JWKS), 0);
    let verifier = builder(&issuer, &clock).allow_origin(other.url()).discover().await.expect("allowed");
    assert!(verifier.verify(&issuer.token(&[])).await.is_ok());
    assert_eq!(other.asked(JWKS), 1);
}

#[tokio::test]
async fn an_issuer_may_be_reached_at_another_address() {
    let (issuer, clock) = (FakeIssuer::start().await, TestClock::default());
    let name = "https://auth.example";
    issuer.knobs().metadata = Some(json!({"issuer": name, "jwks_uri": format!("{name}{JWKS}")}));
    let builder = Verifier::builder(name).audience("me").clock(clock).reach_at(issuer.url());
    let verifier = builder.discover().await.expect("reached");
    let token = issuer.token(&[("iss", json!(name)), ("aud", json!("me"))]);
    assert_eq!(verifier.verify(&token).await.expect("good").issuer(), name);
}

#[tokio::test]
async fn an_hs256_issuer_shares_its_secret() {
    let (issuer, clock) = (FakeIssuer::start().await, TestClock::default());
    issuer.knobs().jwks = json!({"keys": []});
    let key = portcullis_jose::SigningKey::generate(portcullis_jose::Algorithm::Hs256).expect("a key");
    let secret = key.to_secret_der();
    let kid = VerifyingKey::hs256_kid(&secret);
    let own = VerifyingKey::hs256(kid, &secret).expect("long enough");
    let verifier =
        builder(&issuer, &clock).trusted_key(own).discover().await.expect("no published key needed");
    let token = key.sign("at+jwt", issuer.claims().to_string().as_bytes()).expect("signs");
    assert!(verifier.verify(&token).await.is_ok());
    let other = portcullis_jose::SigningKey::generate(portcullis_jose::Algorithm::Hs256).expect("a key");
    let token = other.sign("at+jwt", issuer.claims().to_string().as_bytes()).expect("signs");
    assert!(verifier.verify(&token).await.is_err());
}

#[tokio::test]
async fn times_at_their_edges_with_and_without_the_cache() {
    for capacity in [0, 1000] {
        let (issuer, clock) = (FakeIssuer::start().await, TestClock::default());
        let verifier = builder(&issuer, &clock).cache_capacity(capacity).discover().await.expect("up");
        let token = issuer.token(&[("nbf", json!(START + 15)), ("exp", json!(START + 100))]);
        for (forward, good) in [(0, false), (9, false), (1, true), (94, true), (1, false), (1000, false)] {
            clock.forward(forward);
            assert_eq!(verifier.verify(&token).await.is_ok(), good, "{forward} later, capacity {capacity}");
            assert_eq!(verifier.verify(&token).await.is_ok(), good, "again");
        }
        assert!(verifier.verify_cached(&token).is_none(), "an expired token does not stay");
    }
}
