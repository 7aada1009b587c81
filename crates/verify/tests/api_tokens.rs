//! API tokens: asked about, remembered for five seconds, ended by the revocations.

mod support;

use portcullis_verify::{Cause, Ended, Outage, TokenKind, Verifier, VerifyError};
use serde_json::{Value, json};
use support::{
    FakeIssuer, START, TestClock, builder,
    issuer::{CLIENT, INTROSPECT, SECRET, opaque},
    setting,
};
use tokio::task::JoinSet;

const TOKEN: &str = "pct_0bPELAU4eqF0bPELAU4eqF0bPELAU4eqF0bPELAU4eqF18Apz0";
const OTHER: &str = "pct_0gkY6ThEBFQ0gkY6ThEBFQ0gkY6ThEBFQ0gkY6ThEBFQ2cDQan";

async fn with_credentials() -> (FakeIssuer, TestClock, Verifier) {
    let (issuer, clock) = (FakeIssuer::start().await, TestClock::default());
    issuer.api_token(TOKEN, &[]);
    let verifier = builder(&issuer, &clock).introspect_with(CLIENT, SECRET).discover().await.expect("up");
    (issuer, clock, verifier)
}

fn cause(answer: Result<portcullis_verify::Claims, VerifyError>) -> Cause {
    match answer {
        Err(VerifyError::InvalidToken(cause)) => cause,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn they_say_who_calls() {
    let (issuer, _clock, verifier) = with_credentials().await;
    issuer.api_token(
        TOKEN,
        &[
            ("sub", json!("bot-1")),
            ("role", json!("user")),
            ("account", json!("account-1")),
            ("account_role", json!("owner")),
            ("scope", json!("a b")),
            ("act", json!({"sub": "user-1"})),
            ("bot", json!(true)),
        ],
    );
    let claims = verifier.verify(TOKEN).await.expect("active");
    assert_eq!(
        (claims.user_id(), claims.session_id(), claims.kind()),
        ("bot-1", "api-token-1", TokenKind::ApiToken)
    );
    assert_eq!((claims.account(), claims.account_role()), (Some("account-1"), Some("owner")));
    assert_eq!((claims.actor(), claims.is_bot()), (Some("user-1"), true));
    assert!(claims.has_scope("a") && !claims.has_scope("c"));
    assert_eq!(claims.expires_at(), START + 900);
}

#[tokio::test]
async fn the_issuer_is_asked_once_in_five_seconds() {
    let (issuer, clock, verifier) = with_credentials().await;
    let mut waiting = JoinSet::new();
    for _ in 0..50 {
        let verifier = verifier.clone();
        waiting.spawn(async move { verifier.verify(TOKEN).await });
    }
    assert!(waiting.join_all().await.iter().all(Result::is_ok));
    assert_eq!(issuer.asked(INTROSPECT), 1, "one for fifty");
    clock.forward(4);
    assert!(verifier.verify_cached(TOKEN).expect("cached").is_ok());
    clock.forward(1);
    assert!(verifier.verify_cached(TOKEN).is_none());
    assert!(verifier.verify(TOKEN).await.is_ok());
    assert_eq!(issuer.asked(INTROSPECT), 2);
    issuer.knobs().tokens.clear();
    clock.forward(5);
    for _ in 0..3 {
        assert_eq!(cause(verifier.verify(TOKEN).await), Cause::Inactive);
    }
    assert_eq!(issuer.asked(INTROSPECT), 3, "that it is not active is remembered, too");
}

#[tokio::test]
async fn a_revoked_one_is_refused_without_asking() {
    let (issuer, _clock, verifier) = with_credentials().await;
    let claims = verifier.verify(TOKEN).await.expect("active");
    let ended = verifier.watch(&claims);
    issuer.revoke("api-token-1", None);
    assert_eq!(ended.await, Ended::Revoked);
    assert_eq!(cause(verifier.verify(TOKEN).await), Cause::Revoked);
    assert_eq!(issuer.asked(INTROSPECT), 1);
}

#[tokio::test]
async fn one_whose_rights_have_changed_is_asked_about_again_and_lives_on() {
    let (issuer, clock, verifier) = with_credentials().await;
    let before = verifier.verify(TOKEN).await.expect("active");
    assert_eq!(before.generation(), 1);
    let ended = verifier.watch(&before);
    issuer.api_token(TOKEN, &[("gen", json!(2)), ("scope", json!("a"))]);
    issuer.revoke("api-token-1", Some(1));
    assert_eq!(ended.await, Ended::Revoked, "a stream goes on with the new rights or not at all");
    for _ in 0..3 {
        let now = verifier.verify(TOKEN).await.expect("it lives on");
        assert_eq!((now.generation(), now.has_scope("b")), (2, false));
        tokio::select! {
            biased;
            why = verifier.watch(&now) => panic!("a stream would end: {why:?}"),
            () = std::future::ready(()) => {}
        }
        clock.forward(5);
    }
    assert_eq!(issuer.asked(INTROSPECT), 4, "as often as of any other");
}

#[tokio::test]
async fn an_issuer_that_is_behind_its_own_revocations_is_no_401() {
    let (issuer, _clock, verifier) = with_credentials().await;
    let ended = verifier.watch(&verifier.verify(TOKEN).await.expect("active"));
    issuer.revoke("api-token-1", Some(1));
    assert_eq!(ended.await, Ended::Revoked);
    // The node that is asked still says what was true before.
    let answer = verifier.verify(TOKEN).await;
    assert!(matches!(answer, Err(VerifyError::Unavailable { .. })), "{answer:?}");
    issuer.api_token(TOKEN, &[("gen", json!(2))]);
    assert!(verifier.verify(TOKEN).await.is_ok());
}

#[tokio::test]
async fn the_operators_claims_are_told() {
    let (issuer, _clock, verifier) = with_credentials().await;
    issuer.api_token(TOKEN, &[("user_id", json!(17)), ("plan", json!({"name": "team"}))]);
    let claims = verifier.verify(TOKEN).await.expect("active");
    assert_eq!(claims.claim_as::<u64>("user_id"), Some(17));
    assert_eq!(claims.claim("plan"), Some(&json!({"name": "team"})));
    let extra: Vec<_> = claims.as_access_claims().extra.keys().collect();
    assert_eq!(extra, ["plan", "user_id"], "nothing that is said of the answer");
}

#[tokio::test]
async fn so_many_wait_for_the_issuer_and_no_more() {
    const MOST: usize = 1_024;
    let (issuer, _clock, verifier) = with_credentials().await;
    issuer.knobs().silent = true;
    let mut asking = JoinSet::new();
    for number in 0..MOST + 7 {
        let verifier = verifier.clone();
        asking.spawn(async move { verifier.verify(&opaque(number)).await });
    }
    for _ in 0..7 {
        let answer = asking.join_next().await.expect("they are refused at once").expect("no panic");
        let Err(error @ VerifyError::Unavailable { cause: Outage::Introspection(_), .. }) = answer else {
            panic!("{answer:?}");
        };
        assert_eq!(error.status(), 503);
    }
    // One more with a token that is asked about already waits with who has asked.
    asking.spawn({
        let verifier = verifier.clone();
        async move { verifier.verify(&opaque(0)).await }
    });
    issuer.knobs().silent = false;
    issuer.wake();
    let answers = asking.join_all().await;
    assert_eq!(answers.len(), MOST + 1);
    assert!(answers.into_iter().all(|answer| cause(answer) == Cause::Inactive));
    assert_eq!(issuer.asked(INTROSPECT), MOST);
    assert!(verifier.verify(TOKEN).await.is_ok(), "there is room again");
}

#[tokio::test]
async fn it_expires_whatever_the_cache_says() {
    let (issuer, clock, verifier) = with_credentials().await;
    issuer.api_token(TOKEN, &[("exp", json!(START + 2))]);
    assert!(verifier.verify(TOKEN).await.is_ok());
    clock.forward(4);
    assert!(verifier.verify(TOKEN).await.is_ok(), "within the leeway");
    issuer.api_token(OTHER, &[("exp", Value::Null)]);
    clock.forward(3);
    assert!(verifier.verify(TOKEN).await.is_err());
    assert!(verifier.verify(OTHER).await.is_ok(), "imported ones may have no end");
}

#[tokio::test]
async fn answers_for_others_are_refused() {
    let (issuer, _clock, verifier) = with_credentials().await;
    for (number, (name, value)) in [
        ("iss", json!("http://other.example")),
        ("iss", Value::Null),
        ("aud", json!("http://other.example")),
        ("aud", json!([])),
        ("aud", Value::Null),
        ("sub", Value::Null),
        ("sid", Value::Null),
        ("sid", json!("")),
        ("gen", Value::Null),
        ("role", Value::Null),
        ("active", json!(false)),
    ]
    .into_iter()
    .enumerate()
    {
        let token = opaque(number);
        issuer.api_token(&token, &[(name, value.clone())]);
        let answer = verifier.verify(&token).await;
        assert!(matches!(answer, Err(VerifyError::InvalidToken(_))), "{name} {value}: {answer:?}");
    }
}

#[tokio::test]
async fn answers_that_cannot_be_read_are_the_issuers_fault() {
    let (issuer, _clock, verifier) = with_credentials().await;
    for text in [
        "",
        "{}",
        r#"{"active":"true"}"#,
        r#"{"active":true,"sub":1}"#,
        r#"{"active":false,"active":true}"#,
        &" ".repeat(70_000),
    ] {
        issuer.knobs().instead.insert(INTROSPECT, text.to_owned());
        let answer = verifier.verify(TOKEN).await;
        assert!(
            matches!(answer, Err(VerifyError::Unavailable { cause: Outage::Introspection(_), .. })),
            "{text:.20}"
        );
    }
    issuer.knobs().instead.clear();
    assert!(verifier.verify(TOKEN).await.is_ok(), "a failure is not remembered");
}

#[tokio::test]
async fn an_outage_is_no_401() {
    let (issuer, clock, verifier) = with_credentials().await;
    assert!(verifier.verify(TOKEN).await.is_ok());
    issuer.knobs().down = true;
    assert!(verifier.verify(TOKEN).await.is_ok(), "remembered");
    clock.forward(5);
    assert!(matches!(verifier.verify(TOKEN).await, Err(VerifyError::Unavailable { .. })));
    assert!(verifier.verify(&issuer.token(&[])).await.is_ok(), "a JWT needs nobody");
}

#[tokio::test]
async fn wrong_credentials_are_the_operators_slip() {
    let (issuer, clock) = (FakeIssuer::start().await, TestClock::default());
    issuer.api_token(TOKEN, &[]);
    let verifier = builder(&issuer, &clock).introspect_with(CLIENT, "wrong").discover().await.expect("up");
    let answer = verifier.verify(TOKEN).await;
    assert!(
        matches!(answer, Err(VerifyError::Unavailable { cause: Outage::Introspection(_), .. })),
        "{answer:?}"
    );
}

#[tokio::test]
async fn garbage_costs_the_issuer_nothing() {
    let (issuer, _clock, verifier) = with_credentials().await;
    for token in [
        "pct_",
        "pct_short",
        &format!("{TOKEN}-"),
        &TOKEN.repeat(2),
        // As long as one, but another checksum.
        &TOKEN.replace("z0", "z1"),
        &TOKEN.replace('A', "B"),
        "opaque-token-of-another-system",
        "a.b",
        "",
    ] {
        assert_eq!(cause(verifier.verify(token).await), Cause::Form, "{token}");
    }
    assert_eq!(issuer.asked(INTROSPECT), 0);
}

#[tokio::test]
async fn without_credentials_nobody_is_asked() {
    let (issuer, _clock, verifier) = setting().await;
    issuer.api_token(TOKEN, &[]);
    assert_eq!(cause(verifier.verify(TOKEN).await), Cause::ApiTokensOff);
    assert_eq!(issuer.asked(INTROSPECT), 0);
}

#[tokio::test]
async fn imported_tokens_are_asked_about_where_that_was_chosen() {
    let (issuer, clock) = (FakeIssuer::start().await, TestClock::default());
    let legacy = "9944b09199c62bcf9418ad846dd0e4bbdfc6ee4b";
    issuer.api_token(legacy, &[]);
    let builder = builder(&issuer, &clock).introspect_with(CLIENT, SECRET).accept_imported_tokens();
    let verifier = builder.discover().await.expect("up");
    assert_eq!(verifier.verify(legacy).await.expect("active").user_id(), "user-1");
    assert_eq!(cause(verifier.verify("another-opaque-token").await), Cause::Inactive);
    assert_eq!(cause(verifier.verify("pct_short").await), Cause::Form);
}
