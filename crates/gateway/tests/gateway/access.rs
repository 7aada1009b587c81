//! Rules, the access code, and who only looks.

use http::Method;
use portcullis_core::access::{HostPattern, Prefix, Require, Requirement, Rule};
use portcullis_gateway::Target;
use serde_json::json;

use crate::house::{House, claims};
use crate::upstream::App;

fn rule(path: &str, require: Require) -> Rule {
    let path = Prefix::parse(path).expect("a path");
    Rule { host: None, path, methods: vec![], require, audience: None }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rules_decide_as_for_forward_auth() {
    let docs = "https://docs.example";
    let house = House::whole(
        portcullis_testkit::Backend::Sqlite,
        App::echo().await,
        |setup| setup.settings.gateway_audiences = vec![docs.into()],
        |config| {
            config.rules = vec![
                rule("/public", Require::Public),
                rule("/admin", Require::SignedIn(vec![Requirement::Role(vec!["admin".into()])])),
                Rule { audience: Some(docs.into()), ..rule("/docs", Require::SignedIn(vec![])) },
                rule(
                    "/fresh",
                    Require::SignedIn(vec![Requirement::Fresh(std::time::Duration::from_mins(5))]),
                ),
            ];
        },
    )
    .await;
    let (nobody, ada) = (house.browser(), house.signed_in("ada").await);
    assert_eq!(nobody.get("/public/x").await.status, 200);
    nobody.get("/").await.refused(401, "missing_token");
    nobody.get("/admin").await.refused(401, "missing_token");
    assert_eq!(ada.get("/").await.status, 200);
    assert!(ada.get("/public").await.app_saw("x-auth-user").is_some(), "who is there is told");
    ada.get("/admin").await.refused(403, "forbidden");
    ada.get("/%61dmin").await.refused(403, "forbidden");
    ada.get("/public/%2e%2e/admin").await.refused(400, "malformed_request");
    let seen = ada.get("/docs/1").await;
    assert_eq!(claims(seen.app_saw("authorization").unwrap())["aud"], docs);
    assert_eq!(ada.get("/fresh").await.status, 200);
    house.issuer.clock.advance(std::time::Duration::from_mins(6));
    ada.get("/fresh").await.refused(403, "fresh_login_required");
    let page = ada.with("accept", "text/html").get("/fresh").await;
    assert_eq!(page.header("location"), Some("/auth/sign-in?return_to=%2Ffresh&max_age=300"));
    let forged = ada.with("origin", "https://evil.example").send(Method::POST, "/public", None).await;
    assert_eq!((forged.status, forged.app_saw("x-auth-user")), (200, None), "nobody may do that, too");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn which_scope_is_missing_is_said() {
    let files = Require::SignedIn(vec![Requirement::Scope("files".into())]);
    let house = House::with(App::echo().await, |config| config.rules = vec![rule("/files", files)]).await;
    let ada = house.issuer.sign_up("ada").await;
    let made = ada.post("/auth/tokens", &json!({"name": "a script", "scopes": ["mail"]})).await;
    let bearer = format!("Bearer {}", made.json["token"].as_str().unwrap());
    let script = house.browser().with("authorization", &bearer);
    assert_eq!(script.get("/").await.status, 200);
    let refused = script.get("/files/1").await;
    refused.refused(403, "insufficient_scope");
    let challenge = r#"Bearer error="insufficient_scope", scope="files""#;
    assert_eq!(refused.header("www-authenticate"), Some(challenge));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_apps_by_host_and_path() {
    let (front, api, wild) = (App::echo().await, App::echo().await, App::echo().await);
    let target = |host: Option<&str>, path: &str, app: &App| Target {
        host: host.map(|host| HostPattern::parse(host).expect("a host")),
        path: Prefix::parse(path).expect("a path"),
        url: app.url().parse().expect("a URL"),
    };
    let targets = vec![
        target(Some("*.example.org"), "/", &wild),
        target(None, "/api", &api),
        target(None, "/api/v2/front", &front),
        target(Some("localhost"), "/", &front),
        target(Some("localhost"), "/api", &api),
    ];
    let house = House::with(App::echo().await, |config| config.targets = targets).await;
    let browser = house.browser();
    browser.get("/").await;
    browser.get("/apis").await;
    browser.get("/api/x").await;
    browser.with("host", "a.example.org").get("/api/y").await;
    let paths = |app: &App| app.seen().into_iter().map(|seen| seen.path).collect::<Vec<_>>();
    assert_eq!(
        (paths(&front), paths(&api), paths(&wild)),
        (vec!["/".to_owned(), "/apis".into()], vec!["/api/x".into()], vec!["/api/y".into()])
    );
    browser.with("host", "example.org").get("/").await.refused(421, "misdirected_request");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_only_looks_changes_nothing() {
    let house = House::new().await;
    let (mut root, bob) = (house.issuer.sign_up("root").await, house.issuer.sign_up("bob").await);
    let id = root.user.as_deref().unwrap().parse().unwrap();
    assert!(house.issuer.cx.set_role(id, portcullis_core::user::Role::ADMIN).await.unwrap());
    assert_eq!(root.refresh().await.status, 200);
    let path = format!("/admin/api/users/{}/impersonate", bob.user.as_deref().unwrap());
    let acting = root.post(&path, &json!({"reason": "ticket 1"})).await;
    let token = acting.json["access_token"].as_str().unwrap_or_else(|| panic!("{}", acting.text()));
    let looking = house.browser().with("authorization", &format!("Bearer {token}"));
    let seen = looking.get("/").await;
    assert_eq!(
        (seen.app_saw("x-auth-user"), seen.app_saw("x-auth-actor")),
        (bob.user.as_deref(), root.user.as_deref())
    );
    looking.send(Method::POST, "/", None).await.refused(403, "read_only_session");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_site_behind_a_code_lets_nobody_in_without_it() {
    let house =
        House::with(App::echo().await, |config| config.access_code = Some("open sesame".into())).await;
    let browser = house.browser();
    browser.get("/").await.refused(403, "access_code_required");
    browser.post("/auth/login", &json!({})).await.refused(403, "access_code_required");
    let page = browser.with("accept", "text/html").get("/deep?x=1").await;
    assert_eq!(page.status, 403);
    assert!(page.text().contains(r#"value="/deep?x=1""#), "{}", page.text());
    let wrong = browser.submit("/auth/access-code", &[("code", "open"), ("return_to", "/deep")]).await;
    assert_eq!(wrong.status, 403);
    let right =
        browser.submit("/auth/access-code", &[("code", "open sesame"), ("return_to", "/deep?x=1")]).await;
    assert_eq!((right.status, right.header("location")), (303, Some("/deep?x=1")));
    let seen = browser.get("/").await;
    assert_eq!((seen.status, seen.app_saw("cookie")), (200, None));
    let guesser = house.browser();
    for _ in 0..9 {
        guesser.submit("/auth/access-code", &[("code", "x")]).await;
    }
    guesser.submit("/auth/access-code", &[("code", "open sesame")]).await.refused(429, "rate_limited");
    assert_eq!(browser.get("/").await.status, 200, "who knows it is not asked");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_of_one_host_change_nothing_at_another() {
    let house =
        House::with(App::echo().await, |config| config.hosts = vec!["other.example.org".into()]).await;
    house.issuer.sign_up("ada").await;
    let other = house.browser().with("host", "other.example.org");
    let home = other.with("sec-fetch-site", "cross-site");
    crate::house::sign_in(&home, "ada").await.refused(403, "csrf_failed");
    let own = other.with("origin", "http://other.example.org");
    assert_eq!(crate::house::sign_in(&own, "ada").await.status, 200);
    other.send(Method::POST, "/", None).await.refused(403, "csrf_failed");
    assert_eq!(own.send(Method::POST, "/", None).await.status, 200);
    let alias = house.browser().with("host", "127.0.0.1:8080");
    assert_eq!(crate::house::sign_in(&alias, "ada").await.status, 200, "this machine by another name");
}

#[tokio::test]
async fn plain_http_is_for_this_machine_alone() {
    for (url, starts) in [
        ("http://app.example.org", false),
        ("http://192.0.2.1:8080", false),
        ("http://127.0.0.1:8080", true),
        ("https://app.example.org", true),
    ] {
        let made = crate::house::gateway(|config| config.public_url = url.parse().expect("a URL"));
        match made {
            Ok(_) => assert!(starts, "{url}"),
            Err(error) => {
                let told = error.to_string();
                assert!(!starts && told.contains("gateway.public_url") && told.contains(url), "{told}");
            }
        }
    }
}
