//! What the tests of this folder share.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_app::operator::NewUserRequest;
use portcullis_core::ids::{SessionId, UserId};
use portcullis_core::user::User;
use portcullis_testkit::{Actor, PASSWORD, Reply, Setup, TestApp};
use serde_json::{Value, json};

/// A second password, as good as [`PASSWORD`].
pub(crate) const OTHER_PASSWORD: &str = "nine amber harbours";

const SECURITY_HEADERS: [&str; 5] = [
    "content-security-policy",
    "x-content-type-options",
    "referrer-policy",
    "permissions-policy",
    "cross-origin-opener-policy",
];

/// `value` with everything that differs from run to run replaced by what it is.
pub(crate) fn redacted(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::from(kind(text).unwrap_or(text)),
        Value::Array(items) => items.iter().map(redacted).collect(),
        Value::Object(members) => {
            members.iter().map(|(name, member)| (name.clone(), redacted(member))).collect()
        }
        other => other.clone(),
    }
}

fn kind(text: &str) -> Option<&'static str> {
    match text {
        _ if text.starts_with("pcr_") => Some("[refresh token]"),
        _ if text.starts_with("pcd_") => Some("[device token]"),
        _ if text.starts_with("pct_") => Some("[API token]"),
        _ if text.starts_with("eyJ") && text.split('.').count() == 3 => Some("[access token]"),
        _ if text.len() == 36 && text.parse::<uuid::Uuid>().is_ok() => Some("[id]"),
        _ if text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit()) => Some("[random]"),
        _ => None,
    }
}

/// The user that [`TestApp::sign_up`] makes, redacted; `last_login_at` as given.
pub(crate) fn user_json(name: &str, last_login_at: Option<&str>) -> Value {
    json!({
        "id": "[id]", "email": format!("{name}@example.org"), "email_verified": false, "username": null,
        "name": name, "phone": null, "job_title": null, "timezone": null, "locale": null, "role": "user",
        "account": {"id": "[id]", "role": "owner"}, "must_change_password": false,
        "created_at": "2026-01-01T00:00:00Z", "last_login_at": last_login_at,
    })
}

/// A token response of somebody who signs in at the first moment of the test's clock, redacted.
pub(crate) fn token_json(name: &str) -> Value {
    json!({
        "access_token": "[access token]", "token_type": "Bearer", "expires_in": 900,
        "refresh_token": "[refresh token]", "refresh_expires_in": 2_592_000, "session_id": "[id]",
        "must_change_password": false, "must_set_up_factor": false, "user": user_json(name, Some("2026-01-01T00:00:00Z")),
        "device_token": "[device token]",
    })
}

/// Asserts a whole problem (RFC 9457) with the headers that belong to it.
#[track_caller]
pub(crate) fn refused(reply: &Reply, status: u16, code: &str) {
    assert_eq!(reply.outcome(), (status, code), "{}", reply.text());
    assert_eq!(reply.header("content-type"), Some("application/problem+json"));
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    assert_eq!(reply.json["type"], format!("/docs/problems#{code}"));
    assert_eq!(reply.json["status"], status);
    for member in ["title", "detail"] {
        assert!(!reply.json[member].as_str().unwrap_or_default().is_empty(), "{member}");
    }
    let challenge = match code {
        "missing_token" | "invalid_credentials" => Some("Bearer"),
        "malformed_authorization" => Some(r#"Bearer error="invalid_request""#),
        // With the scope, if one is lacking: see there.
        "insufficient_scope" => reply.header("www-authenticate"),
        _ if status == 401 => Some(r#"Bearer error="invalid_token""#),
        _ => None,
    };
    assert_eq!(reply.header("www-authenticate"), challenge, "{code}");
    let waits = reply.header("retry-after").map(|text| text.parse::<u64>().expect("seconds"));
    assert_eq!(waits.is_some_and(|seconds| seconds >= 1), matches!(status, 429 | 503), "{waits:?}");
    assert_eq!(reply.json["errors"].is_array(), code == "validation_failed", "{}", reply.text());
    common_headers(reply);
}

/// Asserts an error in the form of RFC 6749 section 5.2 with the headers that belong to it.
#[track_caller]
pub(crate) fn oauth_refused(reply: &Reply, status: u16, error: &str) {
    assert_eq!((reply.status, reply.json["error"].as_str()), (status, Some(error)), "{}", reply.text());
    assert_eq!(reply.header("content-type"), Some("application/json"));
    assert_eq!((reply.header("cache-control"), reply.header("pragma")), (Some("no-store"), Some("no-cache")));
    let members: Vec<_> = reply.json.as_object().expect("an object").keys().collect();
    assert_eq!(members, ["error", "error_description"]);
    let description = reply.json["error_description"].as_str().expect("text");
    assert!(!description.is_empty());
    assert!(description.chars().all(|c| matches!(c, ' '..='~') && c != '"' && c != '\\'), "{description}");
    let challenge = (status == 401).then_some("Basic realm=\"portcullis\", charset=\"UTF-8\"");
    assert_eq!(reply.header("www-authenticate"), challenge);
    let waits = reply.header("retry-after").map(|text| text.parse::<u64>().expect("seconds"));
    assert_eq!(waits.is_some_and(|seconds| seconds >= 1), matches!(status, 429 | 503), "{waits:?}");
    common_headers(reply);
}

/// Asserts a 422 that names exactly these fields, with their codes.
#[track_caller]
pub(crate) fn invalid(reply: &Reply, fields: &[(&str, &str)]) {
    refused(reply, 422, "validation_failed");
    let errors = reply.json["errors"].as_array().expect("checked").iter();
    let found: Vec<_> =
        errors.map(|error| (error["field"].as_str().unwrap(), error["code"].as_str().unwrap())).collect();
    assert_eq!(found, fields, "{}", reply.text());
}

/// Asserts what every response carries.
#[track_caller]
pub(crate) fn common_headers(reply: &Reply) {
    for name in SECURITY_HEADERS {
        assert!(reply.header(name).is_some(), "{name}");
    }
    let id = reply.header("x-request-id").expect("every response has one");
    assert!((1..=64).contains(&id.len()), "{id}");
    for line in reply.headers.get_all("set-cookie") {
        let line = line.to_str().expect("visible ASCII");
        let (name, rest) = line.split_once('=').expect("a pair");
        let scripts = name == "csrftoken";
        assert!(
            scripts || name.trim_start_matches("__Host-").trim_start_matches("__Secure-").starts_with("pc_")
        );
        assert_eq!(rest.contains("; HttpOnly"), !scripts, "{name}");
        assert!(rest.contains("; SameSite=") && rest.contains("; Path=/"), "{name}");
    }
}

/// Asserts an answer that nobody may keep.
#[track_caller]
pub(crate) fn private(reply: &Reply, status: u16) {
    assert_eq!(reply.status, status, "{}", reply.text());
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    common_headers(reply);
    if status == 204 {
        assert!(reply.body.is_empty());
    } else {
        assert_eq!(reply.header("content-type"), Some("application/json"));
    }
}

fn part(token: &str, at: usize) -> Value {
    let part = token.split('.').nth(at).expect("three parts");
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).expect("base64url")).expect("JSON")
}

/// The header of a JWT, unverified.
pub(crate) fn header(token: &str) -> Value {
    part(token, 0)
}

/// The claims of a JWT, unverified.
pub(crate) fn claims(token: &str) -> Value {
    part(token, 1)
}

/// The claims of the access token that `actor` holds.
pub(crate) fn claims_of(actor: &Actor) -> Value {
    claims(actor.access_token.as_deref().expect("signed in"))
}

/// The id of the user that `actor` is.
pub(crate) fn user_id(actor: &Actor) -> UserId {
    actor.user.as_deref().expect("signed in").parse().expect("an id")
}

/// The id of the session that `actor` has.
pub(crate) fn session_id(actor: &Actor) -> SessionId {
    actor.session.as_deref().expect("signed in").parse().expect("an id")
}

/// What somebody called `name` signs in with.
pub(crate) fn credentials(name: &str, password: &str) -> Value {
    json!({"email": format!("{name}@example.org"), "password": password})
}

/// The same token with another last character: right form, wrong MAC.
pub(crate) fn forged(token: &str) -> String {
    let (rest, last) = token.split_at(token.len() - 1);
    format!("{rest}{}", if last == "A" { 'B' } else { 'A' })
}

/// A user made by an operator.
pub(crate) async fn made(app: &TestApp, name: &str, change: impl FnOnce(&mut NewUserRequest)) -> User {
    let mut request = NewUserRequest {
        email: format!("{name}@example.org"),
        name: None,
        username: None,
        role: "user".into(),
        password: Some(PASSWORD.into()),
        must_change_password: false,
    };
    change(&mut request);
    app.cx.create_user(request).await.expect("the user is new")
}

/// Waits until `done` says so, at most ten seconds: for what another task or process does in its own time.
pub(crate) async fn eventually<F: AsyncFnMut() -> bool>(what: &str, mut done: F) {
    let waiting = async {
        while !done().await {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    let limit = std::time::Duration::from_secs(10);
    tokio::time::timeout(limit, waiting).await.unwrap_or_else(|_| panic!("{what}, within {limit:?}"));
}

/// Status lists.
pub(crate) const STATUS_LISTS: &str = "/.well-known/portcullis/status";

/// Turns them on.
pub(crate) fn with_status_lists(setup: &mut Setup) {
    setup.settings.status_lists = Some(format!("http://localhost:8400{STATUS_LISTS}"));
}

/// The feed of revocations.
pub(crate) const FEED: &str = "/.well-known/portcullis/revocations";

/// What the feed calls a session.
pub(crate) fn hashed(session: &str) -> String {
    URL_SAFE_NO_PAD.encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, session.as_bytes()))
}

/// An administrator, signed in.
pub(crate) async fn admin(app: &TestApp, name: &str) -> Actor {
    made(app, name, |request| request.role = "admin".into()).await;
    app.sign_in(name).await
}

/// An API token of `actor`: what was answered when it was made.
pub(crate) async fn api_token(actor: &Actor, body: &Value) -> Value {
    let reply = actor.post("/auth/tokens", body).await;
    private(&reply, 201);
    reply.json
}

/// Somebody who has nothing but this API token, or what else stands in `token`.
pub(crate) fn holder(app: &TestApp, made: &Value) -> Actor {
    app.anon().bearing(made["token"].as_str())
}

/// What the audit log says of one kind of event, oldest first.
pub(crate) async fn events(app: &TestApp, kind: &str) -> Vec<Value> {
    let all = app.cx.store.events(None, 500).await.expect("the audit log can be read");
    let of_kind = all.into_iter().rev().filter(|event| event.kind == kind);
    let shown = of_kind.map(|event| {
        json!({
            "actor": event.actor.map(|id| id.to_string()), "user": event.user.map(|id| id.to_string()),
            "session": event.session.map(|id| id.to_string()), "address": event.address,
            "detail": serde_json::from_str::<Value>(&event.detail).expect("JSON"),
        })
    });
    shown.collect()
}

/// Answers what was asked for by address, sends what is in the outbox, and opens the last mail to `address` that has a
/// link: its token.
pub(crate) async fn mailed(app: &TestApp, address: &str) -> String {
    // Mails that leave at the same time come in any order.
    app.deliver_mail().await;
    app.cx.answer_mail_requests().await.expect("the database is there");
    let mails = app.mails().await;
    let last = mails.iter().rev().find(|mail| mail.to == address && mail.token().is_some());
    let last = last.unwrap_or_else(|| panic!("no link was mailed to {address}"));
    last.token().expect("looked for").to_owned()
}
