//! The error table of RFC 6749 section 5.2, row by row, with what RFC 8693 and RFC 7009 add.

use axum::body::Body;
use http::{Method, Request};
use portcullis_testkit::{Backend, Setup, TestApp};

use super::support::{
    ACCESS_TOKEN, CHAT, DOCS, EXCHANGE, INTROSPECT, REVOKE, TOKEN, api_token, post, service_with, services,
};
use crate::support::{oauth_refused, refused};

const CREDENTIALS: (&str, &str) = ("grant_type", "client_credentials");
const REFRESH: (&str, &str) = ("grant_type", "refresh_token");
const EXCHANGES: (&str, &str) = ("grant_type", EXCHANGE);
const TYPE: (&str, &str) = ("subject_token_type", ACCESS_TOKEN);

/// Refused whoever asks: the parameters are wrong.
#[tokio::test]
async fn without_a_client() {
    let app = TestApp::new(Backend::Sqlite).await;
    let ada = app.sign_up("ada").await;
    let (api, _) = api_token(&ada, Some(&["a"])).await;
    let subject = ("subject_token", &*api);
    let refresh = ("refresh_token", ada.refresh_token.as_deref().unwrap());
    let jwt = ("subject_token", ada.access_token.as_deref().unwrap());
    let table: &[(&[(&str, &str)], &str)] = &[
        (&[], "invalid_request"),
        (&[("grant_type", "")], "invalid_request"),
        (&[("grant_type", "password"), ("username", "a"), ("password", "b")], "unsupported_grant_type"),
        (&[("grant_type", "authorization_code"), ("code", "x")], "unsupported_grant_type"),
        (&[("grant_type", "REFRESH_TOKEN")], "unsupported_grant_type"),
        (&[REFRESH], "invalid_request"),
        (&[REFRESH, ("refresh_token", "")], "invalid_request"),
        (&[REFRESH, ("refresh_token", "garbage")], "invalid_grant"),
        (&[REFRESH, ("refresh_token", &api)], "invalid_grant"),
        (&[REFRESH, refresh, ("scope", "a")], "invalid_scope"),
        (&[REFRESH, refresh, ("audience", "https://elsewhere.example")], "invalid_target"),
        (&[REFRESH, refresh, ("audience", "a"), ("resource", "b")], "invalid_request"),
        (&[REFRESH, REFRESH, refresh], "invalid_request"),
        (&[REFRESH, refresh, refresh], "invalid_request"),
        (&[REFRESH, refresh, ("scope", ""), ("scope", "")], "invalid_request"),
        (&[EXCHANGES, subject], "invalid_request"),
        (&[EXCHANGES, TYPE], "invalid_request"),
        (
            &[EXCHANGES, subject, ("subject_token_type", "urn:ietf:params:oauth:token-type:saml2")],
            "invalid_request",
        ),
        (&[EXCHANGES, subject, ("subject_token_type", "access_token")], "invalid_request"),
        (
            &[EXCHANGES, subject, ("subject_token_type", "urn:ietf:params:oauth:token-type:refresh_token")],
            "invalid_request",
        ),
        (&[EXCHANGES, subject, TYPE, ("actor_token", "x")], "invalid_request"),
        (&[EXCHANGES, subject, TYPE, ("actor_token_type", ACCESS_TOKEN)], "invalid_request"),
        (&[EXCHANGES, subject, TYPE, ("requested_token_type", "urn:x")], "invalid_request"),
        (&[EXCHANGES, subject, TYPE, ("audience", "https://elsewhere.example")], "invalid_target"),
        (&[EXCHANGES, subject, TYPE, ("resource", "https://elsewhere.example")], "invalid_target"),
        (&[EXCHANGES, subject, TYPE, ("scope", "b")], "invalid_scope"),
        (&[EXCHANGES, subject, TYPE, ("scope", "a  a")], "invalid_scope"),
        (&[EXCHANGES, subject, TYPE, ("scope", "\u{e4}")], "invalid_scope"),
        (&[EXCHANGES, ("subject_token", "garbage"), TYPE], "invalid_request"),
        (&[EXCHANGES, refresh_as_subject(refresh.1), TYPE], "invalid_request"),
        (&[EXCHANGES, jwt, TYPE], "invalid_request"),
        (&[EXCHANGES, jwt, TYPE, ("audience", "http://localhost:8400")], "invalid_target"),
    ];
    for (parameters, error) in table {
        let reply = post(&app.anon(), TOKEN, parameters).await;
        assert_eq!(reply.json["error"], *error, "{parameters:?}: {}", reply.text());
        oauth_refused(&reply, 400, error);
    }
    let mut ada = ada;
    assert_eq!(ada.refresh().await.status, 200, "no refused request has spent the token");
}

fn refresh_as_subject(token: &str) -> (&str, &str) {
    ("subject_token", token)
}

/// Refused to this client.
#[tokio::test]
async fn with_a_client() {
    let app = TestApp::with(Backend::Sqlite, services).await;
    let ada = app.sign_up("ada").await;
    let (api, _) = api_token(&ada, None).await;
    let none = service_with(&app, &[], None).await;
    let one = service_with(&app, &["client_credentials", EXCHANGE], Some(&[CHAT])).await;
    let subject = ("subject_token", &*api);
    let refresh = ("refresh_token", ada.refresh_token.as_deref().unwrap());
    oauth_refused(&none.post(TOKEN, &[CREDENTIALS]).await, 400, "unauthorized_client");
    oauth_refused(&none.post(TOKEN, &[EXCHANGES, subject, TYPE]).await, 400, "unauthorized_client");
    for (parameters, error) in [
        (&[CREDENTIALS, ("scope", "a c")][..], "invalid_scope"),
        (&[CREDENTIALS, ("scope", "a\u{7}")], "invalid_scope"),
        (&[CREDENTIALS, ("audience", DOCS)], "invalid_target"),
        (&[CREDENTIALS, ("resource", "http://localhost:8400")], "invalid_target"),
        (&[CREDENTIALS, ("audience", "https://elsewhere.example")], "invalid_target"),
        (&[EXCHANGES, subject, TYPE, ("audience", DOCS)], "invalid_target"),
        (&[REFRESH, refresh], "unauthorized_client"),
        (&[("grant_type", "password")], "unsupported_grant_type"),
        (&[CREDENTIALS, CREDENTIALS], "invalid_request"),
    ] {
        let reply = one.post(TOKEN, parameters).await;
        assert_eq!(reply.json["error"], error, "{parameters:?}: {}", reply.text());
        oauth_refused(&reply, 400, error);
    }
    let mut ada = ada;
    assert_eq!(ada.refresh().await.status, 200, "no refused request has spent the token");
}

#[tokio::test]
async fn bodies_that_are_no_parameters() {
    let app = TestApp::new(Backend::Sqlite).await;
    for path in [TOKEN, REVOKE, INTROSPECT] {
        for (kind, body, status) in [
            ("application/x-www-form-urlencoded", "a=%", 400),
            ("application/x-www-form-urlencoded", "token=a&token=b", 400),
            ("application/x-www-form-urlencoded", "token=%00&grant_type=refresh_token", 400),
            ("application/x-www-form-urlencoded", "token=%ff", 400),
            ("application/json", "{", 400),
            ("application/json", "[]", 400),
            ("application/json", r#"{"token": 1, "grant_type": 1}"#, 400),
            ("application/json", r#"{"token": "a", "token": "a"}"#, 400),
            ("text/plain", "token=a", 415),
        ] {
            let reply = app.anon().send_bytes(Method::POST, path, kind, body.into()).await;
            assert_eq!(reply.status, status, "{path} {body}: {}", reply.text());
            oauth_refused(&reply, status, "invalid_request");
        }
        let long = "x".repeat(64 * 1024 + 1).into_bytes();
        let reply = app.anon().send_bytes(Method::POST, path, "application/json", long).await;
        oauth_refused(&reply, 413, "invalid_request");
    }
}

#[tokio::test]
async fn only_post() {
    let app = TestApp::new(Backend::Sqlite).await;
    for path in [TOKEN, REVOKE, INTROSPECT] {
        let query = format!("{path}?token=x&grant_type=client_credentials&client_id=x&client_secret=x");
        let reply = app.anon().exchange(Request::builder().uri(query), "".into()).await;
        oauth_refused(&reply, 405, "invalid_request");
        assert_eq!(reply.header("allow"), Some("POST"));
    }
}

#[tokio::test]
async fn what_no_handler_has_answered_has_the_same_form() {
    let slow = |setup: &mut Setup| setup.web.request_timeout = std::time::Duration::ZERO;
    let (app, slow) = (TestApp::new(Backend::Sqlite).await, TestApp::with(Backend::Sqlite, slow).await);
    for path in [TOKEN, REVOKE, INTROSPECT] {
        for path in [path.to_owned(), format!("{path}/")] {
            let stranger = app.anon().with_header("host", "elsewhere.example");
            oauth_refused(&post(&stranger, &path, &[CREDENTIALS]).await, 421, "invalid_request");
            let body = Body::from_stream(futures_util::stream::pending::<Result<Vec<u8>, std::io::Error>>());
            let request =
                Request::builder().method(Method::POST).uri(&path).header("content-type", "application/json");
            oauth_refused(&slow.anon().exchange(request, body).await, 408, "invalid_request");
        }
    }
    refused(&app.anon().get("/oauth/elsewhere").await, 404, "not_found");
}

#[tokio::test]
async fn unknown_parameters_are_ignored() {
    let app = TestApp::new(Backend::Sqlite).await;
    let one = service_with(&app, &["client_credentials"], None).await;
    let reply = one.post(TOKEN, &[CREDENTIALS, ("nonce", "x"), ("state", "y")]).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
}
