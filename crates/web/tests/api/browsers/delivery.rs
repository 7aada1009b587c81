//! Which tokens travel how, under which names and with which attributes.

use portcullis_testkit::app::Browser;
use portcullis_testkit::{Backend, PASSWORD, Reply, Setup, TestApp};
use portcullis_web::SameSite;
use serde_json::{Map, Value, json};

use super::{cleared_names, set, set_names, signed_in};
use crate::on_both;
use crate::support::{OTHER_PASSWORD, invalid, private, redacted, refused, token_json};

const LAX: &str = "Path=/; HttpOnly; SameSite=Lax";
const MONTH: Option<u64> = Some(2_592_000);

/// What of a token response is in the body with this delivery.
fn body_json(name: &str, delivery: &str) -> Value {
    let mut body = token_json(name);
    let members: &mut Map<_, _> = body.as_object_mut().unwrap();
    members.remove("refresh_token");
    members.remove("device_token");
    if delivery == "cookies" {
        members.remove("access_token");
    }
    body
}

/// Asserts a token response by cookie: nothing of them in the body, and these cookies.
#[track_caller]
fn handed_over(reply: &Reply, status: u16, delivery: &str, with_device: bool) {
    private(reply, status);
    assert_eq!(redacted(&reply.json), body_json("ada", delivery));
    let mut expected = vec!["csrftoken", "pc_refresh"];
    if delivery == "cookies" {
        expected.insert(1, "pc_access");
    }
    if with_device {
        expected.insert(expected.len() - 1, "pc_device");
    }
    assert_eq!(set_names(reply), expected);
    for cookie in set(reply) {
        let (attributes, max_age, start) = match cookie.name.as_str() {
            "csrftoken" => ("Path=/; SameSite=Lax", MONTH, ""),
            "pc_device" => (LAX, Some(34_560_000), "pcd_"),
            "pc_refresh" => (LAX, MONTH, "pcr_"),
            _ => (LAX, MONTH, "eyJ"),
        };
        assert_eq!((cookie.attributes.as_str(), cookie.max_age), (attributes, max_age), "{}", cookie.name);
        assert!(cookie.value.starts_with(start), "{}", cookie.name);
        assert!(!reply.text().contains(&cookie.value), "{} is in the body, too", cookie.name);
    }
}

on_both! {
    async fn signing_up_and_in_and_refreshing(backend: Backend) {
        let app = TestApp::new(backend).await;
        for (at, delivery) in ["cookie", "cookies"].into_iter().enumerate() {
            let name = format!("ada{at}");
            let email = format!("{name}@example.org");
            let body = json!({"email": email, "password": PASSWORD, "name": "ada", "delivery": delivery});
            let mut ada = app.browser();
            let reply = ada.post("/auth/register", &body).await;
            let as_ada = |reply: &Reply| {
                let mut reply = reply.clone();
                reply.json["user"]["email"] = "ada@example.org".into();
                reply
            };
            handed_over(&as_ada(&reply), 201, delivery, true);
            ada.fetch_csrf_token().await;
            let first = ada.value("pc_refresh");
            for _ in 0..2 {
                let before = ada.value("pc_refresh");
                handed_over(&as_ada(&ada.refresh().await), 200, delivery, false);
                assert_ne!(ada.value("pc_refresh"), before);
            }
            let mut again = app.browser();
            let reply = again.post("/auth/login", &json!({"email": email, "password": PASSWORD,
                "delivery": delivery})).await;
            handed_over(&as_ada(&reply), 200, delivery, true);
            // Of a session by cookie, a token in a body is none, and the session is none the worse.
            again.fetch_csrf_token().await;
            for token in [&first, &again.value("pc_refresh")] {
                refused(&app.anon().refresh_with(token).await, 401, "invalid_token");
            }
            assert_eq!(again.refresh().await.status, 200);
        }
    }

    async fn the_first_administrator(backend: Backend) {
        let app = TestApp::new(backend).await;
        let token = app.cx.set_up_token().await.unwrap().unwrap();
        let body = json!({"token": *token, "email": "root@example.org", "password": PASSWORD, "name": "root",
            "delivery": "cookies"});
        let root = app.browser();
        let reply = root.post("/auth/setup", &body).await;
        private(&reply, 201);
        assert_eq!(reply.json["user"]["role"], "admin");
        assert_eq!(set_names(&reply), ["csrftoken", "pc_access", "pc_device", "pc_refresh"]);
        assert_eq!(root.get("/auth/me").await.json["name"], "root");
    }

    async fn a_session_in_the_body_stays_there(backend: Backend) {
        let app = TestApp::new(backend).await;
        let mut ada = app.sign_up("ada").await;
        let browser = app.browser();
        browser.jar().put("pc_refresh", ada.refresh_token.as_deref().unwrap());
        let mut browser = browser;
        browser.fetch_csrf_token().await;
        let reply = browser.refresh().await;
        refused(&reply, 401, "invalid_token");
        let reply = ada.refresh().await;
        private(&reply, 200);
        assert!(set(&reply).is_empty());
    }

    async fn a_change_of_password_hands_over_the_new_tokens_the_same_way(backend: Backend) {
        let app = TestApp::new(backend).await;
        let change = json!({"current_password": PASSWORD, "new_password": OTHER_PASSWORD});
        let back = json!({"current_password": OTHER_PASSWORD, "new_password": PASSWORD});
        let mut ada = signed_in(&app, "ada", "cookies").await;
        handed_over(&ada.post("/auth/password/change", &change).await, 200, "cookies", true);
        assert_eq!(ada.refresh().await.status, 200);
        // A page that holds its access token itself shows that.
        let reply = ada.post("/auth/password/change", &back).await;
        private(&reply, 200);
        ada.sign_in("ada", "cookie").await;
        let access = ada.refresh().await.json["access_token"].as_str().unwrap().to_owned();
        let spa = ada.bearing(Some(&access)).knowing(None).saying(&[]);
        let reply = spa.post("/auth/password/change", &change).await;
        handed_over(&reply, 200, "cookie", true);
        assert_eq!(ada.refresh().await.status, 200);
    }

    async fn the_device_is_known_by_its_cookie(backend: Backend) {
        let app = TestApp::new(backend).await;
        let mut ada = signed_in(&app, "ada", "cookie").await;
        ada.post("/auth/logout", &json!({})).await;
        assert_eq!(ada.jar().names(), ["pc_device"], "it stays known");
        let guess = json!({"email": "ada@example.org", "password": "wrong wrong wrong"});
        for _ in 0..6 {
            app.anon().post("/auth/login", &guess).await;
        }
        // Strangers are slowed down by now, the device is not.
        let right = json!({"email": "ada@example.org", "password": PASSWORD, "delivery": "cookie"});
        refused(&app.browser().post("/auth/login", &right).await, 401, "invalid_credentials");
        let device = ada.value("pc_device");
        ada.sign_in("ada", "cookie").await;
        assert_eq!(ada.value("pc_device"), device, "it is the same device");
    }
}

#[tokio::test]
async fn names_and_attributes_follow_the_configuration() {
    type Change = fn(&mut Setup);
    let https: Change = |setup| setup.web.public_url = "https://localhost".parse().unwrap();
    let narrow: Change = |setup| {
        setup.web.public_url = "https://localhost".parse().unwrap();
        setup.web.cookie_path = "/auth".into();
    };
    let shared: Change = |setup| {
        setup.web.public_url = "https://localhost".parse().unwrap();
        setup.web.cookie_domain = Some("example.com".into());
        setup.web.cookie_same_site = SameSite::Strict;
    };
    let everywhere: Change = |setup| {
        setup.web.public_url = "https://localhost".parse().unwrap();
        setup.web.cookie_same_site = SameSite::None;
    };
    let table: [(Change, [&str; 4]); 4] = [
        (
            https,
            [
                "__Host-pc_access Path=/; HttpOnly; Secure; SameSite=Lax",
                "__Host-pc_device Path=/; HttpOnly; Secure; SameSite=Lax",
                "__Host-pc_refresh Path=/; HttpOnly; Secure; SameSite=Lax",
                "csrftoken Path=/; Secure; SameSite=Lax",
            ],
        ),
        (
            narrow,
            [
                "__Host-pc_access Path=/; HttpOnly; Secure; SameSite=Lax",
                "__Host-pc_device Path=/; HttpOnly; Secure; SameSite=Lax",
                "__Secure-pc_refresh Path=/auth; HttpOnly; Secure; SameSite=Lax",
                "csrftoken Path=/; Secure; SameSite=Lax",
            ],
        ),
        (
            shared,
            [
                "__Secure-pc_access Path=/; Domain=example.com; HttpOnly; Secure; SameSite=Strict",
                "__Secure-pc_device Path=/; Domain=example.com; HttpOnly; Secure; SameSite=Strict",
                "__Secure-pc_refresh Path=/; Domain=example.com; HttpOnly; Secure; SameSite=Strict",
                "csrftoken Path=/; Domain=example.com; Secure; SameSite=Strict",
            ],
        ),
        (
            everywhere,
            [
                "__Host-pc_access Path=/; HttpOnly; Secure; SameSite=None",
                "__Host-pc_device Path=/; HttpOnly; Secure; SameSite=None",
                "__Host-pc_refresh Path=/; HttpOnly; Secure; SameSite=None",
                "csrftoken Path=/; Secure; SameSite=None",
            ],
        ),
    ];
    for (change, expected) in table {
        let app = TestApp::with(Backend::Sqlite, change).await;
        app.sign_up("ada").await;
        let origin = app.cx.settings.issuer.replace("http://localhost:8400", "https://localhost");
        let mut ada: Browser = app.browser().saying(&[("origin", &origin)]);
        let reply = ada.sign_in("ada", "cookies").await;
        let shown = |reply: &Reply| {
            set(reply).iter().map(|set| format!("{} {}", set.name, set.attributes)).collect::<Vec<_>>()
        };
        assert_eq!(shown(&reply), expected);
        // Cleared with the very attributes, or browsers keep them: this jar does, too.
        let reply = ada.post("/auth/logout", &json!({})).await;
        private(&reply, 204);
        let [access, _, refresh, csrf] = expected;
        assert_eq!(shown(&reply), [access, refresh, csrf]);
        assert_eq!(cleared_names(&reply).len(), 3);
        assert_eq!(ada.jar().names().len(), 1);
    }
}

#[tokio::test]
async fn cookies_do_not_travel_in_clear() {
    let app = TestApp::with(Backend::Sqlite, |setup| {
        setup.web.public_url = "http://auth.example".parse().unwrap();
        setup.web.hosts = vec!["localhost".into()];
    })
    .await;
    let ada = app.browser().saying(&[("origin", "http://auth.example")]);
    for delivery in ["cookie", "cookies"] {
        let body = json!({"email": "ada@example.org", "password": PASSWORD, "delivery": delivery});
        for path in ["/auth/login", "/auth/register"] {
            invalid(&ada.post(path, &body).await, &[("delivery", "needs_https")]);
        }
    }
}

#[tokio::test]
async fn cookies_without_secure_are_told_at_start() {
    for (url, told) in
        [("http://localhost:8400", true), ("https://localhost", false), ("http://auth.example", false)]
    {
        let app = TestApp::with(Backend::Sqlite, |setup| setup.web.public_url = url.parse().unwrap()).await;
        let warnings = app.app.warnings();
        assert_eq!(warnings.iter().any(|warning| warning.contains("without Secure")), told, "{warnings:?}");
    }
}

#[tokio::test]
async fn a_token_that_no_cookie_holds_is_a_fault_of_ours() {
    let app = TestApp::with(Backend::Sqlite, |setup| {
        setup.settings.claims.insert("long".into(), "x".repeat(4_000).into());
    })
    .await;
    app.sign_up("ada").await;
    let body =
        |delivery: &str| json!({"email": "ada@example.org", "password": PASSWORD, "delivery": delivery});
    let ada = app.browser();
    let reply = ada.post("/auth/login", &body("cookies")).await;
    refused(&reply, 500, "internal_error");
    assert!(set(&reply).is_empty());
    private(&ada.post("/auth/login", &body("cookie")).await, 200);
}

#[tokio::test]
async fn two_cookies_of_one_name_are_refused() {
    let app = TestApp::new(Backend::Sqlite).await;
    let ada = signed_in(&app, "ada", "cookies").await;
    for name in ["pc_refresh", "pc_access", "pc_device"] {
        let twice = ada.with_header("cookie", &format!("{name}={}", ada.value(name)));
        let login = json!({"email": "ada@example.org", "password": PASSWORD, "delivery": "cookie"});
        let replies = [
            twice.refresh().await,
            twice.post("/auth/logout", &json!({})).await,
            twice.post("/auth/login", &login).await,
            twice.get("/auth/csrf").await,
            twice.get("/auth/me").await,
            twice.patch("/auth/me", &json!({"name": "x"})).await,
        ];
        for reply in replies {
            refused(&reply, 400, "malformed_request");
            assert!(set(&reply).is_empty());
        }
    }
    assert_eq!(ada.refresh().await.status, 200);
}
