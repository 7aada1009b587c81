//! Headers that a client may send along change no decision, and none of them is told on.

use portcullis_core::access::Require;
use portcullis_testkit::{Actor, Backend, Reply};

use super::{HOST, VERIFY, app_with, ask, malformed, passes, role, rule};
use crate::support::refused;

/// What an attacker sends along, beside what the proxy sends.
const SPOOFED: &[(&str, &str)] = &[
    ("x-auth-user", "root"),
    ("x_auth_user", "root"),
    ("x-auth_user", "root"),
    ("x-auth-role", "admin"),
    ("x_auth_role", "admin"),
    ("x-auth-account", "root"),
    ("x-auth-actor", "root"),
    ("x-auth-scopes", "everything"),
    ("x-auth-user-id", "root"),
    ("x-remote-user", "root"),
    ("remote-user", "root"),
    ("x-forwarded-user", "root"),
    ("x-forwarded-for", "127.0.0.1"),
    ("x-forwarded-port", "443"),
    ("x-forwarded-path", "/public"),
    ("x-forwarded-prefix", "/public"),
    ("x-forwarded-server", "public.example"),
    ("x-forwarded-url", "/public"),
    ("x_forwarded_uri", "/public"),
    ("x_forwarded_host", "public.example"),
    ("x-rewrite-url", "/public"),
    ("x-original-uri", "/public"),
    ("x-original-host", "public.example"),
    ("x-real-ip", "127.0.0.1"),
    ("x-real-method", "GET"),
    ("x-http-method-override", "GET"),
    ("x-method-override", "GET"),
    ("forwarded", "host=public.example;proto=https;for=127.0.0.1"),
    ("x-host", "public.example"),
    ("x-envoy-original-path", "/public"),
    ("proxy-authorization", "Bearer x"),
    ("x-portcullis-redirect", "https://evil.example"),
    ("cookie", "pc_refresh=pcr_x; __Host-pc_access=x; pc_accessx=x; PC_ACCESS=x; xpc_access=y"),
];

fn site() -> Vec<portcullis_core::access::Rule> {
    vec![rule("/public", Require::Public), rule("/admin", role("admin"))]
}

/// Everything of a reply that a proxy or a client acts on.
fn decision(reply: &Reply) -> (u16, String, Vec<Option<String>>) {
    let names = ["x-auth-user", "x-auth-role", "x-auth-account", "x-auth-actor", "x-auth-scopes", "location"];
    let told = names.iter().map(|name| reply.header(name).map(str::to_owned));
    (reply.status, reply.code().to_owned(), told.collect())
}

#[tokio::test]
async fn headers_that_clients_may_send_decide_nothing() {
    let app = app_with(Backend::Sqlite, site()).await;
    let ada = app.sign_up("ada").await;
    for actor in [&ada, &app.anon()] {
        for (method, target) in
            [("GET", "/public/x"), ("GET", "/x"), ("POST", "/x"), ("GET", "/admin"), ("DELETE", "/admin/x")]
        {
            let honest = decision(&ask(actor, method, target).await);
            for (name, value) in SPOOFED {
                let spoofed = decision(&ask(&actor.with_header(name, value), method, target).await);
                assert_eq!(spoofed, honest, "{name} at {method} {target}");
            }
        }
    }
}

#[tokio::test]
async fn a_member_of_a_family_that_a_client_sends_along_is_refused() {
    let app = app_with(Backend::Sqlite, site()).await;
    let ada = app.sign_up("ada").await;
    for (name, value) in [
        ("x-forwarded-method", "GET"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "public.example"),
        ("x-forwarded-uri", "/public"),
        ("X-FORWARDED-URI", "/public"),
        ("x-original-method", "GET"),
        ("x-original-url", "https://app.example/public"),
    ] {
        malformed(&ask(&ada.with_header(name, value), "GET", "/admin").await);
    }
}

async fn asked(actor: &Actor, host: &str, target: &str) -> (u16, String) {
    let reply = actor.proxied("GET", host, target).get(VERIFY).await;
    (reply.status, reply.code().to_owned())
}

#[tokio::test]
async fn no_spelling_of_a_guarded_path_is_let_through() {
    let app = app_with(Backend::Sqlite, site()).await;
    let (ada, anon) = (app.sign_up("ada").await, app.anon());
    for target in [
        "/admin",
        "/admin/",
        "/admin?x=/public",
        "/admin/?/public",
        "/Admin",
        "/%61dmin",
        "/%2561dmin",
        "/admin%2fx",
        "/admin;/public",
        "/admin;x=..%2fpublic",
        "/admin%3f/public",
        "/admin%23",
        "/admin.json",
        "/admin%20",
        "/admin/..;/public",
        "/admin/../public",
        "/public/../admin",
        "/public/..%2fadmin",
        "/public/%2e%2e/admin",
        "/public/..;/admin",
        "/public\\..\\admin",
        "/public/..%5cadmin",
        "/public//../admin",
        "/./admin",
        "//admin",
        "///admin",
        "/%2fadmin",
        "/;/admin",
        "/admin#/public",
        "/public#/../admin",
        "/public%00/../admin",
        "/%C0%AE%C0%AE/admin",
        "https://app.example/public/../admin",
    ] {
        let (status, code) = asked(&ada, HOST, target).await;
        assert!(matches!(status, 400 | 403), "{target}: {status} {code}");
        let (status, code) = asked(&anon, HOST, target).await;
        assert!(matches!(status, 400 | 401), "{target}: {status} {code}");
    }
    // The same, spelt plainly.
    passes(&ask(&anon, "GET", "/public/admin").await, None);
    passes(&ask(&ada, "GET", "/administrator").await, ada.user.as_deref());
}

#[tokio::test]
async fn no_spelling_of_a_host_leaves_its_rules() {
    let at = |host: &str, require| portcullis_core::access::Rule {
        host: portcullis_core::access::HostPattern::parse(host).ok(),
        ..rule("/", require)
    };
    let rules = vec![at("open.example", Require::Public), at("*.closed.example", role("admin"))];
    let app = app_with(Backend::Sqlite, rules).await;
    let ada = app.sign_up("ada").await;
    for host in ["x.closed.example", "X.CLOSED.example", "x.closed.example.", "x.closed.example:8443"] {
        assert_eq!(asked(&ada, host, "/").await, (403, "forbidden".into()), "{host}");
    }
    for host in ["open.example", "OPEN.example", "open.example.", "open.example:8443"] {
        assert_eq!(asked(&app.anon(), host, "/").await.0, 200, "{host}");
    }
    for host in ["xopen.example", "open.example.evil.example", "127.0.0.1", "localhost"] {
        assert_eq!(asked(&app.anon(), host, "/").await, (401, "missing_token".into()), "{host}");
    }
    // The name under which we are asked is not the one that is asked for.
    let ours = app.anon().with_header("host", "open.example").proxied("GET", "x.closed.example", "/");
    refused(&ours.get(VERIFY).await, 421, "misdirected_request");
}
