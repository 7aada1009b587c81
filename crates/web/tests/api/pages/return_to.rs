//! `return_to`: back to where people wanted to go, and nowhere else.

use portcullis_testkit::{Backend, TestApp};
use url::form_urlencoded::byte_serialize;

use super::{Page, open, send, sent_on, sign_in_at, signed_in};

async fn app() -> TestApp {
    TestApp::with(Backend::Sqlite, |setup| {
        setup.web.return_urls = vec!["https://app.example".into(), "https://shop.example/done?x=1".into()];
    })
    .await
}

fn with(path: &str, place: &str) -> String {
    format!("{path}?return_to={}", byte_serialize(place.as_bytes()).collect::<String>())
}

const ALLOWED: [(&str, &str); 9] = [
    ("/", "/"),
    ("/account?tab=1#x", "/account?tab=1#x"),
    ("/a/../docs", "/docs"),
    ("/%2f%2fevil.example", "/%2f%2fevil.example"),
    ("/?next=https://evil.example", "/?next=https://evil.example"),
    ("http://localhost:8400/docs", "http://localhost:8400/docs"),
    ("https://app.example", "https://app.example/"),
    ("https://APP.example:443/a%20b?c=d", "https://app.example/a%20b?c=d"),
    ("https://shop.example/done?x=1", "https://shop.example/done?x=1"),
];

const REFUSED: [&str; 37] = [
    "",
    "docs",
    "?x",
    "#x",
    "//evil.example",
    "///evil.example",
    "//localhost:8400/docs",
    "/\\evil.example",
    "\\\\evil.example",
    "\\/evil.example",
    "/\t/evil.example",
    "/\n/evil.example",
    "\t//evil.example",
    " //evil.example",
    "/docs ",
    "/docs\r\nset-cookie: a=b",
    "/.//evil.example",
    "/a/..//evil.example",
    "/%2e//evil.example",
    "/\u{2028}x",
    "/\u{fc}",
    "%2F%2Fevil.example",
    "https:evil.example",
    "https:/evil.example",
    "https://evil.example",
    "https://evil.example/https://app.example",
    "https://app.example.evil.example",
    "https://app.example@evil.example",
    "https://u:p@app.example/",
    "https://app.example:8443/",
    "http://app.example/",
    "https:\\\\app.example/",
    "https://app.example\\@evil.example/",
    "https://shop.example/",
    "https://shop.example/done",
    "javascript:alert(1)",
    "data:text/html,x",
];

#[tokio::test]
async fn there_and_nowhere_else() {
    let app = app().await;
    app.sign_up("ada").await;
    for (place, location) in ALLOWED {
        let browser = app.browser();
        let path = with("/sign-in", place);
        sent_on(&sign_in_at(&browser, &path, "ada").await, location);
        let shown = browser.get(&path).await;
        if location.starts_with("https:") {
            // Our cookies do not get there: sent back unasked, the browser would be sent here again, and so on.
            assert!(Page::of(shown, 200).links().contains(&location), "{place}");
        } else {
            sent_on(&shown, location);
        }
    }
    let ada = signed_in(&app, "bob").await;
    assert_eq!(Page::of(ada.get("/sign-in?return_to=/%00").await, 422).code(), "validation_failed");
    for place in REFUSED {
        for browser in [&ada, &app.browser()] {
            for path in ["/sign-in", "/sign-up", "/sign-out", "/account", "/account/password"] {
                let path = with(path, place);
                for reply in [browser.get(&path).await, send(browser, &path, &[]).await] {
                    assert!(reply.header("location").is_none() && reply.header("set-cookie").is_none());
                    let page = Page::of(reply, 400);
                    assert_eq!(
                        (page.code(), page.links()),
                        ("malformed_request", vec!["/account"]),
                        "{place:?}"
                    );
                }
            }
        }
    }
}

/// Browsers hold the answer to a form to `form-action`, also where it sends on.
#[tokio::test]
async fn the_policy_lets_the_form_lead_there() {
    let app = app().await;
    let actions = async |path: &str| {
        let page = open(&app.browser(), path).await;
        let policy = page.reply.header("content-security-policy").unwrap().to_owned();
        policy.split("; ").find_map(|part| part.strip_prefix("form-action ")).unwrap().to_owned()
    };
    for path in ["/sign-in", "/sign-up"] {
        assert_eq!(actions(path).await, "'self'");
        assert_eq!(actions(&with(path, "/docs")).await, "'self'");
        assert_eq!(actions(&with(path, "https://app.example/a;b,c")).await, "'self' https://app.example");
        let page = open(&app.browser(), &with(path, "https://app.example/a")).await;
        assert!(page.links().iter().all(|link| link.ends_with("?return_to=https%3A%2F%2Fapp.example%2Fa")));
    }
    // Wrong at first, it still leads there.
    let browser = app.browser();
    let path = with("/sign-in", "https://app.example/a");
    let reply = sign_in_at(&browser, &path, "nobody").await;
    let page = Page::of(reply, 401);
    assert!(
        page.reply
            .header("content-security-policy")
            .unwrap()
            .contains("form-action 'self' https://app.example;")
    );
}
