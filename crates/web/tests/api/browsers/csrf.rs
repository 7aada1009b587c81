//! The CSRF rules: every cell of the table, and what needs no token.

use http::{Method, Request};
use portcullis_testkit::app::{Browser, OWN_ORIGIN};
use portcullis_testkit::{Backend, PASSWORD, Reply, TestApp};
use serde_json::json;

use super::{set, signed_in};
use crate::on_both;
use crate::support::{claims, private, refused};

const TRUSTED: &str = "https://app.example.org";

/// What a page asks for by cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ask {
    Refresh,
    Logout,
    Login,
    PatchMe,
}

const ASKS: [Ask; 4] = [Ask::Refresh, Ask::Logout, Ask::Login, Ask::PatchMe];

impl Ask {
    async fn by(self, browser: &Browser) -> Reply {
        match self {
            Self::Refresh => browser.refresh().await,
            Self::Logout => browser.send(Method::POST, "/auth/logout", None).await,
            Self::Login => {
                let body = json!({"email": "ada@example.org", "password": PASSWORD, "delivery": "cookies"});
                browser.post("/auth/login", &body).await
            }
            Self::PatchMe => browser.patch("/auth/me", &json!({"name": "changed"})).await,
        }
    }

    const fn status(self) -> u16 {
        match self {
            Self::Logout => 204,
            Self::Refresh | Self::Login | Self::PatchMe => 200,
        }
    }
}

/// Where a request comes from, and whether such a page may ask.
const PLACES: [(&[(&str, &str)], bool); 12] = [
    // Same origin.
    (&[("origin", OWN_ORIGIN), ("sec-fetch-site", "same-origin")], true),
    (&[("origin", OWN_ORIGIN)], true),
    (&[("referer", "http://localhost:8400/account?tab=1"), ("sec-fetch-site", "same-origin")], true),
    // Same site.
    (&[("origin", "http://localhost:3000"), ("sec-fetch-site", "same-site")], false),
    (&[("origin", OWN_ORIGIN), ("sec-fetch-site", "same-site")], false),
    // Cross site.
    (&[("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")], false),
    (&[("origin", OWN_ORIGIN), ("sec-fetch-site", "cross-site")], false),
    (&[("origin", "null")], false),
    (&[("referer", "https://evil.example/http://localhost:8400/")], false),
    // Listed.
    (&[("origin", TRUSTED), ("sec-fetch-site", "cross-site")], true),
    // No origin.
    (&[], false),
    (&[("sec-fetch-site", "same-origin")], false),
];

async fn app(backend: Backend) -> TestApp {
    TestApp::with(backend, |setup| setup.web.trusted_origins = vec![TRUSTED.into()]).await
}

on_both! {
    async fn the_table(backend: Backend) {
        let app = app(backend).await;
        let mut ada = signed_in(&app, "ada", "cookies").await;
        let mut other = app.browser();
        other.sign_in("ada", "cookies").await;
        let right = ada.fetch_csrf_token().await;
        let others = other.fetch_csrf_token().await;
        let nobodys = app.browser().fetch_csrf_token().await;
        assert!(right != others && right != nobodys);
        let wrong = [None, Some(""), Some("wrong"), Some(&*nobodys), Some(&*others), Some(&right[1..])];
        let held = ada.jar().clone();
        for ask in ASKS {
            for (page, may) in PLACES {
                let cells = wrong.iter().map(|token| (*token, false)).chain([(Some(&*right), may)]);
                for (token, _) in cells.filter(|(_, passes)| !passes) {
                    let reply = ask.by(&ada.saying(page).knowing(token)).await;
                    refused(&reply, 403, "csrf_failed");
                    assert!(set(&reply).is_empty(), "{ask:?} {page:?} {token:?}");
                }
            }
        }
        assert_eq!(*ada.jar(), held, "nothing has happened");
        assert_eq!(ada.get("/auth/me").await.json["name"], "ada");
        for ask in ASKS {
            for (page, _) in PLACES.into_iter().filter(|(_, may)| *may) {
                let mut ada = app.browser();
                ada.sign_in("ada", "cookies").await;
                private(&ask.by(&ada.saying(page)).await, ask.status());
            }
        }
    }

    async fn a_token_is_good_on_every_node_and_for_the_whole_session(backend: Backend) {
        let app = app(backend).await;
        let ada = signed_in(&app, "ada", "cookies").await;
        let other = app.another(|_| {}).await;
        assert_eq!(ada.at(&other).refresh().await.status, 200);
        assert_eq!(ada.refresh().await.status, 200);
        let renamed = ada.at(&other).patch("/auth/me", &json!({"name": "changed"})).await;
        assert_eq!(renamed.status, 200, "{}", renamed.text());
    }

    async fn a_token_under_an_accepted_key_counts_and_under_a_lacking_one_is_our_fault(backend: Backend) {
        let app = app(backend).await;
        let ada = signed_in(&app, "ada", "cookie").await;
        let newer = app.another(|setup| setup.server_keys = vec![[2; 32], [1; 32]]).await;
        let reply = ada.at(&newer).refresh().await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        // What was made under the new key is not known to the first node, which says so and clears nothing.
        let reply = ada.refresh().await;
        refused(&reply, 503, "key_unavailable");
        assert!(set(&reply).is_empty());
    }
}

#[tokio::test]
async fn before_there_is_a_session_the_place_is_enough() {
    let app = app(Backend::Sqlite).await;
    app.sign_up("ada").await;
    for (page, may) in PLACES {
        let stranger = app.browser().saying(page);
        let login = Ask::Login.by(&stranger.copied()).await;
        let register = json!({"email": format!("{}@example.org", page.len()), "password": PASSWORD,
            "delivery": "cookie"});
        let set_up =
            json!({"token": "x", "email": "x@example.org", "password": PASSWORD, "delivery": "cookie"});
        let set_up = stranger.copied().post("/auth/setup", &set_up).await;
        if may {
            private(&login, 200);
            refused(&set_up, 400, "invalid_link");
        } else {
            refused(&login, 403, "csrf_failed");
            refused(&stranger.post("/auth/register", &register).await, 403, "csrf_failed");
            refused(&set_up, 403, "csrf_failed");
            assert!(stranger.jar().names().is_empty());
        }
    }
    // A cookie that names no session of ours asks for no token.
    let garbage = app.browser();
    garbage.jar().put("pc_refresh", "garbage");
    private(&Ask::Login.by(&garbage).await, 200);
}

#[tokio::test]
async fn signing_in_with_the_tokens_in_the_body_needs_nothing_and_leaves_cookies_alone() {
    let app = app(Backend::Sqlite).await;
    let ada = signed_in(&app, "ada", "cookie").await.saying(&[]).knowing(None);
    for delivery in [json!({}), json!({"delivery": "body"})] {
        let mut body = json!({"email": "ada@example.org", "password": PASSWORD});
        body.as_object_mut().unwrap().extend(delivery.as_object().unwrap().clone());
        let reply = ada.post("/auth/login", &body).await;
        private(&reply, 200);
        assert!(set(&reply).is_empty());
    }
    let own = ada.saying(&[("origin", OWN_ORIGIN)]).knowing(None);
    let mut own = own.copied();
    own.fetch_csrf_token().await;
    assert_eq!(own.refresh().await.status, 200, "its session lives on");
}

#[tokio::test]
async fn bearer_requests_need_none_but_refresh_and_logout_use_the_cookie() {
    let app = app(Backend::Sqlite).await;
    let ada = signed_in(&app, "ada", "cookies").await;
    let bob = app.sign_up("bob").await;
    let both = ada.saying(&[]).knowing(None).bearing(bob.access_token.as_deref());
    let reply = Ask::PatchMe.by(&both).await;
    private(&reply, 200);
    assert_eq!(reply.json["id"], bob.user.as_deref().unwrap(), "who asks is who the header says");
    for ask in [Ask::Refresh, Ask::Logout, Ask::Login] {
        refused(&ask.by(&both).await, 403, "csrf_failed");
    }
    let right = ada.bearing(bob.access_token.as_deref());
    let refreshed = Ask::Refresh.by(&right).await;
    assert_eq!(refreshed.json["user"]["name"], "ada");
    private(&Ask::Logout.by(&right).await, 204);
    assert_eq!(bob.get("/auth/me").await.status, 200, "the bearer's session was not meant");
    // Without cookies they are bearer requests like all others.
    let bare = app.browser().saying(&[]).bearing(bob.access_token.as_deref());
    private(&Ask::Logout.by(&bare).await, 204);
    assert_eq!(bob.get("/auth/me").await.status, 401);
}

#[tokio::test]
async fn a_header_of_another_scheme_changes_nothing() {
    let app = app(Backend::Sqlite).await;
    let ada = signed_in(&app, "ada", "cookies").await;
    for scheme in ["Basic dTpw", "Negotiate YII=", "DPoP x"] {
        let staging = ada.copied().with_header("authorization", scheme);
        for ask in [Ask::PatchMe, Ask::Refresh] {
            refused(&ask.by(&staging.knowing(None)).await, 403, "csrf_failed");
            refused(&ask.by(&staging.saying(&[])).await, 403, "csrf_failed");
            private(&ask.by(&staging).await, 200);
        }
        assert_eq!(staging.get("/auth/me").await.json["name"], "changed");
        let nobody = app.anon().with_header("authorization", scheme);
        refused(&nobody.get("/auth/me").await, 401, "malformed_authorization");
    }
    // A slip is told, whatever cookies come along.
    for slip in ["Bearer", "Bearer a b", "token"] {
        let reply = ada.with_header("authorization", slip).get("/auth/me").await;
        refused(&reply, 401, "malformed_authorization");
    }
}

#[tokio::test]
async fn a_form_carries_the_token_in_a_field() {
    let app = app(Backend::Sqlite).await;
    let mut ada = signed_in(&app, "ada", "cookies").await;
    let token = ada.fetch_csrf_token().await;
    let send = async |browser: Browser, token: &str| {
        let form = Request::builder().method("POST").uri("/auth/login");
        let form = form.header("content-type", "application/x-www-form-urlencoded");
        let password = PASSWORD.replace(' ', "+");
        let body = format!(
            "login=ada%40example.org&password={password}&delivery=cookies&csrf_token={token}&next=%2F"
        );
        browser.exchange(form, body.into()).await
    };
    refused(&send(ada.knowing(None), "wrong").await, 403, "csrf_failed");
    refused(&send(ada.knowing(Some("wrong")), &token).await, 403, "csrf_failed");
    private(&send(ada.knowing(None), &token).await, 200);
}

#[tokio::test]
async fn the_token_comes_as_a_cookie_for_scripts_too_and_that_is_not_compared() {
    let app = app(Backend::Sqlite).await;
    let mut ada = signed_in(&app, "ada", "cookie").await;
    let token = ada.fetch_csrf_token().await;
    let cookie = ada.cookie("csrftoken").unwrap();
    assert_eq!((cookie.value.as_str(), cookie.attributes.as_str()), (&*token, "Path=/; SameSite=Lax"));
    assert_eq!(token.len(), 33);
    ada.jar().put("csrftoken", "something else");
    private(&ada.refresh().await, 200);
    assert_eq!(ada.value("csrftoken"), token, "whoever signs in or refreshes gets it, too");
    ada.jar().remove("csrftoken");
    private(&ada.refresh().await, 200);
    // Twice is not right.
    let twice = ada.with_header("x-csrftoken", &token);
    refused(&twice.refresh().await, 403, "csrf_failed");
}

#[tokio::test]
async fn asking_for_the_token_changes_nothing_and_ignores_the_header() {
    let app = app(Backend::Sqlite).await;
    let ada = signed_in(&app, "ada", "cookies").await;
    let reply = ada.get("/auth/csrf").await;
    private(&reply, 200);
    assert_eq!(reply.json.as_object().unwrap().len(), 1);
    for header in ["Bearer garbage", "Basic dTpw", "x"] {
        let same = ada.with_header("authorization", header).get("/auth/csrf").await;
        assert_eq!(same.json, reply.json);
    }
    // From the access token's cookie alone it is the same session's.
    let access = app.browser();
    access.jar().put("pc_access", &ada.value("pc_access"));
    assert_eq!(access.get("/auth/csrf").await.json, reply.json);
    let sid = &claims(&ada.value("pc_access"))["sid"];
    assert!(!reply.text().contains(sid.as_str().unwrap()));
    // Reading needs none, whoever asks.
    let foreign = ada.saying(&[("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")]);
    private(&foreign.knowing(None).get("/auth/me").await, 200);
}
