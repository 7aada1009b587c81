//! Nobody is signed out by a race: one refresh, whoever waits.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use http::StatusCode;
use http_body_util::BodyExt as _;
use serde_json::json;

use crate::house::{House, claims};
use crate::upstream::{App, echo, text};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_requests_with_an_expired_token_wait_for_one_refresh() {
    let house = House::new().await;
    let browser = house.signed_in("ada").await;
    for round in 1..=3 {
        house.expire_access_tokens();
        let now = house.now();
        // All with the cookies as they were: none waits for another's answer.
        let old = browser.cookies();
        let tabs: Vec<_> = (0..50).map(|_| browser.with_cookies(old.clone())).collect();
        let replies = join_all(tabs.iter().map(|tab| tab.get("/"))).await;
        for reply in &replies {
            let authorization = reply.app_saw("authorization").unwrap_or_else(|| panic!("{}", reply.text()));
            assert!(claims(authorization)["exp"].as_i64().unwrap() > now);
        }
        assert_eq!(house.asked("/auth/refresh"), round);
        let sets: Vec<_> =
            replies.iter().map(|reply| reply.header("set-cookie").expect("the newer ones")).collect();
        assert!(sets.iter().all(|line| *line == sets[0]), "all get the same");
        assert_eq!(browser.get("/").await.status, 200);
        assert_eq!(house.asked("/auth/refresh"), round, "late for the first tab is not too late");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_share_a_session_by_the_issuers_rule() {
    let mut house = House::new().await;
    let browser = house.signed_in("ada").await;
    let other_at = house.another(|_| {}).await;
    house.expire_access_tokens();
    let old = browser.cookies();
    let other = crate::browser::Browser::new(other_at);
    let tabs: Vec<_> = (0..20)
        .map(|n| if n % 2 == 0 { browser.with_cookies(old.clone()) } else { other.with_cookies(old.clone()) })
        .collect();
    for reply in join_all(tabs.iter().map(|tab| tab.get("/"))).await {
        assert!(reply.app_saw("x-auth-user").is_some(), "{}", reply.text());
    }
    assert_eq!(house.asked("/auth/refresh"), 2, "one of each");
    house.expire_access_tokens();
    for tab in &tabs[..2] {
        assert!(tab.get("/").await.app_saw("x-auth-user").is_some());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_about_to_expire_is_renewed_while_the_app_answers() {
    // The issuer answers once the app has: the refresh is always the later one.
    let release = Arc::new(std::sync::OnceLock::<tokio::sync::watch::Sender<_>>::new());
    let releasing = release.clone();
    let app = App::start(move |request| {
        if let Some(held) = releasing.get() {
            held.send_replace(None);
        }
        echo(request)
    });
    let mut house = House::with(app.await, |_| {}).await;
    let browser = house.signed_in("ada").await;
    house.issuer.clock.advance(Duration::from_secs(15 * 60 - 30));
    house.hold(Some("/auth/refresh"));
    release.set(house.holding()).expect("once");
    let reply = browser.get("/").await;
    assert!(reply.app_saw("x-auth-user").is_some() && reply.sets_cookies(), "{}", reply.text());
    assert_eq!(house.asked("/auth/refresh"), 1);
    assert!(!browser.get("/").await.sets_cookies(), "and then no more");
    // Long after, a process that remembers nothing: what the browser holds is no token of the past.
    house.issuer.clock.advance(Duration::from_mins(20));
    let other = crate::browser::Browser::new(house.another(|_| {}).await).with_cookies(browser.cookies());
    assert_eq!(other.get("/auth/me").await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_do_not_wait_for_an_issuer_that_is_slow() {
    let house = House::new().await;
    let browser = house.signed_in("ada").await;
    house.issuer.clock.advance(Duration::from_secs(15 * 60 - 30));
    house.hold(Some("/auth/refresh"));
    for _ in 0..3 {
        let reply = browser.get("/").await;
        assert!(reply.app_saw("x-auth-user").is_some() && !reply.sets_cookies(), "{}", reply.text());
    }
    house.hold(None);
    portcullis_testkit::eventually(Duration::from_secs(5), "new cookies", async || {
        browser.get("/").await.sets_cookies().then_some(())
    })
    .await;
    assert_eq!(house.asked("/auth/refresh"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_copy_of_the_cookies_is_theft_after_the_grace() {
    let mut house = House::new().await;
    let browser = house.signed_in("ada").await;
    let copy = browser.cookies();
    house.expire_access_tokens();
    assert!(browser.get("/").await.app_saw("x-auth-user").is_some());
    house.issuer.clock.advance(Duration::from_mins(2));
    // A process that remembers nothing.
    let other_at = house.another(|config| config.require_sign_in = true).await;
    let thief = crate::browser::Browser::new(other_at).with_cookies(copy);
    let reply = thief.get("/").await;
    reply.refused(401, "invalid_token");
    assert!(!thief.cookies().contains_key("pc_gateway"), "the issuer has said that it is over");
    house.expire_access_tokens();
    assert_eq!(browser.get("/").await.app_saw("x-auth-user"), None, "for everybody");
}

/// An app that takes no token made before it was told to.
async fn picky(calls: Arc<AtomicUsize>, refuse: usize) -> App {
    App::start(move |request| {
        let calls = calls.clone();
        async move {
            if !request.uri().path().starts_with("/picky") || calls.fetch_add(1, Ordering::Relaxed) >= refuse
            {
                return echo(request).await;
            }
            let _ = request.into_body().collect().await;
            text(StatusCode::UNAUTHORIZED, "no")
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_401_of_the_app_is_tried_once_more_with_a_newer_token() {
    let calls = Arc::<AtomicUsize>::default();
    let house = House::with(picky(calls.clone(), 1).await, |_| {}).await;
    let browser = house.signed_in("ada").await;
    house.issuer.clock.advance(Duration::from_mins(2));
    let reply = browser.post("/picky", &json!({"x": 1})).await;
    assert_eq!((reply.status, reply.json["body"].as_str()), (200, Some(r#"{"x":1}"#)), "{}", reply.text());
    assert_eq!((calls.load(Ordering::Relaxed), house.asked("/auth/refresh")), (2, 1));
    assert!(reply.sets_cookies());
    let seen: Vec<_> = house.app.seen().into_iter().filter(|seen| seen.path == "/picky").collect();
    assert_ne!(seen[0].authorization, seen[1].authorization);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_401_for_a_new_token_is_the_apps_last_word() {
    let calls = Arc::<AtomicUsize>::default();
    let house = House::with(picky(calls.clone(), usize::MAX).await, |_| {}).await;
    let browser = house.signed_in("ada").await;
    assert_eq!(browser.get("/picky").await.status, 401);
    assert_eq!((calls.load(Ordering::Relaxed), house.asked("/auth/refresh")), (1, 0), "it was made just now");
    house.issuer.clock.advance(Duration::from_mins(2));
    assert_eq!(browser.get("/picky").await.status, 401);
    assert_eq!((calls.load(Ordering::Relaxed), house.asked("/auth/refresh")), (3, 1), "once, and no more");
    assert_eq!(house.browser().get("/picky").await.status, 401);
    assert_eq!(calls.load(Ordering::Relaxed), 4, "nobody has nothing newer");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_bodies_are_not_sent_twice() {
    let calls = Arc::<AtomicUsize>::default();
    let house = House::with(picky(calls.clone(), usize::MAX).await, |_| {}).await;
    let browser = house.signed_in("ada").await;
    house.issuer.clock.advance(Duration::from_mins(2));
    let body = |size: usize| Some(("text/plain", "x".repeat(size)));
    assert_eq!(browser.send(http::Method::POST, "/picky", body(64 * 1024 + 1)).await.status, 401);
    assert_eq!((calls.load(Ordering::Relaxed), house.asked("/auth/refresh")), (1, 0));
    assert_eq!(browser.send(http::Method::POST, "/picky", body(64 * 1024)).await.status, 401);
    assert_eq!((calls.load(Ordering::Relaxed), house.asked("/auth/refresh")), (3, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn new_cookies_go_out_with_whatever_is_answered() {
    let rules = vec![portcullis_core::access::Rule {
        host: None,
        path: portcullis_core::access::Prefix::parse("/admin").expect("a path"),
        methods: vec![],
        require: portcullis_core::access::Require::SignedIn(vec![
            portcullis_core::access::Requirement::Role(vec!["admin".into()]),
        ]),
        audience: None,
    }];
    let house = House::with(App::echo().await, |config| {
        config.rules = rules;
        // Nobody listens there.
        config.targets[0].url = "http://127.0.0.1:9".parse().expect("a URL");
    })
    .await;
    let browser = house.signed_in("ada").await;
    for (path, status) in [("/", 502), ("/admin", 403), ("/auth/nothing", 404)] {
        house.expire_access_tokens();
        let reply = browser.get(path).await;
        assert_eq!((reply.status, reply.sets_cookies()), (status, true), "{path}: {}", reply.text());
        house.issuer.clock.advance(Duration::from_mins(2));
        assert_eq!(browser.get("/auth/me").await.status, 200, "{path}: the refresh token is the newest");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_token_for_the_app_nobody_gets_in_and_nobody_is_signed_out() {
    let house = House::with(App::echo().await, |config| {
        config.require_sign_in = true;
        config.audience = "https://app.example".into();
    })
    .await;
    // The issuer knows no such audience.
    let browser = house.signed_in("ada").await;
    browser.get("/").await.refused(503, "issuer_unavailable");
    assert!(browser.cookies().contains_key("pc_gateway"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_role_comes_through_within_a_second() {
    let house = House::new().await;
    let browser = house.signed_in("ada").await;
    assert_eq!(browser.get("/").await.app_saw("x-auth-role"), Some("user"));
    let id = browser.get("/auth/me").await.json["id"].as_str().unwrap().parse().unwrap();
    assert!(house.issuer.cx.set_role(id, "editor").await.unwrap());
    portcullis_testkit::eventually(Duration::from_secs(5), "the new role", async || {
        let reply = browser.get("/").await;
        assert!(reply.app_saw("x-auth-user").is_some(), "nobody is signed out: {}", reply.text());
        (reply.app_saw("x-auth-role") == Some("editor")).then_some(())
    })
    .await;
}
