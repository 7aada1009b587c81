//! Signing in and out: what the browser holds, what the app is told.

use std::time::Duration;

use portcullis_testkit::{Backend, FakeIdp, PASSWORD};
use serde_json::json;

use crate::browser::Browser;
use crate::house::{House, UPSTREAM, claims, sign_in};
use crate::upstream::App;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_app_is_told_who_asks_and_the_browser_sees_no_token() {
    for backend in [Backend::Sqlite, Backend::Postgres] {
        let house = House::whole(backend, App::echo().await, |_| {}, |_| {}).await;
        let ada = house.issuer.sign_up("ada").await;
        let browser = house.browser();
        let before = browser.get("/").await;
        assert_eq!((before.status, before.app_saw("x-auth-user")), (200, None));
        let reply = sign_in(&browser, "ada").await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        assert_eq!(reply.header("cache-control"), Some("no-store"));
        // The second part of a token begins so. Sealed values have no point in them, but every three characters sometime.
        for secret in ["access_token", "refresh_token", "device_token", ".eyJ"] {
            assert!(!reply.text().contains(secret), "{}", reply.text());
        }
        assert_eq!(reply.json["user"]["email"], "ada@example.org");
        for line in reply.headers.get_all("set-cookie") {
            let line = line.to_str().unwrap();
            assert!(
                line.contains("; HttpOnly") && line.contains("SameSite=Lax") && !line.contains(".eyJ"),
                "{line}"
            );
        }
        let seen = browser.get("/hello?a=b").await;
        assert_eq!((seen.status, seen.json["target"].as_str()), (200, Some("/hello?a=b")));
        assert_eq!(seen.app_saw("x-auth-user"), ada.user.as_deref());
        assert_eq!(seen.app_saw("x-auth-role"), Some("user"));
        assert!(seen.app_saw("x-auth-account").is_some() && seen.app_saw("cookie").is_none());
        let found = claims(seen.app_saw("authorization").expect("a token"));
        assert_eq!((&found["aud"], found["sub"].as_str()), (&json!(UPSTREAM), ada.user.as_deref()));
        let me = browser.get("/auth/me").await;
        assert_eq!((me.status, me.json["email"].as_str()), (200, Some("ada@example.org")));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_passwords_are_told_as_by_the_issuer() {
    let house = House::new().await;
    house.issuer.sign_up("ada").await;
    let reply =
        house.browser().post("/auth/login", &json!({"email": "ada@example.org", "password": "no"})).await;
    reply.refused(401, "invalid_credentials");
    assert!(!reply.sets_cookies());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn signing_out_ends_the_session_and_takes_the_cookies() {
    let house = House::new().await;
    let browser = house.signed_in("ada").await;
    let stolen = browser.with_cookies(browser.cookies());
    browser.post("/auth/logout", &json!({})).await.refused(403, "csrf_failed");
    let reply = browser.with_csrf().await.post("/auth/logout", &json!({})).await;
    assert_eq!(reply.status, 204, "{}", reply.text());
    assert!(!browser.cookies().contains_key("pc_gateway"));
    assert_eq!(stolen.get("/").await.app_saw("x-auth-user"), None, "at once");
    stolen.get("/auth/me").await.refused(401, "invalid_token");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sign_out_that_the_issuer_has_not_heard_of_is_none() {
    let house = House::new().await;
    let browser = house.signed_in("ada").await.with_csrf().await;
    house.issuer_down(true);
    let reply = browser.post("/auth/logout", &json!({})).await;
    reply.refused(503, "issuer_unavailable");
    assert!(!reply.sets_cookies() && browser.cookies().contains_key("pc_gateway"));
    house.issuer_down(false);
    assert_eq!(browser.post("/auth/logout", &json!({})).await.status, 204);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn signing_out_everywhere_ends_the_others_too() {
    let house = House::new().await;
    let one = house.signed_in("ada").await;
    let other = house.browser();
    assert_eq!(sign_in(&other, "ada").await.status, 200);
    assert_eq!(one.with_csrf().await.post("/auth/logout/all", &json!({})).await.status, 204);
    portcullis_testkit::eventually(std::time::Duration::from_secs(5), "the other one ends", async || {
        (other.get("/auth/me").await.status == 401).then_some(())
    })
    .await;
    assert_eq!(other.get("/").await.app_saw("x-auth-user"), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sign_out_everywhere_is_one_or_says_that_it_is_none() {
    let house = House::new().await;
    let one = house.signed_in("ada").await.with_csrf().await;
    let other = house.browser();
    assert_eq!(sign_in(&other, "ada").await.status, 200);
    house.issuer_down(true);
    let reply = one.post("/auth/logout/all", &json!({})).await;
    reply.refused(503, "issuer_unavailable");
    assert!(!reply.sets_cookies(), "a proxy's 401 in between ends nothing");
    house.issuer_down(false);
    // The token that the gateway holds is good no more, and the session is.
    let ada = house.issuer.cx.find_user("ada@example.org").await.expect("she is there").id;
    assert!(house.issuer.cx.set_role(ada, "editor").await.unwrap());
    let refreshes = house.asked("/auth/refresh");
    assert_eq!(one.post("/auth/logout/all", &json!({})).await.status, 204);
    assert_eq!(house.asked("/auth/refresh"), refreshes + 1, "it took a newer one");
    assert!(!one.cookies().contains_key("pc_gateway"));
    other.get("/auth/me").await.refused(401, "invalid_token");
    assert_eq!(sign_in(&one, "ada").await.status, 200);
    assert!(house.issuer.cx.disable_user(ada).await.expect("it is done"));
    let reply = one.with_csrf().await.post("/auth/logout/all", &json!({})).await;
    reply.refused(401, "invalid_token");
    assert!(!one.cookies().contains_key("pc_gateway"), "the issuer says that this one is over");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn csrf_tokens_are_of_one_session() {
    let house = House::new().await;
    let (ada, bob) = (house.signed_in("ada").await, house.signed_in("bob").await);
    let change = json!({"name": "Ada L."});
    let patch = |browser: crate::browser::Browser| {
        let body = change.to_string();
        async move { browser.send(http::Method::PATCH, "/auth/me", Some(("application/json", body))).await }
    };
    patch(ada.clone()).await.refused(403, "csrf_failed");
    patch(ada.with("x-csrftoken", "wrong")).await.refused(403, "csrf_failed");
    let of_bob = bob.get("/auth/csrf").await.json["csrf_token"].as_str().unwrap().to_owned();
    patch(ada.with("x-csrftoken", &of_bob)).await.refused(403, "csrf_failed");
    let own = ada.with_csrf().await;
    patch(own.with("origin", "https://evil.example")).await.refused(403, "csrf_failed");
    patch(own.with("sec-fetch-site", "cross-site")).await.refused(403, "csrf_failed");
    patch(own.with("origin", "")).await.refused(403, "csrf_failed");
    let right = patch(own).await;
    assert_eq!((right.status, right.json["name"].as_str()), (200, Some("Ada L.")), "{}", right.text());
    let login = house.browser().with("origin", "https://evil.example");
    sign_in(&login, "ada").await.refused(403, "csrf_failed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_signs_people_in_and_brings_them_back() {
    let house = House::with(App::echo().await, |config| config.require_sign_in = true).await;
    house.issuer.sign_up("ada").await;
    let browser = house.browser().with("accept", "text/html");
    let away = browser.get("/deep/page?x=1").await;
    assert_eq!(away.status, 303);
    let page = away.header("location").unwrap().to_owned();
    assert_eq!(page, "/auth/sign-in?return_to=%2Fdeep%2Fpage%3Fx%3D1");
    house.browser().get("/deep/page").await.refused(401, "missing_token");
    let shown = browser.get(&page).await;
    assert_eq!(shown.status, 200);
    assert!(shown.header("content-security-policy").unwrap().contains("default-src 'none'"));
    assert!(
        !shown.text().contains("<script") && shown.text().contains(r#"value="/deep/page?x=1""#),
        "{}",
        shown.text()
    );
    assert_eq!(browser.get("/auth/gateway/style.css").await.status, 200);
    let form = |password| {
        [
            ("login", "ada@example.org"),
            ("password", password),
            ("return_to", "/deep/page?x=1"),
            ("csrf_token", ""),
        ]
    };
    let again = browser.submit("/auth/login", &form("not the password")).await;
    assert_eq!(again.status, 401);
    assert!(
        again.text().contains(r#"role="alert""#) && again.text().contains("ada@example.org"),
        "{}",
        again.text()
    );
    let back = browser.submit("/auth/login", &form(PASSWORD)).await;
    assert_eq!((back.status, back.header("location")), (303, Some("/deep/page?x=1")), "{}", back.text());
    assert_eq!(browser.get("/deep/page?x=1").await.status, 200);
    let done = browser.get("/auth/sign-in?return_to=%2Fx").await;
    assert_eq!((done.status, done.header("location")), (303, Some("/x")), "there is nothing to do any more");
    let elsewhere =
        [("login", "ada@example.org"), ("password", PASSWORD), ("return_to", "https://evil.example/")];
    let csrf = browser.with_csrf().await;
    assert_eq!(csrf.submit("/auth/login", &elsewhere).await.header("location"), Some("/"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sign_in_ends_the_session_that_was_there() {
    let house = House::with(App::echo().await, |config| config.require_sign_in = true).await;
    let browser = house.signed_in("ada").await;
    let old = browser.with_cookies(browser.cookies());
    house.issuer.sign_up("bob").await;
    sign_in(&browser, "bob").await.refused(403, "csrf_failed");
    assert_eq!(sign_in(&browser.with_csrf().await, "bob").await.status, 200);
    assert_eq!(browser.get("/auth/me").await.json["email"], "bob@example.org");
    for path in ["/auth/me", "/"] {
        let late = old.get(path).await;
        late.refused(401, "invalid_token");
        assert!(!late.sets_cookies(), "its answer may come after that of the sign-in: {path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_comes_between_a_change_of_password_and_its_answer_takes_nothing_away() {
    let mut house = House::new().await;
    let browser = house.signed_in("ada").await;
    let old = browser.with_cookies(browser.cookies());
    let other = crate::browser::Browser::new(house.another(|_| {}).await).with_cookies(browser.cookies());
    house.hold(Some("/auth/password/change"));
    let change = json!({"current_password": PASSWORD, "new_password": "eight yellow windows"});
    let scripted = browser.with_csrf().await;
    let between = async {
        portcullis_testkit::eventually(Duration::from_secs(20), "the change is made", async || {
            (old.get("/auth/me").await.status == 401).then_some(())
        })
        .await;
        for tab in [&old, &other] {
            let reply = tab.get("/auth/me").await;
            reply.refused(401, "invalid_token");
            assert!(!reply.sets_cookies(), "the newer ones are on their way");
        }
        house.hold(None);
    };
    let (reply, ()) = tokio::join!(scripted.post("/auth/password/change", &change), between);
    assert_eq!((reply.status, reply.sets_cookies()), (200, true), "{}", reply.text());
    assert_eq!(browser.get("/auth/me").await.status, 200, "it goes on under another secret");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_password_keeps_this_session_and_its_cookies_right() {
    let house = House::new().await;
    let browser = house.signed_in("ada").await;
    let stolen = browser.with_cookies(browser.cookies());
    let new = "eight yellow windows";
    let change = json!({"current_password": PASSWORD, "new_password": new});
    let reply = browser.with_csrf().await.post("/auth/password/change", &change).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert!(reply.sets_cookies() && !reply.text().contains("token\""), "{}", reply.text());
    assert_eq!(browser.get("/auth/me").await.status, 200);
    let thief = stolen.get("/").await;
    assert_eq!((thief.app_saw("x-auth-user"), thief.sets_cookies()), (None, false), "{}", thief.text());
    house.expire_access_tokens();
    assert_eq!(browser.get("/auth/me").await.status, 200, "the new refresh token is in the cookies");
    stolen.get("/auth/me").await.refused(401, "invalid_token");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_must_change_the_password_can_and_does_nothing_before() {
    let house = House::new().await;
    house.issuer.sign_up("ada").await;
    let user = house.issuer.cx.find_user("ada@example.org").await.expect("she is there");
    house.issuer.cx.set_password(&user, "a first password".into(), true).await.expect("it is set");
    let browser = house.browser().with("accept", "text/html");
    let form = [("login", "ada@example.org"), ("password", "a first password"), ("return_to", "/x")];
    let reply = browser.submit("/auth/login", &form).await;
    assert_eq!((reply.status, reply.header("location")), (303, Some("/auth/change-password?return_to=%2Fx")));
    let page = browser.get("/").await;
    assert_eq!((page.status, page.header("location")), (303, Some("/auth/change-password?return_to=%2F")));
    browser.with("accept", "").get("/").await.refused(403, "password_change_required");
    let shown = browser.get("/auth/change-password?return_to=%2Fx").await.text();
    let csrf =
        shown.split(r#"name="csrf_token" value=""#).nth(1).and_then(|rest| rest.split('"').next()).unwrap();
    let fields = |new| {
        [
            ("current_password", "a first password"),
            ("new_password", new),
            ("csrf_token", csrf),
            ("return_to", "/x"),
        ]
    };
    let short = browser.submit("/auth/password/change", &fields("short")).await;
    assert_eq!(short.status, 422);
    assert!(short.text().contains(r#"role="alert""#), "{}", short.text());
    let done = browser.submit("/auth/password/change", &fields(PASSWORD)).await;
    assert_eq!((done.status, done.header("location")), (303, Some("/x")), "{}", done.text());
    assert_eq!(browser.get("/x").await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn api_clients_come_with_their_own_bearer() {
    let house = House::new().await;
    let ada = house.issuer.sign_up("ada").await;
    let bearer = |token: &str| house.browser().with("authorization", &format!("Bearer {token}"));
    let own = bearer(ada.access_token.as_deref().unwrap());
    let seen = own.get("/").await;
    assert_eq!(seen.app_saw("x-auth-user"), ada.user.as_deref());
    assert_eq!(
        claims(seen.app_saw("authorization").unwrap())["aud"],
        UPSTREAM,
        "never the issuer's own token"
    );
    let made = ada.post("/auth/tokens", &json!({"name": "a script", "scopes": ["read"]})).await;
    let token = made.json["token"].as_str().unwrap();
    let seen = bearer(token).with("origin", "").send(http::Method::POST, "/", None).await;
    assert_eq!((seen.status, seen.app_saw("x-auth-scopes")), (200, Some("read")), "{}", seen.text());
    let found = claims(seen.app_saw("authorization").unwrap());
    assert_eq!((&found["aud"], &found["sid"]), (&json!(UPSTREAM), &made.json["id"]));
    let exchanges = house.asked("/oauth/token");
    assert_eq!(bearer(token).get("/").await.status, 200);
    assert_eq!(house.asked("/oauth/token"), exchanges, "it is remembered");
    assert_eq!(ada.delete(&format!("/auth/tokens/{}", made.json["id"].as_str().unwrap())).await.status, 204);
    portcullis_testkit::eventually(std::time::Duration::from_secs(5), "the token dies", async || {
        (bearer(token).get("/").await.status == 401).then_some(())
    })
    .await;
    for garbage in ["x", "pct_x", "a.b.c"] {
        bearer(garbage).get("/").await.refused(401, "invalid_token");
    }
    house
        .browser()
        .with("authorization", "Basic dTpw")
        .get("/")
        .await
        .refused(401, "malformed_authorization");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_comes_back_from_a_provider_does_so_on_a_device_that_is_known() {
    const PAGE: &str = "http://localhost:8080/signed-in";
    let fake = FakeIdp::start().await;
    let provider = |setup: &mut portcullis_testkit::Setup| {
        setup.settings.providers = vec![fake.oidc("acme")];
        setup.web.return_urls = vec![PAGE.into()];
    };
    let house = House::whole(Backend::Sqlite, App::echo().await, provider, |_| {}).await;
    fake.serve(&house.issuer);
    let ada = fake.person("ada-there", "ada@example.org", true);
    let by_provider = async |browser: &Browser| {
        let start = format!("/auth/oauth/acme/start?redirect_uri={PAGE}");
        let begun = browser.with("accept", "application/json").get(&start).await;
        assert_eq!(begun.status, 200, "{}", begun.text());
        let back = fake.authorize(begun.json["authorization_url"].as_str().expect("a URL"), &ada);
        let body = json!({
            "code": back.code, "state": back.state, "iss": back.iss, "flow_secret": begun.json["flow_secret"],
        });
        let reply = browser.with_csrf().await.post("/auth/oauth/acme/callback", &body).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        assert!(reply.json.get("access_token").is_none() && reply.sets_cookies());
    };
    let notices = async || {
        house.issuer.mails().await.iter().filter(|mail| mail.text.contains("/not-me?token=")).count()
    };
    let browser = house.browser();
    by_provider(&browser).await;
    by_provider(&browser.with("user-agent", "browser/2")).await;
    assert_eq!(notices().await, 0);
    by_provider(&house.browser().with("user-agent", "browser/3")).await;
    assert_eq!(notices().await, 1);
}
