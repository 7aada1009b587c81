//! People in front of browsers are sent to sign in; programs are told.

use std::time::Duration;

use portcullis_core::access::{Require, Requirement};
use portcullis_testkit::{Actor, Backend, PASSWORD, Reply, TestApp};
use portcullis_web::ForwardStyle;

use super::{PAGE, VERIFY, app_with, ask, passes, role, rule, set_rules};
use crate::support::{common_headers, credentials, made, refused};

const SIGN_IN: &str =
    "http://localhost:8400/sign-in?return_to=https%3A%2F%2Fapp.example%2Fa%2Fb%3Fc%3Dd%2526e";

fn fresh() -> Require {
    Require::SignedIn(vec![Requirement::Fresh(Duration::from_mins(10))])
}

async fn app(style: ForwardStyle) -> TestApp {
    TestApp::with(Backend::Sqlite, |setup| {
        setup.web.forward_style = style;
        setup.web.return_urls = vec!["https://app.example".into(), "https://shop.example/done".into()];
        set_rules(
            setup,
            vec![rule("/pay", fresh()), rule("/admin", role("admin")), rule("/public", Require::Public)],
        );
    })
    .await
}

fn page(actor: &Actor) -> Actor {
    actor.with_header("accept", PAGE).with_header("sec-fetch-mode", "navigate")
}

#[track_caller]
fn sent_to(reply: &Reply, place: &str) {
    assert_eq!((reply.status, reply.header("location")), (302, Some(place)), "{}", reply.text());
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    assert!(reply.body.is_empty());
    common_headers(reply);
}

#[tokio::test]
async fn a_page_is_sent_to_sign_in_and_knows_where_it_was() {
    let app = app(ForwardStyle::Traefik).await;
    let anon = app.anon();
    sent_to(&ask(&page(&anon), "GET", "/a/b?c=d%26e").await, SIGN_IN);
    // Older browsers do not say that they navigate.
    sent_to(&ask(&anon.with_header("accept", PAGE), "GET", "/a/b?c=d%26e").await, SIGN_IN);
    let expired = app.sign_up("ada").await;
    let cookie = format!("pc_access={}", expired.access_token.unwrap());
    app.clock.advance(Duration::from_mins(15));
    sent_to(&ask(&page(&anon).with_header("cookie", &cookie), "GET", "/a/b?c=d%26e").await, SIGN_IN);
    passes(&ask(&page(&anon), "GET", "/public").await, None);
}

#[tokio::test]
async fn programs_are_told() {
    let app = app(ForwardStyle::Caddy).await;
    let (anon, ada) = (app.anon(), app.sign_up("ada").await);
    for actor in [
        anon.clone(),
        anon.with_header("accept", "application/json"),
        anon.with_header("accept", "*/*"),
        anon.with_header("accept", "application/json, text/htmlx2").with_header("accept", "text/plain"),
        anon.with_header("accept", PAGE).with_header("sec-fetch-mode", "cors"),
        anon.with_header("accept", PAGE).with_header("x-requested-with", "XMLHttpRequest"),
        page(&anon).with_header("upgrade", "websocket"),
    ] {
        let reply = ask(&actor, "GET", "/a").await;
        refused(&reply, 401, "missing_token");
    }
    for method in ["POST", "PUT", "HEAD", "OPTIONS"] {
        refused(&ask(&page(&anon), method, "/a").await, 401, "missing_token");
    }
    refused(&ask(&page(&ada).bearing(Some("garbage")), "GET", "/a").await, 401, "invalid_token");
}

#[tokio::test]
async fn nobody_is_sent_through_us_to_another_site() {
    let app = app(ForwardStyle::Traefik).await;
    let anon = page(&app.anon());
    for host in
        ["evil.example", "app.example.evil.example", "app.example:8443", "shop.example", "xapp.example"]
    {
        refused(&anon.proxied("GET", host, "/done/x").get(VERIFY).await, 401, "missing_token");
    }
    let one = "http://localhost:8400/sign-in?return_to=https%3A%2F%2Fshop.example%2Fdone";
    sent_to(&anon.proxied("GET", "shop.example", "/done").get(VERIFY).await, one);
    let own = "http://localhost:8400/sign-in?return_to=https%3A%2F%2Fapp.example%2F%3Freturn_to%3Dhttps%3A%2F%2Fevil.example";
    sent_to(&ask(&anon, "GET", "/?return_to=https://evil.example").await, own);
    let closed = app_with(Backend::Sqlite, vec![]).await;
    refused(&ask(&page(&closed.anon()), "GET", "/").await, 401, "missing_token");
}

#[tokio::test]
async fn only_what_a_sign_in_helps_against_leads_there() {
    let app = app(ForwardStyle::Traefik).await;
    let ada = app.sign_up("ada").await;
    let browser = page(&app.anon())
        .with_header("cookie", &format!("pc_access={}", ada.access_token.as_deref().unwrap()));
    refused(&ask(&browser, "GET", "/admin").await, 403, "forbidden");
    passes(&ask(&browser, "GET", "/pay").await, ada.user.as_deref());
    app.clock.advance(Duration::from_secs(601));
    let again = "http://localhost:8400/sign-in?return_to=https%3A%2F%2Fapp.example%2Fpay&max_age=600";
    sent_to(&ask(&browser, "GET", "/pay").await, again);
    refused(&ask(&page(&ada), "GET", "/pay").await, 403, "fresh_login_required");
    let twice = browser.with_header("cookie", "pc_access=x");
    refused(&ask(&twice, "GET", "/a").await, 400, "malformed_request");
    refused(&ask(&browser, "GET", "/a/../b").await, 400, "malformed_request");
}

#[tokio::test]
async fn whoever_must_change_the_password_is_sent_to_do_so() {
    const CHANGE: &str = "http://localhost:8400/account/password?return_to=https%3A%2F%2Fapp.example%2Fa";
    for style in [ForwardStyle::Traefik, ForwardStyle::Nginx] {
        let app = app(style).await;
        made(&app, "ada", |request| request.must_change_password = true).await;
        let signed_in = app.anon().post("/auth/login", &credentials("ada", PASSWORD)).await;
        let token = signed_in.json["access_token"].as_str().unwrap();
        let browser = app.anon().with_header("cookie", &format!("pc_access={token}"));
        let ask = async |actor: &Actor, target: &str| match style {
            ForwardStyle::Nginx => {
                let secret = portcullis_testkit::app::FORWARD_SECRET;
                let actor = actor.with_header("x-portcullis-forward", secret);
                let url = format!("https://app.example{target}");
                actor
                    .with_header("x-original-method", "GET")
                    .with_header("x-original-url", &url)
                    .get(VERIFY)
                    .await
            }
            _ => ask(actor, "GET", target).await,
        };
        let reply = ask(&page(&browser), "/a").await;
        if style == ForwardStyle::Nginx {
            refused(&reply, 403, "password_change_required");
            assert_eq!(reply.header("x-portcullis-redirect"), Some(CHANGE));
        } else {
            sent_to(&reply, CHANGE);
        }
        // Programs are told, and so are bearers.
        for program in [browser, page(&app.anon().bearing(Some(token)))] {
            let reply = ask(&program, "/a").await;
            refused(&reply, 403, "password_change_required");
            assert_eq!(reply.header("x-portcullis-redirect"), None);
        }
    }
}

#[tokio::test]
async fn nginx_is_told_beside_the_refusal() {
    let app = app(ForwardStyle::Nginx).await;
    let ask = async |actor: &Actor, url: &str| {
        let actor = actor.with_header("x-portcullis-forward", portcullis_testkit::app::FORWARD_SECRET);
        actor.with_header("x-original-method", "GET").with_header("x-original-url", url).get(VERIFY).await
    };
    let reply = ask(&page(&app.anon()), "https://app.example/a/b?c=d%26e").await;
    refused(&reply, 401, "missing_token");
    assert_eq!(reply.header("x-portcullis-redirect"), Some(SIGN_IN));
    let ada = app.sign_up("ada").await;
    app.clock.advance(Duration::from_secs(601));
    let browser = page(&app.anon())
        .with_header("cookie", &format!("pc_access={}", ada.access_token.as_deref().unwrap()));
    let reply = ask(&browser, "https://app.example/pay").await;
    refused(&reply, 403, "fresh_login_required");
    assert!(reply.header("x-portcullis-redirect").unwrap().ends_with("&max_age=600"));
    for (actor, url) in [(page(&app.anon()), "https://evil.example/a"), (app.anon(), "https://app.example/a")]
    {
        let reply = ask(&actor, url).await;
        refused(&reply, 401, "missing_token");
        assert_eq!(reply.header("x-portcullis-redirect"), None);
    }
}
