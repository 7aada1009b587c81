//! Pages where `cookies.path` keeps the refresh tokens from them: all they see of a session is its access token.

use portcullis_testkit::app::Browser;
use portcullis_testkit::{Backend, PASSWORD, Reply, TestApp};
use serde_json::{Value, json};

use super::{filled, open, send, sent_on, sign_in_at, submit};
use crate::browsers::cleared_names;
use crate::on_both;
use crate::support::{admin, events, refused};

async fn narrow(backend: Backend) -> TestApp {
    TestApp::with(backend, |setup| setup.web.cookie_path = "/auth".into()).await
}

/// An administrator in a browser, acting as ada, of whom no page knows yet.
async fn acting(app: &TestApp) -> Browser {
    admin(app, "root").await;
    let ada = app.sign_up("ada").await;
    let mut root = app.browser();
    root.sign_in("root", "cookies").await;
    let begin = format!("/admin/api/users/{}/impersonate", ada.user.as_deref().unwrap());
    assert_eq!(root.post(&begin, &json!({"reason": "x"})).await.status, 200);
    root.knowing(None)
}

async fn sign_up(browser: &Browser, name: &str) -> Reply {
    let page = open(browser, "/sign-out").await;
    let [email, password] = filled(name);
    let fields = [("csrf_token", page.value("csrf_token")), (&email.0, &email.1), (&password.0, &password.1)];
    send(browser, "/sign-up", &fields).await
}

/// That nothing of acting is left of `before`, and that `browser` is `name` everywhere.
async fn goes_on_as(app: &TestApp, name: &str, (before, browser): (&Browser, &Browser), reply: &Reply) {
    sent_on(reply, "/account");
    assert_eq!(cleared_names(reply), ["pc_act_access", "pc_act_refresh"]);
    assert_eq!(browser.jar().names(), ["csrftoken", "pc_access", "pc_device", "pc_refresh"]);
    let email = format!("{name}@example.org");
    assert_eq!(browser.get("/auth/me").await.json["email"], email);
    let mut tab = browser.clone();
    tab.fetch_csrf_token().await;
    assert_eq!(tab.refresh().await.json["user"]["email"], email);
    assert_eq!(open(browser, "/account").await.by_id("email").unwrap().text, email);

    // Both sessions have ended, each once.
    let mut before = before.copied();
    for own_is_left in [false, true] {
        before.fetch_csrf_token().await;
        refused(&before.refresh().await, 401, "refresh_revoked");
        if !own_is_left {
            before.jar().remove("pc_act_refresh");
            before.jar().remove("pc_act_access");
        }
    }
    let ended = events(app, "session.ended").await;
    let causes: Vec<&Value> = ended.iter().map(|event| &event["detail"]["cause"]).collect();
    assert_eq!(causes, ["replaced", "replaced"]);
}

on_both! {
    async fn signing_in_ends_acting_and_the_administrators_session(backend: Backend) {
        let app = narrow(backend).await;
        let root = acting(&app).await;
        let before = root.copied();
        let reply = sign_in_at(&root, "/sign-in?max_age=0", "ada").await;
        goes_on_as(&app, "ada", (&before, &root), &reply).await;
    }

    async fn signing_up_ends_them_too(backend: Backend) {
        let app = narrow(backend).await;
        let root = acting(&app).await;
        let before = root.copied();
        let reply = sign_up(&root, "eve").await;
        goes_on_as(&app, "eve", (&before, &root), &reply).await;
    }

    async fn the_session_of_an_expired_access_token_ends(backend: Backend) {
        let app = narrow(backend).await;
        app.sign_up("ada").await;
        let ada = app.browser();
        sent_on(&sign_in_at(&ada, "/sign-in", "ada").await, "/account");
        let mut before = ada.copied();
        before.fetch_csrf_token().await;
        app.clock.advance(std::time::Duration::from_mins(20));
        sent_on(&sign_in_at(&ada, "/sign-in?renewed=no", "ada").await, "/account");
        refused(&before.refresh().await, 401, "refresh_revoked");
    }

    async fn a_wrong_password_ends_nothing(backend: Backend) {
        let app = narrow(backend).await;
        let root = acting(&app).await;
        let page = open(&root, "/sign-in?max_age=0").await;
        let wrong = [
            ("csrf_token", page.value("csrf_token")),
            ("email", "ada@example.org"),
            ("password", &PASSWORD[1..]),
        ];
        let held = root.jar().clone();
        assert_eq!(send(&root, "/sign-in", &wrong).await.status, 401);
        assert_eq!(*root.jar(), held);
        assert!(events(&app, "session.ended").await.is_empty());
    }
}

/// Strangers who guess do not keep out a browser that has signed in before.
#[tokio::test]
async fn pages_know_the_device() {
    let app = narrow(Backend::Sqlite).await;
    app.sign_up("ada").await;
    let ada = app.browser();
    sent_on(&sign_in_at(&ada, "/sign-in", "ada").await, "/account");
    let guess = json!({"email": "ada@example.org", "password": "wrong"});
    for _ in 0..8 {
        assert_eq!(app.anon().post("/auth/login", &guess).await.status, 401);
    }
    assert_eq!(sign_in_at(&app.browser(), "/sign-in", "ada").await.status, 401);
    sent_on(&submit(&ada, "/sign-out", &[]).await, "/sign-out");
    sent_on(&sign_in_at(&ada, "/sign-in", "ada").await, "/account");
}

#[tokio::test]
async fn signing_out_leaves_no_refresh_token_behind() {
    let app = narrow(Backend::Sqlite).await;
    let root = acting(&app).await;
    sent_on(&submit(&root, "/sign-out", &[]).await, "/sign-out");
    assert_eq!(root.jar().names(), ["pc_device"]);
    refused(&root.get("/auth/me").await, 401, "missing_token");
}
