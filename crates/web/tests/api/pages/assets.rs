//! What all pages have in common, and `/assets/{name}`

use portcullis_testkit::{Backend, TestApp};

use super::open;
use crate::support::{common_headers, refused};

const PAGES: [&str; 9] =
    ["/", "/setup", "/setup/", "/docs", "/docs/problems", "/sign-in", "/sign-up", "/sign-out", "/error"];

#[tokio::test]
async fn pages_hold_no_script_and_what_they_load_is_there() {
    let app = TestApp::new(Backend::Sqlite).await;
    for path in PAGES {
        let page = open(&app.browser(), path).await;
        let places = ["href", "src"].into_iter();
        let links = places.flat_map(|name| page.tags.iter().filter_map(move |tag| tag.attribute(name)));
        let mut found = 0;
        for link in links {
            assert_eq!(app.anon().get(link).await.status, 200, "{path} leads to {link}");
            found += 1;
        }
        assert!(found > 0, "{path} has a stylesheet");
        let scripts = page.tags.iter().filter(|tag| tag.name == "script").count();
        let needs = path.starts_with("/setup") || path == "/sign-in";
        assert_eq!(scripts, usize::from(needs), "{path}");
    }
    let page = open(&app.browser(), "/setup").await;
    assert_eq!(page.by_id("password").unwrap().attribute("minlength"), Some("15"));
}

#[tokio::test]
async fn what_pages_load_may_be_kept_for_long() {
    let app = TestApp::new(Backend::Sqlite).await;
    let page = open(&app.browser(), "/setup").await;
    let loaded: Vec<_> = page
        .tags
        .iter()
        .filter_map(|tag| tag.attribute("href").or(tag.attribute("src")))
        .filter(|place| place.starts_with("/assets/"))
        .collect();
    assert_eq!(loaded.len(), 2);
    for place in loaded {
        let reply = app.anon().get(place).await;
        assert_eq!(reply.header("cache-control"), Some("public, max-age=31536000, immutable"), "{place}");
        let (stem, rest) = place.rsplit_once('-').expect("a digest");
        let (digest, extension) = rest.split_once('.').expect("an extension");
        assert!(digest.len() == 16 && digest.bytes().all(|b| b.is_ascii_hexdigit()));
        assert_eq!(app.anon().get(&format!("{stem}.{extension}")).await.body, reply.body);
        assert_eq!(app.anon().get(&format!("{stem}-0000000000000000.{extension}")).await.status, 404);
    }
}

#[tokio::test]
async fn styles_load_nothing_either() {
    let app = TestApp::new(Backend::Sqlite).await;
    let style = app.anon().get("/assets/portcullis.css").await.text();
    assert!(
        !style.contains("url(") && !style.contains("@import") && style.contains("prefers-color-scheme: dark")
    );
}

#[tokio::test]
async fn assets_are_three_files_and_no_path() {
    let app = TestApp::new(Backend::Sqlite).await;
    let kinds = [
        ("portcullis.css", "text/css; charset=utf-8"),
        ("setup.js", "text/javascript; charset=utf-8"),
        ("passkeys.js", "text/javascript; charset=utf-8"),
    ];
    for (name, kind) in kinds {
        let reply = app.anon().get(&format!("/assets/{name}")).await;
        assert_eq!((reply.status, reply.header("content-type")), (200, Some(kind)));
        assert_eq!(reply.header("cache-control"), Some("public, max-age=300"));
        common_headers(&reply);
    }
    for name in ["nothing.css", "..%2fCargo.toml", "%2e%2e", "setup.js%00", "%ff", "SETUP.JS", "a/b"] {
        let reply = app.anon().get(&format!("/assets/{name}")).await;
        assert!((400..405).contains(&reply.status), "{name}: {}", reply.status);
        refused(&reply, 404, "not_found");
    }
}
