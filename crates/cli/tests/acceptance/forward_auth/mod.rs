//! Real reverse proxies in front of a service, with the configurations of `docs/forward-auth.md` as they stand there:
//! what the service is told, what never reaches it, and what clients are told instead.

mod client;
mod page;
mod proxy;
mod service;

use portcullis_testkit::{Backend, RunningServer};
use serde_json::json;

use crate::support::{Tokens, installation, logout, register};
use client::{Answer, Client};
use proxy::{Kind, Proxy};
use service::Service;

/// What a browser sends that wants a page.
const PAGE: [(&str, &str); 2] = [("Accept", "text/html,*/*;q=0.8"), ("Sec-Fetch-Mode", "navigate")];

/// Everything that stands between a client and the service.
struct Site {
    service: Service,
    server: RunningServer,
    client: Client,
    ada: Tokens,
    user: String,
    _proxy: Proxy,
    _installation: portcullis_testkit::Installation,
}

async fn site(kind: Kind, backend: Backend) -> Site {
    let service = Service::start().await;
    let (proxy_port, listener_port) = (proxy::free_port(), proxy::free_port());
    let installation = installation(backend).env("PORTCULLIS_SERVER__HOSTS", "localhost");
    let places = page::Places { proxy: proxy_port, listener: listener_port, service: service.port };
    std::fs::write(installation.path("portcullis.toml"), page::portcullis(kind, &places)).expect("a file");
    let server = installation.serve().await;
    let ada = register(&mut server.client(), "ada@example.org").await;
    let me = crate::support::get_as(&mut server.client(), "/auth/me", &ada.access).await.expect("an answer");
    let user = me.json["id"].as_str().expect("an id").to_owned();
    let proxy = Proxy::start(kind, &places, installation.path(kind.name())).await;
    let client = Client::new(proxy_port);
    Site { service, server, client, ada, user, _proxy: proxy, _installation: installation }
}

impl Site {
    fn bearer(&self) -> String {
        format!("Bearer {}", self.ada.access)
    }

    fn cookie(&self) -> String {
        format!("app_session=its-own; __Secure-pc_access={}; csrftoken=x", self.ada.access)
    }

    /// What the service was told of the request that was just answered.
    #[track_caller]
    fn told(&self, answer: &Answer) -> service::Seen {
        assert_eq!((answer.status, answer.body.as_str()), (200, service::HELLO), "{answer:?}");
        self.service.take().pop().expect("it was asked")
    }

    /// The request was answered without the service.
    #[track_caller]
    fn kept_out(&self, answer: &Answer, statuses: &[u16], what: &str) {
        assert!(statuses.contains(&answer.status), "{what}: {answer:?}");
        assert_ne!(answer.body, service::HELLO, "{what}");
        assert_eq!(self.service.take(), [], "{what} has reached the service");
    }
}

macro_rules! with_each_proxy {
    ($($test:ident),+ $(,)?) => {
        mod nginx {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test(super::Kind::Nginx).await;
            })+
        }
        mod caddy {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test(super::Kind::Caddy).await;
            })+
        }
    };
}
with_each_proxy!(
    the_service_is_told_who_asks,
    nobody_is_told_or_sent_to_sign_in,
    cookies_are_held_to_their_origin,
    nothing_that_a_client_says_is_believed,
    no_spelling_of_a_path_reaches_what_is_guarded,
    a_session_ends_at_the_proxy_too,
    without_us_nothing_passes,
);

async fn the_service_is_told_who_asks(kind: Kind) {
    let site = site(kind, Backend::Sqlite).await;
    let bearer = site.bearer();
    for (name, value) in [("Authorization", &bearer), ("Cookie", &site.cookie())] {
        let answer = site.client.get("/a/b?c=%2Fd", &[(name, value)]).await;
        let seen = site.told(&answer);
        assert_eq!((seen.method.as_str(), seen.target.as_str()), ("GET", "/a/b?c=%2Fd"));
        assert_eq!(seen.one("x-auth-user"), site.user);
        assert_eq!(seen.one("x-auth-role"), "user");
        assert!(!seen.one("x-auth-account").is_empty());
        let token = seen.one("authorization").strip_prefix("Bearer ").expect("a bearer").to_owned();
        assert_ne!(token, site.ada.access);
        let claims = client::claims(&token);
        assert_eq!(
            (&claims["aud"], &claims["sub"]),
            (&json!("https://auth.example.com/upstream"), &json!(site.user))
        );
        let cookies = if name == "Cookie" { "app_session=its-own" } else { "" };
        assert_eq!(seen.all("cookie").join(""), cookies, "ours stay with us");
    }
    // A body goes on to the service, not to us.
    let answer = site.client.send("POST", "/a", &[("Authorization", &bearer)], "a body").await;
    assert_eq!(site.told(&answer).body, "a body");
    let seen = site.told(&site.client.get("/assets/x.css", &[]).await);
    assert_eq!(
        ["x-auth-user", "x-auth-role", "authorization"].map(|name| seen.all(name).join("")),
        ["", "", ""]
    );
}

async fn nobody_is_told_or_sent_to_sign_in(kind: Kind) {
    let site = site(kind, Backend::Sqlite).await;
    let answer = site.client.get("/a", &[("Accept", "application/json")]).await;
    site.kept_out(&answer, &[401], "a program");
    assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
    let answer = site.client.get("/a?b=c", &PAGE).await;
    site.kept_out(&answer, &[302], "a page");
    let port = site.client.port;
    let place = format!(
        "https://auth.example.com/sign-in?return_to=http%3A%2F%2Fapp.example.com%3A{port}%2Fa%3Fb%3Dc"
    );
    assert_eq!(answer.header("location"), Some(place.as_str()));
    let bearer = site.bearer();
    let answer = site.client.get("/admin", &[("Authorization", &bearer)]).await;
    site.kept_out(&answer, &[403], "a user at /admin");
    for header in ["Bearer garbage", "Basic dTpw", "Bearer"] {
        let answer = site.client.get("/assets/x.css", &[("Authorization", header)]).await;
        site.kept_out(&answer, &[401], header);
    }
}

async fn cookies_are_held_to_their_origin(kind: Kind) {
    let site = site(kind, Backend::Sqlite).await;
    let cookie = site.cookie();
    let own = format!("http://app.example.com:{}", site.client.port);
    let socket = [("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13")];
    let post = site.client.send("POST", "/a", &[("Cookie", &cookie), ("Origin", &own)], "x").await;
    assert_eq!(site.told(&post).one("x-auth-user"), site.user);
    for origin in ["https://evil.example", "null", "http://app.example.com"] {
        let forged = site.client.send("POST", "/a", &[("Cookie", &cookie), ("Origin", origin)], "x").await;
        site.kept_out(&forged, &[403], origin);
        let headers = [&[("Cookie", cookie.as_str()), ("Origin", origin)], &socket[..]].concat();
        site.kept_out(&site.client.get("/a", &headers).await, &[403], "a WebSocket");
    }
    let nowhere = site.client.send("DELETE", "/a", &[("Cookie", &cookie)], "").await;
    site.kept_out(&nowhere, &[403], "without an origin");
    let twice = format!("{cookie}; __Secure-pc_access=x");
    site.kept_out(&site.client.get("/a", &[("Cookie", &twice)]).await, kind.malformed(), "two cookies");
    let two_lines = [("Cookie", cookie.as_str()), ("Cookie", "__Secure-pc_access=x")];
    site.kept_out(&site.client.get("/a", &two_lines).await, kind.malformed(), "two cookies in two lines");
}

async fn nothing_that_a_client_says_is_believed(kind: Kind) {
    let site = site(kind, Backend::Sqlite).await;
    let bearer = site.bearer();
    let spoofed = [
        ("X-Auth-User", "root"),
        ("x_auth_user", "root"),
        ("X_AUTH_ROLE", "admin"),
        ("x-auth_role", "admin"),
        ("x_auth-role", "admin"),
        ("X-Auth-Role", "admin"),
        ("X-Auth-Account", "root"),
        ("X-Auth-Actor", "root"),
        ("X-Auth-Scopes", "everything"),
        ("X-Forwarded-Method", "GET"),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Host", "other.example.com"),
        ("X-Forwarded-Uri", "/assets/x"),
        ("X-Original-Method", "GET"),
        ("X-Original-URL", "https://app.example.com/assets/x"),
        ("X-HTTP-Method-Override", "DELETE"),
        ("X-Portcullis-Forward", "x"),
        ("X-Portcullis-Redirect", "https://evil.example"),
    ];
    for line in spoofed {
        let answer = site.client.get("/a", &[("Authorization", &bearer), line]).await;
        let seen = site.told(&answer);
        assert_eq!(
            (seen.one("x-auth-user"), seen.one("x-auth-role")),
            (site.user.clone(), "user".into()),
            "{line:?}"
        );
        seen.holds_no(&["root", "admin", "everything", "DELETE"]);
        let answer = site.client.get("/admin", &[("Authorization", &bearer), line]).await;
        site.kept_out(&answer, &[403], line.0);
        let answer = site.client.get("/a", &[line]).await;
        site.kept_out(&answer, &[401], line.0);
        let answer = site.client.get("/assets/x", &[line]).await;
        site.told(&answer).holds_no(&["root", "admin", "everything", "DELETE"]);
    }
    // `Connection` may not take a header away that we have set.
    let hop = ("Connection", "close, X-Auth-User, Authorization, X-Forwarded-Uri, X-Original-URL, Cookie");
    let answer = site.client.get("/admin", &[("Authorization", &bearer), hop]).await;
    site.kept_out(&answer, &[401, 403, 400, 500], "a hop-by-hop header");
}

async fn no_spelling_of_a_path_reaches_what_is_guarded(kind: Kind) {
    let site = site(kind, Backend::Sqlite).await;
    let bearer = site.bearer();
    for target in [
        "/admin",
        "/admin/",
        "/ADMIN",
        "/%61dmin",
        "/admin%2fx",
        "/admin;x",
        "/admin.json",
        "/./admin",
        "//admin",
        "/assets/../admin",
        "/assets/%2e%2e/admin",
        "/assets/..%2fadmin",
        "/assets/..;/admin",
        "/assets/..%5cadmin",
        "/assets/..\\admin",
        "/assets//../admin",
        "/assets/%252e%252e/admin",
        "/assets#/../admin",
        "/assets%00/../admin",
        "/assets%0a/../admin",
        "/assets%23/../admin",
        "/assets/%c0%ae%c0%ae/admin",
        "http://app.example.com/assets/../admin",
        "http://app.example.com/admin",
    ] {
        for header in [("Authorization", bearer.as_str()), ("Accept", "*/*")] {
            let answer = site.client.get(target, &[header]).await;
            assert!(matches!(answer.status, 400..=404 | 500), "{target}: {answer:?}");
            assert_eq!(site.service.take(), [], "{target}");
        }
    }
    // What is asked for is what the proxy routes by, not what a second host says.
    for host in ["other.example.com", "app.example.com"] {
        let lines = [("Host", host), ("Authorization", bearer.as_str())];
        let answer = site.client.send_raw("GET", "http://app.example.com/admin", &lines, "").await;
        assert!(matches!(answer.status, 400..=404 | 421 | 500), "{host}: {answer:?}");
        assert_eq!(site.service.take(), [], "{host}");
    }
    // The question itself is nothing that clients may ask.
    let answer = site.client.get("/_portcullis", &[]).await;
    site.kept_out(&answer, &[401, 404], "/_portcullis");
}

async fn a_session_ends_at_the_proxy_too(kind: Kind) {
    let site = site(kind, Backend::Postgres).await;
    let bearer = site.bearer();
    let answer = site.client.get("/a", &[("Authorization", &bearer)]).await;
    site.told(&answer);
    logout(&mut site.server.client(), &site.ada.refresh).await.expect("an answer");
    for headers in [("Authorization", bearer), ("Cookie", site.cookie())] {
        let answer = site.client.get("/a", &[(headers.0, &headers.1)]).await;
        site.kept_out(&answer, &[401], headers.0);
    }
}

async fn without_us_nothing_passes(kind: Kind) {
    let mut site = site(kind, Backend::Sqlite).await;
    let bearer = site.bearer();
    site.told(&site.client.get("/a", &[("Authorization", &bearer)]).await);
    // The proxy keeps its connection to us, which is no reason to wait.
    site.server.signal("TERM").await;
    assert_eq!(site.server.ended().await.code(), Some(0), "{}", site.server.log());
    for target in ["/a", "/assets/x.css"] {
        let answer = site.client.get(target, &[("Authorization", &bearer)]).await;
        site.kept_out(&answer, &[500, 502], target);
    }
}
