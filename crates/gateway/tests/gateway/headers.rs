//! What reaches the app, what stays behind, and how proxied requests must show where they come from.

use http::Method;
use portcullis_gateway::Csrf;

use crate::house::House;
use crate::upstream::{App, text};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn identity_headers_of_clients_never_arrive() {
    let house = House::new().await;
    let browser = house.signed_in("ada").await;
    for someone in [house.browser(), browser.clone()] {
        let spoofing = someone
            .with("x-auth-user", "root")
            .with("x-auth-role", "admin")
            .with("x_auth_role", "admin")
            .with("x-auth-anything", "1")
            .with("x-forwarded-for", "6.6.6.6")
            .with("x-forwarded-user", "root")
            .with("x-real-ip", "6.6.6.6")
            .with("forwarded", "for=6.6.6.6");
        let seen = spoofing.get("/").await;
        assert_eq!(seen.status, 200, "{}", seen.text());
        assert!(!seen.text().contains("6.6.6.6") && !seen.text().contains("root"), "{}", seen.text());
        assert_ne!(seen.app_saw("x-auth-role"), Some("admin"));
        assert_eq!(seen.app_saw("x-forwarded-for"), Some("127.0.0.1"));
        assert_eq!(
            (seen.app_saw("x-forwarded-proto"), seen.app_saw("host")),
            (Some("http"), Some("localhost:8080"))
        );
        assert_eq!(seen.app_saw("x-forwarded-host"), Some("localhost:8080"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cookies_of_the_app_pass_and_ours_do_not() {
    let app = App::start(|request| async move {
        let mut response = crate::upstream::echo(request).await;
        for line in ["sessionid=1; Path=/", "pc_gateway=evil; Path=/", "csrftoken=2"] {
            response.headers_mut().append("set-cookie", line.parse().expect("a value"));
        }
        response
    });
    let house = House::with(app.await, |_| {}).await;
    let browser = house.signed_in("ada").await;
    let sealed = browser.cookies()["pc_gateway"].clone();
    browser.get("/").await;
    assert_eq!(browser.cookies()["pc_gateway"], sealed);
    let seen = browser.get("/").await;
    assert_eq!(seen.app_saw("cookie"), Some("csrftoken=2; sessionid=1"));
    let twice = browser.with("cookie", "pc_gateway=1.a; pc_gateway=1.a");
    twice.get("/").await.refused(400, "malformed_request");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_sites_change_nothing() {
    let house = House::new().await;
    let browser = house.signed_in("ada").await;
    let post = async |browser: &crate::browser::Browser| browser.send(Method::POST, "/", None).await;
    assert!(post(&browser).await.app_saw("x-auth-user").is_some());
    for (name, value) in [
        ("origin", "https://evil.example"),
        ("origin", ""),
        ("sec-fetch-site", "cross-site"),
        ("origin", "null"),
    ] {
        post(&browser.with(name, value)).await.refused(403, "csrf_failed");
    }
    let seen = house.app.seen().len();
    post(&browser.with("origin", "https://evil.example")).await;
    assert_eq!(house.app.seen().len(), seen, "the app was not asked");
    let reading = browser.with("origin", "https://evil.example").with("sec-fetch-site", "cross-site");
    assert_eq!(reading.get("/").await.status, 200);
    assert_eq!(
        post(&house.browser().with("origin", "https://evil.example")).await.status,
        200,
        "without a session"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_token_is_asked_for_where_it_is_wanted() {
    let house = House::with(App::echo().await, |config| config.csrf = Csrf::Token).await;
    let browser = house.signed_in("ada").await;
    browser.send(Method::POST, "/", None).await.refused(403, "csrf_failed");
    let with = browser.with_csrf().await;
    assert_eq!(with.send(Method::POST, "/", None).await.status, 200);
    assert_eq!(browser.get("/").await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_apps_answer_stays_what_it_is() {
    let app = App::start(|_| async {
        let mut response = text(http::StatusCode::IM_A_TEAPOT, "short and stout");
        for (name, value) in [
            ("x-own", "1"),
            ("content-security-policy", "default-src *"),
            ("connection", "x-own-hop"),
            ("x-own-hop", "1"),
            ("keep-alive", "timeout=9"),
        ] {
            response
                .headers_mut()
                .insert(http::HeaderName::from_static(name), value.parse().expect("a value"));
        }
        response
    });
    let house = House::with(app.await, |_| {}).await;
    let reply = house.browser().get("/").await;
    assert_eq!((reply.status, reply.text().as_str()), (418, "short and stout"));
    assert_eq!(reply.header("content-security-policy"), Some("default-src *"));
    assert_eq!(
        (reply.header("x-own"), reply.header("x-own-hop"), reply.header("keep-alive")),
        (Some("1"), None, None)
    );
    assert!(reply.header("x-request-id").is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_hosts_of_ours_are_answered() {
    let house = House::new().await;
    let misdirected = house.browser().with("host", "evil.example");
    misdirected.get("/").await.refused(421, "misdirected_request");
    misdirected.get("/auth/csrf").await.refused(421, "misdirected_request");
    assert_eq!(misdirected.get("/auth/gateway/live").await.status, 200, "probes know no name");
}
