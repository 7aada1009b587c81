//! `/`, `/setup`, `/assets/{name}`

use portcullis_testkit::{Backend, TestApp};

use crate::support::{common_headers, refused};

#[tokio::test]
async fn pages_hold_no_script_and_what_they_load_is_there() {
    let app = TestApp::new(Backend::Sqlite).await;
    for path in ["/", "/setup", "/setup/", "/docs", "/docs/problems"] {
        let page = app.anon().get(path).await;
        assert_eq!(
            (page.status, page.header("content-type")),
            (200, Some("text/html; charset=utf-8")),
            "{path}"
        );
        common_headers(&page);
        let text = page.text();
        assert!(
            !text.contains(" onclick") && !text.contains("<script>") && !text.contains("<style"),
            "{path}"
        );
        let links = text.split('"').filter(|link| link.starts_with('/') && !link.starts_with("/auth"));
        for link in links {
            assert_eq!(app.anon().get(link).await.status, 200, "{path} leads to {link}");
        }
    }
    let page = app.anon().get("/setup").await;
    assert_eq!(page.header("cache-control"), Some("no-store"));
    assert!(page.text().contains("minlength=\"15\""));
}

#[tokio::test]
async fn assets_are_two_files_and_no_path() {
    let app = TestApp::new(Backend::Sqlite).await;
    let kinds =
        [("portcullis.css", "text/css; charset=utf-8"), ("setup.js", "text/javascript; charset=utf-8")];
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
