//! Every form of the header with every kind of token: the documented answers and no other.

mod support;

use portcullis_verify::Verifier;
use serde_json::json;
use support::{
    FakeIssuer, START, TestClock, builder,
    issuer::{CLIENT, SECRET},
    service::{get, lenient, send, strict},
};

const API_TOKEN: &str = "pct_0bPELAU4eqF0bPELAU4eqF0bPELAU4eqF0bPELAU4eqF18Apz0";

async fn with_api_tokens() -> (FakeIssuer, Verifier) {
    let (issuer, clock) = (FakeIssuer::start().await, TestClock::default());
    issuer.revoke("ended", None);
    issuer.api_token(API_TOKEN, &[("sub", json!("user-2"))]);
    let verifier =
        builder(&issuer, &clock).introspect_with(CLIENT, SECRET).discover().await.expect("it is up");
    (issuer, verifier)
}

#[tokio::test]
async fn the_matrix() {
    let (issuer, verifier) = with_api_tokens().await;
    let services = [strict(&verifier), lenient(&verifier)];
    let tokens = [
        (issuer.token(&[]), Ok("user-1")),
        (issuer.token(&[("exp", json!(START - 100))]), Err("invalid_token")),
        (issuer.token(&[("sid", json!("ended"))]), Err("invalid_token")),
        (API_TOKEN.to_owned(), Ok("user-2")),
        ("garbage".to_owned(), Err("invalid_token")),
        ("garbage.of.three".to_owned(), Err("invalid_token")),
    ];
    let malformed = Err("malformed_authorization");
    for (token, expected) in &tokens {
        let forms = [
            (vec![format!("Bearer {token}")], *expected),
            (vec![format!("bearer {token}")], *expected),
            (vec![format!("BEARER {token}")], *expected),
            (vec![format!("Token {token}")], *expected),
            (vec![format!("tOKEN {token}")], *expected),
            (vec![token.clone()], malformed),
            (vec!["Bearer".to_owned()], malformed),
            (vec!["Bearer ".to_owned()], malformed),
            (vec![format!("\"Bearer\" {token}")], malformed),
            (vec![format!("Bearer \"{token}\"")], malformed),
            (vec![format!("Basic {token}")], malformed),
            (vec![format!("Bearer {token}"), format!("Bearer {token}")], malformed),
            (vec![format!("Bearer {token}, Bearer {token}")], malformed),
            (vec![String::new()], malformed),
        ];
        for (lines, expected) in forms {
            let lines: Vec<_> = lines.iter().map(String::as_str).collect();
            // Once for the signature or the question, once for the cache.
            for service in services.iter().chain(&services) {
                let reply = send(service, "GET", "/", &lines).await;
                let challenge = match expected {
                    Ok(_) => None,
                    Err("invalid_token") => Some(r#"Bearer error="invalid_token""#),
                    Err(_) => Some(r#"Bearer error="invalid_request""#),
                };
                let (status, text) = expected.map_or_else(|code| (401, code), |user| (200, user));
                assert_eq!((reply.status, reply.code().as_str()), (status, text), "{lines:?}");
                assert_eq!(reply.header("www-authenticate"), challenge, "{lines:?}");
            }
        }
    }
}

#[tokio::test]
async fn no_header_is_nobody() {
    let (issuer, verifier) = with_api_tokens().await;
    let reply = send(&strict(&verifier), "GET", "/", &[]).await;
    assert_eq!((reply.status, reply.code().as_str()), (401, "missing_token"));
    assert_eq!(reply.header("www-authenticate"), Some("Bearer"));
    assert_eq!(reply.header("content-type"), Some("application/problem+json"));
    assert!(reply.body.contains(&format!(r#""type":"{}/docs/problems#missing_token""#, issuer.url())));
    let reply = send(&lenient(&verifier), "GET", "/", &[]).await;
    assert_eq!((reply.status, reply.body.as_str()), (200, "nobody"));
}

#[tokio::test]
async fn a_read_only_token_reads() {
    let (issuer, verifier) = with_api_tokens().await;
    let read_only = issuer.token(&[("read_only", json!(true)), ("act", json!({"sub": "admin-1"}))]);
    issuer.api_token(API_TOKEN, &[("read_only", json!(true)), ("sub", json!("user-1"))]);
    for token in [read_only.as_str(), API_TOKEN] {
        let line = format!("Bearer {token}");
        for service in [strict(&verifier), lenient(&verifier)] {
            for method in ["GET", "HEAD", "OPTIONS", "TRACE"] {
                assert_eq!(send(&service, method, "/", &[&line]).await.status, 200, "{method}");
            }
            for method in ["POST", "PUT", "PATCH", "DELETE", "CONNECT", "PROPFIND", "get"] {
                let reply = send(&service, method, "/", &[&line]).await;
                assert_eq!((reply.status, reply.code().as_str()), (403, "read_only_session"), "{method}");
            }
        }
    }
    let full = format!("Bearer {}", issuer.token(&[]));
    assert_eq!(send(&strict(&verifier), "POST", "/", &[&full]).await.status, 200);
}

#[tokio::test]
async fn a_password_that_must_be_changed_comes_first() {
    let (issuer, verifier) = with_api_tokens().await;
    issuer.api_token(API_TOKEN, &[("pwd_change", json!(true))]);
    for token in [&issuer.token(&[("pwd_change", json!(true))]), API_TOKEN] {
        for _ in 0..2 {
            let reply = get(&strict(&verifier), token).await;
            assert_eq!((reply.status, reply.code().as_str()), (403, "password_change_required"));
        }
    }
    let ended = issuer.token(&[("pwd_change", json!(true)), ("sid", json!("ended"))]);
    assert_eq!(get(&strict(&verifier), &ended).await.status, 401, "a dead token tells nothing else");
}
