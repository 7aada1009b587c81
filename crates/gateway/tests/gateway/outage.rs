//! An issuer that is down takes nobody along.

use portcullis_core::access::{Prefix, Require, Rule};
use serde_json::json;

use crate::house::House;
use crate::upstream::App;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn good_access_tokens_keep_working_and_cookies_stay() {
    let mut house = House::new().await;
    let browser = house.signed_in("ada").await;
    let before = browser.cookies();
    let other_at = house.another(|_| {}).await;
    house.issuer_down(true);
    for at in [house.at, other_at] {
        let tab = crate::browser::Browser::new(at).with_cookies(before.clone());
        for _ in 0..3 {
            let reply = tab.get("/").await;
            assert!(reply.app_saw("x-auth-user").is_some(), "{}", reply.text());
            assert!(!reply.sets_cookies());
        }
    }
    house.expire_access_tokens();
    let reply = browser.get("/").await;
    reply.refused(503, "issuer_unavailable");
    assert!(reply.header("retry-after").is_some() && !reply.sets_cookies());
    let reply = browser.get("/auth/me").await;
    reply.refused(503, "issuer_unavailable");
    assert_eq!(browser.cookies(), before);
    assert_eq!(house.browser().get("/").await.status, 200, "strangers are none of its business");
    house.issuer_down(false);
    let reply = browser.get("/").await;
    assert!(reply.app_saw("x-auth-user").is_some(), "{}", reply.text());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_public_goes_on_as_nobodys() {
    let public = |path: &str| Rule {
        host: None,
        path: Prefix::parse(path).expect("a path"),
        methods: vec![],
        require: Require::Public,
        audience: None,
    };
    let house = House::with(App::echo().await, |config| config.rules = vec![public("/open")]).await;
    let browser = house.signed_in("ada").await;
    house.expire_access_tokens();
    house.issuer_down(true);
    let reply = browser.get("/open/page").await;
    assert_eq!((reply.status, reply.app_saw("x-auth-user")), (200, None), "{}", reply.text());
    assert!(!reply.sets_cookies());
    browser.get("/closed").await.refused(503, "issuer_unavailable");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sign_in_that_cannot_be_says_when_to_come_back() {
    let house = House::new().await;
    house.issuer_down(true);
    let body = json!({"email": "ada@example.org", "password": "x"});
    let reply = house.browser().post("/auth/login", &body).await;
    assert_ne!(reply.status, 200);
    assert!(!reply.sets_cookies());
}
