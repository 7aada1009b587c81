//! Requests across origins.

use http::Method;
use portcullis_testkit::app::Browser;
use portcullis_testkit::{Backend, Reply, TestApp};
use serde_json::json;

use super::signed_in;
use crate::support::{private, refused};

const APP: &str = "https://app.example.org";
const EXPOSED: &str = "Date, ETag, RateLimit, RateLimit-Policy, Retry-After, WWW-Authenticate, X-Request-Id";

async fn app() -> TestApp {
    TestApp::with(Backend::Sqlite, |setup| {
        setup.web.cors_origins = vec![APP.into(), "https://other.example.org:8443".into()];
        setup.web.trusted_origins = vec![APP.into()];
    })
    .await
}

fn from(app: &TestApp, origin: &str) -> Browser {
    app.browser().saying(&[("origin", origin), ("sec-fetch-site", "cross-site")])
}

async fn preflight(page: &Browser, method: &str, path: &str) -> Reply {
    let page = page
        .with_header("access-control-request-method", method)
        .with_header("access-control-request-headers", "authorization,content-type,x-csrftoken");
    page.send(Method::OPTIONS, path, None).await
}

/// Asserts that the page at `origin` may read the answer, or that nobody may.
#[track_caller]
fn readable(reply: &Reply, origin: Option<&str>) {
    assert_eq!(reply.header("access-control-allow-origin"), origin);
    assert_eq!(reply.header("access-control-allow-credentials"), origin.map(|_| "true"));
    assert_eq!(reply.header("access-control-expose-headers"), origin.map(|_| EXPOSED));
}

#[tokio::test]
async fn off_by_default() {
    let app = TestApp::new(Backend::Sqlite).await;
    for origin in [APP, "http://localhost:8400", "null"] {
        let page = from(&app, origin);
        let reply = page.get("/auth/config").await;
        readable(&reply, None);
        assert_eq!(reply.header("vary"), None);
        refused(&preflight(&page, "POST", "/auth/login").await, 405, "method_not_allowed");
    }
}

#[tokio::test]
async fn listed_origins_by_name_with_cookies() {
    let app = app().await;
    for origin in [APP, "https://other.example.org:8443"] {
        let page = from(&app, origin);
        for (method, path) in [("POST", "/auth/login"), ("PATCH", "/auth/me"), ("DELETE", "/auth/tokens/x")] {
            let reply = preflight(&page, method, path).await;
            assert_eq!((reply.status, reply.body.len()), (204, 0));
            readable(&reply, Some(origin));
            let methods = "GET, HEAD, POST, PUT, PATCH, DELETE";
            assert_eq!(reply.header("access-control-allow-methods"), Some(methods));
            let headers = "Authorization, Content-Type, If-None-Match, X-CSRFToken, X-Request-Id";
            assert_eq!(reply.header("access-control-allow-headers"), Some(headers));
            assert_eq!(reply.header("access-control-max-age"), Some("600"));
            assert_eq!(reply.header("vary"), Some("Origin"));
        }
        // Answers of every kind can be read, and errors above all.
        for path in ["/auth/config", "/auth/me", "/nothing", "/.well-known/jwks.json", "/health/live"] {
            let reply = page.get(path).await;
            readable(&reply, Some(origin));
            assert_eq!(reply.header("vary"), Some("Origin"), "{path}");
        }
        let wrong_host = page.with_header("host", "evil.example").get("/auth/me").await;
        assert_eq!(wrong_host.status, 421);
    }
}

#[tokio::test]
async fn others_are_not_told_anything() {
    let app = app().await;
    for origin in [
        "https://evil.example",
        "http://app.example.org",
        "https://app.example.org:443",
        "https://app.example.org/",
        "https://APP.example.org",
        "https://x.app.example.org",
        "https://app.example.org.evil.example",
        "null",
        "*",
        "",
    ] {
        let page = from(&app, origin);
        let reply = page.get("/auth/config").await;
        readable(&reply, None);
        assert_eq!(reply.header("vary"), Some("Origin"), "a cache keeps them apart");
        let reply = preflight(&page, "POST", "/auth/login").await;
        refused(&reply, 405, "method_not_allowed");
        readable(&reply, None);
    }
    let twice = from(&app, APP).with_header("origin", APP);
    readable(&twice.get("/auth/config").await, None);
    // What is public stays so, without cookies.
    let public = from(&app, "https://evil.example").get("/.well-known/jwks.json").await;
    assert_eq!(public.header("access-control-allow-origin"), Some("*"));
    assert_eq!(public.header("access-control-allow-credentials"), None);
}

#[tokio::test]
async fn an_app_of_another_origin_signs_in_and_refreshes() {
    let app = app().await;
    let own = signed_in(&app, "ada", "cookie").await;
    drop(own);
    let mut page = from(&app, APP);
    let reply = page.sign_in("ada", "cookie").await;
    readable(&reply, Some(APP));
    let reply = page.refresh().await;
    private(&reply, 200);
    readable(&reply, Some(APP));
    // To be listed for reading is not to be trusted.
    let other = from(&app, "https://other.example.org:8443");
    let body = json!({"email": "ada@example.org", "password": "x", "delivery": "cookie"});
    let reply = other.post("/auth/login", &body).await;
    refused(&reply, 403, "csrf_failed");
    readable(&reply, Some("https://other.example.org:8443"));
}

#[tokio::test]
async fn other_options_are_answered_as_before() {
    let app = app().await;
    let page = from(&app, APP);
    refused(&page.send(Method::OPTIONS, "/auth/login", None).await, 405, "method_not_allowed");
    let feed =
        preflight(&from(&app, "https://evil.example"), "GET", "/.well-known/portcullis/revocations").await;
    assert_eq!(feed.header("access-control-allow-origin"), Some("*"));
}

/// To a proxy every 2xx means that the request may pass, whoever's preflight it holds.
#[tokio::test]
async fn no_proxy_is_told_that_a_preflight_may_pass() {
    let app = app().await;
    let inside = app.app.forward_auth();
    let asked = app.anon().proxied("OPTIONS", "app.example", "/x");
    let asked = asked.with_header("origin", APP).with_header("access-control-request-method", "POST");
    for method in [Method::OPTIONS, Method::GET] {
        let reply = asked.through(inside.clone()).send(method.clone(), "/auth/verify", None).await;
        refused(&reply, 401, "missing_token");
        readable(&reply, None);
        let reply = asked.send(method.clone(), "/auth/verify/", None).await;
        assert_eq!(reply.status, if method == Method::GET { 401 } else { 405 });
        readable(&reply, None);
    }
}
