//! Sessions that end: how soon that counts, what an issuer that is down means, streams.

mod support;

use std::{sync::Arc, time::Duration};

use portcullis_verify::{Cause, Claims, Ended, Metrics, OnStale, Outage, SetupError, VerifyError};
use serde_json::json;
use support::{FakeIssuer, TestClock, builder, issuer::FEED, setting};
use tokio::sync::Notify;

/// Rings after every answer of the feed.
#[derive(Clone, Default)]
struct Bell(Arc<Notify>);

impl Metrics for Bell {
    fn revocations(&self, _remembered: usize) {
        self.0.notify_one();
    }
}

fn revoked(answer: &Result<Claims, VerifyError>) -> bool {
    matches!(answer, Err(VerifyError::InvalidToken(Cause::Revoked)))
}

#[tokio::test]
async fn a_session_that_ends_takes_its_tokens_along() {
    let (issuer, _clock, verifier) = setting().await;
    let (token, other) = (issuer.token(&[]), issuer.token(&[("sid", json!("session-2"))]));
    let fresh = issuer.token(&[("jti", json!("not seen before"))]);
    let claims = verifier.verify(&token).await.expect("good");
    let others = verifier.verify(&other).await.expect("good");
    let ended = verifier.watch(&claims);
    issuer.revoke("session-1", None);
    assert_eq!(ended.await, Ended::Revoked);
    assert!(revoked(&verifier.verify(&token).await), "cached");
    assert!(revoked(&verifier.verify(&token).await), "and cached no more");
    assert!(revoked(&verifier.verify(&fresh).await), "not seen before");
    assert!(verifier.verify(&other).await.is_ok());
    let ended = verifier.watch(&others);
    issuer.revoke("session-2", None);
    assert_eq!(ended.await, Ended::Revoked);
    assert_eq!(verifier.watch(&others).await, Ended::Revoked, "at once");
}

#[tokio::test]
async fn who_holds_the_session_waits_for_its_end_and_not_for_the_tokens() {
    let (issuer, clock, verifier) = setting().await;
    let claims = verifier.verify(&issuer.token(&[])).await.expect("good");
    assert_eq!(verifier.recheck(&claims), Ok(()));
    let ended = tokio::spawn(verifier.watch_session(&claims));
    clock.forward(950);
    assert_eq!(verifier.watch(&claims).await, Ended::Expired);
    assert!(matches!(verifier.recheck(&claims), Err(VerifyError::InvalidToken(Cause::Jwt(_)))));
    assert!(!ended.is_finished(), "the session goes on");
    issuer.revoke("session-1", None);
    assert_eq!(ended.await.expect("no panic"), Ended::Revoked);
    assert_eq!(verifier.watch_session(&claims).await, Ended::Revoked, "at once");
}

#[tokio::test]
async fn claims_are_checked_again_without_the_token() {
    let (issuer, _clock, verifier) = setting().await;
    let claims = verifier.verify(&issuer.token(&[])).await.expect("good");
    let ended = verifier.watch_session(&claims);
    issuer.revoke("session-1", Some(u64::MAX));
    assert_eq!(ended.await, Ended::Revoked);
    assert!(matches!(verifier.recheck(&claims), Err(VerifyError::InvalidToken(Cause::Revoked))));
}

#[tokio::test]
async fn new_rights_end_older_generations_only() {
    let (issuer, _clock, verifier) = setting().await;
    let tokens = [6, 7, 8].map(|generation| issuer.token(&[("gen", json!(generation))]));
    let claims = verifier.verify(&tokens[1]).await.expect("good");
    let ended = verifier.watch(&claims);
    issuer.revoke("session-1", Some(7));
    assert_eq!(ended.await, Ended::Revoked);
    assert!(revoked(&verifier.verify(&tokens[0]).await) && revoked(&verifier.verify(&tokens[1]).await));
    assert!(verifier.verify(&tokens[2]).await.is_ok());
}

#[tokio::test]
async fn what_ended_before_the_start_is_known() {
    let (issuer, clock) = (FakeIssuer::start().await, TestClock::default());
    issuer.revoke("session-1", None);
    let verifier = builder(&issuer, &clock).discover().await.expect("up");
    assert!(revoked(&verifier.verify(&issuer.token(&[])).await));
}

#[tokio::test]
async fn an_issuer_that_was_set_back_is_followed_anew_and_nothing_is_taken_back() {
    let (issuer, _clock, verifier) = {
        let (issuer, clock) = (FakeIssuer::start().await, TestClock::default());
        issuer.revoke("session-1", None);
        let verifier = builder(&issuer, &clock).discover().await.expect("up");
        (issuer, clock, verifier)
    };
    let other = verifier.verify(&issuer.token(&[("sid", json!("session-2"))])).await.expect("good");
    {
        let mut knobs = issuer.knobs();
        knobs.epoch += 1;
        knobs.revoked.clear();
    }
    let ended = verifier.watch(&other);
    issuer.revoke("session-2", None);
    assert_eq!(ended.await, Ended::Revoked, "its cursor is unknown there, so it gets the whole list");
    assert!(revoked(&verifier.verify(&issuer.token(&[])).await));
}

#[tokio::test]
async fn a_long_list_comes_in_parts_and_counts_when_it_is_whole() {
    let (issuer, clock) = (FakeIssuer::start().await, TestClock::default());
    for number in 0..10 {
        issuer.revoke(&format!("session-{number}"), None);
    }
    issuer.knobs().page = 3;
    let verifier = builder(&issuer, &clock).discover().await.expect("up");
    assert!(issuer.asked(FEED) >= 4);
    for number in 0..10 {
        let token = issuer.token(&[("sid", json!(format!("session-{number}")))]);
        assert!(revoked(&verifier.verify(&token).await), "{number}");
    }
    assert!(verifier.verify(&issuer.token(&[("sid", json!("session-10"))])).await.is_ok());
}

#[tokio::test]
async fn a_crowded_issuer_is_asked_again_later() {
    let (issuer, clock) = (FakeIssuer::start().await, TestClock::default());
    issuer.knobs().crowded = true;
    let verifier = builder(&issuer, &clock).discover().await.expect("up");
    let claims = verifier.verify(&issuer.token(&[])).await.expect("good");
    issuer.revoke("session-1", None);
    assert_eq!(verifier.watch(&claims).await, Ended::Revoked);
    assert!(issuer.asked(FEED) <= 4, "{} times", issuer.asked(FEED));
}

#[tokio::test]
async fn an_answer_that_leads_nowhere_is_not_asked_for_without_end() {
    let (issuer, clock, bell) = (FakeIssuer::start().await, TestClock::default(), Bell::default());
    issuer.revoke("session-1", None);
    let builder = || builder(&issuer, &clock).metrics(bell.clone());
    let sessions = json!([issuer.knobs().revoked[0]]);
    for more in [false, true] {
        let again = json!({"cursor": "c", "complete": true, "sessions": sessions, "more": more});
        issuer.knobs().instead.insert(FEED, again.to_string());
        let _verifier = builder().build().expect("sound choices");
        // The first answer brings the cursor; from the second on it does not move.
        for _ in 0..2 {
            bell.0.notified().await;
        }
        let before = issuer.asked(FEED);
        // Without a pause about as many rounds would go by.
        for _ in 0..100 {
            issuer.request("/").await;
        }
        let rounds = issuer.asked(FEED) - before;
        assert!(rounds < 10, "{more}: asked {rounds} times");
    }
}

#[tokio::test]
async fn the_issuer_is_asked_to_wait() {
    let (issuer, clock, bell) = (FakeIssuer::start().await, TestClock::default(), Bell::default());
    let _verifier = builder(&issuer, &clock).metrics(bell.clone()).discover().await.expect("up");
    bell.0.notified().await;
    issuer.revoke("session-1", None);
    bell.0.notified().await;
    let asked: Vec<_> =
        issuer.knobs().asked.iter().filter(|asked| asked.starts_with(FEED)).cloned().collect();
    assert_eq!(asked[..2], [format!("{FEED}?wait=0"), format!("{FEED}?after=0%3A%2F0&wait=25")]);
}

#[tokio::test]
async fn the_app_chose_open() {
    let (issuer, clock, verifier) = setting().await;
    let token = issuer.token(&[]);
    issuer.knobs().down = true;
    clock.forward(800);
    assert!(verifier.verify(&token).await.is_ok());
}

#[tokio::test]
async fn the_app_chose_closed() {
    let (issuer, clock, bell) = (FakeIssuer::start().await, TestClock::default(), Bell::default());
    let on_stale = OnStale::Refuse { after: Duration::from_mins(1) };
    let verifier =
        builder(&issuer, &clock).on_stale(on_stale).metrics(bell.clone()).discover().await.expect("up");
    bell.0.notified().await;
    let token = issuer.token(&[]);
    let claims = verifier.verify(&token).await.expect("good");
    issuer.knobs().feed_down = true;
    clock.forward(59);
    assert!(verifier.verify(&token).await.is_ok(), "not too long yet");
    clock.forward(1);
    let fresh = issuer.token(&[("jti", json!("not seen before"))]);
    for token in [&token, &fresh] {
        let Err(VerifyError::Unavailable { cause, retry_after_seconds }) = verifier.verify(token).await
        else {
            panic!("too long");
        };
        assert_eq!(cause, Outage::Revocations);
        assert!(retry_after_seconds > 0);
    }
    assert_eq!(verifier.watch(&claims).await, Ended::Unknown);
    assert!(
        matches!(verifier.verify("a.b.c").await, Err(VerifyError::InvalidToken(_))),
        "that much is known"
    );
    issuer.knobs().feed_down = false;
    issuer.revoke("session-2", None);
    bell.0.notified().await;
    assert!(verifier.verify(&token).await.is_ok(), "news again");
}

#[tokio::test]
async fn who_never_knew_the_list_knows_nothing() {
    let (issuer, clock) = (FakeIssuer::start().await, TestClock::default());
    issuer.knobs().feed_down = true;
    for on_stale in [OnStale::Accept, OnStale::Refuse { after: Duration::from_mins(1) }] {
        let builder = || builder(&issuer, &clock).on_stale(on_stale);
        assert_eq!(builder().discover().await.map(|_| ()), Err(SetupError::Revocations));
        let verifier = builder().build().expect("sound choices");
        let answer = verifier.verify(&issuer.token(&[])).await;
        assert!(
            matches!(answer, Err(VerifyError::Unavailable { cause: Outage::Revocations, .. })),
            "{answer:?}"
        );
    }
    let without =
        builder(&issuer, &clock).without_revocations().discover().await.expect("does not need them");
    assert!(without.verify(&issuer.token(&[])).await.is_ok());
}

#[tokio::test]
async fn answers_that_are_no_lists_are_no_news() {
    let (issuer, clock) = (FakeIssuer::start().await, TestClock::default());
    let on_stale = OnStale::Refuse { after: Duration::from_mins(1) };
    for text in
        ["", "{}", r#"{"cursor":"c","complete":true,"sessions":[{"id":"x","exp":1}]}"#, &" ".repeat(9 << 20)]
    {
        issuer.knobs().instead.insert(FEED, text.to_owned());
        let answer = builder(&issuer, &clock).on_stale(on_stale).discover().await;
        assert_eq!(answer.map(|_| ()), Err(SetupError::Revocations), "{text:.20}");
    }
}

#[tokio::test]
async fn a_watch_ends_with_the_token() {
    let (issuer, clock, verifier) = setting().await;
    let claims = verifier.verify(&issuer.token(&[])).await.expect("good");
    let ended = tokio::spawn(verifier.watch(&claims));
    clock.forward(905);
    // Any revocation makes it look at the time.
    issuer.revoke("session-2", None);
    assert_eq!(ended.await.expect("no panic"), Ended::Expired);
    assert_eq!(verifier.watch(&claims).await, Ended::Expired);
}

#[tokio::test]
async fn the_last_verifier_takes_its_task_along() {
    let (issuer, clock, bell) = (FakeIssuer::start().await, TestClock::default(), Bell::default());
    let verifier = builder(&issuer, &clock).metrics(bell.clone()).discover().await.expect("up");
    let clone = verifier.clone();
    drop(verifier);
    assert!(clone.verify(&issuer.token(&[])).await.is_ok());
    assert_eq!(Arc::strong_count(&bell.0), 2, "the test's own and the verifier's");
    drop(clone);
    // What the task has kept goes with it.
    while Arc::strong_count(&bell.0) > 1 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn entries_that_nobody_can_read_do_not_matter() {
    let (issuer, _clock, verifier) = setting().await;
    let claims = verifier.verify(&issuer.token(&[])).await.expect("good");
    let ended = verifier.watch(&claims);
    let unknown = json!({"id": "A".repeat(43), "exp": 1, "reason": "later versions may say"});
    issuer.knobs().revoked.push(unknown);
    issuer.revoke("session-1", None);
    assert_eq!(ended.await, Ended::Revoked);
}
