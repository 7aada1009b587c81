//! The `Authorization` header, on every endpoint that reads it and every one that must not.

use std::time::Duration;

use http::Request;
use portcullis_testkit::{Actor, Backend, PASSWORD, Reply, TestApp};
use serde_json::json;

use crate::support::{credentials, forged, refused};

const PROTECTED: [(&str, &str); 16] = [
    ("GET", "/auth/me"),
    ("PATCH", "/auth/me"),
    ("GET", "/auth/sessions"),
    ("DELETE", "/auth/sessions/00000000-0000-7000-8000-000000000000"),
    ("POST", "/auth/password/change"),
    ("POST", "/auth/logout/all"),
    ("GET", "/auth/verify"),
    ("GET", "/auth/tokens"),
    ("GET", "/auth/tokens/current"),
    ("DELETE", "/auth/tokens/current"),
    ("PATCH", "/auth/tokens/00000000-0000-7000-8000-000000000000"),
    ("GET", "/auth/bots"),
    ("POST", "/auth/bots"),
    ("POST", "/auth/bots/00000000-0000-7000-8000-000000000000/tokens"),
    ("POST", "/auth/impersonation/stop"),
    ("POST", "/admin/api/users/00000000-0000-7000-8000-000000000000/impersonate"),
];

/// Asks with exactly these `Authorization` lines.
async fn ask(actor: &Actor, (method, path): (&str, &str), lines: &[&[u8]]) -> Reply {
    let mut request = Request::builder().method(method).uri(path);
    for line in lines {
        request = request.header("authorization", *line);
    }
    let body = if method == "GET" { "" } else { "{}" };
    let actor = actor.proxied("GET", "app.example", "/");
    actor.exchange(request.header("content-type", "application/json"), body.into()).await
}

/// Tokens that are none, by what is wrong with them.
async fn bad_tokens(app: &TestApp) -> Vec<(&'static str, String)> {
    let late = app.sign_up("late").await;
    app.clock.advance(Duration::from_mins(15));
    let gone = app.sign_up("gone").await;
    gone.post("/auth/logout", &json!({})).await;
    let good = app.sign_up("good").await;
    let token = good.access_token.clone().unwrap();
    let parts: Vec<_> = token.split('.').collect();
    let unsigned = format!("eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0In0.{}.", parts[1]);
    vec![
        ("expired", late.access_token.unwrap()),
        ("revoked", gone.access_token.unwrap()),
        ("a refresh token", good.refresh_token.clone().unwrap()),
        ("a device token", good.device_token.clone().unwrap()),
        ("garbage", "garbage".into()),
        ("dots", "..".into()),
        ("signature cut", format!("{}.{}.", parts[0], parts[1])),
        ("signature forged", forged(&format!("{}.{}.{}", parts[0], parts[1], "A".repeat(86)))),
        ("payload of another", format!("{}.{}.{}", parts[0], parts[0], parts[2])),
        ("alg none", unsigned),
        ("a fourth part", format!("{token}.x")),
        ("an API token of no one", "pct_0000000000000000000000000000000000000000000000000".into()),
    ]
}

#[tokio::test]
async fn both_schemes_in_any_case_are_read() {
    let app = TestApp::new(Backend::Sqlite).await;
    let ada = app.sign_up("ada").await;
    let token = ada.access_token.clone().unwrap();
    for scheme in ["Bearer", "bearer", "BEARER", "Token", "token", "Bearer  "] {
        let line = format!("{scheme} {token}");
        let reply = ask(&app.anon(), ("GET", "/auth/me"), &[line.as_bytes()]).await;
        assert_eq!(reply.status, 200, "{scheme}");
    }
}

#[tokio::test]
async fn a_malformed_header_is_refused_everywhere_even_with_a_good_token() {
    let app = TestApp::new(Backend::Sqlite).await;
    let token = app.sign_up("ada").await.access_token.unwrap();
    let good = format!("Bearer {token}");
    let two = format!("Bearer {token}, Bearer {token}");
    let parts = format!("Bearer {token} {token}");
    let basic = format!("Basic {token}");
    let quoted = format!("Bearer \"{token}\"");
    let long = format!("Bearer {}", "a".repeat(20_000));
    let malformed: [&[&[u8]]; 12] = [
        &[b"Bearer"],
        &[b"Bearer "],
        &[b""],
        &[token.as_bytes()],
        &[two.as_bytes()],
        &[parts.as_bytes()],
        &[basic.as_bytes()],
        &[quoted.as_bytes()],
        &[b"Bearer \xff\xfe"],
        &[good.as_bytes(), good.as_bytes()],
        &[good.as_bytes(), b"Basic x"],
        &[long.as_bytes()],
    ];
    for endpoint in PROTECTED {
        for lines in malformed {
            refused(&ask(&app.anon(), endpoint, lines).await, 401, "malformed_authorization");
        }
        refused(&ask(&app.anon(), endpoint, &[]).await, 401, "missing_token");
    }
}

#[tokio::test]
async fn a_bad_token_is_refused_everywhere_with_one_and_the_same_text() {
    let app = TestApp::new(Backend::Sqlite).await;
    let mut texts = std::collections::HashSet::new();
    for (what, token) in bad_tokens(&app).await {
        for scheme in ["Bearer", "token"] {
            for endpoint in PROTECTED {
                let line = format!("{scheme} {token}");
                let reply = ask(&app.anon(), endpoint, &[line.as_bytes()]).await;
                assert_eq!(reply.outcome(), (401, "invalid_token"), "{what} at {endpoint:?}");
                refused(&reply, 401, "invalid_token");
                texts.insert(reply.body);
            }
        }
    }
    assert_eq!(texts.len(), 1, "the text tells nothing");
}

#[tokio::test]
async fn where_the_header_means_nothing_it_is_not_read() {
    let app = TestApp::new(Backend::Sqlite).await;
    let revoked = app.sign_up("revoked").await;
    revoked.post("/auth/logout", &json!({})).await;
    let revoked = format!("Bearer {}", revoked.access_token.unwrap());
    let ada = app.sign_up("ada").await;
    let headers = ["Bearer", "garbage", "Basic YTpi", "Bearer not.a.token", &revoked, "Bearer \u{fc}"];
    for (at, header) in headers.into_iter().enumerate() {
        let actor = app.anon().with_header("authorization", header);
        let mut expect = Vec::new();
        for path in [
            "/",
            "/setup",
            "/sign-in",
            "/sign-up",
            "/sign-out",
            "/error",
            "/docs",
            "/docs/problems",
            "/openapi.json",
            "/assets/setup.js",
            "/auth/config",
            "/.well-known/jwks.json",
            "/.well-known/oauth-authorization-server",
            "/health/live",
            "/health/ready",
        ] {
            expect.push((path.to_owned(), actor.get(path).await, 200));
        }
        let register = credentials(&format!("user{at}"), PASSWORD);
        let refresh = json!({"refresh_token": ada.refresh_token});
        let set_up = json!({"token": "x", "email": "a@example.org", "password": PASSWORD});
        for (path, body, status) in [
            ("/auth/register", register, 201),
            ("/auth/login", credentials("ada", PASSWORD), 200),
            ("/auth/refresh", refresh, 200),
            ("/auth/setup", set_up, 400),
            ("/auth/logout", json!({"refresh_token": "unknown"}), 204),
        ] {
            expect.push((path.to_owned(), actor.post(path, &body).await, status));
        }
        for (path, reply, status) in expect {
            assert_eq!(reply.status, status, "{header} at {path}: {}", reply.text());
        }
    }
}
