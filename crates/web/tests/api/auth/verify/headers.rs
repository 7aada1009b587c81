//! Who may ask, and the one family of headers that is read.

use portcullis_testkit::app::FORWARD_SECRET;
use portcullis_testkit::{Actor, Backend, TestApp};
use portcullis_web::ForwardStyle;

use super::{HOST, VERIFY, ask, malformed, passes};
use crate::support::{claims_of, refused};

const FORWARD: &str = "x-portcullis-forward";

#[tokio::test]
async fn a_proxy_with_the_secret_is_told_who_it_is() {
    let app = TestApp::new(Backend::Sqlite).await;
    let ada = app.sign_up("ada").await;
    let claims = claims_of(&ada);
    for path in ["/auth/verify", "/auth/verify/"] {
        let reply = ada.proxied("GET", HOST, "/x").get(path).await;
        passes(&reply, claims["sub"].as_str());
        assert_eq!(reply.header("x-auth-role"), Some("user"));
        assert_eq!(reply.header("x-auth-account"), claims["account"].as_str());
        assert_eq!(reply.header("x-auth-actor"), Some(""));
        assert_eq!(reply.header("x-auth-scopes"), Some(""));
    }
    ada.post("/auth/logout", &serde_json::json!({})).await;
    refused(&ask(&ada, "GET", "/x").await, 401, "invalid_token");
    refused(&ask(&app.anon(), "GET", "/x").await, 401, "missing_token");
}

#[tokio::test]
async fn for_everybody_else_it_is_not_there() {
    let app = TestApp::new(Backend::Sqlite).await;
    let plain = app.sign_up("ada").await;
    // The headers of the family, without the secret.
    let ada = family(&plain, &FORWARDED);
    let twice = ada.with_header(FORWARD, FORWARD_SECRET).with_header(FORWARD, FORWARD_SECRET);
    let longer = format!("{FORWARD_SECRET}x");
    let others = [
        plain.clone(),
        ada.clone(),
        ada.with_header(FORWARD, ""),
        ada.with_header(FORWARD, &longer),
        ada.with_header(FORWARD, &FORWARD_SECRET[1..]),
        ada.with_header(FORWARD, &FORWARD_SECRET.to_uppercase()),
        ada.from_address("127.0.0.1"),
        twice,
    ];
    for actor in others {
        refused(&actor.get(VERIFY).await, 404, "not_found");
    }
    assert_eq!(ada.with_header(FORWARD, FORWARD_SECRET).get(VERIFY).await.status, 200);
    let without = TestApp::with(Backend::Sqlite, |setup| setup.web.forward_secret = None).await;
    let bob = family(&without.sign_up("bob").await, &FORWARDED);
    for secret in ["", FORWARD_SECRET] {
        refused(&bob.with_header(FORWARD, secret).get(VERIFY).await, 404, "not_found");
    }
}

#[tokio::test]
async fn the_account_is_left_out_of_no_answer_by_a_strange_role() {
    let app = TestApp::new(Backend::Sqlite).await;
    let mut ada = app.sign_up("ada").await;
    app.cx.set_role(crate::support::user_id(&ada), "night-shift_2").await.unwrap();
    assert_eq!(ada.refresh().await.status, 200);
    assert_eq!(ask(&ada, "GET", "/").await.header("x-auth-role"), Some("night-shift_2"));
}

const FORWARDED: [(&str, &str); 4] = [
    ("x-forwarded-method", "GET"),
    ("x-forwarded-proto", "https"),
    ("x-forwarded-host", HOST),
    ("x-forwarded-uri", "/x?y=z"),
];
const ORIGINAL: [(&str, &str); 2] =
    [("x-original-method", "GET"), ("x-original-url", "https://app.example/x?y=z")];

fn family(actor: &Actor, headers: &[(&str, &str)]) -> Actor {
    headers.iter().fold(actor.clone(), |actor, (name, value)| actor.with_header(name, value))
}

#[tokio::test]
async fn each_style_reads_its_own_family_alone() {
    let app = TestApp::new(Backend::Sqlite).await;
    for (style, own, other) in [
        (ForwardStyle::Traefik, &FORWARDED[..], &ORIGINAL[..]),
        (ForwardStyle::Caddy, &FORWARDED, &ORIGINAL),
        (ForwardStyle::Envoy, &FORWARDED, &ORIGINAL),
        (ForwardStyle::Nginx, &ORIGINAL, &FORWARDED),
    ] {
        let node = app.another(|setup| setup.web.forward_style = style).await;
        let name = format!("{style:?}").to_lowercase();
        let actor = node.sign_up(&name).await.with_header(FORWARD, FORWARD_SECRET);
        passes(&family(&actor, own).get(VERIFY).await, actor.user.as_deref());
        malformed(&actor.get(VERIFY).await);
        malformed(&family(&actor, other).get(VERIFY).await);
        malformed(&family(&family(&actor, own), other).get(VERIFY).await);
        for line in other {
            malformed(&family(&family(&actor, own), &[*line]).get(VERIFY).await);
        }
        for (at, line) in own.iter().enumerate() {
            let rest: Vec<_> =
                own.iter().enumerate().filter(|(other, _)| *other != at).map(|(_, line)| *line).collect();
            malformed(&family(&actor, &rest).get(VERIFY).await);
            malformed(&family(&family(&actor, own), &[*line]).get(VERIFY).await);
            for bad in ["", " ", "\u{fc}", "a b"] {
                malformed(&family(&family(&actor, &rest), &[(line.0, bad)]).get(VERIFY).await);
            }
        }
    }
}

#[tokio::test]
async fn what_cannot_be_judged_is_malformed_for_everybody() {
    let app = TestApp::new(Backend::Sqlite).await;
    let ada = app.sign_up("ada").await;
    for actor in [&ada, &app.anon()] {
        for method in ["get", "GET,POST", "G(T", "\u{fc}"] {
            malformed(&actor.proxied(method, HOST, "/").get(VERIFY).await);
        }
        for host in ["app.example, evil.example", "a@b", "a/b", "[::1", "a..b", "a:port", "a#b"] {
            malformed(&actor.proxied("GET", host, "/").get(VERIFY).await);
        }
        for target in
            ["x", "*", "//evil.example/x", "/a/../b", "/a#b", "/a\\b", "/%2e%2e/a", "/%00", "https://a/b"]
        {
            malformed(&actor.proxied("GET", HOST, target).get(VERIFY).await);
        }
    }
}
