//! Bodies that are no bodies: a 4xx problem, never a 5xx.

use axum::body::Body;
use bytes::Bytes;
use futures_util::stream;
use http::{Method, Request};
use portcullis_testkit::{Actor, Backend, Reply, TestApp};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::json;

use crate::support::refused;

const ENDPOINTS: [(&str, &str); 7] = [
    ("POST", "/auth/register"),
    ("POST", "/auth/login"),
    ("POST", "/auth/refresh"),
    ("POST", "/auth/logout"),
    ("PATCH", "/auth/me"),
    ("POST", "/auth/password/change"),
    ("POST", "/auth/setup"),
];

async fn send(actor: &Actor, (method, path): (&str, &str), body: Vec<u8>) -> Reply {
    actor.send_bytes(method.parse().unwrap(), path, "application/json", body).await
}

#[tokio::test]
async fn what_is_no_json_is_malformed() {
    let app = TestApp::new(Backend::Sqlite).await;
    let ada = app.sign_up("ada").await;
    let bodies: Vec<Vec<u8>> = vec![
        b" ".to_vec(),
        b"{".to_vec(),
        b"{}x".to_vec(),
        b"{} {}".to_vec(),
        b"{\"a\":1,}".to_vec(),
        b"{\"a\":1,\"\\u0061\":2}".to_vec(),
        b"{\"\xff\":1}".to_vec(),
        b"\xef\xbb\xbf{}".to_vec(),
        b"{\0}".to_vec(),
        "{\"x\":".repeat(10_000).into_bytes(),
        "[".repeat(60_000).into_bytes(),
        format!("{{\"x\":{}{}}}", "[".repeat(30_000), "]".repeat(30_000)).into_bytes(),
        format!("{{\"x\":1{}}}", "0".repeat(50_000)).into_bytes(),
        "{}".encode_utf16().flat_map(u16::to_be_bytes).collect(),
        vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0],
    ];
    for endpoint in ENDPOINTS {
        for body in &bodies {
            let reply = send(&ada, endpoint, body.clone()).await;
            let shown = String::from_utf8_lossy(&body[..body.len().min(20)]);
            assert_eq!(reply.outcome(), (400, "malformed_json"), "{endpoint:?} {shown}: {}", reply.text());
            refused(&reply, 400, "malformed_json");
        }
        let empty = send(&ada.bearing(None), endpoint, vec![]).await;
        assert!(matches!(empty.outcome(), (400, "malformed_json") | (401, "missing_token")), "{endpoint:?}");
    }
}

#[tokio::test]
async fn what_is_over_64_kib_is_too_large_however_it_comes() {
    let app = TestApp::new(Backend::Sqlite).await;
    let ada = app.sign_up("ada").await;
    for endpoint in ENDPOINTS {
        let nested = "[".repeat(100_000).into_bytes();
        for body in [vec![b' '; 64 * 1024 + 1], vec![b'['; 10 * 1024 * 1024], nested] {
            refused(&send(&ada, endpoint, body).await, 413, "body_too_large");
        }
        let exactly = format!("{{\"x\":\"{}\"}}", "y".repeat(64 * 1024 - 8)).into_bytes();
        assert_eq!(exactly.len(), 64 * 1024);
        let reply = send(&app.anon(), endpoint, exactly).await;
        assert!(matches!(reply.status, 401 | 422), "{endpoint:?}: {}", reply.text());
        // In chunks without a length, and with a length that is a lie.
        for told in [None, Some("17"), Some("nonsense"), Some("-1")] {
            let chunks =
                stream::iter((0..40).map(|_| Ok::<_, std::io::Error>(Bytes::from(vec![b' '; 4096]))));
            let mut request = Request::builder().method(endpoint.0).uri(endpoint.1);
            request = request.header("content-type", "application/json");
            if let Some(told) = told {
                request = request.header("content-length", told);
            }
            refused(&ada.exchange(request, Body::from_stream(chunks)).await, 413, "body_too_large");
        }
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_is_the_clients_fault() {
    let app = TestApp::new(Backend::Sqlite).await;
    let ada = app.sign_up("ada").await;
    for (method, path) in ENDPOINTS {
        let chunks = [Ok(Bytes::from_static(b"{\"x\":")), Err(std::io::Error::other("gone"))];
        let request = Request::builder().method(method).uri(path).header("content-type", "application/json");
        let reply = ada.exchange(request, Body::from_stream(stream::iter(chunks))).await;
        refused(&reply, 400, "malformed_request");
    }
}

#[tokio::test]
async fn a_body_that_never_ends_is_given_up() {
    let app = TestApp::with(Backend::Sqlite, |setup| {
        setup.web.request_timeout = std::time::Duration::from_millis(50);
    })
    .await;
    let chunks = stream::pending::<Result<Bytes, std::io::Error>>();
    let request = Request::builder().method(Method::POST).uri("/auth/login");
    let request = request.header("content-type", "application/json");
    let reply = app.anon().exchange(request, Body::from_stream(chunks)).await;
    refused(&reply, 408, "request_timeout");
}

#[tokio::test]
async fn forms_are_as_strict() {
    let app = TestApp::new(Backend::Sqlite).await;
    let kind = "application/x-www-form-urlencoded";
    for body in
        ["login=a&login=b&password=c", "login=%", "login=%zz", "login=%ff&password=x", "lo%67in=a&login=b"]
    {
        let reply = app.anon().send_bytes(Method::POST, "/auth/login", kind, body.into()).await;
        refused(&reply, 400, "malformed_form");
    }
    for body in ["", "login=a", "login=%00&password=x", "{}", "=&=="] {
        let reply = app.anon().send_bytes(Method::POST, "/auth/login", kind, body.into()).await;
        assert!(
            matches!(reply.outcome(), (422, "validation_failed") | (400, "malformed_form")),
            "{}",
            reply.text()
        );
    }
    let reply = app.anon().send_bytes(Method::POST, "/auth/login", kind, vec![b'a'; 70_000]).await;
    refused(&reply, 413, "body_too_large");
}

fn bodies() -> impl Strategy<Value = Vec<u8>> {
    let text = prop_oneof![".{0,60}", "pcr_[0-9A-Za-z]{0,90}", "[ -~]{0,60}"];
    let field =
        prop_oneof!["refresh_token", "login", "password", "email", "audience", "device_token", ".{0,8}"];
    let value = prop_oneof![
        text.prop_map(|text| json!(text)),
        any::<f64>().prop_map(|number| json!(number)),
        Just(json!(null)),
        Just(json!([[{}]])),
    ];
    let object = proptest::collection::hash_map(field, value, 0..5);
    let object = object.prop_map(|members| {
        serde_json::to_vec(&members.into_iter().collect::<serde_json::Map<_, _>>()).expect("JSON")
    });
    prop_oneof![object, proptest::collection::vec(any::<u8>(), 0..200)]
}

#[test]
fn no_bytes_make_login_or_refresh_a_fault() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let app = runtime.block_on(TestApp::new(Backend::Sqlite));
    let kinds = ["application/json", "application/x-www-form-urlencoded"];
    let config = Config { cases: 400, failure_persistence: None, ..Config::default() };
    let outcome = TestRunner::new(config).run(&(bodies(), 0..2_usize), |(body, kind)| {
        for path in ["/auth/login", "/auth/refresh", "/auth/logout"] {
            let anon = app.anon();
            let reply = runtime.block_on(anon.send_bytes(Method::POST, path, kinds[kind], body.clone()));
            prop_assert!((200..500).contains(&reply.status), "{path}: {}", reply.text());
            prop_assert!(reply.status < 400 || !reply.code().is_empty(), "{path}: {}", reply.text());
        }
        Ok(())
    });
    runtime.block_on(async { drop(app) });
    outcome.unwrap();
}
