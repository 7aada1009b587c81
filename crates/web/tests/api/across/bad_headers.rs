//! Headers and targets that nobody in their right mind sends: a 4xx problem or an ordinary answer, never a 5xx.

use http::{HeaderName, HeaderValue, Request};
use portcullis_testkit::{Backend, PASSWORD, TestApp};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::support::{common_headers, credentials, refused};

#[tokio::test]
async fn strange_headers_do_no_harm() {
    let app =
        TestApp::with(Backend::Sqlite, |setup| setup.web.trusted_proxies = vec!["127.0.0.1".into()]).await;
    let ada = app.sign_up("ada").await;
    let long = "x".repeat(60_000);
    for (name, value) in [
        ("user-agent", "\u{fc}\u{1f419}"),
        ("user-agent", &*long),
        ("user-agent", ""),
        ("x-forwarded-for", "garbage, ,, 999.1.1.1"),
        ("x-forwarded-for", &*long),
        ("x-forwarded-for", "\u{fc}"),
        ("forwarded", "for=\"_x\";;;"),
        ("if-none-match", "\u{fc}"),
        ("accept", "\u{0}".trim_matches('\0')),
        ("accept-language", "\u{1f419}"),
        ("content-length", "18446744073709551616"),
        ("content-length", "-1"),
        ("expect", "200-maybe"),
        ("cookie", "pc_refresh=x; pc_refresh=y; =;;\u{fc}"),
        ("origin", "null"),
        ("x-http-method-override", "DELETE"),
        ("transfer-encoding", "identity, chunked"),
        ("te", "trailers"),
        ("range", "bytes=-1"),
    ] {
        let actor = ada.with_header(name, value);
        for path in ["/auth/me", "/auth/sessions", "/.well-known/jwks.json", "/"] {
            let reply = actor.get(path).await;
            assert_eq!(reply.status, 200, "{name}: {value:.20} at {path}");
            common_headers(&reply);
        }
        if name != "content-length" {
            let login =
                app.anon().with_header(name, value).post("/auth/login", &credentials("ada", PASSWORD)).await;
            assert_eq!(login.status, 200, "{name}: {value:.20}");
        }
    }
}

#[tokio::test]
async fn a_declared_length_over_the_limit_is_refused_unread() {
    let app = TestApp::new(Backend::Sqlite).await;
    let request = Request::builder().method("POST").uri("/auth/login").header("content-length", "65537");
    let request = request.header("content-type", "application/json");
    refused(&app.anon().exchange(request, "{}".into()).await, 413, "body_too_large");
}

#[test]
fn no_header_and_no_target_make_a_fault() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let app = runtime.block_on(TestApp::new(Backend::Sqlite));
    let names = [
        "authorization",
        "host",
        "x-forwarded-for",
        "content-type",
        "x-request-id",
        "if-none-match",
        "user-agent",
    ];
    let strategy = (
        proptest::collection::vec((0..names.len(), proptest::collection::vec(32_u8..=255, 0..40)), 0..4),
        prop_oneof![
            "/[a-z./%0-9-]{0,30}",
            "/auth/sessions/[ -~&&[^ #\"<>\\\\^`{|}]]{0,40}",
            "/auth/sessions\\?[a-z=&%0-9]{0,20}"
        ],
        prop_oneof![Just("GET"), Just("POST"), Just("DELETE"), Just("HEAD"), Just("OPTIONS"), Just("BREW")],
    );
    let config = Config { cases: 600, failure_persistence: None, ..Config::default() };
    let outcome = TestRunner::new(config).run(&strategy, |(headers, target, method)| {
        let mut request = Request::builder().method(method);
        let Ok(target) = target.parse::<http::Uri>() else { return Ok(()) };
        request = request.uri(target);
        for (name, value) in headers {
            let Ok(value) = HeaderValue::from_bytes(&value) else { continue };
            request = request.header(HeaderName::from_static(names[name]), value);
        }
        let reply = runtime.block_on(app.anon().exchange(request, "{}".into()));
        prop_assert!((200..500).contains(&reply.status), "{}", reply.text());
        prop_assert!(reply.status < 400 || method == "HEAD" || !reply.code().is_empty(), "{}", reply.text());
        Ok(())
    });
    runtime.block_on(async { drop(app) });
    outcome.unwrap();
}
