//! The cookie `pc_access`.

use std::time::Duration;

use portcullis_core::access::Require;
use portcullis_testkit::{Actor, Backend, TestApp};
use serde_json::json;

use super::{HOST, VERIFY, ask, malformed, passes, rule, set_rules};
use crate::on_both;
use crate::support::{admin, refused};

/// Somebody whose browser holds the access token of `actor` as a cookie of this name.
fn browser(app: &TestApp, actor: &Actor, name: &str) -> Actor {
    app.anon().with_header("cookie", &format!("a=b; {name}={}; c=d", actor.access_token.as_deref().unwrap()))
}

async fn app(backend: Backend) -> TestApp {
    TestApp::with(backend, |setup| {
        set_rules(setup, vec![rule("/public", Require::Public)]);
        setup.web.trusted_origins = vec!["https://sibling.example".into()];
    })
    .await
}

on_both! {
    async fn a_browser_is_known_by_it_until_its_session_ends(backend: Backend) {
        let app = app(backend).await;
        let ada = app.sign_up("ada").await;
        let browser = browser(&app, &ada, "pc_access");
        passes(&ask(&browser, "GET", "/x").await, ada.user.as_deref());
        passes(&ask(&browser, "GET", "/public").await, ada.user.as_deref());
        ada.post("/auth/logout", &json!({})).await;
        refused(&ask(&browser, "GET", "/x").await, 401, "invalid_token");
        passes(&ask(&browser, "GET", "/public").await, None);
    }

    async fn an_expired_one_is_nobody(backend: Backend) {
        let app = app(backend).await;
        let browser = browser(&app, &app.sign_up("ada").await, "pc_access");
        app.clock.advance(Duration::from_mins(15));
        refused(&ask(&browser, "GET", "/x").await, 401, "invalid_token");
        passes(&ask(&browser, "GET", "/public").await, None);
    }
}

#[tokio::test]
async fn only_the_one_name_counts() {
    for (public_url, domain, right) in [
        ("http://localhost:8400", None, "pc_access"),
        ("https://localhost", None, "__Host-pc_access"),
        ("https://localhost", Some("example.com"), "__Secure-pc_access"),
    ] {
        let app = TestApp::with(Backend::Sqlite, |setup| {
            setup.web.public_url = public_url.parse().unwrap();
            setup.web.cookie_domain = domain.map(str::to_owned);
        })
        .await;
        let ada = app.sign_up("ada").await;
        for name in [
            "pc_access",
            "__Host-pc_access",
            "__Secure-pc_access",
            "PC_ACCESS",
            "pc_refresh",
            "pc_act_access",
        ] {
            let reply = ask(&browser(&app, &ada, name), "GET", "/x").await;
            let acting = right.replace("pc_access", "pc_act_access");
            match name {
                _ if name == right => passes(&reply, ada.user.as_deref()),
                // Read, and nothing that belongs there.
                _ if name == acting => refused(&reply, 401, "invalid_token"),
                _ => refused(&reply, 401, "missing_token"),
            }
        }
    }
}

on_both! {
    async fn while_acting_that_session_is_the_one(backend: Backend) {
        let app = app(backend).await;
        let (root, bob) = (admin(&app, "root").await, app.sign_up("bob").await);
        let begin = format!("/admin/api/users/{}/impersonate", bob.user.as_deref().unwrap());
        let reply = root.post(&begin, &json!({"reason": "x"})).await;
        let token = reply.json["access_token"].as_str().unwrap();
        let both = browser(&app, &root, "pc_access");
        let acting = both.with_header("cookie", &format!("pc_act_access={token}"));
        let reply = ask(&acting, "GET", "/x").await;
        passes(&reply, bob.user.as_deref());
        assert_eq!(reply.header("x-auth-actor"), root.user.as_deref());
        // Each counts in its own cookie alone.
        let own = root.access_token.as_deref().unwrap();
        for (name, token) in [("pc_access", token), ("pc_act_access", own)] {
            let swapped = app.anon().with_header("cookie", &format!("{name}={token}"));
            refused(&ask(&swapped, "GET", "/x").await, 401, "invalid_token");
        }
        let planted = both.with_header("cookie", &format!("pc_act_access={}", bob.access_token.as_deref().unwrap()));
        refused(&ask(&planted, "GET", "/x").await, 401, "invalid_token");
        // It does not turn back into the other when it is over, or went astray.
        app.anon().bearing(Some(token)).post("/auth/logout", &json!({})).await;
        refused(&ask(&acting, "GET", "/x").await, 401, "invalid_token");
        let astray = both.with_header("cookie", "pc_act_refresh=x");
        refused(&ask(&astray, "GET", "/x").await, 401, "invalid_token");
        passes(&ask(&both, "GET", "/x").await, root.user.as_deref());
        for twice in ["pc_act_access=a; pc_act_access=a", "pc_act_refresh=a; pc_act_refresh=a"] {
            malformed(&ask(&both.with_header("cookie", twice), "GET", "/x").await);
        }
    }

    async fn never_the_refresh_cookie(backend: Backend) {
        let app = app(backend).await;
        let ada = app.sign_up("ada").await;
        for name in ["pc_refresh", "pc_access"] {
            let token = ada.refresh_token.as_deref().unwrap();
            let browser = app.anon().with_header("cookie", &format!("{name}={token}"));
            let code = if name == "pc_access" { "invalid_token" } else { "missing_token" };
            refused(&ask(&browser, "GET", "/x").await, 401, code);
        }
    }
}

#[tokio::test]
async fn what_cannot_be_read_never_passes() {
    let app = app(Backend::Sqlite).await;
    let ada = app.sign_up("ada").await;
    let token = ada.access_token.clone().unwrap();
    for line in [
        format!("pc_access={token}; pc_access={token}"),
        format!("pc_access={token}; pc_access="),
        format!("pc_access=; pc_access={token}"),
        format!("pc_access=\"{token}\""),
        format!("pc_access={token},x"),
        format!("pc_access={token}\u{fc}"),
        format!("pc_access={token} x"),
    ] {
        for target in ["/x", "/public"] {
            for actor in [&app.anon(), &ada] {
                malformed(&ask(&actor.with_header("cookie", &line), "GET", target).await);
            }
        }
    }
    let two_lines = browser(&app, &ada, "pc_access").with_header("cookie", &format!("pc_access={token}"));
    malformed(&ask(&two_lines, "GET", "/x").await);
    for value in ["", "garbage", "a.b.c", "..", &format!("{token}.x"), &token[1..]] {
        let browser = app.anon().with_header("cookie", &format!("pc_access={value}"));
        refused(&ask(&browser, "GET", "/x").await, 401, "invalid_token");
        passes(&ask(&browser, "GET", "/public").await, None);
    }
}

#[tokio::test]
async fn a_bearer_beside_it_is_the_one_who_asks() {
    let app = app(Backend::Sqlite).await;
    let (ada, bob) = (app.sign_up("ada").await, app.sign_up("bob").await);
    let both = browser(&app, &ada, "pc_access").bearing(bob.access_token.as_deref());
    passes(&ask(&both, "GET", "/x").await, bob.user.as_deref());
    passes(&ask(&both, "POST", "/x").await, bob.user.as_deref());
    refused(&ask(&both.bearing(Some("garbage")), "GET", "/x").await, 401, "invalid_token");
    let basic = browser(&app, &ada, "pc_access").with_header("authorization", "Basic dTpw");
    refused(&ask(&basic, "GET", "/x").await, 401, "malformed_authorization");
}

#[tokio::test]
async fn what_may_change_something_must_come_from_a_page_that_may() {
    let app = app(Backend::Sqlite).await;
    let ada = app.sign_up("ada").await;
    let browser = browser(&app, &ada, "pc_access");
    let user = ada.user.as_deref();
    let good: [&[(&str, &str)]; 7] = [
        &[("origin", "https://app.example")],
        &[("origin", "https://app.example"), ("sec-fetch-site", "same-origin")],
        &[("origin", "https://app.example"), ("sec-fetch-site", "none")],
        &[("referer", "https://app.example/form?x=1")],
        &[("origin", "http://localhost:8400")],
        &[("origin", "https://sibling.example"), ("sec-fetch-site", "cross-site")],
        &[("origin", "https://sibling.example"), ("sec-fetch-site", "same-site")],
    ];
    let bad: [&[(&str, &str)]; 13] = [
        &[],
        &[("sec-fetch-site", "same-origin")],
        &[("origin", "null")],
        &[("origin", "https://evil.example")],
        &[("origin", "http://app.example")],
        &[("origin", "https://app.example:8443")],
        &[("origin", "https://app.example.evil.example")],
        &[("origin", "https://app.example"), ("origin", "https://app.example")],
        &[("origin", "https://app.example"), ("sec-fetch-site", "cross-site")],
        &[("origin", "https://app.example"), ("sec-fetch-site", "same-site")],
        &[("origin", "https://evil.example"), ("referer", "https://app.example/")],
        &[("referer", "https://evil.example/https://app.example/")],
        &[("referer", "/form")],
    ];
    let from = |headers: &[(&str, &str)]| {
        headers.iter().fold(browser.clone(), |actor, (name, value)| actor.with_header(name, value))
    };
    for (method, upgrade) in
        [("POST", None), ("DELETE", None), ("PURGE", None), ("GET", Some("sec-websocket-key"))]
    {
        let with = |actor: Actor| upgrade.map_or(actor.clone(), |name| actor.with_header(name, "x"));
        for headers in good {
            passes(&ask(&with(from(headers)), method, "/x").await, user);
        }
        for headers in bad {
            let actor = with(from(headers));
            refused(&ask(&actor, method, "/x").await, 403, "csrf_failed");
            // Where nobody is asked for, nobody passes: not the one whose cookie came along.
            passes(&ask(&actor, method, "/public").await, None);
        }
    }
    for headers in bad {
        passes(&ask(&from(headers), "GET", "/x").await, user);
        passes(&ask(&ada, "POST", "/x").await, user);
    }
    // The port is part of an origin.
    let at_port = from(&[("origin", "https://app.example:8443")]);
    passes(&at_port.proxied("POST", "app.example:8443", "/x").get(VERIFY).await, user);
    refused(&at_port.proxied("POST", HOST, "/x").get(VERIFY).await, 403, "csrf_failed");
}
