//! What every response carries, whatever it answers: request id, security headers, and the rules for hosts,
//! slashes and `HEAD`.

use http::{Method, Request};
use portcullis_testkit::{Actor, Backend, Reply, TestApp};
use portcullis_web::paths;
use serde_json::json;

use crate::support::{common_headers, refused, with_status_lists};

/// Somebody who may read everything.
async fn reader(app: &TestApp) -> Actor {
    app.sign_up("ada").await.proxied("GET", "app.example", "/")
}

/// Paths that answer `GET`, as this actor asks them.
fn readable() -> impl Iterator<Item = String> {
    let posts = [
        paths::REGISTER,
        paths::LOGIN,
        paths::LOGIN_FACTOR,
        paths::STEP_UP,
        paths::PASSKEY_REGISTER_START,
        paths::PASSKEY_REGISTER_FINISH,
        paths::PASSKEY_LOGIN_START,
        paths::PASSKEY_LOGIN_FINISH,
        paths::TOTP,
        paths::TOTP_CONFIRM,
        paths::RECOVERY_CODES,
        paths::TRUSTED_DEVICE,
        paths::FACTOR,
        paths::ADMIN_USER_FACTORS,
        paths::REFRESH,
        paths::LOGOUT,
        paths::LOGOUT_ALL,
        paths::PASSWORD_CHANGE,
        paths::SET_UP,
        paths::IMPERSONATION_STOP,
        paths::TOKEN_SCANNING,
        paths::OAUTH_TOKEN,
        paths::OAUTH_INTROSPECT,
        paths::OAUTH_REVOKE,
        paths::PASSWORD_FORGOT,
        paths::PASSWORD_VERIFY_RESET,
        paths::PASSWORD_RESET,
        paths::SEND_VERIFICATION,
        paths::EMAIL_VERIFY,
        paths::EMAIL_NOT_ME,
        paths::SESSION_NOT_ME,
        paths::EMAIL_UNDO,
        paths::ME_KEEP,
        // Notes that it was asked.
        paths::ME_EXPORT,
        // Only where mails are kept.
        paths::DEV_MAIL,
        // Only with a mailed link.
        paths::RESET_PASSWORD_PAGE,
        paths::INVITE_PAGE,
        // Only by a code.
        paths::INVITE_ACCEPT,
        // Only for whoever is signed in by cookie.
        paths::ACCOUNT_PAGE,
        paths::RENEW,
        paths::PASSWORD_PAGE,
        paths::PASSKEYS_PAGE,
        paths::FACTORS_PAGE,
        paths::TOTP_PAGE,
        paths::STEP_UP_PAGE,
        paths::SIGN_IN_FACTOR_PAGE,
        // Only for administrators.
        paths::ADMIN_CLIENTS,
        paths::ADMIN_ACCOUNTS,
        paths::ADMIN_INVITES,
        paths::ADMIN_USERS,
        paths::ADMIN_SETTINGS,
        paths::ADMIN_SETTING,
        paths::ADMIN_AUDIT,
        paths::ADMIN_AUDIT_EXPORT,
        // Only for an API token.
        paths::TOKEN_CURRENT,
    ];
    let readable = paths::ALL
        .iter()
        .filter(move |path| !posts.contains(path) && !path.contains("{id}") && !path.contains("{provider}"));
    readable.map(|path| path.replace("{name}", "portcullis.css").replace("{list}", "0"))
}

async fn head(actor: &Actor, path: &str) -> Reply {
    actor.exchange(Request::builder().method(Method::HEAD).uri(path), axum::body::Body::empty()).await
}

#[tokio::test]
async fn head_is_get_without_the_body() {
    let app = TestApp::with(Backend::Sqlite, with_status_lists).await;
    let ada = reader(&app).await;
    for path in readable() {
        let (get, head) = (ada.get(&path).await, head(&ada, &path).await);
        assert_eq!(get.status, 200, "{path}: {}", get.text());
        assert_eq!((head.status, head.body.len()), (200, 0), "{path}");
        for (name, value) in &get.headers {
            if name != "x-request-id" && name != "content-length" {
                assert_eq!(head.headers.get(name), Some(value), "{name} of {path}");
            }
        }
        let length = head.header("content-length").map(|text| text.parse::<usize>().unwrap());
        assert_eq!(length.unwrap_or(get.body.len()), get.body.len(), "{path}");
    }
}

#[tokio::test]
async fn one_trailing_slash_changes_nothing_and_two_are_another_path() {
    let app = TestApp::with(Backend::Sqlite, with_status_lists).await;
    let ada = reader(&app).await;
    for path in readable().filter(|path| path != "/") {
        let (plain, slash) = (ada.get(&path).await, ada.get(&format!("{path}/")).await);
        assert_eq!((plain.status, &plain.body), (slash.status, &slash.body), "{path}");
        refused(&ada.get(&format!("{path}//")).await, 404, "not_found");
    }
}

#[tokio::test]
async fn a_sane_request_id_is_kept_and_another_replaced() {
    let app = TestApp::new(Backend::Sqlite).await;
    for path in ["/auth/config", "/auth/me", "/nothing", "/health/live"] {
        let kept = app.anon().with_header("x-request-id", "trace-7.A_b").get(path).await;
        assert_eq!(kept.header("x-request-id"), Some("trace-7.A_b"), "{path}");
        for id in ["", "a b", "<script>", "\u{fc}", &"x".repeat(65)] {
            let made = app.anon().with_header("x-request-id", id).get(path).await;
            let made = made.header("x-request-id").unwrap().to_owned();
            assert!(made.len() == 32 && made.bytes().all(|b| b.is_ascii_hexdigit()), "{made}");
        }
    }
    let (one, two) = (app.anon().get("/").await, app.anon().get("/").await);
    assert_ne!(one.header("x-request-id"), two.header("x-request-id"));
}

#[tokio::test]
async fn hsts_is_sent_on_https_alone() {
    let plain = TestApp::new(Backend::Sqlite).await;
    assert!(plain.anon().get("/").await.header("strict-transport-security").is_none());
    let https = TestApp::with(Backend::Sqlite, |setup| {
        setup.web.public_url = "https://auth.example.org".parse().unwrap();
    })
    .await;
    for path in ["/", "/auth/me", "/nothing"] {
        let reply = https.anon().with_header("host", "auth.example.org").get(path).await;
        assert_eq!(reply.header("strict-transport-security"), Some("max-age=31536000"), "{path}");
    }
    let metadata = https.anon().with_header("host", "auth.example.org");
    let metadata = metadata.get("/.well-known/oauth-authorization-server").await.json;
    assert_eq!(metadata["jwks_uri"], "https://auth.example.org/.well-known/jwks.json");
}

#[tokio::test]
async fn other_hosts_are_misdirected_before_anything_is_done() {
    let app = TestApp::with(Backend::Sqlite, |setup| {
        setup.web.public_url = "https://auth.example.org".parse().unwrap();
        setup.web.hosts = vec!["login.example.org".into()];
    })
    .await;
    let body = json!({"email": "ada@example.org", "password": portcullis_testkit::PASSWORD});
    for host in ["evil.example", "localhost:8400", "127.0.0.1", "auth.example.org.evil.example"] {
        let actor = app.anon().with_header("host", host);
        refused(&actor.post("/auth/register", &body).await, 421, "misdirected_request");
        refused(&actor.get("/nothing").await, 421, "misdirected_request");
        assert_eq!(actor.get("/health/live").await.status, 200);
    }
    for host in ["a b", "", "auth.example.org/x", "\u{fc}"] {
        refused(&app.anon().with_header("host", host).get("/").await, 400, "malformed_request");
    }
    let twice = app.anon().with_header("host", "auth.example.org").with_header("host", "auth.example.org");
    refused(&twice.get("/").await, 400, "malformed_request");
    for (host, status) in [("login.example.org:443", 201), ("AUTH.example.org", 409)] {
        assert_eq!(app.anon().with_header("host", host).post("/auth/register", &body).await.status, status);
    }
}

#[tokio::test]
async fn what_is_not_there_is_a_404_for_every_method() {
    let app = TestApp::new(Backend::Sqlite).await;
    let ada = app.sign_up("ada").await;
    for path in
        ["/nothing", "/auth", "/auth/nothing", "/auth/me/x", "/auth//me", "/AUTH/ME", "/auth/me%2f", "//"]
    {
        for method in [Method::GET, Method::POST, Method::DELETE, Method::OPTIONS, Method::TRACE] {
            let reply = ada.send(method.clone(), path, None).await;
            assert_eq!(reply.outcome(), (404, "not_found"), "{method} {path}");
            refused(&reply, 404, "not_found");
        }
    }
    common_headers(&app.anon().get("/").await);
}
